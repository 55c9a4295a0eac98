"""The vocoder: pulses and noise of `source`, each shaped by a filter that changes from frame to frame.

What the filters are is nearly told by the mel; a small convolutional network corrects it, so that an untrained one
speaks already and no network can miss a note: the pitch is the source's. Source-filter with filters from a network:
Engel et al., DDSP (2020); Wu et al., SawSing (2022). The filter of the pulses has minimum phase, as a vocal tract has,
and a phase beside it that is learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .filtering import filtered, minimum_phase
from .sound import FLOOR, HOP, MELS, RATE, Frames, band_edges
from .source import bounded, phases, pulses, white

FFT = 1024  # samples; a frame of 2 HOP and what a filter adds to it
BINS = FFT // 2 + 1
LEAD = 64, 272  # samples left before the frame, for pulses (little comes before its cause) and for noise
SPREAD = 4  # frames over which an output frame is heard
PULSE_GAIN = 1.95e-3  # amplitude of harmonics in mels, for each Hz between them: `log_mel`'s main lobe spans 47 Hz
NOISE_GAIN = 1.35  # deviation of noise in mels, likewise
VOICED_NOISE = -1.5  # nepers by which noise is lower where the voice sounds, before anything is learnt
CORRECTION = 5.0  # nepers, the most that the network may change
LOUDEST = 6.0  # log-mel, far beyond any sound's
NOTHING = 1e-9  # of the mel, where there is no sound
CHUNK = 1000  # frames made at once


@dataclass(frozen=True)
class SourceFilterConfig:
    """Sizes of the network.

    Args:
        width, hidden: channels between the blocks and within them.
        dilations: of each block.
    """

    width: int = 224
    hidden: int = 640
    dilations: tuple[int, ...] = (1, 1, 2, 2, 4, 4, 1, 1)


class Filters(NamedTuple):
    """Frequency responses, float32 on a grid of RATE / FFT: pulses complex, noise real; both (batch, frames, BINS)."""

    pulses: Tensor
    noise: Tensor


class Block(nn.Module):
    """Depthwise convolution over time, then a perceptron in each frame (Liu et al., ConvNeXt, 2022); residual."""

    def __init__(self, width: int, hidden: int, dilation: int) -> None:
        super().__init__()
        self.reach = 3 * dilation
        self.time = nn.Conv1d(width, width, 7, padding=self.reach, dilation=dilation, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) -> the same."""
        near: Tensor = self.norm(self.time(x.transpose(1, 2)).transpose(1, 2))
        changed: Tensor = x + self.down(F.gelu(self.up(near)))
        return changed


class SourceFilter(nn.Module):
    """A `Vocoder`.

    Args:
        config: sizes.
    """

    config_type = SourceFilterConfig
    envelope: Tensor
    between: Tensor

    def __init__(self, config: SourceFilterConfig) -> None:
        super().__init__()
        self.config = config
        self.begin = nn.Conv1d(MELS + 2, config.width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(config.width, config.hidden, d) for d in config.dilations)
        self.norm = nn.LayerNorm(config.width)
        self.end = nn.Linear(config.width, BINS + 2 * MELS)
        nn.init.zeros_(self.end.weight)
        nn.init.zeros_(self.end.bias)
        self.register_buffer("between", bands_to_bins(), persistent=False)
        self.register_buffer("envelope", _smooth() @ bands_to_bins(), persistent=False)

    @property
    def reach(self) -> int:
        """Frames on either side that a sample depends on."""
        return 1 + SPREAD + sum(3 * dilation for dilation in self.config.dilations)

    def wave(self, frames: Frames) -> Tensor:
        """See `Vocoder`; a chunk of a long sound comes out as it does from the whole."""
        device = self.end.weight.device
        mel, f0, voiced = (part.to(device, torch.float32)[None] for part in frames)
        with torch.inference_mode():
            begin, count = phases(f0), mel.shape[1]
            chunks = [self._chunk(mel, f0, voiced, begin, a, min(a + CHUNK, count)) for a in range(0, count, CHUNK)]
        return torch.cat([mel.new_zeros(0), *chunks]).cpu()

    def _chunk(self, mel: Tensor, f0: Tensor, voiced: Tensor, begin: Tensor, start: int, end: int) -> Tensor:
        """The samples of the frames from start to end."""
        a, b = max(start - self.reach, 0), min(end + self.reach, mel.shape[1])
        filters = self(mel[:, a:b], f0[:, a:b], voiced[:, a:b])
        made = tone(filters, f0[:, a:b], voiced[:, a:b], begin[:, a : b + 1])
        made = made + hiss(filters, white(a * HOP, (b - a) * HOP, mel.device)[None])
        return made[0, (start - a) * HOP : (end - a) * HOP]

    def forward(self, mel: Tensor, f0: Tensor, voiced: Tensor) -> Filters:
        """The filters.

        Shape:
            (batch, frames, MELS), (batch, frames) Hz, (batch, frames) -> (batch, frames, BINS) each
        """
        pitch, sounds = bounded(f0).log()[..., None], gate(voiced)[..., None]
        x = torch.cat([(mel + 6.0) / 3.0, pitch - 5.3, sounds], -1)
        x = self.begin(x.transpose(1, 2)).transpose(1, 2).float()  # under autocast, sums stay exact
        for block in self.blocks:
            x = block(x)
        with torch.autocast(mel.device.type, enabled=False):
            corrections = self.end(self.norm(x.float())).split([BINS, MELS, MELS], -1)
            return self._filters(mel.float(), pitch, sounds, corrections)

    def _filters(self, mel: Tensor, pitch: Tensor, sounds: Tensor, corrections: tuple[Tensor, ...]) -> Filters:
        """The mel's own envelope as filters, with the network's corrections to it."""
        above = (mel.clamp(max=LOUDEST).exp() - FLOOR).clamp(min=0.0)
        level = (above @ self.envelope + NOTHING).log()
        peaks, noise, phase = corrections
        tract = level + pitch + _limited(peaks, CORRECTION)
        turned = minimum_phase(tract) + _limited(phase, torch.pi) @ self.between
        hissing = level + VOICED_NOISE * sounds + _limited(noise, CORRECTION) @ self.between
        return Filters(torch.polar(PULSE_GAIN * tract.exp(), turned), NOISE_GAIN * hissing.exp())


def tone(filters: Filters, f0: Tensor, voiced: Tensor, begin: Tensor) -> Tensor:
    """What has a pitch; (batch, frames) each and `phases` -> (batch, frames * HOP)."""
    return filtered(pulses(f0, gate(voiced), begin), filters.pulses, LEAD[0])


def hiss(filters: Filters, noise: Tensor) -> Tensor:
    """What has none; (batch, frames * HOP) -> the same."""
    return filtered(noise, filters.noise, LEAD[1])


def gate(voiced: Tensor) -> Tensor:
    """How loud the pulses are: nothing where it is unlikely that the voice sounds, all where it is likely."""
    return (2.0 * voiced.float().nan_to_num() - 0.5).clamp(0.0, 1.0)


def bands_to_bins() -> Tensor:
    """Straight lines between the middles of the bands of `log_mel`; (MELS, BINS)."""
    middle = band_edges()[1:-1]
    bins = torch.linspace(0.0, RATE / 2, BINS).clamp(float(middle[0]), float(middle[-1]))
    upper = torch.searchsorted(middle, bins).clamp(1, MELS - 1)
    share = (bins - middle[upper - 1]) / (middle[upper] - middle[upper - 1])
    weights = torch.zeros(MELS, BINS)
    weights[upper - 1, torch.arange(BINS)] = 1.0 - share
    weights[upper, torch.arange(BINS)] = share
    return weights


def _smooth() -> Tensor:
    """Mean over five bands, so that single harmonics of speech do not show; (MELS, MELS)."""
    apart = (torch.arange(MELS)[:, None] - torch.arange(MELS)).abs()
    near = (3.0 - apart).clamp(min=0.0)
    return near / near.sum(0)


def _limited(x: Tensor, most: float) -> Tensor:
    return most * torch.tanh(x / most)
