"""From old times to new ones: a map of straight pieces, each with one rate and one offset, that most lines agree on.

The pieces are found by dynamic programming over the lines in the order of their old times. A line that disagrees costs
no more than `CAP` lets it, however far off it is, so that single lines pull nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FILM = 24000 / 1001  # frames a second, 23.976: film on American television
# No change; 25 to 23.976 (PAL), 24 to 23.976 (which is also 30 to 29.97), 25 to 24; and back.
RATES = (1.0, *(rate for up in (25 / FILM, 24 / FILM, 25 / 24) for rate in (up, 1 / up)))
CAP = 0.5  # seconds; a line farther off is wrong, no matter how far
SEGMENT = 2.5  # a new piece must put right as many sure lines as this; to return from it costs as much again
CHANGED = 0.5  # the same for a rate that is not 1: an offset is likelier
GRID = 0.05  # seconds between offsets that are tried: what remains is taken away by the median
BESIDE = 0.15  # seconds: lines this near to an offset speak for it
STATES = 1500  # rates with offsets that are tried, those with the most lines for them
LAG = 10  # lines between two whose times give a rate: nearer ones would show their errors
STEADY = 12  # lines from which on the drift within a piece is measured
SLOWEST, FASTEST = 0.8, 1.25  # rates that anybody would watch


@dataclass(frozen=True, slots=True)
class Straight:
    """new = rate * old + offset, in seconds."""

    rate: float
    offset: float

    def __call__(self, seconds: float) -> float:
        """Old seconds to new ones."""
        return self.rate * seconds + self.offset


@dataclass(frozen=True)
class Points:
    """What was found: K (line, new time) pairs.

    Args:
        old: (N,) old start of each line, rising.
        line: (K,) index of the line, rising; a line may have none, or several.
        new: (K,) seconds.
        weight: (N,) how sure a line is, 0..1.
    """

    old: Floats
    line: NDArray[np.intp]
    new: Floats
    weight: Floats


def fit(points: Points) -> list[Straight]:
    """The piece of the map that each of the N lines is on; without any point, no change.

    Lines next to each other on the same piece share the object.
    """
    if not len(points.line):
        return [Straight(1.0, 0.0)] * len(points.old)
    rates, offsets = _states(points)
    path = _best(_costs(points, rates, offsets), np.where(rates == 1.0, 0.0, CHANGED))
    bounds = [0, *(np.flatnonzero(np.diff(path)) + 1), len(path)]
    out: list[Straight] = []
    for first, last in pairwise(bounds):
        rough = Straight(float(rates[path[first]]), float(offsets[path[first]]))
        out += [_refined(points, first, last, rough)] * (last - first)
    return out


def _states(points: Points) -> tuple[Floats, Floats]:
    """Rates and offsets worth trying: those that most lines speak for."""
    old, weight = points.old[points.line], points.weight[points.line]
    found: list[tuple[Floats, Floats, Floats]] = []
    for rate in (*RATES, *_estimated(points)):
        offsets = points.new - rate * old
        order = np.argsort(offsets, kind="stable")
        total = np.concatenate([[0.0], np.cumsum(weight[order])])
        tried = np.unique(np.round(offsets / GRID)) * GRID
        low, high = (np.searchsorted(offsets[order], tried + by) for by in (-BESIDE, BESIDE))
        found.append((np.full(len(tried), rate), tried, total[high] - total[low]))
    rates, tried, support = (np.concatenate(parts) for parts in zip(*found, strict=True))
    best = np.sort(np.argsort(-support, kind="stable")[:STATES])
    return rates[best], tried[best]


def _estimated(points: Points) -> list[float]:
    """The median of the rates between lines some way apart: no single line and no single cut moves it."""
    first = np.unique(points.line, return_index=True)[1]
    old, new = points.old[points.line[first]], points.new[first]
    if len(old) < 2 * LAG:
        return []
    steps = old[LAG:] - old[:-LAG]
    usable = steps > 0
    if not usable.any():
        return []
    rate = float(np.median((new[LAG:] - new[:-LAG])[usable] / steps[usable]))
    return [rate] if SLOWEST < rate < FASTEST else []


def _costs(points: Points, rates: Floats, offsets: Floats) -> NDArray[np.float32]:
    """(N, states): what a line costs under each; nothing where it was not found."""
    out = np.full((len(points.old), len(rates)), np.float32(CAP))
    for line, new in zip(points.line, points.new, strict=True):
        off = np.abs(rates * points.old[line] + offsets - new).astype(np.float32)
        np.minimum(out[line], off, out=out[line])
    heard = np.zeros(len(points.old), np.float32)
    heard[points.line] = points.weight[points.line]
    return out * (heard / CAP)[:, None]


def _best(costs: NDArray[np.float32], price: Floats) -> NDArray[np.intp]:
    """The state of each line on the cheapest path, where changing to a state costs `SEGMENT` and its price."""
    lines, states = costs.shape
    entered = np.zeros((lines, states), bool)
    leaders = np.zeros(lines, np.intp)
    total = costs[0] + price
    for at in range(1, lines):
        leaders[at] = total.argmin()
        anew = total[leaders[at]] + SEGMENT + price
        entered[at] = anew < total
        total = np.minimum(anew, total) + costs[at]
    path = np.zeros(lines, np.intp)
    path[-1] = total.argmin()
    for at in range(lines - 1, 0, -1):
        path[at - 1] = leaders[at] if entered[at, path[at]] else path[at]
    return path


def _refined(points: Points, first: int, last: int, rough: Straight) -> Straight:
    """A piece laid through the middle of its lines."""
    mine = (points.line >= first) & (points.line < last)
    old, new = points.old[points.line[mine]], points.new[mine]
    near = np.abs(rough.rate * old + rough.offset - new) < CAP
    old, new = old[near], new[near]
    if not len(old):
        return rough
    rate = rough.rate
    if len(old) >= STEADY:
        third = len(old) // 3
        off = new - rate * old
        rise = float(np.median(off[-third:]) - np.median(off[:third]))
        if abs(rise) > BESIDE:
            rate += rise / float(np.median(old[-third:]) - np.median(old[:third]))
    return Straight(rate, float(np.median(new - rate * old)))
