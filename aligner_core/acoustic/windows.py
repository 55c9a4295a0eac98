"""What every network over log-mels shares: sound of any length is looked at as a whole, and heard window by window."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from aligner_core.audio import FRAME_SECONDS, MELS, SAMPLE_RATE, log_mel_blocks
from aligner_core.logmel import WINDOW_FRAMES, Mels
from aligner_core.spool import Rows

__all__ = ["WINDOW_FRAMES", "Windowed"]


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
            mels = Mels(rows, (block.cpu().numpy() for block in log_mel_blocks(blocks, device)))
            out = torch.empty(mels.frames, self.width)
            for window in mels.windows(self.reach, WINDOW_FRAMES):
                features = torch.from_numpy(window.features).to(device)
                out[window.begin : window.end] = self.table(features[None])[0, window.kept]
                if progress:
                    progress(window.end / mels.frames)
        return out
