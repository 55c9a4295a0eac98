"""`karalign formats`: the table of file formats."""

from __future__ import annotations

import click

from plugin.formats import FORMATS, Format
from plugin.report import table


@click.command()
def command() -> None:
    """List the formats that can be read and written."""
    click.echo(table(("format", "endings", "levels", "usual", "step"), [_row(known) for known in FORMATS]))


def _row(known: Format) -> tuple[str, ...]:
    if not known.levels:
        return known.name, " ".join(known.extensions), "none: text only", "", ""
    step = f"{known.step:g} s" if known.step else "exact"
    return known.name, " ".join(known.extensions), " ".join(known.levels), known.default, step
