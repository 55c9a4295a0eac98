"""From posteriors and text to the timed tree, with a model that hears what was planted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from aligner_core import Aligner, Alignment, AlignmentError, LyricsError
from aligner_core.acoustic.cnn import SYMBOLS, CnnConfig, CnnCtc
from aligner_core.costs import NEUTRAL
from aligner_core.evidence import evidence
from aligner_core.phones import base, pronounce

Planted = Sequence[tuple[str, int]]  # phone or "sil" or "music", and its frames


class Hears:
    """An acoustic model that hears the planted phones in any sound."""

    symbols = SYMBOLS
    sample_rate = 16000
    frame_seconds = 0.01

    def __init__(self, planted: Planted, sure: float = 0.9) -> None:
        frames = [SYMBOLS.index(name) for name, count in planted for _ in range(count)]
        rest = (1 - sure) / (len(SYMBOLS) - 1)
        self.table = torch.full((len(frames), len(SYMBOLS)), rest)
        self.table[torch.arange(len(frames)), frames] = sure

    def log_probs(self, wave: Tensor, progress: Callable[[float], None] | None = None) -> Tensor:
        assert len(wave) // 160 + 1 == len(self.table)
        if progress:
            progress(1.0)
        return self.table.log()

    def log_probs_of(self, blocks: Iterable[Tensor], progress: Callable[[float], None] | None = None) -> Tensor:
        return self.log_probs(torch.cat(list(blocks)), progress)


def say(words: str, frames: int = 8, variant: int = 0) -> list[tuple[str, int]]:
    """The phones of these words, each of so many frames."""
    phones = [pronounce(word)[min(variant, len(pronounce(word)) - 1)] for word in words.split()]
    return [(base(phone), frames) for phone in itertools.chain(*phones)]


def align(planted: Planted, text: str, sure: float = 0.9, exact: bool = False) -> Alignment:
    model = Hears(planted, sure)
    wave = np.zeros(160 * (len(model.table) - 1), np.float32)
    return Aligner(model, exact).align_wave(wave, 16000, Alignment.from_text(text))


def test_every_level_gets_the_times_that_were_planted() -> None:
    planted = [("sil", 50), *say("amazing"), ("sil", 40), *say("grace"), ("music", 100)]
    line = align(planted, "Amazing   grace!").lines[0]
    amazing, grace = line.words
    assert line.text == "Amazing   grace!"
    assert (amazing.text, grace.text) == ("Amazing", "grace!")
    length = 0.08 * len(say("amazing"))
    assert amazing.start == pytest.approx(0.495, abs=0.011)
    assert amazing.end == pytest.approx(0.495 + length, abs=0.011)
    assert grace.start == pytest.approx(0.895 + length, abs=0.011)
    assert "".join(s.text for s in amazing.syllables) == "Amazing"
    assert len(amazing.syllables) == 3
    assert [p.text for p in grace.syllables[0].phones] == ["G", "R", "EY", "S"]
    assert amazing.syllables[0].phones[0].duration == pytest.approx(0.08, abs=0.011)
    assert line.score == pytest.approx(0.9, abs=0.1)


class HearsEdges(Hears):
    """Hears as well where words begin and end: at these frames, which may lie between two."""

    def __init__(self, planted: Planted, words: Sequence[tuple[float, float]]) -> None:
        super().__init__(planted)
        self.edges = torch.full((len(self.table), 3), 1e-4)
        for place, kind in ((place, kind) for span in words for kind, place in enumerate(span)):
            self.edges[int(place), kind] = 1 - place % 1
            self.edges[int(place) + 1, kind] = max(place % 1, 1e-4)

    def log_probs(self, wave: Tensor, progress: Callable[[float], None] | None = None) -> Tensor:
        return torch.cat([super().log_probs(wave, progress), self.edges.logit(eps=1e-4)], 1)


def test_words_begin_and_end_where_a_model_hears_it_between_frames() -> None:
    phones = 8 * len(say("amazing"))
    planted = [("sil", 50), *say("amazing"), ("sil", 40), *say("grace"), ("sil", 50)]
    edges = [(50.5, 50 + phones + 1.25), (88.75 + phones, 122 + phones - 0.5)]
    model = HearsEdges(planted, edges)
    wave = np.zeros(160 * (len(model.table) - 1), np.float32)
    (line,) = Aligner(model).align_wave(wave, 16000, Alignment.from_text("amazing grace")).lines
    for word, (start, end) in zip(line.words, edges, strict=True):
        assert word.start == pytest.approx(start / 100, abs=0.0026)
        assert word.end == pytest.approx(end / 100, abs=0.0026)
    times = [time for phone in Alignment((line,)).phones for time in (phone.start, phone.end) if time is not None]
    assert len(times) == 2 * len(say("amazing grace"))
    assert times == sorted(times)
    plain = align(planted, "amazing grace").lines[0]
    assert line.score == plain.score


def test_the_pronunciation_that_was_sung_is_found() -> None:
    assert len(pronounce("either")) > 1
    for variant in range(2):
        planted = [("sil", 20), *say("either", variant=variant), ("sil", 20)]
        phones = [p.text for p in align(planted, "either").phones]
        assert phones == [name for name, _ in say("either", variant=variant)]


def test_numbers_stay_as_written_and_are_heard_as_spoken() -> None:
    planted = [("sil", 20), *say("twenty two sixty six"), ("sil", 20)]
    found = align(planted, "2266")
    word = found.words[0]
    assert word.text == "2266"
    assert word.timed
    assert word.score is not None
    assert word.score > 0.8
    assert [p.text for p in found.phones] == [name for name, _ in say("twenty two sixty six")]


def test_headings_blank_lines_and_signs_without_sound_keep_their_place_and_get_no_time() -> None:
    text = "[Chorus]\n\nhello - world\n"
    found = align([("sil", 20), *say("hello world"), ("sil", 20)], text)
    assert [line.kind for line in found.lines] == ["heading", "blank", "lyrics"]
    assert [w.timed for w in found.words] == [True, False, True]
    assert "\n".join(line.text for line in found.lines) == text.rstrip("\n")


def test_a_line_under_which_nobody_sings_has_no_time() -> None:
    planted = [("sil", 20), *say("hello world"), ("sil", 300)]
    found = align(planted, "hello world\nnothing of this was ever sung here", sure=0.999)
    assert found.lines[0].timed
    assert not found.lines[1].timed
    assert all(word.start is None for word in found.lines[1].words)


def test_silence_is_told() -> None:
    with pytest.raises(AlignmentError, match="no voice is heard"):
        align([("sil", 500)], "hello world")


def test_a_text_that_the_sound_cannot_hold_is_told() -> None:
    with pytest.raises(AlignmentError, match=r"the text needs 24\.1 s or more and the sound has 20\.0 s"):
        align([("AA", 2000)], "hello world " * 100 + "hello", exact=True)


@pytest.mark.parametrize("text", ["", "\n\n", "- ...\n", "[Chorus]"])
def test_lyrics_without_words_are_told(text: str) -> None:
    with pytest.raises(LyricsError, match="nothing that could be sung"):
        align([("AA", 30)], text)


def test_the_same_input_gives_the_same_output() -> None:
    planted = [("sil", 20), *say("hello world"), ("sil", 20)]
    assert align(planted, "hello world") == align(planted, "hello world")


def test_progress_ends_at_one() -> None:
    heard: list[float] = []
    planted = [("sil", 20), *say("hello"), ("sil", 20)]
    model = Hears(planted)
    wave = np.zeros(160 * (len(model.table) - 1), np.float32)
    Aligner(model).align_wave(wave, 16000, Alignment.from_text("hello"), heard.append)
    assert heard[-1] == 1.0


def test_a_wave_need_be_neither_writable_nor_in_one_piece() -> None:
    torch.manual_seed(0)
    model = CnnCtc(CnnConfig(width=8, kernels=(3,))).eval()
    wave = np.random.default_rng(0).standard_normal(64000).astype(np.float32)
    kept, backwards = wave.copy(), wave[::-1].copy()[::-1]
    kept.setflags(write=False)
    text = Alignment.from_text("hello")
    expected = Aligner(model, exact=True).align_wave(wave, 16000, text)
    for same in (kept, backwards):
        assert Aligner(model, exact=True).align_wave(same, 16000, text) == expected


def test_neutral_evidence_is_the_posterior() -> None:
    log_probs = torch.randn(50, len(SYMBOLS)).log_softmax(-1)
    scores = torch.from_numpy(evidence(log_probs, SYMBOLS, NEUTRAL))
    assert scores.shape == (50, len(SYMBOLS) + 1)
    assert torch.allclose(scores[:, 1:-2], log_probs[:, 1:-1])
    assert torch.allclose(scores[:, 0].exp(), log_probs[:, [0, -1]].exp().sum(1), atol=1e-5)


def test_a_vowel_that_bridges_a_break_lets_go_of_it() -> None:
    planted = [("sil", 20), *say("hello"), ("sil", 20)]
    model = Hears(planted)
    break_ = torch.full((600, len(SYMBOLS)), 0.9 / 39)  # some voice, but no phone in particular
    break_[:, [0, -1]] = 0.05
    model.table = torch.cat([model.table[:-20], break_, Hears([*say("world"), ("sil", 20)]).table])
    wave = np.zeros(160 * (len(model.table) - 1), np.float32)
    hello, world = Aligner(model).align_wave(wave, 16000, Alignment.from_text("hello\nworld")).words
    assert hello.duration == pytest.approx(0.08 * len(say("hello")), abs=0.1)
    assert world.duration == pytest.approx(0.08 * len(say("world")), abs=0.1)


def test_a_held_vowel_that_is_sure_is_kept() -> None:
    planted = [("sil", 20), *say("hello", 8)[:-1], ("OW", 700), ("sil", 20)]
    assert align(planted, "hello").words[0].duration > 7.0


def test_a_diphthong_held_on_its_nucleus_is_found() -> None:
    line = align([("sil", 50), *say("see"), ("AA", 60), ("sil", 50), *say("see"), ("sil", 20)], "see I see").lines[0]
    word = line.words[1]
    assert [p.text for p in word.syllables[0].phones] == ["AY"]
    assert word.start == pytest.approx(0.50 + 0.08 * len(say("see")), abs=0.03)
    assert word.duration == pytest.approx(0.6, abs=0.05)
