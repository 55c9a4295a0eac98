"""Networks that tell made sound from recorded sound, for the end of a vocoder's training: they hear its buzz.

Small ones of two kinds: the wave folded at a period (Kong et al., HiFi-GAN, 2020), and spectra of several resolutions
(Jang et al., UnivNet, 2021). Least squares (Mao et al., 2017), and features that should agree (Larsen et al., 2016).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from .spectral import magnitude

PERIODS = (2, 3, 5, 7, 11)  # samples
WINDOWS = (512, 1024, 2048)  # samples
SLOPE = 0.1
Heard = list[list[Tensor]]  # the layers of each network; the last one is its verdict


class Stack(nn.Module):
    """Convolutions over what has two dimensions, and a verdict for each place.

    Args:
        channels: after each layer.
        kernel, stride: (rows, columns) of each layer.
    """

    def __init__(self, channels: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        around = (kernel[0] // 2, kernel[1] // 2)
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, kernel, stride, around)) for a, b in zip((1, *channels), channels, strict=False)
        )
        self.verdict = weight_norm(nn.Conv2d(channels[-1], 1, 3, padding=1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(batch, 1, rows, columns) -> all layers, the verdict last."""
        heard = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            heard.append(x)
        return [*heard, self.verdict(x)]


class Discriminator(nn.Module):
    """All of them.

    Args:
        width: channels of the widest layers.
    """

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        narrow = (width // 8, width // 4, width // 2, width)
        self.folded = nn.ModuleList(Stack(narrow, (5, 1), (3, 1)) for _ in PERIODS)
        self.spectral = nn.ModuleList(Stack((width // 4,) * 4, (5, 5), (2, 2)) for _ in WINDOWS)

    def forward(self, wave: Tensor) -> Heard:
        """(batch, samples) -> what each network hears."""
        with torch.autocast(wave.device.type, enabled=False):
            spectra = [((magnitude(wave, size) + 1e-3).log() / 2 + 1.5)[:, None] for size in WINDOWS]
        heard = [net(folded(wave, period)) for net, period in zip(self.folded, PERIODS, strict=True)]
        return heard + [net(spectrum) for net, spectrum in zip(self.spectral, spectra, strict=True)]


def folded(wave: Tensor, period: int) -> Tensor:
    """(batch, samples) -> (batch, 1, samples // period, period)."""
    rows = wave.shape[1] // period
    return wave[:, : rows * period].reshape(len(wave), 1, rows, period)


def discriminator_loss(recorded: Heard, made: Heard) -> Tensor:
    """Loss of the adversary: it should say 1 of what was recorded and 0 of what was made; ()."""
    each = [
        (a[-1].float() - 1).square().mean() + b[-1].float().square().mean() for a, b in zip(recorded, made, strict=True)
    ]
    return torch.stack(each).mean()


def generator_losses(recorded: Heard, made: Heard) -> tuple[Tensor, Tensor]:
    """Losses of the vocoder: it should be taken for a recording, and look like one in all layers; () each."""
    verdicts = torch.stack([(b[-1].float() - 1).square().mean() for b in made]).mean()
    pairs = [
        (a.float().detach(), b.float())
        for x, y in zip(recorded, made, strict=True)
        for a, b in zip(x[:-1], y[:-1], strict=True)
    ]
    return verdicts, torch.stack([(a - b).abs().mean() / (a.abs().mean() + 1e-3) for a, b in pairs]).mean()
