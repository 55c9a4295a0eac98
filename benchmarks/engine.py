"""Time and memory of forced alignment against length, ours beside other exact ones.

    python -m benchmarks.engine [--minutes 1,4,15,60,180] [--methods search,chain,...] [--again] [--out FILE]

Text: 150 words a minute of the dictionary, eight a line. Emissions: its phones planted in noise, a frame every 10 ms.
Every cell is a process of its own, one after the other; what docs/engine.json has already is not measured again
without --again. Also writes docs/engine.png and the tables in docs/engine.md. Time is that of the processor; memory is
what the peak grew by above the emissions, the graph of the text included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligner_core.graph import Graph
from aligner_core.viterbi import UNITS_PER_NAT, quantize, viterbi
from benchmarks import engine_page, report
from benchmarks.planted import FRAMES, SYMBOLS, Text, log_probs, planted

JSON = engine_page.DOCS / "engine.json"
PICTURE = engine_page.DOCS / "engine.png"
LINE = 8  # words
NEAR = 3  # frames from the planted start up to which a word counts as found
LEAST = 2  # frames of a phone in our graph
ROOM = 6e9  # bytes: what needs more for its table is not tried


@dataclass(frozen=True)
class Method:
    """A way to align.

    Args:
        limit: seconds of the processor after which it is stopped.
        table: bytes that it needs for each cell of frames times states of CTC.
    """

    name: str
    title: str
    limit: int
    table: float = 0.0


METHODS = (
    Method("search", "karalign, text and sound may differ", 3600),
    Method("exact", "karalign, --exact", 3600),
    Method("chain", "karalign, CTC", 3600),
    Method("hirschberg", "hirschberg-viterbi, CTC", 300),
    Method("torchaudio", "torchaudio, CTC", 300, 1.0),
)
NOT_SHOWN = ("exact",)  # in the picture: a line on top of another


@dataclass(frozen=True)
class Found:
    """What a method makes of it.

    Args:
        starts: frame of each word.
        score: of the whole path in units of `quantize`, where the method's paths are those of CTC.
    """

    starts: NDArray[np.int64]
    score: int | None


def ready(name: str, minutes: int) -> Callable[[], Found]:
    """What to time. The emissions are made by the minute, so that the memory is at its peak in what is timed."""
    text = planted(minutes)
    blocks = log_probs(text, minutes)
    if name in ("search", "exact"):
        return _ours(text, _filled(map(_scores, blocks), minutes, np.int16), name == "search")
    if name == "chain":
        return _chain(text, _filled(map(quantize, blocks), minutes, np.int32))
    return _theirs(name, text, _filled(blocks, minutes, np.float32))


def _filled(blocks: Iterator[NDArray[Any]], minutes: int, kind: type) -> NDArray[Any]:
    first = next(blocks)
    out: NDArray[Any] = np.empty((minutes * FRAMES, first.shape[1]), kind)
    out[:FRAMES] = first
    for begin, block in zip(range(FRAMES, len(out), FRAMES), blocks, strict=True):
        out[begin : begin + FRAMES] = block
    return out


def _scores(block: NDArray[np.float32]) -> NDArray[np.int16]:
    import torch

    from aligner_core.costs import Decoding
    from aligner_core.evidence import weighed

    return weighed(torch.from_numpy(block), SYMBOLS, Decoding())


def _ours(text: Text, scores: NDArray[np.int16], free: bool) -> Callable[[], Found]:
    from aligner_core.costs import Decoding, Freedom
    from aligner_core.evidence import columns
    from aligner_core.search import Search
    from aligner_core.tree import token

    def run() -> Found:
        sounds = [token(word).readings for word in text.words]
        lines = [sounds[at : at + LINE] for at in range(0, len(sounds), LINE)]
        search = Search(lines, columns(SYMBOLS), LEAST, Decoding(), Freedom() if free else None)
        starts = np.full(len(sounds), -1, np.int64)
        for visit in reversed([visit for one in search(scores) for visit in one.visits]):
            starts[visit.token] = visit.start
        return Found(starts, None)

    return run


def _chain(text: Text, emissions: NDArray[np.int32]) -> Callable[[], Found]:
    def run() -> Found:
        path = viterbi(emissions, Graph.ctc(text.phones))
        at = dict(zip(path.states.tolist(), path.starts.tolist(), strict=True))
        starts = np.array([at[2 * first + 1] for first in text.firsts])
        return Found(starts, path.score)

    return run


def _theirs(name: str, text: Text, emissions: NDArray[np.float32]) -> Callable[[], Found]:
    import torch

    torch.set_num_threads(1)
    given = torch.from_numpy(emissions)[None]

    def run() -> Found:
        if name == "torchaudio":
            from torchaudio.functional import forced_align

            labels = forced_align(given, torch.tensor([text.phones]))[0]
        else:
            from hirschberg_viterbi import hirschberg_viterbi

            labels = hirschberg_viterbi(given, torch.tensor([text.phones], dtype=torch.int32))[0]
        return _of_labels(labels[0].numpy(), text, emissions)

    return run


def _of_labels(labels: NDArray[Any], text: Text, emissions: NDArray[np.float32]) -> Found:
    """A label a frame to starts: a new phone begins where the label changes to one that is no blank."""
    begins = np.flatnonzero((labels != np.append(0, labels[:-1])) & (labels != 0))
    scores = emissions[np.arange(len(labels)), labels].astype(np.float64) * UNITS_PER_NAT
    return Found(begins[text.firsts], int(scores.sum()))


def measure(method: Method, minutes: int) -> dict[str, Any]:
    """Seconds, megabytes and what was found, in this process."""
    ready(method.name, 1)()  # loads and compiles
    run = ready(method.name, minutes)
    starts = planted(minutes)
    right = np.array(starts.starts)[starts.firsts]
    del starts
    _forget_peak()
    before, began = _memory("VmRSS"), time.process_time()
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(began) + method.limit, most))
    found = run()
    seconds = time.process_time() - began
    near = float((np.abs(found.starts - right) <= NEAR).mean())
    return {"seconds": seconds, "memory": _memory("VmHWM") - before, "score": found.score, "near": near}


def _forget_peak() -> None:
    """Let the peak of the memory begin anew: compiling may have taken more than what is measured."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _memory(field: str) -> float:
    """Megabytes of this process by its entry in /proc: VmRSS now, VmHWM at most."""
    rows = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) / 1024 for row in rows if row.startswith(field))


def apart(method: Method, minutes: int) -> dict[str, Any]:
    """`measure` in a process of its own; {"problem"} says why there is no result."""
    text = planted(minutes)
    table = method.table * minutes * FRAMES * (2 * len(text.phones) + 1)
    if table > ROOM:
        return {"problem": f"needs a table of {table / 1e9:.0f} GB"}
    command = [sys.executable, "-m", "benchmarks.engine", "--one", method.name, str(minutes)]
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    if run.returncode == -signal.SIGXCPU:
        return {"problem": f"not within {method.limit} s"}
    if run.returncode:
        raise RuntimeError(f"{method.name}, {minutes} minutes, failed with {run.returncode}: {run.stderr[-2000:]}")
    return dict(json.loads(run.stdout))


def table(cells: Mapping[str, Mapping[str, Any]], lengths: Sequence[int]) -> str:
    """A row a method, a column a length."""
    head = ("", *(f"{minutes} min" for minutes in lengths))
    rows = []
    for method in METHODS:
        mine = [cells.get(f"{method.name}/{minutes}") for minutes in lengths]
        if any(mine):
            rows.append((method.title, *(_cell(cell) for cell in mine)))
    sizes = [f"{minutes * FRAMES * len(SYMBOLS) * 4 / 1e6:.0f} MB" for minutes in lengths]
    return report.table(head, [*rows, ("emissions", *sizes)])


def _cell(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return "-"
    return cell["problem"] if "problem" in cell else f"{cell['seconds']:.2f} s, {cell['memory']:.0f} MB"


def checks(cells: Mapping[str, Mapping[str, Any]], lengths: Sequence[int]) -> str:
    """Whether all found a best path, and how much of what was planted."""
    lines = []
    for minutes in lengths:
        known = {m.title: cell for m in METHODS if "near" in (cell := cells.get(f"{m.name}/{minutes}", {}))}
        scores = {title: cell["score"] for title, cell in known.items() if cell["score"] is not None}
        short = {title: (max(scores.values()) - score) / UNITS_PER_NAT for title, score in scores.items()}
        same = ", ".join(f"{title} {nats:.1f} nats short of it" for title, nats in short.items() if nats)
        near = f"{100 * min((cell['near'] for cell in known.values()), default=0):.2f} % or more"
        best = f"{same or 'all CTC paths have the best score'}; " if len(scores) > 1 else ""
        lines.append(f"* {minutes} min: {best}words within {NEAR * 10} ms: {near}")
    return "\n".join(lines)


def draw(cells: Mapping[str, Mapping[str, Any]], lengths: Sequence[int], out: Path) -> None:
    """Time and memory against length, on logarithmic axes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4))
    for method in METHODS:
        points = [(m, cell) for m in lengths if "seconds" in (cell := cells.get(f"{method.name}/{m}", {}))]
        for axis, field in zip(axes, ("seconds", "memory"), strict=True):
            if method.name not in NOT_SHOWN:
                values = [max(cell[field], 0.01) for _, cell in points]
                axis.loglog([m for m, _ in points], values, marker="o", label=method.title)
    for axis, name in zip(axes, ("processor seconds", "MB above the emissions"), strict=True):
        axis.set(xlabel="minutes of sound", ylabel=name, xticks=lengths, xticklabels=lengths)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(out, dpi=80)


def main() -> None:
    """Measure what is missing, print, and put into the page."""
    options = _options()
    if options.one:
        method = next(method for method in METHODS if method.name == options.one[0])
        print(json.dumps(measure(method, int(options.one[1]))))
        return
    lengths = [int(minutes) for minutes in options.minutes.split(",")]
    figures: dict[str, Any] = {"cells": {}} | engine_page.read(options.out)
    for minutes in lengths:
        for method in METHODS:
            key = f"{method.name}/{minutes}"
            wanted = not options.methods or method.name in options.methods.split(",")
            if wanted and (options.again or key not in figures["cells"]):
                figures["cells"][key] = apart(method, minutes)
                print(f"{key}: {figures['cells'][key]}", flush=True)
                engine_page.write(options.out, figures | {"by": report.made_by(None)})
    lengths = sorted({int(key.split("/")[1]) for key in figures["cells"]})
    text = f"{table(figures['cells'], lengths)}\n\n{checks(figures['cells'], lengths)}"
    print(text)
    if options.out == JSON:
        draw(figures["cells"], lengths, PICTURE)
        engine_page.put("engine", f"![Time and memory against length]({PICTURE.name})\n\n{text}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", default="1,4,15,60,180", help="lengths, comma-separated")
    parser.add_argument("--methods", default="", help="comma-separated: " + ", ".join(m.name for m in METHODS))
    parser.add_argument("--again", action="store_true", help="measure also what was measured before")
    parser.add_argument("--out", type=Path, default=JSON, help="write the figures there, and not the page")
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "MINUTES"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
