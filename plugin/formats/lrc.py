"""LRC: stamped lines, and with word or syllable times "enhanced" (A2) LRC.

    [00:12.00]<00:12.00>When <00:12.30>the <00:12.52>truth<00:13.10>

A stamp gives the start of the text after it; one without text after it, the end of the text before it. Headings and
comments are not written: Navidrome shows a line without a stamp as lyrics. Neither is the offset tag, which half of
the players ignore and some apply the wrong way round: times are written as they are. Of two lines with one stamp the
second is a translation; "v1:" or, as Walaoke has it, "F:", "M:" or "D:" in front tells who sings, `[bg: ...]` the
background voice.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from aligner_core.extra import NOTHING, Extra
from aligner_core.timeline import Alignment, Line, Word, untimed_line
from plugin.beside import translated

from .base import (
    DEFAULTS,
    Format,
    FormatError,
    Level,
    RenderOptions,
    one_row,
    refuse_foreign,
    refuse_long,
    split_rows,
    timed_lines,
)
from .pieces import Piece, assemble, cut, with_syllables

PAUSE = 4.0  # seconds of silence after which the text is cleared from the screen
REPEATS = 1000  # stamps of a row that are looked at
LAST = 5000  # ms that the last line lasts if no stamp tells

_TIME = r"(?:([0-9]{1,2}):)?([0-9]{1,3}):([0-9]{1,2})(?:[.,]([0-9]{1,3}))?"
STAMP = re.compile(rf"[\[<]{_TIME}[\]>]")  # old karaoke files have square stamps inside the line
HEAD = re.compile(rf"(?:\s*\[{_TIME}\])+")
_TAG = re.compile(r"\[([a-z]+)\s*:(.*)\]\s*", re.IGNORECASE)
_OFFSET = re.compile(r"\s*([+-]?[0-9]{1,9})\s*")
_SINGER = re.compile(r"\s*(v[0-9]{1,3}|[FMD]):\s*")  # who sings, in duets
_IDS = {"ti": "title", "ar": "artist", "al": "album", "au": "author", "by": "by", "la": "language"}
_ALIKE = {"lang": "la", "language": "la", "title": "ti", "artist": "ar", "album": "al"}
_SEEN = {"offset", "bg"}


class _Row(NamedTuple):
    """A row of a file.

    Args:
        start: ms; of a row without a stamp, that of the row before it.
        marks: (ms, the text after that stamp); the first is the stamp of the row. Empty: nothing is shown any more.
        end: ms, where a stamp tells it.
        untimed: what a row without a stamp holds.
        extra: who sings it, what it is.
    """

    start: int
    marks: tuple[tuple[int, str], ...] = ()
    end: int | None = None
    untimed: Line | None = None
    extra: Extra = NOTHING


class Lrc(Format):
    """LRC, by line or enhanced."""

    name = "lrc"
    extensions = (".lrc", ".elrc")
    step = 0.01
    levels = ("line", "word", "syllable")
    default = "word"
    starts_only = ("line",)
    in_place = True
    keeps = frozenset({*_IDS.values(), "voice", "role"})

    def parse(self, text: str) -> Alignment:
        """Read stamped lines, sorted by time; a line whose end no stamp tells lasts until the next.

        Repeated and equal stamps, stamps without text, the offset, old karaoke files, singers and background voices
        are understood; rows without a stamp become untimed lines.
        """
        refuse_foreign(text, self.name)
        refuse_long(text)
        rows = sorted(_rows(text), key=lambda row: row.start)  # stable: a translation stays after its original
        starts = sorted({row.start for row in rows if row.untimed is None and "role" not in row.extra})
        lines = [row.untimed or _line(row, _end(row, starts)) for row in rows if row.untimed or row.marks]
        return Alignment(with_syllables(translated(lines)), extra=_told(text))

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:
        """Write a row for each timed line, and an empty one where a pause follows and at the end."""
        simple = options.level is None and not any(word.timed for word in alignment.words)
        level = "line" if simple else self.level_for(options)  # not all players know the stamps that end a line
        rows: list[str] = list(_ids(alignment.extra))
        voices = _voices(alignment)
        silent = math.inf  # seconds: since when nobody sings
        for start, end, line in timed_lines(alignment):
            if start - silent > PAUSE:
                rows.append(f"[{_clock(silent)}]")
            rows.append(_written(start, end, cut(line, level), level, voices.get(line.extra.get("voice", ""), "")))
            if line.extra.get("role") == "background" and level != "line":
                rows[-1] = f"[bg: {HEAD.sub('', rows[-1], count=1)}]"
            silent = end if silent == math.inf else max(silent, end)
        return "\n".join([*rows, f"[{_clock(silent)}]", ""])

    def retimed(self, text: str, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str | None:
        """The file with other times; None where a level is asked for, or its stamps depend on each other."""
        from .lrc_inplace import retimed

        return None if options.level else retimed(text, alignment)


def _rows(text: str) -> Iterator[_Row]:
    raw = [row.lstrip("\ufeff").strip() for row in split_rows(text)]
    offset, last = _offset(raw), 0
    for row in raw:
        if head := HEAD.match(row):
            stamped = list(_stamped(head[0], row[head.end() :], offset))
            last = stamped[0].start
            yield from stamped
        elif tag := _TAG.fullmatch(row):
            if tag[1].lower() == "bg":
                yield from _background(tag[2], last, offset)
        elif row:
            yield _Row(last, untimed=untimed_line(row, "comment" if row.startswith(("#", "[#")) else "lyrics"))


def _background(body: str, last: int, offset: int) -> Iterator[_Row]:
    """Args: last: ms, where the row before it begins, for one that tells no time."""
    stamp = STAMP.search(body)
    for row in _stamped(stamp[0] if stamp else f"[{_clock((last + offset) / 1000)}]", body, offset):
        yield row._replace(extra=Extra.of({**row.extra, "role": "background"}))


def _offset(raw: Sequence[str]) -> int:
    """Milliseconds by which all is sung earlier than stamped."""
    offset = 0
    for number, row in enumerate(raw, 1):
        tag = _TAG.fullmatch(row) if row[1:2] in ("o", "O") else None
        if tag and tag[1].lower() == "offset" and tag[2].strip():
            if not (value := _OFFSET.fullmatch(tag[2])):
                raise FormatError(f"the offset {tag[2].strip()!r} is no number of milliseconds", str(number))
            offset = int(value[1])
    return offset


def _stamped(head: str, body: str, offset: int) -> Iterator[_Row]:
    """A row for each stamp at the head; the stamps inside belong to the first and move along with the others."""
    starts = [max(0, milliseconds(stamp) - offset) for stamp in islice(STAMP.finditer(head), REPEATS)]
    singer = _SINGER.match(body)
    extra = Extra.of({"voice": singer[1]}) if singer else NOTHING
    marks, end = _marks(starts[0], body[singer.end() :] if singer else body, offset)
    yield _Row(starts[0], tuple(marks), end, extra=extra)
    for start in starts[1:]:
        move = start - starts[0]
        moved = tuple((at + move, text) for at, text in marks)
        yield _Row(start, moved, None if end is None else end + move, extra=extra)


def _told(text: str) -> Extra:
    """What ID tags tell: title, artist and so on; names that no format shares are kept for LRC."""
    told: dict[str, str] = {}
    for row in (row.strip("\ufeff \t") for row in split_rows(text)):
        tag = _TAG.fullmatch(row) if row[1:2].isalpha() else None  # most rows begin with a stamp
        name = tag[1].lower() if tag else ""
        name = _ALIKE.get(name, name)
        if tag and name not in _SEEN and not STAMP.search(tag[2]):
            told.setdefault(_IDS.get(name, f"lrc:{name}"), tag[2].strip())
    return Extra.of(told)


def _ids(extra: Extra) -> Iterator[str]:
    names = {name: key for key, name in _IDS.items()}
    for name, value in extra.items():
        key = names.get(name) or (name.removeprefix("lrc:") if name.startswith("lrc:") else "")
        if key and (shown := one_row(value).strip()):
            yield f"[{key}:{shown}]"


def _voices(alignment: Alignment) -> dict[str, str]:
    """What stands before the lines of each voice: its name where LRC knows it, else v1, v2 and so on."""
    names = dict.fromkeys(voice for line in alignment.lines if (voice := line.extra.get("voice")))
    if all(_SINGER.fullmatch(f"{name}:") for name in names):
        return {name: f"{name}: " for name in names}
    return {name: f"v{number}: " for number, name in enumerate(names, 1)}


def _marks(start: int, body: str, offset: int) -> tuple[list[tuple[int, str]], int | None]:
    first, *cells = STAMP.split(body)  # four of a stamp, and the text after it
    later = ((max(0, _milliseconds(*cells[at : at + 4]) - offset), cells[at + 4]) for at in range(0, len(cells), 5))
    marks = [(start, first), *later]
    if not any(text.strip() for _, text in marks):
        return [], None
    end = marks.pop()[0] if cells and not cells[-1].strip() else None
    return marks, end


def _end(row: _Row, starts: Sequence[int]) -> int:
    if row.end is not None:
        return max(row.end, row.start)
    after = bisect_right(starts, row.start)
    end = starts[after] if after < len(starts) else row.start + LAST
    return max(end, row.marks[-1][0])  # the last word may begin when others already sing the next line


def _line(row: _Row, end: int) -> Line:
    if len(row.marks) == 1:
        text = row.marks[0][1].strip()
        return Line(text, row.start / 1000, end / 1000, words=tuple(map(Word, text.split())), extra=row.extra)
    pieces: list[Piece] = []
    spaced = True  # "<00:01.00> When <00:01.30> the": a space on both sides of a stamp is one
    for (at, text), (after, _) in zip(row.marks, [*row.marks[1:], (end, "")], strict=True):
        body = text.lstrip() if spaced else text
        spaced = body[-1].isspace() if body else spaced
        pieces.append(Piece(body, at / 1000, after / 1000))
    first = next(i for i, piece in enumerate(pieces) if piece.text.strip())
    if not _begins(row.marks[first:], stamped=first > 0):
        pieces[first] = Piece(pieces[first].text)
    line = assemble(pieces, row.start / 1000, end / 1000)
    return replace(line, extra=row.extra) if row.extra else line


def _begins(marks: Sequence[tuple[int, str]], stamped: bool) -> bool:
    """Whether the first text has a time: of its own (`stamped`), or that of its row where only later words are stamped.

    A first text that is over when the next begins is how words that were not found are written: all readers show it,
    whereas Navidrome drops text before the first stamp of words.
    """
    if any(text.strip() for _, text in marks[1:]):
        return marks[1][0] > marks[0][0]
    return stamped


def _written(start: float, end: float, pieces: Sequence[Piece], level: Level, singer: str) -> str:
    if level == "line":
        return f"[{_clock(start)}]{singer}{one_row(pieces[0].text)}"
    if pieces[0].start is None and len(pieces) > 1:  # see _begins
        pieces = [Piece(pieces[0].text, pieces[1].start, pieces[1].start), *pieces[1:]]
    out, space, stop = [f"[{_clock(start)}]{singer}"], "", ""
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


def milliseconds(stamp: re.Match[str]) -> int:
    """The time that a match of `STAMP` tells."""
    return _milliseconds(*stamp.groups())


def _milliseconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> int:
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * 1000 + int(fraction.ljust(3, "0") if fraction else 0)


def _clock(seconds: float) -> str:
    """mm:ss.cc, and hours only where needed: some readers take no minutes of three digits."""
    minutes, centis = divmod(round(seconds * 100), 6000)
    hours, minutes = divmod(minutes, 60) if minutes > 99 else (0, minutes)
    return (f"{hours:02}:" if hours else "") + f"{minutes:02}:{centis // 100:02}.{centis % 100:02}"
