"""The compiled loop of `edges`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .viterbi_kernels import Longs, _compiled


@_compiled
def best_places(scores: NDArray[np.float64], gaps: Longs) -> Longs:
    """The places (slots,) of the best sum of scores (slots, places); of equally good ones before a place the last.

    Args:
        gaps: (slots - 1,); from place p of a slot on, the next one may be at its place p - gap or later.
    """
    slots, count = scores.shape
    total, grown = scores[0].copy(), np.empty(count, np.float64)
    chosen = np.zeros((slots, count), np.int64)
    for slot in range(1, slots):
        best, where, seen = -np.inf, 0, 0
        for place in range(count):
            while seen < min(place + gaps[slot - 1] + 1, count):
                if total[seen] >= best:
                    best, where = total[seen], seen
                seen += 1
            chosen[slot, place], grown[place] = where, scores[slot, place] + best
        total, grown = grown, total
    path = np.empty(slots, np.int64)
    path[-1] = total.argmax()
    for slot in range(slots - 1, 0, -1):
        path[slot - 1] = chosen[slot, path[slot]]
    return path
