"""What the engine is worth: our network read by nothing but one plain CTC path."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from aligner_core import acoustic, audio
from aligner_core.graph import Graph
from aligner_core.recognise import voices
from aligner_core.timeline import Alignment
from aligner_core.tree import token
from aligner_core.viterbi import Path, quantize, viterbi
from benchmarks.peers import Span, timed


class PlainPath:
    """Our released network, read by one plain CTC path over the first pronunciation of each word, and nothing else."""

    def __init__(self) -> None:
        self._model = acoustic.load(None, "cpu")

    def align_wave(self, wave: NDArray[np.float32], rate: int, lyrics: Alignment) -> Alignment:
        """Time words; words without a sound have no time.

        Shape:
            wave: (samples,)

        Raises:
            AlignmentError: the text needs more frames than there are.
        """
        model = self._model
        table = voices(model.log_probs(audio.resample(torch.from_numpy(wave), rate)), model.symbols)
        said = [[model.symbols.index(phone) for phone in first_phones(word.text)] for word in lyrics.words]
        path = viterbi(quantize(table.numpy()), Graph.ctc([phone for word in said for phone in word]))
        return timed(lyrics, of_path(path, [len(word) for word in said], model.frame_seconds))


def first_phones(text: str) -> list[str]:
    """Of a written word, in the first of the ways to say it."""
    return [phone for words in token(text).readings[:1] for ways in words for phone in ways[0]]


def of_path(path: Path, counts: Sequence[int], frame: float) -> dict[int, Span]:
    """When each word is said on a path through `Graph.ctc`, by its place; `counts` are the labels of each."""
    edges = zip(path.states.tolist(), path.starts.tolist(), path.ends.tolist(), strict=True)
    known = {state // 2: (start, end) for state, start, end in edges if state % 2}
    out, at = {}, 0
    for place, count in enumerate(counts):
        if count:
            out[place] = known[at][0] * frame, known[at + count - 1][1] * frame
        at += count
    return out
