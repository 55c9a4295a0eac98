"""What the acoustic model and the vocoder agree on: the rate, the frames and the log-mel of a voice.

Frame i covers the samples [HOP i, HOP (i + 1)): 10 ms, as the aligner's frames. What is left over at the end is no
frame.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

RATE = 24_000  # Hz
HOP = 240  # samples from frame to frame
MELS = 80
WINDOW = 1024  # samples
TOP = 12_000.0  # Hz, upper end of the highest band
FLOOR = 1e-5  # magnitude below which there is nothing
EDGE = (WINDOW - HOP) // 2  # samples by which the window reaches past its frame on either side


class Frames(NamedTuple):
    """What a vocoder needs to know; a frame is HOP samples.

    Args:
        mel: (frames, MELS), as `log_mel`.
        f0: (frames,), Hz, above 0 everywhere: what has no pitch goes from that of its neighbours to the next.
        voiced: (frames,), 0 to 1, the probability that the voice sounds.
    """

    mel: Tensor
    f0: Tensor
    voiced: Tensor


def log_mel(wave: Tensor) -> Tensor:
    """Natural logarithms of the mel magnitudes, in float32 whatever autocast says.

    Shape:
        (..., samples) at RATE -> (..., samples // HOP, MELS); the window is centred on the middle of its frame.
    """
    with torch.autocast(wave.device.type, enabled=False):
        frames = wave.shape[-1] // HOP
        if frames == 0:
            return wave.new_zeros(*wave.shape[:-1], 0, MELS, dtype=torch.float32)
        flat = wave.float().reshape(-1, wave.shape[-1])[:, : frames * HOP]
        padded = flat[:, _reflected(frames * HOP, wave.device)]
        window = torch.hann_window(WINDOW, device=wave.device)
        spectrum = torch.stft(padded, WINDOW, HOP, window=window, center=False, return_complex=True)
        mel = spectrum.abs().transpose(1, 2) @ mel_bands(wave.device)
        return mel.clamp(min=FLOOR).log().reshape(*wave.shape[:-1], frames, MELS)


@lru_cache(maxsize=8)
def mel_bands(device: torch.device) -> Tensor:
    """Weights of the bands, triangles of equal area on Slaney's scale; shape (WINDOW // 2 + 1, MELS)."""
    with torch.device("cpu"), torch.inference_mode(mode=False):
        edges = band_edges()
        bins = torch.linspace(0.0, RATE / 2, WINDOW // 2 + 1)[:, None]
        rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
        fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
        return (torch.minimum(rise, fall).clamp(min=0.0) * 2.0 / (edges[2:] - edges[:-2])).to(device)


def band_edges() -> Tensor:
    """Hz, (MELS + 2,): band i rises from entry i, is highest at the next and ends at the one after."""
    return _hertz(torch.linspace(0.0, float(_slaney(torch.tensor(TOP))), MELS + 2))


def _slaney(hertz: Tensor) -> Tensor:
    """Hz to mels: linear to 1000 Hz, logarithmic above (Slaney, Auditory Toolbox, 1998)."""
    return torch.where(hertz < 1000.0, hertz * 0.015, 15.0 + (hertz.clamp(min=1.0) / 1000.0).log() * 27.0 / _STEP)


def _hertz(mels: Tensor) -> Tensor:
    return torch.where(mels < 15.0, mels / 0.015, 1000.0 * ((mels - 15.0) * _STEP / 27.0).exp())


_STEP = math.log(6.4)  # 27 mels are a factor of 6.4


def _reflected(samples: int, device: torch.device) -> Tensor:
    """Indices of a sound mirrored at both ends by EDGE samples, however short it is."""
    index = torch.arange(-EDGE, samples + EDGE, device=device).abs() % (2 * samples - 2)
    return samples - 1 - (samples - 1 - index).abs()
