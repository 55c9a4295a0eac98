"""Networks of others, as torchaudio builds them: wav2vec 2.0 with CTC over letters instead of phones.

They see the wave, not log-mels, a frame every 20 ms, and all of it at once; here it is given to them in windows with
context, and each of their frames counts for two of ours, so that what is weighed per frame keeps its weight.
"""

from __future__ import annotations

import http.client
import sys
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from aligner_core.audio import FRAME_SECONDS, HOP, SAMPLE_RATE
from aligner_core.errors import WeightsError
from aligner_core.spelling import LETTERS
from aligner_core.spool import Spool
from aligner_core.weights import FOREIGN, Foreign

BLANK, STAR = "-", "*"
SYMBOLS = (BLANK, *LETTERS)
DOUBLE = 2  # frames of ours to one of theirs
STRIDE = DOUBLE * HOP  # samples from one of their frames to the next
FIELD = 400  # samples that one sees at least
EARLY = (FIELD - STRIDE // DOUBLE) // 2  # samples before the first of ours: their frame lies amid the two it counts for
WINDOW, CONTEXT = 1500, 200  # frames of theirs: 30 s at a time, with 4 s to either side


class Speller(nn.Module):
    """An `AcousticModel` that hears letters: `symbols` are CTC's blank, which counts as silence, a-z and '.

    Args:
        network: waves (batch, samples) to (batch, 1 + (samples - FIELD) // STRIDE, labels), and something else.
        labels: of its columns, in any case; what is not a letter of ours counts as silence, word boundaries too, but
            for the star, which is as likely as anything, always, and tells nothing.
    """

    symbols = SYMBOLS
    sample_rate = SAMPLE_RATE
    frame_seconds = FRAME_SECONDS

    def __init__(self, network: nn.Module, labels: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        column = {label.lower(): at for at, label in enumerate(labels) if label != STAR}
        letters = [column.pop(letter) for letter in LETTERS]
        self.order, self.silent = [*column.values(), *letters], len(column)

    def log_probs(self, wave: Tensor, progress: Callable[[float], None] | None = None) -> Tensor:
        """See `AcousticModel`."""
        return self.log_probs_of([wave], progress)

    @torch.inference_mode()
    def log_probs_of(self, blocks: Iterable[Tensor], progress: Callable[[float], None] | None = None) -> Tensor:
        """See `AcousticModel`; memory does not grow with the length of the sound but for what comes out."""
        with Spool(blocks) as wave:
            frames = 1 + wave.samples // HOP
            out = torch.empty(frames, len(SYMBOLS))
            theirs = -(-frames // DOUBLE)
            for begin in range(0, theirs, WINDOW):
                end = min(begin + WINDOW, theirs)
                heard = self._window(wave, begin, end, theirs).repeat_interleave(DOUBLE, 0)
                out[begin * DOUBLE : end * DOUBLE] = heard[: frames - begin * DOUBLE]
                if progress:
                    progress(end / theirs)
        return out

    def _window(self, wave: Spool, begin: int, end: int, frames: int) -> Tensor:
        """Their frames `begin` to `end` of so many, (end - begin, symbols)."""
        first, last = max(begin - CONTEXT, 0), min(end + CONTEXT, frames)
        part = wave.part(first * STRIDE - EARLY, (last - 1) * STRIDE - EARLY + FIELD)
        scores, _ = self.network(part.to(next(self.parameters()).device))
        known = scores[0, begin - first : end - first, self.order].float().log_softmax(-1).cpu()
        return torch.cat([known[:, : self.silent].logsumexp(1, keepdim=True), known[:, self.silent :]], 1)


def fetched(name: str) -> Speller:
    """The network of this name in `FOREIGN`; its weights come from where torch.hub keeps them, or from the web.

    Raises:
        WeightsError: they cannot be fetched, or are damaged.
    """
    import torchaudio

    known = FOREIGN[name]
    _fetch(known)
    bundle = getattr(torchaudio.pipelines, known.bundle)
    place = {"model_dir": str(known.path.parent), "file_name": known.path.name}
    try:
        network = bundle.get_model(dl_kwargs={**place, "weights_only": True, "map_location": "cpu"})
    except Exception as error:  # there is nothing that a damaged file may not raise
        hint = "delete it, and it is fetched anew"
        raise WeightsError(f"damaged, or not the weights of {known.bundle}", str(known.path), hint) from error
    return Speller(network, bundle.get_labels())


def _fetch(known: Foreign) -> None:
    if known.path.is_file():
        return
    shown = sys.stderr is not None and sys.stderr.isatty()
    try:
        known.path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(known.url, str(known.path), progress=shown)
    except (OSError, http.client.HTTPException) as error:  # what urllib raises is an OSError
        reason = getattr(error, "reason", None) or error
        reason = getattr(reason, "strerror", None) or reason
        hint = f"put it at {known.path}, or try again online: {known.size}"
        raise WeightsError(f"cannot be fetched: {reason or type(error).__name__}", known.url, hint) from error
