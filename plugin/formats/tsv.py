r"""TSV: whisper's `start`, `end`, `text` in milliseconds, and below the line a row for each span of the tree.

    start  end    level  score  voice  text
    12000  13100  line   0.98   Ann    When the
    12000  12300  word   0.97          When

Columns are found by their names, in any order; rows without `level` are lines. Text is written as it is but for tabs
and line ends, which become spaces; empty times are those of text that was not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from aligner_core.errors import AlignmentError
from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Phone, Span, Syllable, Word

from .base import (
    DEFAULTS,
    LEVELS,
    Format,
    FormatError,
    Level,
    RenderOptions,
    one_row,
    refuse_long,
    split_rows,
    timed_lines,
)

_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_KINDS: dict[str, type[Span]] = {"line": Line, "word": Word, "syllable": Syllable, "phone": Phone}


class Tsv(Format):
    """Tables parted by tabs."""

    name = "tsv"
    extensions = (".tsv",)
    step = 0.001
    levels = LEVELS
    keeps = frozenset({"voice"})

    def parse(self, text: str) -> Alignment:
        """Read the rows; times with a point are seconds, others milliseconds."""
        refuse_long(text)
        rows = split_rows(text.lstrip("\ufeff"))
        names = [name.strip().lower() for name in rows[0].split("\t")] if rows else []
        if not {"start", "end", "text"} <= set(names):
            raise FormatError("the first row names no columns start, end and text", "1", "is it TSV?")
        top = _Node("", Line(""))
        path = [top]
        for number, row in enumerate(rows[1:], 2):
            if row.strip():
                node = _node(dict(zip(names, row.split("\t"), strict=False)), number)
                depth = LEVELS.index(node.level)
                if depth >= len(path):
                    raise FormatError(f"a {node.level} is in no {LEVELS[depth - 1]}", str(number))
                path[depth].below.append(node)
                path[depth + 1 :] = [node]
        return Alignment(tuple(_lines(top)))

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:
        """Write a row for each timed line, and one for each span below it down to the level."""
        level = self.level_for(options)
        lines = [line for _, _, line in timed_lines(alignment)]
        if level == "line":
            rows = [_row(_ms(line.start), _ms(line.end), one_row(line.text.strip())) for line in lines]
            return "".join([_row("start", "end", "text"), *rows])
        deep = [row for line in lines for row in _rows(line, LEVELS[: LEVELS.index(level) + 1])]
        return "".join([_row("start", "end", "level", "score", "voice", "text"), *deep])


@dataclass(slots=True)
class _Node:
    level: str
    span: Span
    number: int = 0
    below: list[_Node] = field(default_factory=list)


def _node(cells: dict[str, str], number: int) -> _Node:
    level = cells.get("level", "").strip().lower() or "line"
    if level not in _KINDS:
        raise FormatError(f"the level {level[:40]!r} is unknown", str(number), f"one of {', '.join(LEVELS)}")
    start, end = (_seconds(cells.get(name, "").strip(), number) for name in ("start", "end"))
    text = cells.get("text", "")
    text = text.strip() if level == "line" else text
    try:
        span = _KINDS[level](text, start, end, _number(cells.get("score", "").strip(), number))
    except AlignmentError as error:
        raise FormatError(error.what, str(number), error.hint) from error
    if isinstance(span, Line):
        span = replace(span, extra=Extra.of({"voice": cells.get("voice", "").strip()}))
    return _Node(level, span, number)


def _number(text: str, number: int) -> float | None:
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise FormatError(f"{text[:40]!r} is no number", str(number))
    return float(text)


def _seconds(text: str, number: int) -> float | None:
    at = _number(text.removeprefix("-"), number)
    if at is None or text.startswith("-"):
        return None if at is None else 0.0
    return at if "." in text else at / 1000


def _lines(top: _Node) -> Iterator[Line]:
    for node in top.below:
        try:
            yield _built(node)
        except AlignmentError as error:
            raise FormatError(error.what, str(node.number), error.hint) from error


def _built(node: _Node) -> Line:
    line = node.span
    assert isinstance(line, Line)
    return replace(line, words=tuple(map(_word, node.below)) or tuple(map(Word, line.text.split())))


def _word(node: _Node) -> Word:
    word = node.span
    return Word(word.text, word.start, word.end, word.score, tuple(map(_syllable, node.below)))


def _syllable(node: _Node) -> Syllable:
    part = node.span
    phones = (Phone(one.span.text, one.span.start, one.span.end, one.span.score) for one in node.below)
    return Syllable(part.text, part.start, part.end, part.score, tuple(phones))


def _rows(span: Span, levels: tuple[Level, ...]) -> Iterator[str]:
    score = "" if span.score is None else f"{span.score:.4f}"
    voice = one_row(span.extra.get("voice", "")) if isinstance(span, Line) else ""
    text = span.text.strip() if isinstance(span, Line) else span.text
    yield _row(_ms(span.start), _ms(span.end), levels[0], score, voice, one_row(text))
    for child in span.children if len(levels) > 1 else ():
        yield from _rows(child, levels[1:])


def _row(*cells: str) -> str:
    return "\t".join(cell.replace("\t", " ") for cell in cells) + "\n"


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else str(round(seconds * 1000))
