"""The compiled loops of `graph` and of what is laid out for `viterbi_kernels`; all int64."""

from __future__ import annotations

import numpy as np

from .compiled import Longs, entry
from .graph import FAR, NEVER


@entry
def reachable(frames: Longs, offsets: Longs, sources: Longs, initial: Longs, final: Longs) -> tuple[Longs, Longs]:
    """The first frame in which each state can be complete, and the least number of frames from there to the end.

    `FAR` where no path leads there.
    """
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


@entry
def places(frames: Longs, offsets: Longs, sources: Longs) -> tuple[Longs, Longs]:
    """A slot for each state's column, free again after its last reader, and how many frames of it the readers need."""
    states = len(frames)
    reader, rows = np.arange(states), np.ones(states, np.int64)
    for s in range(states):
        for a in range(offsets[s], offsets[s + 1]):
            p = sources[a]
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
