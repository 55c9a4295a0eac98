"""`karalign convert`: one file of timed text into another format, its times moved where wanted."""

from __future__ import annotations

import click

from plugin import load
from plugin.formats import KaraokeTag, Level, RenderOptions
from plugin.targets import output_options, resolve


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@output_options
@click.option("--stretch", type=float, default=1.0, metavar="K", help="Multiply all times by K, before any shift.")
@click.option("--shift", type=float, default=0.0, metavar="S", help="Move all times S seconds later.")
def command(
    source: str, target: str, format_name: str | None, level: Level | None, k_tag: KaraokeTag, no_clobber: bool,
    stretch: float, shift: float,
) -> None:  # fmt: skip
    """Write the timed text in IN to OUT, in the format of OUT's ending.

    OUT may be - for standard output, with --format. What would begin before 0 begins at 0.
    """
    (out,) = resolve([target], format_name, RenderOptions(level, k_tag), [source], clobber=not no_clobber)
    out.write(load(source).stretched(stretch).shifted(shift))
