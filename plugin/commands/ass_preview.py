"""`karalign ass-preview`: how karaoke and subtitles look, as pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from aligner_core.errors import AlignerError
from aligner_core.timeline import Alignment
from plugin.files import FileError, write_atomic
from plugin.formats import KaraokeTag, Level, RenderOptions, by_name
from plugin.formats.ass import Ass
from plugin.hints import seconds
from plugin.layout import Layout, layout_options
from plugin.sources import Source, read_source, source_options
from plugin.targets import check_writable, karaoke_options


def _times(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> tuple[float, ...]:
    try:
        return tuple(map(seconds, values))
    except ValueError as error:
        raise click.BadParameter(f"{error}; m:ss.mmm or seconds", ctx, param) from error


@click.command()
@click.argument("name", metavar="FILE")
@click.option(
    "-o", "--output", metavar="PNG", required=True, help="Picture to write; for several times PNG-1, PNG-2..."
)
@click.option(
    "--at", "times", multiple=True, callback=_times, metavar="TIME",
    help="Seconds or m:ss.mmm; may be repeated.  [default: the middle of the first line]",
)  # fmt: skip
@click.option(
    "--over", default="#203040", show_default=True, metavar="VIDEO|COLOUR", help="What the text is shown over."
)
@karaoke_options
@source_options
@layout_options
def command(
    name: str, output: str, times: tuple[float, ...], over: str, level: Level | None, k_tag: KaraokeTag,
    no_clobber: bool, from_format: str | None, encoding: str | None, layout: Layout,
) -> None:  # fmt: skip
    """Write a picture of the text in FILE as it looks at a time.

    An ASS is shown as it is, any other timed text, and any with --theme, as `karalign convert` would write it to ASS.
    It is drawn by libass, as in mpv and VLC, in the size that the script is for or in that of the video.
    """
    from plugin.preview import Ground, frame

    if Path(output).suffix.lower() != ".png":
        raise FileError("is not a picture that can be written", output, "a name that ends in .png")
    source = read_source(name, from_format, encoding)
    moments = times or (_first_middle(source.alignment, name),)
    outputs = list(_names(Path(output), len(moments)))
    for one in outputs:
        check_writable(one, [name], clobber=not no_clobber)
    script = _script(source, layout, RenderOptions(level, k_tag))
    ground = Ground.of(over, script)
    for one, moment in zip(outputs, moments, strict=True):
        write_atomic(one, frame(script, moment, ground))
    for note in source.notes():
        click.echo(f"karalign: {note}", err=True)


def _script(source: Source, layout: Layout, options: RenderOptions) -> str:
    own = isinstance(source.format, Ass) and layout == Layout() and not options.level
    if own and source.decoded:
        return source.decoded.text
    form = layout.dressed(by_name("ass"))
    return form.render(layout.laid_out(source.alignment), options)


def _names(path: Path, count: int) -> Iterator[Path]:
    if count == 1:
        yield path
        return
    yield from (path.with_stem(f"{path.stem}-{number}") for number in range(1, count + 1))


def _first_middle(alignment: Alignment, name: str) -> float:
    for line in sorted(alignment.lines, key=lambda line: line.start or 0.0):
        if line.start is not None and line.end is not None and line.text.strip() and line.kind == "lyrics":
            return (line.start + line.end) / 2
    raise AlignerError("no line has a time", name, "align it with its sound first")
