"""The compiled loop of `edges`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .compiled import Longs, entry


@entry
def best_places(scores: NDArray[np.float64], places: Longs, edges: Longs, least: Longs) -> Longs:
    """(boundaries,) the places with the best sum of scores in which every boundary keeps its distance.

    Of equally good places for a boundary the last is taken, of the last one the first.

    Args:
        scores, places: (n,), of each place where a boundary may be; boundary after boundary, rising for each.
        edges: (boundaries + 1,), where in these each boundary begins, and the end.
        least: (boundaries,), distance to the one before.
    """
    total, before = scores.copy(), np.zeros(len(scores), np.int64)
    for boundary in range(1, len(least)):
        seen = where = edges[boundary - 1]
        best = -np.inf
        for at in range(edges[boundary], edges[boundary + 1]):
            while seen < edges[boundary] and places[seen] + least[boundary] <= places[at]:
                if total[seen] >= best:
                    best, where = total[seen], seen
                seen += 1
            total[at] += best
            before[at] = where
    at = edges[-2] + total[edges[-2] :].argmax()
    path = np.empty(len(least), np.int64)
    for boundary in range(len(least) - 1, -1, -1):
        path[boundary] = places[at]
        at = before[at]
    return path
