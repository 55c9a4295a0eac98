"""Sound packs: a zip of Ogg files with a manifest.jsonl, read once into tensors that stay on the device.

Each manifest line has `id`, `text`, `dur` (s) and, where known, `seg`: a list of [word index or -1, phone, start s,
end s] in which "sil" and "sp" are pauses and "spn" is noise.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner_core.acoustic.cnn import SYMBOLS
from aligner_core.audio import FRAME_SECONDS, HOP, SAMPLE_RATE, mel_power
from aligner_core.phones import base, pronounce
from aligner_core.text import readings

IGNORE = -1  # a frame whose label is not known: no loss there
GAP = 0.05  # s; a rendered space shorter than this is not heard: it goes to its neighbours
Pronunciations = tuple[tuple[str, ...], ...]  # of one word, phones without stress


@dataclass(frozen=True)
class Utterance:
    """One recording.

    Args:
        key: pack and id.
        wave: int16 (samples,) at SAMPLE_RATE.
        words: the pronunciations of each spoken word.
        labels: int16 (frames,) symbol of each frame, or None: not known yet.
        starts: seconds at which each word starts, where labels are known.
    """

    key: str
    wave: NDArray[np.int16]
    words: tuple[Pronunciations, ...]
    labels: NDArray[np.int16] | None
    starts: tuple[float, ...]


def read_packs(paths: Iterable[Path], workers: int = 16, limit: int | None = None) -> list[Utterance]:
    """All recordings of these packs, decoded with threads; `limit` takes that many of each pack."""
    utterances = []
    for path in paths:
        with zipfile.ZipFile(path) as pack:
            rows = [json.loads(row) for row in pack.read("manifest.jsonl").decode().splitlines()][:limit]
            sounds = [pack.read(f"{row['id']}.ogg") for row in rows]
        with ThreadPoolExecutor(workers) as pool:
            waves = list(pool.map(_decode, sounds))
        utterances += [_utterance(path.stem, row, wave) for row, wave in zip(rows, waves, strict=True)]
    return utterances


def _decode(sound: bytes) -> NDArray[np.int16]:
    import soundfile

    wave, rate = soundfile.read(io.BytesIO(sound), dtype="int16")
    if rate != SAMPLE_RATE:
        raise ValueError(f"packs hold {SAMPLE_RATE} Hz, not {rate}")
    return np.asarray(wave, dtype=np.int16)


def _utterance(pack: str, row: dict[str, Any], wave: NDArray[np.int16]) -> Utterance:
    words = tuple(_pronunciations(w) for token in row["text"].split() for w in (readings(token) or ((),))[0])
    segments = row.get("seg")
    labels = frame_labels(segments, 1 + len(wave) // HOP) if segments else None
    starts: dict[int, float] = {}
    for word, _, start, _ in segments or ():
        if word >= 0:
            starts.setdefault(word, start)
    return Utterance(f"{pack}/{row['id']}", wave, words, labels, tuple(starts.values()))


@cache
def _pronunciations(word: str) -> Pronunciations:
    return tuple(dict.fromkeys(tuple(base(phone) for phone in phones) for phones in pronounce(word)))


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
