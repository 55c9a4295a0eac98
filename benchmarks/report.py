"""The page docs/results.md: figures in bench-out/results.json to tables."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aligner_core._version import __version__

ROOT = Path(__file__).resolve().parents[1]
JSON = ROOT / "bench-out" / "results.json"
PAGE = ROOT / "docs" / "results.md"
SHARES = (10, 25, 50, 100, 200, 300)  # ms
WORST = 5  # recordings shown of a pack with many
ALL_SHOWN = 10  # recordings up to which a pack is shown whole


@dataclass(frozen=True)
class Goal:
    """What a release wants of a figure: `path` leads to it in the results; `least` or `most` bounds it."""

    what: str
    path: tuple[str | int, ...]
    least: float | None = None
    most: float | None = None

    def row(self, results: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Goal, figure and verdict for the table, or None where it was not measured."""
        value: Any = results
        for step in self.path:
            try:
                value = value[step]
            except (KeyError, IndexError):
                return None
        met = value is not None and (self.least or -math.inf) <= value <= (self.most or math.inf)
        bound = f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"
        return self.what, bound, "-" if value is None else f"{value:.4g}", "yes" if met else "no"


_SONGS, _SPOKEN, _READ = (("accuracy", f"{pack}/karalign") for pack in ("songs", "spoken", "librispeech"))
GOALS = (
    Goal("songs: PCO@0.3, mean", (*_SONGS, "means", "pco_300"), least=0.82),
    Goal("songs: PCO@0.1, mean", (*_SONGS, "means", "pco_100"), least=0.65),
    Goal("songs: mean of medians, s", (*_SONGS, "means", "median"), most=0.10),
    Goal("rendered speech: starts within 25 ms", (*_SPOKEN, "pooled", "onset", "within_25ms"), least=0.90),
    Goal("read speech: within 25 ms without bias", (*_READ, "without_bias", "onset", "within_25ms"), least=0.70),
    Goal("read speech: within 50 ms without bias", (*_READ, "without_bias", "onset", "within_50ms"), least=0.88),
    Goal("a song of 4 minutes, s", ("speed", "rows", 1, "wall"), most=15),
    Goal("a song of 4 minutes, peak memory MB", ("speed", "rows", 1, "memory"), most=1500),
)


def made_by(model: Path | None) -> dict[str, str]:
    """What was measured and on what: model, versions, processor."""
    from importlib.metadata import version

    from aligner_core.weights import weights_path

    path = model or weights_path("cnn.pt")
    return {
        "model": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "karalign": __version__,
        "python": platform.python_version(),
        "torch": version("torch"),
        "machine": f"{os.cpu_count()} cores, {_processor()}",
    }


def write(new: Mapping[str, Any]) -> None:
    """Put new figures among those of the same model that are already there, and write the page from all of them."""
    old = json.loads(JSON.read_text(encoding="utf-8")) if JSON.exists() else {}
    results = {**(old if old.get("by", {}).get("sha256") == new["by"]["sha256"] else {}), **new}
    JSON.parent.mkdir(exist_ok=True)
    JSON.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(results), encoding="utf-8")
    print(f"{JSON}\n{PAGE}")


def page(results: Mapping[str, Any]) -> str:
    """The whole page, of what is there."""
    by = results["by"]
    parts = ["# Results", "", f"Written by `make bench`: karalign {by['karalign']}, model {by['model']} (sha256 "]
    parts[-1] += f"`{by['sha256'][:16]}`), Python {by['python']}, PyTorch {by['torch']}, {by['machine']}."
    rows = [row for goal in GOALS if (row := goal.row(results))]
    parts += ["", "## Goals", "", table(("figure", "goal", "measured", "met"), rows)]
    if "accuracy" in results:
        parts += ["", "## How to read the tables", "", EXPLANATION, "", accuracy_section(results["accuracy"])]
    if "speed" in results:
        parts += ["", speed_section(results["speed"])]
    return "\n".join(parts).rstrip() + "\n"


EXPLANATION = """\
Errors are of word starts unless said otherwise, estimate minus reference. *PCO@t* is the share of words that start
within *t* seconds of the reference; a word that was not found (*missing*) counts as wrong there and is left out of
*median*, *AAE* (mean of the absolute errors) and *bias* (median of the signed errors). The first table has means
over recordings; the tables of each pack take all its words together. *Without bias*: the pack's own bias is taken
off every time first, since labels from different sources have different ideas of where a word begins. *Perceptual*
is the synchrony that listeners perceive, 0 to 1, as in mir_eval.

The songs were timed by hand on a grid of 30 to 80 ms, words 20 to 60 ms early as karaoke wants it: differences
under 50 ms mean nothing there. The read speech was timed by the Montreal Forced Aligner, the rendered sound by how
it was made, in steps of 25 ms."""


def accuracy_section(found: Mapping[str, Mapping[str, Any]]) -> str:
    """All packs: one table of means, then a section a pack."""
    titles = {figures["pack"]: figures["title"] for figures in found.values()}
    parts = ["## All packs", "", _summary(found.values())]
    for pack, title in titles.items():
        mine = [figures for figures in found.values() if figures["pack"] == pack]
        parts += ["", f"## {title}", "", _edges(mine), "", *_items(mine[0])]
    return "\n".join(parts)


def speed_section(speed: Mapping[str, Any]) -> str:
    """Time and memory of the shell commands."""
    head = ("command", "runs", "wall s", "spread", "processor s", "peak memory MB")
    rows = [
        (row["what"], row["runs"], _n(row["wall"], 2), f"{row['wall_least']:.2f} to {row['wall_most']:.2f}",
         _n(row["cpu"], 2), _n(row["memory"], 0))
        for row in speed["rows"]
    ]  # fmt: skip
    text = f"Medians of whole runs from the shell, imports and model included. The song: {speed['song']}."
    return "\n".join(["## Speed", "", text, "", table(head, rows)])


def pack_line(figures: Mapping[str, Any]) -> str:
    """One line to follow a run by."""
    means, pooled = figures["means"], figures["pooled"]
    return (
        f"{figures['pack']:<12} {figures['by']:<13} {pooled['words']} words, {pooled['missing']} missing, "
        f"PCO@0.3 {_n(means['pco_300'], 3)}, PCO@0.1 {_n(means['pco_100'], 3)}, median {_n(means['median'], 3)} s, "
        f"bias {_ms(pooled['onset']['bias'])} ms, {figures['work'] / figures['seconds']:.3f} processor s a second"
    )


def _summary(found: Iterable[Mapping[str, Any]]) -> str:
    head = ("pack", "aligner", "recordings", "words", "missing", "PCO@0.3", "PCO@0.1", "mean of medians s", "AAE s",
            "bias ms", "perceptual", "processor s per s")  # fmt: skip
    rows = []
    for figures in found:
        means, pooled = figures["means"], figures["pooled"]
        rows.append((
            figures["pack"], figures["by"], len(figures["items"]), pooled["words"], pooled["missing"],
            _n(means["pco_300"], 3), _n(means["pco_100"], 3), _n(means["median"], 3), _n(means["aae"], 3),
            _ms(pooled["onset"]["bias"]), _n(means["perceptual"], 3), _n(figures["work"] / figures["seconds"], 3),
        ))  # fmt: skip
    return table(head, rows)


def _edges(found: Sequence[Mapping[str, Any]]) -> str:
    """Starts and ends of all words of a pack, as they are and without bias, for each aligner."""
    head = ("all words", "aligner", *(f"{ms} ms" for ms in SHARES), "mean s", "median s", "bias ms")
    rows = []
    for figures in found:
        measured = [
            (f"{name}{what}", figures[part][edge])
            for edge, name in (("onset", "starts"), ("offset", "ends"))
            for part, what in (("pooled", ""), ("without_bias", " without bias"))
        ]
        for name, errors in [*measured, ("ends of all but the last of a line", figures["followed"])]:
            shares = (_percent(errors[f"within_{ms}ms"]) for ms in SHARES)
            rows.append(
                (name, figures["by"], *shares, _n(errors["mean"], 3), _n(errors["median"], 3), _ms(errors["bias"]))
            )
    return table(head, rows)


def _items(figures: Mapping[str, Any]) -> list[str]:
    """Every recording of a small pack, the worst of a large one."""
    items = figures["items"]
    few = len(items) <= ALL_SHOWN
    shown = items if few else sorted(items, key=lambda item: item["onset"]["within_100ms"])[:WORST]
    head = ("recording", "words", "missing", "PCO@0.3", "PCO@0.1", "median s", "AAE s", "bias ms", "perceptual")
    rows = [
        (_name(item), item["words"], item["missing"], *_start(item["onset"]), _n(item["perceptual"], 3))
        for item in shown
    ]
    problems = [f"* {item['id']}: {item['problem']}" for item in items if item["problem"]]
    title = [] if few else [f"The {len(shown)} recordings with the lowest PCO@0.1 of {len(items)}:", ""]
    return [*title, table(head, rows), *(["", *problems] if problems else [])]


def _name(item: Mapping[str, Any]) -> str:
    return str(item["id"]).replace("_", " ")


def _start(onset: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        _n(onset["within_300ms"], 3), _n(onset["within_100ms"], 3),
        _n(onset["median"], 3), _n(onset["mean"], 3), _ms(onset["bias"]),
    )  # fmt: skip


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """In Markdown; numbers stand on the right of all columns but the first."""
    marks = ["---" if at < 1 else "---:" for at in range(len(head))]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (head, marks, *rows))


def _n(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{1000 * value:+.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    rows = info.read_text().splitlines() if info.exists() else []
    names = [row.split(":")[1].strip() for row in rows if row.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
