"""Labels for voices that have only text: the model's own best path through each utterance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import torch
from torch import Tensor

from aligner_core.acoustic.cnn import SYMBOLS
from aligner_core.acoustic.windows import Windowed
from aligner_core.audio import HOP, log_mel, normalise
from aligner_core.costs import NEUTRAL
from aligner_core.evidence import evidence
from aligner_core.lattice import Columns, Lattice, Visit, lattice
from aligner_core.viterbi import quantize, viterbi_batch

from .data import Corpus, Pronunciations, Utterance

COLUMNS = Columns({name: i for i, name in enumerate(SYMBOLS)})
GROUP = 128  # utterances to a launch


@torch.inference_mode()
def utterance_log_probs(model: Windowed, features: Tensor) -> Tensor:
    """Normalised features (frames, MELS) -> (frames, symbols)."""
    return heard(model, features)[0]


@torch.inference_mode()
def heard(model: Windowed, features: Tensor) -> tuple[Tensor, Tensor | None]:
    """Normalised features (frames, MELS) -> log-probabilities (frames, symbols), and the log-odds of edges
    (frames, kinds) if the model has a head for them."""
    with torch.autocast(features.device.type, torch.bfloat16):
        table = model.table(features[None])[0].float()
    count = len(model.symbols)
    return table[:, :count], table[:, count:] if table.shape[1] > count else None


def best_visits(
    utterances: Sequence[Utterance], log_probs: Sequence[Tensor], min_frames: int = 3
) -> Iterator[list[Visit]]:
    """The best path of each utterance; an empty list where its words do not fit.

    Args:
        log_probs: (frames, symbols) of each.
        min_frames: least frames of a phone.
    """
    for begin in range(0, len(utterances), GROUP):
        group = utterances[begin : begin + GROUP]
        scores = [_scores(x) for x in log_probs[begin : begin + GROUP]]
        lattices = [_fitting(u, len(s), min_frames) for u, s in zip(group, scores, strict=True)]
        lengths = [len(s) for s in scores]
        padded = torch.nn.utils.rnn.pad_sequence(scores, batch_first=True)
        known = [i for i, x in enumerate(lattices) if x is not None]
        graphs = [x.graph for x in lattices if x is not None]
        paths = iter(viterbi_batch(padded[known], [lengths[i] for i in known], graphs, padded.device))
        for found in lattices:
            yield [] if found is None else found.visits(next(paths))


def _scores(log_probs: Tensor) -> Tensor:
    """int32 (frames, symbols), where the log-probabilities are."""
    return torch.from_numpy(quantize(evidence(log_probs.cpu(), SYMBOLS, NEUTRAL))).to(log_probs.device)


def _fitting(utterance: Utterance, frames: int, min_frames: int) -> Lattice | None:
    found, needed = _lattice(utterance.words, min_frames)
    return found if needed <= frames else None


@cache
def _lattice(words: tuple[Pronunciations, ...], min_frames: int) -> tuple[Lattice, int]:
    found = lattice([[((word,),) for word in words]], COLUMNS, min_frames)
    return found, found.graph.frames_needed


def visit_labels(visits: Sequence[Visit], frames: int) -> Tensor:
    """int16 (frames,): the phone of each visit, silence elsewhere."""
    labels = torch.zeros(frames, dtype=torch.int16)
    for visit in visits:
        labels[visit.start : visit.end] = visit.column
    return labels


def realign(model: Windowed, corpus: Corpus, indices: Sequence[int]) -> float:
    """Give these utterances of the corpus the labels of their best path; the share that fitted."""
    done = 0
    for begin in range(0, len(indices), GROUP):
        group = indices[begin : begin + GROUP]
        log_probs = [utterance_log_probs(model, normalise(log_mel(corpus.wave(i)))) for i in group]
        utterances = [corpus.utterances[i] for i in group]
        for i, visits in zip(group, best_visits(utterances, log_probs), strict=True):
            if visits:
                corpus.relabel(i, visit_labels(visits, 1 + len(corpus.utterances[i].wave) // HOP))
                done += 1
    return done / max(len(indices), 1)
