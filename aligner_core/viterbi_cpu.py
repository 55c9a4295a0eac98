"""The CPU side of `viterbi.viterbi`: lays the graph out, says how much to keep, and runs the compiled loops."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compiled import Longs
from .graph import Graph
from .graph_kernels import places, reachable
from .viterbi import Path
from .viterbi_kernels import Net, backward, forward

INNER = 1024  # frames a column covers in the first pass: a few columns fit the first-level cache, all sums the second


def best_path(emissions: NDArray[np.int32], graph: Graph, block: int | None) -> Path:
    """`viterbi.viterbi` after its checks."""
    used, net, block, bounds = _laid_out(graph, len(emissions), block)
    checkpoints = np.empty(int(bounds[-1, 2]), np.int64)
    state, score = forward(emissions, used, net, block, INNER, bounds, checkpoints)
    visits = backward(emissions, used, net, block, bounds, checkpoints, state, score)
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
    frames, offsets, sources = map(_longs, (graph.min_frames, graph.offsets, graph.sources))
    initial, final = _longs(graph.initial), _longs(graph.final)
    first, rest = reachable(frames, offsets, sources, initial, final)
    slots, rows = places(frames, offsets, sources)
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
    """Frames between checkpoints for which checkpoints and back-pointers take about the same memory; whole columns of
    the first pass, as a part of one takes as long."""
    states = len(net.slots)
    checkpoint = 8 * int(net.rows[-1])
    per_frame = states / (2 * needed)  # states the cone of a block grows by, halved: it is a triangle
    block = (checkpoint * total / (2 * per_frame)) ** (1 / 3)
    if per_frame * block > states:  # arcs that skip far: the cone soon has all states
        block = math.sqrt(checkpoint * total / states)
    frames = min(max(int(block), INNER), total)
    return frames - frames % INNER or frames


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
