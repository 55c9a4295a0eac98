"""What `cnn` is, but for the network itself: its symbols and its sizes, for those who run it in another way."""

from __future__ import annotations

from dataclasses import dataclass

from aligner_core.phones import PHONES

SILENCE, MUSIC = "sil", "music"
SYMBOLS = (SILENCE, *PHONES, MUSIC)  # [0] is silence, and the blank of CTC; the last, music without a voice
EDGES = ("start", "end", "inner")  # of a word, of a word, and from one phone of a word to the next
EDGE_KERNELS = (9, 9, 9)  # of the blocks of the head for edges
CHAINED = 100  # frames beside a window after which transitions have forgotten it


@dataclass(frozen=True)
class CnnConfig:
    """Sizes of the network; stored in its checkpoint.

    Args:
        width: channels throughout.
        kernels: one trunk block each, its frames of 20 ms under the depth-wise convolution.
        expansion: hidden channels of a block as a multiple of `width`.
        dropout: probability, while training.
        edge_width: channels of the head for edges; 0 for a network without one.
        chained: the network has learnt transitions between symbols (`aligner_core.asg`).
    """

    width: int = 288
    kernels: tuple[int, ...] = (9, 9, 15, 15, 21, 21, 31, 31, 31, 21, 21, 15, 9)
    expansion: int = 3
    dropout: float = 0.1
    symbols: tuple[str, ...] = SYMBOLS
    edge_width: int = 0
    chained: bool = False

    @property
    def reach(self) -> int:
        """Frames to either side that an output frame depends on, rounded up to an even number."""
        beside = (sum(k // 2 for k in EDGE_KERNELS) if self.edge_width else 0) + (CHAINED if self.chained else 0)
        return 2 * sum(k // 2 for k in self.kernels) + 16 + beside

    @property
    def columns(self) -> int:
        """Of what the network hears: symbols, then edges."""
        return len(self.symbols) + (len(EDGES) if self.edge_width else 0)
