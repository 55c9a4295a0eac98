"""MIDI and karaoke MIDI: notes of one track, words of lyric events (or of text events, in .kar).

Which track holds the melody is not told by such a file: the likeliest has a note where each syllable begins, one note
at a time, in the range of voices. mido reads and writes the bytes.
"""

from __future__ import annotations

import io
import math
import re
import struct
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from aligner_core.errors import AlignerError, LyricsError
from aligner_core.timeline import Alignment
from aligner_core.tts.laying import Tune
from aligner_core.tts.score import Note, Score

from .base import MOST_NOTES, REST, Row, checked, worded, written
from .wish import Wish

DRUMS = 9  # channel, from 0
TEMPO = 500_000  # microseconds of a quarter, where nothing is told
TICKS = 500  # of a quarter, written: 1 ms each
NEAR = 0.1  # s between a syllable and its note
RANGE = 45, 84  # MIDI numbers of melodies
HELD = frozenset({"~", "_", "+", "-", "="})
_NAMES = re.compile(r"melod|vocal|voice|lead|sing|gesang|chant", re.IGNORECASE)
# What mido falls over on damaged files.
_STUMBLES = (OSError, EOFError, ValueError, LookupError, TypeError, ArithmeticError, AttributeError, struct.error)


class Part(NamedTuple):
    """What one channel of one track plays; `track` from 1."""

    track: int
    name: str
    notes: tuple[Note, ...]


@dataclass
class _Read:
    """What was read of a track so far; ticks."""

    name: str = ""
    notes: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)  # of a channel: begin, end, number
    lyrics: list[tuple[int, str]] = field(default_factory=list)
    texts: list[tuple[int, str]] = field(default_factory=list)
    tempi: list[tuple[int, int]] = field(default_factory=list)


def read(data: bytes, wish: Wish) -> Tune:
    """The melody of a file, and its words.

    Raises:
        LyricsError: it is damaged, has no notes, or not that track.
    """
    mido = _mido()
    try:
        file = mido.MidiFile(file=io.BytesIO(data), clip=True)
        if file.type == 2 or file.ticks_per_beat <= 0:
            raise LyricsError("this kind of MIDI has no common time", hint="a file of format 0 or 1")
        tracks = [_track(track) for track in file.tracks]
        seconds = _clock(file.ticks_per_beat, [tempo for track in tracks for tempo in track.tempi])
    except _STUMBLES as error:
        raise LyricsError("damaged, or not MIDI", hint=str(error).splitlines()[0][:80] if str(error) else "") from error
    rows = _rows(tracks, seconds)
    parts = [
        Part(at, track.name, tuple(_note(seconds(a), seconds(b), number) for a, b, number in notes))
        for at, track in enumerate(tracks, 1) for channel, notes in sorted(track.notes.items()) if channel != DRUMS
    ]  # fmt: skip
    part, says = _chosen(parts, wish, [row.start for row in rows] or list(wish.starts), len(tracks))
    notes = checked(part.notes)
    return Tune(notes, worded(rows, notes), says)


def write(score: Score, text: Alignment) -> bytes:  # noqa: ARG001
    """A file of format 1 with a track of notes and lyric events, a tick of which is a millisecond."""
    mido = _mido()
    events: list[tuple[int, int, Any]] = []
    for one in written(score):
        assert one.note.midi is not None
        start, end, number = round(1000 * one.note.start), round(1000 * one.note.end), round(one.note.midi)
        if one.text is not None:
            shown = ("\r" if one.first else "") + one.text + (" " if one.ends else "")
            events.append((start, 1, mido.MetaMessage("lyrics", text=_bytewise(shown))))
        events.append((start, 2, mido.Message("note_on", note=number, velocity=90)))
        events.append((max(end, start + 1), 0, mido.Message("note_off", note=number)))
    track = mido.MidiTrack([mido.MetaMessage("track_name", name="Melody"), mido.MetaMessage("set_tempo", tempo=TEMPO)])
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    out = io.BytesIO()
    mido.MidiFile(type=1, ticks_per_beat=TICKS, tracks=[track]).save(file=out)
    return out.getvalue()


def _mido() -> Any:
    try:
        import mido
    except ImportError as error:
        raise AlignerError("mido is not installed", "MIDI", "pip install mido") from error
    return mido


def _track(messages: Iterable[Any]) -> _Read:
    out, now = _Read(), 0
    sounding: dict[tuple[int, int], int] = {}
    for message in messages:
        now += message.time
        if message.type == "set_tempo":
            out.tempi.append((now, message.tempo))
        elif message.type == "track_name":
            out.name = _text(message.name)
        elif message.type == "lyrics":
            out.lyrics.append((now, _text(message.text)))
        elif message.type == "text":
            out.texts.append((now, _text(message.text)))
        elif message.type in ("note_on", "note_off"):
            _pair(out, sounding, message, now)
    return out


def _pair(out: _Read, sounding: dict[tuple[int, int], int], message: Any, now: int) -> None:
    key = message.channel, message.note
    begun = sounding.pop(key, None)
    if begun is not None and now > begun:
        out.notes.setdefault(message.channel, []).append((begun, now, message.note))
    if message.type == "note_on" and message.velocity:
        sounding[key] = now
    if len(sounding) > MOST_NOTES or sum(map(len, out.notes.values())) > MOST_NOTES:
        raise LyricsError("has too many notes", hint=f"at most {MOST_NOTES}")


def _clock(ticks: int, tempi: Sequence[tuple[int, int]]) -> Any:
    """Ticks to seconds."""
    steps = [(0, TEMPO), *sorted(tempi)]
    begins, now = [0.0], 0.0
    for (a, tempo), (b, _) in pairwise(steps):
        now += (b - a) * tempo / 1e6 / ticks
        begins.append(now)
    places = [tick for tick, _ in steps]

    def seconds(tick: int) -> float:
        at = bisect_right(places, tick) - 1
        return round(begins[at] + (tick - places[at]) * steps[at][1] / 1e6 / ticks, 6)

    return seconds


def _note(start: float, end: float, number: int) -> Note:
    return Note(start, max(end, start + 1e-3), float(number))


def _chosen(parts: Sequence[Part], wish: Wish, starts: Sequence[float], tracks: int) -> tuple[Part, tuple[str, ...]]:
    """The part that is the melody, and a word on it where there was a choice."""
    mine = [part for part in parts if wish.track in (None, part.track)]
    if wish.track is not None and not 1 <= wish.track <= tracks:
        raise LyricsError(f"has no track {wish.track}", hint=f"1 to {tracks}")
    if not mine:
        which = "" if wish.track is None else f" in track {wish.track}"
        names = ", ".join(sorted({str(part.track) for part in parts}, key=int))
        raise LyricsError(
            f"has no notes{which}", hint=f"notes are in track {names}" if names else "a file with a melody"
        )
    best = max(mine, key=lambda part: merit(part, starts))
    if len({part.track for part in parts}) < 2 or wish.track is not None:
        return best, ()
    name = f" ({best.name})" if best.name else ""
    return best, (f"the melody is taken from track {best.track}{name} of {tracks}: --track N takes another",)


def merit(part: Part, starts: Sequence[float]) -> float:
    """How likely a part is the melody: a note for each syllable, one at a time, in the range of voices."""
    begins = sorted({note.start for note in part.notes})
    met = sum(_near(begins, start) for start in starts) / max(len(starts), 1)
    extra = min(len(starts) / max(len(begins), 1), 1.0) if starts else 0.0
    lengths = sum(note.seconds for note in part.notes)
    spanned = sum(note.seconds for note in checked(part.notes))
    inside = sum(RANGE[0] <= (note.midi or 0) <= RANGE[1] for note in part.notes) / len(part.notes)
    named = bool(_NAMES.search(part.name))
    return 3 * met + extra + 2 * spanned / lengths + inside + named + min(math.log(len(begins)) / 8, 1)


def _near(begins: Sequence[float], start: float) -> bool:
    at = bisect_right(begins, start)
    return any(abs(one - start) <= NEAR for one in begins[max(at - 1, 0) : at + 1])


def _rows(tracks: Sequence[_Read], seconds: Any) -> list[Row]:
    """The syllables: lyric events of the track that has most, or else text events as karaoke files have them."""
    lyrics = max((track.lyrics for track in tracks), key=len, default=[])
    texts = max((track.texts for track in tracks), key=len, default=[])
    karaoke = any(text.startswith("@") for track in tracks for _, text in track.texts)
    events = lyrics if len(lyrics) > 1 or not karaoke else texts
    spaced = any(text[:1].isspace() or text[-1:].isspace() for _, text in events)
    rows: list[Row] = []
    for tick, text in events:
        row = None if text.startswith("@") else _row(text, seconds(tick), rows, spaced)
        rows += [row] if row else []
    told = any(row.first for row in rows)
    return rows if told else _lined(rows)


def _row(text: str, start: float, before: Sequence[Row], spaced: bool) -> Row | None:
    first = text[:1] in ("\\", "/", "\r", "\n")
    breaks = text[-1:] in ("\r", "\n", "/", "\\")
    bare = text.strip("\\/\r\n")
    if bare.strip() in HELD:
        return None
    if not bare.strip():
        return Row("", start, True) if first or breaks else None
    joined = bare.rstrip().endswith("-") and len(bare.strip()) > 1
    shown = bare.rstrip().removesuffix("-") if joined else bare if spaced else f"{bare} "
    begins = first or (bool(before) and before[-1].text.endswith("\n"))
    return Row(f"{shown}\n" if breaks else f" {shown}" if begins else shown, start, begins)


def _lined(rows: Sequence[Row]) -> list[Row]:
    """Lines where the file tells none: a long wait begins one."""
    waits = [*[math.inf] * bool(rows), *(b.start - a.start for a, b in pairwise(rows))]
    return [row._replace(first=wait > 4 * REST) for row, wait in zip(rows, waits, strict=True)]


def _text(text: str) -> str:
    """mido takes every byte for a character."""
    data = text.encode("latin-1", errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _bytewise(text: str) -> str:
    return text.encode("utf-8").decode("latin-1")
