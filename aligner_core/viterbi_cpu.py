"""The CPU side of `viterbi.viterbi`: lays the graph out, says how much to keep, and runs the compiled loops."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import NEVER, Graph
from .viterbi import Path
from .viterbi_kernels import FAR, Longs, Net, _compiled, backward, forward

INNER = 1024  # frames a column covers in the first pass: a few columns fit the first-level cache, all sums the second


def best_path(emissions: NDArray[np.int32], graph: Graph, block: int | None) -> Path:
    """`viterbi.viterbi` after its checks."""
    used, net, block, bounds = _laid_out(graph, len(emissions), block)
    checkpoints = np.empty(int(bounds[-1, 2]), np.int64)
    state, score = forward(emissions, used, net, block, INNER, bounds, checkpoints)
    visits = backward(emissions, used, net, block, bounds, checkpoints, state)
    states, starts = visits[::-1, 0], visits[::-1, 1]
    return Path(states.astype(np.int32), starts.astype(np.int32), len(emissions), int(score))


@lru_cache(maxsize=8)  # noise is put on the emissions of one graph many times over
def _laid_out(graph: Graph, total: int, block: int | None) -> tuple[Longs, Net, int, Longs]:
    """The symbols in use, the graph for so many frames, the frames of a block, and what each checkpoint holds."""
    used, net = _lay_out(graph, total)
    size = block or _balanced_block(net, total, graph.frames_needed)
    return used, net, size, _bounds(net, total, size)


def _lay_out(graph: Graph, total: int) -> tuple[Longs, Net]:
    """The symbols in use, and the graph for so many frames."""
    symbols, columns = np.unique(graph.symbols, return_inverse=True)
    frames, offsets, sources = map(_longs, (graph.min_frames, graph.offsets, graph.sources))
    initial, final = _longs(graph.initial), _longs(graph.final)
    first, rest = _reachable(frames, offsets, sources, initial, final)
    slots, rows = _places(frames, offsets, sources)
    return _longs(symbols), Net(
        columns=_longs(columns),
        frames=frames,
        offsets=offsets,
        sources=sources,
        costs=_longs(graph.costs),
        initial=initial,
        final=final,
        first=first,
        last=total - 1 - rest,
        slots=slots,
        rows=np.append(0, rows.cumsum()),
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


@_compiled
def _reachable(frames: Longs, offsets: Longs, sources: Longs, initial: Longs, final: Longs) -> tuple[Longs, Longs]:
    """The first frame in which each state can be complete, and the least number of frames from there to the end."""
    first, rest = np.full(len(frames), FAR), np.full(len(frames), FAR)
    for s in range(len(frames)):
        for a in range(offsets[s], offsets[s + 1]):
            first[s] = min(first[s], first[sources[a]] + frames[s])
        if initial[s] != NEVER:
            first[s] = frames[s] - 1
    for s in range(len(frames) - 1, -1, -1):
        if final[s] != NEVER:
            rest[s] = 0
        for a in range(offsets[s], offsets[s + 1]):
            rest[sources[a]] = min(rest[sources[a]], rest[s] + frames[s])
    return first, rest


@_compiled
def _places(frames: Longs, offsets: Longs, sources: Longs) -> tuple[Longs, Longs]:
    """A slot for each state's column, free again after its last reader, and how many rows of it a checkpoint keeps."""
    states = len(frames)
    reader, rows = np.arange(states), np.ones(states, np.int64)
    for s in range(states):
        for p in sources[offsets[s] : offsets[s + 1]]:
            reader[p], rows[p] = s, max(rows[p], frames[s])
    slots, free = np.empty(states, np.int64), np.empty(states, np.int64)
    left = used = 0  # slots that are free, and slots that there are
    for s in range(states):
        if left:
            left -= 1
            slots[s] = free[left]
        else:
            slots[s], used = used, used + 1
        for a in range(offsets[s], offsets[s + 1] + 1):
            p = sources[a] if a < offsets[s + 1] else s
            if reader[p] == s:
                free[left], left, reader[p] = slots[p], left + 1, -1
    return slots, rows


def _bounds(net: Net, total: int, block: int) -> Longs:
    """(checkpoints + 1, 3): first state, state after the last, and offset of each checkpoint's rows."""
    bounds = []
    offset = 0
    for t in range(0, total, block):
        alive = np.flatnonzero((net.first < t) & (net.last >= t - net.depth))
        low, high = (int(alive[0]), int(alive[-1]) + 1) if len(alive) else (0, 0)
        bounds.append((low, high, offset))
        offset += int(net.rows[high] - net.rows[low])
    return np.array([*bounds, (0, 0, offset)], np.int64)
