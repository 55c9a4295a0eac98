"""Edges of sounds, finer than frames: each boundary of a path goes where the network's head for edges puts it.

A path through frame posteriors says which sounds follow each other, and about where. The head says for each frame how
likely a word starts there, ends there, or one phone of it follows another. That density is smoothed, and among all ways
to move the boundaries by a few frames that keep their order and leave every phone a least length, the likeliest wins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .lattice import Visit
from .search import Sung

START, END, INNER = range(3)  # columns of the head: of a word, of a word, between phones of a word
STEPS = 4  # places that are tried in a frame
MARGIN = 32  # frames beside a path that are looked at
Floats = NDArray[np.float64]
Span = tuple[float, float]


@dataclass(frozen=True)
class Refining:
    """How boundaries are moved; the tuples have a value each for word starts, word ends and edges between phones.

    Args:
        reach: frames that a boundary moves at most to either side.
        away: nats taken off for each frame that it moves.
        blur: frames, standard deviation of the smoothing.
        doubt: density of edges where the head sees none: the higher, the less it is believed.
        least: frames, least length of a phone, unless the path has it shorter.
        bias: frames by which the places found are late on sound with known times.
    """

    reach: tuple[float, float, float] = (2.0, 30.0, 4.0)
    away: tuple[float, float, float] = (0.05, 0.02, 0.05)
    blur: float = 0.7
    doubt: float = 0.001
    least: float = 2.0
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0)


class _Slot(NamedTuple):
    """A boundary: its kind, its frame on the path, and the least distance to the one before."""

    kind: int
    frame: int
    least: float


def sharpened(sung: Sequence[Sung], edges: ArrayLike, fixed: Sequence[int] = ()) -> list[Sung]:
    """The same lines with the exact places of their phones; see `refine`.

    Lines that follow each other are refined together, so that none runs into the next.
    """
    out, runs = list(sung), list[list[int]]()
    for at in sorted((at for at, one in enumerate(sung) if one.visits), key=lambda at: sung[at].start):
        if runs and sung[runs[-1][-1]].end <= sung[at].start:
            runs[-1].append(at)
        else:
            runs.append([at])
    for run in runs:
        spans = iter(refine([visit for at in run for visit in sung[at].visits], edges, fixed=fixed))
        for at in run:
            visits = tuple(replace(visit, exact=next(spans)) for visit in sung[at].visits)
            out[at] = replace(sung[at], visits=visits)
    return out


def refine(
    visits: Sequence[Visit], edges: ArrayLike, refining: Refining | None = None, fixed: Sequence[int] = ()
) -> list[Span]:
    """Start and end of each visit in frames, not whole.

    Starts and ends are in order and within 0..frames; a visit after another of its word starts where that ends.

    Args:
        visits: the phones of a path in time order, at least one frame each.
        edges: log-odds (frames, 3) of an edge of each kind.
        fixed: frames that no boundary crosses; one that lies there on the path stays.
    """
    from .edges_kernels import best_places  # brings numba

    if not visits:
        return []
    refining = refining or Refining()
    odds = np.asarray(edges)
    slots = _slots(visits, refining.least)
    frames = np.array([slot.frame for slot in slots])
    limits = _limits(frames, len(odds), fixed)
    first = max(visits[0].start - MARGIN, 0)
    density = _smoothed(odds[first : visits[-1].end + MARGIN], refining.blur)
    least = np.array([math.ceil(slot.least * STEPS) for slot in slots])
    moved = best_places(*_ways(slots, density, first, limits, refining), least) / STEPS
    moved -= np.array(refining.bias)[[slot.kind for slot in slots]]
    places = np.maximum.accumulate(moved.clip(*limits)).tolist()
    starts = [at for at, slot in enumerate(slots) if slot.kind != END]
    return [(places[at], places[at + 1]) for at in starts]


def _slots(visits: Sequence[Visit], least: float) -> list[_Slot]:
    """The start of each visit, and the end of each last one of a word."""
    slots = [_Slot(START, visits[0].start, 0.0)]
    for before, visit in pairwise(visits):
        lasts = min(least, before.end - before.start)
        if _word(before) == _word(visit) and before.end == visit.start:
            slots.append(_Slot(INNER, visit.start, lasts))
        else:
            slots += [_Slot(END, before.end, lasts), _Slot(START, visit.start, 0.0)]
    return [*slots, _Slot(END, visits[-1].end, min(least, visits[-1].end - visits[-1].start))]


def _word(visit: Visit) -> tuple[int, int, int]:
    return visit.token, visit.reading, visit.word


def _limits(frames: NDArray[np.int64], end: int, fixed: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the last frame where each boundary may go."""
    marks = np.array(sorted({-1, *fixed, end + 1}))
    before, after = marks[np.searchsorted(marks, frames, "right") - 1], marks[np.searchsorted(marks, frames)]
    return before.clip(0, end), after.clip(0, end)


def _ways(
    slots: Sequence[_Slot], density: Floats, first: int, limits: tuple[NDArray[np.int64], NDArray[np.int64]],
    refining: Refining,
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
    """What each place of each boundary is worth in nats, the places in steps, and where those of each boundary begin.

    Args:
        first: the frame at which the density begins.
    """
    kinds, frames = np.array([(slot.kind, slot.frame) for slot in slots]).T
    reach = (np.array(refining.reach) * STEPS).astype(np.int64)[kinds]
    low, high = ((limit - frames) * STEPS for limit in limits)
    low, high = np.maximum(low, -reach), np.minimum(high, reach)
    edges = np.append(0, (high - low + 1).cumsum())
    of = np.repeat(np.arange(len(slots)), high - low + 1)
    moved = np.arange(len(of)) + (low - edges[:-1])[of]
    places = frames[of] * STEPS + moved
    found = density[(places - first * STEPS).clip(0, len(density) - 1), kinds[of]]
    scores = np.log(found + refining.doubt) - np.array(refining.away)[kinds[of]] * (np.abs(moved) / STEPS)
    return scores, places, edges


def _smoothed(edges: NDArray[np.floating[Any]], blur: float) -> Floats:
    """Log-odds (frames, 3) to edges a frame at each step, (1 + frames * STEPS, 3), from the first frame's centre on."""
    shares = 0.5 + 0.5 * np.tanh(edges.astype(np.float64) / 2)  # the logistic function, which overflows nowhere
    sparse = np.zeros((1 + len(shares) * STEPS, shares.shape[1]))
    sparse[:-1:STEPS] = shares
    time = np.arange(-int(4 * blur * STEPS), int(4 * blur * STEPS) + 1) / STEPS
    kernel = np.exp(-((time / blur) ** 2) / 2) / (blur * np.sqrt(2 * np.pi))
    columns = [np.convolve(column, kernel)[len(time) // 2 :][: len(sparse)] for column in sparse.T]
    return np.stack(columns, 1)
