"""Pictures of docs/peers.md: word starts near the reference, and time by ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np

from benchmarks.engine_page import DOCS
from benchmarks.peers_page import CORRECTED, NAMES, OURS, speeds

mpl.use("Agg")
PICTURES = DOCS / "pictures"
DPI = 80
SHARES = {25: "#08306b", 50: "#2171b5", 100: "#6baed6", 300: "#c6dbef"}  # ms, each on top of the wider ones
FIRST, OTHERS = "tab:blue", "tab:gray"
Figures = Mapping[str, Any]


def draw(figures: Figures) -> None:
    """Both, as far as they were measured."""
    PICTURES.mkdir(exist_ok=True)
    if "accuracy" in figures:
        accuracy(figures["accuracy"])
    if cases := speeds(figures):
        speed(cases)


def accuracy(found: Figures) -> None:
    """Bars of the shares within limits, a panel a pack."""
    from matplotlib import pyplot

    names = list(next(iter(found.values()))["by"])[::-1]
    figure, axes = pyplot.subplots(2, 2, figsize=(12, 0.5 * len(names) + 3), sharey=True, sharex=True)
    for ax, (pack, one) in zip(axes.flat, found.items(), strict=True):
        for ms, colour in reversed(SHARES.items()):
            shares = [100 * one["by"][name][CORRECTED][f"within_{ms}"] for name in names]
            ax.barh(names, shares, color=colour, label=f"{ms} ms", height=0.75)
        for at, name in enumerate(names):
            share = 100 * one["by"][name][CORRECTED]["within_50"]
            inside = share > 12
            ax.text(share - 1 if inside else share + 1, at, f"{share:.0f}", va="center", fontsize=8,
                    ha="right" if inside else "left", color="white" if inside else "black")  # fmt: skip
        ax.set_title(f"{NAMES[pack]}: {one['recordings']} recordings", fontsize=10)
        ax.set_xlim(0, 100)
    for ax in axes[1]:
        ax.set_xlabel("% of the word starts within, bias taken off (number: 50 ms)")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], ncols=len(SHARES), loc="upper center", frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    _save(figure, "peers-accuracy.png")


def speed(cases: Sequence[tuple[str, Figures]]) -> None:
    """Medians with quartiles, least and most, on a logarithmic axis."""
    from matplotlib import pyplot

    rows = [(f"{what}: {name}", x) for what, by in cases for name, x in by.items() if name != OURS]
    figure, ax = pyplot.subplots(figsize=(11, 0.3 * len(rows) + 1.2))
    at = np.arange(len(rows))[::-1]
    for y, (name, x) in zip(at, rows, strict=True):
        colour = FIRST if OURS in name else OTHERS
        ax.plot((x["least"], x["most"]), (y, y), color=colour, linewidth=1)
        ax.plot((x["low"], x["high"]), (y, y), color=colour, linewidth=5, solid_capstyle="butt", alpha=0.6)
        ax.plot(x["median"], y, "o", color=colour, markersize=5)
        ax.annotate(f"{x['median']:.2g}", (x["most"], y), xytext=(6, -3), textcoords="offset points", fontsize=8)
    ax.set_yticks(at, [name for name, _ in rows], fontsize=8)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.axvline(1, color="black", linewidth=1)
    ax.grid(axis="x", which="both", alpha=0.25)
    ax.margins(x=0.08)
    ax.set_xlabel("processor time by karalign's: left of 1 faster than we are, right of it slower")
    figure.tight_layout()
    _save(figure, "peers-speed.png")


def _save(figure: Any, name: str) -> None:
    from matplotlib import pyplot

    figure.savefig(PICTURES / name, dpi=DPI, bbox_inches="tight")
    pyplot.close(figure)
