"""New times for a file that is there: which of its lines they belong to, and where its cuts of a line come to lie."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from aligner_core.timeline import Alignment, Line

from .base import FormatError
from .pieces import Piece

Edge = tuple[float, float | None]  # old time and new time, seconds; None: not known


def by_line(old: Alignment, new: Alignment) -> dict[int, Line]:
    """The new form of each line of a file, by its index; lines that were not found are not in it.

    Raises:
        FormatError: these are other lines.
    """
    lines = new.as_written().lines
    if all(line.number is None for line in lines) and len(lines) == len(old.lines):
        lines = tuple(replace(line, number=at) for at, line in enumerate(lines, 1))
    out: dict[int, Line] = {}
    for line in lines:
        at = (line.number or 0) - 1
        if not 0 <= at < len(old.lines) or old.lines[at].text.split() != line.text.split():
            raise FormatError(f"the line {line.text.strip()[:40]!r} is not in the file", hint="times of the same text")
        if line.timed:
            out[at] = line
    return out


def with_margins(pieces: Sequence[Piece], old: Line, new: Line) -> Line:
    """The new line with the lead-in and the tail of the old one: the time that pieces without text stand for there."""
    sung = [piece for piece in pieces if piece.text.strip() and piece.start is not None]
    words = [word for word in new.words if word.timed]
    if not sung or not words or None in (old.start, old.end, new.start, new.end):
        return new
    lead = (sung[0].start or 0.0) - (old.start or 0.0)
    tail = (old.end or 0.0) - (sung[-1].end or 0.0)
    start, end = new.start or 0.0, new.end or 0.0
    if lead > 0 and words[0].start == start:
        start = max(0.0, start - lead)
    if tail > 0 and words[-1].end == end:
        end += tail
    return replace(new, start=start, end=end)


def moved(pieces: Sequence[Piece], old: Line, new: Line) -> list[tuple[float, float]]:
    """Start and end, in seconds, of each piece that had a time.

    Where a piece begins or ends with a word or syllable of the new line, it has its time; what lies between is where it
    was, in proportion.
    """
    begins, ends = _edges(new)
    text = "".join(piece.text for piece in pieces)
    at = len(text.lstrip()) - len(text)  # in the text of the line
    edges: list[Edge] = [(old.start or 0.0, new.start or 0.0)]
    for piece in pieces:
        if piece.start is not None and piece.end is not None:
            body = piece.text.strip()
            first = at + len(piece.text) - len(piece.text.lstrip())
            edges.append((piece.start, begins.get(first) if body else None))
            edges.append((piece.end, ends.get(first + len(body)) if body else None))
        at += len(piece.text)
    filled = _filled([*edges, (old.end or 0.0, new.end or 0.0)])[1:-1]
    return list(zip(filled[::2], filled[1::2], strict=True))


def _edges(line: Line) -> tuple[dict[int, float], dict[int, float]]:
    """Seconds at which words and syllables begin and end, by their places in the text without white space around."""
    begins: dict[int, float] = {}
    ends: dict[int, float] = {}
    for found, word in zip(re.finditer(r"\S+", line.text.strip()), line.words, strict=False):
        at = found.start()
        for part in word.syllables:
            if part.start is not None and part.end is not None:
                begins[at], ends[at + len(part.text)] = part.start, part.end
            at += len(part.text)
        if word.start is not None and word.end is not None:
            begins[found.start()], ends[found.end()] = word.start, word.end
    return begins, ends


def _filled(edges: Sequence[Edge]) -> list[float]:
    """The new times, none before the one before it; what is not known lies between its neighbours as it did."""
    last = edges[-1][1] or 0.0
    known: list[int] = []
    times = [0.0] * len(edges)
    for at, (_, new) in enumerate(edges):
        if new is not None:
            times[at] = min(max(new, times[known[-1]] if known else new), last)
            known.append(at)
    for a, b in pairwise(known):
        begin, stop = edges[a][0], edges[b][0]
        for at in range(a + 1, b):
            share = (edges[at][0] - begin) / (stop - begin) if stop > begin else 0.0
            times[at] = times[a] + min(max(share, 0.0), 1.0) * (times[b] - times[a])
    return times
