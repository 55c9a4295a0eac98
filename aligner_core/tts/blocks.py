"""What encoder and decoder are made of: attention over the whole line, then convolutions over the neighbourhood.

Padding never counts: it is hidden from attention, enters no statistics, and is zero where a convolution could see it.
Masks are bool (batch, length), true where there is something.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class MaskedBatchNorm(nn.Module):
    """Batch normalisation (Ioffe and Szegedy, arXiv 1502.03167) over what is real, in float32.

    Shape:
        (batch, width, length), mask (batch, length) -> the same, zero where the mask is false
    """

    running_mean: Tensor
    running_var: Tensor
    seen: Tensor

    def __init__(self, width: int, momentum: float | None = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """See the class."""
        real = mask[:, None].float()
        mean, var = self._of_batch(x.float(), real) if self.training else (self.running_mean, self.running_var)
        scale = self.weight * (var + self.eps).rsqrt()
        out = (x * scale[:, None] + (self.bias - mean * scale)[:, None]) * real
        return out.to(x.dtype)

    def _of_batch(self, x: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        count = real.sum().clamp(min=1.0)
        mean = (x * real).sum((0, 2)) / count
        var = ((x - mean[:, None]).square() * real).sum((0, 2)) / count
        with torch.no_grad():
            self.seen += 1
            share = 1 / self.seen if self.momentum is None else self.momentum
            self.running_mean += (mean - self.running_mean) * share
            self.running_var += (var * count / (count - 1).clamp(min=1.0) - self.running_var) * share
        return mean, var


def restart_statistics(model: nn.Module) -> None:
    """Make every `MaskedBatchNorm` take the plain mean over all batches from now on, and train: nothing else does."""
    model.eval()
    for module in model.modules():
        if isinstance(module, MaskedBatchNorm):
            module.momentum = None
            module.seen.zero_()
            module.train()


class ConvBlock(nn.Module):
    """A convolution, batch normalisation and a non-linearity, added to what came in.

    Shape:
        (batch, length, width), mask (batch, length) -> the same
    """

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, bias=False)
        self.norm = MaskedBatchNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """See the class."""
        y = self.norm(self.conv(x.transpose(1, 2)), mask)
        residual: Tensor = self.dropout(nn.functional.gelu(y)).transpose(1, 2)
        return x + residual


class Layer(nn.Module):
    """A Transformer encoder layer (torch's own), then a convolutional block.

    Shape:
        (batch, length, width), mask (batch, length) -> the same, zero where the mask is false
    """

    def __init__(self, width: int, heads: int, inner: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.TransformerEncoderLayer(
            width, heads, inner, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.block = ConvBlock(width, kernel, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """See the class."""
        x = self.attention(x, src_key_padding_mask=~mask) * mask[..., None]
        return cast(Tensor, self.block(x, mask))


class Stack(nn.Module):
    """Positions, learned and added, then `Layer`s.

    What lies beyond the longest position has that one's: a line is never too long.

    Shape:
        (batch, length, width), mask (batch, length) -> the same, zero where the mask is false
    """

    def __init__(
        self, width: int, heads: int, inner: int, kernel: int, layers: int, positions: int, dropout: float
    ) -> None:
        super().__init__()
        # Zero, as positions that no line of the training data reaches keep what they begin with.
        self.positions = nn.Parameter(torch.zeros(positions, width))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(width, heads, inner, kernel, dropout) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """See the class."""
        place = torch.arange(x.shape[1], device=x.device).clamp(max=len(self.positions) - 1)
        x = self.dropout(x + self.positions[place]) * mask[..., None]
        for layer in self.layers:
            x = layer(x, mask)
        return x
