"""What becomes of an alignment when text and sound differ: songs and long speech, damaged in every way of `edits`.

    python -m benchmarks.damage [--speech 10,30,60] [--no-songs] [--only KIND] [--exact] [--quick] [--out FILE]

Writes docs/damage.json and the tables in docs/engine.md. With --quick, --only or --out the page stays as it is.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from aligner_core import Aligner
from aligner_core.errors import AlignmentError
from aligner_core.timeline import Alignment, Line
from benchmarks import concat, engine_page, packs, report
from benchmarks.concat import Ear, Recording
from benchmarks.edits import KINDS, Case, Material, damaged

JSON = engine_page.DOCS / "damage.json"
WINDOW = 0.3  # seconds
DRAWS = 3  # damages of each kind done to each song
REALLY = 10  # minutes of speech up to which damaged sound is heard anew; beyond, what was heard is cut and joined
FAR = 1000.0  # seconds: the cost of leaving a written line without a partner


@dataclass(frozen=True)
class Matched:
    """Which line that came out stands for which that should have.

    Args:
        lines: for each written line that is sung, what came out for it, or None.
        absent, absent_found: written lines that are not sung, and how many of them came out without a time.
        extra, extra_found: lines sung beyond the text, and how many of them came out.
    """

    lines: tuple[Line | None, ...]
    absent: int
    absent_found: int
    extra: int
    extra_found: int


def matched(case: Case, estimate: Sequence[Line]) -> Matched:
    """Lines of the same text are paired in the order of time, as near to each other as can be.

    Which of two equal lines is the one without a time is nobody's fault.
    """
    partners: dict[int, Line] = {}
    absent_found = extra_found = 0
    for text in {line.text for line in case.written}:
        same = [(at, line) for at, line in enumerate(case.written) if line.text == text]
        extra = [line for line in case.extra if line.text == text]
        targets = sorted([(_start(line), at) for at, line in same if line.timed] + [(_start(x), -1) for x in extra])
        found = sorted((line for line in estimate if line.text == text and line.timed), key=_start)
        pairs = _paired(targets, found)
        partners |= {targets[a][1]: found[b] for a, b in pairs if targets[a][1] >= 0}
        extra_found += sum(targets[a][1] < 0 for a, _ in pairs)
        missed = sum(line.timed and at not in partners for at, line in same)
        silent = sum(line.text == text and not line.timed for line in estimate)
        absent_found += min(sum(not line.timed for _, line in same), max(0, silent - missed))
    lines = tuple(partners.get(at) for at, line in enumerate(case.written) if line.timed)
    return Matched(lines, len(case.written) - len(lines), absent_found, len(case.extra), extra_found)


def _paired(targets: Sequence[tuple[float, int]], found: Sequence[Line]) -> list[tuple[int, int]]:
    """Indices of partners: rising on both sides, few written lines left alone, and the sum of distances least."""
    best: list[list[tuple[float, list[tuple[int, int]]]]] = [[(0.0, [])] * (len(found) + 1)]
    for a, (start, at) in enumerate(targets):
        alone = FAR if at >= 0 else 0.0
        row = [(best[a][0][0] + alone, best[a][0][1])]
        for b, line in enumerate(found):
            ways = [(best[a][b + 1][0] + alone, best[a][b + 1][1]), row[b]]
            apart = min(abs(_start(line) - start), FAR / 2)
            if at >= 0:
                ways.append((best[a][b][0] + apart, [*best[a][b][1], (a, b)]))
            elif apart <= WINDOW:  # a line that nobody wrote may be left out, so only its own time is it
                ways.append((best[a][b][0] - 1.0, [*best[a][b][1], (a, b)]))
            row.append(min(ways, key=lambda way: way[0]))
        best.append(row)
    return best[-1][-1][1]


def _start(line: Line) -> float:
    return concat.edges(line)[0]


def measure(case: Case, estimate: Alignment | None) -> dict[str, Any]:
    """Counts of a case: words right, lines absent and found so; `estimate` None is a refusal.

    `right` has the words of each line of the recording that are within `WINDOW`.
    """
    refused = estimate is None
    lines = [concat.untimed(line) for line in case.written] if estimate is None else estimate.lines
    found = matched(case, lines)
    sung = [(number, line) for number, line in zip(case.numbers, case.written, strict=True) if line.timed]
    right: dict[int, int] = {}
    errors: list[float] = []
    for (number, line), partner in zip(sung, found.lines, strict=True):
        off = _errors(line, partner) if partner else []
        right[number] = right.get(number, 0) + sum(error <= WINDOW for error in off)
        errors += off
    return {
        "kind": case.kind, "key": case.key, "refused": refused, "right": right,
        "words": sum(len(line.words) for _, line in sung), "errors": sum(errors), "timed": len(errors),
        "present": len(sung), "missed": sum(line is None for line in found.lines),
        "absent": found.absent, "absent_found": found.absent_found,
        "extra": found.extra, "extra_found": found.extra_found,
    }  # fmt: skip


def _errors(line: Line, found: Line) -> list[float]:
    pairs = zip(line.words, found.words, strict=True)
    return [abs(a.start - b.start) for a, b in pairs if a.start is not None and b.start is not None]


def run(aligner: Aligner, plan: Iterable[tuple[Case, torch.Tensor]]) -> Iterator[dict[str, Any]]:
    """Align each case and measure it; `base` is how many of its words the clean run of its recording had right."""
    clean: dict[int, int] = {}
    for case, log_probs in plan:
        lyrics = Alignment(tuple(concat.untimed(line) for line in case.written))
        begin, problem = time.process_time(), ""
        estimate: Alignment | None = None
        try:
            estimate = aligner.align_heard(log_probs, lyrics)
        except AlignmentError as error:
            problem = str(error)
        row = measure(case, estimate) | {"work": time.process_time() - begin, "problem": problem}
        right = row.pop("right")
        clean = right if case.kind == "clean" else clean
        yield row | {"right": sum(right.values()), "base": sum(clean[number] for number in right)}


def plan(
    ear: Ear, recordings: Sequence[Recording], materials: Sequence[Material], kinds: Iterable[str], draws: int
) -> Iterator[tuple[Case, torch.Tensor]]:
    """Each recording damaged in each way, the clean one first, and what is heard."""
    kinds = list(kinds)
    for recording, material in zip(recordings, materials, strict=True):
        sources = {**material.sources, recording.key: recording}
        anew = recording.frames <= REALLY * 60 * concat.FRAMES_PER_SECOND * 1.1
        for kind in ["clean", *kinds]:
            for seed in range(1 if kind in FIXED else draws):
                case = damaged(kind, recording, material, seed)
                cut = ear.heard(concat.spliced(case.pieces, sources)) if anew else ear.spliced(case.pieces, sources)
                yield case, cut


FIXED = ("clean", "first 30 s cut off", "last 30 s cut off", "text of another")  # the same in each draw


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row a kind: shares of words as means over cases, lines counted together."""
    return [_kind(kind, mine) for kind in KINDS if (mine := [row for row in rows if row["kind"] == kind])]


def _kind(kind: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    total = {key: sum(row[key] for row in rows) for key in (*COUNTS, "errors", "timed", "refused", "work")}
    with_words = [row for row in rows if row["words"]]
    shares = [[row[key] / row["words"] for row in with_words] for key in ("right", "base")]
    pco, base = (sum(share) / len(share) if share else None for share in shares)
    aae = total["errors"] / total["timed"] if total["timed"] else None
    counts = {key: total[key] for key in (*COUNTS, "refused")}
    return {"kind": kind, "cases": len(rows), "pco": pco, "base": base, "aae": aae, "work": total["work"], **counts}


COUNTS = ("present", "missed", "absent", "absent_found", "extra", "extra_found")
HEAD = ("damage", "cases", "PCO@0.3", "loss", "AAE s", "absent lines found", "false alarms", "repeats found", "refused")


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """What `summary` gave, in Markdown; the loss in points, against the same words of the clean run."""
    cells = []
    for row in rows:
        pco = "-" if row["pco"] is None else f"{100 * row['pco']:.1f} %"
        loss = "-" if row["pco"] is None else f"{100 * (row['base'] - row['pco']):.1f}"
        aae = "-" if row["aae"] is None else f"{row['aae']:.2f}"
        shares = (_share(row, "absent_found", "absent"), _share(row, "missed", "present"),
                  _share(row, "extra_found", "extra"))  # fmt: skip
        cells.append((row["kind"], row["cases"], pco, loss, aae, *shares, f"{row['refused']} of {row['cases']}"))
    return report.table(HEAD, cells)


def _share(row: Mapping[str, Any], part: str, whole: str) -> str:
    return f"{100 * row[part] / row[whole]:.1f} % of {row[whole]}" if row[whole] else "-"


def page(results: Mapping[str, Any]) -> str:
    """All tables: as it is, and with the freedom of sound and text to differ turned off."""
    parts = []
    for mode, title in (("free", ""), ("exact", ", `--exact`")):
        for group, rows in results.get(mode, {}).items():
            parts += [f"### {group}{title}", "", table(rows), ""]
    return "\n".join(parts)


def measured(options: argparse.Namespace, aligner: Aligner, ear: Ear) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Name and rows of each group of recordings asked for."""
    root = packs.data_root(options.data)
    kinds = [kind for kind in KINDS if kind != "clean" and options.only in kind]
    music, others = concat.music(root), concat.others(root)
    if options.songs:
        songs = concat.songs(root)[: 2 if options.quick else None]
        texts = [songs[at - 1].lines for at in range(len(songs))]
        materials = [Material(music, others, text) for text in texts]
        draws = 1 if options.quick else DRAWS
        yield "Songs", list(run(aligner, plan(ear, songs, materials, kinds, draws)))
    for minutes in map(int, filter(None, options.speech.split(","))):
        spoken = concat.speech(root, minutes)
        known = {line.text for line in spoken.lines}
        foreign = [line for line in others.lines if line.text not in known]
        material = Material(music, others, foreign[: len(spoken.lines)])
        name = f"Speech of {minutes} minutes"
        yield name, list(run(aligner, plan(ear, [spoken], [material], kinds, 1)))


def main() -> None:
    """Measure, print, and put into the page."""
    options = _options()
    torch.set_num_threads(1)
    loaded = Aligner.load(options.model)
    aligner = Aligner(loaded.model, exact=options.exact)
    mode = "exact" if options.exact else "free"
    by = report.made_by(options.model)
    out, partial = options.out or JSON, options.quick or options.only
    results = engine_page.read(out)
    for name, rows in measured(options, aligner, Ear(loaded.model, by["sha256"])):
        found = summary(rows)
        print(f"\n{name}, {sum(row['work'] for row in found):.0f} s of aligning\n\n{table(found)}", flush=True)
        results = {**results, "by": by, mode: {**results.get(mode, {}), name: found}}
        for problem in [row for row in rows if row["problem"]]:
            print(f"* {problem['key']}, {problem['kind']}: {problem['problem']}")
        if not partial or options.out:
            engine_page.write(out, results)
    if not partial and not options.out:
        engine_page.put("damage", page(results))


def _options() -> argparse.Namespace:
    parser = engine_page.parser(__doc__)
    parser.add_argument("--songs", action=argparse.BooleanOptionalAction, default=True, help="measure the songs")
    parser.add_argument("--speech", default="", help="minutes of speech, comma-separated: 10,30,60")
    parser.add_argument("--only", default="", help="part of the names of the damages wanted: " + ", ".join(KINDS))
    parser.add_argument("--exact", action="store_true", help="without the freedom to skip, repeat and insert")
    parser.add_argument("--quick", action="store_true", help="two songs, one damage of a kind")
    return parser.parse_args()


if __name__ == "__main__":
    main()
