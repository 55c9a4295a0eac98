"""WebVTT: cues, with word and syllable times as stamps inside the text.

    00:00:12.000 --> 00:00:13.100 line:0
    <v Ann>When <00:00:12.300>the <00:00:12.520>truth

A stamp may neither repeat the one before nor the edges of its cue, so text without one begins with its cue. Where that
would tell a time of words that have none, they are put into `<c.untimed>`; where a cue has no stamp at all but its
first word has a time, that word is put into `<c.timed>`. Players take both for styles that nobody has defined.

Read here and not by pysubs2, which drops voices and settings and shows stamps as text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line

from .base import DEFAULTS, Format, FormatError, Level, RenderOptions, one_row, refuse_long, split_rows, timed_lines
from .pieces import Piece, assemble, cut, with_syllables
from .times import TIME, clock, seconds, span, timing

_TAG = re.compile(r"<([^<>]*)>")
_RUBY = re.compile(r"<rt>[^<]*")
_STAMP = re.compile(TIME)
_VOICE = re.compile(r"v(?:\.\S*)?(?:\s+(.*))?", re.DOTALL)
_HEAD, _SETTINGS, _ID, _MARKUP = "vtt:head", "vtt:settings", "vtt:id", "vtt:markup"


class Vtt(Format):
    """WebVTT cues."""

    name = "vtt"
    extensions = (".vtt", ".webvtt")
    step = 0.001
    levels = ("line", "word", "syllable")
    default = "word"
    shortest = 0.002  # a stamp must differ from the one before
    keeps = frozenset({"voice"})

    def parse(self, text: str) -> Alignment:
        """Read the cues in the order of the file; a cue of two voices makes a line for each.

        Settings, identifiers, styles and markup are kept beside the text, for WebVTT; notes between cues are not.
        """
        refuse_long(text)
        rows = split_rows(text.lstrip("\ufeff"))
        timings = [(number, found) for number, row in enumerate(rows) if (found := timing(row, number))]
        if not timings and rows[:1] != ["WEBVTT"]:
            raise FormatError("no row like 00:01.000 --> 00:02.000", "1", "is it WebVTT?")
        lines = list[Line]()
        for (number, found), (after, _) in pairwise([*timings, *([(len(rows) + 1, timings[0][1])] if timings else [])]):
            body = _body(rows[number + 1 : after], last=after >= len(rows))
            name = rows[number - 1].strip() if number else ""
            extra = {_SETTINGS: rows[number][found.end() :].strip(), _ID: name}
            lines += _lines("\n".join(body), *span(found), extra)
        head = _head(rows[: timings[0][0]] if timings else rows)
        return Alignment(with_syllables(lines), extra=Extra.of({_HEAD: head}))

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:
        """Write a cue for each timed line."""
        level = self.level_for(options)
        head = alignment.extra.get(_HEAD, "").replace("-->", "")
        cues = [_cue(start, end, line, level) for start, end, line in timed_lines(alignment)]
        return "\n".join([f"WEBVTT{head}\n", *cues])


def _head(rows: Sequence[str]) -> str:
    """What follows the word WEBVTT before the first cue: a title, styles, regions and notes."""
    text = "\n".join(rows)
    first = text.rpartition("\n\n")[0] if rows and rows[-1].strip() else text  # the last row names the first cue
    return first.removeprefix("WEBVTT").rstrip()


def _body(rows: Sequence[str], last: bool = True) -> list[str]:
    """The text of a cue: up to a blank row, blank rows before it aside.

    Args:
        last: no cue follows; else the last row may name it.
    """
    shown = [row.strip() for row in rows]
    first = next((at for at, row in enumerate(shown) if row), len(shown))
    end = next((at for at in range(first, len(shown)) if not shown[at]), len(shown))
    if first and (shown[first : first + 1] and re.match("NOTE|STYLE|REGION", shown[first])):
        return []
    named = first < end == len(shown) and not last and (first or shown[-1].isdecimal())
    return shown[first : end - 1] if named else shown[first:end]


@dataclass(slots=True)
class _Reader:
    """Gathers the pieces of a cue, voice by voice.

    Args:
        now: seconds, of the stamp before.
    """

    now: float
    told: bool = False  # whether any time is
    voices: list[tuple[str, list[tuple[float | None, str]]]] = field(default_factory=lambda: [("", [])])

    def add(self, text: str, timed: bool = True) -> None:
        """Add text that begins at the last stamp, or has no time."""
        marks, at = self.voices[-1][1], self.now if timed else None
        if marks and marks[-1][0] == at:
            text = marks.pop()[1] + text
        marks.append((at, text))

    def read(self, body: str) -> None:
        """Take a cue apart."""
        first, *parts = _TAG.split(body)
        self.add(html.unescape(first))
        hidden, timed = False, True
        for tag, literal in zip(parts[::2], parts[1::2], strict=True):
            hidden = (hidden or tag == "rt") and tag != "/rt"
            timed = (timed and tag != "c.untimed") or tag == "/c"
            self._obey(tag)
            if not hidden:
                self.add(html.unescape(literal), timed)

    def _obey(self, tag: str) -> None:
        if stamp := _STAMP.fullmatch(tag):
            self.now, self.told = seconds(*stamp.groups(default="")), True
        elif tag == "c.timed":
            self.told = True
        elif voice := _VOICE.fullmatch(tag):
            self.voices.append((html.unescape(voice[1] or "").strip(), []))


def _lines(body: str, start: float, end: float, extra: dict[str, str]) -> Iterator[Line]:
    reader = _Reader(start)
    reader.read(body)
    spoken = [(voice, marks) for voice, marks in reader.voices if "".join(text for _, text in marks).strip()]
    for voice, marks in spoken:
        pieces = _pieces(marks, end) if reader.told else [Piece("".join(text for _, text in marks))]
        line = replace(assemble(pieces, start, end), extra=Extra.of({**extra, "voice": voice}))
        marked = not reader.told and len(spoken) == 1 and _written(start, end, line, "line") != body
        yield replace(line, extra=Extra.of({**line.extra, _MARKUP: body if marked else ""}))


def _pieces(marks: Sequence[tuple[float | None, str]], end: float) -> Iterator[Piece]:
    """Each lasts until the next that has a time begins."""
    stop, out = end, list[Piece]()
    for at, text in reversed(marks):
        out.append(Piece(text, at, None if at is None else max(at, stop)))
        stop = stop if at is None else at
    return reversed(out)


def _cue(start: float, end: float, line: Line, level: Level) -> str:
    name, settings = (one_row(line.extra.get(key, "")).replace("-->", "").strip() for key in (_ID, _SETTINGS))
    marked = "\n".join(_body(split_rows(line.extra.get(_MARKUP, ""))))
    kept = _plain(marked) == line.text and "-->" not in marked
    kept = kept and (level == "line" or not any(word.timed for word in line.words))
    row = f"{clock(start)} --> {clock(end)} {settings}".rstrip()
    return "\n".join([*([name] if name else []), row, marked if kept else _written(start, end, line, level), ""])


def _plain(body: str) -> str:
    return html.unescape(_TAG.sub("", _RUBY.sub("", body))).strip()


def _written(start: float, end: float, line: Line, level: Level) -> str:
    body = _stamped(round(start * 1000), round(end * 1000), cut(line, level))
    voice = html.escape(one_row(line.extra.get("voice", "")), quote=False)
    rows = [row.strip() for row in body.split("\n")]
    return (f"<v {voice}>" if voice else "") + "\n".join(row for row in rows if row)


def _stamped(start: int, end: int, pieces: Sequence[Piece]) -> str:
    """Args: start, end: ms."""
    out, now, space, stop = list[str](), start, "", start
    for piece in pieces:
        text = _escaped(piece.text)
        if piece.start is None or piece.end is None:
            out.append(f"<c.untimed>{text}</c>" if len(pieces) > 1 else text)
            continue
        begin = round(piece.start * 1000)
        if now < stop < min(begin, end):
            out.append(f"<{clock(stop / 1000)}>")
            now = stop
        out.append(space)  # with the word before it
        if now < begin < end:
            out.append(f"<{clock(begin / 1000)}>")
            now = begin
        body = text.rstrip()
        out.append(body)
        space, stop = text[len(body) :], round(piece.end * 1000)
    if now < stop < end:
        out.append(f"<{clock(stop / 1000)}>")
        now = stop
    told = now > start or all(piece.start is None for piece in pieces)
    return "".join(out) if told else f"<c.timed>{''.join(out)}</c>"


def _escaped(text: str) -> str:
    rows = re.split(r"\r\n|\r|\n", text)
    return html.escape("\n".join(map(one_row, rows)), quote=False)
