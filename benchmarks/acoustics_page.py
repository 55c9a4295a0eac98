"""The tables of docs/acoustics.md that compare acoustic models.

    python -m benchmarks.acoustics_page FIGURES.json [FIGURES.json ...] [--page docs/acoustics.md]

Takes what benchmarks.acoustics wrote, on one machine or on several, and rewrites the block between
<!-- acoustics --> and <!-- /acoustics --> of the page.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.engine_page import DOCS, put, read
from benchmarks.report import table

PAGE = DOCS / "acoustics.md"
BLOCK = "acoustics"
Figures = Mapping[str, Any]
EXPLANATION = """\
All are decoded alike, by one best path over the whole text with the least frames that a phone of speech (3), of
singing (4) and of a song (5) may have; the aligner itself does more (docs/engine.md). *Refined*: with the edges that
the network hears. *Corrected*: the bias of the model on read speech that models learn from is taken off. *Blank*: share
of the frames inside words in which silence or music is likelier than any phone. The phone error rate is of the sounds
without a text: the best symbol of each frame as it is, the same without sounds that are too short, and beam search,
where shortest sound and cost of a sound were chosen on that same read speech. *Seconds*: of computing for each second
of sound, of the processor for one thread, else by the clock; *batches*: how many times faster than real time 64 waves
of 30 s are heard at once. *Windows*: nats between what is heard in windows and in the whole, at most."""


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("figures", type=Path, nargs="+", metavar="FIGURES.json")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    put(BLOCK, section([read(path) for path in given.figures]), given.page)


def section(runs: Sequence[Figures]) -> str:
    """All tables of these runs, in Markdown."""
    packs = dict.fromkeys(name for run in runs for model in run["models"].values() for name in model["packs"])
    parts = [EXPLANATION, "", table(SIZES, [_size(run, name) for run in runs for name in run["models"]])]
    for pack in packs:
        rows = [row for run in runs for name in run["models"] for row in _edges(name, run["models"][name], pack)]
        parts += ["", f"Word starts and ends, {pack}:", "", table(EDGES, rows)]
    read_without = [row for run in runs for name in run["models"] for row in _errors(name, run["models"][name])]
    return "\n".join([*parts, "", "Without a text:", "", table(ERRORS, read_without)])


SIZES = (
    "model", "network", "M parameters", "MiB", "on", "seconds, 1 thread", "2 threads", "batches, times real time",
    "windows",
)  # fmt: skip
EDGES = (
    "model", "edge", "words", "missing", "25 ms", "50 ms", "100 ms", "300 ms", "mean ms", "median ms", "bias ms",
    "corrected: 25 ms", "50 ms", "mean ms", "means over recordings: PCO@0.3", "PCO@0.1", "median s", "AAE s",
)  # fmt: skip
ERRORS = ("model", "pack", "blank", "PER greedy", "without short sounds", "PER beam")


def _size(run: Figures, name: str) -> tuple[str, ...]:
    model = run["models"][name]
    speeds = [model.get(key) for key in ("processor_seconds_per_second_1", "seconds_per_second_2")]
    if run["by"]["device"] != "cpu":
        speeds = [next(x for key, x in model.items() if key.startswith("seconds_per_second_")), None]
    return (
        name, model["backend"], f"{model['parameters'] / 1e6:.2f}", f"{model['bytes'] / 2**20:.1f}", run["by"]["name"],
        *(_n(speed, 4) for speed in speeds), _n(model.get("throughput"), 0), _n(model.get("windows"), 5),
    )  # fmt: skip


def _edges(name: str, model: Figures, pack: str) -> Iterator[tuple[str, ...]]:
    for kind in ("path", "refined"):
        found = model["packs"].get(pack, {}).get(kind)
        for edge in ("start", "end") if found else ():
            one, label = found[edge], f"{edge}s" + (", refined" if kind == "refined" else "")
            even, means = one["corrected"], one["means"]
            yield (
                name, label, str(found["words"]), str(found["missing"]),
                *(_percent(one[f"within_{ms}"]) for ms in (25, 50, 100, 300)),
                *(_ms(one[key]) for key in ("mean", "median", "bias")),
                _percent(even["within_25"]), _percent(even["within_50"]), _ms(even["mean"]),
                _n(means["within_300"], 3), _n(means["within_100"], 3), _n(means["median"], 3), _n(means["mean"], 3),
            )  # fmt: skip


def _errors(name: str, model: Figures) -> Iterator[tuple[str, ...]]:
    for pack, found in model["packs"].items():
        rates = (found.get(key) for key in ("per_plain", "per_greedy", "per_beam"))
        yield (name, pack, _percent(found["blank"]), *map(_percent, rates))


def _n(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


if __name__ == "__main__":
    main()
