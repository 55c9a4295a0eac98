"""A bidirectional LSTM with CTC (Graves et al. 2006 and 2013), the first network that learnt phones without times.

Three layers of 160 cells a direction, log-mels in, a frame every 10 ms; a checkpoint takes 3 MiB.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aligner_core.audio import MELS

from .cnn import SYMBOLS
from .windows import Windowed


@dataclass(frozen=True)
class BlstmConfig:
    """Sizes of the network; stored in its checkpoint.

    Args:
        cells: of each layer, for each direction.
        context: frames to either side of a window that are heard with it. Without end in theory; see `Blstm.reach`.
        dropout: probability between layers, while training.
    """

    cells: int = 160
    layers: int = 3
    context: int = 300
    dropout: float = 0.1
    symbols: tuple[str, ...] = SYMBOLS


class Blstm(Windowed):
    """The network.

    Shape:
        forward: normalised log-mels (batch, frames, MELS) -> logits (batch, frames, symbols)
    """

    config_type = BlstmConfig

    def __init__(self, config: BlstmConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or BlstmConfig()
        self.lstm = nn.LSTM(
            MELS, config.cells, config.layers, batch_first=True, bidirectional=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )  # fmt: skip
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(2 * config.cells, len(config.symbols))
        for name, bias in self.lstm.named_parameters():
            if name.startswith("bias_ih"):  # of the gates in, forget, cell, out: what is learnt early is remembered
                nn.init.ones_(bias.detach()[config.cells : 2 * config.cells])

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the output columns."""
        return self.config.symbols

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        self.lstm.flatten_parameters()  # a copied network is not flat, and cuDNN warns
        with torch.autocast(features.device.type, enabled=False):  # which would round the cells, too, at each step
            seen = self.lstm(features.float())[0]
        logits: Tensor = self.head(self.dropout(seen))
        return logits

    @property
    def reach(self) -> int:
        """Frames of context beside a window. All frames count in principle; after 3 s a cell has forgotten what it does
        not mean to keep, so that windows differ little from the whole: benchmarks.acoustics says how little."""
        return self.config.context
