"""The network of Zhang et al. 2017 (arXiv 1701.02720): convolutions over time and frequency, nothing recurrent.

Ten layers of 3 x 5 (bands x frames), one max-pooling over three bands after the first, three fully connected layers for
each frame; maxout, or PReLU. The paper has 128 and 256 maps and layers of 1024; the default here has half of each, two
linear pieces of a maxout counting as two, so that a checkpoint takes 3 MiB and a CPU keeps up; with PReLU it takes 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aligner_core.audio import MELS

from .cnn import SYMBOLS
from .windows import Windowed

PIECES = 2  # linear functions whose maximum a maxout unit is
POOL = 3  # bands that become one
KERNEL = (3, 5)  # bands, frames
SLOPE = 2  # frames to either side that a difference is taken over


@dataclass(frozen=True)
class Zhang2017Config:
    """Sizes of the network; stored in its checkpoint.

    Args:
        maps: filters of each convolutional layer.
        units: outputs of each fully connected layer.
        activation: "maxout", which leaves half of these, or "prelu".
        dropout: probability, while training; 0.3 in the paper.
    """

    maps: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 128, 128, 128)
    units: tuple[int, ...] = (512, 512, 512)
    activation: Literal["maxout", "prelu"] = "maxout"
    dropout: float = 0.1
    symbols: tuple[str, ...] = SYMBOLS


class Zhang2017(Windowed):
    """The network.

    Shape:
        forward: normalised log-mels (batch, frames, MELS) -> logits (batch, frames, symbols)
    """

    config_type = Zhang2017Config

    def __init__(self, config: Zhang2017Config | None = None) -> None:
        super().__init__()
        self.config = config = config or Zhang2017Config()
        layers: list[nn.Module] = []
        width = 3  # bands, their slopes, and the slopes of these
        for at, maps in enumerate(config.maps):
            layers += [_convolution(width, maps, config.activation), *_after(maps, config)]
            layers += [nn.MaxPool2d((POOL, 1))] if at == 0 else []
            width = _left(maps, config)
        self.convolutions = nn.Sequential(*layers)
        width *= MELS // 2 // POOL
        layers = []
        for units in config.units:
            layers += [_initialised(nn.Linear(width, units), config.activation), *_after(units, config)]
            width = _left(units, config)
        self.connected = nn.Sequential(*layers)
        self.head = nn.Linear(width, len(config.symbols))

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the output columns."""
        return self.config.symbols

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        bands = F.avg_pool1d(features, 2).transpose(1, 2)  # 40 of them, as in the paper
        slopes = slope(bands)
        picture = torch.stack([bands, slopes, slope(slopes)], 1)  # (batch, 3, bands, frames)
        seen = self.convolutions(picture.contiguous(memory_format=torch.channels_last))
        logits: Tensor = self.head(self.connected(seen.permute(0, 3, 1, 2).flatten(2)))
        return logits

    @property
    def reach(self) -> int:
        """Frames to either side that an output frame depends on."""
        return len(self.config.maps) * (KERNEL[1] // 2) + 2 * SLOPE


class Maxout(nn.Module):
    """The larger of the two halves of the channels (dimension 1 of pictures, the last of rows): half as many come out.

    Shape:
        (batch, channels, bands, frames) or (batch, frames, channels) -> the same with half the channels
    """

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        first, second = x.chunk(PIECES, dim=1 if x.ndim == 4 else -1)
        return torch.maximum(first, second)


def slope(x: Tensor) -> Tensor:
    """The first difference of speech recognition: the regression line through `SLOPE` frames to either side.

    Shape:
        (*, bands, frames) -> the same; the first and the last frame go on for ever.
    """
    frames = x.shape[-1]
    padded = torch.cat([x[..., :1]] * SLOPE + [x] + [x[..., -1:]] * SLOPE, -1)
    steps = range(1, SLOPE + 1)
    total = sum(n * (padded[..., SLOPE + n :][..., :frames] - padded[..., SLOPE - n :][..., :frames]) for n in steps)
    return torch.as_tensor(total / (2 * sum(n * n for n in steps)))


def _left(width: int, config: Zhang2017Config) -> int:
    return width // PIECES if config.activation == "maxout" else width


def _after(width: int, config: Zhang2017Config) -> list[nn.Module]:
    if config.activation == "maxout" and width % PIECES:
        raise ValueError(f"maxout of {width} channels")
    return [Maxout() if config.activation == "maxout" else nn.PReLU(), nn.Dropout(config.dropout)]


def _convolution(before: int, after: int, activation: str) -> nn.Module:
    return _initialised(nn.Conv2d(before, after, KERNEL, padding=(KERNEL[0] // 2, KERNEL[1] // 2)), activation)


def _initialised(layer: nn.Conv2d | nn.Linear, activation: str) -> nn.Module:
    """Weights with which the power of a signal stays the same through any number of layers: the larger of two normal
    variables has the mean square of one (He et al. 2015 have the case of PReLU)."""
    nn.init.kaiming_normal_(layer.weight, a=1.0 if activation == "maxout" else 0.25, nonlinearity="leaky_relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
