"""The block of docs/library.md, and its picture, from what benchmarks.library measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.engine_page import DOCS
from benchmarks.report import table

Figures = Mapping[str, Any]

PICTURE = DOCS / "pictures" / "library-memory.png"
DPI = 80
HEAD = """\
`python -m benchmarks.library --items {items} --kills {killed}`; all figures are in [library.json](library.json). Short
songs from recordings that people sang, read, and that were rendered, as MP3, Ogg, FLAC and WAV, with their lyrics as
text, LRC, SRT or in their tags; one in twenty is broken or odd. {jobs} processes, LRC, ASS and tags written.

{songs} songs, {hours:.1f} hours of sound, in {minutes:.1f} minutes: {rate:.1f} songs a second.
All processes together took {highest:.0f} MB at most, and from a quarter of the way on grew by {grows:+.1f} MB for a
thousand songs; the first process, which holds the journal, by {first:+.2f} MB.
"""
KILLS = """
Killed {count} times with SIGKILL, when {at} songs were done, and started again each time: of {files} files,
the report among them, {different} in the end.
"""


def section(figures: Figures) -> str:
    """All of it, in Markdown."""
    memory, kills = figures["memory"], figures["kills"]
    head = HEAD.format(
        **{key: figures[key] for key in ("items", "jobs", "songs", "hours")},
        killed=len(kills["killed_at"]) if kills else 0,
        minutes=figures["seconds"] / 60,
        rate=figures["songs"] / figures["seconds"],
        highest=memory["highest_mb"],
        grows=memory["grows_mb_a_thousand"],
        first=memory["first_process_grows_mb_a_thousand"],
    )
    columns = ("done", "doubtful", "failed", "skipped")
    rows = [(kind, *(found.get(status, 0) or "" for status in columns)) for kind, found in figures["kinds"].items()]
    total = ("all", *(figures["counts"][status] or "" for status in columns))
    parts = [head, table(("songs", *columns), [*rows, total]), ""]
    if kills:
        different = len(kills["different"])
        parts.append(
            KILLS.format(
                count=len(kills["killed_at"]),
                at=", ".join(map(str, kills["killed_at"])),
                files=kills["files"],
                different=f"{different} were different" if different else "all were the same",
            )
        )
    return "\n".join([*parts, "![Memory over time](pictures/library-memory.png)"])


def draw(figures: Figures) -> None:
    """The memory over time."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    seconds, every, first, done = zip(*figures["memory"]["curve"], strict=True)
    figure, axes = pyplot.subplots(figsize=(9, 3.5))
    axes.plot(seconds, every, label="all processes", color="tab:blue")
    axes.plot(seconds, first, label="the first", color="tab:orange")
    axes.set(xlabel="seconds", ylabel="MB", ylim=(0, None))
    songs = axes.twinx()
    songs.plot(seconds, done, color="lightgrey", label="songs done")
    songs.set(ylabel="songs done", ylim=(0, None))
    axes.legend(loc="center right")
    figure.tight_layout()
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=DPI)
    pyplot.close(figure)
