"""`karalign formats`: the table of file formats."""

from __future__ import annotations

import click

from plugin.formats import FORMATS, Format
from plugin.report import table


@click.command()
def command() -> None:
    """List the formats that can be read and written, and what each can hold.

    What a format cannot hold is left out when it is written; json holds all. All are read in any encoding that has a
    byte order mark, in UTF-8, else in what --encoding says or, as a guess, in Windows-1252.
    """
    columns = ("format", "endings", "levels", "usual", "step", "in place", "encoding", "holds besides")
    click.echo(table(columns, [_row(known) for known in FORMATS]))


def _row(known: Format) -> tuple[str, ...]:
    step = f"{known.step:f}".rstrip("0") + " s" if known.step else "exact"
    times = (" ".join(known.levels), known.default, step) if known.levels else ("none: text only", "", "")
    besides = "all" if known.name == "json" else " ".join(sorted(known.keeps))
    return known.name, " ".join(known.extensions), *times, "yes" if known.in_place else "", known.encoding, besides
