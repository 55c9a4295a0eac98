"""What a sound looks like, small enough for a page: its peaks, its spectrogram and where sounds begin.

The sound is read block by block, so its length does not matter; what comes out is coarser the longer it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE = 16_000  # Hz, of the sound that is looked at
HOP = 160  # samples from one column of the spectrogram to the next: 10 ms
FFT = 512  # samples under a Hann window, centred on its column
BANDS = 64  # rows of the spectrogram, equally wide on the mel scale
LOWEST, HIGHEST = 60.0, 7600.0  # Hz
PEAK = 80  # samples under one pair of peaks: 5 ms
MOST_PEAKS, MOST_COLUMNS = 400_000, 36_000  # that a page holds: half an hour, and six minutes, at the finest
DEEP = 80.0  # dB below the loudest column that are still shown
LEVELS = 32  # shades of the spectrogram
_DB = 0.5  # dB, a step of what is kept while the sound is read
_APART = 5  # columns, 50 ms: two onsets are no nearer
_AROUND = 50  # columns to either side that an onset stands out from

Shades = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A sound to look at.

    Args:
        seconds: its length.
        peaks: int8 (n, 2), least and greatest value of every `peak_step` seconds, -127..127 for the loudest.
        columns: uint8 (n, BANDS), 0..LEVELS - 1, of every `column_step` seconds, low bands first.
        onsets: int32 (n,), rising, the milliseconds at which sounds begin.
    """

    seconds: float
    peaks: NDArray[np.int8]
    peak_step: float
    columns: Shades
    column_step: float
    onsets: NDArray[np.int32]


def picture(blocks: Iterable[NDArray[np.float32]]) -> Picture:
    """The picture of a sound, which comes as blocks (samples,) at `RATE`."""
    peaks, columns, rises = list[NDArray[np.float32]](), list[Shades](), list[NDArray[np.float32]]()
    samples = 0
    last = np.zeros((1, BANDS), np.uint8)
    for wave in _seconds(blocks):
        samples += len(wave.sound)
        peaks.append(_peaks(wave.sound))
        shades = _shades(wave.around)
        columns.append(shades)
        rises.append(_rises(np.concatenate([last, shades])))
        last = shades[-1:]
    return _coarsened(samples / RATE, np.concatenate(peaks), np.concatenate(columns), _onsets(np.concatenate(rises)))


@dataclass(frozen=True, slots=True)
class _Part:
    """A second or so of sound, and the same with half a window of what is around it."""

    sound: NDArray[np.float32]
    around: NDArray[np.float32]


def _seconds(blocks: Iterable[NDArray[np.float32]]) -> Iterator[_Part]:
    """Parts of whole columns but for the last, which is filled up with silence."""
    half = FFT // 2
    held = np.zeros(half, np.float32)  # half a window of what was given out already, and what comes
    for block in blocks:
        held = np.concatenate([held, block])
        whole = (len(held) - FFT) // HOP * HOP
        if whole >= RATE:
            yield _Part(held[half : half + whole], held[: whole + FFT - HOP])
            held = held[whole:]
    rest = len(held) - half
    filled = max(1, math.ceil(rest / HOP)) * HOP
    around = np.concatenate([held, np.zeros(filled - rest + half, np.float32)])
    yield _Part(held[half:], around[: filled + FFT - HOP])


def _peaks(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 2)."""
    count = math.ceil(len(sound) / PEAK)
    whole = np.pad(sound, (0, count * PEAK - len(sound))).reshape(count, PEAK)
    return np.stack([whole.min(1), whole.max(1)], 1)


def _shades(around: NDArray[np.float32]) -> Shades:
    """(columns, BANDS) in steps of `_DB` from -127.5 dB."""
    windows = np.lib.stride_tricks.sliding_window_view(around, FFT)[::HOP]
    power = np.abs(np.fft.rfft(windows * np.hanning(FFT).astype(np.float32), axis=1)) ** 2
    level = 10 * np.log10(power @ _filters() / FFT + 1e-13)
    return np.asarray(np.clip((level + 127.5) / _DB, 0, 255), np.uint8)


@cache
def _filters() -> NDArray[np.float64]:
    """(FFT // 2 + 1, BANDS): triangles, each of which begins where the one before has its top."""
    mels = np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2)
    tops = 700 * (np.exp(mels / 1127) - 1)
    hertz = np.fft.rfftfreq(FFT, 1 / RATE)[:, None]
    width = np.maximum(np.diff(tops), RATE / FFT)  # no band without a bin
    up, down = (hertz - tops[:-2]) / width[:-1], (tops[2:] - hertz) / width[1:]
    return np.asarray(np.clip(np.minimum(up, down), 0, 1), np.float64)


def _mel(hertz: float) -> float:
    return 1127 * math.log1p(hertz / 700)


def _rises(shades: Shades) -> NDArray[np.float32]:
    """(columns - 1,): by how many dB the bands are louder than in the column before, on the mean."""
    return np.asarray(np.maximum(np.diff(shades.astype(np.int16), axis=0), 0).mean(1) * _DB, np.float32)


def _onsets(rises: NDArray[np.float32]) -> NDArray[np.int32]:
    """Milliseconds where the rise is the greatest around, and stands out."""
    if len(rises) < 2:
        return np.zeros(0, np.int32)
    smooth = np.convolve(rises, [0.25, 0.5, 0.25], "same")
    sums = np.concatenate([[0.0], np.cumsum(smooth)])
    at = np.arange(len(smooth))
    low, high = np.maximum(at - _AROUND, 0), np.minimum(at + _AROUND + 1, len(smooth))
    usual = (sums[high] - sums[low]) / (high - low)
    padded = np.pad(smooth, _APART, constant_values=-1.0)
    greatest = np.lib.stride_tricks.sliding_window_view(padded, 2 * _APART + 1).max(1)
    found = np.flatnonzero((smooth == greatest) & (smooth > 1.6 * usual + 0.7))
    return np.asarray(found * (1000 * HOP // RATE), np.int32)


def _coarsened(
    seconds: float, peaks: NDArray[np.float32], columns: Shades, onsets: NDArray[np.int32]
) -> Picture:  # fmt: skip
    """As fine as a page can hold."""
    pairs, wide = math.ceil(len(peaks) / MOST_PEAKS), math.ceil(len(columns) / MOST_COLUMNS)
    low = np.minimum.reduceat(peaks[:, 0], range(0, len(peaks), pairs))
    high = np.maximum.reduceat(peaks[:, 1], range(0, len(peaks), pairs))
    both = np.stack([low, high], 1) / max(float(np.abs(peaks).max()), 1e-4)
    coarse = np.maximum.reduceat(columns, range(0, len(columns), wide), axis=0)
    loudest = int(columns.max())
    share = 1 - (loudest - coarse.astype(np.float32)) * _DB / DEEP
    return Picture(
        seconds, np.asarray(np.round(both * 127), np.int8), pairs * PEAK / RATE,
        np.asarray(np.clip(share * LEVELS, 0, LEVELS - 1), np.uint8), wide * HOP / RATE, onsets,
    )  # fmt: skip
