"""What the damage suite takes for right is right: every kind of damage keeps account of what is sung where."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core.timeline import Alignment, Line, Word
from benchmarks.concat import FRAME, FRAMES_PER_SECOND, Piece, Recording, edges, spliced, spliced_lines, untimed
from benchmarks.damage import matched, measure
from benchmarks.edits import CHORUS, KINDS, VERSE, Case, Material, damaged

SECONDS = 240


def line(text: str, start: float, end: float) -> Line:
    """Two words, half of the time each."""
    middle = (start + end) / 2
    first, second = text.split()
    return Line(text, start, end, words=(Word(first, start, middle), Word(second, middle, end)))


def recording(key: str, count: int = 30, chorus: int = 0, seconds: int = SECONDS) -> Recording:
    """Lines with breaks of a third of their length; of every `chorus` lines the last is always the same. Each sample
    of the sound is its own number."""
    step = seconds / (count + 2)
    texts = ["la la" if chorus and at % chorus == chorus - 1 else f"{key} {at}" for at in range(count)]
    lines = tuple(line(text, step * (at + 1), step * (at + 1.75)) for at, text in enumerate(texts))
    return Recording(key, np.arange(seconds * FRAME * FRAMES_PER_SECOND, dtype=np.float32), lines)


MATERIAL = Material(
    (Recording("music", np.ones(120 * FRAME * FRAMES_PER_SECOND, np.float32), ()),),
    recording("speech"),
    recording("foreign").lines,
)
SONG = recording("song")
CHORUSES = recording("choruses", chorus=5)
SOURCES = {**MATERIAL.sources, SONG.key: SONG, CHORUSES.key: CHORUSES}
seeds = st.integers(0, 10_000)
kinds = st.sampled_from(sorted(KINDS))
songs = st.sampled_from([SONG, CHORUSES])


def perfect(case: Case) -> Alignment:
    """What an aligner without fault makes of a case."""
    lines = sorted((*(one for one in case.written if one.timed), *case.extra), key=lambda one: edges(one)[0])
    return Alignment((*lines, *(one for one in case.written if not one.timed)))


@settings(deadline=None, max_examples=20)  # each makes minutes of sound
@given(kinds, songs, seeds)
def test_a_line_that_is_sung_is_where_its_own_sound_is_to_the_sample(kind: str, song: Recording, seed: int) -> None:
    case = damaged(kind, song, MATERIAL, seed)
    sound = spliced(case.pieces, SOURCES)
    for number, one in zip(case.numbers, case.written, strict=True):
        if one.timed:
            own = song.lines[number]
            assert one.text == own.text
            assert middle(one) < len(sound)
            assert abs(sound[middle(one)] - song.wave[middle(own)]) <= 1  # which halves of samples go to either side


def middle(one: Line) -> int:
    """Sample in the middle of a line."""
    return round(sum(edges(one)) / 2 * FRAMES_PER_SECOND * FRAME)


@settings(deadline=None, max_examples=30)
@given(kinds, songs, seeds)
def test_all_that_is_sung_is_written_or_extra_or_of_a_text_that_is_not_there(
    kind: str, song: Recording, seed: int
) -> None:
    case = damaged(kind, song, MATERIAL, seed)
    sung = [one.line for one in spliced_lines(case.pieces, SOURCES) if one.source == song.key]
    known = {one.text for one in case.written}
    mine = [one for one in (*case.written, *case.extra) if one.timed]
    assert sorted(map(edges, mine)) == sorted(edges(one) for one in sung if one.text in known)


@settings(deadline=None, max_examples=30)
@given(kinds, songs, seeds)
def test_a_little_late_all_words_are_right_and_all_that_is_absent_or_extra_is_found(
    kind: str, song: Recording, seed: int
) -> None:
    case = damaged(kind, song, MATERIAL, seed)
    found = measure(case, perfect(case).shifted(0.2))
    assert sum(found["right"].values()) == found["words"] == found["timed"]
    assert found["errors"] == pytest.approx(0.2 * found["words"])
    assert found["missed"] == 0
    assert found["absent_found"] == found["absent"] == sum(not one.timed for one in case.written)
    assert found["extra_found"] == found["extra"]


@settings(deadline=None, max_examples=30)
@given(kinds, songs, seeds)
def test_a_refusal_has_no_word_right_and_all_lines_missed(kind: str, song: Recording, seed: int) -> None:
    case = damaged(kind, song, MATERIAL, seed)
    found = measure(case, None)
    assert found["refused"]
    assert sum(found["right"].values()) == found["timed"] == found["extra_found"] == 0
    assert found["missed"] == found["present"]
    assert found["absent_found"] == found["absent"]


@settings(deadline=None, max_examples=30)
@given(kinds, songs, seeds)
def test_the_same_seed_does_the_same_damage(kind: str, song: Recording, seed: int) -> None:
    assert damaged(kind, song, MATERIAL, seed) == damaged(kind, song, MATERIAL, seed)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_each_kind_does_what_it_says(seed: int) -> None:
    cases = {kind: damaged(kind, SONG, MATERIAL, seed) for kind in KINDS}
    lines, frames = len(SONG.lines), SONG.frames
    length = {kind: sum(piece.last - piece.first for piece in case.pieces) for kind, case in cases.items()}
    absent = {kind: sum(not one.timed for one in case.written) for kind, case in cases.items()}
    written = {kind: len(case.written) for kind, case in cases.items()}
    assert cases["clean"].written == SONG.lines
    assert written["line missing in the text"] == lines - 1
    assert VERSE[0] <= lines - written["verse missing in the text"] <= VERSE[1]
    assert cases["two verses of the text swapped"].written != SONG.lines
    assert sorted(cases["two verses of the text swapped"].written, key=edges) == list(SONG.lines)
    assert CHORUS[0] <= absent["chorus written once more than sung"] <= CHORUS[1]
    assert CHORUS[0] <= len(cases["chorus sung once more than written"].extra) <= CHORUS[1]
    assert VERSE[0] <= cases["foreign verse in the text"].numbers.count(-1) == absent["foreign verse in the text"]
    assert 30 * FRAMES_PER_SECOND <= length["30-90 s of music inserted"] - frames <= 90 * FRAMES_PER_SECOND
    assert length["60 s of speech before"] == frames + 60 * FRAMES_PER_SECOND
    assert absent["30-90 s of music inserted"] == absent["60 s of speech before"] == 0
    assert absent["line cut out of the sound"] == 1
    assert VERSE[0] <= absent["verse cut out of the sound"] <= VERSE[1]
    assert absent["text of another"] == written["text of another"]


@pytest.mark.parametrize("kind", ["first 30 s cut off", "last 30 s cut off"])
def test_half_a_minute_is_cut_off_where_no_line_lasts(kind: str) -> None:
    case = damaged(kind, SONG, MATERIAL)
    [piece] = case.pieces
    assert abs(SONG.frames - (piece.last - piece.first) - 30 * FRAMES_PER_SECOND) < 4 * FRAMES_PER_SECOND
    assert not any(piece.first / 100 > edges(one)[0] and piece.first / 100 < edges(one)[1] for one in SONG.lines)
    moved = [one for one in case.written if one.timed]
    own = [one for number, one in enumerate(SONG.lines) if case.written[number].timed]
    shift = piece.first / FRAMES_PER_SECOND
    assert [edges(one)[0] for one in moved] == pytest.approx([edges(one)[0] - shift for one in own], abs=1e-9)


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(1, SONG.frames - 1), min_size=1, max_size=5, unique=True))
def test_a_sound_cut_and_joined_again_is_the_same_sound(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), SONG.frames]
    pieces = [Piece(SONG.key, a, b) for a, b in pairwise(places)]
    np.testing.assert_allclose(spliced(pieces, SOURCES), SONG.wave, rtol=1e-6)
    assert [one.number for one in spliced_lines(pieces, SOURCES)] == list(range(len(SONG.lines)))


@settings(deadline=None, max_examples=30)
@given(songs, seeds)
def test_times_that_are_off_are_not_right(song: Recording, seed: int) -> None:
    case = damaged("verse missing in the text", song, MATERIAL, seed)
    late = perfect(case).shifted(0.5)
    found = measure(case, late)
    assert sum(found["right"].values()) == 0
    assert found["errors"] == pytest.approx(0.5 * found["words"])


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_a_present_line_without_a_time_is_a_false_alarm(seed: int) -> None:
    case = damaged("line cut out of the sound", SONG, MATERIAL, seed)
    generator = random.Random(seed)
    silenced = generator.choice([at for at, one in enumerate(case.written) if one.timed])
    estimate = [untimed(one) if at == silenced else one for at, one in enumerate(case.written)]
    found = matched(case, estimate)
    assert found.lines.count(None) == 1
    assert found.absent_found == found.absent == 1


def test_a_written_line_goes_before_one_that_is_sung_beyond_the_text() -> None:
    case = Case("", "", (), (line("la la", 10, 12),), (0,), (line("la la", 50, 52),))
    found = matched(case, [line("la la", 50, 52)])
    assert found.lines == (line("la la", 50, 52),)
    assert found.extra_found == 0
