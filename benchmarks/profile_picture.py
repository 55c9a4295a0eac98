"""The picture of docs/profile.md: a bar for each way, cut where one part ends and the next begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl

from benchmarks.engine_page import DOCS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.profile_page import Figures

mpl.use("Agg")
OUT = DOCS / "pictures" / "profile.png"
DPI = 80
NAMED = 0.12  # seconds: parts that take less in every way are one
REST = "all else"


def draw(figures: Figures, out: Path = OUT) -> None:
    """Stacked bars, the longest parts of all first."""
    from matplotlib import pyplot

    ways = figures["ways"]
    most = {name: max(way["parts"].get(name, (0.0,))[0] for way in ways.values())
            for name in dict.fromkeys(name for way in ways.values() for name in way["parts"])}  # fmt: skip
    named = sorted((name for name in most if most[name] >= NAMED), key=lambda name: -most[name])
    colours = mpl.colormaps["tab20"].colors  # type: ignore[attr-defined]
    figure, axes = pyplot.subplots(figsize=(11, 4.5))
    left = dict.fromkeys(ways, 0.0)
    for at, name in enumerate([*named, REST]):
        for row, way in ways.items():
            width = sum(spent[0] for part, spent in way["parts"].items() if (part if part in named else REST) == name)
            colour = "lightgrey" if name == REST else colours[at % len(colours)]
            axes.barh(row, width, left=left[row], color=colour, label=name if row == next(iter(ways)) else None)
            left[row] += width
    axes.invert_yaxis()
    axes.set(xlabel="seconds of a song of four minutes, with clocks in it")
    figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.tight_layout(rect=(0, 0.24, 1, 1))
    figure.savefig(out, dpi=DPI)
    pyplot.close(figure)
