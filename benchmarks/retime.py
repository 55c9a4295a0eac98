"""Subtitles with wrong times, timed again: how many begin within 0.2 s of where they should.

    python -m benchmarks.retime [--minutes 15] [--draws 3] [--only KIND] [--out FILE]

Writes docs/retime.json and the tables in docs/engine.md. With --only or --out the page stays as it is.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from aligner_core import Aligner
from aligner_core.errors import AlignmentError
from aligner_core.timeline import Alignment, Line, enclosing
from benchmarks import concat, engine_page, packs, report
from benchmarks.concat import FRAMES_PER_SECOND, Ear, Piece, Recording, edges
from benchmarks.damage import matched
from benchmarks.edits import Case

JSON = engine_page.DOCS / "retime.json"
WINDOW = 0.2  # seconds
WORDS = (3, 12)  # of a subtitle
TRUSTS = (0.0, 0.5, 1.0)
EVERY, BREAK = 8, (5, 20)  # utterances from one long break to the next; its seconds
OFFSET = 30.0  # seconds either way
RATE = 25 / 23.976
SCENE, INTRO = (30, 60), (20, 60)  # seconds
WRONG, OFF = 0.2, (1.0, 5.0)  # share of lines; seconds either way


@dataclass(frozen=True)
class Change:
    """What was done to subtitles: to the sound that they were made for, and to their times.

    Args:
        cut, intro: whether a scene is missing from the sound, whether something new comes before it.
        times: what becomes of the times.
    """

    name: str
    times: tuple[Callable[[Alignment, random.Random], Alignment], ...] = ()
    cut: bool = False
    intro: bool = False


def offset(timed: Alignment, generator: random.Random) -> Alignment:
    """All times moved."""
    return timed.shifted(generator.uniform(-OFFSET, OFFSET))


def rate(timed: Alignment, generator: random.Random) -> Alignment:
    """All times at the frame rate of another version."""
    return timed.stretched(generator.choice([RATE, 1 / RATE]))


def partly(timed: Alignment, generator: random.Random) -> Alignment:
    """Some lines off, each by itself."""
    wrong = set(generator.sample(range(len(timed.lines)), round(WRONG * len(timed.lines))))
    moves = [generator.choice([-1, 1]) * generator.uniform(*OFF) * (at in wrong) for at in range(len(timed.lines))]
    pairs = zip(timed.lines, moves, strict=True)
    return Alignment(tuple(line for old, by in pairs for line in Alignment((old,)).shifted(by).lines))


CHANGES = (
    Change("as they were"),
    Change("offset up to 30 s", (offset,)),
    Change("rate of 25/23.976 or its inverse", (rate,)),
    Change("a scene of 30-60 s cut", cut=True),
    Change("an intro of 20-60 s added", intro=True),
    Change("a fifth of the lines off by 1-5 s", (partly,)),
    Change("all of these", (partly, rate, offset), True, True),
)


def subtitles(recording: Recording, generator: random.Random) -> Recording:
    """The recording with its lines cut into rows of 3 to 12 words; short lines stay."""
    lines: list[Line] = []
    for line in recording.lines:
        at = 0
        while at < len(line.words):
            left = len(line.words) - at
            count = left if left <= WORDS[1] else min(generator.randint(*WORDS), left - WORDS[0])
            words = line.words[at : at + count]
            lines.append(Line(" ".join(word.text for word in words), *enclosing(words), words=words))
            at += count
    return replace(recording, lines=tuple(lines))


def with_breaks(recording: Recording, tracks: Sequence[Recording], generator: random.Random) -> Recording:
    """Long breaks between the lines, some with music and some silent."""
    silence = Recording("silence", np.zeros(BREAK[1] * packs.SAMPLE_RATE, np.float32), ())
    pieces, last = [], 0
    for line in range(EVERY, len(recording.lines), EVERY):
        track = generator.choice([silence, generator.choice(tracks)])
        place = recording.middle(line)
        length = round(generator.uniform(*BREAK) * FRAMES_PER_SECOND)
        pieces += [Piece(recording.key, last, place), Piece(track.key, 0, length)]
        last = place
    pieces.append(Piece(recording.key, last, recording.frames))
    sources = {one.key: one for one in (recording, silence, *tracks)}
    lines = tuple(one.line for one in concat.spliced_lines(pieces, sources))
    return Recording(f"{recording.key} with breaks", concat.spliced(pieces, sources), lines)


def changed(change: Change, recording: Recording, tracks: Sequence[Recording], seed: int = 0) -> tuple[Case, Alignment]:
    """The sound with its true times, and the subtitles as they are given."""
    generator = random.Random(f"{change.name} {recording.key} {seed}")
    pieces = [Piece(recording.key, 0, recording.frames)]
    if change.cut:
        first, last = _scene(recording, generator)
        pieces = [Piece(recording.key, 0, first), Piece(recording.key, last, recording.frames)]
    if change.intro:
        length = round(generator.uniform(*INTRO) * FRAMES_PER_SECOND)
        pieces.insert(0, Piece(generator.choice([one for one in tracks if one.frames >= length]).key, 0, length))
    sources = {one.key: one for one in (recording, *tracks)}
    sung = {one.number: one.line for one in concat.spliced_lines(pieces, sources)}
    truth = tuple(sung.get(at, concat.untimed(line)) for at, line in enumerate(recording.lines))
    given = Alignment(tuple(replace(concat.untimed(x), start=x.start, end=x.end) for x in recording.lines))
    for times in change.times:
        given = times(given, generator)
    return Case(change.name, recording.key, tuple(pieces), truth, tuple(range(len(truth))), ()), given


def _scene(recording: Recording, generator: random.Random) -> tuple[int, int]:
    """Frames of a scene, cut in the breaks between lines."""
    length = generator.uniform(*SCENE) * FRAMES_PER_SECOND
    cuts = [recording.middle(line) for line in range(1, len(recording.lines))]
    begin = generator.choice([cut for cut in cuts if cut + length <= cuts[-1]])
    return begin, min(cuts, key=lambda cut: abs(cut - begin - length))


Way = Callable[[torch.Tensor, Alignment], Alignment]


def ways(aligner: Aligner) -> dict[str, Way]:
    """What is measured: the given times, plain alignment, and timing again at each trust."""
    found: dict[str, Way] = {"given": lambda _, timed: timed, "align": aligner.align_heard}
    retime = getattr(aligner, "retime", None)
    if retime:
        for trust in TRUSTS:
            found[f"trust {trust:g}"] = lambda heard, timed, trust=trust: retime(heard, timed, trust)  # type: ignore[misc]
    return found


def right(case: Case, estimate: Alignment) -> int:
    """How many lines that are in the sound begin within `WINDOW` of the truth."""
    present = [line for line in case.written if line.timed]
    pairs = zip(present, matched(case, estimate.lines).lines, strict=True)
    return sum(found is not None and abs(edges(found)[0] - edges(line)[0]) <= WINDOW for line, found in pairs)


def measured(
    aligner: Aligner,
    ear: Ear,
    recordings: Sequence[Recording],
    tracks: Sequence[Recording],
    options: argparse.Namespace,
) -> Iterator[dict[str, Any]]:
    """A row for each kind of change: lines in the sound, and how many each way has right."""
    sources = {one.key: one for one in (*recordings, *tracks)}
    for change in [change for change in CHANGES if options.only in change.name]:
        row: dict[str, Any] = {"change": change.name, "lines": 0, "right": dict.fromkeys(ways(aligner), 0)}
        for recording in recordings:
            for seed in range(options.draws if change != CHANGES[0] else 1):
                case, given = changed(change, recording, tracks, seed)
                heard = ear.heard(concat.spliced(case.pieces, sources))
                row["lines"] += sum(line.timed for line in case.written)
                for name, way in ways(aligner).items():
                    row["right"][name] += _right_or_refused(case, way, heard, given)
        yield row


def _right_or_refused(case: Case, way: Way, heard: torch.Tensor, given: Alignment) -> int:
    try:
        return right(case, way(heard, given))
    except AlignmentError as error:
        print(f"* {case.key}, {case.kind}: {error}")
        return 0


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Shares of lines, in Markdown."""
    names = list(rows[0]["right"])
    cells = [
        (row["change"], row["lines"], *(f"{100 * row['right'][name] / row['lines']:.1f} %" for name in names))
        for row in rows
    ]
    return report.table(("change", "lines", *names), cells)


def main() -> None:
    """Measure, print, and put into the page."""
    options = _options()
    torch.set_num_threads(1)
    root, by = packs.data_root(options.data), report.made_by(options.model)
    aligner, generator = Aligner.load(options.model), random.Random(0)
    ear, tracks = Ear(aligner.model, by["sha256"]), concat.music(root)
    read = packs.read(root / "eval" / "librispeech-aligned-5652.zip")
    spoken = with_breaks(concat.joined("read speech", read, options.minutes), tracks, generator)
    groups = {"Songs": concat.songs(root), f"Read speech, {spoken.frames / 6000:.0f} minutes": [spoken]}
    found = {}
    for name, recordings in groups.items():
        cut = [subtitles(one, generator) for one in recordings]
        found[name] = list(measured(aligner, ear, cut, tracks, options))
        print(f"\n{name}\n\n{table(found[name])}", flush=True)
    if not options.only or options.out:
        engine_page.write(options.out or JSON, {"by": by, "groups": found})
    if not options.only and not options.out:
        engine_page.put("retime", "\n".join(f"### {name}\n\n{table(rows)}\n" for name, rows in found.items()))


def _options() -> argparse.Namespace:
    parser = engine_page.parser(__doc__)
    parser.add_argument("--minutes", type=float, default=13, help="of speech, the breaks not counted")
    parser.add_argument("--draws", type=int, default=3, help="changes of each kind")
    parser.add_argument("--only", default="", help="part of the names of the changes wanted")
    return parser.parse_args()


if __name__ == "__main__":
    main()
