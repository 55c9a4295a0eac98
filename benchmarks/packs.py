"""Sound with known times: a zip of Ogg files and a manifest.jsonl, one JSON object a line.

An object has `id`, `text`, `dur` and its times as one of
    words  [{text, start, end, line, syl: [[text, start, end, pitch], ...]}, ...]   songs timed by hand
    seg    [[word index or -1, phone, start, end], ...]                             speech, and singing rendered from it
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from aligner_core.timeline import Alignment, Line, Syllable, Word, enclosing

SAMPLE_RATE = 16000  # Hz, of all packs
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
UNKNOWN = "<unk>"  # what the machine that made some of the labels writes for a word it does not know


@dataclass(frozen=True, eq=False)
class Item:
    """A recording and its right times.

    Args:
        wave: float32 (samples,) at SAMPLE_RATE.
    """

    key: str
    wave: NDArray[np.float32]
    reference: Alignment

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return len(self.wave) / SAMPLE_RATE


def data_root(option: Path | None = None) -> Path:
    """Where the packs are: the option, else the variable KARALIGN_DATA, else ../shared/data beside the repository."""
    return option or Path(os.environ.get("KARALIGN_DATA") or DATA)


def read(path: Path, start: str = "", limit: int | None = None) -> Iterator[Item]:
    """The items of a pack in its order, those whose id begins with `start`; at most `limit` of them."""
    with zipfile.ZipFile(path) as pack:
        rows = map(json.loads, pack.read("manifest.jsonl").decode().splitlines())
        for row in [row for row in rows if row["id"].startswith(start)][:limit]:
            wave, rate = soundfile.read(io.BytesIO(pack.read(f"{row['id']}.ogg")), dtype="float32")
            if rate != SAMPLE_RATE:
                raise ValueError(f"{path}: {row['id']} is at {rate} Hz, not {SAMPLE_RATE}")
            yield Item(row["id"], wave, song(row["words"]) if _timed_by_hand(row) else speech(row))


def song(words: Sequence[dict[str, Any]]) -> Alignment:
    """Lines of words of syllables as timed by hand."""
    rows = [list(group) for _, group in groupby(words, key=lambda word: word["line"])]
    return Alignment(tuple(_line([_word(word) for word in row]) for row in rows))


def speech(row: dict[str, Any]) -> Alignment:
    """One line with the words of the text; the times are those of their sounds."""
    spans: dict[int, list[float]] = {}
    for word, _, start, end in row["seg"]:
        if word >= 0:
            spans.setdefault(word, [start, end])[1] = end
    labels = [label for label, _, _ in row["words"]] if row.get("words") else row["text"].split()
    times = [(label, *spans[index]) for index, label in enumerate(labels)]
    return Alignment((_line(_joined(row["text"].split(), times)),))


def _timed_by_hand(row: dict[str, Any]) -> bool:
    return bool(row.get("words")) and isinstance(row["words"][0], dict)


def _word(word: dict[str, Any]) -> Word:
    syllables = tuple(Syllable(text, start, end) for text, start, end, _ in word["syl"])
    return Word(word["text"], word["start"], word["end"], syllables=syllables)


def _joined(texts: Sequence[str], labels: Sequence[tuple[str, float, float]]) -> list[Word]:
    """The written words; some labels cut one in two ("cosette", "s")."""
    words, at = [], 0
    for text in texts:
        _, start, end = labels[at]
        letters, at = labels[at][0], at + 1
        while letters not in (text.replace("'", ""), text, UNKNOWN):
            letters, end, at = letters + labels[at][0], labels[at][2], at + 1
        words.append(Word(text, start, end))
    return words


def _line(words: Sequence[Word]) -> Line:
    return Line(" ".join(word.text for word in words), *enclosing(words), words=tuple(words))
