"""Filters that change from frame to frame, and sounds put together from overlapping pieces."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .sound import HOP


def filtered(wave: Tensor, response: Tensor, lead: int) -> Tensor:
    """A wave cut into windows of two frames, each multiplied by its filter, and added up again.

    Args:
        wave: (batch, frames * HOP).
        response: (batch, frames, bins), real or complex, of a filter of 2 (bins - 1) samples or less.
        lead: so many of these samples are kept for what comes before its cause.

    Returns:
        (batch, frames * HOP)
    """
    size, frames = 2 * (response.shape[-1] - 1), response.shape[1]
    window = torch.hann_window(2 * HOP, device=wave.device)  # windows a frame apart add up to 1
    pieces = F.pad(wave, (HOP // 2, HOP // 2)).unfold(-1, 2 * HOP, HOP) * window
    spectra = torch.fft.rfft(F.pad(pieces, (lead, size - lead - 2 * HOP)))
    whole = overlapped(torch.fft.irfft(spectra * response, n=size))
    first = lead + HOP // 2
    return whole[:, first : first + frames * HOP]


def overlapped(pieces: Tensor) -> Tensor:
    """Pieces a frame apart, added up; (batch, frames, size) -> (batch, (frames - 1) * HOP + size or a bit more)."""
    batch, frames, size = pieces.shape
    parts = -(-size // HOP)
    blocks = F.pad(pieces, (0, parts * HOP - size)).view(batch, frames, parts, HOP)
    total = pieces.new_zeros(batch, frames + parts - 1, HOP)
    for part in range(parts):
        total[:, part : part + frames] += blocks[:, :, part]
    return total.flatten(1)


def minimum_phase(log_magnitude: Tensor) -> Tensor:
    """The phase in radians of the filter of this magnitude that answers soonest (by its cepstrum, made causal).

    Shape:
        (..., bins), natural logarithms -> the same
    """
    size = 2 * (log_magnitude.shape[-1] - 1)
    cepstrum = torch.fft.irfft(log_magnitude, n=size)
    sign = torch.zeros(size, device=cepstrum.device)
    sign[1 : size // 2], sign[size // 2 + 1 :] = 1.0, -1.0  # what is even becomes odd
    phase: Tensor = torch.fft.rfft(cepstrum * sign).imag
    return phase
