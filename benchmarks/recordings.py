"""Recordings with known word times, read once and heard by many models; and the plain path of a model through each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner_core.acoustic import AcousticModel
from aligner_core.costs import NEUTRAL, SPELLED, Decoding
from aligner_core.edges import refine
from aligner_core.evidence import columns, spells, weighed
from aligner_core.lattice import Lattice, Visit, lattice
from aligner_core.phones import PHONES
from aligner_core.timeline import Alignment
from aligner_core.training.data import Entry, decode, manifest
from aligner_core.training.held_out import SINGING_FRAMES, SPEECH_FRAMES
from aligner_core.tree import token
from aligner_core.viterbi import viterbi_batch
from benchmarks import packs

Floats = NDArray[np.float64]
Span = tuple[float, float]
SONG_FRAMES = 5  # least frames of a phone of a song
TOGETHER = 128  # paths that are looked for at once


@dataclass(frozen=True, eq=False)
class Recording:
    """A sound, its words and their times.

    Args:
        wave: int16 (samples,).
        phones: what was said, where that is known.
    """

    key: str
    wave: NDArray[np.int16]
    reference: Alignment
    phones: tuple[str, ...] = ()

    @property
    def samples(self) -> Tensor:
        """float32 (samples,)."""
        return torch.from_numpy(self.wave).float() / 32768

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return len(self.wave) / packs.SAMPLE_RATE

    @property
    def spans(self) -> Floats:
        """(words, 2) seconds, start and end of each word."""
        return np.array([(word.start, word.end) for word in self.reference.words], float).reshape(-1, 2)


def read(
    path: Path, start: str = "", limit: int | None = None, workers: int = 1, *, spread: bool = False
) -> list[Recording]:
    """The recordings of a pack in its order, those whose id begins with `start`; at most `limit` of them, the first or,
    `spread`, from all over the pack."""
    entries = [entry for entry in manifest([path]) if entry.row["id"].startswith(start)]
    count = min(len(entries), len(entries) if limit is None else limit)
    entries = [entries[at * len(entries) // count if spread else at] for at in range(count)]
    sounds = decode(entries, workers)
    return [_recording(entry, sound.wave) for entry, sound in zip(entries, sounds, strict=True)]


def _recording(entry: Entry, wave: NDArray[np.int16]) -> Recording:
    row: dict[str, Any] = entry.row
    if "seg" not in row:
        return Recording(row["id"], wave, packs.song(row["words"]))
    phones = tuple(name for word, name, *_ in row["seg"] if word >= 0 and name in PHONES)
    return Recording(row["id"], wave, packs.speech(row), phones)


@dataclass(frozen=True)
class Way:
    """How a pack is aligned: how the posteriors are weighed, and the least frames of a phone."""

    decoding: Decoding
    least: int

    @classmethod
    def of(cls, pack: str, model: AcousticModel) -> Way:
        """Songs as the aligner weighs them but with one least length, the rest as it is heard."""
        if spells(model.symbols):
            return cls(SPELLED, 1)
        if pack == "songs":
            return cls(Decoding(), SONG_FRAMES)
        return cls(NEUTRAL, SINGING_FRAMES if pack == "sung" else SPEECH_FRAMES)


def paths(
    recordings: Sequence[Recording], tables: Sequence[Tensor], model: AcousticModel, way: Way, device: str
) -> Iterator[list[Visit]]:
    """The phones of the best path through each recording; none where the words do not fit.

    Args:
        tables: (frames, symbols or more) that the model heard in each.
    """
    symbols = tuple(model.symbols)
    for begin in range(0, len(recordings), TOGETHER):
        group = slice(begin, begin + TOGETHER)
        scores = [torch.from_numpy(weighed(x[:, : len(symbols)], symbols, way.decoding)) for x in tables[group]]
        nets = [_net(recording.reference, symbols, way.least) for recording in recordings[group]]
        fit = [i for i, (net, x) in enumerate(zip(nets, scores, strict=True)) if net.graph.frames_needed <= len(x)]
        visits: dict[int, list[Visit]] = {at: [] for at in range(len(nets))}
        if fit:
            padded = torch.nn.utils.rnn.pad_sequence([scores[i] for i in fit], batch_first=True).int().to(device)
            found = viterbi_batch(padded, [len(scores[i]) for i in fit], [nets[i].graph for i in fit], device)
            visits |= {i: nets[i].visits(path) for i, path in zip(fit, found, strict=True)}
        yield from visits.values()


@cache
def _net(reference: Alignment, symbols: tuple[str, ...], least: int) -> Lattice:
    spelled = spells(symbols)
    lines = [[token(word.text, spelled).readings for word in line.words] for line in reference.lines]
    return lattice(lines, columns(symbols), least)


def words(visits: Sequence[Visit], frame: float, edges: Tensor | None = None) -> dict[int, Span]:
    """Start and end in seconds of each word on a path by its place in the text; with the log-odds of edges, refined."""
    places = [(visit.start, visit.end) for visit in visits] if edges is None else refine(visits, edges)
    found: dict[int, Span] = {}
    for visit, (start, end) in zip(visits, places, strict=True):
        first = found.get(visit.token, (start * frame, 0.0))[0]
        found[visit.token] = (first, end * frame)
    return found


def late(recording: Recording, found: dict[int, Span]) -> Floats:
    """(words, 2) seconds by which starts and ends are late; inf for a word that was not found."""
    nowhere = (np.inf, np.inf)
    times = np.array([found.get(at, nowhere) for at in range(len(recording.spans))]).reshape(-1, 2)
    return times - recording.spans
