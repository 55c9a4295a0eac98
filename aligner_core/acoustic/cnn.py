"""The CNN-CTC acoustic model: a one-dimensional convolutional network from log-mels to phones, a frame every 10 ms.

A stem at 100 frames a second, a trunk of ConvNeXt blocks (Liu et al. 2022, arXiv 2201.03545) at 50, and a skip
connection back to 100, so that edges stay sharp while the trunk looks at seconds of context. A second, small head may
say where words and phones begin and end.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aligner_core.asg import log_shares
from aligner_core.audio import MELS

from .cnn_sizes import CHAINED, EDGE_KERNELS, EDGES, MUSIC, SILENCE, SYMBOLS, CnnConfig
from .windows import Windowed

__all__ = ["CHAINED", "EDGES", "MUSIC", "SILENCE", "SYMBOLS", "Block", "CnnConfig", "CnnCtc", "EdgeHead"]


class Block(nn.Module):
    """Depth-wise convolution over time, then two point-wise layers, added to what came in.

    Shape:
        (batch, width, frames) -> the same
    """

    def __init__(self, width: int, kernel: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, expansion * width)
        self.narrow = nn.Linear(expansion * width, width)
        self.dropout = nn.Dropout(dropout)
        self.scale = nn.Parameter(torch.full((width,), 0.1))  # starts every block close to the identity

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y = self.norm(self.depthwise(x).transpose(1, 2))
        y = self.narrow(nn.functional.gelu(self.widen(y)))
        residual: Tensor = self.dropout(y) * self.scale
        return x + residual.transpose(1, 2)


class EdgeHead(nn.Module):
    """How likely an edge of each kind of `EDGES` lies at a frame, from the sound itself and what the trunk makes of it.

    An edge between two frames counts for both, the nearer one more: the probabilities around it sum to one.

    Shape:
        log-mels (batch, frames, MELS), embedded (batch, frames, width) -> log-odds (batch, frames, len(EDGES))
    """

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.sound = nn.Conv1d(MELS, inner, 5, padding=2)
        self.heard = nn.Conv1d(width, inner, 1)
        self.blocks = nn.Sequential(*(Block(inner, k, 2, dropout) for k in EDGE_KERNELS))
        self.norm = nn.LayerNorm(inner)
        self.out = nn.Linear(inner, len(EDGES))
        nn.init.constant_(self.out.bias, -3.0)  # edges are rare

    def forward(self, features: Tensor, embedded: Tensor) -> Tensor:
        """See the class."""
        x = self.sound(features.transpose(1, 2)) + self.heard(embedded.transpose(1, 2))
        log_odds: Tensor = self.out(self.norm(self.blocks(nn.functional.gelu(x)).transpose(1, 2)))
        return log_odds


class CnnCtc(Windowed):
    """The network.

    Shape:
        forward: normalised log-mels (batch, frames, MELS) -> logits (batch, frames, symbols)
    """

    config_type = CnnConfig

    def __init__(self, config: CnnConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CnnConfig()
        width = config.width
        self.stem = nn.Sequential(
            nn.Conv1d(MELS, width, 5, padding=2), nn.GELU(), nn.Conv1d(width, width, 5, padding=2, groups=width)
        )
        self.down = nn.Conv1d(width, width, 4, stride=2, padding=1)
        self.trunk = nn.Sequential(*(Block(width, k, config.expansion, config.dropout) for k in config.kernels))
        self.up = nn.Conv1d(width, 2 * width, 1)  # two frames of 10 ms out of each of 20 ms
        self.edge = Block(width, 9, 2, config.dropout)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, len(config.symbols))
        self.edges = EdgeHead(width, config.edge_width, config.dropout) if config.edge_width else None
        count = len(config.symbols)
        self.transitions = nn.Parameter(torch.zeros(count, count)) if config.chained else None

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the output columns."""
        return self.config.symbols

    def embed(self, features: Tensor) -> Tensor:
        """Normalised log-mels (batch, frames, MELS) -> what the linear head sees, (batch, frames, width)."""
        frames = features.shape[1]
        fine = self.stem(features.transpose(1, 2))
        coarse = self.trunk(self.down(nn.functional.pad(fine, (0, frames % 2))))
        batch, width, half = coarse.shape
        spread = self.up(coarse).reshape(batch, 2, width, half).permute(0, 2, 3, 1).reshape(batch, width, 2 * half)
        fused: Tensor = self.norm(self.edge(fine + spread[:, :, :frames]).transpose(1, 2))
        return fused

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        logits: Tensor = self.head(self.embed(features))
        return logits

    def hear(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """As `forward`, and the log-odds of edges (batch, frames, len(EDGES)) if there is a head for them."""
        embedded = self.embed(features)
        return self.head(embedded), self.edges(features, embedded) if self.edges else None

    @property
    def width(self) -> int:
        """See `Windowed`."""
        return self.config.columns

    def table(self, features: Tensor) -> Tensor:
        """See `Windowed`; what is heard with transitions is each symbol's share of all paths."""
        logits, edges = self.hear(features)
        known = logits.float().log_softmax(-1)
        if self.transitions is not None:
            with torch.autocast(features.device.type, enabled=False):
                known = log_shares(known.transpose(0, 1), self.transitions).transpose(0, 1)
        return known if edges is None else torch.cat([known, edges.float()], -1)

    @property
    def reach(self) -> int:
        """See `Windowed`."""
        return self.config.reach
