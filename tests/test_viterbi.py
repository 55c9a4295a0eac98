"""The best path is the best of all paths, and every implementation finds the same one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from drawn_graphs import SCORES, SMALL, SYMBOLS, graphs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aligner_core.graph import NEVER, Graph, GraphBuilder
from aligner_core.viterbi import LIMIT, Path, quantize, viterbi, viterbi_batch, viterbi_slow

Emissions = NDArray[np.int32]
Visits = list[tuple[int, int]]

thorough = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


@st.composite
def cases(
    draw: st.DrawFn, states: int = 8, frames: int = 25, costs: st.SearchStrategy[int] = SCORES
) -> tuple[Emissions, Graph]:
    """A graph and emissions of enough frames; some scores are as bad as can be."""
    graph = draw(graphs(states, costs=costs))
    total = draw(st.integers(1, frames))
    assume(total >= graph.frames_needed)
    values = st.one_of(SMALL, st.just(-LIMIT))
    rows = draw(st.lists(st.lists(values, min_size=SYMBOLS, max_size=SYMBOLS), min_size=total, max_size=total))
    return np.array(rows, np.int32), graph


def same(a: Path, b: Path) -> bool:
    """Whether two paths are equal bit for bit."""
    fields = [(path.states.tolist(), path.starts.tolist(), path.frames, path.score) for path in (a, b)]
    types = {array.dtype for path in (a, b) for array in (path.states, path.starts)}
    return fields[0] == fields[1] and types == {np.dtype(np.int32)}


def price(visits: Visits, emissions: Emissions, graph: Graph) -> list[int]:
    """Scores of going through these states with these first frames: one for each choice among parallel arcs."""
    total = int(graph.initial[visits[0][0]]) + int(graph.final[visits[-1][0]])
    for (state, start), (_, end) in pairwise([*visits, (0, len(emissions))]):
        assert end - start >= graph.min_frames[state]
        total += int(emissions[start:end, graph.symbols[state]].sum(dtype=np.int64))
    prices = {total}
    for (source, _), (state, _) in pairwise(visits):
        arcs = range(graph.offsets[state], graph.offsets[state + 1])
        prices = {p + int(graph.costs[a]) for p in prices for a in arcs if graph.sources[a] == source}
    return sorted(prices)


def every_path(emissions: Emissions, graph: Graph) -> Iterator[Visits]:
    """All ways to spend the frames on a way through the graph."""

    def follow(visits: Visits) -> Iterator[Visits]:
        state, start = visits[-1]
        if graph.final[state] != NEVER and start + graph.min_frames[state] <= len(emissions):
            yield visits
        for target in range(state + 1, len(graph)):
            if state in graph.sources[graph.offsets[target] : graph.offsets[target + 1]]:
                for begin in range(start + int(graph.min_frames[state]), len(emissions)):
                    yield from follow([*visits, (target, begin)])

    for state in np.flatnonzero(graph.initial != NEVER).tolist():
        yield from follow([(state, 0)])


@thorough
@given(cases(states=5, frames=9))
def test_the_specification_finds_the_best_of_all_paths(case: tuple[Emissions, Graph]) -> None:
    found = viterbi_slow(*case)
    best = max(prices[-1] for prices in (price(visits, *case) for visits in every_path(*case)) if prices)
    assert found.score == best
    assert price(list(zip(found.states.tolist(), found.starts.tolist(), strict=True)), *case)[-1] == best


@thorough
@given(cases() | cases(costs=st.integers(-3, 0)), st.none() | st.integers(1, 30))  # gains along arcs are another way
def test_the_fast_path_is_the_slow_path_whatever_the_block(case: tuple[Emissions, Graph], block: int | None) -> None:
    assert same(viterbi(*case, block), viterbi_slow(*case))


def noise(generator: np.random.Generator, frames: int) -> Emissions:
    """Emissions as a network that heard nothing clearly might give."""
    return generator.integers(-9000, 0, (frames, SYMBOLS)).astype(np.int32)


def sung(generator: np.random.Generator, words: int) -> Graph:
    """Words of two pronunciations side by side, optional silence (symbol 0) around each."""
    builder = GraphBuilder()
    before = [builder.state(0, 1, initial=0)]
    for word in range(words):
        ends = []
        for _ in range(2):
            last = before
            for phone in range(int(generator.integers(1, 5))):
                arcs = [(source, -100) for source in last]
                starts = 0 if word == phone == 0 else None
                last = [builder.state(int(generator.integers(1, SYMBOLS)), int(generator.integers(1, 6)), arcs, starts)]
            ends += last
        before = [builder.state(0, 1, [(end, 0) for end in ends]), *ends]
    for state in before:
        builder.end(state)
    return builder.build()


@pytest.mark.parametrize("frames", [1500, 4096, 9000])
def test_long_input_with_all_kinds_of_arcs_is_exact(frames: int) -> None:
    generator = np.random.default_rng(frames)
    graph, emissions = sung(generator, 90), noise(generator, frames)
    paths = [viterbi(emissions, graph, block) for block in (None, 700, frames)]
    path = paths[0]
    assert all(same(path, other) for other in paths)
    visits = list(zip(path.states.tolist(), path.starts.tolist(), strict=True))
    assert path.score in price(visits, emissions, graph)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(1, 40))
def test_a_text_that_just_fits_is_laid_without_slack(frames: list[int], block: int) -> None:
    emissions = noise(np.random.default_rng(sum(frames)), sum(frames))
    path = viterbi(emissions, Graph.chain([i % 3 for i in range(len(frames))], frames), block)
    assert (path.ends - path.starts).tolist() == frames


@pytest.mark.parametrize("find", [viterbi_slow, viterbi])
def test_a_path_planted_in_noise_comes_back(find: Any) -> None:
    generator = np.random.default_rng(7)
    lengths = generator.integers(3, 9, 30)
    symbols = [1 + i % 2 for i in range(30)]
    log_probs = generator.normal(-4, 0.5, (int(lengths.sum()), SYMBOLS))
    log_probs[np.arange(len(log_probs)), np.repeat(symbols, lengths)] += 3
    path = find(quantize(log_probs), Graph.chain(symbols, 3))
    assert path.states.tolist() == list(range(30))
    assert (path.ends - path.starts).tolist() == lengths.tolist()


def test_equal_scores_stay_then_take_the_first_arc_and_the_lowest_end() -> None:
    flat = np.zeros((6, SYMBOLS), np.int32)
    chain = viterbi(flat, Graph.chain([0, 1, 2]))
    assert chain.starts.tolist() == [0, 1, 2]  # staying in the last state wins over entering it later
    builder = GraphBuilder()
    sides = [builder.state(symbol, initial=0) for symbol in (0, 1)]
    for order in (sides, sides[::-1]):
        builder.end(builder.state(2, predecessors=[(side, 0) for side in order]))
    assert viterbi(flat, builder.build()).states.tolist() == [0, 2]


def test_the_worst_scores_of_many_frames_sum_exactly() -> None:
    worst = np.full((20_000, 1), -LIMIT, np.int32)
    assert viterbi(worst, Graph.chain([0] * 900, 5)).score == -LIMIT * 20_000


def torchaudio_labels(log_probs: torch.Tensor, targets: list[int]) -> NDArray[np.intp]:
    """The label of each frame on the path of `torchaudio.functional.forced_align`."""
    functional = pytest.importorskip("torchaudio.functional", reason="needs torchaudio")
    return np.array(functional.forced_align(log_probs[None], torch.tensor([targets]))[0][0].tolist())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_ctc_scores_as_torchaudio(targets: list[int], seed: int) -> None:
    log_probs = (torch.randn(40, 6, generator=torch.Generator().manual_seed(seed)) * 3).log_softmax(-1)
    emissions = quantize(log_probs.numpy())
    theirs = int(emissions[np.arange(40), torchaudio_labels(log_probs, targets)].sum())
    assert 0 <= viterbi(emissions, Graph.ctc(targets)).score - theirs <= 40  # theirs is the best before rounding


@pytest.mark.parametrize("targets", [[1], [2, 2], [1, 2, 3, 4, 5], [3, 3, 3, 1, 1, 2, 5, 5, 4, 1]])
def test_ctc_finds_the_path_of_torchaudio(targets: list[int]) -> None:
    log_probs = (torch.randn(60, 6, generator=torch.Generator().manual_seed(1)) * 3).log_softmax(-1)
    graph = Graph.ctc(targets)
    path = viterbi(quantize(log_probs.numpy()), graph)
    labels = np.repeat(graph.symbols[path.states], path.ends - path.starts)
    expected = torchaudio_labels(log_probs, targets)
    assert labels.tolist() == expected.tolist()
    assert path.score / 1024 == pytest.approx(float(log_probs[np.arange(60), expected].sum()), rel=1e-3)


PEAK = """
import sys
import numpy as np
from aligner_core.graph import Graph, GraphBuilder
from aligner_core.viterbi import viterbi
def song(states):
    optional = [i % 5 == 4 for i in range(states)]
    return Graph.chain([i % 3 for i in range(states)], 3, optional)
def with_far_arcs(states):
    builder = GraphBuilder()
    for state in range(states):
        arcs = [(source, -9) for source in (state - 1, state - states // 3) if source >= 0]
        builder.state(state % 3, 3, arcs, None if state else 0)
    builder.end(states - 1)
    return builder.build()
def peak(frames, graph):
    viterbi(np.zeros((frames, 3), np.int32), graph)
    rows = dict(row.split(":") for row in open("/proc/self/status"))
    return int(rows["VmHWM"].split()[0]) * 1024
peak(100, song(9))
frames, states = int(sys.argv[2]), int(sys.argv[3])
graph = globals()[sys.argv[1]](states)
print(-peak(100, song(9)) + peak(frames, graph))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc/self/status")
@pytest.mark.parametrize(("graph", "frames", "states"), [("song", 90_000, 12_000), ("with_far_arcs", 40_000, 4_000)])
def test_memory_stays_far_below_frames_times_states(graph: str, frames: int, states: int) -> None:
    command = [sys.executable, "-c", PEAK, graph, str(frames), str(states)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(run.stdout) < frames * states / 8  # a byte a cell would take eight times this


def test_the_input_is_left_as_it_was() -> None:
    emissions = noise(np.random.default_rng(1), 50)
    before = emissions.copy()
    viterbi(emissions, Graph.chain([0, 1, 2]))
    viterbi_batch(torch.from_numpy(emissions)[None], [50], [Graph.chain([0, 1, 2])])
    assert np.array_equal(emissions, before)


def test_a_view_is_aligned_like_its_copy() -> None:
    wide = noise(np.random.default_rng(2), 120)[::2, ::-1]
    assert same(viterbi(wide, Graph.chain([0, 1, 2], 4)), viterbi(wide.copy(), Graph.chain([0, 1, 2], 4)))
