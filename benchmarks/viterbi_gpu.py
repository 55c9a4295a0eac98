"""Many songs aligned at once on a GPU, beside torchaudio's operator song by song; prints Markdown tables.

    python -m benchmarks.viterbi_gpu [--songs 1 8 64] [--repeats 3] [--sweep] [--out FILE.json]

Songs of 200 to 240 s at 100 frames a second, 40 symbols, about 400 words in lines of seven, of which some have two
pronunciations; their path is planted in noise. "CTC" is the problem that torchaudio solves, on the same targets;
"words" has each pronunciation and an optional rest after each word, "skips" lets a path leave out up to twelve lines as
well. All emissions lie on the GPU before the clock starts. Times are medians after a warm-up: "graphs" is what Python
takes to make them, "batch" is all of `viterbi_batch` on quantized emissions, of which "layout" is preparation on the
host; the speed-up is of batch and quantizing, and in brackets with the graphs as well.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner_core import viterbi as engine
from aligner_core import viterbi_torch
from aligner_core.graph import Graph, GraphBuilder
from aligner_core.viterbi_torch import Shape, quantize
from benchmarks import engine_page, report

SYMBOLS, LINE, MIN_FRAMES = 40, 7, 3
SKIPS, SKIP = 12, -20_000  # lines that may be left out, and what each costs
SHAPES = [Shape(*numbers) for numbers in ((256, 4), (256, 8), (512, 8), (512, 16), (1024, 16), (1024, 32), (2048, 32))]


@dataclass(frozen=True)
class Song:
    """The pronunciations of each word, the phones that are said, and the column of each frame."""

    words: list[list[list[int]]]
    targets: list[int]
    labels: NDArray[np.int64]


def make_song(generator: np.random.Generator, frames: int, count: int) -> Song:
    """Random words on a random planted path; a quarter of them may be said in two ways."""
    words = []
    spoken: list[int] = []
    for _ in range(count):
        ways = 1 + int(generator.random() < 0.25)
        words.append([generator.integers(1, SYMBOLS, generator.integers(2, 8)).tolist() for _ in range(ways)])
        spoken += [*words[-1][generator.integers(ways)], 0]
    durations = np.where(np.array(spoken) > 0, MIN_FRAMES, 0)
    durations += generator.multinomial(frames - durations.sum(), np.full(len(spoken), 1 / len(spoken)))
    return Song(words, [symbol for symbol in spoken if symbol], np.repeat(spoken, durations))


def make_graph(song: Song, skips: int) -> Graph:
    """The words in a row, an optional rest after each; arcs over up to `skips` lines."""
    builder = GraphBuilder()
    exits = [builder.state(0, initial=0)]
    breaks: list[int] = []  # the rests between lines
    starts = True
    for number, ways in enumerate(song.words):
        if number % LINE == 0:
            breaks.append(exits[-1])
        over = breaks[-2 : -skips - 2 : -1] if number % LINE == 0 else []
        before = [(state, 0) for state in exits] + [(state, SKIP * (i + 1)) for i, state in enumerate(over)]
        ends = []
        for phones in ways:
            last = [(builder.state(phones[0], MIN_FRAMES, before, 0 if starts else None), 0)]
            for symbol in phones[1:]:
                last = [(builder.state(symbol, MIN_FRAMES, last), 0)]
            ends.append(last[0][0])
        exits = [*ends, builder.state(0, 1, [(end, 0) for end in ends])]
        starts = False
    for state in exits:
        builder.end(state)
    return builder.build()


MAKERS: dict[str, Callable[[Song], Graph]] = {
    "CTC": lambda song: Graph.ctc(song.targets),
    "words": lambda song: make_graph(song, 0),
    "skips": lambda song: make_graph(song, SKIPS),
}


def make_graphs(kind: str, songs: Sequence[Song]) -> list[Graph]:
    """A graph of this kind for each song."""
    return [MAKERS[kind](song) for song in songs]


def make_log_probs(songs: Sequence[Song], device: str) -> Tensor:
    """float32 (songs, frames, SYMBOLS) of a network that is often right."""
    torch.manual_seed(0)
    longest = max(len(song.labels) for song in songs)
    logits = torch.randn(len(songs), longest, SYMBOLS, device=device) * 1.5
    for row, song in zip(logits, songs, strict=True):
        row[torch.arange(len(song.labels)), torch.from_numpy(song.labels)] += 4
    return logits.log_softmax(-1)


def synchronize(device: str) -> None:
    """Wait for the GPU."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def seconds(run: Callable[[], object], device: str, repeats: int) -> float:
    """Median time of a run, after one that does not count."""
    times = []
    for _ in range(repeats + 1):
        synchronize(device)
        began = time.perf_counter()
        run()
        synchronize(device)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def align(emissions: Tensor, lengths: list[int], graphs: list[Graph], shape: Shape | None = None) -> list[engine.Path]:
    """`viterbi_batch`; in a shape that is asked for, or without a GPU, what lies behind it."""
    if shape is None and emissions.is_cuda:
        return engine.viterbi_batch(emissions, lengths, graphs, emissions.device)
    memory = None if emissions.is_cuda else 2**30
    return viterbi_torch.best_paths(emissions, lengths, graphs, emissions.device, memory, shape or viterbi_torch.SHAPE)


def theirs(log_probs: Tensor, songs: Sequence[Song]) -> list[Tensor]:
    """The labels that torchaudio finds, song by song."""
    from torchaudio.functional import forced_align

    found = []
    for row, song in zip(log_probs, songs, strict=True):
        targets = torch.tensor([song.targets], dtype=torch.int32, device=log_probs.device)
        found.append(forced_align(row[None, : len(song.labels)], targets)[0][0])
    return found


def check(log_probs: Tensor, songs: Sequence[Song], kinds: dict[str, list[Graph]], number: int) -> dict[str, Any]:
    """Compare the first songs' paths with the CPU's bit for bit, all scores with torchaudio's, and with the truth.

    Raises:
        SystemExit: they differ.
    """
    emissions, lengths = quantize(log_probs), [len(song.labels) for song in songs]
    facts: dict[str, Any] = {}
    for kind, graphs in kinds.items():
        paths = align(emissions, lengths, graphs)
        for i in range(min(number, len(songs))):
            expected = engine.viterbi(emissions[i, : lengths[i]].cpu().numpy(), graphs[i])
            same = all(
                np.array_equal(getattr(paths[i], name), getattr(expected, name)) for name in ("states", "starts")
            )
            if not same or paths[i].score != expected.score:
                raise SystemExit(f"{kind}: song {i} differs from the CPU's path")
        right = [
            (np.repeat(graph.symbols[path.states], path.ends - path.starts) == song.labels).mean()
            for path, graph, song in zip(paths, graphs, songs, strict=True)
        ]
        facts[f"{kind}, frames as planted"] = float(np.mean(right))
        if kind == "CTC":
            gaps = []
            for i, labels in enumerate(theirs(log_probs[:number], songs[:number])):
                score = emissions[i, torch.arange(lengths[i], device=labels.device), labels.long()].sum().item()
                gaps.append((paths[i].score - score) / engine.UNITS_PER_NAT)
            if min(gaps) < 0:
                raise SystemExit(f"CTC: torchaudio's path is better by {-min(gaps)} nats")
            facts["nats above torchaudio's path, most"] = max(gaps)
    return facts | {"songs equal to the CPU": min(number, len(songs)), "states": [len(g) for g in kinds["skips"][:8]]}


def measure(log_probs: Tensor, songs: Sequence[Song], kinds: dict[str, list[Graph]], options: Any) -> dict[str, float]:
    """Seconds of each step for these songs."""
    device, lengths = options.device, [len(song.labels) for song in songs]
    row: dict[str, float] = {"songs": len(songs)}
    row["torchaudio"] = seconds(
        lambda: theirs(log_probs, songs), device, min(options.repeats, 2 if len(songs) > 8 else 9)
    )
    row["quantize"] = seconds(lambda: quantize(log_probs), device, options.repeats)
    emissions = quantize(log_probs)
    for kind, graphs in kinds.items():
        row[f"{kind} graphs"] = seconds(partial(make_graphs, kind, songs), device, 1)
        row[f"{kind} layout"] = seconds(
            partial(viterbi_torch._nets, graphs, lengths, viterbi_torch.SHAPE), device, options.repeats
        )
        row[f"{kind} batch"] = seconds(partial(align, emissions, lengths, graphs), device, options.repeats)
        work = row["quantize"] + row[f"{kind} batch"]
        row[f"{kind} speed-up"] = row["torchaudio"] / work
        row[f"{kind} speed-up with graphs"] = row["torchaudio"] / (work + row[f"{kind} graphs"])
    return row


def sweep(
    log_probs: Tensor, songs: Sequence[Song], kinds: dict[str, list[Graph]], options: Any
) -> list[dict[str, Any]]:
    """Seconds of the batch in other shapes."""
    emissions, lengths = quantize(log_probs), [len(song.labels) for song in songs]
    rows = []
    for shape in [shape._replace(frames=frames) for frames in (512, 1024) for shape in SHAPES]:
        row: dict[str, Any] = {"songs": len(songs), **shape._asdict()}
        for kind, graphs in kinds.items():
            row[kind] = seconds(partial(align, emissions, lengths, graphs, shape), options.device, 2)
        print(row, flush=True)
        rows.append(row)
    return rows


def table(figures: dict[str, Any]) -> str:
    """The figures in Markdown."""
    out = []
    for row in figures["rows"]:
        for kind in MAKERS:
            steps = [f"{row[f'{kind} {step}']:.3f} s" for step in ("graphs", "batch")]
            gains = [f"{row[f'{kind} {gain}']:.1f}" for gain in ("speed-up", "speed-up with graphs")]
            out.append((f"{row['songs']:.0f}", kind, f"{row['torchaudio']:.2f} s", *steps, *gains))
    head = ("songs", "graph", "torchaudio, song by song", "graphs", "batch", "speed-up", "with graphs")
    facts = figures["facts"]
    return f"{report.table(head, out)}\n\nOn one {facts['device']}, torch {facts['torch']}."


def main() -> None:
    """Read the options, check, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, nargs=2, default=[200, 240], help="shortest and longest song")
    parser.add_argument("--words", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--check", type=int, default=4, help="songs to compare with the CPU")
    parser.add_argument("--sweep", action="store_true", help="other shapes of the work as well, for most songs")
    parser.add_argument("--device", default="cuda:0", help="cpu works with TRITON_INTERPRET=1 and tiny sizes")
    parser.add_argument("--out", type=Path, help="write all figures there as JSON")
    parser.add_argument("--page", type=Path, help="put the table of such a JSON into docs/engine.md, measure nothing")
    options = parser.parse_args()
    if options.page:
        engine_page.put("gpu", table(engine_page.read(options.page)))
        return
    generator = np.random.default_rng(0)
    low, high = (round(100 * limit) for limit in options.seconds)
    songs = [
        make_song(generator, int(generator.integers(low, high + 1)), options.words) for _ in range(max(options.songs))
    ]
    log_probs = make_log_probs(songs, options.device)
    kinds = {kind: make_graphs(kind, songs) for kind in MAKERS}
    machine = "CPU" if options.device == "cpu" else torch.cuda.get_device_name(options.device)
    facts = {
        "device": machine,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    facts |= check(log_probs, songs, kinds, options.check)
    print(facts, flush=True)
    rows = [
        measure(log_probs[:n], songs[:n], {kind: graphs[:n] for kind, graphs in kinds.items()}, options)
        for n in options.songs
    ]
    print(table({"facts": facts, "rows": rows}), flush=True)
    shapes = sweep(log_probs, songs, kinds, options) if options.sweep else []
    if options.out:
        options.out.write_text(json.dumps({"facts": facts, "rows": rows, "shapes": shapes}, indent=1) + "\n")


if __name__ == "__main__":
    main()
