"""Draw what a training run measured: `python -m benchmarks.curves HISTORY.json OUT.png`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
STARTS = {
    "real": "real speech",
    "spoken": "rendered speech",
    "sung": "rendered singing",
    "sung_over_music": "the same over music",
}


def draw(history: list[dict[str, float]], out: Path) -> None:
    """Loss, word starts within 50 ms and blank share against steps."""
    from matplotlib import pyplot

    rows = [row for row in history if "loss" in row]
    steps = [row["step"] for row in rows]
    figure, (loss, starts, blank) = pyplot.subplots(1, 3, figsize=(14, 4))
    loss.plot(steps, [row["loss"] for row in rows], "o-")
    loss.set(title="training loss (label smoothing included)", xlabel="step", ylim=(0, None))
    for key, name in STARTS.items():
        starts.plot(steps, [100 * row[f"{key}/within_50"] for row in rows], "o-", label=name)
        blank.plot(steps, [100 * row[f"{key}/blank"] for row in rows], "o-", label=name)
    starts.set(title="word starts within 50 ms, %, held out", xlabel="step", ylim=(70, 100))
    blank.set(title="frames with a phone called silence or music, %", xlabel="step", ylim=(0, None))
    starts.legend()
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
