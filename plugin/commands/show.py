"""`karalign show`: a page to see, hear and put right what was aligned."""

from __future__ import annotations

import json
from pathlib import Path

import click

from plugin.sources import read_source, source_options
from plugin.targets import check_writable


@click.command()
@click.argument("song")
@click.argument("timed")
@click.option("-o", "--output", metavar="HTML", required=True, help="Page to write.")
@click.option("--against", metavar="FILE", help="Another timing of the text, to compare with.")
@click.option("--link", is_flag=True, help="Play SONG from where it lies; otherwise it is inside the page.")
@click.option("--no-clobber", is_flag=True, help="Refuse to overwrite a file that exists.")
@source_options
@click.option("--json", "as_json", is_flag=True, help="Print a report as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def command(
    song: str, timed: str, output: str, against: str | None, link: bool, no_clobber: bool, from_format: str | None,
    encoding: str | None, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Write a page that plays SONG with the text in TIMED.

    One file that needs no network and no server: open it in a browser. It shows what was sung when and how sure that
    is, and what is wrong can be put right there and saved. A song of more than an hour is too long to be inside.
    """
    from plugin.page.making import check_page, make
    from plugin.page.page import Other
    from plugin.report import DOUBTFUL, Report, beyond

    check_page(output)
    check_writable(Path(output), [song, timed, *([against] if against else [])], clobber=not no_clobber)
    source = read_source(timed, from_format, encoding)
    other = Other(Path(against).name, read_source(against, encoding=encoding).alignment) if against else None
    made = make(song, source.alignment, output, link, other)
    report = Report(source.alignment, [output], 1.0, made.seconds, DOUBTFUL)
    if as_json:
        told = {
            "version": 1, "page": made.name, "bytes": made.size, "seconds": round(made.seconds, 3), "sound": made.sound,
            "words": {"timed": report.timed_words, "missing": report.missing_words},
            "doubtful": [doubt.number for doubt in report.doubts],
        }  # fmt: skip
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    notes = (*source.notes(), made.note, beyond(source.alignment, made.seconds, song))
    for note in () if quiet else filter(None, notes):
        click.echo(f"karalign: {note}", err=True)
