"""How near the times are on sound whose times are known, ours and other aligners'.

    python -m benchmarks.accuracy [--packs songs,spoken] [--limit 5] [--workers 2] [--no-peers] [--model FILE]

Writes bench-out/results.json and docs/results.md. A run with --packs or --limit only prints: the page always shows
whole packs of one model.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aligner_core.errors import AlignmentError, LyricsError
from aligner_core.metrics import LIMITS_MS, Score, score
from aligner_core.timeline import Alignment, Line, enclosing
from benchmarks import packs, report

OURS = "karalign"
PEER = "pocketsphinx"
APART = 100.0  # seconds between the recordings of a pack when they are scored as one: no shift reaches the next one


class Engine(Protocol):
    """Anything that times a text by a wave."""

    def align_wave(self, wave: NDArray[np.float32], rate: int, lyrics: Alignment) -> Alignment:
        """The lyrics with times."""


@dataclass(frozen=True)
class Pack:
    """A pack to measure: file under the data root, how the ids of its part of it begin, who else is measured on it."""

    name: str
    title: str
    file: str
    start: str = ""
    peers: tuple[str, ...] = ()


PACKS = (
    Pack("songs", "Five full-mix pop songs, timed by hand", "eval/songs.zip"),
    Pack("spoken", "Rendered speech, four unheard voices", "eval/synth-held-out-voices.zip", "s"),
    Pack("sung", "Rendered singing without music, four unheard voices", "eval/synth-held-out-voices.zip", "m"),
    Pack("librispeech", "Read speech, timed by a machine", "eval/librispeech-aligned-5652.zip", peers=(PEER,)),
)


@dataclass(frozen=True)
class Aligned:
    """What came out for one recording; `problem` says why there is nothing."""

    key: str
    seconds: float
    work: float
    reference: Alignment
    estimate: Alignment
    problem: str = ""


def main() -> None:
    """Measure, print, and write the page if everything was measured."""
    options = _options()
    root = packs.data_root(options.data)
    if not (root / "eval").is_dir():
        raise SystemExit(f"no packs in {root}: give --data or set KARALIGN_DATA")
    chosen = [pack for pack in PACKS if not options.packs or pack.name in options.packs.split(",")]
    found = {}
    for pack in chosen:
        for name in (OURS, *(pack.peers if options.peers else ())):
            run = align_pack(pack, name, root, options)
            found[f"{pack.name}/{name}"] = figures(pack, name, run)
            print(report.pack_line(found[f"{pack.name}/{name}"]), flush=True)
    if options.packs or options.limit:
        print(report.accuracy_section(found))
    else:
        report.write({"accuracy": found, "by": report.made_by(options.model)})


def align_pack(pack: Pack, engine_name: str, root: Path, options: argparse.Namespace) -> list[Aligned]:
    """All recordings of a pack through one aligner, several at a time."""
    items = packs.read(root / pack.file, pack.start, options.limit)
    work = partial(align_item, engine_name, options.model)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, context, _one_thread) as pool:
        return list(pool.map(work, items))


def align_item(engine_name: str, model: Path | None, item: packs.Item) -> Aligned:
    """One recording through one aligner; what it refuses has no times."""
    return aligned(engine(engine_name, model), item)


def aligned(aligner: Engine, item: packs.Item) -> Aligned:
    """See `align_item`."""
    lyrics = Alignment.from_text("\n".join(line.text for line in item.reference.lines))
    problem, estimate = "", lyrics
    begin = time.process_time()
    try:
        estimate = aligner.align_wave(item.wave, packs.SAMPLE_RATE, lyrics).as_written()
    except (AlignmentError, LyricsError) as error:
        problem = str(error)
    return Aligned(item.key, item.seconds, time.process_time() - begin, item.reference, estimate, problem)


@cache
def engine(name: str, model: Path | None) -> Engine:
    """An aligner by its name, loaded once a process."""
    if name == PEER:
        from benchmarks.peers import PocketSphinx

        return PocketSphinx()
    from aligner_core import Aligner

    return Aligner.load(model, device="cpu")


def figures(pack: Pack, engine_name: str, run: Sequence[Aligned]) -> dict[str, Any]:
    """All that is reported of a pack: means over its recordings, its words taken together, the same without bias."""
    scores = [score(one.reference, one.estimate) for one in run]
    reference = joined([one.reference for one in run], run)
    estimate = joined([one.estimate for one in run], run)
    pooled = score(reference, estimate)
    return {
        "pack": pack.name,
        "title": pack.title,
        "by": engine_name,
        "seconds": sum(one.seconds for one in run),
        "work": sum(one.work for one in run),
        "means": means(scores),
        "pooled": pooled.to_dict(),
        "without_bias": {
            "onset": score(reference, estimate.shifted(-(pooled.onset.bias or 0))).onset.to_dict(),
            "offset": score(reference, estimate.shifted(-(pooled.offset.bias or 0))).offset.to_dict(),
        },
        "followed": score(followed(reference), followed(estimate)).offset.to_dict(),
        "items": [
            {"id": one.key, "seconds": one.seconds, "work": one.work, "problem": one.problem, **found.to_dict()}
            for one, found in zip(run, scores, strict=True)
        ],
    }


def followed(alignment: Alignment) -> Alignment:
    """Without the last word of each line: rendered voices are labelled to the end of a silence after it."""
    rows = [line.words[:-1] for line in alignment.lines if len(line.words) > 1]
    return Alignment(tuple(Line(" ".join(w.text for w in row), *enclosing(row), words=tuple(row)) for row in rows))


def means(scores: Sequence[Score]) -> dict[str, float | None]:
    """Means over recordings; errors and synchrony only over those in which something was found."""
    return {
        "pco_300": _mean([s.onset.within[LIMITS_MS.index(300)] for s in scores]),
        "pco_100": _mean([s.onset.within[LIMITS_MS.index(100)] for s in scores]),
        "median": _mean([s.onset.median for s in scores]),
        "aae": _mean([s.onset.mean for s in scores]),
        "perceptual": _mean([s.perceptual for s in scores]),
    }


def joined(parts: Sequence[Alignment], run: Sequence[Aligned]) -> Alignment:
    """Alignments one after the other in time, the recordings `APART` from each other."""
    begins = np.cumsum([APART] + [one.seconds + APART for one in run])
    moved = (part.shifted(float(begin)) for part, begin in zip(parts, begins, strict=False))
    return Alignment(tuple(line for part in moved for line in part.lines))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)  # a process a core: more threads would only get in each other's way


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--packs", default="", help="comma-separated: " + ", ".join(pack.name for pack in PACKS))
    parser.add_argument("--limit", type=int, help="only the first recordings of each pack")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="measure others too")
    parser.add_argument("--model", type=Path, help="checkpoint; the released one without it")
    parser.add_argument("--data", type=Path, help="folder of the packs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
