"""Models that hear letters: how words are spelled, and that planted letters give the planted words."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from aligner_core import Aligner, Alignment, AlignmentError
from aligner_core.acoustic import Deferred
from aligner_core.acoustic.foreign import SYMBOLS
from aligner_core.costs import Decoding
from aligner_core.lattice import Columns, lattice
from aligner_core.phones import pronounce
from aligner_core.spelling import LETTERS, divided, spellings
from aligner_core.syllables import spell
from aligner_core.text import readings
from aligner_core.viterbi import UNITS_PER_NAT, viterbi

WORDS = st.text("abcdefghijklmnopqrstuvwxyz'", min_size=1, max_size=12)
SURE = 0.98
BLANKS = 4  # frames after a letter


# spellings


@given(WORDS)
def test_every_word_of_letters_is_spelled_as_it_is_written_or_shorter(word: str) -> None:
    found = spellings(word)
    assert bool(found) == any(letter != "'" for letter in word)
    for letters in found:
        assert set(letters) <= set(LETTERS)
        remaining = iter(word)
        assert all(letter in remaining for letter in letters)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("grace", ["grace"]),
        ("hello", ["hello"]),
        ("don't", ["don't", "dont"]),
        ("sooooo", ["soo", "so"]),
        ("'", []),
    ],
)
def test_held_letters_and_apostrophes_may_be_left_out(word: str, expected: Sequence[str]) -> None:
    assert ["".join(letters) for letters in spellings(word)] == expected


@pytest.mark.parametrize(
    ("text", "spoken", "expected"),
    [
        ("Amazing", "amazing", ["A:a", "maz:maz", "ing:ing"]),
        ("Hello,", "hello", ["Hel:hel", "lo,:lo"]),
        ("don’t", "don't", ["don’t:don't"]),
        ("heyyyy", "heyy", ["heyyyy:heyy"]),
        ("hellooooo", "helloo", ["hel:hel", "looooo:loo"]),
        ("2266", "twentytwosixtysix", ["2266:twentytwosixtysix"]),
        ("Beyoncé", "beyonce", ["Be:be", "yon:yon", "cé:ce"]),
    ],
)
def test_syllables_get_their_letters(text: str, spoken: str, expected: Sequence[str]) -> None:
    words = readings(text)[0]
    pieces = spell(text, words, tuple(pronounce(word)[0] for word in words))
    assert [f"{part}:{''.join(letters)}" for part, letters in divided(pieces, tuple(spoken))] == expected


@pytest.mark.parametrize("text", ["Amazing", "don't", "sooooo", "2nite", "Ke$ha", "rock-n-roll", "x", "haha", "llama"])
def test_whatever_is_divided_joins_to_what_it_was(text: str) -> None:
    for words in readings(text):
        pieces = spell(text, words, tuple(pronounce(word)[0] for word in words))
        for variants in itertools.product(*map(spellings, words)):
            letters = tuple(itertools.chain(*variants))
            parts = divided(pieces, letters)
            assert "".join(part for part, _ in parts) == text
            assert tuple(itertools.chain(*(mine for _, mine in parts))) == letters
            assert all(part and mine for part, mine in parts)


# the graph


def best(columns: Columns, frames: Sequence[int], word: str) -> list[tuple[int, int, int]]:
    emissions = torch.full((len(frames), 4), -9.0)
    emissions[torch.arange(len(frames)), torch.tensor(frames)] = 0.0
    found = lattice([[[[[tuple(word)]]]]], columns, 1)
    path = viterbi((emissions * UNITS_PER_NAT).round().to(torch.int32).numpy(), found.graph)
    return [(visit.column, visit.start, visit.end) for visit in found.visits(path)]


def test_blanks_within_a_word_belong_to_no_letter() -> None:
    columns = Columns({"a": 1, "b": 2}, pause=3, spelled=True)
    assert best(columns, [0, 1, 0, 0, 2, 0], "ab") == [(1, 1, 2), (2, 4, 5)]


def test_a_letter_twice_has_a_blank_between() -> None:
    columns = Columns({"a": 1, "b": 2}, pause=3, spelled=True)
    assert best(columns, [0, 1, 1, 0, 0, 1, 0], "aa") == [(1, 1, 3), (1, 5, 6)]
    ((_, _, first), (_, second, _)) = best(columns, [1, 1, 1, 1], "aa")
    assert second > first
    ((_, _, first), (_, second, _)) = best(Columns({"a": 1}, pause=3), [1, 1, 1, 1], "aa")
    assert second == first


# planted letters


def hears(frames: Sequence[str], sure: float = SURE) -> Tensor:
    table = torch.full((len(frames), len(SYMBOLS)), (1 - sure) / (len(SYMBOLS) - 1))
    table[torch.arange(len(frames)), torch.tensor([SYMBOLS.index(letter) for letter in frames])] = sure
    return table.log()


def peaks(words: str) -> list[str]:
    """Each letter as CTC has it: a peak of two frames, then blanks."""
    return [frame for letter in words for frame in ([letter] * 2 + ["-"] * BLANKS if letter != " " else ["-"] * 4)]


def align(frames: Sequence[str], text: str, exact: bool = False, decoding: Decoding | None = None) -> Alignment:
    model = Deferred(SYMBOLS, 16000, 0.01)
    return Aligner(model, exact, decoding).align_heard(hears(frames), Alignment.from_text(text))


SILENCE = ["-"] * 100


@settings(max_examples=15)
@given(
    st.lists(st.sampled_from(["amazing", "grace", "how", "sweet", "hello", "bookkeeper"]), min_size=1, max_size=6),
    st.lists(st.integers(0, 120), min_size=6, max_size=6),
)
def test_planted_letters_give_the_planted_words(words: Sequence[str], gaps: Sequence[int]) -> None:
    frames, starts = list(SILENCE), []
    for word, gap in zip(words, gaps, strict=False):
        starts.append(len(frames) / 100)
        frames += peaks(word) + ["-"] * gap
    found = align(frames + SILENCE, " ".join(words))
    assert [word.text for word in found.words] == list(words)
    for timed, start in zip(found.words, starts, strict=True):
        assert timed.start == pytest.approx(start, abs=0.011)
        assert timed.duration == pytest.approx(0.06 * len(timed.text) - 0.04, abs=0.011)


def test_syllables_begin_with_their_letters_and_follow_each_other() -> None:
    (word,) = align([*SILENCE, *peaks("amazing"), *SILENCE], "Amazing!").words
    assert [part.text for part in word.syllables] == ["A", "maz", "ing!"]
    assert [part.start for part in word.syllables] == pytest.approx([1.0, 1.06, 1.24], abs=0.011)
    assert all(a.end == b.start for a, b in itertools.pairwise(word.syllables))
    assert all(not part.phones and part.score is not None and part.score > 0.9 for part in word.syllables)


def test_what_is_written_with_or_without_an_apostrophe_is_found() -> None:
    for heard in ("don't stop", "dont stop"):
        first, last = align([*SILENCE, *peaks(heard), *SILENCE], "Don’t stop").words
        assert first.start == pytest.approx(1.0, abs=0.011)
        assert last.start == pytest.approx((100 + len(peaks(heard.split()[0] + " "))) / 100, abs=0.011)


def test_a_line_that_is_not_heard_has_no_time_and_the_others_keep_theirs() -> None:
    heard = "there is a house in new orleans"
    frames = [*SILENCE, *peaks(heard), *SILENCE, *peaks("they call the rising sun"), *SILENCE]
    text = f"{heard}\nmy mother was a tailor she sewed my new blue jeans\nthey call the rising sun"
    lines = align(frames, text).lines
    assert [line.timed for line in lines] == [True, False, True]
    assert lines[0].start == pytest.approx(1.0, abs=0.011)
    assert lines[2].start == pytest.approx((200 + len(peaks(heard))) / 100, abs=0.011)


VERSES = (
    "amazing grace how sweet the sound",
    "that saved a wretch like me",
    "i once was lost but now am found",
    "was blind but now i see",
    "through many dangers toils and snares",
    "we have already come",
)
OTHERS = (
    "the wheels on the bus go round and round",
    "the wipers on the bus go swish swish swish",
    "all through the town",
    "the people on the bus go up and down",
    "the horn on the bus goes beep beep beep",
    "the driver on the bus says move on back",
)


def misheard(lines: Sequence[str], wrong: float, seed: int) -> tuple[list[str], list[float]]:
    """Frames in which this share of the letters is left out or taken for another, and when each word starts."""
    random, frames, starts = np.random.default_rng(seed), list(SILENCE), []
    for line in lines:
        for word in line.split():
            starts.append(len(frames) / 100)
            for letter in word:
                chance = random.random()
                heard = letter if chance >= wrong else "-" if chance < wrong / 2 else str(random.choice(LETTERS))
                frames += [heard] * 2 + ["-"] * 2 * int(random.integers(0, 7))
            frames += ["-"] * int(random.integers(2, 20))
        frames += SILENCE
    return frames, starts


@pytest.mark.parametrize(("wrong", "least"), [(0.1, 0.97), (0.2, 0.9), (0.35, 0.75)])
def test_letters_misheard_leave_most_words_in_their_place(wrong: float, least: float) -> None:
    near = []
    for seed in range(3):
        frames, starts = misheard(VERSES, wrong, seed)
        words = align(frames, "\n".join(VERSES)).as_written().words
        pairs = zip(words, starts, strict=True)
        near += [word.start is not None and abs(word.start - start) <= 0.15 for word, start in pairs]
    assert np.mean(near) >= least


@pytest.mark.parametrize("wrong", [0.0, 0.2, 0.35])
def test_the_text_of_another_song_is_refused(wrong: float) -> None:
    for heard, text in ((VERSES, OTHERS), (OTHERS, VERSES)):
        with pytest.raises(AlignmentError, match="does not belong"):
            align(misheard(heard, wrong, 0)[0], "\n".join(text))


def test_letters_are_weighed_as_those_of_a_phone_model_too() -> None:
    (word,) = align([*SILENCE, *peaks("grace"), *SILENCE], "grace", decoding=Decoding()).words
    assert word.start == pytest.approx(1.0, abs=0.05)


def test_blank_alone_is_no_voice() -> None:
    with pytest.raises(AlignmentError, match="no voice is heard"):
        align(SILENCE, "hello")


def test_a_text_that_no_sound_can_hold_is_told_of_letters_too() -> None:
    with pytest.raises(AlignmentError, match="the text needs"):
        align(peaks("hello"), "hello there " * 30, exact=True)
