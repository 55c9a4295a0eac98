"""The sums over all paths: the kernels give what the loops give, and the loops what every path by itself adds up to."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from aligner_core.recursion import NEVER, band, band_paths, best_states, chain, chain_paths, turned

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
WHERE = "cpu" if INTERPRETED else "cuda"
kernels = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(), reason="runs on CUDA, and here in a process with the interpreter"
)
few = settings(max_examples=10 if INTERPRETED else 100, deadline=None, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 10_000)
Band = tuple[Tensor, Tensor, Tensor, Tensor]


def bands(seed: int, frames: int, batch: int, states: int, kind: torch.dtype = torch.float64) -> Band:
    """Emissions, arcs, starts and ends; some are forbidden, but there is a way through."""
    generator = torch.Generator().manual_seed(seed)
    emissions = 2 * torch.randn(frames, batch, states, generator=generator, dtype=torch.float64)
    arcs = torch.randn(3, batch, states, generator=generator, dtype=torch.float64)
    arcs[2][torch.rand(batch, states, generator=generator) < 0.5] = NEVER
    starts, ends = torch.randn(2, batch, states, generator=generator, dtype=torch.float64)
    starts[:, 1:][torch.rand(batch, states - 1, generator=generator) < 0.5] = NEVER
    ends[:, :-1][torch.rand(batch, states - 1, generator=generator) < 0.5] = NEVER
    return emissions.to(kind), arcs.to(kind), starts.to(kind), ends.to(kind)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_a_band_has_the_paths_that_its_arcs_allow(seed: int) -> None:
    emissions, arcs, starts, ends = bands(seed, 4, 1, 4)
    every, taken = [], torch.zeros(4, 4, dtype=torch.float64)
    for path in itertools.product(range(4), repeat=4):
        steps = [b - a for a, b in itertools.pairwise(path)]
        if all(0 <= step <= 2 for step in steps):
            ways = sum(arcs[step, 0, state] for step, state in zip(steps, path[1:], strict=True))
            score = starts[0, path[0]] + emissions[range(4), 0, path].sum() + ways + ends[0, path[-1]]
            every.append(score)
            taken[range(4), path] += score.exp()
    found = band_paths(emissions, arcs, starts, ends, torch.tensor([4]))
    torch.testing.assert_close(found.total[0], torch.stack(every).logsumexp(0))
    torch.testing.assert_close(found.states[:, 0], taken / taken.sum(1, keepdim=True))


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_the_best_states_score_best(seed: int) -> None:
    emissions, arcs, starts, ends = bands(seed, 4, 1, 4)

    def score(path: tuple[int, ...]) -> float:
        steps = [b - a for a, b in itertools.pairwise(path)]
        if not all(0 <= step <= 2 for step in steps):
            return -float("inf")
        ways = sum(float(arcs[step, 0, state]) for step, state in zip(steps, path[1:], strict=True))
        return float(starts[0, path[0]] + emissions[range(4), 0, path].sum() + ends[0, path[-1]]) + ways

    best = max(score(path) for path in itertools.product(range(4), repeat=4))
    assert score(tuple(best_states(emissions, arcs, starts, ends))) == pytest.approx(best)


@settings(deadline=None, max_examples=30)
@given(seeds, st.lists(st.integers(4, 9), min_size=1, max_size=3))
def test_what_a_path_takes_is_the_slope_of_the_total(seed: int, lengths: list[int]) -> None:
    emissions, arcs, starts, ends = bands(seed, max(lengths), len(lengths), 5)
    found = band_paths(emissions, arcs, starts, ends, torch.tensor(lengths))
    x, y = emissions.requires_grad_(), arcs.requires_grad_()
    last = band(x, y, starts)[torch.tensor(lengths) - 1, torch.arange(len(lengths))]
    total = (last + ends).logsumexp(-1)
    slopes = torch.autograd.grad(total.sum(), (x, y))
    torch.testing.assert_close(found.total, total)
    torch.testing.assert_close(found.states, slopes[0])
    torch.testing.assert_close(found.arcs(arcs, torch.tensor(lengths)), slopes[1])


def test_turning_round_twice_changes_nothing() -> None:
    rows = torch.arange(12.0).reshape(6, 2)
    once = turned(rows, torch.tensor([4, 6]))
    assert once[:, 0].tolist() == [6, 4, 2, 0, 8, 10]
    assert turned(once, torch.tensor([4, 6])).equal(rows)


@kernels
@few
@given(seeds, st.integers(1, 9), st.integers(1, 3), st.integers(2, 40))
def test_kernels_give_the_band_of_the_loop(seed: int, frames: int, batch: int, states: int) -> None:
    from aligner_core.recursion_triton import run_band

    emissions, arcs, starts, _ = (one.to(WHERE) for one in bands(seed, frames, batch, states, torch.float32))
    expected = band(emissions.double(), arcs.double(), starts.double())
    found = run_band(emissions.transpose(0, 1).contiguous().transpose(0, 1), arcs, starts).double()
    torch.testing.assert_close(found.clamp(min=-1e6), expected.clamp(min=-1e6), rtol=1e-5, atol=1e-4)


@kernels
@few
@given(seeds, st.integers(1, 9), st.integers(1, 3), st.integers(1, 41))
def test_kernels_give_the_chain_of_the_loop(seed: int, frames: int, batch: int, symbols: int) -> None:
    from aligner_core.recursion_triton import run_chain

    generator = torch.Generator().manual_seed(seed)
    emissions = 2 * torch.randn(frames, 2, batch, symbols, generator=generator).to(WHERE)
    transitions = torch.randn(2, symbols, symbols, generator=generator).to(WHERE)
    expected = chain(emissions.double(), transitions.double())
    torch.testing.assert_close(run_chain(emissions, transitions).double(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.skipif(INTERPRETED, reason="this is the interpreter")
def test_the_kernels_are_right_under_the_interpreter() -> None:
    pytest.importorskip("triton", reason="needs Triton")
    command = [sys.executable, "-m", "pytest", __file__, "-q", "-k", "test_kernels", "-p", "no:cacheprovider"]
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stdout
    assert "skipped" not in run.stdout


@pytest.mark.gpu
def test_cuda_equals_the_cpu() -> None:
    emissions, arcs, starts, ends = bands(1, 1000, 16, 200, torch.float32)
    lengths = torch.randint(500, 1001, (16,))
    here = band_paths(emissions.double(), arcs.double(), starts.double(), ends.double(), lengths)
    there = band_paths(*(one.cuda() for one in (emissions, arcs, starts, ends, lengths)))
    torch.testing.assert_close(there.total.cpu().double(), here.total, rtol=1e-5, atol=1e-2)
    torch.testing.assert_close(there.states.cpu().double(), here.states, rtol=0, atol=0.02)
    transitions = torch.randn(200, 200)[:41, :41]
    here = chain_paths(emissions[..., :41].double(), transitions.double(), lengths)
    there = chain_paths(emissions[..., :41].cuda(), transitions.cuda(), lengths.cuda())
    torch.testing.assert_close(there.total.cpu().double(), here.total, rtol=1e-5, atol=1e-2)
    torch.testing.assert_close(there.states.cpu().double(), here.states, rtol=0, atol=0.02)
