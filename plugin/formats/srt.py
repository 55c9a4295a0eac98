"""SubRip: a cue for each line, or for each word. Reads what people have, not only what the format says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from aligner_core.timeline import Alignment, Line, Word

from .base import DEFAULTS, Format, FormatError, Level, RenderOptions, one_row, split_rows, timed_lines
from .pieces import cut

_TIME = r"(-?)(?:([0-9]{1,4}):)?([0-9]{1,4}):([0-9]{1,2})(?:[.,]([0-9]{1,3}))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*--?>\s*{_TIME}(?![0-9:])")  # what follows, such as coordinates, is not looked at
_LIKE_TIMING = re.compile(r"\s*-?[0-9].*-->")
_TAGS = re.compile(r"</?(?:i|b|u|s|font|span|c|v)(?:[\s.][^<>]*)?>|\{\\[^{}]*\}", re.IGNORECASE)


class Srt(Format):
    """SubRip cues."""

    name = "srt"
    extensions = (".srt",)
    step = 0.001
    levels = ("line", "word")

    def parse(self, text: str) -> Alignment:
        """Read the cues in the order of the file, each as a line; a cue of one word times that word too.

        The text comes without tags; rows of one cue stay rows of one line. Missing numbers, missing blank rows,
        dots for commas, negative times and an end before the start are put up with.
        """
        rows = split_rows(text)
        timings = [(number, found) for number, row in enumerate(rows) if (found := _timing(row, number))]
        if not timings:
            raise FormatError("no row like 00:00:01,000 --> 00:00:02,000", "1", "is it SRT?")
        lines = []
        for (number, timing), (after, _) in pairwise([*timings, (len(rows), timings[0][1])]):
            body = rows[number + 1 : after]
            if body and after < len(rows) and body[-1].strip().isdecimal():
                body.pop()  # the number of the next cue
            if shown := _plain(body):
                lines.append(_line(shown, *_span(timing)))
        return Alignment(tuple(lines))

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:
        """Write the cues, numbered from 1; at level "word" one for each word that was found."""
        level = self.level_for(options)
        cues = [cue for start, end, line in timed_lines(alignment) for cue in _cues(start, end, line, level)]
        cues.sort(key=lambda cue: cue[0])  # the words of lines that overlap take turns
        return "\n".join(
            f"{number}\n{_clock(start)} --> {_clock(end)}\n{text}\n"
            for number, (start, end, text) in enumerate(cues, 1)
        )


def _timing(row: str, number: int) -> re.Match[str] | None:
    found = _TIMING.match(row)
    if not found and _LIKE_TIMING.match(row):
        raise FormatError(f"{row.strip()!r} is no time row", str(number + 1), "HH:MM:SS,mmm --> HH:MM:SS,mmm")
    return found


def _span(timing: re.Match[str]) -> tuple[float, float]:
    fields = timing.groups(default="")
    start, end = _seconds(*fields[:5]), _seconds(*fields[5:])
    return start, max(start, end)


def _seconds(sign: str, hours: str, minutes: str, seconds: str, fraction: str) -> float:
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return 0.0 if sign else (whole * 1000 + int(fraction.ljust(3, "0"))) / 1000


def _plain(body: list[str]) -> str:
    rows = (_TAGS.sub("", row).strip() for row in body)
    return "\n".join(row for row in rows if row)


def _line(text: str, start: float, end: float) -> Line:
    words = text.split()
    if len(words) == 1:
        return Line(text, start, end, words=(Word(words[0], start, end),))
    return Line(text, start, end, words=tuple(map(Word, words)))


def _cues(start: float, end: float, line: Line, level: Level) -> Iterator[tuple[float, float, str]]:
    unfound = ""  # words before the first that was found, shown with it
    pieces = cut(line, level)
    for piece in pieces:
        if piece.start is None or piece.end is None:
            unfound = piece.text
            continue
        yield piece.start, piece.end, _shown(unfound + piece.text)
        unfound = ""
    if unfound:
        yield start, end, _shown(unfound)


def _shown(text: str) -> str:
    return "\n".join(row for part in text.splitlines() if (row := one_row(part).strip()))


def _clock(seconds: float) -> str:
    minutes, millis = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{millis // 1000:02},{millis % 1000:03}"
