"""Decoding alone: the best CTC path by several programs through the very same emissions.

    python -m benchmarks.peers_decoding NAME MINUTES

is one of the processes that the memory is measured in. The text is planted (`benchmarks.planted`): 150 words a minute,
100 frames a second. Ours takes the same float32 log-probabilities as all others, and rounds them itself.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from aligner_core._version import __version__
from aligner_core.graph import Graph
from aligner_core.viterbi import UNITS_PER_NAT, quantize, viterbi
from benchmarks import engine
from benchmarks.engine import NEAR, Found
from benchmarks.peers_speed import against, in_turn
from benchmarks.planted import SYMBOLS, log_probs, planted

OURS = "karalign"
PACKAGES = ("torchaudio", "hirschberg-viterbi", "ctc-segmentation")
MINUTES, QUICK = (1, 4), (1,)
ROUNDS = {1: 11, 4: 9}
FRAME = 0.01  # s


def measured(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """{"versions", "absent", "minutes": {n: {name: time and memory by ours, and how the paths agree}}}."""
    there = versions()
    out: dict[str, Any] = {"versions": there, "absent": sorted(set(PACKAGES) - set(there)), "minutes": {}}
    for minutes in QUICK if quick else MINUTES:
        out["minutes"][str(minutes)] = row = compared([*there], minutes, 3 if quick else ROUNDS[minutes])
        say(f"{minutes} min: " + ", ".join(f"{name} {one['time']['median']:.2f}" for name, one in row["by"].items()))
    return out


def versions() -> dict[str, str]:
    """Those that are installed, ours first."""
    out = {OURS: __version__}
    for name in PACKAGES:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            continue
    return out


def compared(names: list[str], minutes: int, rounds: int) -> dict[str, Any]:
    """Times in turn, memory in processes of their own, and agreement.

    Raises:
        RuntimeError: a program that should find the best path finds a worse one.
    """
    works = {name: ready(name, minutes) for name in names}
    found = {name: work() for name, work in works.items()}
    times = against(in_turn(works, rounds), OURS)
    memory = {name: apart(name, minutes) for name in names if minutes > 1}  # what one warms up with hides its memory
    right = planted(minutes)
    begins = np.array(right.starts)[right.firsts]
    by = {}
    for name in names:
        by[name] = {
            "time": times[name],
            "megabytes": memory.get(name),
            "nats_from_ours": _gap(found[name], found[OURS]),
            "words_as_planted": float((np.abs(found[name].starts - begins) <= NEAR).mean()),
        }
    return {"rounds": rounds, "by": by}


def _gap(found: Found, ours: Found) -> float | None:
    """Nats by which a path is worse than ours; None for who has another measure than the path's probability."""
    if found.score is None or ours.score is None:
        return None
    return (ours.score - found.score) / UNITS_PER_NAT


def ready(name: str, minutes: int) -> Callable[[], Found]:
    """What is to be timed, on emissions that lie there already."""
    if name in ("torchaudio", "hirschberg-viterbi"):
        return engine.ready(name.partition("-")[0], minutes)
    text = planted(minutes)
    emissions = np.concatenate(list(log_probs(text, minutes)))
    words = [np.array(text.phones[a:b]) for a, b in zip(text.firsts, [*text.firsts[1:], None], strict=True)]

    def ours() -> Found:
        path = viterbi(quantize(emissions), Graph.ctc(text.phones))
        at = dict(zip(path.states.tolist(), path.starts.tolist(), strict=True))
        return Found(np.array([at[2 * first + 1] for first in text.firsts]), path.score)

    def segmented() -> Found:
        import ctc_segmentation as theirs

        config = theirs.CtcSegmentationParameters()
        config.char_list, config.index_duration = list(SYMBOLS), FRAME
        config.preamble_transition_cost_zero, config.backtrack_from_max_t = False, True  # all of the sound
        config.min_window_size = len(emissions)  # with windows of its usual size it loses its way here
        table, begins = theirs.prepare_token_list(config, words)
        timings, _, _ = theirs.ctc_segmentation(config, emissions, table)
        return Found(np.rint(timings[np.array(begins[:-1]) + 1] / FRAME).astype(np.int64), None)

    return ours if name == OURS else segmented


def apart(name: str, minutes: int) -> float:
    """Megabytes that decoding takes above the emissions, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peers_decoding", name, str(minutes)]
    one = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=one)
    return float(json.loads(run.stdout)["megabytes"])


def peak(work: Callable[[], object]) -> float:
    """Megabytes by which the memory of this process grows at most while this is done."""
    ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back first
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # lets the peak begin anew
    before = _status("VmRSS")
    work()
    return _status("VmHWM") - before


def _status(field: str) -> float:
    rows = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) / 1024 for row in rows if row.startswith(field))


def main() -> None:
    """Measure the memory of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=(OURS, *PACKAGES))
    parser.add_argument("minutes", type=int)
    given = parser.parse_args()
    ready(given.name, 1)()  # loads and compiles
    print(json.dumps({"megabytes": peak(ready(given.name, given.minutes))}))


if __name__ == "__main__":
    main()
