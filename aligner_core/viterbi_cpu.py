"""The CPU side of `viterbi.viterbi`: lays the graph out, says how much to keep, and runs the compiled loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import NEVER, Graph
from .viterbi import Path
from .viterbi_kernels import FAR, Longs, Net, backward, compiled, forward

INNER = 1024  # frames a column covers in the first pass: a few columns fit the first-level cache, all sums the second


def best_path(emissions: NDArray[np.int32], graph: Graph, block: int | None) -> Path:
    """`viterbi.viterbi` after its checks."""
    symbols, columns = np.unique(graph.symbols, return_inverse=True)
    used = _longs(symbols)
    net = _lay_out(graph, columns, len(emissions))
    block = block or _balanced_block(net, len(emissions), graph.frames_needed)
    bounds = _bounds(net.first, net.last, net.rows, len(emissions), block, net.depth)
    checkpoints = np.empty(int(bounds[-1, 2]), np.int64)
    state, score = forward(emissions, used, net, block, INNER, bounds, checkpoints)
    visits = backward(emissions, used, net, block, bounds, checkpoints, state)
    states, starts = visits[::-1, 0], visits[::-1, 1]
    return Path(states.astype(np.int32), starts.astype(np.int32), len(emissions), int(score))


def _lay_out(graph: Graph, columns: NDArray[np.intp], total: int) -> Net:
    frames, offsets, sources = _longs(graph.min_frames), _longs(graph.offsets), _longs(graph.sources)
    initial, final = _longs(graph.initial), _longs(graph.final)
    first, last = _reachable(frames, offsets, sources, initial, final, total)
    slots, rows = _places(frames, offsets, sources)
    return Net(
        columns=_longs(columns),
        frames=frames,
        offsets=offsets,
        sources=sources,
        costs=_longs(graph.costs),
        initial=initial,
        final=final,
        first=first,
        last=last,
        slots=slots,
        rows=rows,
        depth=int(frames.max()),
        width=int(slots.max()) + 1,
    )


def _longs(array: NDArray[Any]) -> Longs:
    return np.ascontiguousarray(array, dtype=np.int64)


def _balanced_block(net: Net, total: int, needed: int) -> int:
    """Frames between checkpoints for which checkpoints and back-pointers take about the same memory."""
    states = len(net.slots)
    checkpoint = 8 * int(net.rows[-1])
    per_frame = states / (2 * needed)  # states the cone of a block grows by, halved: it is a triangle
    block = (checkpoint * total / (2 * per_frame)) ** (1 / 3)
    if per_frame * block > states:  # arcs that skip far: the cone soon has all states
        block = math.sqrt(checkpoint * total / states)
    return max(64, min(int(block), total))


@compiled
def _reachable(frames: Longs, offsets: Longs, sources: Longs, initial: Longs, final: Longs, total: int) -> Any:
    """The first and the last frame in which each state can be, complete, on a path from start to end."""
    states = len(frames)
    first = np.full(states, FAR, np.int64)
    rest = np.full(states, FAR, np.int64)
    for s in range(states):
        if initial[s] != NEVER:
            first[s] = frames[s] - 1
        for a in range(offsets[s], offsets[s + 1]):
            first[s] = min(first[s], first[sources[a]] + frames[s])
    for s in range(states - 1, -1, -1):
        if final[s] != NEVER:
            rest[s] = 0
        for a in range(offsets[s], offsets[s + 1]):
            rest[sources[a]] = min(rest[sources[a]], rest[s] + frames[s])
    return first, total - 1 - rest


@compiled
def _places(frames: Longs, offsets: Longs, sources: Longs) -> Any:
    """A slot for each state's column, free again after its last reader, and the offsets of its checkpoint rows."""
    states = len(frames)
    reader = np.arange(states)
    rows = np.ones(states + 1, np.int64)
    for s in range(states):
        for a in range(offsets[s], offsets[s + 1]):
            reader[sources[a]] = s
            rows[sources[a] + 1] = max(rows[sources[a] + 1], frames[s])
    rows[0] = 0
    slots = np.empty(states, np.int64)
    free = np.arange(states)[::-1].copy()
    top = states
    for s in range(states):
        top -= 1
        slots[s] = free[top]
        for a in range(offsets[s], offsets[s + 1]):
            p = sources[a]
            if reader[p] == s:
                free[top] = slots[p]
                top += 1
                reader[p] = -1
        if reader[s] == s:
            free[top] = slots[s]
            top += 1
    return slots, np.cumsum(rows)


@compiled
def _bounds(first: Longs, last: Longs, rows: Longs, total: int, block: int, depth: int) -> Any:
    """(checkpoints + 1, 3): first state, state after the last, and offset of each checkpoint's rows."""
    count = (total + block - 1) // block
    bounds = np.zeros((count + 1, 3), np.int64)
    for b in range(count):
        t = b * block
        low, high = len(first), 0
        for s in range(len(first)):
            if first[s] < t and last[s] >= t - depth:
                low, high = min(low, s), s + 1
        low = min(low, high)
        bounds[b, 0], bounds[b, 1] = low, high
        bounds[b + 1, 2] = bounds[b, 2] + rows[high] - rows[low]
    return bounds
