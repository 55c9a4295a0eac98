"""The CPU side of `viterbi.viterbi`: lays the graph out, says how much to keep, and runs the compiled loops."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import NEVER, Graph
from .viterbi import Path
from .viterbi_kernels import FAR, Longs, Net, backward, forward

INNER = 1024  # frames a column covers in the first pass: a few columns fit the first-level cache, all sums the second


def best_path(emissions: NDArray[np.int32], graph: Graph, block: int | None) -> Path:
    """`viterbi.viterbi` after its checks."""
    used, net, block, bounds = _laid_out(graph, len(emissions), block)
    checkpoints = np.empty(int(bounds[-1, 2]), np.int64)
    state, score = forward(emissions, used, net, block, INNER, bounds, checkpoints)
    visits = backward(emissions, used, net, block, bounds, checkpoints, state)
    states, starts = visits[::-1, 0], visits[::-1, 1]
    return Path(states.astype(np.int32), starts.astype(np.int32), len(emissions), int(score))


@lru_cache(maxsize=8)  # a few emissions may be laid on one graph, one after the other
def _laid_out(graph: Graph, total: int, block: int | None) -> tuple[Longs, Net, int, Longs]:
    """The symbols in use, the graph for so many frames, the frames of a block, and what each checkpoint holds."""
    used, net = lay_out(graph, total)
    size = block or _balanced_block(net, total, graph.frames_needed)
    return used, net, size, _bounds(net, total, size)


def lay_out(graph: Graph, total: int) -> tuple[Longs, Net]:
    """The symbols in use, and the graph for so many frames."""
    symbols, columns = np.unique(graph.symbols, return_inverse=True)
    sources = _sources(graph)
    first, last = _reachable(graph, sources, total)
    slots, rows = _places(graph, sources)
    return _longs(symbols), Net(
        columns=_longs(columns),
        frames=_longs(graph.min_frames),
        offsets=_longs(graph.offsets),
        sources=_longs(graph.sources),
        costs=_longs(graph.costs),
        initial=_longs(graph.initial),
        final=_longs(graph.final),
        first=first,
        last=last,
        slots=slots,
        rows=rows,
        depth=int(graph.min_frames.max()),
        width=int(slots.max()) + 1,
    )


def _longs(array: NDArray[Any]) -> Longs:
    return np.ascontiguousarray(array, dtype=np.int64)


def _balanced_block(net: Net, total: int, needed: int) -> int:
    """Frames between checkpoints for which checkpoints and back-pointers take about the same memory; whole columns of
    the first pass, as a part of one takes as long."""
    states = len(net.slots)
    checkpoint = 8 * int(net.rows[-1])
    per_frame = states / (2 * needed)  # states the cone of a block grows by, halved: it is a triangle
    block = (checkpoint * total / (2 * per_frame)) ** (1 / 3)
    if per_frame * block > states:  # arcs that skip far: the cone soon has all states
        block = math.sqrt(checkpoint * total / states)
    frames = max(64, min(int(block), total))
    return frames - frames % INNER or frames


def _reachable(graph: Graph, sources: list[list[int]], total: int) -> tuple[Longs, Longs]:
    """The first and the last frame in which each state can be, complete, on a path from start to end."""
    frames = graph.min_frames.tolist()
    first = np.where(graph.initial == NEVER, FAR, -1).tolist()
    rest = np.where(graph.final == NEVER, FAR, 0).tolist()
    for s, before in enumerate(sources):
        for p in before:
            first[s] = min(first[s], first[p])
        first[s] += frames[s]
    for s in range(len(graph) - 1, -1, -1):
        for p in sources[s]:
            rest[p] = min(rest[p], rest[s] + frames[s])
    return np.array(first, np.int64), total - 1 - np.array(rest, np.int64)


def _places(graph: Graph, sources: list[list[int]]) -> tuple[Longs, Longs]:
    """A slot for each state's column, free again after its last reader, and the offsets of its checkpoint rows."""
    reader, rows = list(range(len(graph))), [1] * len(graph)
    for s, (before, frames) in enumerate(zip(sources, graph.min_frames.tolist(), strict=True)):
        for p in before:
            reader[p], rows[p] = s, max(rows[p], frames)
    slots: list[int] = []
    free: list[int] = []
    for s, before in enumerate(sources):
        slots.append(free.pop() if free else max(slots, default=-1) + 1)
        free += [slots[p] for p in {*before, s} if reader[p] == s]
    return np.array(slots, np.int64), np.cumsum([0, *rows], dtype=np.int64)


def _sources(graph: Graph) -> list[list[int]]:
    offsets, sources = graph.offsets.tolist(), graph.sources.tolist()
    return [sources[begin:end] for begin, end in pairwise(offsets)]


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
