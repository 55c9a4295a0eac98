"""`karalign extract`: the lyrics in a song to a file of their own."""

from __future__ import annotations

from pathlib import Path

import click

from plugin.formats import KaraokeTag, Level, RenderOptions
from plugin.targets import output_options, resolve


@click.command()
@click.argument("song")
@click.option(
    "-o", "--output", metavar="FILE", required=True,
    help="File to write, its format by its ending; - is standard output, with --format.",
)  # fmt: skip
@output_options
def command(
    song: str, output: str, format_name: str | None, level: Level | None, k_tag: KaraokeTag, no_clobber: bool
) -> None:
    """Write the lyrics in the tags of SONG to a file.

    If there are several, those with the finest times. Plain lyrics go into .txt and .json.
    """
    from plugin.tags.change import extract

    (out,) = resolve([output], format_name, RenderOptions(level, k_tag), [song], clobber=not no_clobber)
    out.write(extract(Path(song)))
