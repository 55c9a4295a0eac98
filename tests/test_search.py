"""What is sung is found where it is, what is not sung is not, and nothing depends on chance."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core import search as module
from aligner_core.costs import Decoding, Freedom
from aligner_core.evidence import Scores, columns, weighed
from aligner_core.search import Search, Sung

SYMBOLS = ("sil", *"abcdefghijklmnop")
DECODING, FREE = Decoding(kin=0.0), Freedom(stray=40.0, skip=4.0, jump=30.0)
PHONE, BREAK = 8, 80  # frames
NEAR = 3  # frames
PHONES = 3  # of a word
UNBROKEN = (4, 5)  # words of lines that are said as a whole or not at all
LOUD = 6.0  # how far what is planted stands out of noise whose standard deviation is 1

Line = list[str]  # words of phones
seeds = st.integers(0, 10_000)
few = settings(max_examples=25, deadline=None, derandomize=True)  # chance may make noise of anything


def text(seed: int, lines: int = 6, words: tuple[int, int] = (4, 9)) -> list[Line]:
    """Different lines of so many words; no phone is the one before it."""
    generator, out, last = random.Random(seed), list[Line](), ""
    for _ in range(lines):
        line: Line = []
        for _ in range(generator.randint(*words)):
            word = ""
            for _ in range(PHONES):
                last = generator.choice([phone for phone in SYMBOLS[1:] if phone != last])
                word += last
            line.append(word)
        out.append(line)
    return out


def length(line: Line) -> int:
    return len(line) * PHONES * PHONE


def begins(lines: Sequence[Line]) -> list[int]:
    """First frame of each of these lines where they are said one after the other."""
    out, at = [], BREAK
    for line in lines:
        out.append(at)
        at += length(line) + BREAK
    return out


def heard(lines: Sequence[Line], seed: int) -> Scores:
    """Scores of noise in which these lines are said, with breaks around them."""
    said = [0] * BREAK
    for line in lines:
        said += [SYMBOLS.index(phone) for word in line for phone in word for _ in range(PHONE)] + [0] * BREAK
    logits = torch.randn(len(said), len(SYMBOLS), generator=torch.Generator().manual_seed(seed))
    logits[torch.arange(len(said)), torch.tensor(said)] += LOUD
    return weighed(logits.log_softmax(-1), SYMBOLS, DECODING)


def noise(seed: int, frames: int) -> Scores:
    """Scores of a sound in which nothing is said clearly."""
    logits = 3 * torch.randn(frames, len(SYMBOLS), generator=torch.Generator().manual_seed(seed))
    return weighed(logits.log_softmax(-1), SYMBOLS, DECODING)


def search(lines: Sequence[Line], freedom: Freedom | None = FREE) -> Search:
    readings = [[[[[list(word)]]] for word in line] for line in lines]
    return Search(readings, columns(SYMBOLS), 2, DECODING, freedom)


def places(sung: Sequence[Sung]) -> list[tuple[int, int]]:
    """Which line begins where."""
    return [(one.line, one.start) for one in sung]


def check(sung: Sequence[Sung], expected: Sequence[tuple[int, int]], lines: Sequence[Line]) -> None:
    """These lines and no others were found, each whole and in its place."""
    assert [one.line for one in sung] == [line for line, _ in expected]
    for one, (line, begin) in zip(sung, expected, strict=True):
        planted = range(begin, begin + length(lines[line]), PHONE)
        assert len(one.visits) == len(planted)
        assert all(abs(visit.start - start) <= NEAR for visit, start in zip(one.visits, planted, strict=True))


@few
@given(seeds)
def test_lines_planted_in_noise_come_back(seed: int) -> None:
    lines = text(seed)
    check(search(lines)(heard(lines, seed)), list(enumerate(begins(lines))), lines)


@few
@given(seeds, st.integers(0, 5), st.integers(1, 3))
def test_a_line_that_nobody_says_is_absent_and_the_others_are_found(seed: int, first: int, count: int) -> None:
    lines = text(seed)
    absent = range(first, min(first + count, 6))
    left = [at for at in range(6) if at not in absent]
    said = [lines[at] for at in left]
    check(search(lines)(heard(said, seed)), list(zip(left, begins(said), strict=True)), lines)


@few
@given(seeds, st.integers(0, 4), st.integers(1, 2), st.integers(1, 2))
def test_lines_swapped_in_the_text_are_both_found(seed: int, first: int, count: int, after: int) -> None:
    lines = text(seed, 8, UNBROKEN)
    middle, last = first + count, min(first + count + after, 8)
    order = [*range(first), *range(middle, last), *range(first, middle), *range(last, 8)]
    said = [lines[at] for at in order]
    check(search(lines)(heard(said, seed)), list(zip(order, begins(said), strict=True)), lines)


@few
@given(seeds, st.integers(0, 4), st.integers(0, 5), st.integers(1, 2))
def test_what_is_said_again_is_found_again(seed: int, first: int, place: int, count: int) -> None:
    lines = text(seed, 5, UNBROKEN)
    order = again(5, first, place, count)
    said = [lines[at] for at in order]
    check(search(lines)(heard(said, seed)), list(zip(order, begins(said), strict=True)), lines)


def again(lines: int, first: int, place: int, count: int) -> list[int]:
    """The order in which lines are said if some of them are said once more in another place."""
    return [*range(place), *range(first, min(first + count, lines)), *range(place, lines)]


@few
@given(seeds, st.integers(0, 5))
def test_a_line_taken_out_of_the_text_leaves_the_others_where_they_were(seed: int, taken: int) -> None:
    lines = text(seed)
    whole = search(lines)(heard(lines, seed))
    rest = search([line for at, line in enumerate(lines) if at != taken])(heard(lines, seed))
    before = [visit for one in whole if one.line != taken for visit in one.visits]
    after = [visit for one in rest for visit in one.visits]
    for old, new in zip(before, after, strict=True):
        assert old.column == new.column
        assert abs(old.start - new.start) <= NEAR


@few
@given(seeds, seeds)
def test_of_another_text_hardly_a_word_is_found(seed: int, other: int) -> None:
    lines, others = text(seed), text(other + 20_000)
    sung = search(others)(heard(lines, seed))
    assert sum(len(one.visits) for one in sung) <= 0.2 * sum(PHONES * len(line) for line in others)


@few
@given(seeds, seeds, st.booleans())
def test_without_freedom_every_word_is_said_once_and_in_order(seed: int, other: int, strange: bool) -> None:
    lines = text(other, 4)
    scores = heard(text(seed), seed) if strange else noise(seed, 1500)
    sung = search(lines, None)(scores)
    assert [one.line for one in sung] == [0, 1, 2, 3]
    said = [SYMBOLS[visit.column] for one in sung for visit in one.visits]
    assert "".join(said) == "".join(word for line in lines for word in line)


@few
@given(seeds, seeds, st.booleans())
def test_the_same_input_gives_the_same_lines(seed: int, other: int, strange: bool) -> None:
    lines = text(other, 4)
    scores = noise(seed, 1500) if strange else heard([*lines[2:], *lines], seed)
    assert search(lines)(scores.copy()) == search(lines)(scores.copy())


@few
@given(st.data(), seeds, st.sampled_from([UNBROKEN, (4, 9)]), st.sampled_from([FREE, Freedom(5.0, 1.0, 5.0)]))
def test_lines_are_in_order_of_time_and_no_sound_is_two_things_at_once(
    data: st.DataObject, seed: int, words: tuple[int, int], freedom: Freedom
) -> None:
    lines = text(seed, 4, words)
    said = data.draw(st.lists(st.sampled_from([*lines, *text(seed + 1, 2)]), max_size=6))
    scores = np.concatenate([heard(said, seed), noise(seed, 400)])
    sung = search(lines, freedom)(scores)
    for one in sung:
        assert all(a.end <= b.start for a, b in pairwise(one.visits))
        assert {visit.token for visit in one.visits} <= set(search(lines).tokens(one.line))
    visits = sorted((visit for one in sung for visit in one.visits), key=lambda visit: visit.start)
    assert all(visit.end - visit.start >= 2 for visit in visits)
    assert all(a.end <= b.start for a, b in pairwise(visits))
    assert places(sung) == sorted(places(sung), key=lambda place: place[1])
    if words == UNBROKEN:
        assert all(a.end <= b.start for a, b in pairwise(sung))


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seeds, st.integers(0, 12), st.integers(0, 4))
def test_windows_find_what_the_whole_finds(seed: int, first: int, count: int) -> None:
    lines = text(seed, 16)
    said = lines[:first] + lines[first + count :]
    scores = heard(said, seed)
    whole = search(lines)(scores.copy())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LONG", 0)
        patch.setattr(module, "WINDOW", 1500)
        patch.setattr(module, "MARGIN", 400)
        windows = search(lines)(scores.copy())
    numbers = [at for at in range(16) if not first <= at < first + count]
    check(whole, list(zip(numbers, begins(said), strict=True)), lines)
    check(windows, list(zip(numbers, begins(said), strict=True)), lines)


def test_a_long_line_that_is_said_again_is_found_twice_in_one_piece() -> None:
    lines = text(1, 5, (4, 9))
    order = again(5, 1, 1, 1)
    said = [lines[at] for at in order]
    check(search(lines)(heard(said, 1)), list(zip(order, begins(said), strict=True)), lines)


def test_a_line_between_two_that_are_found_elsewhere_is_not_made_up() -> None:
    lines = text(1018, 4, (4, 9))
    order = [1, 3, 2, 0]
    said = [lines[at] for at in order]
    check(search(lines)(heard(said, 1018)), list(zip(order, begins(said), strict=True)), lines)
