"""What readers and writers of melodies share: words put together from syllables under notes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from aligner_core.errors import LyricsError
from aligner_core.timeline import Alignment, Line, Syllable, Word, enclosing
from aligner_core.tts.score import Note, Score, tidy, told

MOST_NOTES = 100_000
REST = 0.4  # s; a longer one ends a line where the file does not tell lines
UNSUNG = 0.5  # s, the most that a syllable without a note lasts


class Row(NamedTuple):
    """A syllable of a file.

    Args:
        text: white space at either end is where words part.
        start: seconds, when it is sung.
        first: whether a line begins with it.
    """

    text: str
    start: float
    first: bool = False


def worded(rows: Sequence[Row], notes: Sequence[Note]) -> Alignment | None:
    """The words of syllables and their notes: each has those that begin before the next syllable; None: no words."""
    rows = sorted((row for row in rows if row.text.strip() or row.first), key=lambda row: row.start)
    ends = [*(row.start for row in rows[1:]), *[math.inf] * bool(rows)]
    lines: list[list[tuple[str, Syllable]]] = [[]]
    for row, end in zip(rows, ends, strict=True):
        if row.first and lines[-1]:
            lines.append([])
        mine = [note for note in notes if row.start - 0.03 <= note.start < end - 0.03]
        if row.text.strip():
            lines[-1].append((row.text, _syllable(row, mine, end)))
    made = tuple(Line(" ".join(word.text for word in words), *enclosing(words), words=words)
                 for line in lines if (words := tuple(_words(line))))  # fmt: skip
    return Alignment(made) if made else None


def _syllable(row: Row, notes: Sequence[Note], end: float) -> Syllable:
    text = row.text.strip()
    if not notes:
        stop = min(end, row.start + UNSUNG)
        return Syllable(text, row.start, stop) if stop > row.start else Syllable(text)
    stop = min(notes[-1].end, max(end, notes[0].start))
    return Syllable(text, notes[0].start, max(stop, notes[0].start), extra=told(notes))


def _words(line: Sequence[tuple[str, Syllable]]) -> Iterator[Word]:
    parts: list[Syllable] = []
    for at, (text, syllable) in enumerate(line):
        parts += _unspaced(syllable)
        after = line[at + 1][0] if at + 1 < len(line) else " "
        if text[-1].isspace() or after[0].isspace():
            yield _word(parts)
            parts = []


def _unspaced(syllable: Syllable) -> list[Syllable]:
    """A syllable has no white space inside: several words on one note are joined by a hyphen."""
    text = "-".join(syllable.text.split())
    return [Syllable(text, syllable.start, syllable.end, extra=syllable.extra)] if text else []


def _word(parts: Sequence[Syllable]) -> Word:
    return Word("".join(part.text for part in parts), *enclosing(parts), syllables=tuple(parts))


def checked(notes: Iterable[Note]) -> tuple[Note, ...]:
    """One at a time, in order.

    Raises:
        LyricsError: there are none, or more than any song has.
    """
    row = tidy(notes)
    if not row:
        raise LyricsError("has no notes")
    if len(row) > MOST_NOTES:
        raise LyricsError("has too many notes", hint=f"at most {MOST_NOTES}")
    return row


class Written(NamedTuple):
    """A note as it is written: with the text under it, None where a syllable is held on.

    Args:
        begins, ends: whether a word begins, and ends, with this syllable.
        first: whether a line begins with it.
    """

    note: Note
    text: str | None
    begins: bool = True
    ends: bool = True
    first: bool = False

    @property
    def syllabic(self) -> str:
        """As MusicXML calls it."""
        return ("single" if self.ends else "begin") if self.begins else ("end" if self.ends else "middle")


def written(score: Score) -> list[Written]:
    """All notes with a pitch, in order of time, one at a time.

    Raises:
        LyricsError: there are none.
    """
    out: list[Written] = []
    for line in score.lines:
        sung = [one for one in line.syllables if one.pitched]
        for at, one in enumerate(sung):
            begins = at == 0 or sung[at - 1].word != one.word
            ends = at + 1 == len(sung) or sung[at + 1].word != one.word
            pitched = [note for note in one.notes if note.midi is not None]
            out.append(Written(pitched[0], one.text.strip(), begins, ends, at == 0))
            out += [Written(note, None) for note in pitched[1:]]
    if not out:
        raise LyricsError("there are no notes with a pitch to write")
    kept = {note.start: note for note in tidy(one.note for one in out)}
    return _kept(out, kept)


def _kept(rows: Sequence[Written], notes: dict[float, Note]) -> list[Written]:
    out: list[Written] = []
    for one in sorted(rows, key=lambda one: one.note.start):
        note = notes.get(one.note.start)
        if note is not None and (not out or out[-1].note.start < note.start):
            out.append(one._replace(note=note))
    return out
