"""Lines that nobody sings but that are shown with a line that is: translations and romanisations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Word

_SHOWN_WITH = ("translation", "romanisation")  # roles, of the line before


def set_apart(text: Alignment) -> Alignment:
    """The text with those lines as comments, which are not looked for in the sound."""
    lines = (replace(line, kind="comment", words=()) if is_beside(line) else line for line in text.lines)
    return replace(text, lines=tuple(lines))


def put_back(alignment: Alignment) -> Alignment:
    """The lines that were set apart as lyrics again, with the times of the line that they are shown with."""
    lines: list[Line] = []
    host: Line | None = None
    for line in alignment.lines:
        if is_beside(line):
            start, end = (host.start, host.end) if host else (None, None)
            words = tuple(map(Word, line.text.split()))
            lines.append(replace(line, kind="lyrics", start=start, end=end, words=words))
        else:
            lines.append(line)
            host = line
    return replace(alignment, lines=tuple(lines))


def translated(lines: Sequence[Line]) -> Iterator[Line]:
    """Of lines that begin at once, the second and further ones are translations unless they are another singer's."""
    before: Line | None = None
    for line in lines:
        same = before and line.timed and before.start == line.start and before.text != line.text
        if same and not line.extra:
            yield replace(line, extra=Extra.of({"role": "translation"}))
        else:
            yield line
            before = line if line.timed else before


def is_beside(line: Line) -> bool:
    """Whether a line is shown with the one before it."""
    return line.extra.get("role") in _SHOWN_WITH
