"""How loud a sung line is: alike from note to note, swelling with its vibrato, silent in rests but for breaths."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .sound import HOP, RATE

TARGET = 0.1  # root of the mean square of a held vowel: 20 dB below full scale
EVEN = 0.95  # of the difference to that which is taken away
MOST = 15.0  # dB
PASSES = 2  # a gain that changes within a piece doesn't do there what it was chosen for
PIECE = 20  # frames of a vowel that are levelled at once
CEILING = 0.7  # of what is sung
REACH = 3  # frames around a peak that are quieter with it
FADE = 0.01  # s, at the edges of what sounds
EDGE = 3  # frames that may still sound into a rest
SILENT = 12  # frames of a rest that is made silent
BREATH = 40, 55, 5  # frames: a shorter rest has no breath; the longest one; between it and the next sound
BREATH_LEVEL = 0.006  # root of the mean square
Wave = NDArray[np.float32]
Spans = Sequence[tuple[int, int]]


def levelled(wave: Wave, held: Spans, swell: NDArray[np.float64]) -> Wave:
    """Vowels of about the same loudness; `held` are the frames of each, `swell` (frames,) dB besides."""
    pieces = [(a + (b - a) * n // parts, a + (b - a) * (n + 1) // parts)
              for a, b in held for parts in [-(-(b - a) // PIECE)] for n in range(parts)]  # fmt: skip
    pieces = [(a, b) for a, b in pieces if b > a]
    if not pieces:
        return wave
    frames, decibels = np.arange(len(swell)) + 0.5, np.zeros(len(swell))
    for _ in range(PASSES):
        louder = _louder(wave, decibels)
        gains = [_gain(louder[a * HOP : b * HOP]) for a, b in pieces]
        decibels += np.interp(frames, [0.5 * (a + b) for a, b in pieces], gains)
    return _louder(wave, decibels + swell)


def _louder(wave: Wave, decibels: NDArray[np.float64]) -> Wave:
    """By so many dB in the middle of each frame."""
    smooth = np.interp(np.arange(len(wave)), (np.arange(len(decibels)) + 0.5) * HOP, decibels)
    out: Wave = (wave * 10 ** (smooth / 20)).astype(np.float32)
    return out


def rested(wave: Wave, edge: tuple[int, int], gaps: Spans) -> Wave:
    """Silence before, after and between what sounds, without a click; all in frames."""
    frames, ramp = len(wave) // HOP, round(FADE * RATE)
    rests = [(0, edge[0]), *((a, b) for a, b in gaps if b - a >= SILENT), (edge[1], frames)]
    places, gains = [0.0], [0.0]
    for (_, begin), (end, _) in pairwise(rests):
        rise, fall = max(begin - EDGE, 0) * HOP, min(end + EDGE, frames) * HOP
        places += [rise, rise + ramp, max(fall - ramp, rise + ramp), fall]
        gains += [0.0, 1.0, 1.0, 0.0]
    gain = np.interp(np.arange(len(wave)), places, gains)
    out: Wave = (wave * np.sin(0.5 * np.pi * gain) ** 2).astype(np.float32)
    return out


def limited(wave: Wave) -> Wave:
    """No peak beyond `CEILING`: quieter around it, for some hundredths of a second."""
    frames = len(wave) // HOP
    if not frames:
        return wave
    peaks = np.abs(wave[: frames * HOP]).reshape(frames, HOP).max(1)
    needed = np.minimum(1.0, CEILING / np.maximum(peaks, 1e-9))
    near = np.pad(needed, 2 * REACH, mode="edge")
    least = np.lib.stride_tricks.sliding_window_view(near, 2 * REACH + 1).min(1)
    window = np.hanning(2 * REACH + 3)[1:-1]
    gain = np.convolve(least, window / window.sum(), "valid")
    out: Wave = (wave * np.interp(np.arange(len(wave)), (np.arange(frames) + 0.5) * HOP, gain)).astype(np.float32)
    return out.clip(-1.0, 1.0)


def breaths(samples: int, gaps: Spans, seed: int) -> Wave:
    """A breath at the end of each long rest, drawn in slowly; (samples,)."""
    out = np.zeros(samples, np.float32)
    least, most, before = BREATH
    random = np.random.default_rng(seed)
    for a, b in gaps:
        if b - a < least:
            continue
        frames = min((b - a) * 2 // 3, most)
        noise = _coloured(random.standard_normal(frames * HOP))
        at = (b - before - frames) * HOP
        rise = np.linspace(0, 1, len(noise)) ** 1.5
        out[at : at + len(noise)] += (noise * np.sin(np.pi * rise) ** 2 * BREATH_LEVEL).astype(np.float32)
    return out


def _gain(vowel: Wave) -> float:
    inner = vowel[len(vowel) // 8 : len(vowel) - len(vowel) // 8]
    level = float(np.sqrt((inner.astype(np.float64) ** 2).mean())) if len(inner) else 0.0
    if level < 1e-5:
        return 0.0
    return float(np.clip(EVEN * 20 * np.log10(TARGET / level), -MOST, MOST))


def _coloured(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Noise of 1 to 5 kHz, as of air between open lips; its root of the mean square is 1."""
    spectrum = np.fft.rfft(noise)
    hertz = np.fft.rfftfreq(len(noise), 1 / RATE)
    shape = (hertz / 1500) ** 2 / (1 + (hertz / 1500) ** 2) * np.exp(-((hertz / 5500) ** 4))
    made = np.fft.irfft(spectrum * shape, len(noise))
    loud: NDArray[np.float64] = made / np.sqrt((made**2).mean() + 1e-12)
    return loud
