"""The block of docs/profile.md, from what benchmarks.profile measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks.engine_page import DOCS
from benchmarks.report import table

Figures = Mapping[str, Any]

PAGE = DOCS / "profile.md"
SMALL = 0.02  # seconds: parts that take less in every way are told together
HEAD = """\
`python -m benchmarks.profile`; all figures are in [profile.json](profile.json). karalign {karalign}, Python {python},
PyTorch {torch}, {machine}. The song: {song}, as MP3 at 44.1 kHz in stereo. Medians; memory is the most of any run.
"""
RATIO = """\
In the same round, PyTorch takes {ratio:.2f} times as long as the light runtime ({least:.2f} to {most:.2f}).
"""
PARTS = """\
Seconds on the clock, and in brackets of the processor, by part; what a part loads or calls counts for itself.
"""
LOADED = """\
What it takes to load each package, nothing else done:
"""


def section(figures: Figures) -> str:
    """All of it, in Markdown."""
    ways = figures["ways"]
    parts = [HEAD.format(song=figures["song"], **figures["by"]), whole(ways), ""]
    if {"light", "torch"} <= set(ways):
        ratios = [b / a for a, b in zip(ways["light"]["walls"], ways["torch"]["walls"], strict=True)]
        parts.append(RATIO.format(ratio=statistics.median(ratios), least=min(ratios), most=max(ratios)))
    missed = misses(ways)
    parts.append(f"Bars that are missed: {'; '.join(missed)}.\n" if missed else "All bars are met.\n")
    picture = "![Where the seconds go](pictures/profile.png)\n"
    return "\n".join([*parts, picture, PARTS, by_part(ways), "", LOADED, loaded(figures["imports"])])


def whole(ways: Figures) -> str:
    """Runs as they are."""
    head = ("way", "runs", "wall s", "spread", "bar", "processor s", "memory MB", "bar")
    rows = [
        (name, way["runs"], f"{way['wall']:.2f}", f"{way['least']:.2f} to {way['most']:.2f}",
         _bar(way["at_most"]["wall"]), f"{way['cpu']:.2f}", f"{way['memory']:.0f}", _bar(way["at_most"]["memory"]))
        for name, way in ways.items()
    ]  # fmt: skip
    return table(head, rows)


def misses(ways: Figures) -> list[str]:
    """Which bars are not met, in words."""
    units = {"wall": "s", "memory": "MB"}
    return [
        f"{name}: {way[what]:.3g} {unit}, at most {way['at_most'][what]:g}"
        for name, way in ways.items()
        for what, unit in units.items()
        if way["at_most"][what] is not None and way[what] > way["at_most"][what]
    ]


def by_part(ways: Figures) -> str:
    """Where the seconds went."""
    names = dict.fromkeys(name for way in ways.values() for name in way["parts"])
    large = [name for name in names if any(way["parts"].get(name, (0.0,))[0] >= SMALL for way in ways.values())]
    rows = [(name, *(_cell(way["parts"].get(name)) for way in ways.values())) for name in large]
    small = [[sum(way["parts"][name][at] for name in way["parts"] if name not in large) for at in (0, 1)]
             for way in ways.values()]  # fmt: skip
    return table(("part", *ways), [*rows, (f"parts below {SMALL:g} s", *map(_cell, small))])


def loaded(packages: Figures) -> str:
    """Imports alone."""
    rows = [(name, f"{x['wall']:.2f}", f"{x['cpu']:.2f}", f"{x['memory']:.0f}") for name, x in packages.items()]
    return table(("package", "wall s", "processor s", "memory MB"), rows)


def _cell(spent: Any) -> str:
    return f"{spent[0]:.2f} ({spent[1]:.2f})" if spent else ""


def _bar(most: float | None) -> str:
    return "" if most is None else f"{most:g}"
