"""Times of two aligners, made into labels."""

from __future__ import annotations

from itertools import pairwise

import pytest

from aligner_core.timeline import Phone, Syllable, Word
from aligner_core.training.label import AGREE, labelled, lateness


def word(text: str, start: float, middle: float, end: float) -> Word:
    phones = Phone("AA1", start, middle), Phone("B", middle, end)
    return Word(text, start, end, 0.5 if text == "a" else 0.25, syllables=(Syllable(text, start, end, phones=phones),))


WORDS = [word("a", 1.0, 1.2, 1.5), word("b", 1.5, 1.7, 2.0)]


def test_where_two_aligners_agree_the_edge_is_half_way() -> None:
    found = labelled(WORDS, [(1.01, 1.49), (1.51, 2.0 - AGREE / 2)])
    assert not found.unsure
    names = [(-1, "sil"), (0, "AA"), (0, "B"), (-1, "sil"), (1, "AA"), (1, "B")]
    assert [(index, name) for index, name, _, _ in found.seg] == names
    assert all(a[3] == b[2] for a, b in pairwise(found.seg))
    edges = [found.seg[1][2], found.seg[2][3], found.seg[4][2], found.seg[5][3]]
    assert edges == pytest.approx([1.005, 1.495, 1.505, 2.0 - AGREE / 4], abs=1e-4)
    assert [found.seg[1][3], found.seg[4][3]] == [1.2, 1.7]
    assert found.score == 0.25


def test_where_they_do_not_the_first_is_kept_and_said_to_be_unsure() -> None:
    found = labelled(WORDS, [(1.1, 1.5), None])
    assert found.unsure == [1.0, 1.5, 2.0]
    assert found.seg[1][2:] == [1.0, 1.2]


def test_an_aligner_that_is_late_is_set_right() -> None:
    second: list[tuple[float, float] | None] = [(0.96, 1.48), (1.46, 1.98), None]
    late = lateness([([*WORDS, word("c", 3.0, 3.1, 3.2)], second)] * 5)
    assert late == pytest.approx((0.04, 0.02))
    found = labelled(WORDS, second[:2], late)
    assert not found.unsure
    assert [found.seg[1][2], found.seg[-1][3]] == pytest.approx([0.96, 1.98])


def test_segments_are_in_order_even_if_edges_cross() -> None:
    crossing = [word("a", 1.0, 1.002, 1.004), word("b", 1.004, 1.006, 1.2)]
    found = labelled(crossing, [(1.018, 1.02), (1.0, 1.2)])
    times = [time for row in found.seg for time in row[2:]]
    assert times == sorted(times)
