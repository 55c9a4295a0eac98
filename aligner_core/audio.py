"""Sound in as tensors: any file to 16 kHz mono, and the log-mel picture of it that the networks look at."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from . import logmel, streaming
from .logmel import DYNAMIC_RANGE, FFT, FRAME_SECONDS, HOP, MELS, TINY, WINDOW, mel_bank
from .resampling import Samples, resampled
from .streaming import SAMPLE_RATE

__all__ = [
    "DYNAMIC_RANGE", "FFT", "FRAME_SECONDS", "HOP", "MELS", "SAMPLE_RATE", "TINY", "WINDOW",
    "load", "log_mel", "log_mel_blocks", "mel_power", "normalise", "resample", "stream",
]  # fmt: skip


def load(path: str | Path) -> Tensor:
    """All of `stream` at once: float32 (samples,) at `SAMPLE_RATE`.

    Raises:
        AudioError: as `stream`.
    """
    return torch.cat(list(stream(path)))


def stream(path: str | Path, rate: int = SAMPLE_RATE, channels: int = 1) -> Generator[Tensor]:
    """`streaming.stream`, in tensors.

    Raises:
        AudioError: as that.
    """
    return _tensors(streaming.stream(path, rate, channels))


def _tensors(blocks: Generator[Samples]) -> Generator[Tensor]:
    yield from map(torch.from_numpy, blocks)


def resample(wave: Tensor, rate: int, target: int = SAMPLE_RATE) -> Tensor:
    """(samples,) at `rate` Hz to (samples,) at `target` Hz."""
    return torch.cat([wave[:0], *map(torch.from_numpy, resampled([wave.numpy()], rate, target))])


@cache
def _filters(device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.hann_window(WINDOW, device=device), torch.from_numpy(mel_bank()).to(device)


def mel_power(wave: Tensor) -> Tensor:
    """Mel power spectrum.

    Shape:
        (*, samples) -> (*, 1 + samples // HOP, MELS), all values finite and >= 0.
    """
    mels = _power(torch.nn.functional.pad(wave.reshape(-1, wave.shape[-1]), (FFT // 2, FFT // 2)))
    return mels.reshape(*wave.shape[:-1], *mels.shape[1:])


def _power(padded: Tensor) -> Tensor:
    """(N, FFT + HOP * frames) or a little more -> (N, 1 + frames, MELS)."""
    window, bank = _filters(padded.device)
    spectrum = torch.stft(padded, FFT, HOP, WINDOW, window, center=False, return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()  # (N, FFT/2+1, frames)
    return power.transpose(1, 2) @ bank


def log_mel_blocks(blocks: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
    """The frames of `log_mel` in order, of a sound in blocks (samples,), computed on a device.

    Shape:
        each (frames, MELS), 1 + samples // HOP frames in all; silence if there is no block.
    """
    samples = (block.cpu().numpy() for block in blocks)
    if device.type == "cpu":  # numpy takes a fifth of the time there
        yield from map(torch.from_numpy, logmel.log_mel_blocks(samples))
        return
    for piece in map(torch.from_numpy, logmel.framed(samples)):
        yield _power(piece.to(device)[None])[0].clamp(min=TINY).log()


def log_mel(wave: Tensor) -> Tensor:
    """Natural logarithm of `mel_power`, floored: finite for silence, clipping, DC and a single sample.

    Shape:
        (*, samples) -> (*, 1 + samples // HOP, MELS)
    """
    return mel_power(wave).clamp(min=TINY).log()


def normalise(features: Tensor) -> Tensor:
    """Take level and tone colour out of log-mels: floor at `DYNAMIC_RANGE` under the loudest cell, mean 0 for each
    band, and one standard deviation for all.

    Shape:
        (*, frames, MELS) -> the same
    """
    loudest = features.amax(dim=(-2, -1), keepdim=True)
    floored = torch.maximum(features, loudest - DYNAMIC_RANGE)
    centred = floored - floored.mean(dim=-2, keepdim=True)
    return centred / centred.square().mean(dim=(-2, -1), keepdim=True).sqrt().clamp(min=1e-2)
