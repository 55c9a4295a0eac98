"""SubRip: a cue for each line, or for each word. Reads what people have, not only what the format says.

The rows are read here and not by pysubs2, which leaves carriage returns in the text, stops at bytes that are not UTF-8
and drops `{\\an8}` and `<font>` when it writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Word

from .base import (
    DEFAULTS,
    Format,
    FormatError,
    Level,
    RenderOptions,
    one_row,
    refuse_long,
    rows_and_ends,
    split_rows,
    timed_lines,
)
from .moving import by_line
from .pieces import cut
from .times import clock, span, timing

_MARKUP = "srt:markup"
_TAGS = re.compile(r"</?(?:i|b|u|s|font|span|c|v)(?:[\s.][^<>]*)?>|\{\\[^{}]*\}", re.IGNORECASE)


class Srt(Format):
    """SubRip cues."""

    name = "srt"
    extensions = (".srt",)
    step = 0.001
    levels = ("line", "word")
    flat = True
    in_place = True
    times_one_word = True

    def parse(self, text: str) -> Alignment:
        """Read the cues in the order of the file, each as a line; a cue of one word times that word too.

        The text comes without tags (they are kept beside it, for SRT); rows of one cue stay rows of one line. Missing
        numbers, missing blank rows, dots for commas, negative times and an end before the start are put up with.
        """
        refuse_long(text)
        return Alignment(tuple(_line(body, start, end) for _, start, end, body in _cues_of(text) if _plain(body)))

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:
        """Write the cues, numbered from 1; at level "word" one for each word that was found."""
        level = self.level_for(options)
        cues = [cue for start, end, line in timed_lines(alignment) for cue in _cues(start, end, line, level)]
        cues.sort(key=lambda cue: cue[0])  # the words of lines that overlap take turns
        return "\n".join(
            f"{number}\n{clock(start, ',')} --> {clock(end, ',')}\n{text}\n"
            for number, (start, end, text) in enumerate(cues, 1)
        )

    def retimed(self, text: str, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str | None:
        """The file with other times, all else as it was; None where words are to become cues."""
        if self.level_for(options) != "line":
            return None
        cues = [(row, _line(body, start, end)) for row, start, end, body in _cues_of(text) if _plain(body)]
        parts = rows_and_ends(text)
        for at, line in by_line(Alignment(tuple(line for _, line in cues)), alignment).items():
            row, old = cues[at]
            parts[2 * row] = _moved(parts[2 * row], row, old, line)
        return "".join(parts)


def _moved(row: str, number: int, old: Line, new: Line) -> str:
    """A row of times with new ones, in the way it writes them; what stands around them stays."""
    found = timing(row, number)
    assert found
    point = "." if "." in found[0] and "," not in found[0] else ","
    for first, before, after in ((6, old.end, new.end), (1, old.start, new.start)):
        if clock(before or 0.0) != clock(after or 0.0):
            last = max(found.end(first + 3), found.end(first + 4))  # there may be no fraction
            row = row[: found.start(first)] + clock(after or 0.0, point) + row[last:]
    return row


def _cues_of(text: str) -> Iterator[tuple[int, float, float, list[str]]]:
    """The row that tells the times (from 0), start, end (seconds) and the rows of text of each cue.

    Raises:
        FormatError: there is none, or the times of one are damaged.
    """
    rows = split_rows(text)
    timings = [(number, found) for number, row in enumerate(rows) if (found := timing(row, number))]
    if not timings:
        raise FormatError("no row like 00:00:01,000 --> 00:00:02,000", "1", "is it SRT?")
    for (number, found), (after, _) in pairwise([*timings, (len(rows), timings[0][1])]):
        body = rows[number + 1 : after]
        yield number, *span(found), _without_number(body) if after < len(rows) else body


def _without_number(body: list[str]) -> list[str]:
    """The rows without the number of the next cue; one with blank rows after it is such if there are some before."""
    last = len(body)
    while last and not body[last - 1].strip():
        last -= 1
    if last and body[last - 1].strip().isdecimal() and (last == len(body) or (last > 1 and not body[last - 2].strip())):
        return body[: last - 1]
    return body


def _plain(body: list[str]) -> str:
    rows = (_TAGS.sub("", row).strip() for row in body)
    return "\n".join(row for row in rows if row)


def _line(body: list[str], start: float, end: float) -> Line:
    text, marked = _plain(body), "\n".join(row.strip() for row in body if row.strip())
    extra = Extra.of({_MARKUP: marked if marked != text else ""})
    words = text.split()
    if len(words) == 1:
        return Line(text, start, end, words=(Word(words[0], start, end),), extra=extra)
    return Line(text, start, end, words=tuple(map(Word, words)), extra=extra)


def _cues(start: float, end: float, line: Line, level: Level) -> Iterator[tuple[float, float, str]]:
    marked = [row.strip() for row in split_rows(line.extra.get(_MARKUP, "")) if row.strip()]
    if level == "line" and _plain(marked) == line.text and "-->" not in "".join(marked):
        yield start, end, "\n".join(marked)
        return
    unfound = ""  # words before the first that was found, shown with it
    for piece in cut(line, level):
        if piece.start is None or piece.end is None:
            unfound = piece.text
            continue
        yield piece.start, piece.end, _shown(unfound + piece.text)
        unfound = ""
    if unfound:
        yield start, end, _shown(unfound)


def _shown(text: str) -> str:
    return "\n".join(row for part in text.splitlines() if (row := one_row(part).strip()))
