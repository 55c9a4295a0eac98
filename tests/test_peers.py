"""Aligners of others: each behind our method, what they find put back into the text, and who is absent told."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aligner_core.errors import AlignmentError
from aligner_core.graph import Graph
from aligner_core.timeline import Alignment
from aligner_core.viterbi import viterbi
from benchmarks import peers_programs, peers_table, peers_warping
from benchmarks.peers import RATE, in_order, is_word, placed, samples, spoken, timed
from benchmarks.peers_plain import first_phones, of_path
from benchmarks.peers_programs import Program, fragments, matched, segments, spelt, textgrid
from benchmarks.peers_table import PEERS, by_name
from benchmarks.peers_warping import LINES, WORDS, Level, Warping, frames, warped

Wave = NDArray[np.float32]
Floats = NDArray[np.float64]
times = st.tuples(st.floats(-1, 20), st.floats(-1, 20))


def directions(count: int, seed: int) -> Floats:
    """(count, 3) of length 1."""
    drawn = np.random.default_rng(seed).normal(size=(count, 3))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float64)


def ways(rows: int, columns: int, allowed: set[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Every path from first to last pair through those allowed."""

    def onwards(path: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
        i, j = path[-1]
        if (i, j) == (rows - 1, columns - 1):
            yield path
        for step in ((i + 1, j), (i, j + 1), (i + 1, j + 1)):
            if step in allowed:
                yield from onwards([*path, step])

    return onwards([(0, 0)])


def band(rows: int, columns: int, width: int) -> set[tuple[int, int]]:
    width = min(max(width, 2 * -(-columns // rows) + 2), columns)
    begins = [min(max(columns * i // rows - width // 2, 0), columns - width) for i in range(rows)]
    return {(i, j) for i, begin in enumerate(begins) for j in range(begin, begin + width)}


@settings(max_examples=60)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 8), st.integers(0, 99))
def test_warping_finds_the_cheapest_of_all_paths_in_the_band(rows: int, columns: int, width: int, seed: int) -> None:
    one, other = directions(rows, seed), directions(columns, seed + 1)
    cost = 1 - one @ other.T
    best = min(sum(cost[pair] for pair in path) for path in ways(rows, columns, band(rows, columns, width)))
    found = [(int(i), int(j)) for i, j in warped(one, other, width)]
    assert found[0] == (0, 0)
    assert found[-1] == (rows - 1, columns - 1)
    assert all((b[0] - a[0], b[1] - a[1]) in {(0, 1), (1, 0), (1, 1)} for a, b in pairwise(found))
    assert set(found) <= band(rows, columns, width)
    assert sum(cost[pair] for pair in found) == pytest.approx(best)


def test_a_sound_is_paired_with_itself_frame_by_frame() -> None:
    one = directions(50, 0)
    assert warped(one, one, 10).tolist() == [[k, k] for k in range(50)]


def chord(text: str, seconds: float) -> Wave:
    """A sound of its own for every word, as long as is asked for, silence at its end included."""
    hz = np.random.default_rng(len(text)).uniform(200, 4000, 3)
    at = np.arange(round(seconds * RATE)) / RATE
    sound = 0.1 * np.sin(2 * np.pi * hz[:, None] * at).sum(0)
    sound[-RATE // 20 :] = 0
    return np.asarray(sound, np.float32)


def test_words_are_found_where_the_robot_says_them(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, lengths = ["a", "an", "and", "andy"], [0.4, 0.9, 0.5, 0.7]
    monkeypatch.setattr(
        peers_warping, "said", lambda text, _: np.concatenate([chord(word, 0.5) for word in text.split()])
    )
    wave = np.concatenate([chord(text, length) for text, length in zip(texts, lengths, strict=True)])
    found = Warping().align_wave(wave, RATE, Alignment.from_text("a an ...\nand andy")).words
    starts = [word.start for word in found if word.timed]
    assert starts == pytest.approx([0, *np.cumsum(lengths)[:-1].tolist()], abs=0.05)
    assert [word.text for word in found if not word.timed] == ["..."]


def test_words_without_room_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_warping, "said", lambda text, _: chord(text, 0.5))
    short = np.zeros(round(RATE * WORDS.shift), np.float32)
    words = Warping().align_wave(short, RATE, Alignment.from_text("one two three")).words
    assert not any(word.timed for word in words)


def test_frames_near_silence_are_left_out_where_they_are_masked() -> None:
    wave = np.concatenate([np.zeros(RATE // 2, np.float32), chord("a", 0.5), np.zeros(RATE // 2, np.float32)])
    masked = frames(wave, WORDS).places * WORDS.shift
    assert 0.47 <= masked.min() <= 0.5
    assert 0.93 <= masked.max() <= 0.97
    assert len(frames(wave, LINES).places) == round(len(wave) / RATE / LINES.shift)
    assert frames(wave, Level(0.02, 0.005, 1.0, False)).cepstra.shape == (300, 12)


@given(st.lists(st.tuples(st.integers(0, 30), times), max_size=12, unique_by=lambda one: one[0]))
def test_words_of_others_are_put_in_order_or_lost(edges: list[tuple[int, tuple[float, float]]]) -> None:
    kept = in_order(sorted(edges))
    spans = [kept[at] for at in sorted(kept)]
    assert all(0 <= start <= end for start, end in spans)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    assert all(kept[at][0] == dict(edges)[at][0] for at in kept)


def test_what_is_in_order_stays_as_it_is() -> None:
    edges = {0: (0.0, 1.0), 2: (1.0, 1.5), 5: (3.0, 4.0)}
    assert in_order(edges.items()) == edges


def test_times_are_put_on_their_words_line_by_line() -> None:
    lyrics = Alignment.from_text("Hey, you\n- there 42")
    assert spoken(lyrics) == ["hey", "you", "", "there", ""]
    found = timed(lyrics, placed(spoken(lyrics), [(0.0, 1.0), (1.0, 2.0), (5.0, 6.0)]))
    assert [word.start for word in found.words] == [0.0, 1.0, None, 5.0, None]
    assert [(line.start, line.end) for line in found.lines] == [(0.0, 2.0), (5.0, 6.0)]


def test_spans_of_another_text_place_nothing() -> None:
    assert placed(["a", "b"], [(0.0, 1.0)]) == {}


def test_noises_are_no_words() -> None:
    assert [is_word(name) for name in ("the(2)", "<sil>", "[NOISE]", "++BREATH++")] == [True, False, False, False]


def test_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="listens at 16000 Hz, not 44100"):
        samples(np.zeros(10, np.float32), 44100)
    with pytest.raises(ValueError, match="listens at 16000 Hz, not 8000"):
        Warping().align_wave(np.zeros(10, np.float32), 8000, Alignment.from_text("a"))


def test_words_begin_with_their_first_sound_on_a_plain_path() -> None:
    said = [0, 1, 1, 2, 0, 0, 2, 3, 3, 0]  # words 1 2, none, 2 3
    emissions = np.full((len(said), 4), -1000, np.int32)
    emissions[np.arange(len(said)), said] = 0
    found = of_path(viterbi(emissions, Graph.ctc([1, 2, 2, 3])), [2, 0, 2], 0.5)
    assert found == {0: (0.5, 2.0), 2: (3.0, 4.5)}


def test_the_first_way_to_say_a_word_is_taken() -> None:
    assert first_phones("hello") == ["HH", "AH", "L", "OW"]
    assert first_phones("--") == []


@given(st.lists(st.sampled_from(["la", "so", "", "fa", "mi"]), max_size=12), st.sets(st.integers(0, 11)))
def test_what_came_out_is_matched_to_the_same_words_in_order(words: list[str], gone: set[int]) -> None:
    heard = [(word.upper() + "!", float(at), at + 0.5) for at, word in enumerate(words) if word and at not in gone]
    found = matched(words, heard)
    assert all(words[at] and heard[round(start)][0] for at, (start, _) in found.items() if round(start) < len(heard))
    assert sorted(found.values()) == [span for _, span in sorted(found.items())]
    if not gone:
        assert found == {at: (float(at), at + 0.5) for at, word in enumerate(words) if word}


def test_what_programs_leave_is_read() -> None:
    assert fragments('{"fragments": [{"lines": ["hey"], "begin": "0.5", "end": "1.0"}]}') == [("hey", 0.5, 1.0)]
    words = [{"word": " hey", "start": 0.5, "end": 1}, {"word": " you", "start": 1, "end": 2}]
    assert segments(json.dumps({"segments": [{"words": words}]})) == [(" hey", 0.5, 1.0), (" you", 1.0, 2.0)]
    assert segments('{"segments": [{"text": "hey", "start": 0, "end": 1}]}') == [("hey", 0.0, 1.0)]
    golden = Path(__file__).parent / "golden" / "mfa.TextGrid"
    assert textgrid(golden.read_text("utf-8"))[0] == ("say", 0.25, 0.75)


RUN = """
import json, pathlib, sys
audio, text, out = sys.argv[1:]
assert pathlib.Path(audio).read_bytes()[:4] == b"RIFF"
rows = pathlib.Path(text).read_text().splitlines()
made = [dict(text=word, start=at, end=at + 0.5) for at, word in enumerate(" ".join(rows).split())]
pathlib.Path(out).write_text(json.dumps(dict(segments=made, rows=len(rows))))
"""


@pytest.mark.parametrize("lines", [False, True])
def test_a_program_gets_a_sound_and_a_text_and_its_times_come_back(lines: bool) -> None:
    program = Program((sys.executable, "-c", RUN, "{audio}", "{text}", "{out}"), "out.json", segments, lines)
    found = program.align_wave(np.zeros(800, np.float32), RATE, Alignment.from_text("Hey, you\n&\nthere!"))
    assert [(word.text, word.start) for word in found.words] == [
        ("Hey,", 0.0), ("you", 1.0), ("&", None), ("there!", 2.0),
    ]  # fmt: skip


def test_a_program_that_fails_is_told_with_its_last_words() -> None:
    program = Program((sys.executable, "-c", "raise SystemExit('no such voice')"), "out.json", segments)
    with pytest.raises(AlignmentError, match=r"gave nothing \(no such voice\)"):
        program.align_wave(np.zeros(800, np.float32), RATE, Alignment.from_text("a"))


def test_letters_are_timed_by_torchaudios_own_aligner() -> None:
    torch = pytest.importorskip("torch")
    bundle = pytest.importorskip("torchaudio.pipelines").MMS_FA
    said = "--hhey---yoou--"
    labels = bundle.get_labels()
    emission = torch.full((len(said), len(labels)), -20.0)
    emission[torch.arange(len(said)), [labels.index(letter) for letter in said]] = 0.0
    found = spelt(emission, 1.5, ["hey", "", "you"], bundle.get_tokenizer(), bundle.get_aligner())
    assert {at: (round(start, 3), round(end, 3)) for at, (start, end) in found.items()} == {
        0: (0.2, 0.6), 2: (0.9, 1.3),
    }  # fmt: skip


def test_everybody_is_there_or_says_why_not() -> None:
    assert len({peer.name for peer in PEERS}) == len(PEERS)
    for peer in PEERS:
        found = peer.look()
        assert bool(found.version) != bool(found.absent), peer.name
    assert by_name("karalign").look().version


def test_programs_that_are_not_installed_are_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(peers_programs.AENEAS, raising=False)
    told = {peer.name: peer.look().absent for peer in PEERS}
    assert told["espeak-ng + DTW"] == "no program espeak-ng is installed"
    assert told["MFA"] == "no program mfa is installed"
    assert told["aeneas"] == "KARALIGN_AENEAS names no Python that has it"
    monkeypatch.setenv(peers_programs.AENEAS, sys.executable)
    assert by_name("aeneas").look().absent == "it needs ffmpeg and ffprobe and espeak-ng"


def test_programs_without_their_models_are_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("stable-ts", "mfa", "ctc-forced-aligner"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("XDG_CACHE_HOME", "MFA_ROOT_DIR", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    told = {peer.name: peer.look().absent for peer in PEERS}
    assert told["stable-ts"] == "its model is not there: base.en.pt"
    assert told["MFA"] == "its model is not there: english_us_arpa.zip"
    assert told["ctc-forced-aligner"].startswith("its model is not there: models--")
    assert told["torchaudio MMS_FA"] == "its weights (1.2 GB, CC BY-NC 4.0) are not there"


def test_a_package_that_is_not_installed_is_absent_with_what_to_do() -> None:
    assert peers_table.package("no-such-aligner").absent == "pip install no-such-aligner"
