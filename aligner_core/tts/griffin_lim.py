"""The vocoder without weights: magnitudes that fit the mel, and phases that fit each other (Griffin and Lim, 1984).

The fast variant, with momentum (Perraudin et al., 2013). Phases begin as those of pulses at the given pitch.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from .filtering import overlapped
from .sound import EDGE, HOP, WINDOW, Frames, mel_bands
from .source import phases, pulses, white

ITERATIONS = 32
MOMENTUM = 0.99
FITTING = 30  # steps by which magnitudes are fitted to the mel


class GriffinLim:
    """A `Vocoder`."""

    def wave(self, frames: Frames) -> Tensor:
        """See `Vocoder`."""
        mel, f0, voiced = (part.cpu().float() for part in frames)
        if len(mel) == 0:
            return torch.zeros(0)
        magnitude = magnitudes(mel)
        guess = 0.1 * pulses(f0, voiced, phases(f0)) + white(0, len(f0) * HOP, f0.device)
        before = spectrum = _spectrum(guess)
        for _ in range(ITERATIONS):
            fitting = _spectrum(_sound(magnitude * spectrum.sgn()))
            spectrum = fitting + MOMENTUM * (fitting - before)
            before = fitting
        return _sound(magnitude * spectrum.sgn())


def magnitudes(mel: Tensor) -> Tensor:
    """Magnitudes of the spectrum, none below 0, whose mel is nearest (multiplicative updates: Lee and Seung, 2000).

    Shape:
        log-mel (frames, MELS) -> (frames, WINDOW // 2 + 1)
    """
    bands = mel_bands(mel.device)
    target = mel.exp()
    up, own = target @ bands.T, bands @ bands.T
    found = target @ _inverse().clamp(min=0.0) + 1e-8
    for _ in range(FITTING):
        found = found * (up / (found @ own).clamp(min=1e-12))
    return found


@lru_cache(maxsize=1)
def _inverse() -> Tensor:
    inverse: Tensor = torch.linalg.pinv(mel_bands(torch.device("cpu")))
    return inverse


def _spectrum(wave: Tensor) -> Tensor:
    """(frames * HOP,) -> complex (frames, bins), with silence around."""
    padded = torch.nn.functional.pad(wave, (EDGE, EDGE))
    spectrum: Tensor = torch.fft.rfft(padded.unfold(0, WINDOW, HOP) * torch.hann_window(WINDOW))
    return spectrum


def _sound(spectrum: Tensor) -> Tensor:
    """The wave whose spectrum is nearest; (frames, bins) -> (frames * HOP,)."""
    window = torch.hann_window(WINDOW)
    weight = overlapped((window * window).expand(1, len(spectrum), -1))[0]
    whole = overlapped((torch.fft.irfft(spectrum, n=WINDOW) * window)[None])[0]
    return (whole / weight.clamp(min=1e-3))[EDGE : EDGE + len(spectrum) * HOP]
