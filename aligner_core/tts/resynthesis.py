"""Speech taken apart and put together on another pitch and in other times: WORLD (Morise et al. 2016), by pyworld."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aligner_core.errors import AlignerError

from .sound import HOP, RATE
from .stretching import drawn

HALF = HOP / RATE / 2  # s: two ticks a frame, as WORLD's pulses need finer steps than ours
WARP = 0.15  # how much of a rise in pitch the formants follow, beyond
SPOKEN = 7  # semitones
Floats = NDArray[np.float64]


class Analysis(NamedTuple):
    """Speech as WORLD sees it, two ticks a frame, the first at 0 s.

    Args:
        f0: Hz (ticks,), 0 where there is no pitch.
        envelope: power (ticks, bins).
        noise: share of noise (ticks, bins).
    """

    f0: Floats
    envelope: Floats
    noise: Floats


def pyworld() -> Any:
    """The module.

    Raises:
        AlignerError: it is not installed.
    """
    try:
        import pyworld
    except ImportError as error:
        raise AlignerError("pyworld is not installed", "engine world", "pip install 'karalign[sing]'") from error
    return pyworld


def analysed(wave: NDArray[np.floating[Any]], f0: NDArray[np.floating[Any]]) -> Analysis:
    """Take speech apart.

    Args:
        wave: (samples,) at RATE.
        f0: Hz in the middle of each frame, 0 where there is no pitch.
    """
    world, speech = pyworld(), np.ascontiguousarray(wave, np.float64)
    ticks, middles = np.arange(2 * len(f0) + 1) * HALF, (np.arange(len(f0)) + 0.5) * 2 * HALF
    voiced = np.interp(ticks, middles, (f0 > 0).astype(float)) > 0.5
    known = np.interp(ticks, middles[f0 > 0], f0[f0 > 0]) if (f0 > 0).any() else np.zeros(len(ticks))
    own = np.where(voiced, known, 0.0)
    return Analysis(own, world.cheaptrick(speech, own, ticks, RATE), world.d4c(speech, own, ticks, RATE))


def resung(speech: Analysis, source: Floats, hz: Floats) -> NDArray[np.float32]:
    """Speech in other times and on another pitch: (frames * HOP,) at RATE.

    Args:
        source: (2 * frames + 1,) frame of the speech that each tick is taken from; growing.
        hz: (2 * frames + 1,) pitch where the speech has one; NaN leaves it as it is.
    """
    nearest = np.clip(np.round(2 * source).astype(int), 0, len(speech.f0) - 1)
    own = speech.f0[nearest]
    sung = np.where(own > 0, np.where(np.isnan(hz), own, hz), 0.0)
    rise = np.where(own > 0, sung / np.maximum(own, 1.0), 1.0)
    shaped = _warped(np.exp(drawn(np.log(speech.envelope), 2 * source + 0.5)), rise)
    made = pyworld().synthesize(sung, shaped, speech.noise[nearest].copy(), RATE, 1000 * HALF)
    return np.pad(made, (0, HOP))[: len(source) // 2 * HOP].astype(np.float32)


def _warped(envelope: Floats, rise: Floats) -> Floats:
    """Formants a little higher where the pitch is much higher than in speech."""
    factor = np.maximum(rise / 2 ** (SPOKEN / 12), 1.0) ** WARP
    bins = np.arange(envelope.shape[1])
    out = envelope.copy()
    for at in np.flatnonzero(factor > 1.001):
        out[at] = np.exp(np.interp(bins / factor[at], bins, np.log(envelope[at])))
    return out
