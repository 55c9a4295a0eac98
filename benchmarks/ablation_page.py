"""The tables of docs/acoustics.md about ingredients and sizes, and the picture of the latter.

    python -m benchmarks.ablation_page [TRAINED_FOLDER FIGURES.json ...]

With arguments, what `benchmarks.ablation` (how many steps) and `benchmarks.acoustics` (figures) wrote is taken into
docs/ablation.json, beside what is there already; then the page and docs/scaling.png are drawn from that file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.ablation import INGREDIENTS, SCALING, SHARES, SIZES, key
from benchmarks.acoustics_page import PAGE
from benchmarks.engine_page import DOCS, put, read, write
from benchmarks.report import table

FIGURES = DOCS / "ablation.json"
PICTURE = DOCS / "scaling.png"
COLUMNS = {
    "songs": ("within_300", "within_100"),
    "spoken": ("within_25",),
    "sung": ("within_300", "within_25"),
    "librispeech": ("within_50", "within_25"),
}
TITLES = {"songs": "songs", "spoken": "rendered speech", "sung": "rendered singing", "librispeech": "read speech"}
Row = Mapping[str, Any]


def main() -> None:
    """Take in what is new, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path, nargs="?", help="folder of NAME.json, how each was trained")
    parser.add_argument("figures", type=Path, nargs="*", metavar="FIGURES.json")
    given = parser.parse_args()
    rows = read(FIGURES)
    for path in given.figures:
        models = json.loads(path.read_text(encoding="utf-8"))["models"]
        rows |= {name: taken(model, given.trained / f"{name}.json") for name, model in models.items()}
    write(FIGURES, dict(sorted(rows.items())))
    put("ablation", drawn_table(INGREDIENTS, rows), PAGE)
    put("scaling", drawn_table(SCALING, rows), PAGE)
    draw(rows, PICTURE)


def taken(model: Row, trained: Path) -> dict[str, Any]:
    """What is kept of a network: steps, weights, and of each pack the shares of word starts and of blanks."""
    steps = json.loads(trained.read_text(encoding="utf-8"))["steps"]
    out: dict[str, Any] = {"steps": steps, "parameters": model["parameters"]}
    for pack, found in model["packs"].items():
        best = found.get("refined", found["path"])
        shares = {name: value for name, value in best["start"].items() if name.startswith("within_")}
        out[pack] = shares | {"blank": found["blank"], "per": found.get("per_greedy")}
    return out


def drawn_table(names: Mapping[str, Any], rows: Mapping[str, Row]) -> str:
    """Those of these networks that were measured, in Markdown."""
    head = ["network", "steps", "M weights"]
    for pack, columns in COLUMNS.items():
        head += [f"{TITLES[pack]}: {_limit(columns[0])}", *(_limit(column) for column in columns[1:])]
    head += ["phones called silence or music, songs", "phone errors, read speech"]
    return table(head, [_row(name, rows[key(name)]) for name in names if key(name) in rows])


def _row(name: str, found: Row) -> Sequence[str]:
    cells = [name, str(found["steps"]), f"{found['parameters'] / 1e6:.2f}"]
    cells += [_percent(found.get(pack, {}).get(column)) for pack, columns in COLUMNS.items() for column in columns]
    return [*cells, _percent(found.get("songs", {}).get("blank")), _percent(found.get("librispeech", {}).get("per"))]


def draw(rows: Mapping[str, Row], out: Path) -> None:
    """Word starts against hours, a line for each size."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 4, figsize=(15, 3.6))
    for axis, (pack, columns) in zip(axes, COLUMNS.items(), strict=True):
        for size in SIZES:
            points = {share: rows.get(_network(size, share), {}).get(pack, {}).get(columns[0]) for share in SHARES}
            known = {SHARES[share]: 100 * value for share, value in points.items() if value is not None}
            axis.plot(list(known), list(known.values()), "o-", label=size)
        axis.set(xscale="log", xlabel="share of the recordings", title=f"{TITLES[pack]}: {_limit(columns[0])}, %")
        axis.set_xticks(list(SHARES.values()), list(SHARES))
        axis.minorticks_off()
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(out, dpi=75)


def _network(size: str, share: str) -> str:
    return key(f"{size}, {share}")


def _limit(column: str) -> str:
    return f"within {column.removeprefix('within_')} ms"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


if __name__ == "__main__":
    main()
