r"""UltraStar: a note for each syllable, in beats from a gap.

    : 120 8 5 Amaz
    : 130 12 7 ing
    - 150

A beat is a quarter of what `#BPM` says, 15000 / BPM milliseconds. After one space all is text; white space at either
end of it is where words part, "~" is the same syllable on another note. Notes of unknown pitch are written as freestyle
(`F`), which no game scores. A line has no time but that of its notes; a note of no length tells text without a time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Word

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
from .pieces import Piece, assemble, cut, with_syllable, with_syllables

BEAT = 0.02  # seconds, of what is written: finer than the grid of most songs, coarse enough for any game
_BPM = f"{15 / BEAT:g}"
_HEADER = re.compile(r"#([^:#\s][^:]*):(.*)")
_NOTE = re.compile(r"\s*([:*FRG])\s*(-?[0-9]{1,9})\s+(-?[0-9]{1,9})\s+(-?[0-9]{1,4})(?: (.*))?", re.IGNORECASE)
_BREAK = re.compile(r"\s*-\s*(-?[0-9]{1,9})(?:\s+(-?[0-9]{1,9}))?\s*")
_PLAYER = re.compile(r"\s*P\s?([1-9][0-9]{0,2})\s*", re.IGNORECASE)
_NUMBER = re.compile(r"\s*([0-9]{1,7})(?:[.,]([0-9]{1,9}))?\s*")
_NAMED = {"TITLE": "title", "ARTIST": "artist", "ALBUM": "album", "CREATOR": "by", "LANGUAGE": "language"}
_OURS = {
    "VERSION",
    "BPM",
    "GAP",
    "RELATIVE",
    "ENCODING",
    "MP3",
    "AUDIO",
}  # written by rule, or not needed
_PITCHES = re.compile(r"-?[0-9]{1,4}(?: [01]\.[0-9]{1,4}:-?[0-9]{1,4})*")  # "5 0.4:7": 7 from 0.4 of its length on
_HELD = re.compile("^[~～]+$")
_JOINER = "\u2060"  # keeps a tilde of the lyrics from being the note before, held


class UltraStar(Format):
    """UltraStar songs."""

    name = "ultrastar"
    extensions = (".ultrastar.txt", ".ultrastar", ".usdx")
    step = BEAT
    levels = ("line", "word", "syllable")
    default = "syllable"
    bounds = False
    times_one_word = True
    shortest = BEAT * 1.01
    keeps = frozenset({"title", "artist", "album", "by", "language", "voice", "pitch"})

    def parse(self, text: str) -> Alignment:
        """Read the notes of all players, sorted by time; pitches and kinds of notes are kept with the syllables."""
        refuse_long(text)
        song = _Song()
        for number, row in enumerate(split_rows(text.lstrip("\ufeff")), 1):
            song.read(row, number)
        return song.alignment(text)

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:
        """Write a song of version 1.1.0, each voice as a player, and lines that overlap as players of their own."""
        level = self.level_for(options)
        parts = _players([_notes(line, level) for _, _, line in timed_lines(alignment)])
        rows = list(_headers(alignment, [player.voice for player in parts]))
        named = len(parts) > 1 or parts[0].voice
        for number, player in enumerate(parts, 1):
            rows += [f"P{number}"] if named else []
            for at, sung in enumerate(player.lines):
                rows += [f"- {player.lines[at - 1].end}"] if at else []
                rows += sung.rows
        return "\n".join([*rows, "E", ""])


@dataclass(slots=True)
class _Note:
    """Seconds; `kind` and `pitch` as they stand in the file."""

    kind: str
    start: float
    end: float
    pitch: str
    text: str


@dataclass(slots=True)
class _Song:
    """What was read so far."""

    headers: dict[str, str] = field(default_factory=dict)
    beat: float | None = None  # seconds
    offset: int = 0  # beats, in relative songs
    player: str = ""
    notes: dict[str, list[list[_Note]]] = field(default_factory=dict)  # of each player, line by line

    def read(self, row: str, number: int) -> None:
        """Take in a row.

        Raises:
            FormatError: it is neither a header nor a note.
        """
        if row.strip().upper() == "E" or not row.strip():
            return
        if header := _HEADER.fullmatch(row.strip()):
            self.headers.setdefault(header[1].strip().upper(), header[2].strip())
        elif note := _NOTE.fullmatch(row):
            self._note(note, number)
        elif pause := _BREAK.fullmatch(row):
            self.notes.setdefault(self.player, [[]]).append([])
            if self.headers.get("RELATIVE", "").lower() == "yes":
                self.offset += int(pause[2] or pause[1])
        elif player := _PLAYER.fullmatch(row):
            self.player, self.offset = f"P{player[1]}", 0
        elif not row.startswith("#"):
            what = f"{row.strip()[:40]!r} is neither a header nor a note"
            raise FormatError(what, str(number), ": START BEATS PITCH text")

    def _note(self, note: re.Match[str], number: int) -> None:
        if self.beat is None:
            self.beat = self._beat(number)
        start = self.offset + int(note[2])
        begun, ended = self._seconds(start), self._seconds(start + max(0, int(note[3])))
        notes = self.notes.setdefault(self.player, [[]])[-1]
        notes.append(_Note(note[1].upper(), begun, ended, note[4], note[5] or ""))

    def _beat(self, number: int) -> float:
        bpm = _number(self.headers.get("BPM", ""))
        if not bpm or not 1 <= bpm <= 1e6:
            raise FormatError("no tempo is told before the first note", str(number), "#BPM:300")
        return 15 / bpm

    def _seconds(self, beat: int) -> float:
        sign = -1 if self.headers.get("GAP", "").startswith("-") else 1
        gap = sign * (_number(self.headers.get("GAP", "").lstrip("-")) or 0.0) / 1000
        return min(max(0.0, round(gap + beat * (self.beat or 0.0), 6)), 1e9)

    def alignment(self, text: str) -> Alignment:
        """The whole, lines by time."""
        if not self.notes:
            refuse_foreign(text, "ultrastar")
            raise FormatError("no note", "1", "is it UltraStar?")
        lines = [line for player, lines in self.notes.items() for notes in lines
                 if (line := _line(notes, self.headers.get(player) or player))]  # fmt: skip
        lines.sort(key=lambda line: line.start or 0.0)
        extra = {name: self.headers.get(key, "") for key, name in _NAMED.items()}
        known = {*_NAMED, *_OURS, *filter(_PLAYER.fullmatch, self.headers)}
        extra |= {f"ultrastar:{key}": value for key, value in self.headers.items() if key not in known}
        extra["title"], extra["artist"] = (extra[name].removeprefix("Unknown") for name in ("title", "artist"))
        audio = self.headers.get("AUDIO") or self.headers.get("MP3") or None
        return Alignment(with_syllables(lines), audio, Extra.of(extra))


def _number(text: str) -> float | None:
    found = _NUMBER.fullmatch(text)
    return float(f"{found[1]}.{found[2] or 0}") if found else None


def _line(notes: Sequence[_Note], voice: str) -> Line | None:
    if not "".join(note.text for note in notes).strip():
        return None
    start, end = min(note.start for note in notes), max(note.end for note in notes)
    several = len(notes) == 1 and len(notes[0].text.split()) > 1
    sung = [note for note in _joined(notes) if note[0].text]
    pieces = [_piece(first, first.start if several else last.end) for first, last, _ in sung]
    for at, (before, after) in enumerate(pairwise(pieces), 1):
        if before.text[-1].isspace():  # "la " and " la": either side of where words part may have the space
            pieces[at] = after._replace(text=after.text.lstrip())
    line = assemble(pieces, start, end)
    told = {first.start: extra for first, _, extra in sung}
    words = tuple(_with_pitches(word, told) for word in line.words)
    return replace(line, words=words, extra=Extra.of({"voice": voice}))


def _piece(note: _Note, end: float) -> Piece:
    """The text of a note that is held until `end`, seconds; without a time where it is not held at all."""
    text = note.text.removeprefix(_JOINER) if _HELD.match(note.text.strip(f"{_JOINER} ")) else note.text
    return Piece(text, note.start, end) if end > note.start else Piece(text)


def _joined(notes: Iterable[_Note]) -> Iterator[tuple[_Note, _Note, Extra]]:
    """The notes of each syllable: first, last, and what to keep of them."""
    group: list[_Note] = []
    for note in notes:
        if group and _HELD.match(note.text.strip()):
            group[0] = replace(group[0], text=group[0].text.rstrip() + note.text.strip(" ~～")
                               + (" " if group[0].text[-1:].isspace() or note.text[-1:].isspace() else ""))  # fmt: skip
        elif group:
            yield group[0], group[-1], _kept(group)
            group = []
        group.append(note)
    if group:
        yield group[0], group[-1], _kept(group)


def _kept(group: Sequence[_Note]) -> Extra:
    first, last = group[0], group[-1]
    length = (last.end - first.start) or 1.0
    later = [f" {(note.start - first.start) / length:.4f}:{note.pitch}" for note in group[1:]]
    free = first.kind == "F" and first.pitch == "0" and not later
    kind = "" if free or first.kind == ":" else first.kind
    return Extra.of({"pitch": "" if free else first.pitch + "".join(later), "ultrastar:note": kind})


def _with_pitches(word: Word, told: dict[float, Extra]) -> Word:
    parts = with_syllable(word).syllables
    if not any(part.start in told and told[part.start] for part in parts if part.start is not None):
        return word
    return replace(word, syllables=tuple(
        part if part.start is None else replace(part, extra=told.get(part.start, part.extra)) for part in parts
    ))  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Sung:
    """A line as it is written.

    Args:
        start, end: beats, of its first and last note.
    """

    voice: str
    start: int
    end: int
    rows: tuple[str, ...]


@dataclass(slots=True)
class _Player:
    voice: str
    lines: list[_Sung]


def _players(lines: Iterable[_Sung]) -> list[_Player]:
    """The lines of each voice, sorted by time; a line that begins before the last one's end needs another player."""
    players: list[_Player] = []
    for line in sorted(lines, key=lambda line: line.start):
        free = next((p for p in players if p.voice == line.voice and p.lines[-1].end <= line.start), None)
        if free:
            free.lines.append(line)
        else:
            players.append(_Player(line.voice, [line]))
    return players


def _headers(alignment: Alignment, voices: Sequence[str]) -> Iterator[str]:
    extra = alignment.extra
    yield "#VERSION:1.1.0"
    for key, name in _NAMED.items():
        value = extra.get(name, "Unknown" if name in ("title", "artist") else "")  # both are required
        yield from [f"#{key}:{one_row(value).strip()}"] if value else []
    if audio := one_row(alignment.audio or "").strip():
        yield f"#MP3:{audio}"  # until version 1.0
        yield f"#AUDIO:{audio}"
    yield f"#BPM:{_BPM}"
    yield "#GAP:0"
    for name, value in extra.items():
        if name.startswith("ultrastar:"):
            yield f"#{one_row(name.removeprefix('ultrastar:'))}:{one_row(value).strip()}"
    for number, voice in enumerate(voices, 1):
        yield from [f"#P{number}:{voice}"] if voice not in ("", f"P{number}") else []


def _notes(line: Line, level: Level) -> _Sung:
    pieces = cut(line, level)
    if len(pieces) == 1 and pieces[0].start is None:
        pieces = (Piece(pieces[0].text, line.start, line.end),)
    elif pieces[0].start is None:  # a note of no length: text without a time
        pieces = (Piece(pieces[0].text, pieces[1].start, pieces[1].start), *pieces[1:])
    told = {part.start: part.extra for word in line.words for part in word.syllables if part.timed}
    rows = [row for piece in pieces for row in _rows(piece, told.get(piece.start, Extra()))]
    ends = [_beat(piece.end or 0.0) for piece in pieces]
    return _Sung(one_row(line.extra.get("voice", "")).strip(), _beat(pieces[0].start or 0.0), max(ends), tuple(rows))


def _rows(piece: Piece, extra: Extra) -> Iterator[str]:
    """The notes of a syllable, as `_kept` tells them: the first, and those on which it is held."""
    start, end = _beat(piece.start or 0.0), _beat(piece.end or 0.0)
    known = end > start and _PITCHES.fullmatch(extra.get("pitch", ""))
    pitch, *later = known[0].split(" ") if known else [""]
    kind = extra.get("ultrastar:note", "")
    kind = kind if kind in (*":*FRG",) else ":" if pitch else "F"
    places = (float(note.partition(":")[0]) for note in later)
    cuts = sorted([start, *(start + round(min(place, 1.0) * (end - start)) for place in places), end])
    text = one_row(piece.text)
    text = _JOINER + text if _HELD.match(text.strip()) else text
    texts = [text] if not later else [text.rstrip(), *["~"] * len(later)]
    texts[-1] += text[len(text.rstrip()) :] if later else ""
    pitches = [pitch or "0", *(x.split(":")[1] for x in later)]
    for (a, b), high, shown in zip(pairwise(cuts), pitches, texts, strict=True):
        yield f"{kind} {a} {b - a} {high} {shown}"


def _beat(seconds: float) -> int:
    return math.floor(seconds / BEAT + 0.5)  # always up at half a beat, else a note of one beat might get none
