"""Old times are made right, whatever was done to the sound since; nothing that is not there gets a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from singing import BREAK, by_line, hears, sung

from aligner_core import Aligner, Alignment, AlignmentError, Line, Word
from aligner_core.acoustic import Deferred
from aligner_core.acoustic.cnn import SYMBOLS
from aligner_core.timeline import untimed_line
from aligner_core.timemap import CAP, RATES, Points, fit

TEXT = (
    "amazing grace how sweet the sound that saved a wretch like me we walk along the river and count silver stars "
    "tomorrow brings another song from distant mountains where children gather yellow flowers under quiet windows "
    "nobody remembers winter morning father painted seven wooden boats before thunder rolled across empty fields "
    "happy people dancing slowly around burning candles while music carries every whispered promise home again"
)
WORDS = TEXT.split()
LINES = tuple(" ".join(WORDS[at : at + 4]) for at in range(0, len(WORDS) - 3, 4))


FRAMES, RIGHT = sung(LINES)
ALIGNER = Aligner(Deferred(SYMBOLS, 16000, 0.01))


def first(lines: Sequence[Line]) -> list[float | None]:
    return [None if line.start is None else round(line.start, 3) for line in lines]


def assert_right(found: Alignment, right: Sequence[Line], within: float = 0.021) -> None:
    assert [line.text for line in found.lines] == [line.text for line in right]
    assert [line.number for line in found.lines] == list(range(1, len(right) + 1))
    for line, true in zip(found.lines, right, strict=True):
        assert line.start is not None
        assert line.start == pytest.approx(true.start, abs=within)


@given(st.floats(-1.0, 30.0), st.sampled_from(RATES), st.sampled_from((0.0, 0.3, 0.7, 1.0)), st.booleans())
@settings(max_examples=15, deadline=None)
def test_shifted_and_stretched_times_come_out_right(offset: float, rate: float, trust: float, words: bool) -> None:
    old = RIGHT.stretched(rate).shifted(offset if offset > 0 else offset / 3)
    found = ALIGNER.retime(hears(FRAMES), old if words else by_line(old), trust)
    assert_right(found, RIGHT.lines, within=0.08 if trust == 1 else 0.021)


@pytest.mark.parametrize("trust", [0.0, 0.5, 1.0])
def test_a_scene_that_was_cut_has_no_times_and_all_else_is_right(trust: float) -> None:
    begin, end = (round(100 * (RIGHT.lines[at].start or 0)) - BREAK // 2 for at in (6, 12))
    found = ALIGNER.retime(hears(FRAMES[:begin] + FRAMES[end:]), by_line(RIGHT), trust)
    assert [line.timed for line in found.lines] == [not 6 <= at < 12 for at in range(len(LINES))]
    later = Alignment(RIGHT.lines[12:]).shifted((begin - end) / 100)
    assert first(found.lines[:6]) == pytest.approx(first(RIGHT.lines[:6]), abs=0.04)
    assert first(found.lines[12:]) == pytest.approx(first(later.lines), abs=0.04)


def test_an_intro_that_was_added_moves_all_lines() -> None:
    found = ALIGNER.retime(hears([0] * 3000 + FRAMES), RIGHT)
    assert_right(found, RIGHT.shifted(30.0).lines)


@given(st.sets(st.integers(0, len(LINES) - 1), max_size=4), st.floats(1.0, 3.0))
@settings(max_examples=10, deadline=None)
def test_lines_that_were_wrong_by_themselves_come_out_right(wrong: set[int], by: float) -> None:
    lines = [Alignment((x,)).shifted(by).lines[0] if at in wrong else x for at, x in enumerate(RIGHT.lines)]
    assert_right(ALIGNER.retime(hears(FRAMES), by_line(Alignment(tuple(lines))), 0.2), RIGHT.lines)


def test_a_line_that_is_mumbled_is_where_the_old_times_have_it() -> None:
    heard = hears(FRAMES)
    start, end = (round(100 * (x or 0)) for x in (RIGHT.lines[7].start, RIGHT.lines[7].end))
    heard[start:end] = torch.tensor([0.05, *[0.9 / (len(SYMBOLS) - 2)] * (len(SYMBOLS) - 2), 0.05]).log()
    old = by_line(RIGHT).shifted(3.0)
    line = ALIGNER.retime(heard, old, 0.5).lines[7]
    assert line.start == pytest.approx(RIGHT.lines[7].start, abs=0.05)
    assert line.score is not None
    assert line.score < 0.5
    words = ALIGNER.retime(heard, RIGHT.shifted(3.0), 0.5).lines[7].words
    assert first_words(words) == pytest.approx(first_words(RIGHT.lines[7].words), abs=0.05)


def first_words(words: Sequence[Word]) -> list[float]:
    return [word.start or -1.0 for word in words]


def test_a_line_that_falls_silent_has_no_time() -> None:
    start, end = (round(100 * (x or 0)) for x in (RIGHT.lines[7].start, RIGHT.lines[7].end))
    frames = [*FRAMES[:start], *[0] * (end - start), *FRAMES[end:]]
    found = ALIGNER.retime(hears(frames, sure=0.99), by_line(RIGHT), 0.5)
    assert [line.timed for line in found.lines] == [at != 7 for at in range(len(LINES))]


def test_of_a_line_sung_twice_the_time_on_the_map_is_taken() -> None:
    frames, right = sung([*LINES[:8], LINES[2], *LINES[8:]])
    old = Alignment(tuple(line for at, line in enumerate(right.lines) if at != 2)).shifted(5.0)
    text = [*old.lines[:7], old.lines[7], *old.lines[8:]]
    found = ALIGNER.retime(hears(frames), by_line(Alignment(tuple(text))), 0.5)
    assert_right(found, [line for at, line in enumerate(right.lines) if at != 2])


def test_reading_time_is_kept_where_the_next_line_leaves_it() -> None:
    old = by_line(RIGHT)
    lines = [replace(line, end=(line.end or 0) + (0.4 if at % 2 else 0.9)) for at, line in enumerate(old.lines)]
    found = ALIGNER.retime(hears(FRAMES), Alignment(tuple(lines)).shifted(2.0), 0.5).lines
    for at, line in enumerate(found[:-1]):
        kept = (RIGHT.lines[at].end or 0) + 0.4 if at % 2 else found[at + 1].start
        assert line.end == pytest.approx(kept, abs=0.05)


def test_lines_without_a_time_among_the_others_are_found() -> None:
    lines = [untimed_line(x.text) if at in (0, 4, 5) else x for at, x in enumerate(by_line(RIGHT).shifted(4.0).lines)]
    assert_right(ALIGNER.retime(hears(FRAMES), Alignment(tuple(lines)), 0.5), RIGHT.lines)


def test_a_text_without_times_is_told() -> None:
    with pytest.raises(AlignmentError, match="no line has a time that could be made right"):
        ALIGNER.retime(hears(FRAMES), Alignment.from_text("\n".join(LINES)))


def test_a_trust_beyond_one_is_told() -> None:
    with pytest.raises(AlignmentError, match=r"trust 2 is not within 0\.\.1"):
        ALIGNER.retime(hears(FRAMES), RIGHT, 2)


# the map


def points(old: Sequence[float], new: Sequence[float]) -> Points:
    return Points(np.array(old), np.arange(len(old)), np.array(new), np.ones(len(old)))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_planted_map_comes_back_through_noise_and_wrong_lines(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    old = np.cumsum(random.uniform(2, 6, 60))
    cut = data.draw(st.integers(20, 40))
    rate = data.draw(st.sampled_from(RATES))
    jump = data.draw(st.sampled_from((-40.0, 0.0, 25.0)))
    right = rate * old + np.where(np.arange(60) < cut, 5.0, 5.0 + jump)
    new = right + random.normal(0, 0.03, 60)
    wrong = random.random(60) < 0.2
    new[wrong] += random.choice([-1, 1], wrong.sum()) * random.uniform(1, 30, wrong.sum())
    maps = fit(points(old.tolist(), new.tolist()))
    off = [abs(piece(x) - y) for piece, x, y in zip(maps, old, right, strict=True)]
    assert np.mean(np.array(off) < 0.15) > 0.9
    assert len(set(maps)) == (1 if jump == 0 else 2)


def test_a_rate_nobody_thought_of_is_found() -> None:
    old = np.arange(0.0, 400.0, 4.0)
    maps = fit(points(old.tolist(), (1.013 * old - 7).tolist()))
    assert [piece(x) for piece, x in zip(maps, old, strict=True)] == pytest.approx(1.013 * old - 7, abs=0.05)


def test_three_lines_found_wrongly_make_no_piece_of_the_map() -> None:
    old = np.arange(0.0, 120.0, 4.0)
    new = old + 2.0
    new[10:13] += 9.0
    assert {round(piece.offset, 6) for piece in fit(points(old.tolist(), new.tolist()))} == {2.0}


def test_of_several_places_the_one_that_others_speak_for_counts() -> None:
    old = np.arange(0.0, 80.0, 4.0)
    line = np.repeat(np.arange(20), 2)
    new = np.stack([old + 3.0, np.random.default_rng(0).uniform(0, 200, 20)], 1).reshape(-1)
    maps = fit(Points(old, line, new, np.ones(20)))
    assert all(abs(piece(x) - x - 3.0) < CAP / 4 for piece, x in zip(maps, old, strict=True))


def test_without_anything_found_times_stay() -> None:
    empty = Points(np.array([1.0, 2.0]), np.array([], np.intp), np.array([]), np.zeros(2))
    assert [piece(5.0) for piece in fit(empty)] == [5.0, 5.0]
