"""The timed tree: lines of words of syllables of phones, in seconds, frozen.

Every level is a `Span`. `start` and `end` are both None where the text was not found in the sound: nothing here ever
makes a time up. An empty tuple of children means that this level is not known.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

from .errors import AlignmentError
from .extra import NOTHING, Extra

Kind = Literal["lyrics", "heading", "blank", "comment"]
KINDS: tuple[Kind, ...] = ("lyrics", "heading", "blank", "comment")
VERSION = 1  # of the dictionary form


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text with its time.

    Args:
        text: as written.
        start, end: seconds from the beginning of the sound, 0 <= start <= end, or both None: not found.
        score: 0..1, how well the sound fits, or None: not measured.
    """

    text: str
    start: float | None = None
    end: float | None = None
    score: float | None = None

    def __post_init__(self) -> None:
        if (self.start is None) != (self.end is None):
            raise AlignmentError(f"{self.text!r} has a start or an end but not both")
        if self.start is not None and self.end is not None and not 0 <= self.start <= self.end < math.inf:
            raise AlignmentError(f"{self.text!r} runs from {self.start} to {self.end} s")
        if self.score is not None and not 0 <= self.score <= 1:
            raise AlignmentError(f"{self.text!r} has the score {self.score}, which is not within 0..1")
        if children := self.children:
            _check_children(self, children)

    @property
    def children(self) -> tuple[Span, ...]:
        """The spans of the next level; empty where that level is not known."""
        return ()

    @property
    def timed(self) -> bool:
        """Whether this span was found in the sound."""
        return self.start is not None

    @property
    def duration(self) -> float:
        """Seconds; 0 for a span without time."""
        return 0.0 if self.start is None or self.end is None else self.end - self.start


@dataclass(frozen=True, slots=True)
class Phone(Span):
    """One speech sound; `text` is its ARPAbet name without stress, e.g. "AH"."""


@dataclass(frozen=True, slots=True)
class Syllable(Span):
    """A syllable; the texts of a word's syllables joined are the word's text."""

    phones: tuple[Phone, ...] = ()
    extra: Extra = NOTHING

    @property
    def children(self) -> tuple[Span, ...]:
        """The phones."""
        return self.phones


@dataclass(frozen=True, slots=True)
class Word(Span):
    """What stands between two white spaces, punctuation included; one without sound ("-") has no time."""

    syllables: tuple[Syllable, ...] = ()

    def __post_init__(self) -> None:
        Span.__post_init__(self)
        if self.syllables and "".join(s.text for s in self.syllables) != self.text:
            raise AlignmentError(f"the syllables of {self.text!r} do not join to it")

    @property
    def children(self) -> tuple[Span, ...]:
        """The syllables."""
        return self.syllables


@dataclass(frozen=True, slots=True)
class Line(Span):
    """A line as written. Only kind "lyrics" has sound; headings, blank lines and comments are kept in their place.

    Args:
        number: which line of the text it is, from 1, where that is known: a line that is sung again has it again.
        extra: who sings it, what it is besides.
    """

    words: tuple[Word, ...] = ()
    kind: Kind = "lyrics"
    number: int | None = None
    extra: Extra = NOTHING

    def __post_init__(self) -> None:
        Span.__post_init__(self)
        if self.number is not None and self.number < 1:
            raise AlignmentError(f"{self.text!r} has the number {self.number}", hint="1 or more")
        if self.words and [w.text for w in self.words] != self.text.split():
            raise AlignmentError(f"the words of {self.text!r} do not join to it")

    @property
    def children(self) -> tuple[Span, ...]:
        """The words."""
        return self.words

    @property
    def pieces(self) -> tuple[str, ...]:
        """Each word's text with the white space around it: joined, they are the line's text exactly."""
        ends, at = [], 0
        for word in self.words:
            at = self.text.index(word.text, at) + len(word.text)
            while at < len(self.text) and self.text[at].isspace():
                at += 1
            ends.append(at)
        return tuple(self.text[a:b] for a, b in zip([0, *ends], ends, strict=False))


_S = TypeVar("_S", bound=Span)


@dataclass(frozen=True, slots=True)
class Alignment:
    """A text with its times: what every format loads and saves. Untimed lyrics are one whose spans have no time.

    Args:
        lines: in the order of the text.
        audio: name of the sound file it belongs to, if known.
        extra: title, artist and the like.
    """

    lines: tuple[Line, ...]
    audio: str | None = None
    extra: Extra = NOTHING

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Untimed lyrics, a `Line` for each line of `text`, all of kind "lyrics" or "blank"."""
        return cls(tuple(untimed_line(row) for row in text.splitlines()))

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in reading order."""
        return tuple(word for line in self.lines for word in line.words)

    @property
    def syllables(self) -> tuple[Syllable, ...]:
        """All syllables in reading order."""
        return tuple(syllable for word in self.words for syllable in word.syllables)

    @property
    def phones(self) -> tuple[Phone, ...]:
        """All phones in reading order."""
        return tuple(phone for syllable in self.syllables for phone in syllable.phones)

    @property
    def timed(self) -> bool:
        """Whether any line has a time."""
        return any(line.timed for line in self.lines)

    def as_written(self) -> Self:
        """Each line of the text once, in the order of the text: where it was found, or found best."""
        best: dict[int, Line] = {}
        for at, line in enumerate(self.lines):
            key = -at - 1 if line.number is None else line.number
            if key not in best or (line.score or 0.0) > (best[key].score or 0.0):
                best[key] = line
        numbered = sorted(best.items(), key=lambda pair: abs(pair[0]))
        return dataclasses.replace(self, lines=tuple(line for _, line in numbered))

    def at(self, seconds: float) -> Word | None:
        """The word that sounds at this time, or None."""
        for word in self.words:
            if word.start is not None and word.end is not None and word.start <= seconds < word.end:
                return word
        return None

    def shifted(self, seconds: float) -> Self:
        """All times later by `seconds` (earlier if negative); what would begin before 0 begins at 0.

        Raises:
            AlignmentError: not a finite number.
        """
        if not math.isfinite(seconds):
            raise AlignmentError(f"cannot shift by {seconds} s", hint="a finite number")
        return self.mapped(lambda t: max(0.0, t + seconds))

    def stretched(self, factor: float) -> Self:
        """All times multiplied by `factor` > 0.

        Raises:
            AlignmentError: the factor is not a positive number.
        """
        if not 0 < factor < math.inf:
            raise AlignmentError(f"cannot stretch by {factor}", hint="a positive factor")
        return self.mapped(lambda t: t * factor)

    def mapped(self, change: Callable[[float], float]) -> Self:
        """All times changed by a function that never falls.

        Raises:
            AlignmentError: a time falls, or is below 0 then.
        """
        return dataclasses.replace(self, lines=tuple(_mapped(line, change) for line in self.lines))

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: {"version", "audio", "lines": [{"text", "start", "end", "score", "words": [...]}]},
        "kind" and "number" of a line where they are not the usual, and "extra" where there is any."""
        extra = {"extra": dict(self.extra)} if self.extra else {}
        return {"version": VERSION, "audio": self.audio, **extra, "lines": [_to_dict(line) for line in self.lines]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            AlignmentError: the dictionary has another version or another shape.
        """
        try:
            if data["version"] != VERSION:
                raise AlignmentError(f"version {data['version']} is unknown", hint=f"this release reads {VERSION}")
            lines = tuple(_from_dict(Line, line) for line in data["lines"])
            return cls(lines, data.get("audio"), Extra(tuple(data.get("extra", {}).items())))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise AlignmentError(f"not an alignment: {type(error).__name__} {error}") from error


def untimed_line(text: str, kind: Kind | None = None) -> Line:
    """A line without times, split into words at white space; blank text makes a "blank" line."""
    kind = kind or ("lyrics" if text.strip() else "blank")
    words = tuple(Word(word) for word in text.split()) if kind == "lyrics" else ()
    return Line(text, words=words, kind=kind)


def enclosing(spans: Iterable[Span]) -> tuple[float | None, float | None]:
    """Start of the first and end of the last timed span, in seconds; (None, None) where none is timed."""
    timed = [(s.start, s.end) for s in spans if s.start is not None and s.end is not None]
    return (timed[0][0], timed[-1][1]) if timed else (None, None)


def _check_children(parent: Span, children: tuple[Span, ...]) -> None:
    before = parent.start
    for child in children:
        if child.start is None or child.end is None:
            continue
        if before is None or parent.end is None:
            raise AlignmentError(f"{parent.text!r} has no time but its part {child.text!r} has")
        if child.start < before - 1e-9 or child.end > parent.end + 1e-9:
            raise AlignmentError(f"{child.text!r} ({child.start}-{child.end} s) leaves its place in {parent.text!r}")
        before = child.end


def _level_below(span: Span | type[Span]) -> tuple[str, type[Span]] | None:
    kind = span if isinstance(span, type) else type(span)
    return _BELOW.get(kind)


_BELOW: dict[type[Span], tuple[str, type[Span]]] = {
    Line: ("words", Word),
    Word: ("syllables", Syllable),
    Syllable: ("phones", Phone),
}


def _mapped(span: _S, change: Callable[[float], float]) -> _S:
    below = _level_below(span)
    changes: dict[str, Any] = {}
    if below:
        changes[below[0]] = tuple(_mapped(child, change) for child in span.children)
    if span.start is not None and span.end is not None:
        changes |= {"start": change(span.start), "end": change(span.end)}
    return dataclasses.replace(span, **changes)


def _to_dict(span: Span) -> dict[str, Any]:
    out: dict[str, Any] = {"text": span.text, "start": span.start, "end": span.end, "score": span.score}
    if isinstance(span, Line) and span.kind != "lyrics":
        out["kind"] = span.kind
    if isinstance(span, Line) and span.number is not None:
        out["number"] = span.number
    if isinstance(span, Line | Syllable) and span.extra:
        out["extra"] = dict(span.extra)
    below = _level_below(span)
    if below:
        out[below[0]] = [_to_dict(child) for child in span.children]
    return out


def _from_dict(kind: type[_S], data: dict[str, Any]) -> _S:
    below = _level_below(kind)
    extra: dict[str, Any] = {}
    if below:
        extra[below[0]] = tuple(_from_dict(below[1], child) for child in data.get(below[0], ()))
    if kind is Line and "kind" in data:
        if data["kind"] not in KINDS:
            raise AlignmentError(f"line kind {data['kind']!r} is unknown", hint=f"one of {', '.join(KINDS)}")
        extra["kind"] = data["kind"]
    if kind is Line and data.get("number") is not None:
        extra["number"] = data["number"]
    if kind in (Line, Syllable) and data.get("extra"):
        extra["extra"] = Extra(tuple(data["extra"].items()))
    return kind(data["text"], data.get("start"), data.get("end"), data.get("score"), **extra)
