"""Reading TTML: any clock of the standard, times from the beginning or from the parent.

Expat tells elements one after the other, with their rows; no tree is built, so depth and size cost nothing. Document
types are refused: lyrics have none, and entities are how small files become large.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import Final
from xml.parsers import expat

from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, untimed_line

from .base import FormatError
from .pieces import Piece, assemble, with_syllables

ROLES: Final = {"x-bg": "background", "x-translation": "translation", "x-roman": "romanisation"}
_APART: Final = {"translation": "translation", "transliteration": "romanisation"}  # Apple's, in the head, by line
_CLOCK = re.compile(r"(?:([0-9]{1,4}):)?([0-9]{1,4}):([0-9]{1,2})(?:[.,]([0-9]{1,9})|:([0-9]{1,4})(?:\.[0-9]+)?)?")
_COUNT = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(h|ms|m|s|f|t)?")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PROLOGUE = re.compile(r"\A\ufeff?\s*(?:<\?xml[^>]*\?>)?")
DEEPEST = 100  # elements within each other
_LONGEST = 1e7  # seconds; nothing lasts four months


@dataclass(slots=True)
class _Part:
    """A line being gathered: of a `<p>`, or of a span with a role in it. Seconds, None: it tells none."""

    start: float | None
    end: float | None
    extra: dict[str, str]
    host: _Part | None = None
    pieces: list[Piece] = field(default_factory=list)
    writer: object = None  # the element that the last piece is from

    def add(self, text: str, writer: object, start: float | None, end: float | None) -> None:
        """Add text; what comes from one element is one piece."""
        if self.pieces and self.writer is writer:
            text = self.pieces.pop().text + text
        self.pieces.append(Piece(text, start, end))
        self.writer = writer

    def line(self) -> Line | None:
        """What was gathered, or None: no text."""
        if not "".join(piece.text for piece in self.pieces).strip():
            return None
        timed = [(p.start, p.end) for p in self.pieces if p.start is not None and p.end is not None]
        if self.host and self.start is None and not timed:
            self.start, self.end = self.host.start, self.host.end
        start = self.start if self.start is not None else min((a for a, _ in timed), default=None)
        end = self.end if self.end is not None else max((b for _, b in timed), default=start)
        if start is None or end is None:
            return untimed_line("".join(piece.text for piece in self.pieces).strip())
        return replace(assemble(self.pieces, start, max(start, end)), extra=Extra.of(self.extra))


@dataclass(slots=True, eq=False)
class _Open:
    """An element that is not closed yet.

    Args:
        start, end: seconds from the beginning of the sound, None: it tells none.
        base: seconds, that its children's times are counted from.
        part: the line that its text belongs to.
        timed: the element whose times its text has, if any.
    """

    name: str
    start: float | None
    end: float | None
    base: float
    part: _Part | None
    timed: _Open | None
    section: str = ""


def read(text: str) -> Alignment:
    """The lines of a document.

    Raises:
        FormatError: not XML, not TTML, or a time that is none; `where` is the row.
    """
    return _Reader().read(text)


class _Reader:
    """Listens to Expat."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate("utf-8", " ")
        self.parser.buffer_text = True
        self.parser.StartNamespaceDeclHandler = self._namespace
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.skipped = 0  # rows before the first that Expat sees
        self.absolute = False
        self.rates = {"f": 30.0, "t": 1.0}
        self.open: list[_Open] = []
        self.parts: list[_Part] = []  # of the `<p>` at hand: its own, then those of the roles inside it
        self.lines: list[Line] = []
        self.apart: dict[str, list[_Part]] = {}  # by the key of their line
        self.beside: dict[str, str] = {}  # role and language of what is being read of those
        self.key = ""  # of the `<p>` at hand
        self.voices: dict[str, str] = {}
        self.agent = ""
        self.extra: dict[str, str] = {}

    def read(self, text: str) -> Alignment:
        """See `read` below the class."""
        body = _PROLOGUE.sub("", text)
        self.skipped = text.count("\n", 0, len(text) - len(body))
        try:
            self.parser.Parse(body.encode("utf-8", "replace"), True)
        except expat.ExpatError as error:
            what = f"not XML: {expat.ErrorString(error.code)}"
            raise FormatError(what, str(error.lineno + self.skipped), "is it TTML?") from error
        return Alignment(with_syllables(self.lines), extra=Extra.of(self.extra))

    @property
    def _row(self) -> str:
        return str(self.parser.CurrentLineNumber + self.skipped)

    def _doctype(self, *_: object) -> None:
        raise FormatError("a document type is not read", self._row, "TTML needs none")

    def _namespace(self, _: str | None, uri: str | None) -> None:
        self.absolute = self.absolute or any(name in (uri or "") for name in ("itunes", "music.apple.com"))

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        told = {_local(key): value.strip() for key, value in attributes.items()}
        if len(self.open) == DEEPEST or (not self.open and name != "tt"):
            raise FormatError(f"<{name}> is not expected here", self._row, "is it TTML?")
        over = self.open[-1] if self.open else _Open("", None, None, 0.0, None, None)
        start, end = self._times(told, over.base)
        one = _Open(name, start, end, over.base if self.absolute or start is None else start, over.part, over.timed)
        one.section = told.get("song-part", told.get("songPart", over.section))
        self.open.append(one)
        if name == "tt":
            self._rates(told)
        elif name == "agent":
            self.agent = told.get("id", "")
        elif name == "p":
            self.key = told.get("key", "")
            voice = told.get("agent", "").partition(" ")[0]
            self._part(one, {"voice": self.voices.get(voice, voice), "section": one.section})
        elif name == "span" and over.part:
            self._span(one, told, over.part)
        elif name == "br":
            self._add("\n")
        elif name in _APART:
            self.beside = {"role": _APART[name], "language": told.get("lang", "")}
        elif name == "text" and "for" in told:
            one.part = _Part(None, None, self.beside)
            self.apart.setdefault(told["for"], []).append(one.part)

    def _span(self, one: _Open, told: dict[str, str], part: _Part) -> None:
        if role := ROLES.get(told.get("role", "")):
            self._part(one, {**part.extra, "role": role, "language": told.get("lang", "")})
        elif one.start is not None and one.end is not None:
            one.timed = one

    def _part(self, one: _Open, extra: dict[str, str]) -> None:
        one.part, one.timed = _Part(one.start, one.end, extra, one.part), None
        self.parts.append(one.part)

    def _rates(self, told: dict[str, str]) -> None:
        for unit, name in (("f", "frameRate"), ("t", "tickRate")):
            if re.fullmatch(r"[1-9][0-9]{0,9}", told.get(name, "")):
                self.rates[unit] = float(told[name])
        self.extra["language"] = told.get("lang", "")

    def _times(self, told: dict[str, str], base: float) -> tuple[float | None, float | None]:
        start = self._seconds(told["begin"]) + base if "begin" in told else None
        if "end" in told:
            return start, self._seconds(told["end"]) + base
        return start, None if start is None or "dur" not in told else start + self._seconds(told["dur"])

    def _seconds(self, text: str) -> float:
        at = math.inf
        if found := _CLOCK.fullmatch(text):
            hours, minutes, seconds, fraction, frames = found.groups(default="0")
            whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
            at = float(f"{whole}.{fraction}") + int(frames) / self.rates["f"]
        elif found := _COUNT.fullmatch(text):  # Apple writes seconds without a unit
            unit = found[2] or "s"
            at = float(found[1]) / self.rates[unit] if unit in self.rates else float(found[1]) * _UNITS[unit]
        if not at < _LONGEST:
            raise FormatError(f"{text!r} is no time", self._row, "HH:MM:SS.mmm")
        return at

    def _end(self, tag: str) -> None:
        self.open.pop()
        if _local(tag) == "p" and self.parts:
            host = self.parts[0]
            for part in self.apart.pop(self.key, ()):
                self.parts.append(replace(part, host=host, extra={**host.extra, **part.extra}))
            self.lines += [line for part in self.parts if (line := part.line())]
            self.parts = []

    def _text(self, text: str) -> None:
        name = self.open[-1].name
        if name == "title":
            self.extra["title"] = self.extra.get("title", "") + text
        elif name == "name" and self.agent:
            self.voices[self.agent] = self.voices.get(self.agent, "") + text
        else:
            first, *others = text.split("\n")  # white space of the layout is one space
            inner = [stripped for row in others[:-1] if (stripped := row.strip())]
            self._add(" ".join([first.rstrip(), *inner, others[-1].lstrip()]) if others else first)

    def _add(self, text: str) -> None:
        here = self.open[-1]
        if here.part:
            timed = here.timed
            here.part.add(text, timed, *((timed.start, timed.end) if timed else (None, None)))


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
