"""The compiled loops of `viterbi_noise.best_paths`: one graph, the same emissions, some noises at once.

The recursion is that of `viterbi_kernels`, with q[t] = V[t] - E[t + 1]. What lies side by side in memory are the noises
and not the parts of a block: entry t * NOISES + k is frame t under noise k, so no running maximum waits for the one
beside it. All columns hold q, and E counts from the first frame of the sound on, so nothing changes from block to
block but the place. Sums have 32 bits, `viterbi_noise` sees to it that they do; back-pointers of all frames are kept, a
byte each, so there is one pass.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compiled import Longs, entry, part
from .graph import NEVER

NOISES = 16  # one 512-bit vector of 32-bit integers or two of 256 bits
FRAMES = 128  # of a block: the sums of all symbols fit the second-level cache
NOWHERE = -(2**30)  # a sum that no path has

SLOT, ROW, COST, SOURCE = range(4)  # of an arc: where its source's column is, the row of its symbol
LEAST, ARCS, FINAL, FIRST, LAST, PLACE = range(2, 8)  # of a state, after SLOT and ROW

Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]


class Web(NamedTuple):
    """A graph laid out for the kernels: as `viterbi_kernels.Net`, but few arrays, as a call takes time for each."""

    states: Longs  # (1 + S + 1, 8), first where a path comes from, last where arcs and places end
    arcs: Longs  # (E + starts, 4), into each state
    depth: int


@part
def _copy(source: Ints, target: Ints) -> None:
    for i in range(len(source)):  # where they overlap, the target comes first
        target[i] = source[i]


@part
def _repeat(rows: Ints) -> None:
    for i in range(len(rows) - NOISES):
        rows[i + NOISES] = rows[i]


@part
def _add_up(sums: Ints, emissions: Ints, noise: Ints) -> None:
    for i in range(len(emissions)):
        sums[i + NOISES] = np.int32(sums[i] + emissions[i] + noise[i])


@part
def _spread(rows: Ints, emissions: Ints, noise: Any, lasts: int, begin: int) -> None:
    """Emissions of the frames from `begin` on, for each noise alike, and beneath them the noise."""
    for i in range(len(emissions)):
        rows[0, i * NOISES : (i + 1) * NOISES] = emissions[i]
    row, t, end = begin // lasts, begin, begin + len(emissions)
    while t < end:
        after = min((row + 1) * lasts, end)
        some = rows[1, (t - begin) * NOISES : (after - begin) * NOISES]
        _copy(noise[row], some)
        _repeat(some)
        row, t = row + 1, after


@part
def _enter(gains: Ints, before: Ints, leaving: Ints, cost: int) -> None:
    for i in range(len(gains)):
        gains[i] = np.int32(before[i] + leaving[i] + np.int32(cost))


@part
def _choose(gains: Ints, choice: Bytes, before: Ints, leaving: Ints, cost: int, arc: int) -> None:
    for i in range(len(gains)):
        gain = np.int32(before[i] + leaving[i] + np.int32(cost))
        choice[i] = np.uint8(arc) if gain > gains[i] else choice[i]
        gains[i] = max(gains[i], gain)


@part
def _rise(q: Ints, before: Ints, leaving: Ints, entering: Ints, cost: int) -> None:
    for i in range(len(q) - NOISES):
        q[i + NOISES] = max(q[i], np.int32(before[i] + leaving[i] + np.int32(cost) - entering[i]))


@part
def _mark(q: Ints, choice: Bytes) -> None:
    for i in range(len(choice)):
        choice[i] = np.uint8(0) if q[i + NOISES] == q[i] else choice[i]


@part
def _fill(net: Web, s: int, columns: Ints, sums: Ints, rows: Ints, choice: Bytes) -> None:
    """q of a state in a block, and how each cell was reached: 0 stayed, k along the k-th arc."""
    states, arcs, depth = net
    behind, low, high = (depth - states[s, LEAST]) * NOISES, states[s, ARCS], states[s + 1, ARCS]
    q = columns[states[s, SLOT], (depth - 1) * NOISES : depth * NOISES + len(choice)]
    before, leaving = columns[arcs[low, SLOT], behind:], sums[arcs[low, ROW], behind + NOISES :]
    cost = arcs[low, COST]
    choice[:] = 1
    if high - low > 1:
        gains = rows[0, : len(choice)]
        _enter(gains, before, leaving, cost)
        for a in range(low + 1, high):
            before, leaving = columns[arcs[a, SLOT], behind:], sums[arcs[a, ROW], behind + NOISES :]
            _choose(gains, choice, before, leaving, arcs[a, COST], a - low + 1)
        before, leaving, cost = gains, rows[2], 0
    _rise(q, before, leaving, sums[states[s, ROW], behind + NOISES :], cost)
    _mark(q, choice)


@part
def _sweep(net: Web, begin: int, end: int, columns: Ints, sums: Ints, rows: Ints, carry: Ints, choice: Bytes) -> None:
    """One block of frames, all states; `carry` has the frames of q before it and then those before `end`."""
    states, depth = net.states, net.depth
    stop, size = len(states) - 1, (end - begin) * NOISES
    while stop > 1 and states[stop - 1, FIRST] >= end:
        stop -= 1
    for s in range(stop):
        if states[s, LAST] < begin - depth:
            continue
        column = columns[states[s, SLOT]]
        _copy(carry[s], column)
        if states[s, FIRST] >= end:
            column[depth * NOISES :] = NOWHERE
        elif states[s, LAST] >= begin:
            at = (states[s, PLACE] + begin) * NOISES
            _fill(net, s, columns, sums, rows, choice[at : at + size])
        _copy(column[size : size + depth * NOISES], carry[s])


@part
def _follow(net: Web, choice: Bytes, t: int, state: int, visits: Ints) -> int:
    """The visits of the path that ends in this state, the last first; how many there are."""
    states, arcs, _ = net
    count = 0
    while t >= 0:
        arc = choice[(states[state, PLACE] + t) * NOISES]
        if arc == 0:
            t -= 1
            continue
        t -= states[state, LEAST]
        visits[count, 0], visits[count, 1] = state, t + 1
        count += 1
        state = arcs[states[state, ARCS] + arc - 1, SOURCE]
    return count


@entry
def noisy_paths(emissions: Ints, noise: Any, lasts: int, net: Web, room: Any, visits: Any, found: Longs) -> None:
    """The best path under each noise.

    Args:
        emissions: (symbols in use, frames).
        noise: (symbols in use, rows, NOISES), added to `lasts` frames each.
        room: see `viterbi_noise._room`.
        visits: (noises that matter, S, 2), filled with states and first frames, the last visit first.
        found: (noises that matter, 3) of 0, 0, NOWHERE; becomes number of visits, last state, score.
    """
    states, depth, total = net.states, net.depth, emissions.shape[1]
    columns, sums, rows, carry, choice = room
    for begin in range(0, total, FRAMES):
        size = min(FRAMES, total - begin) * NOISES
        for c in range(len(emissions)):
            _copy(sums[c, FRAMES * NOISES :], sums[c])
            _spread(rows, emissions[c, begin : begin + FRAMES], noise[c], lasts, begin)
            _add_up(sums[c, depth * NOISES :], rows[0, :size], rows[1])
        _sweep(net, begin, min(begin + FRAMES, total), columns, sums, rows, carry, choice)
    for k in range(len(found)):
        for s in range(1, len(states) - 1):
            score = carry[s, (depth - 1) * NOISES + k] + sums[states[s, ROW], depth * NOISES + size + k]
            if states[s, FINAL] != NEVER and score + states[s, FINAL] > found[k, 2]:
                found[k, 1], found[k, 2] = s, score + states[s, FINAL]
        found[k, 0] = _follow(net, choice[k:], total - 1, found[k, 1], visits[k])
