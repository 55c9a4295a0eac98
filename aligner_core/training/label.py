"""Times for voices that have only text: `python -m aligner_core.training.label PACK.zip [--second WORDS.json]`.

The released aligner times each recording of a pack down to its phones; PACK.labels.jsonl beside the pack then holds
them, where `training.data` looks for them. With the words of a second aligner (`python -m benchmarks.peers`) an edge of
a word is taken for known where both are of one mind, half-way between them; elsewhere it is somewhere near, and
nothing is learnt of it. Two aligners that err in different ways are right where they agree. What the first is late by
on the whole, against the second, is taken off before.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from aligner_core.errors import AlignmentError, LyricsError
from aligner_core.timeline import Alignment, Word

from .data import rows, sound

AGREE = 0.025  # s between two aligners that are of one mind
Span = tuple[float, float]


class Labelled(NamedTuple):
    """The times of one recording.

    Args:
        seg: [word or -1, phone, start s, end s], as in a manifest.
        unsure: s, places near which an edge is that is not known well.
        score: of the word that is trusted least, 0..1.
    """

    seg: list[list[Any]]
    unsure: list[float]
    score: float


def labelled(words: Sequence[Word], second: Sequence[Span | None], late: Span = (0.0, 0.0)) -> Labelled:
    """Segments of timed words, their edges half-way to a second opinion where that is near.

    Args:
        second: start and end in s of each word; None where it found none.
        late: s by which the starts and the ends of `words` are late on the whole, see `lateness`.
    """
    edges: list[float] = []
    unsure: list[float] = []
    for word, other in zip(words, second, strict=True):
        for time, theirs, shift in zip((word.start, word.end), other or (None, None), late, strict=True):
            mine = max((time or 0.0) - shift, 0.0)
            apart = AGREE + 1 if theirs is None else theirs - mine
            edges.append(mine + apart / 2 if abs(apart) <= AGREE else mine)
            unsure += [] if abs(apart) <= AGREE else [mine]
    edges = _in_order(edges)
    seg: list[list[Any]] = []
    for index, word in enumerate(words):
        phones = [phone for syllable in word.syllables for phone in syllable.phones]
        inner = [min(max(phone.start or 0.0, edges[2 * index]), edges[2 * index + 1]) for phone in phones[1:]]
        places = [edges[2 * index], *inner, edges[2 * index + 1]]
        seg += [
            [index, p.text.rstrip("012"), *_rounded(a, b)] for p, a, b in zip(phones, places, places[1:], strict=False)
        ]
    worst = min((word.score or 0.0 for word in words), default=0.0)
    return Labelled(_with_rests(seg), [round(at, 4) for at in unsure], round(worst, 4))


def _with_rests(seg: Sequence[list[Any]]) -> list[list[Any]]:
    """The same, with silence before each sound that does not follow at once."""
    out: list[list[Any]] = []
    at = 0.0
    for row in seg:
        out += [[-1, "sil", at, row[2]], row] if row[2] > at else [row]
        at = row[3]
    return out


def lateness(pairs: Iterable[tuple[Sequence[Word], Sequence[Span | None]]]) -> Span:
    """Median of the s by which starts and ends of words are later than in a second opinion."""
    found: tuple[list[float], list[float]] = ([0.0], [0.0])
    for words, second in pairs:
        for word, other in zip(words, second, strict=True):
            for kind, time in enumerate((word.start, word.end)):
                if other is not None and time is not None:
                    found[kind].append(time - other[kind])
    return median(found[0]), median(found[1])


def _in_order(times: Sequence[float]) -> list[float]:
    """The same, each at least as late as the one before."""
    out: list[float] = []
    for time in times:
        out.append(max(time, out[-1]) if out else time)
    return out


def _rounded(*times: float) -> tuple[float, ...]:
    return tuple(round(time, 4) for time in times)


def times(pack: Path, workers: int) -> Iterator[tuple[dict[str, Any], list[Word]]]:
    """Each row of a pack with its timed words; rows in which a word was not found are left out."""
    found = rows(pack)
    work = [(pack, row) for row in found]
    with ProcessPoolExecutor(workers, initializer=_one_thread) as pool:
        for row, words in zip(found, pool.map(_timed, work, chunksize=8), strict=True):
            if words and all(word.timed and word.syllables for word in words):
                yield row, words


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _timed(work: tuple[Path, dict[str, Any]]) -> list[Word]:
    from aligner_core import Aligner

    global _aligner  # noqa: PLW0603 - one a process
    pack, row = work
    _aligner = _aligner or Aligner.load()
    try:
        found = _aligner.align_wave(*sound(pack, row["id"]), Alignment.from_text(row["text"]))
    except (AlignmentError, LyricsError):
        return []
    return list(found.words)


_aligner: Any = None


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--out", type=Path, help="instead of beside the pack")
    parser.add_argument("--second", type=Path, help="JSON: id -> [[start, end] or null of each word] or null")
    parser.add_argument("--early", type=float, default=0.0, help="s by which the second is early on the whole")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    out = given.out or given.pack.with_suffix(".labels.jsonl")
    other = _second(given.second, given.early) if given.second else {}
    pairs = []
    for row, words in times(given.pack, given.workers):
        second = other.get(row["id"], [None] * len(words))
        pairs += [(row["id"], words, second)] if len(second) == len(words) else []
    late = lateness((words, second) for _, words, second in pairs)
    part = out.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        for name, words, second in pairs:
            file.write(json.dumps({"id": name, **labelled(words, second, late)._asdict()}) + "\n")
    part.replace(out)


def _second(path: Path, early: float) -> dict[str, list[Span | None]]:
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: [None if word is None else (word[0] + early, word[1] + early) for word in words]
        for name, words in rows.items()
        if words
    }


if __name__ == "__main__":
    main()
