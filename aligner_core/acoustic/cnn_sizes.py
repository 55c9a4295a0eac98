"""What `cnn` is, but for the network itself: its symbols and its sizes, for those who run it in another way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aligner_core.logmel import MELS
from aligner_core.phones import PHONES

SILENCE, MUSIC = "sil", "music"
SYMBOLS = (SILENCE, *PHONES, MUSIC)  # [0] is silence, and the blank of CTC; the last, music without a voice
EDGES = ("start", "end", "inner")  # of a word, of a word, and from one phone of a word to the next
EDGE_KERNELS = (9, 9, 9)  # of the blocks of the head for edges
CHAINED = 100  # frames beside a window after which transitions have forgotten it

Shapes = dict[str, tuple[int, ...]]


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

    @property
    def shapes(self) -> Shapes:
        """Of each weight, by its name in a checkpoint; without transitions."""
        width = self.width
        return {
            **_layer("stem.0", width, MELS, 5), **_layer("stem.2", width, 1, 5), **_layer("down", width, width, 4),
            **_blocks("trunk", width, self.kernels, self.expansion), **_layer("up", 2 * width, width, 1),
            **_block("edge", width, 9, 2), **_layer("norm", width), **_layer("head", len(self.symbols), width),
            **(_edge_head(width, self.edge_width) if self.edge_width else {}),
        }  # fmt: skip


def _layer(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _block(name: str, width: int, kernel: int, expansion: int) -> Shapes:
    return {
        f"{name}.scale": (width,), **_layer(f"{name}.depthwise", width, 1, kernel), **_layer(f"{name}.norm", width),
        **_layer(f"{name}.widen", expansion * width, width), **_layer(f"{name}.narrow", width, expansion * width),
    }  # fmt: skip


def _blocks(name: str, width: int, kernels: Sequence[int], expansion: int) -> Shapes:
    each = (_block(f"{name}.{at}", width, kernel, expansion) for at, kernel in enumerate(kernels))
    return {key: shape for one in each for key, shape in one.items()}


def _edge_head(width: int, inner: int) -> Shapes:
    return {
        **_layer("edges.sound", inner, MELS, 5), **_layer("edges.heard", inner, width, 1),
        **_blocks("edges.blocks", inner, EDGE_KERNELS, 2), **_layer("edges.norm", inner),
        **_layer("edges.out", len(EDGES), inner),
    }  # fmt: skip
