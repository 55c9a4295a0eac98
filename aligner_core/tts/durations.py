"""How long each phone lasts: a recurrent network on what the acoustic model's encoder makes of the line.

It gives logarithms in standard deviations from the mean of each phone; `rounded` makes whole frames of them that last
exactly as long as they should.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from aligner_core.errors import AlignmentError

from .acoustic import PAUSE, SYMBOLS

CONSONANT = 2  # least frames of one, where there is room


@dataclass(frozen=True)
class DurationConfig:
    """Sizes of the network; stored in its checkpoint.

    Args:
        inputs: channels of the encoder.
        width: of each direction.
    """

    symbols: tuple[str, ...] = SYMBOLS
    inputs: int = 256
    width: int = 128
    layers: int = 2
    dropout: float = 0.2


class Durations(nn.Module):
    """Two directions of GRUs, and what their numbers mean in frames.

    Shape:
        encoded (batch, phones, inputs), lengths (batch,) on the CPU -> (batch, phones)
    """

    config_type = DurationConfig
    mean: Tensor
    deviation: Tensor

    def __init__(self, config: DurationConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or DurationConfig()
        self.gru = nn.GRU(
            c.inputs, c.width, c.layers, batch_first=True, bidirectional=True,
            dropout=c.dropout if c.layers > 1 else 0.0,
        )  # fmt: skip
        self.dropout = nn.Dropout(c.dropout)
        self.out = nn.Linear(2 * c.width, 1)
        self.register_buffer("mean", torch.full((len(c.symbols),), 2.0))  # of log(1 + frames), by phone
        self.register_buffer("deviation", torch.ones(len(c.symbols)))

    def forward(self, encoded: Tensor, lengths: Tensor) -> Tensor:
        """See the class."""
        packed = pack_padded_sequence(self.dropout(encoded), lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=encoded.shape[1])
        return cast(Tensor, self.out(self.dropout(hidden))[..., 0])

    def normal(self, phones: Tensor, frames: Tensor) -> Tensor:
        """Frames of phones, the same shape, to what the network should give."""
        return (torch.log1p(frames.float()) - self.mean[phones]) / self.deviation[phones]

    def frames(self, phones: Tensor, normal: Tensor) -> Tensor:
        """What the network gives to frames, not whole: the inverse of `normal`, within 5 deviations."""
        return torch.expm1(normal.clamp(-5, 5) * self.deviation[phones] + self.mean[phones]).clamp(min=0)


def least(phone: str) -> int:
    """Frames that a phone lasts where there is room."""
    return CONSONANT if phone != PAUSE and not phone[-1].isdigit() else 1


def rounded(phones: Sequence[str], durations: Sequence[float], total: int | None = None) -> list[int]:
    """Whole frames for each phone, 1 or more, consonants 2 or more where there is room.

    Boundaries are rounded, not lengths, so that errors don't add up. What is above the least length is stretched or
    pressed to fill `total`.

    Args:
        durations: frames, not whole.
        total: of the line; without it what the durations add up to.

    Raises:
        AlignmentError: there are more phones than frames.
    """
    low = [least(phone) for phone in phones]
    if total is not None and sum(low) > total:
        low = [1] * len(phones)
        if len(phones) > total:
            raise AlignmentError(f"{len(phones)} sounds do not fit into {total} frames", hint="10 ms for each")
    above = [max(value - base, 0.0) for value, base in zip(durations, low, strict=True)]
    spare = sum(above) if total is None else total - sum(low)
    if sum(above) <= 0:
        above = [1.0] * len(above)
    scale = spare / max(sum(above), 1e-9)
    ends = [round(at * scale) for at in accumulate(above)]
    if ends and total is not None:
        ends[-1] = total - sum(low)  # whatever the sum of floats says
    return [base + b - a for base, a, b in zip(low, [0, *ends], ends, strict=False)]
