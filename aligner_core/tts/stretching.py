"""Where in speech each frame of singing is taken from.

Who sings a vowel for a second doesn't say it slowly: the mouth goes there as fast as in speech, stays, and leaves as
fast. So the edges of a sound that is held last as long as in speech, and only its middle is drawn out, which for a
diphthong is the first of its two vowels. Sounds that can't be held are drawn out evenly, and so is what gets shorter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligner_core.phones import SONORANTS, VOWELS, base

HISSES = frozenset({"S", "Z", "SH", "ZH", "F", "V", "TH", "DH", "HH"})
HELD_AT = {"AY": 0.35, "AW": 0.35, "OY": 0.3, "EY": 0.4, "OW": 0.4}  # share of a diphthong
MIDDLE = 0.5  # of other sounds
CORE = 0.7  # share of a sound that is drawn out
Floats = NDArray[np.float64]


def sources(phones: Sequence[str], frames: Sequence[int], natural: Sequence[int]) -> tuple[Floats, Floats]:
    """Knots of the map from singing to speech, both in frames and growing; straight between them.

    Args:
        frames: of each phone as it is sung.
        natural: of each as it is spoken.
    """
    sung, spoken = [0.0], [0.0]
    for phone, long, short in zip(phones, frames, natural, strict=True):
        begin, there = sung[-1], spoken[-1]
        for a, b in [*_inner(base(phone), long, short), (long, short)]:
            sung.append(begin + a)
            spoken.append(there + b)
    return np.array(sung), np.array(spoken)


def drawn(rows: NDArray[np.floating[Any]], at: Floats) -> Floats:
    """Rows (frames, ...) at places between their middles, mixed."""
    place = np.clip(at - 0.5, 0, len(rows) - 1)
    below = np.minimum(place.astype(int), max(len(rows) - 2, 0))
    share = (place - below).reshape(-1, *[1] * (rows.ndim - 1))
    mixed: Floats = (1 - share) * rows[below] + share * rows[np.minimum(below + 1, len(rows) - 1)]
    return mixed


def _inner(name: str, long: int, short: int) -> Iterator[tuple[float, float]]:
    """Where the middle of a sound that is held begins and ends: frames of singing, and of speech."""
    if long <= short or not (name in VOWELS or name in SONORANTS or name in HISSES):
        return
    begin = short * max(HELD_AT.get(name, MIDDLE) - CORE / 2, 0.0)
    end = begin + short * CORE
    yield begin, begin
    yield long - (short - end), end
