"""An LRC file with new times: tags, comments, the order of rows and the digits of stamps as they were.

Files whose stamps do not stand for themselves (an offset, a row with several stamps, background voices) are written
anew.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence

from aligner_core.timeline import Alignment, Line

from .base import rows_and_ends, split_rows
from .lrc import HEAD, STAMP, Lrc, milliseconds
from .moving import by_line, moved
from .pieces import Piece

_BOUND = re.compile(r"^\W*\[(?:offset|bg)\s*:", re.MULTILINE | re.IGNORECASE)


def retimed(text: str, alignment: Alignment) -> str | None:
    """The file with the times of `alignment`, or None: its stamps depend on each other.

    Raises:
        FormatError: it is no LRC, or the alignment is of another text.
    """
    old = Lrc().parse(text)
    parts = rows_and_ends(text)
    heads = {at: found for at, row in enumerate(split_rows(text)) if (found := HEAD.match(row.lstrip("\ufeff")))}
    stamped = [(milliseconds(found), at) for at, found in heads.items() if len(STAMP.findall(found[0])) == 1]
    if _BOUND.search(text) or len(stamped) < len(heads):
        return None
    rows = [at for _, at in sorted(stamped) if STAMP.sub("", parts[2 * at]).strip("\ufeff \t")]
    timed = [at for at, line in enumerate(old.lines) if line.timed]
    new = by_line(old, alignment)
    for row, at in zip(rows, timed, strict=True):
        if at in new:
            parts[2 * row] = _row(parts[2 * row], old.lines[at], new[at])
    ends = sorted((old.lines[at].end or 0.0, line.end or 0.0) for at, line in new.items())
    for ms, row in stamped:
        if row not in rows:  # it clears the screen, as long after the line before it as it did
            place = bisect_right(ends, (ms / 1000 + 1e-6, math.inf))
            before, after = ends[place - 1] if place else (0.0, 0.0)
            parts[2 * row] = _with(parts[2 * row], [after + ms / 1000 - before])
    return "".join(parts)


def _row(row: str, old: Line, new: Line) -> str:
    """A row of one line: its own stamp, and those inside as they lay between the words."""
    stamps = list(STAMP.finditer(row))
    ends = [*(found.start() for found in stamps[1:]), len(row)]
    at = [milliseconds(found) / 1000 for found in stamps]
    last = old.end or at[-1]
    spans = zip(at, [*at[1:], max(last, at[-1])], strict=True)
    pieces = [Piece(row[a.end() : b], *span) for a, b, span in zip(stamps, ends, spans, strict=True)]
    starts = [start for start, _ in moved(pieces, old, new)]
    tail = len(stamps) > 1 and not pieces[-1].text.strip()
    return _with(row, [new.start or 0.0, *starts[1 : len(starts) - tail], *([new.end or 0.0] if tail else [])])


def _with(row: str, seconds: Sequence[float]) -> str:
    times = iter(seconds)
    return STAMP.sub(lambda found: _stamp(found, next(times)), row)


def _stamp(found: re.Match[str], seconds: float) -> str:
    """A stamp in the brackets and with the digits of another; that one itself where the time is the same."""
    old = found[0]
    if milliseconds(found) == round(seconds * 1000):
        return old
    digits = len(old.rpartition(".")[2]) - 1 if "." in old else 2
    scale = 10 ** max(2, digits)
    minutes, rest = divmod(round(seconds * scale), 60 * scale)
    hours, minutes = divmod(minutes, 60) if found[1] or minutes > 99 else (0, minutes)
    clock = f"{hours:02}:" * bool(hours) + f"{minutes:02}:{rest // scale:02}"
    return f"{old[0]}{clock}.{rest % scale:0{max(2, digits)}}{old[-1]}"
