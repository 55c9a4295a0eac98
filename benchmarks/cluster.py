"""What Ray costs: the same songs by processes of this machine and by Ray's workers, in turn, and by workers that do
nothing, which tells how many songs one program can hand out.

    python -m benchmarks.cluster --device cpu --jobs 2
    python -m benchmarks.cluster --device cuda --jobs 16

On a GPU "local" is one process that hears for all; "alone" are processes that each hear for themselves, as workers of
Ray do. Where Ray is not installed, they stand for it. The figures go to docs/cluster-DEVICE.json.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aligner_core.errors import AlignerError
from benchmarks import engine_page
from benchmarks.packs import data_root
from benchmarks.throughput import copies, made, steady
from plugin.library.journal import Journal, Run, marks_of
from plugin.library.local import Local
from plugin.library.ray import RayEngine
from plugin.library.work import Item, Outcome, Own, Settings

if TYPE_CHECKING:
    from aligner_core.align import Aligner
    from aligner_core.evidence import Table
    from aligner_core.timeline import Alignment
    from plugin.library.engine import Engine

NOTHING = 600  # songs of which nothing is heard


class Deaf:
    """Hears nothing, at once."""

    @property
    def aligner(self) -> Aligner:
        """There is none."""
        raise AlignerError("nothing is aligned")

    def hear(self, song: str, text: Alignment) -> Table:  # noqa: ARG002 (a Hearer)
        """Refuse."""
        raise AlignerError("nothing is heard")


def deaf(settings: Settings, device: str) -> Deaf:  # noqa: ARG001 (loads a Hearer)
    """See `RayEngine.load`."""
    return Deaf()


def on_gpu(settings: Settings, device: str) -> Own:  # noqa: ARG001 (loads a Hearer)
    """See `Local.load`: a model on the GPU in each process."""
    return Own.load(settings, "cuda")


def engines(device: str, jobs: int) -> dict[str, Engine]:
    """What is compared."""
    found: dict[str, Engine] = {"local": Local(jobs, () if device == "cpu" else (device,))}
    if device != "cpu":
        found["alone"] = Local(jobs, load=on_gpu)
    if importlib.util.find_spec("ray"):
        found["ray"] = RayEngine(jobs=jobs, device=device)
    return found


def timed(outcomes: Iterator[Outcome]) -> tuple[float, float, list[Outcome]]:
    """Seconds to the first outcome, songs per second in the middle, and all outcomes."""
    begun, times, done = time.perf_counter(), list[float](), list[Outcome]()
    for outcome in outcomes:
        times.append(time.perf_counter() - begun)
        done.append(outcome)
    return times[0], steady(times), done


def one_round(found: Mapping[str, Engine], items: list[Item]) -> tuple[dict[str, Any], list[Outcome]]:
    """All engines once, and the outcomes of the last."""
    row, done = dict[str, Any](), list[Outcome]()
    for name, engine in found.items():
        start, rate, done = timed(engine.run(items, Settings()))
        if bad := [outcome for outcome in done if outcome.status == "failed"]:
            sys.exit(f"{name}: {bad[0].item.song}: {bad[0].why}")
        row[name] = {"first": start, "rate": rate}
        print(f"{name}: {rate:.3f} songs/s, the first after {start:.1f} s", file=sys.stderr)
    return row, done


def handed_out(folder: Path, jobs: int) -> float | None:
    """Songs per second that come and go when nothing is done with them; None without Ray."""
    if not importlib.util.find_spec("ray"):
        return None
    (folder / "song.mp3").write_bytes(b"")
    (folder / "song.txt").write_text("words")
    item = Item(str(folder / "song.mp3"), str(folder / "song.txt"))
    items = [replace(item, outputs=(str(folder / f"{number}.lrc"),)) for number in range(NOTHING)]
    return timed(RayEngine(jobs=jobs, load=deaf).run(items, Settings()))[1]


def journal_bytes(folder: Path, outcomes: list[Outcome]) -> float:
    """Of a journal, for each song."""
    with Journal(folder / "journal.jsonl", Run.of(Settings())) as journal:
        journal.plan({outcome.item: marks_of(outcome.item) for outcome in outcomes})
        for outcome in outcomes:
            journal.add(outcome, marks_of(outcome.item))
    return (folder / "journal.jsonl").stat().st_size / len(outcomes)


def spread(values: list[float]) -> dict[str, float]:
    """Median, lowest and highest."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def measured(device: str, jobs: int, count: int, rounds: int, pack: Path) -> dict[str, Any]:
    """All figures."""
    rows, outcomes = list[dict[str, Any]](), list[Outcome]()
    found = engines(device, jobs)
    with tempfile.TemporaryDirectory(prefix="cluster-") as name:
        songs = made(pack, Path(name), "mp3", 5)
        for at in range(rounds):
            place = Path(name, str(at))
            place.mkdir()
            row, outcomes = one_round(found, copies(songs, place, count))
            rows.append(row)
            if at < rounds - 1:
                shutil.rmtree(place)
        journal = journal_bytes(Path(name), outcomes)
        handing = handed_out(Path(name), jobs)
    by = "ray" if "ray" in found else "alone" if "alone" in found else "local"
    return {
        "device": device,
        "jobs": jobs,
        "engine": by,
        "seconds_a_song": statistics.fmean(outcome.seconds for outcome in outcomes),
        "songs_a_second": statistics.median(row[by]["rate"] for row in rows),
        "against_local": {name: spread([row[name]["rate"] / row["local"]["rate"] for row in rows]) for name in found},
        "first_after": {name: statistics.median(row[name]["first"] for row in rows) for name in found},
        "handed_out_a_second": handing,
        "written_a_song": statistics.fmean(sum(outcome.written) for outcome in outcomes),
        "journal_a_song": journal,
        "rounds": rows,
    }


def main() -> None:
    """Write the figures."""
    parser = engine_page.parser(__doc__)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--copies", type=int, default=0, help="songs in a run; ten for each process without it")
    parser.add_argument("--rounds", type=int, default=3)
    told = parser.parse_args()
    os.environ.setdefault("RAY_worker_niceness", "0")  # else they give way to whatever else the machine does
    pack = data_root(told.data) / "eval" / "songs.zip"
    figures = measured(told.device, told.jobs, told.copies or 10 * told.jobs, told.rounds, pack)
    engine_page.write(told.out or engine_page.DOCS / f"cluster-{told.device}.json", figures)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
