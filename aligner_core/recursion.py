"""The sums over all paths that CTC and ASG have in common: forwards, backwards, and how often a state is taken.

A band is a row of states in which a path stays, goes on by one, or by two; a chain has all symbols as states, each of
which may follow each. Everything is in log space. Backwards is forwards on the batch turned round, so one recursion
does both at once. On a GPU the kernels of `recursion_triton` run it; the loops here say what they have to give.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

NEVER = -1e30  # log of "impossible", finite so that its gradient is 0 and not NaN
IMPOSSIBLE = NEVER / 10  # a score that only `NEVER` explains
WIDEST = 128  # symbols of a chain that a kernel takes: it holds all their transitions in registers
_LOWEST = -60.0  # a transition that costs more than this counts as never taken, where its uses are counted
_TINY = 1e-37  # float32 holds no less; a chain's states more than 85 nats behind the best count as that


class Paths(NamedTuple):
    """All paths through a band.

    Args:
        totals: (frames, batch), log of the summed scores of all paths, from alpha and beta of that frame: the same in
            all but for rounding, of which the differences between states are free then.
        alpha: (frames, batch, states), the same of the ways to be in a state in a frame, that frame included.
        beta: (frames, batch, states), of the ways on from there, that frame included too.
        states: (frames, batch, states), the probability of being there; 0 beyond the last frame.
    """

    totals: Tensor
    alpha: Tensor
    beta: Tensor
    states: Tensor

    @property
    def total(self) -> Tensor:
        """(batch,), of the first frame, which all have."""
        return self.totals[0]

    @property
    def possible(self) -> Tensor:
        """Whether there is any path: (batch,)."""
        return self.total > IMPOSSIBLE

    def arcs(self, weights: Tensor, lengths: Tensor) -> Tensor:
        """How often each arc is taken: weights (3, batch, states) -> the same."""
        inside = torch.arange(1, len(self.alpha), device=lengths.device)[:, None] < lengths
        inside &= self.possible
        ahead = torch.where(inside[..., None], self.beta[1:] - self.totals[1:, :, None], NEVER)
        before = [F.pad(self.alpha[:-1], (n, 0), value=NEVER)[..., : self.alpha.shape[2]] for n in range(3)]
        return torch.stack([(a + ahead + w).exp().sum(0) for a, w in zip(before, weights, strict=True)])


def band_paths(emissions: Tensor, arcs: Tensor, starts: Tensor, ends: Tensor, lengths: Tensor) -> Paths:
    """All paths through bands of states.

    Args:
        emissions: (frames, batch, states) scores of a state in a frame.
        arcs: (3, batch, states) scores of staying in a state, of coming from one before it, and from two before.
        starts, ends: (batch, states) scores of beginning and of ending there, `NEVER` where that is not allowed.
        lengths: (batch,) frames.
    """
    back = turned(emissions, lengths).flip(2)
    steps = torch.stack([F.pad(arcs[n], (0, n), value=NEVER)[:, n:].flip(1) for n in range(3)])
    both = band(torch.cat([emissions, back], 1), torch.cat([arcs, steps], 1), torch.cat([starts, ends.flip(1)]))
    alpha, beta = both.chunk(2, 1)
    beta = turned(beta.flip(2), lengths)
    return _paths(alpha, beta, emissions, lengths)


def turned(rows: Tensor, lengths: Tensor) -> Tensor:
    """(frames, batch, ...) with the frames of each, as many as it has, the other way round; the rest stays."""
    frame = torch.arange(len(rows), device=lengths.device)[:, None]
    source = torch.where(frame < lengths, lengths - 1 - frame, frame)
    return rows[source, torch.arange(len(lengths), device=lengths.device)]


def band(emissions: Tensor, arcs: Tensor, starts: Tensor) -> Tensor:
    """Log of the summed scores of all ways to be in each state in each frame; arguments as `band_paths`.

    Shape:
        (frames, batch, states) -> the same
    """
    if _by_kernels(emissions):
        from .recursion_triton import run_band

        return run_band(emissions, arcs, starts)
    row = emissions[0] + starts
    rows = [row]
    for emission in emissions[1:]:
        ways = [F.pad(row, (n, 0), value=NEVER)[:, : row.shape[1]] + arcs[n] for n in range(3)]
        row = torch.stack(ways).logsumexp(0) + emission
        rows.append(row)
    return torch.stack(rows)


def best_states(emissions: Tensor, arcs: Tensor, starts: Tensor, ends: Tensor) -> list[int]:
    """The state of the best path through one band in each of its frames; arguments as `band_paths`, of a batch of one.

    Of equals, the path that stays longest in what comes later.
    """
    row, ways = emissions[0, 0] + starts[0], []
    for emission in emissions[1:, 0]:
        came = torch.stack([F.pad(row, (n, 0), value=NEVER)[: len(row)] + arcs[n, 0] for n in range(3)])
        row, back = came.max(0)
        row = row + emission
        ways.append(back)
    states = [int((row + ends[0]).argmax())]
    for back in reversed(ways):
        states.append(states[-1] - int(back[states[-1]]))
    return states[::-1]


def chain(emissions: Tensor, transitions: Tensor) -> Tensor:
    """Log of the summed scores of all rows of symbols that end with each symbol in each frame.

    Args:
        transitions: (groups, symbols, symbols) scores of the second after the first.

    Shape:
        (frames, groups, batch, symbols) -> the same
    """
    if emissions.shape[-1] <= WIDEST and _by_kernels(emissions):
        from .recursion_triton import run_chain

        return run_chain(emissions, transitions)
    most = transitions.amax((1, 2), keepdim=True)
    follows = (transitions - most).exp()
    row = emissions[0]
    rows = [row]
    for emission in emissions[1:]:
        best = row.amax(-1, keepdim=True)
        row = ((row - best).exp() @ follows).clamp(min=_TINY).log() + best + most + emission
        rows.append(row)
    return torch.stack(rows)


def chain_paths(emissions: Tensor, transitions: Tensor, lengths: Tensor) -> Paths:
    """All rows of symbols; (frames, batch, symbols), (symbols, symbols), (batch,)."""
    both = torch.stack([emissions, turned(emissions, lengths)], 1)
    alpha, beta = chain(both, torch.stack([transitions, transitions.T])).unbind(1)
    beta = turned(beta, lengths)
    return _paths(alpha, beta, emissions, lengths)


def chain_arcs(paths: Paths, transitions: Tensor, lengths: Tensor, weights: Tensor) -> Tensor:
    """How often each symbol follows each, summed over the batch with these weights (batch,): (symbols, symbols)."""
    inside = torch.arange(1, len(paths.alpha), device=lengths.device)[:, None] < lengths
    before, after = paths.alpha[:-1], paths.beta[1:]
    tops = before.amax(-1), after.amax(-1)
    low = transitions.min().clamp(min=_LOWEST)  # what the tops may exceed the total by, turned round
    scale = torch.where(inside, (tops[0] + tops[1] - paths.totals[1:] + low).exp() * weights, 0.0)
    first = (before - tops[0][..., None]).exp() * scale[..., None]
    counts = first.flatten(0, 1).T @ (after - tops[1][..., None]).exp().flatten(0, 1)
    return counts * (transitions - low).exp()


def _paths(alpha: Tensor, beta: Tensor, emissions: Tensor, lengths: Tensor) -> Paths:
    through = alpha + beta - emissions
    totals = through.logsumexp(-1)
    inside = torch.arange(len(emissions), device=lengths.device)[:, None] < lengths
    inside &= totals[0] > IMPOSSIBLE
    return Paths(totals, alpha, beta, torch.where(inside[..., None], (through - totals[..., None]).exp(), 0.0))


def _by_kernels(emissions: Tensor) -> bool:
    """Whether the kernels take this: they know float32 on a GPU, and no gradients."""
    plain = not emissions.is_cuda or emissions.dtype != torch.float32 or torch.is_grad_enabled()
    return not plain and kernels_run(emissions.device)


@cache
def kernels_run(device: torch.device) -> bool:
    """Whether Triton works there: it is not part of every PyTorch, and needs a compiler to be installed."""
    try:
        from .recursion_triton import run_band, run_chain

        sound = torch.zeros(2, 1, 3, device=device)
        run_band(sound, torch.zeros(3, 1, 3, device=device), sound[0])
        run_chain(sound[:, None], torch.zeros(1, 3, 3, device=device))
        torch.cuda.synchronize(device)
    except Exception as error:  # noqa: BLE001 (what it raises without its compiler is its own, and changes)
        warnings.warn(f"losses are slow here: {type(error).__name__} {error}", RuntimeWarning, stacklevel=2)
        return False
    return True
