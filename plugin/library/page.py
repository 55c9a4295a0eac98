"""The report as a page of HTML that needs nothing but itself: a list to sort and to filter, with links to the files."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote

from plugin.report import clock, count

from .places import is_url
from .work import Outcome

if TYPE_CHECKING:
    from .report import LibraryReport

SCRIPTS = ("javascript:", "data:", "vbscript:")  # what a browser would run rather than show
SHOWN = 20  # doubtful lines of a song


def page(report: LibraryReport) -> str:
    """The whole page."""
    template = files(__package__).joinpath("report.html").read_text("utf-8")
    songs, rows = count(len(report.outcomes), "song"), "\n".join(_row(report, one) for one in report.outcomes)
    counted = ", ".join(f"{number} {status}" for status, number in report.counts.items())
    values = {
        "title": f"{songs}, {report.hours:.2f} hours of sound",
        "counts": counted,
        "made": f"karalign {report.run.karalign}, checkpoint {report.run.checkpoint[:12]}",
        "rows": rows,
    }
    before, *parts = template.split("{{")
    pieces = [part.partition("}}") for part in parts]
    return before + "".join(
        (values[name] if name == "rows" else escape(values[name])) + after for name, _, after in pieces
    )


def _row(report: LibraryReport, outcome: Outcome) -> str:
    item = outcome.item
    score = "" if outcome.score is None else f"{outcome.score:.2f}"
    written = [_link(report, name) for name in item.outputs] if outcome.written else []
    length = clock(outcome.seconds) if outcome.seconds else ""
    cells = (
        f'<td class="{outcome.status}">{outcome.status}</td>',
        f"<td>{_link(report, item.song)}</td>",
        f"<td>{_link(report, item.lyrics) if item.lyrics else ''}</td>",
        f"<td>{'<br>'.join([*written, *map(_safe, outcome.embedded)])}</td>",
        f'<td data-value="{outcome.seconds:.3f}">{length}</td>',
        f'<td data-value="{-1 if outcome.score is None else outcome.score}">{score}</td>',
        f'<td data-value="{len(outcome.doubts)}">{"".join(_doubts(outcome))}</td>',
        f"<td>{'<br>'.join(_safe(note) for note in (outcome.why, *outcome.notes) if note)}</td>",
    )
    return f"<tr>{''.join(cells)}</tr>"


def _doubts(outcome: Outcome) -> Iterator[str]:
    if outcome.doubts:
        lines = "".join(f"<li>{_safe(str(doubt))}</li>" for doubt in outcome.doubts[:SHOWN])
        more = f"<li>and {len(outcome.doubts) - SHOWN} more</li>" if len(outcome.doubts) > SHOWN else ""
        yield f"<details><summary>{count(len(outcome.doubts), 'line')}</summary><ul>{lines}{more}</ul></details>"


def _link(report: LibraryReport, path: str) -> str:
    name = report.named(path)
    if name.lower().startswith(SCRIPTS):
        return _safe(name)
    target = name if is_url(name) else quote(name.encode("utf-8", "surrogateescape"))
    return f'<a href="{escape(target)}">{_safe(name)}</a>'


def _safe(text: str) -> str:
    """Text for a page; what cannot be shown, such as a line end in a name, is shown as an escape."""
    return escape("".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text))
