"""The log-mel picture of a sound that the networks look at, by numpy alone; `audio` has the same for tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .resampling import Samples
from .spool import Rows
from .streaming import SAMPLE_RATE

HOP = 160  # samples from one frame to the next
FRAME_SECONDS = HOP / SAMPLE_RATE  # 0.01 s; frame t is centred on t * FRAME_SECONDS
WINDOW = 400  # samples under one Hann window, 25 ms
FFT = 512
MELS = 80
LOWEST = 20.0  # Hz, where the first band begins; the last ends at the Nyquist frequency
TINY = 1e-10  # floor of mel power: log(0) never happens
DYNAMIC_RANGE = 16.0  # nats (70 dB) below the loudest cell that still count as sound
WINDOW_FRAMES = 3000  # that a network gives at a time; even, as networks may work on pairs of frames

Frames = NDArray[np.float32]  # (frames, MELS)


@cache
def mel_bank() -> NDArray[np.float32]:
    """(FFT // 2 + 1, MELS): triangles of equal area on Slaney's scale, as torchaudio.functional.melscale_fbanks."""
    places = _hertz(np.linspace(_slaney(LOWEST), _slaney(SAMPLE_RATE / 2), MELS + 2))
    apart = places - np.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1)[:, None]
    widths = np.diff(places)
    rising, falling = -apart[:, :-2] / widths[:-1], apart[:, 2:] / widths[1:]
    areas = 2 / (places[2:] - places[:-2])
    return (np.maximum(np.minimum(rising, falling), 0) * areas).astype(np.float32)


def _slaney(hertz: float) -> float:
    """Linear up to 1 kHz, logarithmic above (Auditory Toolbox, 1998)."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * float(np.log(hertz / 1000) / np.log(6.4))


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mels - 15)))


@cache
def _hann() -> NDArray[np.float32]:
    """(FFT,): the window amid silence."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    return np.pad(window, (FFT - WINDOW) // 2).astype(np.float32)


def log_mel_blocks(blocks: Iterable[Samples]) -> Iterator[Frames]:
    """Natural logarithms of mel power, floored, of a sound in blocks (samples,).

    Shape:
        each (frames, MELS), 1 + samples // HOP frames in all; silence if there is no block.
    """
    yield from map(_log_mel, framed(blocks))


def framed(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """A sound amid silence in pieces (FFT + n * HOP and a little more,) of 1 + n frames each, which overlap."""
    held = np.zeros(FFT // 2, np.float32)
    for block in chain(blocks, [np.zeros(FFT // 2, np.float32)]):
        held = np.concatenate([held, block])
        if len(held) >= FFT:
            frames = 1 + (len(held) - FFT) // HOP
            yield held
            held = held[frames * HOP :].copy()


def _log_mel(padded: Samples) -> Frames:
    """(FFT + HOP * frames) or a little more -> (1 + frames, MELS)."""
    spectrum = np.fft.rfft(sliding_window_view(padded, FFT)[::HOP] * _hann())
    power: Frames = (np.square(spectrum.real) + np.square(spectrum.imag)).astype(np.float32) @ mel_bank()
    return np.log(np.maximum(power, np.float32(TINY), out=power), out=power)


class Window(NamedTuple):
    """Frames `begin` to `end` of a sound are `kept` of what a network makes of these features (frames, MELS)."""

    begin: int
    end: int
    kept: slice
    features: Frames


class Mels:
    """The log-mels of a whole sound, and what `audio.normalise` would take out of them.

    Args:
        rows: none yet; where they are kept.
        blocks: log-mels (frames, MELS), one or more.
    """

    def __init__(self, rows: Rows, blocks: Iterable[Frames]) -> None:
        self.rows, loudest = rows, -float("inf")
        for block in blocks:
            loudest = max(loudest, float(block.max()))
            rows.write(block)
        self.floor = np.float32(loudest - DYNAMIC_RANGE)
        total, squares = np.zeros(MELS), 0.0
        for begin in range(0, self.frames, WINDOW_FRAMES):
            above = self._above_floor(begin, begin + WINDOW_FRAMES)
            total += above.sum(0, dtype=np.float64)
            squares += float(np.square(above).sum(dtype=np.float64))
        mean = total / self.frames
        variance = squares / self.frames / MELS - float(np.square(mean).mean())
        self.mean, self.deviation = mean.astype(np.float32), max(variance, 0.0) ** 0.5

    def normalised(self, begin: int, end: int) -> Frames:
        """`audio.normalise` of all, frames `begin` to `end` of it: (frames, MELS)."""
        out = self._above_floor(begin, end)
        out -= self.mean
        out /= np.float32(max(self.deviation, 1e-2))
        return out

    def windows(self, reach: int, size: int) -> Iterator[Window]:
        """All of it, `size` frames at a time with `reach` frames of context to either side."""
        for begin in range(0, self.frames, size):
            end, before = min(begin + size, self.frames), min(begin, reach)
            features = self.normalised(begin - before, end + reach)
            yield Window(begin, end, slice(before, before + end - begin), features)

    @property
    def frames(self) -> int:
        """How many there are."""
        return self.rows.count

    def _above_floor(self, begin: int, end: int) -> Frames:
        rows = self.rows.read(begin, end)
        rows -= self.floor
        return np.maximum(rows, 0, out=rows)
