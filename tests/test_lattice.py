"""The graph of everything that may be heard."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core.costs import Freedom
from aligner_core.errors import LyricsError
from aligner_core.lattice import Columns, Lattice, Readings, lattice, passage
from aligner_core.viterbi import UNITS_PER_NAT, Path, viterbi_slow

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


FREE = Columns({"A": 1, "B": 2}, pause=3, other=4)
REST, PAUSE, OTHER = 0, 3, 4
Script = list[tuple[int, int]]  # columns, each with the frames that it lasts at least
Priced = tuple[Script, int]  # what is heard, and what it costs
freedoms = st.builds(Freedom, *(st.integers(0, 8).map(lambda eighths: eighths / 8) for _ in range(3)))
short = st.lists(st.sampled_from("AB"), min_size=1, max_size=2)
sayings = st.lists(st.lists(short, min_size=1, max_size=2), min_size=1, max_size=2)  # words of pronunciations
said_or_not = st.lists(sayings, max_size=2)  # readings
texts = st.one_of(
    st.lists(st.lists(said_or_not, min_size=1, max_size=2), min_size=1, max_size=2),
    st.lists(st.lists(st.just(SAY_A), min_size=1, max_size=1), min_size=1, max_size=6),
    st.lists(st.sampled_from([SAY_A, SAY_B]), min_size=5, max_size=7).map(lambda line: [line]),
).filter(lambda lines: any(map(any, lines)))


def phrases(lines: list[list[Readings]]) -> list[tuple[list[Readings], bool]]:
    """The parts that are said as a whole or not at all, and whether a line ends with each."""
    out: list[tuple[list[Readings], bool]] = []
    for line in lines:
        left = [readings for readings in line if readings]
        while len(left) >= 6:
            out, left = [*out, (left[:4], False)], left[4:]
        out += [(left, True)] if left else []
    return out


def sayings_of(tokens: list[Readings], least: int) -> list[Script]:
    """All that may be heard of some tokens."""
    ways: list[Script] = [[]]
    for at, readings in enumerate(tokens):
        spoken: list[Script] = []
        for words in readings:
            mine: list[Script] = [[]]
            for nth, variants in enumerate(words):
                rests: list[Script] = [[], [(PAUSE, 1)]] if nth else [[]]
                phones = [[(FREE.phones[phone], least) for phone in variant] for variant in variants]
                mine = [way + rest + word for way in mine for rest in rests for word in phones]
            spoken += mine
        pauses: list[Script] = [[], [(PAUSE, 1)]] if at else [[]]
        ways = [way + pause + word for way in ways for pause in pauses for word in spoken]
    return ways


def hops(left_out: int) -> int:
    """The fewest steps of 1, 4 or 16 that make so many."""
    return left_out // 16 + left_out % 16 // 4 + left_out % 4


def free_paths(lines: list[list[Readings]], least: int, freedom: Freedom | None, frames: int) -> list[Priced]:
    """All ways through the text: before, between and after its parts nothing, a rest, or something else and parts left
    out meanwhile."""
    parts = phrases(lines)
    out: list[Priced] = []

    def gap(at: int, script: Script, cost: int) -> None:
        if sum(length for _, length in script) > frames:
            return
        rest = (REST if at == 0 or parts[at - 1][1] else PAUSE, 1)
        for pause in ([], [rest]):
            go_on(at, script + pause, cost)
            for beyond in range(at, len(parts) + 1 if freedom else 0):
                assert freedom is not None
                stray = (OTHER, 1 + hops(beyond - at))
                leave = freedom.stray + (freedom.broken if rest[0] == PAUSE else 0.0)
                price = cost + nats(leave) + nats(freedom.skip) * (beyond - at)
                go_on(beyond, [*script, *pause, stray], price)

    def go_on(at: int, script: Script, cost: int) -> None:
        if at == len(parts):
            out.append((script, cost))
            return
        for way in sayings_of(parts[at][0], least):
            gap(at + 1, script + way, cost)

    gap(0, [], 0)
    return out


def passages(lines: list[list[Readings]], least: int, freedom: Freedom) -> list[Priced]:
    """Something else all the time; or it, lines that follow each other with rests, and perhaps something else again."""
    sounding = [[readings for readings in line if readings] for line in lines if any(line)]
    out: list[Priced] = [([(OTHER, 1)], 0)]
    for first in range(len(sounding)):
        ways: list[Script] = [[(OTHER, 1)]]
        for line in sounding[first:]:
            rests: list[Script] = [[], [(REST, 1)]]
            ways = [way + said + rest for way in ways for said in sayings_of(line, least) for rest in rests]
            out += [(way + away, nats(freedom.jump)) for way in ways for away in ([], [(OTHER, 1)])]
    return out


def nats(cost: float) -> int:
    return round(cost * UNITS_PER_NAT)


def best_of(paths: list[Priced], emissions: np.ndarray[tuple[int, int], np.dtype[np.int32]]) -> int | None:
    """The best score of all paths, each laid over the frames in the best way."""
    scores = [laid - cost for script, cost in paths if (laid := laid_out(script, emissions)) is not None]
    return max(scores, default=None)


def laid_out(script: Script, emissions: np.ndarray[tuple[int, int], np.dtype[np.int32]]) -> int | None:
    """The best score of these columns in a row, each as long as it must be or longer; None where there is no room."""
    frames = len(emissions)
    spare = frames - sum(length for _, length in script)
    if spare < 0 or not script:
        return None
    sums = np.concatenate([np.zeros((1, emissions.shape[1]), np.int64), emissions.cumsum(0)])
    best, begin = {0: 0}, 0  # by how many spare frames were spent
    for at, (column, length) in enumerate(script):
        last = at == len(script) - 1
        new: dict[int, int] = {}
        for spent, score in best.items():
            for more in [spare - spent] if last else range(spare - spent + 1):
                start, end = begin + spent, begin + spent + length + more
                found = score + int(sums[end, column] - sums[start, column])
                new[spent + more] = max(new.get(spent + more, found), found)
        best, begin = new, begin + length
    return best[spare]


@settings(max_examples=150, deadline=None)
@given(texts, st.integers(1, 2), st.none() | freedoms, st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_the_best_free_path_is_the_best_of_all(
    lines: list[list[Readings]], least: int, freedom: Freedom | None, frames: int, seed: int
) -> None:
    emissions = noise(seed, frames)
    best = best_of(free_paths(lines, least, freedom, frames), emissions)
    found = lattice(lines, FREE, least, freedom)
    if best is None:
        assert found.graph.frames_needed > frames
    else:
        assert viterbi_slow(emissions, found.graph).score == best


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(1, 2), freedoms, st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_the_best_passage_is_the_best_of_all(
    lines: list[list[Readings]], least: int, freedom: Freedom, frames: int, seed: int
) -> None:
    emissions = noise(seed, frames)
    best = best_of(passages(lines, least, freedom), emissions)
    assert viterbi_slow(emissions, passage(lines, FREE, least, freedom).graph).score == best


def noise(seed: int, frames: int) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """Scores of a frame are of the size of what it costs to leave the text."""
    return np.random.default_rng(seed).integers(-8, 1, (frames, 5)).astype(np.int32) * (UNITS_PER_NAT // 8)


@settings(max_examples=50, deadline=None)
@given(texts, freedoms, st.integers(0, 2**32 - 1))
def test_what_is_outside_the_text_is_told_apart_from_what_is_in_it(
    lines: list[list[Readings]], freedom: Freedom, seed: int
) -> None:
    found = lattice(lines, FREE, 1, freedom)
    path = viterbi_slow(noise(seed, 30), found.graph)
    strays = found.strays(path)
    told = {frame for start, end in strays for frame in range(start, end)}
    columns = np.repeat(found.graph.symbols[path.states], path.ends - path.starts)
    assert told == set(np.flatnonzero(columns == OTHER).tolist())
    assert all(a[1] < b[0] for a, b in itertools.pairwise(strays))


@settings(max_examples=50, deadline=None)
@given(texts, st.integers(0, 2**32 - 1))
def test_without_freedom_nothing_is_left_out(lines: list[list[Readings]], seed: int) -> None:
    found = lattice(lines, FREE, 1, None)
    path = viterbi_slow(noise(seed, found.graph.frames_needed + 9), found.graph)
    tokens = [readings for line in lines for readings in line]
    assert {visit.token for visit in found.visits(path)} == {at for at, readings in enumerate(tokens) if readings}
    assert found.strays(path) == []


@settings(max_examples=50, deadline=None)
@given(texts, freedoms, st.integers(0, 2**32 - 1))
def test_the_first_word_begins_at_once_where_it_must(lines: list[list[Readings]], freedom: Freedom, seed: int) -> None:
    found = lattice(lines, FREE, 1, freedom, at_once=True)
    path = viterbi_slow(noise(seed, 30), found.graph)
    first = next(at for at, readings in enumerate(itertools.chain(*lines)) if readings)
    visit = found.visits(path)[0]
    assert (visit.token, visit.start) == (first, 0)
