"""MusicXML, plain or zipped (.mxl): notes, ties, slurs, tempo and words of one part.

Repeats are written out, with the words of the verse whose turn it is (`repeats`). Nothing is fetched and no entity is
declared: a file that tries is refused.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from xml.etree import ElementTree as ET  # what could harm is refused before: see `_parsed`

from aligner_core.errors import LyricsError
from aligner_core.tts.laying import Tune
from aligner_core.tts.score import Note

from .base import REST, Row, checked, worded
from .repeats import Played, order, signs
from .wish import MOST_BYTES, Wish

TEMPO = 120.0  # quarters a minute, where nothing is told
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_DECLARED = re.compile(rb"<!ENTITY|<!DOCTYPE[^>]*\[", re.IGNORECASE)


class Sound(NamedTuple):
    """A note as it stands, in quarters from the beginning.

    Args:
        midi: None where it has no pitch.
        begun, held: whether a tie ends, and begins, here.
        text: of the lyric under it, with white space where words part; None: none.
        line: whether a line ends with it.
    """

    start: float
    length: float
    midi: float | None
    begun: bool
    held: bool
    text: str | None
    voice: str
    line: bool = False


@dataclass
class _Part:
    """What was read of a part so far; quarters."""

    name: str = ""
    sounds: list[Sound] = field(default_factory=list)
    tempi: list[tuple[float, float]] = field(default_factory=list)  # place, quarters a minute
    verses: set[int] = field(default_factory=set)
    verse: int = 1  # that is sung now
    heard: set[int] = field(default_factory=set)  # verses that are sung anywhere
    now: float = 0.0
    last: float = 0.0  # where the last note that is no part of a chord begins
    end: float = 0.0
    divisions: float = 1.0
    transposed: float = 0.0


def read(data: bytes, wish: Wish) -> Tune:
    """The melody of a file, and its words.

    Raises:
        LyricsError: it is damaged or harmful, has no notes, contradictory repeats, or not that part.
    """
    root = _parsed(_unzipped(data) if data[:2] == b"PK" else data)
    if root.tag != "score-partwise":
        raise LyricsError(f"is not MusicXML by parts but {root.tag[:40]!r}", hint="export it as score-partwise")
    names = {one.get("id"): one.findtext("part-name", "") for one in root.iter("score-part")}
    try:
        measures = {part: part.findall("measure") for part in root.findall("part")}
        played = order(signs(list(measures.values())))
        parts = [_part(its, names.get(one.get("id"), ""), played) for one, its in measures.items()]
    except (ValueError, ArithmeticError, KeyError) as error:
        raise LyricsError("damaged MusicXML", hint=str(error)[:80]) from error
    part, says = _chosen(parts, wish)
    tempi = sorted({place: tempo for one in parts for place, tempo in one.tempi}.items())
    if len(played) > (written := max(map(len, measures.values()))):
        says = (*says, f"repeats are sung: {len(played)} measures, {written} are written")
    return _tune(part, tempi, says)


def _unzipped(data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            box = _parsed(_member(archive, "META-INF/container.xml"))
            path = next((one.get("full-path", "") for one in box.iter() if one.tag.endswith("rootfile")), "")
            return _member(archive, path)
    except LyricsError:
        raise
    except Exception as error:  # there is nothing that a damaged archive may not raise
        raise LyricsError("damaged, or not zipped MusicXML") from error


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise LyricsError("too large for a melody", hint=f"at most {MOST_BYTES >> 20} MiB")
    return data


def _parsed(data: bytes) -> ET.Element:
    """The tree, of a file that declares no entities: expanding these could fill any memory."""
    plain = data.replace(b"\0", b"")  # of UTF-16
    if _DECLARED.search(plain):
        raise LyricsError("declares entities: not read", hint="MusicXML needs none")
    try:
        return ET.fromstring(data)  # noqa: S314
    except (ET.ParseError, ValueError, LookupError) as error:
        raise LyricsError("damaged, or not MusicXML", hint=str(error)[:80]) from error


def _part(measures: Sequence[ET.Element], name: str, played: Sequence[Played]) -> _Part:
    out = _Part(name.strip())
    before = _before(measures)
    played = [one for one in played if one.measure < len(measures)]
    last = -1
    for one, verse in zip(played, _verses(measures, played), strict=True):
        if one.measure != last + 1:
            _restored(out, before[one.measure])
        last, out.verse = one.measure, verse
        _take_measure(out, measures[one.measure])
    return out


def _take_measure(out: _Part, measure: ET.Element) -> None:
    begin = out.now = out.end
    for item in measure:
        _take(out, item)
    out.end = max(out.end, out.now, begin)


def _before(measures: Sequence[ET.Element]) -> list[_Part]:
    """What holds where each measure begins, as it is written: for who jumps there."""
    out, so_far = [], _Part()
    for measure in measures:
        out.append(replace(so_far, tempi=so_far.tempi[-1:]))
        for item in measure:
            if item.tag in ("attributes", "direction", "sound"):
                _take(so_far, item)
    return out


def _restored(out: _Part, before: _Part) -> None:
    out.divisions, out.transposed = before.divisions, before.transposed
    if before.tempi or out.tempi:
        _set_tempo(out, out.end, before.tempi[-1][1] if before.tempi else TEMPO)


def _set_tempo(out: _Part, place: float, tempo: float) -> None:
    """One at each place: the last that is told there."""
    if out.tempi and out.tempi[-1][0] == place:
        out.tempi.pop()
    out.tempi.append((place, tempo))


def _verses(measures: Sequence[ET.Element], played: Sequence[Played]) -> Iterator[int]:
    """Which verse is sung in each measure that is played: that of its turn if there is one in this stretch, else 1."""
    there = [{_number(lyric) for lyric in measure.iter("lyric")} for measure in measures]
    at = 0
    while at < len(played):
        end = at + 1
        while end < len(played) and played[end] == played[end - 1]._replace(measure=played[end - 1].measure + 1):
            end += 1
        turn = played[at].turn
        yield from [turn if any(turn in there[one.measure] for one in played[at:end]) else 1] * (end - at)
        at = end


def _number(lyric: ET.Element) -> int:
    """Of "2" or "part1verse2"; 1 where none is told."""
    digits = re.search("[0-9]{1,4}$", lyric.get("number", "1"))
    return int(digits[0]) if digits else 1


def _take(out: _Part, item: ET.Element) -> None:
    if item.tag == "attributes":
        out.divisions = _positive(item.findtext("divisions") or str(out.divisions))
        for move in item.iter("transpose"):
            out.transposed = float(move.findtext("chromatic", "0")) + 12 * float(move.findtext("octave-change", "0"))
    elif item.tag in ("backup", "forward"):
        step = float(item.findtext("duration", "0")) / out.divisions
        out.end = max(out.end, out.now)
        out.now = max(0.0, out.now + (step if item.tag == "forward" else -step))
    elif item.tag in ("direction", "sound"):
        _direct(out, item)
    elif item.tag == "note":
        _take_note(out, item)


def _direct(out: _Part, item: ET.Element) -> None:
    for sound in item.iter("sound"):
        if tempo := sound.get("tempo"):
            _set_tempo(out, out.now, _positive(tempo))
            return
    for mark in item.iter("metronome"):
        units = {"whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25}
        unit = units.get(mark.findtext("beat-unit", "quarter"), 1.0)
        unit *= 1.5 if mark.find("beat-unit-dot") is not None else 1.0
        if (told := re.search("[0-9]+(?:[.][0-9]+)?", mark.findtext("per-minute", ""))) and float(told[0]) > 0:
            _set_tempo(out, out.now, unit * float(told[0]))


def _take_note(out: _Part, item: ET.Element) -> None:
    if item.find("grace") is not None or item.find("cue") is not None:
        return
    length = float(item.findtext("duration", "0")) / out.divisions
    chord = item.find("chord") is not None
    start = out.last if chord else out.now
    if not chord:
        out.last, out.now = out.now, out.now + length
        out.end = max(out.end, out.now)
    if item.find("rest") is not None or not 0 < length < 1e6:
        return
    ties = {tie.get("type") for tie in item.findall("tie")}
    verses = {_number(one): one for one in reversed(item.findall("lyric"))}
    out.verses |= set(verses)
    lyric = verses.get(out.verse)
    if lyric is None and out.verse == 1 and verses:
        lyric = verses[min(verses)]
    out.heard |= {number for number, one in verses.items() if one is lyric}
    text, line = _lyric(lyric) if lyric is not None else (None, False)
    pitch = _pitch(item, out.transposed)
    out.sounds.append(
        Sound(start, length, pitch, "stop" in ties, "start" in ties, text, item.findtext("voice", "1"), line)
    )  # fmt: skip


def _pitch(item: ET.Element, transposed: float) -> float | None:
    pitch = item.find("pitch")
    if pitch is None:
        return None
    octave = int(pitch.findtext("octave", "4"))
    midi = 12 * (octave + 1) + STEPS[pitch.findtext("step", "C").strip()] + float(pitch.findtext("alter", "0"))
    if not 0 <= midi + transposed <= 127:
        raise ValueError(f"a note in octave {octave}")
    return midi + transposed


def _lyric(lyric: ET.Element) -> tuple[str | None, bool]:
    """The text, with a space where a word ends, and whether a line ends."""
    text = "".join((one.text or " ") if one.tag in ("text", "elision") else "" for one in lyric)
    goes_on = lyric.findtext("syllabic", "single") in ("begin", "middle")
    ended = lyric.find("end-line") is not None or lyric.find("end-paragraph") is not None
    return (text.strip() + ("" if goes_on else " ") if text.strip() else None), ended


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise ValueError(f"{text[:20]} where a positive number should be")
    return value


def _chosen(parts: Sequence[_Part], wish: Wish) -> tuple[_Part, tuple[str, ...]]:
    if wish.track is not None and not 1 <= wish.track <= len(parts):
        raise LyricsError(f"has no part {wish.track}", hint=f"1 to {len(parts)}" if parts else "it has none at all")
    there = [part for part in parts if part.sounds]
    if not there:
        raise LyricsError("has no notes")
    texts = [sum(sound.text is not None for sound in part.sounds) for part in there]
    best = parts[wish.track - 1] if wish.track else there[texts.index(max(texts))]
    if not best.sounds:
        raise LyricsError(f"has no notes in part {wish.track}")
    says = []
    if len(there) > 1 and wish.track is None:
        name = f" ({best.name})" if best.name else ""
        says.append(f"the melody is part {parts.index(best) + 1}{name} of {len(parts)}: --track N takes another")
    if len(best.heard) < len(best.verses):
        which = "the first one is" if len(best.heard) == 1 else f"{len(best.heard)} are"
        says.append(f"of {len(best.verses)} verses under the notes {which} sung")
    return best, tuple(says)


def _tune(part: _Part, tempi: Sequence[tuple[float, float]], says: tuple[str, ...]) -> Tune:
    texts = {sound.voice for sound in part.sounds if sound.text is not None}
    voice = min(texts) if texts else min(sound.voice for sound in part.sounds)
    sounds = sorted((s for s in part.sounds if s.voice == voice), key=lambda s: (s.start, -(s.midi or 0)))
    rows: list[Row] = []
    notes: list[Note] = []
    first = True
    for sound in _tied(sounds):
        start, end = (_seconds(place, tempi) for place in (sound.start, sound.start + sound.length))
        first = first or (bool(notes) and start - notes[-1].end > REST)
        notes.append(Note(start, max(end, start + 1e-3), sound.midi))
        if sound.text is not None:
            rows.append(Row(sound.text, start, first))
            first = sound.line
    row = checked(notes)
    return Tune(row, worded(rows, row), says)


def _tied(sounds: Sequence[Sound]) -> Iterator[Sound]:
    """Tied notes as one; of a chord the highest."""
    held: Sound | None = None
    before = -1.0
    for sound in sounds:
        if sound.start == before:
            continue
        before = sound.start
        if held and held.held and sound.begun and sound.midi == held.midi:
            held = held._replace(length=sound.start + sound.length - held.start, held=sound.held)
            continue
        if held:
            yield held
        held = sound
    if held:
        yield held


def _seconds(place: float, tempi: Sequence[tuple[float, float]]) -> float:
    now, at, tempo = 0.0, 0.0, TEMPO
    for begin, next_tempo in tempi:
        if begin >= place:
            break
        now += (begin - at) * 60 / tempo
        at, tempo = begin, next_tempo
    return round(now + (place - at) * 60 / tempo, 6)
