"""Where the seconds of one song go, with either runtime and from the cache; docs/profile.md.

    python -m benchmarks.profile [--runs 5] [--cold 2] [--out FILE]

A song of four minutes as MP3 (44.1 kHz, stereo), from the shell. Ways take turns, so that what else the machine does
hits all of them alike; each run is made as it is and once more with clocks in it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import engine_page, packs, report
from benchmarks.profile_page import PAGE, section
from benchmarks.speed import Run, four_minutes, measured

OUT = engine_page.DOCS / "profile.json"
ENDS = "Python ends"
ALIGN = ("align", "song.mp3", "song.txt", "-o", "song.lrc", "--quiet")
IMPORTS = {"PyTorch": "import torch", "ONNX Runtime": "import onnxruntime", "numba": "import numba"}
FOLLOWED = "from benchmarks.profile_spans import main; main()"


@dataclass(frozen=True)
class Way:
    """A way to run `karalign align`.

    Args:
        options: of the command.
        compiled: compiled code is there, as it is from the second run on.
        wall, memory: at most, seconds and MB, if that was said.
    """

    options: tuple[str, ...]
    compiled: bool = True
    wall: float | None = None
    memory: float | None = None


WAYS = {
    "light": Way(("--runtime", "light", "--no-cache"), wall=6.0, memory=800.0),
    "torch": Way(("--runtime", "torch", "--no-cache"), wall=6.0, memory=800.0),
    "heard before": Way((), wall=2.5, memory=800.0),
    "first of all": Way(("--runtime", "light", "--no-cache"), compiled=False),
}


@dataclass
class Measured:
    """What the runs of a way came to: as they are, and where their seconds went, wall and processor, by part."""

    runs: list[Run] = field(default_factory=list)
    spent: list[dict[str, list[float]]] = field(default_factory=list)

    def figures(self, way: Way) -> dict[str, Any]:
        """Medians, spread, and parts from the longest on."""
        walls = [run.wall for run in self.runs]
        names = dict.fromkeys(name for spent in self.spent for name in spent)
        parts = {
            name: [statistics.median(spent.get(name, (0.0, 0.0))[at] for spent in self.spent) for at in (0, 1)]
            for name in names
        }
        return {
            "runs": len(walls), "wall": statistics.median(walls), "least": min(walls), "most": max(walls),
            "cpu": statistics.median(run.cpu for run in self.runs), "memory": max(run.memory for run in self.runs),
            "at_most": {"wall": way.wall, "memory": way.memory}, "walls": walls,
            "parts": dict(sorted(parts.items(), key=lambda part: -part[1][0])),
        }  # fmt: skip


def song(folder: Path, root: Path) -> str:
    """Write song.mp3 and song.txt into the folder; gives what the song is."""
    import imageio_ffmpeg

    name = four_minutes(folder, root)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", "song.wav", "-ar", "44100", "-ac", "2", "song.mp3"]
    subprocess.run(command, cwd=folder, check=True)
    return name


def followed(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> dict[str, list[float]]:
    """Seconds of a run by part, wall and processor."""
    spans = folder / "spans.json"
    paths = os.pathsep.join([str(report.ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", FOLLOWED, str(time.monotonic()), str(spans), *arguments]
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": paths, **environment}, check=True)
    ended, told = time.monotonic(), json.loads(spans.read_text(encoding="utf-8"))
    return {**told["spent"], ENDS: [ended - told["ended"], 0.0]}


def measure(folder: Path, runs: int, cold: int, say: Any = print) -> dict[str, dict[str, Any]]:
    """All ways in turns; the first round of those that find compiled code is not counted."""
    found = {name: Measured() for name in WAYS}
    for at in range(-1, max(runs, cold)):
        for name, way in WAYS.items():
            if (at < 0 and not way.compiled) or at >= (runs if way.compiled else cold):
                continue
            kept = {"KARALIGN_CACHE": str(folder / "heard")}
            anew = [{} if way.compiled else {"NUMBA_CACHE_DIR": str(folder / f"compiled{at}{k}")} for k in range(2)]
            run = measured((*ALIGN, *way.options), folder, kept | anew[0])
            spent = followed((*ALIGN, *way.options), folder, kept | anew[1])
            if at >= 0:
                found[name].runs.append(run)
                found[name].spent.append(spent)
                say(f"{name}: {run.wall:.2f} s, {run.cpu:.2f} s of the processor, {run.memory:.0f} MB", flush=True)
    return {name: found[name].figures(way) for name, way in WAYS.items() if found[name].runs}


def imports(folder: Path, runs: int) -> dict[str, dict[str, float]]:
    """What it takes to load packages, each alone."""
    out = {}
    for name, line in IMPORTS.items():
        taken = [measured((), folder, {}, (sys.executable, "-c", line)) for _ in range(runs)]
        out[name] = {
            "wall": statistics.median(run.wall for run in taken), "cpu": statistics.median(run.cpu for run in taken),
            "memory": max(run.memory for run in taken),
        }  # fmt: skip
    return out


def main() -> None:
    """Measure, and write."""
    options = engine_page.parser(__doc__)
    options.add_argument("--runs", type=int, default=5, help="rounds with everything compiled")
    options.add_argument("--cold", type=int, default=2, help="rounds without compiled code")
    told = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        name = song(place, packs.data_root(told.data))
        figures = {
            "song": name, "by": report.made_by(None), "ways": measure(place, told.runs, told.cold),
            "imports": imports(place, told.runs),
        }  # fmt: skip
    engine_page.write(told.out or OUT, figures)
    if not told.out:
        from benchmarks.profile_picture import draw

        engine_page.put("profile", section(figures), PAGE)
        draw(figures)


if __name__ == "__main__":
    main()
