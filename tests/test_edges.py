"""Refining a path by edge densities: order, least lengths, the best of all ways, and places between frames."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from aligner_core.acoustic.cnn import EDGES
from aligner_core.edges import END, INNER, START, STEPS, Refining, refine, sharpened
from aligner_core.edges_kernels import best_places
from aligner_core.lattice import Visit
from aligner_core.search import Sung

FRAMES = 60
PLAIN = Refining(reach=(4, 4, 4), away=(0.0, 0.0, 0.0), blur=0.7, doubt=0.01, least=2.0)


def path_of(words: list[list[int]], rests: list[int]) -> list[Visit]:
    """Words of phones with these lengths, a rest before each."""
    visits, at = [], 0
    for number, (word, rest) in enumerate(zip(words, rests, strict=True)):
        at += rest
        for length in word:
            visits.append(Visit(number, 0, 0, 0, 1, at, at + length))
            at += length
    return visits


paths = st.lists(
    st.tuples(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(0, 4)), min_size=1, max_size=3
).map(lambda rows: path_of([word for word, _ in rows], [rest for _, rest in rows]))


def seen(places: list[tuple[float, int]]) -> Tensor:
    """Log-odds of a head that is sure of these (frame, kind)."""
    shares = torch.zeros(FRAMES, len(EDGES))
    for at, kind in places:
        left = int(at)
        shares[left, kind] += 1 - (at - left)
        shares[left + 1, kind] += at - left
    return torch.logit(shares, eps=1e-4)


@given(paths, st.integers(0, 2**31))
def test_refined_times_are_in_order_and_every_phone_lasts(visits: list[Visit], seed: int) -> None:
    edges = 4 * torch.randn(FRAMES, 3, generator=torch.Generator().manual_seed(seed))
    spans = refine(visits, edges, PLAIN)
    assert len(spans) == len(visits)
    for visit, (start, end) in zip(visits, spans, strict=True):
        assert end - start >= min(PLAIN.least, visit.end - visit.start)
    flat = [time for span in spans for time in span]
    assert flat == sorted(flat)
    assert 0 <= flat[0] <= flat[-1] <= FRAMES


@given(paths, st.integers(0, 2**31), st.tuples(*[st.integers(0, 6)] * 3))
def test_no_boundary_moves_farther_than_those_of_its_kind_may(
    visits: list[Visit], seed: int, reach: tuple[int, int, int]
) -> None:
    edges = 4 * torch.randn(FRAMES, 3, generator=torch.Generator().manual_seed(seed))
    spans = refine(visits, edges, replace(PLAIN, reach=reach))
    inner = [a.token == b.token for a, b in itertools.pairwise(visits)]
    for visit, (start, end), after, before in zip(visits, spans, [False, *inner], [*inner, False], strict=True):
        assert abs(start - visit.start) <= reach[INNER if after else START]
        assert abs(end - visit.end) <= reach[INNER if before else END]


@given(paths, st.integers(0, 2**31), st.sets(st.integers(0, 50), max_size=3))
def test_no_boundary_crosses_a_time_that_is_known(visits: list[Visit], seed: int, fixed: set[int]) -> None:
    edges = 4 * torch.randn(FRAMES, 3, generator=torch.Generator().manual_seed(seed))
    spans = refine(visits, edges, PLAIN, sorted(fixed))
    places = [(visit.start, start) for visit, (start, _) in zip(visits, spans, strict=True)]
    places += [(visit.end, end) for visit, (_, end) in zip(visits, spans, strict=True)]
    for (before, after), frame in itertools.product(places, fixed):
        assert after == before if before == frame else (after < frame) <= (before < frame) <= (after <= frame)


@given(paths, paths, st.integers(0, 2**31))
def test_lines_that_overlap_are_refined_by_themselves(a: list[Visit], b: list[Visit], seed: int) -> None:
    assume(max(a[0].start, b[0].start) < min(a[-1].end, b[-1].end))
    edges = 4 * torch.randn(FRAMES, 3, generator=torch.Generator().manual_seed(seed))
    lines = [Sung(0, tuple(a)), Sung(1, tuple(b)), Sung(2, (), sure=True)]
    found = sharpened(lines, edges)
    assert [[visit.exact for visit in one.visits] for one in found] == [refine(a, edges), refine(b, edges), []]
    assert [tuple(replace(visit, exact=None) for visit in one.visits) for one in found] == [x.visits for x in lines]


@given(paths, st.integers(0, 2**31))
def test_lines_that_follow_each_other_are_refined_as_one(visits: list[Visit], seed: int) -> None:
    edges = 4 * torch.randn(FRAMES, 3, generator=torch.Generator().manual_seed(seed))
    lines = [Sung(number, tuple(group)) for number, group in itertools.groupby(visits, key=lambda x: x.token)]
    found = sharpened(lines[::-1], edges)[::-1]
    assert [visit.exact for one in found for visit in one.visits] == refine(visits, edges)


@given(paths, st.integers(0, 2**31))
def test_phones_of_a_word_touch(visits: list[Visit], seed: int) -> None:
    edges = 4 * torch.randn(FRAMES, 3, generator=torch.Generator().manual_seed(seed))
    spans = refine(visits, edges, PLAIN)
    for (a, b), (first, second) in zip(itertools.pairwise(visits), itertools.pairwise(spans), strict=True):
        if a.token == b.token:
            assert first[1] == second[0]


@given(paths)
def test_a_head_that_sees_nothing_leaves_the_path_alone(visits: list[Visit]) -> None:
    spans = refine(visits, torch.full((FRAMES, 3), -30.0), Refining())
    assert spans == [(visit.start, visit.end) for visit in visits]


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3))
def test_sure_edges_are_found_between_frames(start: float, inner: float, end: float) -> None:
    visits = path_of([[10, 10]], [10])
    edges = seen([(10 + start, START), (20 + inner, INNER), (30 + end, END)])
    (first, second) = refine(visits, edges, PLAIN)
    assert first == pytest.approx((10 + start, 20 + inner), abs=0.26)
    assert second == pytest.approx((20 + inner, 30 + end), abs=0.26)


def test_words_that_touch_on_the_path_can_be_parted() -> None:
    visits = path_of([[10], [10]], [10, 0])
    (_, end), (start, _) = refine(visits, seen([(10, START), (18.5, END), (21, START), (30, END)]), PLAIN)
    assert (end, start) == pytest.approx((18.5, 21), abs=0.13)


def test_a_word_said_twice_over_keeps_the_rest_between() -> None:
    twice = [Visit(0, 0, 0, 0, 1, 5, 10), Visit(0, 0, 0, 0, 1, 20, 25)]
    assert refine(twice, torch.full((FRAMES, 3), -30.0)) == [(5, 10), (20, 25)]


def test_the_bias_of_each_kind_is_taken_off() -> None:
    visits = path_of([[10, 10]], [10])
    spans = refine(visits, torch.full((FRAMES, 3), -30.0), Refining(bias=(1.0, -2.0, 0.5)))
    assert spans == [(9.0, 19.5), (19.5, 32.0)]


def test_nothing_said_gives_nothing() -> None:
    assert refine([], torch.zeros(FRAMES, 3)) == []


@given(st.integers(0, 2**31), st.lists(st.integers(0, 6), min_size=2, max_size=4), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_best_of_all_ways_is_found(seed: int, distances: list[int], least: float) -> None:
    frames = np.cumsum(distances) + 10
    places = 5
    scores = np.random.default_rng(seed).normal(size=(len(frames), places))
    steps = (frames[:, None] * STEPS + np.arange(places)).ravel()
    edges, waits = np.arange(0, len(steps) + 1, places), np.full(len(frames), int(least * STEPS))

    def worth(way: tuple[int, ...]) -> float:
        times = [frame + place / STEPS for frame, place in zip(frames, way, strict=True)]
        if any(b - a < least - 1e-9 for a, b in itertools.pairwise(times)):
            return -math.inf
        return float(sum(scores[row, place] for row, place in enumerate(way)))

    best = max(itertools.product(range(places), repeat=len(frames)), key=worth)
    if worth(best) > -math.inf:
        found = best_places(scores.ravel(), steps, edges, waits) - frames * STEPS
        assert worth(tuple(found.tolist())) == pytest.approx(worth(best))
