"""The GPU kernels of `recursion`: one program a row of the batch, which goes through the frames with a barrier between.

Each frame's row goes to memory, where the next finds its neighbours. The kernels stay within their sums of three states
and of up to `recursion.WIDEST` symbols; what they give is that of the loops in `recursion`, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import triton
from torch import Tensor
from triton import language as tl

NEVER = tl.constexpr(-1e30)
TINY = tl.constexpr(1e-37)

_entry: Callable[[Callable[..., Any]], Any] = triton.jit(do_not_specialize=["frames", "states"])


def run_band(emissions: Tensor, arcs: Tensor, starts: Tensor) -> Tensor:
    """`recursion.band`."""
    frames, batch, states = emissions.shape
    out = torch.empty(frames, batch, states, device=emissions.device)
    span = triton.next_power_of_2(states)
    warps = min(max(span // 64, 1), 8)
    with torch.cuda.device(emissions.get_device()):  # where Triton launches; -1 is none
        band[(batch,)](
            emissions.contiguous(), arcs.contiguous(), starts.contiguous(), out, frames, states,
            span=span, num_warps=warps, num_stages=1,
        )  # fmt: skip
    return out


def run_chain(emissions: Tensor, transitions: Tensor) -> Tensor:
    """`recursion.chain`."""
    frames, groups, batch, symbols = emissions.shape
    out = torch.empty(frames, groups, batch, symbols, device=emissions.device)
    span = max(triton.next_power_of_2(symbols), 16)
    with torch.cuda.device(emissions.get_device()):
        chain[(groups * batch,)](
            emissions.contiguous(), transitions.contiguous(), out, frames, symbols, batch,
            span=span, num_warps=4, num_stages=1,
        )  # fmt: skip
    return out


@_entry
def band(
    emissions: tl.tensor,  # float32 (frames, batch, states)
    arcs: tl.tensor,  # float32 (3, batch, states)
    starts: tl.tensor,  # float32 (batch, states)
    out: tl.tensor,  # float32 (frames, batch, states)
    frames: tl.tensor,
    states: tl.tensor,
    span: tl.constexpr,  # states, rounded up to a power of two
) -> None:
    """All frames of one row of the batch. Grid (batch,)."""
    state = tl.arange(0, span)
    inside = state < states
    row = tl.program_id(0) * states
    width = tl.num_programs(0) * states
    stay = tl.load(arcs + row + state, mask=inside, other=NEVER)
    step = tl.load(arcs + width + row + state, mask=inside & (state >= 1), other=NEVER)
    skip = tl.load(arcs + 2 * width + row + state, mask=inside & (state >= 2), other=NEVER)
    begin = tl.load(starts + row + state, mask=inside, other=NEVER)
    score = begin + tl.load(emissions + row + state, mask=inside, other=0.0)
    tl.store(out + row + state, score, mask=inside)
    before = out + row
    sound = emissions + row + width
    now = tl.load(sound + state, mask=inside & (frames > 1), other=0.0)
    for t in range(1, frames):
        tl.debug_barrier()
        one = tl.load(before + state - 1, mask=inside & (state >= 1), other=NEVER) + step
        two = tl.load(before + state - 2, mask=inside & (state >= 2), other=NEVER) + skip
        sound += width
        following = tl.load(sound + state, mask=inside & (t + 1 < frames), other=0.0)
        same = score + stay
        best = tl.maximum(tl.maximum(same, one), two)
        score = best + tl.log(tl.exp(same - best) + tl.exp(one - best) + tl.exp(two - best)) + now
        now = following
        before += width
        tl.store(before + state, score, mask=inside)


@_entry
def chain(
    emissions: tl.tensor,  # float32 (frames, groups * batch, symbols)
    transitions: tl.tensor,  # float32 (groups, symbols, symbols)
    out: tl.tensor,  # float32 (frames, groups * batch, symbols)
    frames: tl.tensor,
    states: tl.tensor,
    batch: tl.tensor,  # rows of a group
    span: tl.constexpr,  # symbols, rounded up to a power of two
) -> None:
    """All frames of one row. Grid (groups * batch,)."""
    state = tl.arange(0, span)
    inside = state < states
    row = tl.program_id(0) * states
    width = tl.num_programs(0) * states
    table = transitions + tl.program_id(0) // batch * states * states
    known = inside[:, None] & inside[None, :]
    scores = tl.load(table + state[:, None] * states + state[None, :], mask=known, other=NEVER)
    most = tl.max(tl.max(scores, 1), 0)
    follows = tl.exp(scores - most)
    score = tl.load(emissions + row + state, mask=inside, other=NEVER)
    tl.store(out + row + state, score, mask=inside)
    for t in range(1, frames):
        now = tl.load(emissions + t * width + row + state, mask=inside, other=NEVER)
        best = tl.max(score, 0)
        came = tl.sum(tl.exp(score - best)[:, None] * follows, 0)
        score = tl.log(tl.maximum(came, TINY)) + best + most + now
        tl.store(out + t * width + row + state, score, mask=inside)
