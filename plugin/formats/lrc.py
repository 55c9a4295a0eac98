"""LRC: stamped lines, and with word or syllable times "enhanced" (A2) LRC.

    [00:12.00]<00:12.00>When <00:12.30>the <00:12.52>truth<00:13.10>

A stamp gives the start of the text after it; one without text after it, the end of the text before it. Headings and
comments are not written: Navidrome shows a line without a stamp as lyrics. Neither is the offset tag, which half of
the players ignore and some apply the wrong way round: times are written as they are.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aligner_core.timeline import Alignment, Line, untimed_line

from .base import (
    DEFAULTS,
    Format,
    FormatError,
    Level,
    RenderOptions,
    one_row,
    refuse_foreign,
    split_rows,
    timed_lines,
)
from .pieces import Piece, assemble, cut, with_syllables

PAUSE = 4.0  # seconds of silence after which the text is cleared from the screen
LAST = 5000  # ms that the last line lasts if no stamp tells

_TIME = r"(?:([0-9]{1,2}):)?([0-9]{1,3}):([0-9]{1,2})(?:[.,]([0-9]{1,3}))?"
_STAMP = re.compile(rf"[\[<]{_TIME}[\]>]")  # old karaoke files have square stamps inside the line
_HEAD = re.compile(rf"(?:\s*\[{_TIME}\])+")
_TAG = re.compile(r"\[([a-z]+)\s*:(.*)\]\s*", re.IGNORECASE)
_OFFSET = re.compile(r"\s*([+-]?[0-9]{1,9})\s*")
_SINGER = re.compile(r"^\s*v[0-9]+:\s*")  # who sings, in duets


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a file.

    Args:
        start: ms; of a row without a stamp, that of the row before it.
        marks: (ms, the text after that stamp); the first is the stamp of the row. Empty: nothing is shown any more.
        end: ms, where a stamp tells it.
        untimed: what a row without a stamp holds.
    """

    start: int
    marks: tuple[tuple[int, str], ...] = ()
    end: int | None = None
    untimed: Line | None = None


class Lrc(Format):
    """LRC, by line or enhanced."""

    name = "lrc"
    extensions = (".lrc", ".elrc")
    step = 0.01
    levels = ("line", "word", "syllable")
    default = "word"
    starts_only = ("line",)

    def parse(self, text: str) -> Alignment:
        """Read stamped lines, sorted by time; a line whose end no stamp tells lasts until the next.

        Repeated and equal stamps, stamps without text, the offset, old karaoke files and background voices are
        understood; rows without a stamp become untimed lines.
        """
        refuse_foreign(text, self.name)
        rows = sorted(_rows(text), key=lambda row: row.start)  # stable: a translation stays after its original
        starts = sorted({row.start for row in rows if row.untimed is None})
        lines = [row.untimed or _line(row, _end(row, starts)) for row in rows if row.untimed or row.marks]
        return Alignment(with_syllables(lines))

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:
        """Write a row for each timed line, and an empty one where a pause follows and at the end."""
        level = self.level_for(options)
        rows: list[str] = []
        silent = math.inf  # seconds: since when nobody sings
        for start, end, line in timed_lines(alignment):
            if start - silent > PAUSE:
                rows.append(f"[{_clock(silent)}]")
            rows.append(_written(start, end, cut(line, level), level))
            silent = end if silent == math.inf else max(silent, end)
        return "\n".join([*rows, f"[{_clock(silent)}]", ""])


def _rows(text: str) -> Iterator[_Row]:
    raw = [row.lstrip("\ufeff").strip() for row in split_rows(text)]
    offset, last = _offset(raw), 0
    for row in raw:
        if head := _HEAD.match(row):
            stamped = list(_stamped(head[0], row[head.end() :], offset))
            last = stamped[0].start
            yield from stamped
        elif tag := _TAG.fullmatch(row):
            if tag[1].lower() == "bg" and (stamp := _STAMP.search(tag[2])):
                yield from _stamped(stamp[0], tag[2], offset)
        elif row:
            yield _Row(last, untimed=untimed_line(row, "comment" if row.startswith("#") else "lyrics"))


def _offset(raw: Sequence[str]) -> int:
    """Milliseconds by which all is sung earlier than stamped."""
    offset = 0
    for number, row in enumerate(raw, 1):
        tag = _TAG.fullmatch(row)
        if tag and tag[1].lower() == "offset" and tag[2].strip():
            if not (value := _OFFSET.fullmatch(tag[2])):
                raise FormatError(f"the offset {tag[2].strip()!r} is no number of milliseconds", str(number))
            offset = int(value[1])
    return offset


def _stamped(head: str, body: str, offset: int) -> Iterator[_Row]:
    """A row for each stamp at the head; the stamps inside belong to the first and move along with the others."""
    starts = [max(0, _ms(stamp) - offset) for stamp in _STAMP.finditer(head)]
    marks, end = _marks(starts[0], _SINGER.sub("", body), offset)
    for start in starts:
        move = start - starts[0]
        yield _Row(start, tuple((at + move, text) for at, text in marks), None if end is None else end + move)


def _marks(start: int, body: str, offset: int) -> tuple[list[tuple[int, str]], int | None]:
    stamps = list(_STAMP.finditer(body))
    begins, ends = [0, *(s.end() for s in stamps)], [*(s.start() for s in stamps), len(body)]
    texts = [body[a:b] for a, b in zip(begins, ends, strict=True)]
    marks = list(zip([start, *(max(0, _ms(stamp) - offset) for stamp in stamps)], texts, strict=True))
    if not any(text.strip() for text in texts):
        return [], None
    end = marks.pop()[0] if stamps and not texts[-1].strip() else None
    return marks, end


def _end(row: _Row, starts: Sequence[int]) -> int:
    if row.end is not None:
        return max(row.end, row.start)
    after = bisect_right(starts, row.start)
    end = starts[after] if after < len(starts) else row.start + LAST
    return max(end, row.marks[-1][0])  # the last word may begin when others already sing the next line


def _line(row: _Row, end: int) -> Line:
    pieces: list[Piece] = []
    spaced = True  # "<00:01.00> When <00:01.30> the": a space on both sides of a stamp is one
    for (at, text), (after, _) in zip(row.marks, [*row.marks[1:], (end, "")], strict=True):
        body = text.lstrip() if spaced else text
        spaced = body[-1].isspace() if body else spaced
        pieces.append(Piece(body, at / 1000, after / 1000))
    first = next(i for i, piece in enumerate(pieces) if piece.text.strip())
    if not _begins(row.marks[first:], stamped=first > 0):
        pieces[first] = Piece(pieces[first].text)
    return assemble(pieces, row.start / 1000, end / 1000)


def _begins(marks: Sequence[tuple[int, str]], stamped: bool) -> bool:
    """Whether the first text has a time: of its own (`stamped`), or that of its row where only later words are stamped.

    A first text that is over when the next begins is how words that were not found are written: all readers show it,
    whereas Navidrome drops text before the first stamp of words.
    """
    if any(text.strip() for _, text in marks[1:]):
        return marks[1][0] > marks[0][0]
    return stamped


def _written(start: float, end: float, pieces: Sequence[Piece], level: Level) -> str:
    if level == "line":
        return f"[{_clock(start)}]{one_row(pieces[0].text)}"
    if pieces[0].start is None and len(pieces) > 1:  # see _begins
        pieces = [Piece(pieces[0].text, pieces[1].start, pieces[1].start), *pieces[1:]]
    out, space, stop = [f"[{_clock(start)}]"], "", ""
    for piece in pieces:
        text = one_row(piece.text)
        if piece.start is not None and piece.end is not None:
            begin = _clock(piece.start)
            out += [f"<{stop}>" if stop not in ("", begin) else "", space, f"<{begin}>"]
            space, stop = "", _clock(piece.end)
        body = text.rstrip()
        out += [space, body]
        space = text[len(body) :]
    out += [f"<{stamp}>" for stamp in dict.fromkeys((stop, _clock(end))) if stamp]
    return "".join(out)


def _ms(stamp: re.Match[str]) -> int:
    hours, minutes, seconds, fraction = stamp.groups(default="0")
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(fraction.ljust(3, "0"))


def _clock(seconds: float) -> str:
    """mm:ss.cc, and hours only where needed: some readers take no minutes of three digits."""
    minutes, centis = divmod(round(seconds * 100), 6000)
    hours, minutes = divmod(minutes, 60) if minutes > 99 else (0, minutes)
    return (f"{hours:02}:" if hours else "") + f"{minutes:02}:{centis // 100:02}.{centis % 100:02}"
