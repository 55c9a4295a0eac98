"""Sound packs: a zip of Ogg files with a manifest.jsonl, read once into tensors that stay on the device.

Each manifest line has `id`, `text`, `dur` (s) and, where known, `seg`: a list of [word index or -1, phone, start s,
end s] in which "sil" and "sp" are pauses and "spn" is noise; and `"edges": false` where these times are good enough
for frames but not for edges. What a pack does not know may lie beside it in NAME.labels.jsonl (`training.label`), with
`unsure`, the times (s) near which an edge is not known well.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner_core.acoustic.cnn import EDGES, SYMBOLS
from aligner_core.audio import FRAME_SECONDS, HOP, SAMPLE_RATE, mel_power
from aligner_core.errors import AudioError
from aligner_core.phones import base, pronounce
from aligner_core.text import readings

IGNORE = -1  # a frame whose label is not known: no loss there
UNSURE = len(EDGES)  # kind of an edge that is somewhere near
GAP = 0.05  # s; a rendered space shorter than this is not heard: it goes to its neighbours
FADED = 0.01  # of the loudest level of a word: 40 dB below it
SHORTEST = 0.03  # s of a phone that is cut short
Pronunciations = tuple[tuple[str, ...], ...]  # of one word, phones without stress


@dataclass(frozen=True)
class Utterance:
    """One recording.

    Args:
        key: pack and id.
        wave: int16 (samples,) at SAMPLE_RATE.
        words: the pronunciations of each spoken word.
        labels: int16 (frames,) symbol of each frame, or None: not known yet.
        edges: float32 (n, 2), frame and kind (a column of `EDGES`, or `UNSURE`) of each edge, not rounded; None: not
            known.
    """

    key: str
    wave: NDArray[np.int16]
    words: tuple[Pronunciations, ...]
    labels: NDArray[np.int16] | None
    edges: NDArray[np.float32] | None

    def times(self, kind: str) -> NDArray[np.float64]:
        """Seconds at which each word has its edge of this kind; empty where edges are not known."""
        known = np.zeros((0, 2), np.float32) if self.edges is None else self.edges
        frames: NDArray[np.float64] = known[known[:, 1] == EDGES.index(kind), 0].astype(np.float64)
        return frames * FRAME_SECONDS


@dataclass(frozen=True)
class Entry:
    """A recording that is not decoded yet: its pack, its line in the manifest, its words, and what lies beside the pack
    about it."""

    path: Path
    row: dict[str, Any]
    words: tuple[Pronunciations, ...]
    beside: dict[str, Any] = field(default_factory=dict)


def manifest(paths: Iterable[Path], limit: int | None = None) -> list[Entry]:
    """What these packs hold; `limit` takes that many of each."""
    entries = []
    for path in paths:
        known = labels_beside(path)
        entries += [Entry(path, row, _words(row["text"]), known.get(row["id"], {})) for row in rows(path)[:limit]]
    return entries


def rows(pack: Path) -> list[dict[str, Any]]:
    """The lines of a pack's manifest."""
    with zipfile.ZipFile(pack) as opened:
        return [json.loads(row) for row in opened.read("manifest.jsonl").decode().splitlines()]


def labels_beside(pack: Path) -> dict[str, dict[str, Any]]:
    """What lies beside a pack in NAME.labels.jsonl, by the recording's id; nothing if there is no such file."""
    path = pack.with_suffix(".labels.jsonl")
    if not path.exists():
        return {}
    known = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["id"]: row for row in known}


def sound(pack: Path, name: str) -> tuple[NDArray[np.float32], int]:
    """The wave (samples,) of one recording of a pack, and its rate in Hz."""
    import soundfile

    with zipfile.ZipFile(pack) as opened:
        wave, rate = soundfile.read(io.BytesIO(opened.read(f"{name}.ogg")), dtype="float32")
    return wave, rate


def decode(entries: Iterable[Entry], workers: int = 16) -> list[Utterance]:
    """The recordings with their sound, decoded with threads."""
    utterances = []
    for path, group in groupby(entries, key=lambda entry: entry.path):
        mine = list(group)
        with zipfile.ZipFile(path) as pack:
            sounds = [pack.read(f"{entry.row['id']}.ogg") for entry in mine]
        with ThreadPoolExecutor(workers) as pool:
            waves = list(pool.map(decoded, sounds, (f"{path}: {entry.row['id']}" for entry in mine)))
        utterances += [_utterance(entry, wave) for entry, wave in zip(mine, waves, strict=True)]
    return utterances


def read_packs(paths: Iterable[Path], workers: int = 16, limit: int | None = None) -> list[Utterance]:
    """All recordings of these packs; `limit` takes that many of each."""
    return decode(manifest(paths, limit), workers)


def decoded(sound: bytes, name: str, wanted: int = SAMPLE_RATE) -> NDArray[np.int16]:
    """The samples (samples,) of a sound file of one channel.

    Args:
        name: of the recording, for the message.
        wanted: its rate in Hz.

    Raises:
        AudioError: it has another rate, or more channels.
    """
    import soundfile

    wave, rate = soundfile.read(io.BytesIO(sound), dtype="int16")
    if rate != wanted or wave.ndim != 1:
        channels = 1 if wave.ndim == 1 else wave.shape[1]
        raise AudioError(f"{rate} Hz, channels: {channels}", name, f"this pack holds one channel at {wanted} Hz")
    return np.asarray(wave, dtype=np.int16)


def _utterance(entry: Entry, wave: NDArray[np.int16]) -> Utterance:
    row = entry.row if entry.row.get("seg") else entry.row | entry.beside
    segments = audible(row.get("seg") or [], wave)
    labels = frame_labels(segments, 1 + len(wave) // HOP) if segments else None
    edges = edge_labels(segments, row.get("unsure", ())) if segments and row.get("edges", True) else None
    return Utterance(f"{entry.path.stem}/{entry.row['id']}", wave, entry.words, labels, edges)


def _words(text: str) -> tuple[Pronunciations, ...]:
    return tuple(_pronunciations(word) for token in text.split() for word in (readings(token) or ((),))[0])


@cache
def _pronunciations(word: str) -> Pronunciations:
    return tuple(dict.fromkeys(tuple(base(phone) for phone in phones) for phones in pronounce(word)))


def audible(segments: Sequence[Sequence[Any]], wave: NDArray[np.int16]) -> list[Sequence[Any]]:
    """Segments of which the last before each rest ends where it is heard no more: 40 dB below the loudest 10 ms of its
    word. A renderer lets such phones last on in silence, for a fifth of a second at the end of a sentence."""
    level = np.sqrt(np.square(wave[: len(wave) // HOP * HOP].astype(np.float32)).reshape(-1, HOP).mean(1))
    out: list[Sequence[Any]] = list(segments)
    begin = 0.0
    for at, (word, name, start, end) in enumerate(segments):
        begin = start if at == 0 or segments[at - 1][0] != word else begin
        after, _, pause, resumes = segments[at + 1] if at + 1 < len(segments) else (-1, "", end, end + GAP)
        rests = after < 0 and resumes - pause >= GAP
        heard = level[round(begin / FRAME_SECONDS) : round(end / FRAME_SECONDS)]
        if word >= 0 and rests and heard.size:
            last = begin + FRAME_SECONDS * (1 + int(np.flatnonzero(heard >= heard.max() * FADED)[-1]))
            out[at] = [word, name, start, min(end, max(last, start + SHORTEST))]
    return out


def frame_labels(segments: Sequence[Sequence[Any]], frames: int) -> NDArray[np.int16]:
    """The symbol at the centre of each frame; short unheard gaps are split between their neighbours, other names than
    ours (noise, unknown words) are `IGNORE`."""
    index = {name: i for i, name in enumerate(SYMBOLS)}
    index |= {"sp": 0, "": 0}
    labels = np.zeros(frames, np.int16)
    for at, (_, name, start, end) in enumerate(segments):
        if name == "sp" and end - start < GAP and 0 < at < len(segments) - 1:
            middle = (start + end) / 2
            parts = [(segments[at - 1][1], start, middle), (segments[at + 1][1], middle, end)]
        else:
            parts = [(name, start, end)]
        for symbol, a, b in parts:
            labels[_frame(a) : _frame(b)] = index.get(symbol, IGNORE)
    return labels


def edge_labels(segments: Sequence[Sequence[Any]], unsure: Sequence[float] = ()) -> NDArray[np.float32]:
    """float32 (n, 2): the frame, not rounded, and the kind of each edge of a word or within one, in time order; then
    the places (s) that are not known well."""
    edges: list[tuple[float, int]] = []
    spoken = [segment for segment in segments if segment[0] >= 0]
    for before, (word, _, start, _) in zip([None, *spoken], spoken, strict=False):
        new = before is None or before[0] != word
        if before is not None and new:
            edges.append((before[3], EDGES.index("end")))
        edges.append((start, EDGES.index("start" if new else "inner")))
    if spoken:
        edges.append((spoken[-1][3], EDGES.index("end")))
    edges += [(at, UNSURE) for at in unsure]
    return np.array([(at / FRAME_SECONDS, kind) for at, kind in edges], np.float32).reshape(-1, 2)


def _frame(seconds: float) -> int:
    return int(np.ceil(seconds / FRAME_SECONDS - 1e-6))  # the first frame centred at or after this time


class Corpus:
    """Utterances as flat tensors on one device.

    Attributes:
        audio: int16 (all samples,).
        starts, lengths: (utterances,) in samples.
        labels: int16 (all frames,), `IGNORE` where not known.
        label_starts, frames: (utterances,).
        labelled: bool (utterances,).
        edge_at, edge_kind: (utterances, most edges), frame and kind of each edge; frame inf where there is none.
        edged: bool (utterances,), whether edges are known.
    """

    def __init__(self, utterances: Sequence[Utterance], device: torch.device) -> None:
        self.utterances = list(utterances)
        self.device = device
        lengths = torch.tensor([len(u.wave) for u in utterances])
        frames = 1 + lengths // HOP
        self.audio = torch.from_numpy(np.concatenate([u.wave for u in utterances])).to(device)
        flat = [u.labels if u.labels is not None else _unknown(u) for u in utterances]
        self.labels = torch.from_numpy(np.concatenate(flat)).to(device)
        self.lengths, self.frames = lengths.to(device), frames.to(device)
        self.starts = (lengths.cumsum(0) - lengths).to(device)
        self.label_starts = (frames.cumsum(0) - frames).to(device)
        self.labelled = torch.tensor([u.labels is not None for u in utterances], device=device)
        edges = [torch.from_numpy(u.edges) if u.edges is not None else torch.zeros(0, 2) for u in utterances]
        table = torch.nn.utils.rnn.pad_sequence(edges, batch_first=True, padding_value=torch.inf).to(device)
        self.edge_at, self.edge_kind = table[..., 0], table[..., 1].nan_to_num(posinf=0.0).long()
        self.edged = torch.tensor([u.edges is not None for u in utterances], device=device)

    def wave(self, index: int) -> Tensor:
        """float32 (samples,) of one utterance."""
        start = int(self.starts[index])
        return self.audio[start : start + int(self.lengths[index])].float() / 32768

    def relabel(self, index: int, labels: Tensor) -> None:
        """Replace the frame labels (frames,) of one utterance."""
        start = int(self.label_starts[index])
        self.labels[start : start + labels.shape[0]] = labels.to(self.labels)
        self.labelled[index] = True


def _unknown(utterance: Utterance) -> NDArray[np.int16]:
    return np.full(1 + len(utterance.wave) // HOP, IGNORE, np.int16)


def music_power(utterances: Sequence[Utterance], device: torch.device) -> Tensor:
    """Mel power (frames, MELS) of all pieces end to end, each at a mean power of 1."""
    pieces = []
    for piece in utterances:
        power = mel_power(torch.from_numpy(piece.wave).to(device).float() / 32768)
        pieces.append(power / power.mean().clamp(min=1e-9))
    return torch.cat(pieces)
