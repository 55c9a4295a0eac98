"""What is sung: lines of syllables with their sounds, each on its notes. All melodies come to this form, frozen.

A syllable without notes has no time and is not sung; one whose notes have no pitch is spoken in rhythm. A note begins
where its vowel does: what consonants come before it is the singer's business (`beats`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from aligner_core.errors import AlignmentError
from aligner_core.extra import Extra
from aligner_core.phones import VOWELS, base
from aligner_core.timeline import Alignment, Line, Syllable, Word

from .script import script

SHORTEST = 0.03  # s of a note: what lasts less is made so long, where there is room
MIDDLE_C = 60  # as a MIDI number; "pitch" of a syllable counts from it
LOWEST, HIGHEST = 0.0, 127.0  # MIDI numbers
UNPITCHED = frozenset("FRG")  # kinds of UltraStar's notes that no game takes for sung ones
Changing = Callable[["Note"], "Note"]
_PITCHES = re.compile(r"-?[0-9]{1,4}(?: [01]\.[0-9]{1,4}:-?[0-9]{1,4})*")


@dataclass(frozen=True, slots=True)
class Note:
    """A tone in seconds; `midi` is its number, 60 for middle C, not whole where a singer is between two, or None where
    it has no pitch."""

    start: float
    end: float
    midi: float | None

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end < math.inf:
            raise AlignmentError(f"a note runs from {self.start} to {self.end} s")
        if self.midi is not None and not LOWEST <= self.midi <= HIGHEST:
            raise AlignmentError(f"a note has the MIDI number {self.midi}", hint="0 to 127")

    @property
    def seconds(self) -> float:
        """How long it is held."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class SungSyllable:
    """A syllable on its notes, in order, several where it is held on (a melisma).

    Args:
        word: which of its line's words it belongs to.
        phones: ARPAbet with stress.
    """

    word: int
    text: str
    phones: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        _in_order(self.notes, self.text)

    @property
    def pitched(self) -> bool:
        """Whether any note has a pitch."""
        return any(note.midi is not None for note in self.notes)


@dataclass(frozen=True, slots=True)
class SungLine:
    """The syllables of a line, in order.

    Args:
        number: which of the text's lines it is, from 0.
    """

    number: int
    syllables: tuple[SungSyllable, ...]

    def __post_init__(self) -> None:
        _in_order(self.notes, f"line {self.number + 1}")

    @property
    def notes(self) -> tuple[Note, ...]:
        """Of all syllables."""
        return tuple(note for syllable in self.syllables for note in syllable.notes)


@dataclass(frozen=True, slots=True)
class Score:
    """All lines, in the order of the text. Lines may overlap: then several sing."""

    lines: tuple[SungLine, ...]

    @property
    def notes(self) -> tuple[Note, ...]:
        """Of all lines."""
        return tuple(note for line in self.lines for note in line.notes)

    def transposed(self, semitones: float) -> Score:
        """So much higher; a note that would leave MIDI's numbers stays at its octave within them."""
        return self._mapped(
            lambda note: replace(note, midi=None if note.midi is None else _held(note.midi + semitones))
        )

    def on_one_tone(self, midi: float) -> Score:
        """Recited: every note on the same tone."""
        return self._mapped(lambda note: replace(note, midi=midi))

    def _mapped(self, change: Changing) -> Score:
        return Score(tuple(replace(line, syllables=tuple(_on(one, change) for one in line.syllables))
                           for line in self.lines))  # fmt: skip


def _on(syllable: SungSyllable, change: Changing) -> SungSyllable:
    return replace(syllable, notes=tuple(map(change, syllable.notes)))


def scored(text: Alignment) -> Score:
    """The score that a text with times tells itself: notes where its syllables have "pitch" (semitones from middle C,
    and where in the syllable others follow), one of unknown pitch elsewhere."""
    return Score(tuple(_line(number, line) for number, line in enumerate(text.lines)))


def has_pitches(text: Alignment) -> bool:
    """Whether any syllable of a text is told to have one."""
    return any("pitch" in part.extra for part in text.syllables)


def groups(line: Line) -> list[tuple[Syllable | Word, tuple[SungSyllable, ...]]]:
    """The syllables of a line without notes, under the finest spans that are told of it: each its own, or those of a
    word together."""
    out: list[tuple[Syllable | Word, tuple[SungSyllable, ...]]] = []
    for at, (word, said) in enumerate(zip(line.words, script(line), strict=True)):
        rows = tuple(SungSyllable(at, text, tuple(phones)) for text, phones in said.syllables or ((word.text, ()),))
        if len(word.syllables) == len(rows):
            out += [(span, (row,)) for span, row in zip(word.syllables, rows, strict=True)]
        else:
            out.append((word, rows))
    return out


def onset_end(span: Syllable | Word) -> float | None:
    """Seconds at which the first vowel of a span begins, as far as that is known; else the span itself."""
    parts = [span] if isinstance(span, Syllable) else list(span.syllables)
    vowels = [p.start for part in parts for p in part.phones if base(p.text) in VOWELS and p.start is not None]
    return vowels[0] if vowels else span.start


def shared(notes: Sequence[Note], syllables: int) -> list[tuple[Note, ...]]:
    """Notes for so many syllables, one each: of too many the last one keeps the rest, of too few the longest are
    divided. A syllable for which there is no room has none."""
    if not notes or syllables < 1:
        return [()] * syllables
    if len(notes) >= syllables:
        return [*((note,) for note in notes[: syllables - 1]), tuple(notes[syllables - 1 :])]
    parts = [1] * len(notes)
    for _ in range(syllables - len(notes)):
        at = max(range(len(notes)), key=lambda at: notes[at].seconds / (parts[at] + 1))
        if notes[at].seconds / (parts[at] + 1) < SHORTEST:
            break
        parts[at] += 1
    pieces = [(piece,) for note, count in zip(notes, parts, strict=True) for piece in _divided(note, count)]
    return [*pieces, *[()] * (syllables - len(pieces))]


def ordered(rows: Iterable[SungSyllable]) -> tuple[SungSyllable, ...]:
    """The syllables of a line one after another: what makes no sound holds the one before it on, each ends where the
    next one begins at the latest, and one without room is not sung."""
    out = _held_on(list(rows))
    now = 0.0
    for at, one in enumerate(out):
        notes = [note for note in one.notes if note.start >= now]
        out[at] = replace(one, notes=tuple(notes))
        now = notes[0].start + SHORTEST if notes else now
    for at, after in pairwise([at for at, one in enumerate(out) if one.notes]):
        limit = out[after].notes[0].start
        notes = [replace(note, end=min(note.end, limit)) for note in out[at].notes if note.start < limit]
        out[at] = replace(out[at], notes=tuple(notes))
    return tuple(out)


def tidy(notes: Iterable[Note]) -> tuple[Note, ...]:
    """One note at a time: what overlaps ends where the next begins, of those that begin together the highest stays."""
    chosen: dict[float, Note] = {}
    for note in notes:
        held = chosen.get(note.start)
        if held is None or (note.midi or 0.0, note.end) > (held.midi or 0.0, held.end):
            chosen[note.start] = note
    row: list[Note] = []
    for note in sorted(chosen.values(), key=lambda note: note.start):
        if row and note.start - row[-1].start < SHORTEST:
            continue
        if row and row[-1].end > note.start:
            row[-1] = replace(row[-1], end=note.start)
        row.append(note)
    following = [*(note.start for note in row[1:]), *[math.inf] * bool(row)]
    return tuple(replace(note, end=max(note.end, min(note.start + SHORTEST, after)))
                 for note, after in zip(row, following, strict=True))  # fmt: skip


def told(notes: Sequence[Note]) -> Extra:
    """What `scored` reads, of the notes of one syllable in whole semitones: its "pitch", or that it has none."""
    if not notes or notes[0].midi is None:
        return Extra.of({"ultrastar:note": "R"} if notes else {})
    begin, length = notes[0].start, notes[-1].end - notes[0].start
    pitches = [round((notes[0].midi if note.midi is None else note.midi) - MIDDLE_C) for note in notes]
    later = [
        f" {(note.start - begin) / length:.4f}:{pitch}" for note, pitch in zip(notes[1:], pitches[1:], strict=True)
    ]
    return Extra.of({"pitch": f"{pitches[0]}{''.join(later)}"})


def notes_of(span: Syllable | Word) -> tuple[Note, ...]:
    """The notes of a span, as `told` tells them; one of unknown pitch if it doesn't, none if it has no time."""
    start = onset_end(span)
    if start is None or span.end is None:
        return ()
    end, extra = max(span.end, start + SHORTEST), _extra(span)
    found = _PITCHES.fullmatch(extra.get("pitch", ""))
    if not found:
        return (Note(start, end, None),)
    first, *later = found[0].split(" ")
    places = [(0.0, first), *((float(place), high) for place, _, high in (one.partition(":") for one in later))]
    free = extra.get("ultrastar:note", "") in UNPITCHED
    rows = [(start + min(place, 1.0) * (end - start), None if free else _held(MIDDLE_C + int(high)))
            for place, high in places]  # fmt: skip
    edges = [*(begin for begin, _ in rows[1:]), end]
    return tidy(Note(begin, stop, midi) for (begin, midi), stop in zip(rows, edges, strict=True) if stop > begin)


def _extra(span: Syllable | Word) -> Extra:
    parts = [span] if isinstance(span, Syllable) else list(span.syllables)
    return parts[0].extra if len(parts) == 1 else Extra()


def _line(number: int, line: Line) -> SungLine:
    rows: list[SungSyllable] = []
    for span, mine in groups(line) if line.kind == "lyrics" else ():
        found = shared(notes_of(span), len(mine))
        rows += [replace(one, notes=notes) for one, notes in zip(mine, found, strict=True)]
    return SungLine(number, ordered(rows))


def _held_on(rows: list[SungSyllable]) -> list[SungSyllable]:
    out: list[SungSyllable] = []
    for one in rows:
        before = next((at for at in reversed(range(len(out))) if out[at].phones), None)
        if one.notes and not one.phones and before is not None:
            out[before] = replace(out[before], notes=tidy([*out[before].notes, *one.notes]))
        out.append(one if one.phones else replace(one, notes=()))
    return out


def _divided(note: Note, parts: int) -> Iterator[Note]:
    edges = [note.start + note.seconds * at / parts for at in range(parts)] + [note.end]
    yield from (replace(note, start=a, end=b) for a, b in pairwise(edges))


def _in_order(notes: Sequence[Note], where: str) -> None:
    for one, other in pairwise(notes):
        if other.start < one.end - 1e-9:
            raise AlignmentError(f"notes overlap at {other.start} s", where)


def _held(midi: float) -> float:
    while midi < LOWEST:
        midi += 12
    while midi > HIGHEST:
        midi -= 12
    return midi
