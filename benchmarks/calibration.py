"""What probabilities are worth: they tell right from wrong, and as much is right as they say. And how to get them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import report

BELOW = (0.15, 0.3, 0.5)  # scores
BINS = 10
L2 = 3.0  # pull of each standardised weight towards 0
STEPS = 30  # of Newton's method: far more than it takes

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores (n,), and of each whether what it is about is right."""

    scores: Floats
    right: Bools


def area(scored: Scored) -> float | None:
    """Area under the ROC curve: how often what is right scores above what is not, half where they are equal."""
    right, wrong = scored.scores[scored.right], np.sort(scored.scores[~scored.right])
    if not len(right) or not len(wrong):
        return None
    below, up_to = (np.searchsorted(wrong, right, side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(wrong))


def bins(scored: Scored) -> list[tuple[int, float, float]]:
    """Count, mean score and share that is right of each of `BINS` equal parts of 0..1; empty ones are left out."""
    place = np.minimum((scored.scores * BINS).astype(int), BINS - 1)
    parts = [place == at for at in range(BINS) if (place == at).any()]
    return [(int(part.sum()), float(scored.scores[part].mean()), float(scored.right[part].mean())) for part in parts]


def calibration_error(scored: Scored) -> float:
    """Mean distance of score and share that is right over the bins, by their counts."""
    return sum(count * abs(score - right) for count, score, right in bins(scored)) / len(scored.scores)


def figures(scored: Scored) -> dict[str, Any]:
    """All that is reported of scores."""
    below = {}
    for limit in BELOW:
        part = scored.scores < limit
        below[f"{limit:g}"] = {
            "share": float(part.mean()),
            "off": float((~scored.right[part]).mean()) if part.any() else None,
        }
    return {
        "count": len(scored.scores), "off": float((~scored.right).mean()), "area": area(scored),
        "brier": float(((scored.scores - scored.right) ** 2).mean()), "calibration_error": calibration_error(scored),
        "below": below, "bins": bins(scored),
    }  # fmt: skip


def logistic(features: Floats, right: Bools, rising: bool = False) -> Floats:
    """A constant and a weight for each feature, most likely but for a pull towards 0 (`L2`): Newton's method.

    Args:
        features: (n, features).
        right: (n,).
        rising: no weight below 0: features whose weight would be are left out, the most negative first.
    """
    used = np.ones(features.shape[1], bool)
    while True:
        weights = np.zeros(1 + len(used))
        weights[np.append(True, used)] = _newton(features[:, used], right)
        if not rising or weights[1:].min() >= 0:
            return weights
        used[weights[1:].argmin()] = False


def _newton(features: Floats, right: Bools) -> Floats:
    middle, spread = features.mean(0), features.std(0) + 1e-9
    table = np.column_stack([np.ones(len(features)), (features - middle) / spread])
    pull = L2 * np.append(0.0, np.ones(features.shape[1]))
    weights = np.zeros(table.shape[1])
    for _ in range(STEPS):
        likely = 1 / (1 + np.exp(-table @ weights))
        slope = table.T @ (likely - right) + pull * weights
        curve = (table * (likely * (1 - likely))[:, None]).T @ table + np.diag(pull)
        weights -= np.linalg.solve(curve, slope)
    scaled = weights[1:] / spread
    return np.append(weights[0] - scaled @ middle, scaled)


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """All figures in Markdown, a row a pack and definition."""
    head = ("pack", "off", "count", "share", "area", "Brier", "ECE", *(f"below {limit:g} (off)" for limit in BELOW))
    cells = []
    for pack, kinds in found.items():
        for kind, row in kinds.items():
            below = (f"{_percent(part['share'])} ({_percent(part['off'])})" for part in row["below"].values())
            area = "-" if row["area"] is None else f"{row['area']:.3f}"
            numbers = (f"{row['brier']:.3f}", f"{row['calibration_error']:.3f}")
            cells.append((pack, kind, row["count"], _percent(row["off"]), area, *numbers, *below))
    return report.table(head, cells)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def draw(pooled: Mapping[str, Any], out: Path) -> None:
    """Lines and words side by side: what share of each bin is right, and how many are in it."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.5))
    for axis, (kind, title) in zip(axes, (("both", "lines"), ("words", "words")), strict=True):
        counts, scores, right = zip(*pooled[kind]["bins"], strict=True)
        axis.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
        axis.plot(scores, right, marker="o")
        for count, score, share in zip(counts, scores, right, strict=True):
            axis.annotate(str(count), (score, share), (5, -11), textcoords="offset points", fontsize=8)
        numbers = f"AUC {pooled[kind]['area']:.3f}, ECE {pooled[kind]['calibration_error']:.3f}"
        axis.set(title=f"{title}: {numbers}", xlabel="score (mean of a tenth)", ylabel="share that is right")
        axis.set(xlim=(0, 1), ylim=(0, 1.02))
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(out, dpi=80)
    pyplot.close(figure)
