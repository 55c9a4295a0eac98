"""`karalign convert`: timed text into other formats, its times moved and its lines laid out where wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from plugin.formats import KaraokeTag, Level, RenderOptions, by_name
from plugin.layout import Layout, layout_options
from plugin.moves import Move, move_options
from plugin.sources import STDIN, read_source, source_options
from plugin.targets import STDOUT, output_options, refuse_twice, resolve


@click.command()
@click.argument("names", metavar="IN...", nargs=-1, required=True)
@click.option(
    "-o", "--output", "outputs", metavar="OUT", multiple=True, required=True,
    help="File to write, its format by its ending, or a folder; may be repeated; - is standard output, with --format.",
)  # fmt: skip
@output_options
@source_options
@move_options
@layout_options
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def command(
    names: tuple[str, ...], outputs: tuple[str, ...], format_name: str | None, level: Level | None, k_tag: KaraokeTag,
    no_clobber: bool, from_format: str | None, encoding: str | None, move: Move, layout: Layout, quiet: bool,
) -> None:  # fmt: skip
    """Write the timed text in IN in another format, or with other times.

    IN is any format listed by `karalign formats`, a song with lyrics in its tags, or - for standard input. Several are
    written into a folder. In its own format, ASS, SSA, SRT or LRC is IN with other times: all else stays as it is, to
    the byte. What a format cannot hold is left out, and told.
    """
    options = RenderOptions(level, k_tag)
    if STDOUT in outputs and len(names) > 1:
        raise click.UsageError("several texts go into a folder, not to standard output")
    jobs = [(name, _places(name, names, outputs, format_name)) for name in names]
    refuse_twice([place for _, places in jobs for place in places])
    work = [(name, layout.prepared(resolve(places, format_name, options, names, not no_clobber)))
            for name, places in jobs]  # fmt: skip
    sources = [read_source(name, from_format, encoding) for name, _ in work]
    for source, (_, targets) in zip(sources, work, strict=True):
        moved = source.moved(move)
        notes = [*moved.notes(), *(note for target in targets for note in layout.write(target, moved.alignment, moved))]
        for note in notes if not quiet else ():
            click.echo(f"karalign: {note}", err=True)


def _places(name: str, names: Sequence[str], outputs: Sequence[str], format_name: str | None) -> list[str]:
    """Where a text goes: into each file, or under its own name into each folder."""
    folders = [out != STDOUT and Path(out).is_dir() for out in outputs]
    if len(names) > 1 and not all(folders):
        raise click.UsageError("several texts go into a folder: -o names one that is there")
    if any(folders) and name == STDIN:
        raise click.UsageError("standard input has no name for a file in a folder")
    return [str(Path(out) / _renamed(name, format_name)) if folder else out
            for out, folder in zip(outputs, folders, strict=True)]  # fmt: skip


def _renamed(name: str, format_name: str | None) -> str:
    path = Path(name)
    if not format_name:
        return path.name
    stem = path.stem
    for double in (".labels", ".ultrastar"):
        stem = stem.removesuffix(double)
    return stem + by_name(format_name).extensions[0]
