"""A batch has the paths of its utterances one by one, on the CPU, on a GPU, and in whatever pieces the work is cut."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from drawn_graphs import SMALL, SYMBOLS, graphs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aligner_core import viterbi_torch
from aligner_core.graph import MAX_MIN_FRAMES, Graph, GraphBuilder
from aligner_core.viterbi import LIMIT, Path, viterbi, viterbi_batch, viterbi_slow
from aligner_core.viterbi_torch import Shape, best_paths

Emissions = NDArray[np.int32]
Case = tuple[Emissions, Graph]

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
WHERE = "cpu" if INTERPRETED else "cuda"
kernels = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(), reason="runs on CUDA, and here in a process with the interpreter"
)
few = settings(max_examples=12 if INTERPRETED else 100, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def cases(draw: st.DrawFn, frames: int = 14) -> Case:
    """A graph and emissions of enough frames; some scores are as bad as can be."""
    graph = draw(graphs(7, arcs=6))  # more than are looked up together
    total = draw(st.integers(1, frames))
    assume(total >= graph.frames_needed)
    values = st.one_of(SMALL, st.just(-LIMIT))
    rows = draw(st.lists(st.lists(values, min_size=SYMBOLS, max_size=SYMBOLS), min_size=total, max_size=total))
    return np.array(rows, np.int32), graph


shapes = st.builds(Shape, st.sampled_from([2, 4, 8]), st.just(1), st.sampled_from([1, 2, 3, 40]))


def same(a: Path, b: Path) -> bool:
    """Whether two paths are equal bit for bit."""
    fields = [(path.states.tolist(), path.starts.tolist(), path.frames, path.score) for path in (a, b)]
    types = {array.dtype for path in (a, b) for array in (path.states, path.starts)}
    return fields[0] == fields[1] and types == {np.dtype(np.int32)}


def packed(batch: list[Case], padding: int = 0) -> tuple[torch.Tensor, list[int], list[Graph]]:
    """The arguments of `viterbi_batch`."""
    lengths = [len(emissions) for emissions, _ in batch]
    padded = np.full((len(batch), max(lengths), SYMBOLS), padding, np.int32)
    for row, (emissions, _) in zip(padded, batch, strict=True):
        row[: len(emissions)] = emissions
    return torch.from_numpy(padded), lengths, [graph for _, graph in batch]


def noise(generator: np.random.Generator, frames: int) -> Emissions:
    """Emissions as a network that heard nothing clearly might give."""
    return generator.integers(-9000, 0, (frames, SYMBOLS)).astype(np.int32)


def sung(generator: np.random.Generator, words: int) -> Graph:
    """Words of two pronunciations side by side, optional silence around each; any word may be the next."""
    builder = GraphBuilder()
    rests = [builder.state(0, 1, initial=0)]
    for _ in range(words):
        ends = []
        for _ in range(2):
            arcs = [(rest, -100 * i) for i, rest in enumerate(rests[: -1 - 12 : -1])]
            for _ in range(int(generator.integers(1, 5))):
                arcs = [(builder.state(int(generator.integers(1, SYMBOLS)), int(generator.integers(1, 6)), arcs), 0)]
            ends += arcs
        rests.append(builder.state(0, 1, ends))
    builder.end(rests[-1])
    return builder.build()


def songs(count: int, words: int, frames: int) -> list[Case]:
    """Short songs of many lengths."""
    generator = np.random.default_rng(count)
    lengths = generator.integers(frames, 2 * frames, count)
    return [(noise(generator, int(length)), sung(generator, words)) for length in lengths]


@given(st.lists(cases(), min_size=1, max_size=4), SMALL)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_batch_is_its_utterances_one_by_one(batch: list[Case], padding: int) -> None:
    paths = viterbi_batch(*packed(batch, padding))
    assert [same(path, viterbi_slow(*case)) for path, case in zip(paths, batch, strict=True)] == [True] * len(batch)


@kernels
@few
@given(st.lists(cases(10), min_size=1, max_size=3), shapes, st.sampled_from([1, 500, 2**30]), SMALL)
def test_kernels_find_the_path_of_the_specification(batch: list[Case], shape: Shape, memory: int, padding: int) -> None:
    emissions, lengths, nets = packed(batch, padding)
    paths = best_paths(emissions, lengths, nets, WHERE, memory, shape)
    assert [same(path, viterbi_slow(*case)) for path, case in zip(paths, batch, strict=True)] == [True] * len(batch)


@kernels
def test_kernels_skip_words_exactly() -> None:
    batch = songs(2, 6, 25)
    paths = best_paths(*packed(batch), WHERE, 2**30, Shape(16, 1, 6))  # the ring goes round
    assert [same(path, viterbi(*case)) for path, case in zip(paths, batch, strict=True)] == [True] * len(batch)


@kernels
def test_kernels_end_in_the_lowest_of_equal_states() -> None:
    builder = GraphBuilder()
    for _ in range(6):
        builder.end(builder.state(0, initial=0))
    (path,) = best_paths(*packed([(np.zeros((3, SYMBOLS), np.int32), builder.build())]), WHERE, 2**30, Shape(2, 1))
    assert path.states.tolist() == [0]


@kernels
def test_kernels_number_as_many_arcs_as_a_graph_may_have() -> None:
    builder = GraphBuilder()
    sides = [builder.state(i % SYMBOLS, initial=-i) for i in range(254)]
    builder.end(builder.state(0, predecessors=[(side, 3 * side) for side in sides]))
    emissions = noise(np.random.default_rng(3), 3)
    (path,) = best_paths(*packed([(emissions, builder.build())]), WHERE, 2**30, Shape(256, 1))
    assert same(path, viterbi_slow(emissions, builder.build()))


@kernels
def test_kernels_look_back_over_the_longest_least_visit() -> None:
    longest = 60 if INTERPRETED else MAX_MIN_FRAMES  # the interpreter would take a minute
    graph = Graph.chain([0, 1, 2], [1, longest, 2], [True, False, True])
    emissions = noise(np.random.default_rng(4), longest + 6)
    (path,) = best_paths(*packed([(emissions, graph)]), WHERE, 2**30, Shape(2, 1, 10))
    assert same(path, viterbi(emissions, graph))


@kernels
def test_kernels_take_any_layout_of_the_emissions() -> None:
    emissions = noise(np.random.default_rng(5), 60)[::2, ::-1]
    graph = Graph.chain([0, 1, 2], 3)
    batch = torch.from_numpy(emissions.copy()).to(WHERE)
    views = [batch.expand(2, -1, -1), batch.T.contiguous().T.expand(2, -1, -1), batch.long().expand(2, -1, -1)]
    paths = [path for view in views for path in best_paths(view, [30, 25], [graph] * 2, WHERE, 2**30, Shape(4, 1))]
    expected = [viterbi(emissions[:length], graph) for length in (30, 25)]
    assert [same(path, expected[i % 2]) for i, path in enumerate(paths)] == [True] * 6


@pytest.mark.skipif(INTERPRETED, reason="this is the interpreter")
def test_the_kernels_are_exact_under_the_interpreter() -> None:
    pytest.importorskip("triton", reason="needs Triton")
    command = [sys.executable, "-m", "pytest", __file__, "-q", "-k", "test_kernels", "-p", "no:cacheprovider"]
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stdout
    assert "skipped" not in run.stdout


@pytest.mark.gpu
def test_cuda_equals_the_cpu() -> None:
    batch = songs(12, 90, 1500)
    emissions, lengths, nets = packed(batch)
    expected = [viterbi(*case) for case in batch]
    for device in ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]:
        for where in (emissions, emissions.to(device)):
            for memory in (None, 4 * 2**20):
                paths = viterbi_batch(where, lengths, nets, device, memory)
                assert [same(*pair) for pair in zip(paths, expected, strict=True)] == [True] * len(batch)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(1, 60_000))
def test_a_batch_takes_turns_that_fit_its_memory(lengths: list[int], memory: int) -> None:
    nets = [Graph.chain([0] * (1 + length // 2), 1) for length in lengths]
    groups = list(viterbi_torch._groups(lengths, nets, memory, Shape(4, 1, 16)))
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    sizes = [sum(lengths[i] * len(nets[i]) for i in group) for group in groups]
    assert all(size <= memory for size, group in zip(sizes, groups, strict=True) if len(group) > 1)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_the_worst_scores_of_many_frames_sum_exactly(device: str) -> None:
    worst = torch.full((1, 20_000, 1), -LIMIT, dtype=torch.int32)
    assert viterbi_batch(worst, [20_000], [Graph.chain([0] * 9)], device)[0].score == -LIMIT * 20_000


def test_no_utterances_have_no_paths() -> None:
    assert viterbi_batch(torch.zeros(0, 9, 3, dtype=torch.int32), [], []) == []
