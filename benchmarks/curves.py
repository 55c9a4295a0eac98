"""Draw what a training run measured: `python -m benchmarks.curves HISTORY.json OUT.png`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl

mpl.use("Agg")
VOICES = {
    "real": "real speech",
    "spoken": "rendered speech",
    "sung": "rendered singing",
    "sung_over_music": "the same over music",
}


class Panel(NamedTuple):
    """A measure on held-out voices, drawn as a percentage."""

    key: str
    title: str
    limits: tuple[float, float | None]


FRAMES = (
    Panel("within_50", "word starts within 50 ms, %, held out", (70, 100)),
    Panel("blank", "frames with a phone called silence or music, %", (0, None)),
)
EDGES = (
    Panel("refined/within_25", "word starts within 25 ms, %, held out", (70, 100)),
    Panel("refined_end/within_25", "word ends within 25 ms, %, held out", (70, 100)),
)


def draw(history: list[dict[str, float]], out: Path) -> None:
    """Loss and measures against steps: of edges if the run learnt them, else of frames."""
    from matplotlib import pyplot

    losses = [row for row in history if "loss" in row]
    measured = [row for row in history if "real/within_50" in row]
    edges = EDGES[0].key in {key.removeprefix("real/") for row in measured for key in row}
    figure, (loss, *axes) = pyplot.subplots(1, 3, figsize=(14, 4))
    loss.plot([row["step"] for row in losses], [row["loss"] for row in losses], "-" if edges else "o-")
    title = "training loss, nats a frame" if edges else "training loss (label smoothing included)"
    loss.set(title=title, xlabel="step", ylim=(0, None))
    for panel, axis in zip(EDGES if edges else FRAMES, axes, strict=True):
        for key, name in VOICES.items():
            shares = [100 * row[f"{key}/{panel.key}"] for row in measured]
            axis.plot([row["step"] for row in measured], shares, "o-", label=name)
        axis.set(title=panel.title, xlabel="step", ylim=panel.limits, xlim=(0, None))
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(out, dpi=70)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("history", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    draw(json.loads(given.history.read_text(encoding="utf-8")), given.out)


if __name__ == "__main__":
    main()
