"""A library of many short songs, some broken, through `karalign batch`: time, memory, and what kills leave behind.

    python -m benchmarks.library --items 2000 --kills 10

The library is made twice. One copy is done without disturbance while the memory of all its processes is watched; in
the other the run is killed at random moments and started again. Then all files of both have to be the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import engine_page, library_page
from benchmarks.library_making import make
from benchmarks.packs import data_root

OUT = engine_page.DOCS / "library.json"
PAGE = engine_page.DOCS / "library.md"
EVERY = 1.0  # seconds between looks at the memory
OPTIONS = ("--recursive", "--write", "lrc,ass", "--embed", "--quiet")
SAME = ("report.json", "report.html")  # of a report
MB = 2**20


@dataclass
class Watch:
    """The memory of a process and all below it, looked at from a thread.

    Attributes:
        rows: seconds, MB of all processes (pages that several share are counted once), MB of the first, songs done.
    """

    process: int
    journal: Path
    rows: list[tuple[float, float, float, int]] = field(default_factory=list)

    def run(self, over: threading.Event) -> None:
        """Look until it is over."""
        begun = time.monotonic()
        while not over.wait(EVERY):
            with suppress(psutil.Error):
                first = psutil.Process(self.process)
                each = [_memory(one) for one in [first, *first.children(recursive=True)]]
                seconds = time.monotonic() - begun
                self.rows.append((round(seconds, 1), round(sum(each), 1), round(each[0], 1), done(self.journal)))


def _memory(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / MB
    except psutil.Error:
        return 0.0


def done(journal: Path) -> int:
    """How many songs a journal has."""
    return journal.read_bytes().count(b'"outcome"') if journal.exists() else 0


def command(folder: Path, jobs: int) -> list[str]:
    """`karalign batch` on the library in a folder."""
    places = [str(folder / "library"), "--report", str(folder / "report"), "--jobs", str(jobs)]
    return [sys.executable, "-c", "from plugin.cli import main; main()", "batch", *places, *OPTIONS]


def undisturbed(folder: Path, jobs: int) -> tuple[float, Watch]:
    """Seconds, and the memory."""
    begun = time.monotonic()
    process = subprocess.Popen(command(folder, jobs), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watch, over = Watch(process.pid, folder / "report" / "journal.jsonl"), threading.Event()
    thread = threading.Thread(target=watch.run, args=(over,))
    thread.start()
    code = process.wait()
    seconds = time.monotonic() - begun
    over.set()
    thread.join()
    if code not in (0, 1):
        raise RuntimeError(f"karalign batch ended with {code}")
    return seconds, watch


def disturbed(folder: Path, jobs: int, kills: int, seconds: float, seed: int) -> list[int]:
    """Kill the run so often, then let it end; the songs that were done at each kill."""
    chance, at = random.Random(seed), []
    for _ in range(kills):
        process = subprocess.Popen(command(folder, jobs), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.5, 3 + 1.6 * seconds / kills))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            at.append(done(folder / "report" / "journal.jsonl"))
    subprocess.run(command(folder, jobs), check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return at


def contents(folder: Path) -> dict[str, str]:
    """What is in each file of a library and its report, but for the journal and the times it took."""
    found = {}
    for path in sorted((folder / "library").rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[name] = f"-> {path.readlink()}" if path.is_symlink() else _digest(path)
    return found | {name: _digest(folder / "report" / name) for name in SAME}


def _digest(path: Path) -> str:
    return "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()


def memory(watch: Watch) -> dict[str, Any]:
    """Highest, and how it grows once all processes work: MB for a thousand songs."""
    table = np.array(watch.rows)
    later = table[len(table) // 4 : -2]
    slope = 0.0 if len(later) < 8 else float(np.polyfit(later[:, 3], later[:, 1], 1)[0])
    first = 0.0 if len(later) < 8 else float(np.polyfit(later[:, 3], later[:, 2], 1)[0])
    return {
        "highest_mb": float(table[:, 1].max()),
        "first_process_highest_mb": float(table[:, 2].max()),
        "grows_mb_a_thousand": round(1000 * slope, 1),
        "first_process_grows_mb_a_thousand": round(1000 * first, 2),
        "curve": watch.rows[:: max(1, len(watch.rows) // 300)],
    }


def kinds(folder: Path, odd: dict[str, str]) -> dict[str, dict[str, int]]:
    """What became of the odd songs, by kind; "usual" are the others."""
    report = json.loads((folder / "report" / "report.json").read_text("utf-8"))
    found: dict[str, Counter[str]] = {}
    for song in report["songs"]:
        kind = odd.get(song["song"].removeprefix("../library/"), "usual")
        found.setdefault(kind, Counter())[song["status"]] += 1
    return {kind: dict(counts) for kind, counts in sorted(found.items())}


def measured(folder: Path, data: Path, items: int, kills: int, jobs: int) -> dict[str, Any]:
    """All figures."""
    first, second = folder / "first", folder / "second"
    print("making the library", file=sys.stderr)
    odd = make(first / "library", data, items)
    shutil.copytree(first / "library", second / "library", symlinks=True)
    print("undisturbed", file=sys.stderr)
    seconds, watch = undisturbed(first, jobs)
    report = json.loads((first / "report" / "report.json").read_text("utf-8"))
    print(f"{seconds:.0f} s; now with {kills} kills", file=sys.stderr)
    begun = time.monotonic()
    at = disturbed(second, jobs, kills, seconds, seed=1) if kills else []
    one, other = contents(first), contents(second)
    return {
        "items": items,
        "jobs": jobs,
        "songs": len(report["songs"]),
        "odd": len(odd),
        "counts": report["counts"],
        "hours": report["hours"],
        "seconds": round(seconds, 1),
        "kinds": kinds(first, odd),
        "memory": memory(watch),
        "kills": {
            "killed_at": at,
            "seconds": round(time.monotonic() - begun, 1),
            "files": len(one),
            "different": sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)),
        }
        if kills
        else None,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Write docs/library.json, the picture, and the block of docs/library.md."""
    parser = engine_page.parser(__doc__)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=Path, help="where the library is made, and stays; a temporary one without it")
    told = parser.parse_args(arguments)
    with _folder(told.folder) as folder:
        figures = measured(folder, data_root(told.data), told.items, told.kills, told.jobs)
    engine_page.write(told.out or OUT, figures)
    if not told.out:
        library_page.draw(figures)
        engine_page.put("library", library_page.section(figures), PAGE)
    print(json.dumps({key: value for key, value in figures.items() if key != "memory"}, indent=1))


@contextmanager
def _folder(path: Path | None) -> Iterator[Path]:
    if path is not None:
        path.mkdir()
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="library-") as name:
        yield Path(name)


if __name__ == "__main__":
    main()
