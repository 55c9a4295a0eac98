"""What every network over log-mels shares: sound of any length is looked at as a whole, and heard window by window."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from aligner_core.audio import DYNAMIC_RANGE, FRAME_SECONDS, MELS, SAMPLE_RATE, log_mel_blocks
from aligner_core.spool import Rows

WINDOW_FRAMES = 3000  # that a network gives at a time; even, as networks may work on pairs of frames


class Windowed(nn.Module):
    """A network that looks at normalised log-mels; a subclass adds `symbols`, `reach` and `forward`, and is then an
    `AcousticModel`.

    Shape:
        forward: (batch, frames, MELS) -> logits (batch, frames, symbols)
    """

    @property
    @abstractmethod
    def symbols(self) -> tuple[str, ...]:
        """Names of the output columns."""

    @property
    @abstractmethod
    def reach(self) -> int:
        """Frames to either side that an output frame depends on, rounded up to an even number."""

    def hear(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """As `forward`, and the log-odds of edges (batch, frames, kinds) of a network that has a head for them."""
        return self(features), None

    @property
    def width(self) -> int:
        """Columns of what is heard."""
        return len(self.symbols)

    def table(self, features: Tensor) -> Tensor:
        """What is heard in normalised log-mels: (batch, frames, MELS) -> (batch, frames, width)."""
        return self(features).float().log_softmax(-1)  # type: ignore[no-any-return]

    @property
    def sample_rate(self) -> int:
        """Hz of the wave that `log_probs` takes."""
        return SAMPLE_RATE

    @property
    def frame_seconds(self) -> float:
        """Seconds from one output frame to the next."""
        return FRAME_SECONDS

    def log_probs(self, wave: Tensor, progress: Callable[[float], None] | None = None) -> Tensor:
        """`log_probs_of` a wave (samples,) in one block."""
        return self.log_probs_of([wave], progress)

    @torch.inference_mode()
    def log_probs_of(self, blocks: Iterable[Tensor], progress: Callable[[float], None] | None = None) -> Tensor:
        """What is heard, (frames, width) on the CPU, in sound in blocks (samples,); see `AcousticModel`.

        Reads all the sound, as its level decides what counts; then the network works through it in windows with all
        the context that a frame depends on, so that the result is that of the whole.
        """
        device = next(self.parameters()).device
        with Rows(MELS) as rows:
            mels = _Mels(rows, log_mel_blocks(blocks, device))
            out = torch.empty(mels.frames, self.width)
            for begin in range(0, mels.frames, WINDOW_FRAMES):
                end, before = min(begin + WINDOW_FRAMES, mels.frames), min(begin, self.reach)
                features = mels.normalised(begin - before, end + self.reach).to(device)
                out[begin:end] = self.table(features[None])[0, before : before + end - begin]
                if progress:
                    progress(end / mels.frames)
        return out


class _Mels:
    """The log-mels of a whole sound, and what `audio.normalise` would take out of them.

    Args:
        rows: none yet; where they are kept.
        blocks: log-mels (frames, MELS), one or more.
    """

    def __init__(self, rows: Rows, blocks: Iterable[Tensor]) -> None:
        self.rows, loudest = rows, -float("inf")
        for block in blocks:
            loudest = max(loudest, float(block.max()))
            rows.write(block.cpu())
        self.floor = loudest - DYNAMIC_RANGE
        total, squares = torch.zeros(MELS, dtype=torch.float64), 0.0
        for begin in range(0, self.frames, WINDOW_FRAMES):
            above = self._above_floor(begin, begin + WINDOW_FRAMES)
            total += above.sum(0)
            squares += float(above.square().sum(dtype=torch.float64))
        mean = total / self.frames
        variance = squares / self.frames / MELS - float(mean.square().mean())
        self.mean, self.deviation = mean.float(), max(variance, 0.0) ** 0.5

    def normalised(self, begin: int, end: int) -> Tensor:
        """`audio.normalise` of all, frames `begin` to `end` of it: (frames, MELS)."""
        return self._above_floor(begin, end).sub_(self.mean).div_(max(self.deviation, 1e-2))

    @property
    def frames(self) -> int:
        """How many there are."""
        return self.rows.count

    def _above_floor(self, begin: int, end: int) -> Tensor:
        return self.rows.read(begin, end).sub_(self.floor).clamp_(min=0)
