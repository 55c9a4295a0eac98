"""Time and memory of `karalign align` on a song of four minutes, from the shell, everything included.

    python -m benchmarks.speed [--runs 5]

Prints a section of docs/results.md and puts it there. "First run" is with an empty cache of compiled code, as on the
day of installation.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks import packs, report

SECONDS = 240
SONG = "Joshua_Morin"  # the one of the packs that is under a free licence
EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "amazing-grace"
COMMAND = (sys.executable, "-c", "from plugin.cli import main; main()")
BARE = (sys.executable, "-c", "import torch, numba")  # what a run starts with


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds on the clock and of the processor, most memory in MB."""

    wall: float
    cpu: float
    memory: float


def main() -> None:
    """Measure, print and put into the page."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        name = four_minutes(place, packs.data_root(options.data))
        align = ["align", "song.wav", "song.txt", "-o", "song.lrc", "--quiet"]
        align += ["--model", str(options.model.resolve())] if options.model else []
        anew, kept = [*align, "--no-cache"], {"KARALIGN_CACHE": str(place / "heard")}
        cold = [measured(anew, place, {"NUMBA_CACHE_DIR": str(place / f"cache{k}")}) for k in range(options.cold)]
        warm = [measured(anew, place, {}) for _ in range(options.runs + 1)][1:]
        again = [measured(align, place, kept) for _ in range(options.runs + 1)][1:]
        shown = [measured(["--help"], place, {}) for _ in range(options.runs + 1)][1:]
        bare = [measured([], place, {}, BARE) for _ in range(options.runs + 1)][1:]
    rows = [
        _row("karalign align, first run", cold),
        _row("karalign align --no-cache", warm),
        _row("karalign align, the sound heard before", again),
        _row("python, PyTorch and numba alone", bare),
        # what a process starts from counts into its peak: too much beside so small a command
        {**_row("karalign --help", shown), "memory": None},
    ]
    speed = {"song": name, "rows": rows}
    print(report.speed_section(speed))
    report.write({"speed": speed, "by": report.made_by(options.model)})


def four_minutes(folder: Path, root: Path) -> str:
    """Write song.wav and song.txt, `SECONDS` long, into the folder; a song repeated with its words, then cut.

    Returns:
        What the song is, in words.
    """
    wave, rate, lines, name = _source(root)
    rows: list[str] = []
    for repeat in range(-(-SECONDS * rate // len(wave))):
        offset = repeat * len(wave) / rate
        rows += [text for text, end in lines if end + offset < SECONDS]
    sound = np.resize(wave, SECONDS * rate)
    soundfile.write(folder / "song.wav", sound, rate)
    (folder / "song.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return f"{name}, {SECONDS} s, {sum(len(row.split()) for row in rows)} words"


def measured(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], command: Sequence[str] = COMMAND
) -> Run:
    """Run karalign, or another command, in the folder.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    begin = time.perf_counter()
    with subprocess.Popen(
        [*command, *arguments], cwd=folder, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, ["karalign", *arguments])
    return Run(wall, usage.ru_utime + usage.ru_stime, _megabytes(usage))


def _source(root: Path) -> tuple[NDArray[np.float32], int, list[tuple[str, float]], str]:
    """A song: wave (samples,), its rate, its lines with their ends in seconds, and what it is."""
    pack = root / "eval" / "songs.zip"
    if pack.exists():
        item = next(packs.read(pack, SONG))
        timed, wave, rate, name = item.reference, item.wave, packs.SAMPLE_RATE, item.key.replace("_", " ")
    else:
        from plugin import load

        stereo, rate = soundfile.read(EXAMPLE.with_suffix(".mp3"), dtype="float32")
        wave, timed, name = stereo.mean(1), load(str(EXAMPLE.with_suffix(".truth.json"))), "the example song"
    return wave, rate, [(line.text, line.end) for line in timed.lines if line.end is not None], name


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def _row(what: str, runs: Sequence[Run]) -> dict[str, object]:
    walls = [run.wall for run in runs]
    return {
        "what": what,
        "runs": len(runs),
        "wall": statistics.median(walls),
        "wall_least": min(walls),
        "wall_most": max(walls),
        "cpu": statistics.median(run.cpu for run in runs),
        "memory": max(run.memory for run in runs),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="runs with everything compiled")
    parser.add_argument("--cold", type=int, default=2, help="first runs")
    parser.add_argument("--model", type=Path, help="checkpoint; the released one without it")
    parser.add_argument("--data", type=Path, help="folder of the packs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
