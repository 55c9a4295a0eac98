"""A melody laid on a text: notes of one file, words of another.

Where the text has times, a note goes to the syllable, word or line that it sounds in most; where it has none, notes and
syllables are taken in order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import NamedTuple

from aligner_core.errors import LyricsError
from aligner_core.timeline import Alignment, Line, Syllable, Word

from .score import Note, Score, SungLine, SungSyllable, groups, onset_end, ordered, scored, shared

STRAY = 0.25  # s; a note that is further from all syllables belongs to none
ON_TIME = 0.12  # s between a note's beginning and a word's that still belong together


@dataclass(frozen=True)
class Tune:
    """What a melody file holds.

    Args:
        notes: in order of time, one at a time.
        lyrics: its own words with times and "pitch", if it has any.
        says: what the user should know, a sentence each.
    """

    notes: tuple[Note, ...]
    lyrics: Alignment | None = None
    says: tuple[str, ...] = ()


class Laid(NamedTuple):
    """A score, and what the user should know of how it came about."""

    score: Score
    says: tuple[str, ...] = ()


def laid(text: Alignment, tune: Tune) -> Laid:
    """The words of a text on the notes of a tune.

    Raises:
        LyricsError: one of them is empty.
    """
    if not tune.notes:
        raise LyricsError("the melody has no notes")
    if not any(one.phones for line in text.lines if line.kind == "lyrics" for _, rows in groups(line) for one in rows):
        raise LyricsError("the melody has notes but there are no words to them", hint="lyrics in a file of their own")
    return _by_time(text, tune.notes) if text.timed else _in_turn(text, tune)


@dataclass
class _Place:
    """A span of the text that notes can go to: of a line, a word or a syllable, and its syllables."""

    line: int
    start: float
    end: float
    begin: float
    rows: tuple[SungSyllable, ...]
    notes: list[Note]


def _by_time(text: Alignment, notes: Sequence[Note]) -> Laid:
    places = sorted(_places(text), key=lambda place: place.start)
    starts = [place.start for place in places]
    longest = max(place.end - place.start for place in places) + STRAY if places else 0.0
    stray = 0
    for note in notes:
        first = bisect_right(starts, note.start - longest)
        near = places[first : bisect_right(starts, note.end + STRAY)]
        best = max(near, key=lambda place: _closeness(note, place), default=None)
        if best is None or _closeness(note, best) <= 0:
            stray += 1
        else:
            best.notes.append(note)
    says = [f"{stray} notes lie where nothing is sung: left out"] if stray else []
    says += _fill(places, notes)
    return Laid(_score(text, places), tuple(says))


def _places(text: Alignment) -> Iterator[_Place]:
    for number, line in enumerate(text.lines):
        found = groups(line) if line.kind == "lyrics" else []
        timed = [(span, rows) for span, rows in found if span.start is not None and span.end is not None]
        if timed:
            yield from (_place(number, span, rows) for span, rows in timed)
        elif found and line.start is not None and line.end is not None:
            rows = tuple(row for _, rows in found for row in rows)
            yield _Place(number, line.start, line.end, line.start, rows, [])


def _place(number: int, span: Syllable | Word, rows: tuple[SungSyllable, ...]) -> _Place:
    begin = onset_end(span)
    assert span.start is not None
    assert span.end is not None
    assert begin is not None
    return _Place(number, span.start, max(span.end, begin), begin, rows, [])


def _closeness(note: Note, place: _Place) -> float:
    """Seconds that they share, more if they begin together; none if they are far apart."""
    overlap = min(note.end, place.end) - max(note.start, place.start)
    together = max(0.0, ON_TIME - abs(note.start - place.begin)) / ON_TIME
    return (overlap + STRAY if overlap > -STRAY else 0.0) + together * STRAY


def _fill(places: Sequence[_Place], notes: Sequence[Note]) -> Iterator[str]:
    """What has no note of its own sounds on the note that is heard then, or on the last one before."""
    starts, empty = [note.start for note in notes], 0
    for place in places:
        if not place.notes and any(row.phones for row in place.rows):
            at = max(bisect_right(starts, place.begin) - 1, 0)
            place.notes.append(Note(place.begin, max(place.end, place.begin + 0.05), notes[at].midi))
            empty += len(place.rows)
    if empty:
        yield f"{empty} syllables have no note of their own: they stay on the one before"


def _score(text: Alignment, places: Sequence[_Place]) -> Score:
    lines: dict[int, list[SungSyllable]] = {}
    for place in sorted(places, key=lambda place: (place.line, place.rows[0].word if place.rows else 0)):
        found = shared(sorted(place.notes, key=lambda note: note.start), len(place.rows))
        rows = [replace(row, notes=notes) for row, notes in zip(place.rows, found, strict=True)]
        lines.setdefault(place.line, []).extend(rows)
    return Score(tuple(_line(at, line, lines.get(at, [])) for at, line in enumerate(text.lines)))


def _line(number: int, line: Line, rows: Sequence[SungSyllable]) -> SungLine:
    """With the syllables that have no time in their places."""
    if not rows and line.kind == "lyrics":
        rows = [row for _, mine in groups(line) for row in mine]
    there = {row.word for row in rows}
    missing = [row for _, mine in groups(line) for row in mine if row.word not in there] if rows else []
    return SungLine(number, ordered(sorted([*rows, *missing], key=lambda row: row.word)))


def _in_turn(text: Alignment, tune: Tune) -> Laid:
    """Untimed words: line by line if the tune has as many lines, else one after another."""
    lines = [(at, [row for _, mine in groups(line) for row in mine if row.phones])
             for at, line in enumerate(text.lines) if line.kind == "lyrics"]  # fmt: skip
    lines = [(at, rows) for at, rows in lines if rows]
    own = _own_lines(tune)
    if own and len(own) == len(lines):
        found = {at: _line_shared(rows, mine) for (at, rows), mine in zip(lines, own, strict=True)}
        return Laid(_filled(text, found), tuple(_uneven(lines, own)))
    steps = [step for line in own for step in line] if own else [(note,) for note in tune.notes]
    edges = [0, *accumulate(len(rows) for _, rows in lines)]
    found = {at: list(steps[a:b]) for (at, _), (a, b) in zip(lines, pairwise(edges), strict=True)}
    over = len(steps) - edges[-1]
    says = [f"{over} notes are left over: not sung"] if over > 0 else []
    says += [f"{-over} syllables have no note: not sung"] if over < 0 else []
    return Laid(_filled(text, found), tuple(says))


Steps = list[tuple[Note, ...]]  # the notes of each syllable


def _own_lines(tune: Tune) -> list[Steps]:
    """The notes of each syllable of the tune's own lyrics, by lines."""
    if tune.lyrics is None:
        return []
    lines = [[one.notes for one in line.syllables if one.notes] for line in scored(tune.lyrics).lines]
    return [line for line in lines if line]


def _line_shared(rows: Sequence[SungSyllable], steps: Steps) -> Steps:
    if len(rows) == len(steps):
        return steps
    return shared([note for step in steps for note in step], len(rows))


def _uneven(lines: Sequence[tuple[int, list[SungSyllable]]], own: Sequence[Steps]) -> Iterator[str]:
    for (at, rows), steps in zip(lines, own, strict=True):
        if len(rows) != len(steps):
            yield f"line {at + 1} has {len(rows)} syllables for {len(steps)} of the melody"


def _filled(text: Alignment, found: dict[int, Steps]) -> Score:
    lines = []
    for at, line in enumerate(text.lines):
        steps = iter(found.get(at, []))
        rows = [row for _, mine in groups(line) for row in mine] if line.kind == "lyrics" else []
        lines.append(SungLine(at, ordered(replace(row, notes=next(steps, ())) if row.phones else row for row in rows)))
    return Score(tuple(lines))


def own_words(tune: Tune) -> Alignment:
    """The lyrics of a tune.

    Raises:
        LyricsError: it has none.
    """
    if tune.lyrics is None:
        raise LyricsError("the melody has notes but no words", hint="lyrics in a file of their own")
    return tune.lyrics
