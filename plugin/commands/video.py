"""`karalign video`: a song and its timed text as a karaoke video."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import click

from plugin.display import Display
from plugin.files import FileError
from plugin.formats import KaraokeTag, Level, RenderOptions, by_name
from plugin.formats.ass import Ass
from plugin.layout import Layout, layout_options
from plugin.report import beyond
from plugin.sources import Source, read_source, source_options
from plugin.targets import check_writable, karaoke_options
from plugin.terminal import on_terminal, progress_bar
from plugin.theme import load_theme

_SIZE = re.compile(r"([0-9]{2,4})x([0-9]{2,4})")
_LOOKS = "stage"  # the usual theme


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    found = _SIZE.fullmatch(value)
    if not found or not all(16 <= int(side) <= 4096 and int(side) % 2 == 0 for side in found.groups()):
        raise click.BadParameter(f"{value!r} is not like 1280x720, even numbers from 16 to 4096", ctx, param)
    return int(found[1]), int(found[2])


@click.command()
@click.argument("song")
@click.argument("timed")
@click.option("-o", "--output", metavar="MP4", required=True, help="Video to write: .mp4, .mkv or .mov.")
@click.option(
    "--background", default="#101828", show_default=True, metavar="IMAGE|VIDEO|COLOUR", help="What the text is over."
)
@click.option("--size", metavar="WxH", callback=_size, help="Of the video, in pixels.  [default: that of the theme]")
@click.option("--instrumental", metavar="FILE", help="The sound of the video, in the place of SONG.")
@karaoke_options
@source_options
@layout_options
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def command(
    song: str, timed: str, output: str, background: str, size: tuple[int, int] | None, instrumental: str | None,
    level: Level | None, k_tag: KaraokeTag, no_clobber: bool, from_format: str | None, encoding: str | None,
    layout: Layout, quiet: bool,
) -> None:  # fmt: skip
    """Write a video of SONG with the text in TIMED, which fills with colour as it is sung.

    An ASS is shown as it is, any other timed text, and any with --theme, as `karalign convert --theme stage` would
    write it to ASS.
    """
    from plugin.preview import Ground, resolution
    from plugin.video import ENDINGS, write_video

    if Path(output).suffix.lower() not in ENDINGS:
        raise FileError("is no video that can be written", output, f"a name that ends in {', '.join(ENDINGS)}")
    source = read_source(timed, from_format, encoding)
    inputs = [song, timed, *([instrumental] if instrumental else [])]
    check_writable(Path(output), [*inputs, background], clobber=not no_clobber)
    script = _script(source, layout, RenderOptions(level, k_tag))
    ground = Ground.of(background, script)
    sound = instrumental or song
    length = _seconds(sound)
    with progress_bar("drawing", not quiet and on_terminal()) as progress:
        write_video(script, sound, output, ground, size or resolution(script), length, progress)
    for note in () if quiet else filter(None, (*source.notes(), beyond(source.alignment, length, sound))):
        click.echo(f"karalign: {note}", err=True)


def _script(source: Source, layout: Layout, options: RenderOptions) -> str:
    """ASS as it is, if nothing is asked for; anything else in the looks of a theme."""
    if isinstance(source.format, Ass) and layout == Layout() and not options.level and source.decoded:
        return source.decoded.text
    looks = layout
    if layout.theme is None:
        theme = load_theme(_LOOKS)
        looks = replace(layout, theme=theme, display=theme.show if layout.display == Display() else layout.display)
    return looks.dressed(by_name("ass")).render(looks.laid_out(source.alignment), options)


def _seconds(sound: str) -> float:
    """How long a sound lasts; all of it is read, so what is no sound is told before any work begins."""
    from aligner_core import audio
    from plugin.hearing import hushed

    with hushed():
        return sum(block.shape[-1] for block in audio.stream(sound)) / audio.SAMPLE_RATE
