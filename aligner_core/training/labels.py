"""Phone times for packs that have only text, by the released model's own path through each recording.

Run `python -m aligner_core.training.labels PACK... --out LABELS.json`. What LABELS.json has already is not done again.
Such times are a machine's (10-20 ms): good enough to stretch sounds by, not to teach edges by.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from aligner_core import Aligner, Alignment
from aligner_core.errors import AlignerError
from aligner_core.timeline import Phone

SAVED = 25  # recordings after which the file is written
Row = dict[str, Any]


def sources(pack: Path) -> Iterator[tuple[str, Row]]:
    """The key ("pack/id") and manifest line of each recording."""
    with zipfile.ZipFile(pack) as opened:
        for line in opened.read("manifest.jsonl").decode().splitlines():
            row = json.loads(line)
            yield f"{pack.stem}/{row['id']}", row


def sound(pack: Path, name: str) -> tuple[NDArray[np.float32], int]:
    """The wave (samples,) of a recording and its rate."""
    with zipfile.ZipFile(pack) as opened:
        wave, rate = soundfile.read(io.BytesIO(opened.read(f"{name}.ogg")), dtype="float32")
    return wave, rate


def labelled(aligner: Aligner, wave: NDArray[np.float32], rate: int, text: str) -> Row:
    """What one recording gets: `seg` as in a manifest, `score` of the line and `worst` of its words, 0..1.

    Raises:
        AlignerError: the text does not fit, or no voice is heard.
    """
    found = aligner.align_wave(wave, rate, Alignment.from_text(text))
    words = [[phone for syllable in word.syllables for phone in syllable.phones] for word in found.words]
    worst = min(word.score or 0.0 for word in found.words)
    seg = list(_segments(words, len(wave) / rate))
    return {"seg": seg, "score": found.lines[0].score or 0.0, "worst": worst}


def _segments(words: Iterable[Iterable[Phone]], seconds: float) -> Iterator[list[Any]]:
    at = 0.0
    for number, phones in enumerate(words):
        for phone in phones:
            if phone.start is None or phone.end is None:
                continue
            if phone.start > at + 1e-3:
                yield [-1, "sil", at, round(phone.start, 4)]
            yield [number, phone.text, round(max(phone.start, at), 4), round(phone.end, 4)]
            at = round(phone.end, 4)
    if seconds > at + 1e-3:
        yield [-1, "sil", at, round(seconds, 4)]


def label_packs(packs: Iterable[Path], out: Path) -> dict[str, Row]:
    """Labels what these packs have without `seg` into the file `out`, and returns all that this then holds.

    A recording that cannot be aligned has the score 0 and no segments.
    """
    known: dict[str, Row] = json.loads(out.read_text()) if out.is_file() else {}
    aligner = Aligner(Aligner.load().model, exact=True)
    new = [(pack, key, row) for pack in packs for key, row in sources(pack) if key not in known and "seg" not in row]
    for number, (pack, key, row) in enumerate(new, 1):
        try:
            known[key] = labelled(aligner, *sound(pack, row["id"]), row["text"])
        except AlignerError:
            known[key] = {"seg": [], "score": 0.0, "worst": 0.0}
        if number % SAVED == 0 or number == len(new):
            unfinished = out.with_name(f"{out.name}.part")
            unfinished.write_text(json.dumps(known))
            unfinished.replace(out)
    return known


def main() -> None:
    """Reads the options and labels the packs."""
    parser = argparse.ArgumentParser(description="Label the phones of packs that have only text.")
    parser.add_argument("packs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    label_packs(options.packs, options.out)


if __name__ == "__main__":
    main()
