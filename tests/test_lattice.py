"""The graph of everything that may be heard."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner_core.errors import LyricsError
from aligner_core.lattice import Columns, Lattice, Readings, lattice
from aligner_core.viterbi import Path, viterbi_slow

SAY_A: Readings = [[[["A"]]]]
SAY_B: Readings = [[[["B"]]]]
COLUMNS = {"sil": 0, "A": 1, "B": 2, "C": 3}
phones = st.lists(st.sampled_from("ABC"), min_size=1, max_size=3)
words = st.lists(phones, min_size=1, max_size=2)
tokens = st.lists(st.lists(st.lists(words, min_size=1, max_size=2), max_size=2), min_size=1, max_size=3).filter(any)


def said(frames: str) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """Emissions under which each frame strongly is the given symbol; "." is a rest."""
    scores = np.full((len(frames), 4), -1000, np.int32)
    scores[np.arange(len(frames)), [".ABC".index(f) for f in frames]] = 0
    return scores


def heard(readings: list[Readings], frames: str, min_frames: int = 1) -> list[tuple[int, int, int, int]]:
    found = lattice([readings], Columns(COLUMNS), min_frames)
    return [(v.token, v.variant, v.start, v.end) for v in found.visits(viterbi_slow(said(frames), found.graph))]


def test_the_pronunciation_that_was_said_wins() -> None:
    either: Readings = [[[["A", "B"], ["A", "C"]]]]
    assert heard([either], ".AACC.") == [(0, 1, 1, 3), (0, 1, 3, 5)]
    assert heard([either], ".AABB.") == [(0, 0, 1, 3), (0, 0, 3, 5)]


def test_the_reading_that_was_said_wins() -> None:
    number: Readings = [[[["A"]], [["B"]]], [[["C"]]]]
    found = lattice([[number]], Columns(COLUMNS), 1)
    visits = found.visits(viterbi_slow(said("..CC"), found.graph))
    assert [(v.reading, v.start, v.end) for v in visits] == [(1, 2, 4)]


def test_rests_are_taken_where_they_are_and_only_there() -> None:
    two: list[Readings] = [SAY_A, SAY_B]
    assert heard(two, "AABB") == [(0, 0, 0, 2), (1, 0, 2, 4)]
    assert heard(two, ".A..B.") == [(0, 0, 1, 2), (1, 0, 4, 5)]


def test_a_rest_within_a_line_has_a_column_of_its_own() -> None:
    found = lattice([[SAY_A, SAY_B], [SAY_A]], Columns(COLUMNS, pause=3), 1)
    rests = [int(s) for s, o in zip(found.graph.symbols, found.origin, strict=True) if o[0] < 0]
    assert rests == [0, 3, 0, 0]


def test_a_token_without_sound_is_passed_over() -> None:
    assert heard([SAY_A, [], SAY_B], "AB") == [(0, 0, 0, 1), (2, 0, 1, 2)]


def test_lyrics_without_any_sound_are_refused() -> None:
    with pytest.raises(LyricsError, match="nothing that could be sung"):
        lattice([[[], []], []], Columns(COLUMNS), 1)


@given(tokens=tokens, min_frames=st.integers(1, 3))
def test_every_path_says_one_reading_of_each_token_in_order(tokens: list[Readings], min_frames: int) -> None:
    found = lattice([tokens[:1], tokens[1:]], Columns(COLUMNS), min_frames)
    noise = np.random.default_rng(0).integers(-3000, 0, (found.graph.frames_needed + 9, 4)).astype(np.int32)
    path = viterbi_slow(noise, found.graph)
    check_visits(found, path, tokens, min_frames)


def check_visits(found: Lattice, path: Path, tokens: list[Readings], min_frames: int) -> None:
    visits = found.visits(path)
    assert sorted({v.token for v in visits}) == [i for i, readings in enumerate(tokens) if readings]
    names = {column: name for name, column in COLUMNS.items()}
    for token in {v.token for v in visits}:
        mine = [v for v in visits if v.token == token]
        assert len({v.reading for v in mine}) == 1
        reading = tokens[token][mine[0].reading]
        chosen = {v.word: v.variant for v in mine}
        expected = [phone for at, word in enumerate(reading) for phone in word[chosen[at]]]
        assert [names[v.column] for v in mine] == expected
    assert all(v.end - v.start >= min_frames for v in visits)
    assert all(a.end <= b.start for a, b in itertools.pairwise(visits))
