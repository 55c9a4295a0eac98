"""The compiled loops of `viterbi_cpu`.

It works state by state inside a block of frames, not frame by frame: arcs only lead forward, so once the columns
V[block, p] of a state's predecessors are known, its own column is one pass over contiguous memory. With E the running
sum of a symbol's emissions and q[t] = V[t] - E[t + 1], staying costs nothing and the recursion is a running maximum,

    q[t] = max(q[t - 1], V[t - n, p] + cost - E[t - n + 1]).

Written as it stands, that is one hard-to-predict branch a cell. So a block is cut into `LANES` equal parts that are
interleaved in memory, frame begin + k * rows + j at j * LANES + k: their running maxima are found side by side with
vector instructions, then each part learns the maximum of the parts before it. The rows in front of a column hold each
part's frames before its first, for the successors that look back.

The first pass keeps the last frames of V at every checkpoint; the second goes back from checkpoint to checkpoint, in
plain order, and keeps back-pointers only for the cells that can still lead to the point reached: soon enough, and with
the score it has there, if each frame on the way had the best symbol of all. The first pass visits a state only in
blocks in which it can have been reached from the start and can still reach the end.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compiled import Longs, entry, part
from .graph import FAR, NEVER
from .viterbi import UNREACHABLE

LANES = 8  # two 256-bit vectors of 64-bit integers: enough to hide the latency of the one before


class Net(NamedTuple):
    """A graph laid out for the kernels; all int64."""

    columns: Longs  # (S,) row of each state's symbol among those in use
    frames: Longs  # (S,) minimum duration
    offsets: Longs  # (S + 1,)
    sources: Longs  # (E,)
    costs: Longs  # (E,)
    initial: Longs  # (S,) NEVER as in the graph
    final: Longs  # (S,)
    first: Longs  # (S,) first frame in which the state can be complete
    last: Longs  # (S,) last frame from which the end can be reached
    slots: Longs  # (S,) where the state's column lives until its last successor has read it
    rows: Longs  # (S + 1,) offsets of the states' parts in a checkpoint: as many rows as the successors look back
    depth: int  # longest minimum duration: how far back a column looks
    width: int  # number of slots


@part
def _copy(source: Longs, target: Longs) -> None:
    for i in range(len(source)):  # an assignment of slices would compile the text of its error message
        target[i] = source[i]


@part
def _running_sums(emissions: NDArray[np.int32], symbol: int, start: int, sums: Longs) -> None:
    """sums[i] = emissions of the symbol in i frames from `start` on; there is nothing outside the sound."""
    total = 0
    for i in range(len(sums)):
        sums[i] = total
        if 0 <= start + i < len(emissions):
            total += emissions[start + i, symbol]


@part
def _interleave(plain: Longs, rows: int, woven: Longs) -> None:
    """woven[r * LANES + k] = plain[k * rows + r]: the parts of a block side by side."""
    for r in range(len(woven) // LANES):
        for k in range(LANES):
            woven[r * LANES + k] = plain[k * rows + r]


@part
def _enter(gains: Longs, before: Longs, cost: int) -> None:
    for i in range(len(gains)):
        gains[i] = max(gains[i], before[i] + cost)


@part
def _rise(q: Longs, before: Longs, sums: Longs, cost: int) -> None:
    for i in range(len(q) - LANES):
        q[i + LANES] = max(q[i], before[i] + cost - sums[i])


@part
def _settle(q: Longs, column: Longs, sums: Longs) -> None:
    for i in range(len(q) - LANES):
        q[i + LANES] = max(q[i + LANES], q[i])
        column[i] = q[i + LANES] + sums[i]


@part
def _fill(net: Net, s: int, begin: int, columns: Longs, sums: Longs, gains: Longs, q: Longs, best: int) -> None:
    """V of state s in the block from frame `begin`; `best` is q before the block. All woven."""
    n, depth, own = net.frames[s], net.depth, sums[net.columns[s]]
    low, high, cost = net.offsets[s], net.offsets[s + 1], 0
    behind = (depth - n) * LANES
    if high - low == 1 and net.initial[s] == NEVER:
        before, cost = columns[net.slots[net.sources[low]], behind:], net.costs[low]
    else:
        gains[:] = UNREACHABLE
        for a in range(low, high):
            _enter(gains, columns[net.slots[net.sources[a]], behind:], net.costs[a])
        first, rows = n - 1 - begin, len(gains) // LANES
        if net.initial[s] != NEVER and 0 <= first < len(gains):
            gains[first % rows * LANES + first // rows] = net.initial[s]
        before = gains
    q[:LANES] = UNREACHABLE
    _rise(q, before, own[behind + LANES :], cost)
    for k in range(LANES):
        q[k] = best
        best = max(best, q[len(gains) + k])
    _settle(q, columns[net.slots[s], depth * LANES :], own[(depth + 1) * LANES :])


@part
def _sweep(net: Net, begin: int, end: int, columns: Longs, sums: Longs, gains: Longs, q: Longs, carry: Longs) -> None:
    """One block of frames, all states; `carry` has the frames of V before it and then those before `end`."""
    depth, rows, stop = net.depth, len(gains) // LANES, len(net.slots)
    while stop and net.first[stop - 1] >= end:
        stop -= 1
    for s in range(stop):
        if net.last[s] < begin - depth:
            continue
        kept, column = carry[net.rows[s] : net.rows[s + 1]], columns[net.slots[s]]
        size = len(kept)
        _fill(net, s, begin, columns, sums, gains, q, kept[size - 1] - sums[net.columns[s], depth * LANES])
        for d in range(1, size + 1):
            column[(depth - d) * LANES] = kept[size - d]
            for k in range(1, LANES):
                column[(depth - d) * LANES + k] = column[(depth + rows - d) * LANES + k - 1]
        for i in range(size):
            t = end - begin - size + i
            kept[i] = column[(depth + t % rows) * LANES + t // rows] if t >= 0 else kept[size + t]


@entry
def forward(
    emissions: NDArray[np.int32], used: Longs, net: Net, block: int, inner: int, bounds: Longs, checkpoints: Longs
) -> Any:
    """Fill the checkpoints; return the best last state and its score."""
    total, depth = len(emissions), net.depth
    rows = max(depth, (min(inner, block) + LANES - 1) // LANES)
    columns = np.empty((net.width, (depth + rows) * LANES), np.int64)
    sums = np.empty((len(used), (depth + rows + 1) * LANES), np.int64)
    plain = np.empty(depth + rows * LANES + 1, np.int64)
    gains, q = np.empty(rows * LANES, np.int64), np.empty((rows + 1) * LANES, np.int64)
    carry = np.full(net.rows[-1], UNREACHABLE, np.int64)
    for b in range(len(bounds) - 1):
        low, high = bounds[b, 0], bounds[b, 1]
        _copy(carry[net.rows[low] : net.rows[high]], checkpoints[bounds[b, 2] :])
        stop = min((b + 1) * block, total)
        for begin in range(b * block, stop, rows * LANES):
            for c in range(len(used)):
                _running_sums(emissions, used[c], begin - depth, plain)
                _interleave(plain, rows, sums[c])
            _sweep(net, begin, min(begin + rows * LANES, stop), columns, sums, gains, q, carry)
    best, state = UNREACHABLE, 0
    for s in range(len(net.final)):
        score = carry[net.rows[s + 1] - 1] + net.final[s]
        if net.final[s] != NEVER and score > best:
            best, state = score, s
    return state, best


@part
def _choose(gains: Longs, choice: NDArray[np.uint8], before: Longs, cost: int, arc: int) -> None:
    for i in range(len(gains)):
        if before[i] + cost > gains[i]:
            gains[i], choice[i] = before[i] + cost, arc


@part
def _decide(column: Longs, gains: Longs, choice: NDArray[np.uint8], entering: Longs, sums: Longs, best: int) -> None:
    for i in range(len(column)):
        if gains[i] - entering[i] > best:
            best = gains[i] - entering[i]
        else:
            choice[i] = 0
        column[i] = best + sums[i]


@part
def _trace_state(
    net: Net, s: int, begin: int, columns: Longs, sums: Longs, gains: Longs, choice: NDArray[np.uint8], hopeful: Longs
) -> None:
    """V of state s in len(choice) frames from `begin`, and how each was reached: 0 stayed, k along the k-th arc."""
    n, depth, size, own = net.frames[s], net.depth, len(choice), sums[net.columns[s]]
    gains, column = gains[:size], columns[net.slots[s]]
    gains[:] = UNREACHABLE
    for a in range(net.offsets[s], net.offsets[s + 1]):
        if hopeful[net.sources[a]]:
            before = columns[net.slots[net.sources[a]], depth - n :]
            _choose(gains, choice, before, net.costs[a], a - net.offsets[s] + 1)
    if net.initial[s] != NEVER and 0 <= n - 1 - begin < size:
        gains[n - 1 - begin], choice[n - 1 - begin] = net.initial[s], 1
    best = column[depth - 1] - own[depth]
    _decide(column[depth : depth + size], gains, choice, own[depth - n + 1 :], own[depth + 1 :], best)


@part
def _cone(net: Net, state: int, frames: int, rest: Longs) -> int:
    """rest[s] = least frames from s to `state`, for states that can be inside the last `frames`; the lowest of them."""
    rest[:] = FAR
    rest[state] = 0
    lowest, s = state, state
    while s >= lowest:
        if rest[s] < frames:
            for a in range(net.offsets[s], net.offsets[s + 1]):
                p = net.sources[a]
                rest[p] = min(rest[p], rest[s] + net.frames[s])
                lowest = min(lowest, p)
        s -= 1
    return lowest


@part
def _gain(emissions: NDArray[np.int32], used: Longs, net: Net, begin: int, end: int, gain: Longs) -> None:
    """gain[i] = what a path can gain at most from behind frame `begin` - depth + i to before frame `end`."""
    total = 0
    for i in range(end - begin + net.depth - 1, -1, -1):
        gain[i] = total
        t = begin - net.depth + i
        if t >= 0:
            best = emissions[t, used[0]]
            for c in range(1, len(used)):
                best = max(best, emissions[t, used[c]])
            total += best


@part
def _has_hope(column: Longs, gain: Longs, score: int) -> bool:
    best = UNREACHABLE
    for i in range(len(column)):
        best = max(best, column[i] + gain[i])
    return best >= score


@part
def _is_led_to(net: Net, s: int, begin: int, end: int, hopeful: Longs) -> bool:
    """Whether a path that counts may come into the state in this block."""
    if net.initial[s] != NEVER and begin < net.frames[s] <= end:
        return True
    for a in range(net.offsets[s], net.offsets[s + 1]):  # noqa: SIM110 (what numba compiles)
        if hopeful[net.sources[a]]:
            return True
    return False


@part
def _recompute(
    net: Net, begin: int, end: int, states: Any, rest: Longs, kept: Any, hope: Any, places: Longs, columns: Longs,
    sums: Longs,
) -> Any:  # fmt: skip
    """How each cell of the cone was reached, if it may lead to the point: that of state s in frame t at places[s] + t.

    `states` are the lowest and the highest of the cone; `kept` is a checkpoint: its first and last states and its rows;
    `hope` are `_gain`, the score at the point reached, and for each state, out, whether it may lead there.
    """
    depth, size, (gain, score, hopeful) = net.depth, 0, hope
    for s in range(states[0], states[1] + 1):
        places[s] = size - begin
        size += max(0, end - rest[s] - begin)
    choice, gains = np.zeros(size, np.uint8), np.empty(end - begin, np.int64)
    hopeful[:] = 0
    for s in range(states[0], states[1] + 1):
        if end - rest[s] <= begin - depth:
            continue
        column = columns[net.slots[s], : depth + max(0, end - rest[s] - begin)]
        front = column[:depth]
        front[:] = UNREACHABLE
        if kept[0] <= s < kept[1]:
            low, high = net.rows[s] - net.rows[kept[0]], net.rows[s + 1] - net.rows[kept[0]]
            _copy(kept[2][low:high], front[depth + low - high :])
        if _has_hope(front, gain, score) or _is_led_to(net, s, begin, end, hopeful):
            cells = choice[places[s] + begin : places[s] + begin + len(column) - depth]
            _trace_state(net, s, begin, columns, sums, gains, cells, hopeful)
            hopeful[s] = _has_hope(column, gain, score)
    return choice


@entry
def backward(
    emissions: NDArray[np.int32], used: Longs, net: Net, block: int, bounds: Longs, checkpoints: Longs, state: int,
    score: int,
) -> Any:  # fmt: skip
    """(visits, 2) states and first frames, the last visit first, of the path with this score that ends in `state`."""
    t, states = len(emissions) - 1, len(net.slots)
    size = net.depth + min(block, len(emissions))
    columns, sums = np.empty((net.width, size), np.int64), np.empty((len(used), size + 1), np.int64)
    rest, places, hopeful = np.empty(states, np.int64), np.empty(states, np.int64), np.empty(states, np.int64)
    visits, count, gain = np.empty((states, 2), np.int64), 0, np.empty(size, np.int64)
    bound = score - net.final[state]
    for cost in net.costs:
        if cost > 0:  # more can be gained than by the frames
            bound = UNREACHABLE
    while t >= 0:
        b = t // block
        begin = b * block
        lowest = _cone(net, state, t + 1 - begin, rest)
        for c in range(len(used)):
            _running_sums(emissions, used[c], begin - net.depth, sums[c])
        _gain(emissions, used, net, begin, t + 1, gain)
        kept = (bounds[b, 0], bounds[b, 1], checkpoints[bounds[b, 2] : bounds[b + 1, 2]])
        hope = (gain, bound, hopeful)
        choice = _recompute(net, begin, t + 1, (lowest, state), rest, kept, hope, places, columns, sums)
        while t >= begin:
            arc = choice[places[state] + t]
            if arc == 0:
                t -= 1
                continue
            t -= net.frames[state]
            visits[count, 0], visits[count, 1] = state, t + 1
            count += 1
            if t >= 0:
                state = net.sources[net.offsets[state] + arc - 1]
        if t >= 0 and bound > UNREACHABLE:  # V there, from the checkpoint
            bound = kept[2][net.rows[state + 1] - net.rows[kept[0]] - begin + t]
    return visits[:count]
