"""Time and peak memory of forced alignment against length, beside torchaudio's; prints Markdown tables.

    python benchmarks/viterbi.py [--minutes 1 4 15 60] [--batch 512] [--device cuda]

Text: 600 phones a minute in words of four, an optional silence between words, at least 30 ms a phone ("phones"); the
same phones with CTC's blanks for both ("CTC"). Every cell of the first table is a process of its own on one core; the
memory is what its peak grew by above the input and what loading and compiling took.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligner_core.graph import Graph
from aligner_core.viterbi import quantize, viterbi, viterbi_batch

SYMBOLS, FRAMES, PHONES, WORD = 41, 6000, 600, 4  # symbols; frames and phones a minute; phones a word
ENGINES = ("phones", "CTC", "torchaudio")
BATCH_FRAMES, BATCH_PHONES = 1700, 320  # of one utterance


def phones(count: int) -> list[int]:
    """Random symbols, the blank (0) never."""
    return [int(x) for x in np.random.default_rng(0).integers(1, SYMBOLS, count)]


def words(sounds: Sequence[int]) -> Graph:
    """The phones with an optional silence after each word."""
    states = [(0, 1, True)]
    for i, symbol in enumerate(sounds, start=1):
        states.append((symbol, 3, False))
        if i % WORD == 0:
            states.append((0, 1, True))
    symbols, frames, optional = zip(*states, strict=True)
    return Graph.chain(symbols, frames, optional)


def log_probs(minutes: int) -> Iterator[NDArray[np.float32]]:
    """Log-probabilities (FRAMES, SYMBOLS) of each minute, as of a network in doubt."""
    generator = np.random.default_rng(1)
    for _ in range(minutes):
        x = generator.standard_normal((FRAMES, SYMBOLS), dtype=np.float32) * 3
        yield x - np.log(np.exp(x).sum(1, keepdims=True))


def engine(name: str, minutes: int) -> Callable[[], object]:
    """What to time, ready to run. The input is made by the minute, to leave the peak of the memory to what is timed."""
    sounds = phones(minutes * PHONES)
    scores: NDArray[Any] = np.empty((minutes * FRAMES, SYMBOLS), np.float32 if name == "torchaudio" else np.int32)
    for begin, minute in zip(range(0, len(scores), FRAMES), log_probs(minutes), strict=True):
        scores[begin : begin + FRAMES] = minute if name == "torchaudio" else quantize(minute)
    if name == "torchaudio":
        import torch
        from torchaudio.functional import forced_align

        torch.set_num_threads(1)
        tensors = torch.from_numpy(scores)[None], torch.tensor([sounds])
        return lambda: forced_align(*tensors)
    graph = words(sounds) if name == "phones" else Graph.ctc(sounds)
    return lambda: viterbi(scores, graph)


def measure(name: str, minutes: int) -> tuple[float, float]:
    """Seconds and megabytes of one alignment, in this process."""
    engine(name, 1)()  # loads and compiles
    run = engine(name, minutes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    run()
    seconds = time.perf_counter() - began
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def apart(name: str, minutes: int) -> tuple[float, float] | None:
    """`measure` in a process of its own; None where torchaudio's table of a byte a cell does not fit."""
    cells = minutes * FRAMES * (2 * minutes * PHONES + 1)
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if name == "torchaudio" and 2 * cells > free:
        return None
    command = [sys.executable, __file__, "--one", name, str(minutes)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    seconds, megabytes = json.loads(run.stdout)
    return seconds, megabytes


def length_table(minutes: Sequence[int]) -> None:
    """Print time and memory for each length."""
    print("| minutes | emissions | phones | CTC | torchaudio, CTC | torchaudio / CTC |\n|---|---|---|---|---|---|")
    for length in minutes:
        results = [apart(name, length) for name in ENGINES]
        cells = ["does not fit" if r is None else f"{r[0]:.2f} s, {r[1]:.0f} MB" for r in results]
        ctc, theirs = results[1:]
        ratio = "-" if ctc is None or theirs is None else f"{theirs[0] / ctc[0]:.1f}"
        print(
            f"| {length} | {length * FRAMES * SYMBOLS * 4 / 1e6:.0f} MB | {' | '.join(cells)} | {ratio} |", flush=True
        )


def batch_table(size: int, device: str) -> None:
    """Print the time of many utterances of 17 s at once, and one after the other on a core."""
    import torch

    graph = words(phones(BATCH_PHONES))
    emissions = quantize(next(log_probs(1))[:BATCH_FRAMES])
    batch = torch.from_numpy(emissions).to(device).expand(size, -1, -1)
    seconds = []
    runs: tuple[Callable[[], object], ...] = (
        lambda: viterbi_batch(batch, [BATCH_FRAMES] * size, [graph] * size, device),
        lambda: [viterbi(emissions, graph) for _ in range(size)],
    )
    for run in runs:
        run()
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    print(f"\n| {size} utterances of 17 s, {len(graph)} states | seconds |\n|---|---|")
    print(f"| at once on {device} | {seconds[0]:.2f} |\n| one by one on a core | {seconds[1]:.2f} |")


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, nargs="*", default=[1, 4, 15, 60])
    parser.add_argument("--batch", type=int, default=0, help="utterances of the second table; 0: no such table")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", nargs=2, metavar=("ENGINE", "MINUTES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]))))
        return
    if options.minutes:
        length_table(options.minutes)
    if options.batch:
        batch_table(options.batch, options.device)


if __name__ == "__main__":
    main()
