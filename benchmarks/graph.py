"""The picture of docs/engine.md: the graph of a short text, every state and every arc of it.

python -m benchmarks.graph [--out docs/graph.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from aligner_core.acoustic.cnn import SYMBOLS
from aligner_core.costs import Freedom
from aligner_core.evidence import columns
from aligner_core.lattice import Lattice, lattice
from aligner_core.tree import token
from aligner_core.viterbi import UNITS_PER_NAT

TEXT = ("the cat", "ran", "2 go")
OUT = Path(__file__).resolve().parents[1] / "docs" / "graph.png"
REST, STRAY = "#c9c9c9", "#e8a33d"  # colours of states
WORDS = ("#4c72b0", "#55a868", "#8172b2", "#64b5cd", "#937860")


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    draw(parser.parse_args().out)


def draw(out: Path) -> None:
    """The graph of `TEXT` as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = [[token(word).readings for word in line.split()] for line in TEXT]
    found = lattice(lines, columns(SYMBOLS), 2, Freedom())
    places = positions(found)
    figure, axes = pyplot.subplots(figsize=(15, 5.2))
    for state in range(len(found.graph)):
        for arc in range(found.graph.offsets[state], found.graph.offsets[state + 1]):
            _arc(axes, places[found.graph.sources[arc]], places[state], found.graph.costs[arc] / UNITS_PER_NAT)
    for state, (x, y) in enumerate(places):
        text, colour = _label(found, state)
        axes.text(x, y, text, ha="center", va="center", fontsize=8, color="white" if y < 2 and text != "rest" else "k",
                  bbox={"boxstyle": "round,pad=0.35", "fc": colour, "ec": "none"}, zorder=3)  # fmt: skip
    axes.set_xlim(-0.8, max(x for x, _ in places) + 0.8)
    axes.set_ylim(-2.6, 3.6)
    axes.axis("off")
    axes.set_title(" / ".join(TEXT), fontsize=11)
    figure.tight_layout()
    figure.savefig(out, dpi=110)


def positions(found: Lattice) -> list[tuple[float, float]]:
    """(x, y) of each state: x how many phones come before it at least, y its kind or its row among alternatives."""
    depth: list[float] = []
    out = []
    for state in range(len(found.graph)):
        sources = found.graph.sources[found.graph.offsets[state] : found.graph.offsets[state + 1]]
        phones = [depth[source] for source in sources if found.origin[source, 0] != -2]
        depth.append(max(phones, default=depth[sources[-1]] if len(sources) else -1.0) + 1.0)
        kind, reading, _, variant = (int(x) for x in found.origin[state])
        rows = {-1: -2.0, -2: 3.0}
        out.append((depth[-1] - 0.5 * (kind == -2), rows.get(kind, -0.85 * (reading + variant) + 0.9)))
    return out


def _label(found: Lattice, state: int) -> tuple[str, str]:
    number = int(found.origin[state, 0])
    if number < 0:
        return ("rest", REST) if number == -1 else ("anything\nelse", STRAY)
    return SYMBOLS[int(found.graph.symbols[state])], WORDS[number % len(WORDS)]


def _arc(axes: Any, source: tuple[float, float], target: tuple[float, float], cost: float) -> None:
    skip = source[1] > 2 and target[1] > 2
    style = {"arrowstyle": "-|>", "color": STRAY if cost else "#555555", "lw": 1.0, "shrinkA": 11, "shrinkB": 11}
    bend = -0.25 if skip else 0.12
    axes.annotate("", target, source, arrowprops={**style, "connectionstyle": f"arc3,rad={bend}"}, zorder=1)
    if skip or cost <= -100:
        x, y = (source[0] + target[0]) / 2, (source[1] + target[1]) / 2 + (0.35 if skip else 0)
        if skip or source[1] < -1:
            axes.text(x, y, f"{-cost:g}", fontsize=7, color="#8a5a00", ha="center")


if __name__ == "__main__":
    main()
