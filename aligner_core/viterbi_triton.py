"""The GPU kernels of `viterbi_torch`: many utterances at once, states cut into tiles, frames into chunks.

Arcs only lead forward, so a tile of states needs only itself and the tiles before it. One program takes one tile of one
utterance through one chunk of frames, with a barrier between frames; a launch runs, side by side, chunk c of the first
tile, c - 1 of the second and so on. Thus nothing is ever waited for inside a launch but the threads of one program.
Scores go into a ring of rows, long enough for the last tile to look back to what the first has left behind.

With E the running sum of a state's emissions and W[t] = V[t] - E[t + 1], staying costs nothing:

    W[t] = max(W[t - 1],  V[t - n, p] + cost - E[t - n + 1])

W and both sums stay in registers, and candidates replace the best one only when they are greater: the ties of the
specification. Back-pointers are its bytes: 0 stayed, k along the k-th arc (1 at the start).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import triton
from triton import language as tl

from .graph import MAX_MIN_FRAMES

UNREACHABLE = tl.constexpr(-(2**62))
NEVER = tl.constexpr(-(2**31))
LATEST = tl.constexpr(MAX_MIN_FRAMES)  # frame before which a path has come out of its first least visit
GROUP = tl.constexpr(4)  # arcs that are looked up together
LOOK = tl.constexpr(64)  # frames of a column that the retrace reads together
FIELDS = tl.constexpr(8)  # of an utterance's row of `places`, as they follow
STRIDE, EMISSIONS, STATES, FIRST_TILE, RING, BACK, LENGTH, COUNT = (tl.constexpr(i) for i in range(8))

_part: Callable[[Callable[..., Any]], Any] = triton.jit
_entry: Callable[[Callable[..., Any]], Any] = triton.jit(
    do_not_specialize=["rows", "diagonal", "low", "frames"]  # one compilation for all their values
)


@_entry
def advance(
    emissions: tl.tensor,  # int32
    places: tl.tensor,  # int64 (utterances, FIELDS)
    symbols: tl.tensor,  # int32 (states), of all utterances in a row
    least: tl.tensor,  # int32 (states), minimum durations
    tiles: tl.tensor,  # int64 (tiles, 2), the first of its arcs, and their number for each state, padded
    arcs: tl.tensor,  # int64 (arcs), source << 32 | cost; k-th arcs of a tile's states side by side
    initial: tl.tensor,  # int32 (states)
    carry: tl.tensor,  # int64 (states, 3), W and both sums after the frame before
    ring: tl.tensor,  # int64 (rows, states + 1) of each utterance; padding comes from the last column
    back: tl.tensor,  # uint8 (frames, states) of each utterance
    rows: tl.tensor,
    diagonal: tl.tensor,  # of chunks and tiles
    low: tl.tensor,  # the first tile on it
    frames: tl.tensor,  # of a chunk
    span: tl.constexpr,  # states of a tile
) -> None:
    """Take each tile on a diagonal through its chunk. Grid (utterances, tiles on it)."""
    place = places + tl.program_id(0) * FIELDS
    tile = low + tl.program_id(1)
    count = tl.load(place + COUNT)
    start = (diagonal - tile) * frames
    length = tl.load(place + LENGTH).to(tl.int32)
    stop = tl.minimum(start + frames, length)
    if (tile * span >= count) | (start >= stop):
        return
    # No load below is masked: the assembler puts loads with predicates one after the other, and waits for each. What
    # is beyond the last state does as that one does, what is beyond the frames is read and not used.
    state = tl.minimum(tile * span + tl.arange(0, span), count - 1)
    at = tl.load(place + STATES) + state
    n = tl.load(least + at)
    best = tl.load(carry + at * 3)
    gained = tl.load(carry + at * 3 + 1)
    gone = tl.load(carry + at * 3 + 2)
    width = count + 1
    size = rows * width
    scores = ring + tl.load(place + RING)
    row = start % rows * width
    source_row = (start - n + rows) % rows * width
    pointers = back + tl.load(place + BACK) + state
    column = emissions + tl.load(place + EMISSIONS) + tl.load(symbols + at)
    stride = tl.load(place + STRIDE)
    slot = (tl.load(place + FIRST_TILE) + tile) * 2
    ways = arcs + tl.load(tiles + slot) + (state - tile * span)
    most = tl.load(tiles + slot + 1).to(tl.int32)
    now = tl.load(column + start * stride)
    then = tl.load(column + tl.maximum(start - n, 0) * stride)
    for t in range(start, stop):
        gained += now
        gone += tl.where(t >= n, then, 0)
        byte = tl.zeros([span], tl.int32)
        if t < LATEST:
            entry = tl.load(initial + at).to(tl.int64)
            best, byte = _better(best, byte, tl.where((t == n - 1) & (entry != NEVER), entry, UNREACHABLE), 1)
        best, byte = _along_arcs(best, byte, gone, ways, most, scores + source_row, span)
        tl.store(pointers + t * count, byte.to(tl.uint8))
        tl.store(scores + row + state, best + gained)
        following = tl.minimum(t + 1, length - 1)
        now = tl.load(column + following * stride)
        then = tl.load(column + tl.maximum(following - n, 0) * stride)
        row += width
        row = tl.where(row == size, 0, row)
        source_row += width
        source_row = tl.where(source_row == size, 0, source_row)
        tl.debug_barrier()
    tl.store(carry + at * 3, best)
    tl.store(carry + at * 3 + 1, gained)
    tl.store(carry + at * 3 + 2, gone)


@_part
def _along_arcs(
    best: tl.tensor,
    byte: tl.tensor,
    gone: tl.tensor,
    ways: tl.tensor,  # the first arc of each state
    most: tl.tensor,
    sources: tl.tensor,  # the ring's row that each state looks back to
    span: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:
    """The best of staying and of what comes along the arcs. Loads stand together, so that they wait together."""
    for group in range(0, most, GROUP):
        way = ways + group * span
        a, b, c, d = tl.load(way), tl.load(way + span), tl.load(way + 2 * span), tl.load(way + 3 * span)
        p, q = tl.load(sources + (a >> 32)), tl.load(sources + (b >> 32))
        r, s = tl.load(sources + (c >> 32)), tl.load(sources + (d >> 32))
        best, byte = _better(best, byte, p + a.to(tl.int32) - gone, group + 1)
        best, byte = _better(best, byte, q + b.to(tl.int32) - gone, group + 2)
        best, byte = _better(best, byte, r + c.to(tl.int32) - gone, group + 3)
        best, byte = _better(best, byte, s + d.to(tl.int32) - gone, group + 4)
    return best, byte


@_part
def _better(best: tl.tensor, byte: tl.tensor, score: tl.tensor, k: tl.tensor) -> tuple[tl.tensor, tl.tensor]:
    """The better of two ways to be in each state; of equals the first."""
    better = score > best
    return tl.where(better, score, best), tl.where(better, k, byte)


@_part
def retrace(
    places: tl.tensor,
    least: tl.tensor,
    tiles: tl.tensor,
    arcs: tl.tensor,
    final: tl.tensor,  # int32 (states)
    carry: tl.tensor,
    back: tl.tensor,
    visits: tl.tensor,  # int32 (states, 2), out: state and first frame of each visit, the last one first
    ends: tl.tensor,  # int64 (utterances, 2), out: number of visits, score
    span: tl.constexpr,
) -> None:
    """Find the best last state, and the way back from there. Grid (utterances,)."""
    place = places + tl.program_id(0) * FIELDS
    count, first = tl.load(place + COUNT), tl.load(place + STATES)
    start = tl.load(place + LENGTH).to(tl.int32)
    state, score = _last(count, first, final, carry, span)
    pointers = back + tl.load(place + BACK)
    looked = tl.arange(0, LOOK)
    number = first * 0
    t = start - 1
    while t >= 0:
        cells = tl.load(pointers + (t - looked) * count + state, mask=looked <= t, other=0)
        near = tl.min(tl.where(cells != 0, looked, LOOK), 0)
        k = tl.max(tl.where(looked == near, cells, 0).to(tl.int32), 0)  # 0 where all of these frames stayed
        t -= near
        if k > 0:
            start = t - tl.load(least + first + state) + 1
            tl.store(visits + (first + number) * 2, state.to(tl.int32))
            tl.store(visits + (first + number) * 2 + 1, start)
            number += 1
            slot = tl.load(tiles + (tl.load(place + FIRST_TILE) + state // span) * 2)
            state = tl.load(arcs + slot + (k - 1) * span + state % span) >> 32  # none at the start: not used
            t = start - 1
    tl.store(ends + tl.program_id(0) * 2, number)
    tl.store(ends + tl.program_id(0) * 2 + 1, score)


@_part
def _last(
    count: tl.tensor, first: tl.tensor, final: tl.tensor, carry: tl.tensor, span: tl.constexpr
) -> tuple[tl.tensor, tl.tensor]:
    """The best last state of an utterance, the lowest of equals, and the score of ending there; int64."""
    best = first * 0 + UNREACHABLE
    chosen = first * 0
    for low in range(0, count, span):
        state = low + tl.arange(0, span)
        inside = state < count
        ending = tl.load(final + first + state, mask=inside, other=NEVER)
        scores = tl.load(carry + (first + state) * 3, mask=inside, other=0)
        scores += tl.load(carry + (first + state) * 3 + 1, mask=inside, other=0)
        scores = tl.where(ending == NEVER, UNREACHABLE, scores + ending)
        top = tl.max(scores, 0)
        lowest = tl.min(tl.where(scores == top, state, count), 0)
        chosen = tl.where(top > best, lowest, chosen)
        best = tl.maximum(best, top)
    return chosen, best
