"""Recorded voices as one long sound on the device, and random pieces of it, also at other pitches than they had."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner_core.tts.sound import HOP, Frames, log_mel

from .spoken import read_spoken

MARGIN = 4  # frames at both ends of a piece that is resampled, where the ends would be heard
PAUSE = 20  # frames of silence after each recording
FALLBACK = 200.0  # Hz, for a recording without any pitch


class Piece(NamedTuple):
    """A batch of sound.

    Args:
        wave: (batch, frames * HOP).
        f0: (batch, frames), Hz, without gaps.
        voiced: (batch, frames), 0 to 1.
    """

    wave: Tensor
    f0: Tensor
    voiced: Tensor


@dataclass(frozen=True)
class Recording:
    """One of a pack.

    Args:
        key: pack and id.
        wave: int16 (frames * HOP,) at RATE.
        f0: float32 (frames,), Hz; 0 where there is no pitch.
    """

    key: str
    wave: NDArray[np.int16]
    f0: NDArray[np.float32]

    def frames(self) -> Frames:
        """What a vocoder is told of it."""
        f0, voiced = filled(self.f0)
        return Frames(
            log_mel(torch.from_numpy(self.wave).float() / 32768), torch.from_numpy(f0), torch.from_numpy(voiced)
        )


def read_recordings(packs: Iterable[Path]) -> list[Recording]:
    """All labelled recordings of these spoken packs.

    Raises:
        AudioError: as `read_spoken`.
    """
    spoken = read_spoken(packs)
    ends = spoken.frame_at.tolist()
    wave, f0 = spoken.wave.numpy(), spoken.f0.numpy()
    return [
        Recording(key, wave[a * HOP : b * HOP], f0[a:b]) for key, (a, b) in zip(spoken.ids, pairwise(ends), strict=True)
    ]


def filled(f0: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pitch without gaps, each bridged by a straight line; and 1 where there was one, else 0; (frames,) each."""
    sounds = np.flatnonzero(f0 > 0)
    if sounds.size == 0:
        return np.full(len(f0), FALLBACK, np.float32), np.zeros(len(f0), np.float32)
    whole = np.interp(np.arange(len(f0)), sounds, f0[sounds])
    return whole.astype(np.float32), (f0 > 0).astype(np.float32)


def split(recordings: Sequence[Recording], every: int) -> tuple[list[Recording], list[Recording]]:
    """What is learnt from, and every so many-th, kept for measuring."""
    return [r for i, r in enumerate(recordings) if i % every], list(recordings[::every])


class Voices:
    """Recordings end to end, on one device.

    Args:
        recordings: at least one.
    """

    def __init__(self, recordings: Sequence[Recording], device: torch.device) -> None:
        waves = [np.pad(r.wave, (0, PAUSE * HOP)) for r in recordings]
        pitch = [filled(np.pad(r.f0, (0, PAUSE))) for r in recordings]
        self.wave = torch.from_numpy(np.concatenate(waves)).to(device)
        self.f0 = torch.from_numpy(np.concatenate([f0 for f0, _ in pitch])).to(device)
        self.voiced = torch.from_numpy(np.concatenate([voiced for _, voiced in pitch])).to(device)

    def pieces(self, count: int, frames: int, ratio: float, random: torch.Generator) -> Piece:
        """Random ones, played `ratio` times as fast, so that much higher."""
        outer = (frames + 2 * MARGIN) * HOP
        taken = 2 * HOP * round(outer * ratio / (2 * HOP))  # a product of small primes: quick to transform
        ratio = taken / outer
        device = self.wave.device
        last = max(len(self.wave) - taken, 1)
        start = (torch.rand(count, generator=random, device=device, dtype=torch.float64) * last).long()
        index = (start[:, None] + torch.arange(taken, device=device)) % len(self.wave)
        wave = resampled(self.wave[index].float() / 32768, outer)[:, MARGIN * HOP : -MARGIN * HOP]
        middle = (MARGIN + torch.arange(frames, device=device) + 0.5) * HOP * ratio
        place = ((start[:, None] + middle) / HOP - 0.5).clamp(0.0, len(self.f0) - 1.001)
        return Piece(wave, _between(self.f0, place) * ratio, _between(self.voiced, place))


def resampled(wave: Tensor, samples: int) -> Tensor:
    """(batch, n) -> (batch, samples), by the whole spectrum; the ends meet."""
    if samples == wave.shape[1]:
        return wave
    spectrum = torch.fft.rfft(wave)[:, : samples // 2 + 1]
    whole: Tensor = torch.fft.irfft(spectrum, n=samples) * (samples / wave.shape[1])
    return whole


def _between(values: Tensor, place: Tensor) -> Tensor:
    below = place.floor().long()
    share = (place - below).float()
    return values[below] * (1 - share) + values[below + 1] * share
