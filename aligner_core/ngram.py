"""How likely a sound is after those before it: an n-gram model, counted from rows of sounds, for `recognise`.

Counts are mixed with the shorter model below them (Witten and Bell's way, with a constant weight), down to one that
thinks all sounds alike, so nothing is impossible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .errors import AlignmentError

START = 0  # stands before the first sound: the blank, which no row holds
WEIGHT = 5.0  # sounds that the shorter model counts for
LARGEST = 2**24  # cells of a table


@dataclass(frozen=True, eq=False)
class NGram:
    """A model of rows of symbols.

    Args:
        order: sounds that it looks at, the one that is said included.
        table: log-probability (contexts, symbols) of a symbol after a context: the number that the `order` - 1 symbols
            before it are in the system of base `symbols`, the last one its last digit; `START` where there is none.
    """

    order: int
    table: Tensor

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], symbols: int, order: int = 3) -> NGram:
        """Counted from rows of symbols from 1 to `symbols` - 1.

        Raises:
            AlignmentError: the order is not at least 1, or the table would be larger than `LARGEST`.
        """
        if order < 1 or symbols**order > LARGEST:
            raise AlignmentError(f"an n-gram model of order {order} over {symbols} symbols", hint="1 to 3 for phones")
        below = torch.full((1, symbols), 1 / (symbols - 1), dtype=torch.float64)
        below[:, START] = 0
        for size in range(1, order + 1):
            counts = torch.zeros(symbols ** (size - 1) * symbols, dtype=torch.float64)
            places = torch.tensor([place for row in rows for place in _places(row, symbols, size)], dtype=torch.long)
            counts.index_add_(0, places, torch.ones(len(places), dtype=torch.float64))
            counts = counts.reshape(-1, symbols)
            spread = below.repeat(len(counts) // len(below), 1)  # a context without its first symbol
            below = (counts + WEIGHT * spread) / (counts.sum(1, keepdim=True) + WEIGHT)
        return cls(order, below.log().float())

    def scaled(self, weight: float) -> NGram:
        """The model with its log-probabilities times this, for a search in which sounds are worth more or less."""
        return replace(self, table=self.table * weight)

    def score(self, row: Sequence[int]) -> float:
        """Log-probability of a row of symbols."""
        places = _places(row, self.table.shape[1], self.order)
        return float(self.table.flatten()[places].sum()) if row else 0.0

    def following(self, context: Tensor, label: Tensor) -> Tensor:
        """The contexts after these labels: (...,), (...,) -> (...,)."""
        return (context * self.table.shape[1] + label) % len(self.table)


def _places(row: Sequence[int], symbols: int, size: int) -> list[int]:
    """Where in the flat table each symbol of a row is."""
    out, context = [], 0
    for symbol in row:
        out.append(context * symbols + symbol)
        context = (context * symbols + symbol) % symbols ** (size - 1)
    return out
