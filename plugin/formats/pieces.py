"""Lines cut where a time begins, and put together again: what karaoke formats write and read.

The texts of all pieces joined are the text of the line. A piece without time is text that stands before the first
time; a piece of white space is a pause.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from aligner_core.timeline import Line, Syllable, Word, enclosing

from .base import Level


class Piece(NamedTuple):
    """Text, white space included, and when it sounds: seconds, or both None."""

    text: str
    start: float | None = None
    end: float | None = None


def cut(line: Line, level: Level) -> tuple[Piece, ...]:
    """The pieces of a line, white space around it removed.

    A word or syllable without time goes with the piece before it, or makes the untimed first piece: a reader then
    gives the time to the first word of the piece, so that nothing gains a time by being written.
    """
    if level == "line" or not line.words:
        return (Piece(line.text.strip()),)
    pieces: list[Piece] = []
    for unit in _units(line, level):
        if unit.start is None and pieces:
            pieces[-1] = pieces[-1]._replace(text=pieces[-1].text + unit.text)
        else:
            pieces.append(unit)
    pieces[0] = pieces[0]._replace(text=pieces[0].text.lstrip())
    pieces[-1] = pieces[-1]._replace(text=pieces[-1].text.rstrip())
    return tuple(pieces)


def assemble(pieces: Iterable[Piece], start: float, end: float) -> Line:
    """The line that these pieces make: the inverse of `cut`.

    A piece that begins inside a word begins a syllable. Of several words in a piece the first has its time, the
    others have none. Times that go backwards or leave the line are cut to it.
    """
    parts, length, now = list[str](), 0, start
    times: dict[int, tuple[float, float]] = {}  # by the place in the text where they begin
    for piece in pieces:
        at = length + len(piece.text) - len(piece.text.lstrip())
        if piece.start is not None and piece.end is not None and piece.text.strip():
            begin = min(max(piece.start, now), end)
            now = min(max(piece.end, begin), end)
            times[at] = begin, now
        parts.append(piece.text)
        length += len(piece.text)
    text = "".join(parts)
    places = sorted(times)
    words = tuple(_word(found[0], found.start(), times, places) for found in re.finditer(r"\S+", text))
    return Line(text.strip(), start, end, words=words)


def with_syllables(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Where any word has syllables, all timed words get some: one that came in one piece has one syllable."""
    lines = tuple(lines)
    if not any(word.syllables for line in lines for word in line.words):
        return lines
    return tuple(replace(line, words=tuple(map(with_syllable, line.words))) for line in lines)


def _units(line: Line, level: Level) -> Iterator[Piece]:
    for word, text in zip(line.words, line.pieces, strict=True):
        if level == "word" or not any(syllable.timed for syllable in word.syllables):
            yield Piece(text, word.start, word.end)
            continue
        before, after = text[: text.index(word.text)], text[text.index(word.text) + len(word.text) :]
        last = len(word.syllables) - 1
        for i, syllable in enumerate(word.syllables):
            body = (before if i == 0 else "") + syllable.text + (after if i == last else "")
            yield Piece(body, syllable.start, syllable.end)


def _word(text: str, at: int, times: Mapping[int, tuple[float, float]], places: Sequence[int]) -> Word:
    """Args: places: of the times, in order."""
    first, last = bisect_right(places, at), bisect_left(places, at + len(text))
    if first == last:
        return Word(text, *times.get(at, (None, None)))
    inside = places[first:last]
    cuts = [at, *inside, at + len(text)]
    parts = tuple(Syllable(text[a - at : b - at], *times.get(a, (None, None))) for a, b in pairwise(cuts))
    start, end = enclosing(parts)
    return Word(text, start, end, syllables=parts)


def with_syllable(word: Word) -> Word:
    """A timed word as one syllable, if it has none."""
    if word.syllables or not word.timed:
        return word
    return replace(word, syllables=(Syllable(word.text, word.start, word.end),))
