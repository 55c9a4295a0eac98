"""The pitch of the voice in a song, a frame every 10 ms: by harmonics, or by SwiftF0 where that is installed.

To add one: a function here from a wave to a `Curve`, and its name in `TRACKERS`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aligner_core import audio
from aligner_core.errors import AlignerError

from .sung_pitch import Curve, Floats

RATE, HOP, WINDOW = 16_000, 160, 2048
LOWEST, OCTAVES, STEPS = 82.4, 4, 60  # Hz; states of an octave
HARMONICS, DECAY, LOUDNESS = 10, 0.86, 0.5  # of the sum; magnitudes count by this power
AROUND = 41  # bins whose mean is no harmonic's
REACH, SLIDE, LEAP = 12, 0.012, 1.0  # states from frame to frame, what each costs, and what a leap costs
BLOCK = 3000  # frames at once


def trackers() -> tuple[str, ...]:
    """The names that are of use here, the best one first."""
    return ("swift", "harmonic") if importlib.util.find_spec("swift_f0") else ("harmonic",)


def track(path: str | Path, tracker: str | None = None) -> Curve:
    """The pitch of the voice in a sound; if others play too, of what stands out.

    Args:
        tracker: one of `TRACKERS`, None: the best one that is installed.

    Raises:
        AudioError: it cannot be read.
        AlignerError: there is no such tracker here.
    """
    name = tracker or trackers()[0]
    if name not in TRACKERS:
        raise AlignerError(f"there is no tracker {name!r}", hint=", ".join(TRACKERS))
    return TRACKERS[name](torch.cat(list(audio.stream(path))).flatten())


def harmonic(wave: Tensor) -> Curve:
    """Harmonics summed, and the best path through the sums; (samples,) at RATE."""
    if len(wave) < WINDOW:
        return Curve(np.zeros(0), np.zeros(0))
    sums = _sums(wave)
    sums /= max(float(sums.max(0).mean()), 1e-9)
    path = _best_path(sums)
    value = sums[path, np.arange(len(path))]
    hz = LOWEST * 2 ** (path / STEPS)
    return Curve(hz, np.clip(value / max(float(np.quantile(value, 0.9)), 1e-9), 0.0, 1.0))


def swift(wave: Tensor) -> Curve:
    """SwiftF0 (Nieradzik 2025, arXiv 2508.18440); (samples,) at RATE.

    Raises:
        AlignerError: it is not installed.
    """
    try:
        from swift_f0 import SwiftF0
    except ImportError as error:
        raise AlignerError("swift-f0 is not installed", "tracker swift", "pip install 'karalign[follow]'") from error
    found = SwiftF0(threads=1).detect(wave.numpy(), RATE)
    times = (np.arange(len(wave) // HOP) + 0.5) * HOP / RATE
    if not len(found.timestamps):
        return Curve(np.zeros(len(times)), np.zeros(len(times)))
    nearest = np.clip(np.searchsorted(found.timestamps, times), 0, len(found.timestamps) - 1)
    hz = np.asarray(found.pitch_hz, np.float64)[nearest]
    sure = np.asarray(found.confidence, np.float64)[nearest]
    there = np.isfinite(hz) & (hz > 0)
    return Curve(np.where(there, hz, 0.0), np.where(there, sure, 0.0))


TRACKERS: dict[str, Callable[[Tensor], Curve]] = {"harmonic": harmonic, "swift": swift}


def _sums(wave: Tensor) -> Floats:
    """How strong the harmonics of each pitch are together, (states, frames)."""
    weights, half = _weights(), WINDOW // 2
    padded = torch.nn.functional.pad(wave, (half - HOP // 2, half))
    frames = len(wave) // HOP
    out = []
    for begin in range(0, frames, BLOCK):
        count = min(BLOCK, frames - begin)
        part = padded[begin * HOP : (begin + count - 1) * HOP + WINDOW]
        window = torch.hann_window(WINDOW)
        magnitude = torch.stft(part, WINDOW, HOP, window=window, center=False, return_complex=True).abs() ** LOUDNESS
        around = torch.nn.functional.avg_pool1d(
            magnitude.T[:, None], AROUND, 1, AROUND // 2, count_include_pad=False
        )  # fmt: skip
        out.append(weights @ (magnitude - around[:, 0].T).clamp(min=0.0))
    sums: Floats = torch.cat(out, 1).double().numpy()
    return sums


def _weights() -> Tensor:
    """From magnitudes to sums; (states, bins)."""
    hz = LOWEST * 2 ** (torch.arange(OCTAVES * STEPS + 1) / STEPS)
    out = torch.zeros(len(hz), WINDOW // 2 + 1)
    for harmonic_number in range(1, HARMONICS + 1):
        place = hz * harmonic_number * WINDOW / RATE
        below = place.floor().long()
        row = torch.arange(len(hz))[below < out.shape[1] - 1]
        share, at = (place - below)[row], below[row]
        out[row, at] += (1 - share) * DECAY ** (harmonic_number - 1)
        out[row, at + 1] += share * DECAY ** (harmonic_number - 1)
    return out


def _best_path(sums: Floats) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """States (frames,): small steps cost little, a leap to anywhere costs more."""
    states, frames = sums.shape
    best, back = sums[:, 0].copy(), np.zeros((frames, states), np.int16)
    steps = np.arange(-REACH, REACH + 1)
    costs = SLIDE * np.abs(steps)[:, None]
    source = np.clip(np.arange(states) - steps[:, None], 0, states - 1)
    for frame in range(1, frames):
        options = best[source] - costs
        choice = options.argmax(0)
        value = options[choice, np.arange(states)]
        top = int(best.argmax())
        leaps = value < best[top] - LEAP
        back[frame] = np.where(leaps, top, source[choice, np.arange(states)])
        best = np.where(leaps, best[top] - LEAP, value) + sums[:, frame]
    path = np.empty(frames, np.int64)
    path[-1] = best.argmax()
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = back[frame, path[frame]]
    return path
