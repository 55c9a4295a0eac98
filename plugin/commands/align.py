"""`karalign align`: a sound and its text in, timed files out."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aligner_core.errors import AlignmentError, LyricsError
from plugin.formats import KaraokeTag, Level, RenderOptions
from plugin.hearing import Say, Source, hear
from plugin.hints import Hints, hint_options
from plugin.layout import Layout, layout_options
from plugin.sources import encoding_option, read_source
from plugin.targets import STDOUT, check_writable, in_place_of, output_options, refuse_twice, resolve
from plugin.terminal import chosen_device, device_option, on_terminal, progress_bar, runtime_option

if TYPE_CHECKING:
    from aligner_core.acoustic.runtimes import Runtime
    from aligner_core.align import Progress
    from aligner_core.timeline import Alignment

LOW_CONFIDENCE = 3  # exit code


@click.command()
@click.argument("audio")
@click.argument("lyrics")
@click.option(
    "-o", "--output", "outputs", metavar="FILE", multiple=True,
    help="File to write, its format by its ending; may be repeated; - is standard output.",
)  # fmt: skip
@click.option(
    "--show", "page", metavar="HTML", help="Also write a page to see, hear and correct it, as `karalign show`."
)
@click.option("--in-place", is_flag=True, help="Write the new times into LYRICS itself, and keep it as LYRICS.bak.")
@output_options
@encoding_option
@layout_options
@hint_options
@click.option(
    "--model", metavar="NAME|FILE",
    help="Acoustic model: a name listed by `karalign doctor`, or a checkpoint.  [default: cnn]",
)  # fmt: skip
@click.option("--separate", is_flag=True, help="First take the voice out of the music: needs demucs, and patience.")
@click.option(
    "--follow", is_flag=True, help="Also hear on which note each syllable is sung, for UltraStar."
)  # fmt: skip
@device_option
@runtime_option
@click.option(
    "--no-cache", is_flag=True, help="Hear the sound anew, and keep nothing of it for the next time."
)  # fmt: skip
@click.option(
    "--min-confidence", type=click.FloatRange(0, 1), metavar="X",
    help="End with code 3 if a line scores below X or is not found.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Tell each step.")
@click.pass_context
def command(
    ctx: click.Context, audio: str, lyrics: str, outputs: tuple[str, ...], page: str | None, format_name: str | None,
    level: Level | None, k_tag: KaraokeTag, no_clobber: bool, in_place: bool, encoding: str | None, layout: Layout,
    model: str | None, separate: bool, follow: bool, device: str, runtime: Runtime, no_cache: bool,
    hints: Hints, min_confidence: float | None, as_json: bool, quiet: bool, verbose: bool,
) -> None:  # fmt: skip
    """Time the text in LYRICS to the sound in AUDIO.

    AUDIO is any sound or video file; LYRICS is plain text or any format listed by `karalign formats`, a song with
    lyrics in its tags, or - for standard input; times in it are not looked at unless an option says so. Lines are
    counted from 1, blank lines and headings too. An output that exists is replaced, in one step and only when all went
    well; an input never is, but for --in-place. An output in the format of LYRICS, if that is ASS, SSA, SRT or LRC, is
    LYRICS with other times: all else stays as it is, to the byte.
    """
    from plugin.beside import put_back, set_apart
    from plugin.report import DOUBTFUL, Report

    begun = time.perf_counter()
    say = _speaker(begun) if verbose else _silent
    if as_json and STDOUT in outputs:
        raise click.UsageError("--json and -o - would both go to standard output")
    options = RenderOptions(level, k_tag)
    targets = resolve(outputs, format_name, options, [audio, lyrics], clobber=not no_clobber)
    _check_page(page, outputs, [audio, lyrics], clobber=not no_clobber)
    if in_place:
        targets.append(in_place_of(lyrics, options))
        outputs = (*outputs, lyrics)
    elif not targets and not page:
        raise click.UsageError("one of -o FILE, --show HTML and --in-place is needed")
    targets = layout.prepared(targets, in_place)
    read = read_source(lyrics, encoding=encoding)
    text = set_apart(read.alignment)
    asked = hints.check(text, lyrics)
    say(f"{lyrics} read: {len(text.lines)} lines")
    shown = not quiet and not verbose and on_terminal()
    with progress_bar("aligning", shown) as progress, _names(audio, lyrics):
        source = Source(audio, model, chosen_device(device), separate, not no_cache, runtime)
        alignment, length = _align(source, text, hints, asked, progress, say)
        alignment = _followed(audio, alignment) if follow else alignment
    notes = [*read.notes()]
    for target in targets:
        notes += layout.write(target, put_back(alignment), read, losing=False)
    if page:
        notes += _shown(audio, put_back(alignment), page)
        outputs = (*outputs, page)
    threshold = DOUBTFUL if min_confidence is None else min_confidence
    report = Report(alignment, outputs, time.perf_counter() - begun, length, threshold, asked)
    if as_json:
        click.echo(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    if not quiet:
        click.echo("\n".join([str(report), *notes]), err=True)
    if min_confidence is not None and report.doubts:
        ctx.exit(LOW_CONFIDENCE)


def _align(
    source: Source, text: Alignment, hints: Hints, asked: Collection[int], progress: Progress | None, say: Say
) -> tuple[Alignment, float]:
    """The alignment, and the length of the sound in seconds."""
    from aligner_core import Aligner

    aligner, heard = hear(source, text, progress, say)
    aligner = Aligner(aligner.model, hints.exact)
    length = (len(heard) - 1) * aligner.model.frame_seconds
    name = source.name
    say(f"{name} heard: {length:.1f} s")
    alignment = hints.aligned(aligner, heard, text)
    say("aligned")
    if not any(line.timed for at, line in enumerate(alignment.lines, 1) if (line.number or at) in asked):
        raise AlignmentError("nothing of the text was found in the sound", name, "is it the right song?")
    return dataclasses.replace(alignment, audio=Path(name).name, extra=text.extra), length


def _followed(audio: str, alignment: Alignment) -> Alignment:
    """The same with the notes that are heard."""
    from aligner_core.tts.follow import follow, with_pitches
    from aligner_core.tts.tracking import track

    return with_pitches(alignment, follow(alignment, track(audio)))


def _check_page(page: str | None, outputs: Sequence[str], inputs: Sequence[str], clobber: bool) -> None:
    if not page:
        return
    from plugin.page.making import check_page

    check_page(page)
    refuse_twice([page, *outputs])
    check_writable(Path(page), inputs, clobber)


def _shown(audio: str, alignment: Alignment, page: str) -> list[str]:
    """Writes the page; gives what the user should know of it."""
    from plugin.page.making import make

    made = make(audio, alignment, page)
    return [made.note] if made.note else []


@contextmanager
def _names(audio: str, lyrics: str) -> Iterator[None]:
    """Errors that don't say which file they mean get its name."""
    try:
        yield
    except (LyricsError, AlignmentError) as error:
        place = error.where or (lyrics if isinstance(error, LyricsError) else audio)
        raise type(error)(error.what, place, error.hint) from error


def _silent(message: str) -> None:
    pass


def _speaker(begun: float) -> Callable[[str], None]:
    return lambda message: click.echo(f"{time.perf_counter() - begun:6.2f} s  {message}", err=True)
