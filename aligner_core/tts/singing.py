"""A score to singing: `Singer(Synthesizer.load()).sing(score, lyrics)`.

Each line is sung by itself and put in its place to the sample; lines that overlap are added. What is sung comes back
with the times of every sound, and the notes as the "pitch" of its syllables, so it can be written as UltraStar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from aligner_core.errors import LyricsError
from aligner_core.extra import Extra
from aligner_core.phones import base
from aligner_core.timeline import Alignment, Line, Phone, Syllable, Word, enclosing

from .acoustic import PAUSE
from .beats import Sounding, beats, rests
from .engines import Engine, Plan, engine
from .loudness import breaths, levelled, limited, rested
from .score import Score, SungLine, SungSyllable, told
from .sound import HOP, RATE
from .sung_pitch import STYLES, Curve, Style, followed, sung_pitch
from .synthesizer import Speech, Synthesizer

Progress = Callable[[float], None]

LEAD, TAIL = 15, 20  # frames of silence that are rendered before and after a line
FULL = 14  # frames of speech that a held vowel is taken from, at least: a shorter one never gets where it belongs
HELD = 40  # frames of a vowel that is sung as if it were stressed
END = 30  # frames of silence at the end of all
LOW, HIGH = 0.9, 1.6  # times the lowest and the highest pitch of its speech: the range in which a voice sings
INSIDE = 0.8  # of the notes within that range: then they stay where they are


class Singer:
    """A voice that sings.

    Args:
        synthesizer: the voice that speaks, and its vocoder.
        engine: one of `engines.ENGINES`.

    Raises:
        AlignerError: there is no such engine, or a package that it needs is missing.
    """

    def __init__(self, synthesizer: Synthesizer, engine_name: str = "neural") -> None:
        self.voice = synthesizer.voice
        self.engine: Engine = engine(engine_name, synthesizer.voice, synthesizer.vocoder)

    def sing(
        self, score: Score, lyrics: Alignment, *, style: str = "guide", curve: Curve | None = None,
        progress: Progress | None = None,
    ) -> Speech:  # fmt: skip
        """Sing a score.

        Args:
            lyrics: the text that the score is of, line by line.
            style: one of `sung_pitch.STYLES`; "follow" needs a curve.
            curve: the pitch of the singer who is followed.
            progress: called with the share that is done.

        Raises:
            LyricsError: there is nothing to sing, or the style is not known.
        """
        if style not in STYLES:
            raise LyricsError(f"there is no style {style!r}", hint=", ".join(STYLES))
        if style == "follow" and curve is None:
            raise LyricsError("nobody is followed", "style follow", "follow a song")
        manner, lines = STYLES[style], [line for line in score.lines if any(one.phones for one in _sung(line))]
        if not lines:
            raise LyricsError("there is nothing that can be sung", hint="words with notes or times")
        order = sorted(range(len(lines)), key=lambda at: lines[at].notes[0].start)
        free, placed, out = 0, {}, np.zeros(0, np.float32)
        for count, at in enumerate(order, 1):
            line = lines[at]
            overlaps = line.notes[0].start < free * HOP / RATE
            sounds = beats(line, self._natural(line), 0 if overlaps else free)
            placed[line.number] = sounds
            free = max(free, sounds[-1].end)
            begin, wave = self._line(line, sounds, manner, curve if style == "follow" else None)
            out = _added(out, wave, begin * HOP)
            if progress:
                progress(count / len(order))
        wave = _added(out, np.zeros(END * HOP, np.float32), free * HOP)
        text = replace(lyrics, lines=tuple(
            _told(line, sung, placed.get(sung.number, ())) for line, sung in zip(lyrics.lines, score.lines, strict=True)
        ))  # fmt: skip
        return Speech(wave, RATE, text, tuple(_unsung(lyrics, score)))

    def _natural(self, line: SungLine) -> list[list[int]]:
        """Frames of each phone of each syllable in speech."""
        phones = [phone for one in line.syllables for phone in one.phones]
        frames = self.voice.durations([PAUSE, *phones, PAUSE])[1:-1]
        ends = list(accumulate(len(one.phones) for one in line.syllables))
        return [frames[a:b] for a, b in zip([0, *ends], ends, strict=False)]

    def _line(
        self, line: SungLine, sounds: Sequence[Sounding], style: Style, curve: Curve | None
    ) -> tuple[int, NDArray[np.float32]]:
        """First frame and sound of a line."""
        begin = max(sounds[0].start - LEAD, 0)
        plan = self._plan(line, sounds, begin)
        swell = np.zeros(len(plan.hz))
        notes = [note for note in line.notes if note.midi is not None]
        if notes:
            sung = sung_pitch(notes, begin, len(plan.hz), style, seed=line.number)
            midi = sung.midi if curve is None else followed(sung.midi, curve, begin)
            own = _spoken_frames(line, sounds, begin, len(plan.hz))
            hz = 440 * 2 ** ((np.clip(midi, 24, 96) - 69) / 12)
            plan, swell = replace(plan, hz=np.where(own, np.nan, hz)), sung.swell
        wave = self.engine.wave(plan)
        held = [(one.start - begin, one.end - begin) for one in sounds if one.carries]
        gaps = [(a - begin, b - begin) for a, b in rests(sounds)]
        edge = (sounds[0].start - begin, sounds[-1].end - begin)
        wave = rested(limited(levelled(wave, held, swell)), edge, gaps)
        return begin, wave + breaths(len(wave), gaps, seed=line.number)

    def _plan(self, line: SungLine, sounds: Sequence[Sounding], begin: int) -> Plan:
        natural = self._natural(line)
        row: list[tuple[str, int, int]] = []
        now = begin
        for one in sounds:
            gap = one.start - now
            row += [(PAUSE, gap, min(gap, LEAD))] * (gap > 0)
            row.append(_clear(one, natural[one.syllable][one.place]))
            now = one.end
        row.append((PAUSE, TAIL, TAIL))
        phones, frames, spoken = zip(*row, strict=True)
        return Plan(phones, frames, spoken, np.full(sum(frames), np.nan))


def arranged(
    score: Score, reach: tuple[float, float], transpose: float = 0.0, octaves: bool = True
) -> tuple[Score, tuple[str, ...]]:
    """A score where a voice can sing it, and what is to be told of that.

    Args:
        reach: Hz, lowest and highest pitch at which the voice speaks.
        transpose: semitones, besides.
        octaves: moved by octaves until it suits the voice.
    """
    score = score.transposed(transpose) if transpose else score
    pitches = [(note.midi, note.seconds) for note in score.notes if note.midi is not None]
    if not pitches:
        return score, ()
    low, high = (69 + 12 * np.log2(hz / 440) for hz in (reach[0] * LOW, reach[1] * HIGH))

    def inside(shift: int) -> float:
        return sum(s for midi, s in pitches if low <= midi + shift <= high) / sum(s for _, s in pitches)

    best = max((0, -12, 12, -24, 24, -36, 36), key=inside) if octaves and inside(0) < INSIDE else 0
    says = []
    if best:
        way = "lower" if best < 0 else "higher"
        many = abs(best) // 12
        says.append(f"sung {many} octave{'s' * (many > 1)} {way} than written, where the voice is at home")
    if inside(best) < 0.5:
        says.append("most notes are out of the voice's range: it may sound strained")
    return (score.transposed(best) if best else score), tuple(says)


def _sung(line: SungLine) -> Iterator[SungSyllable]:
    return (one for one in line.syllables if one.notes)


def _clear(one: Sounding, natural: int) -> tuple[str, int, int]:
    """A sound, its frames, and how it is spoken for that: one that is held is not mumbled."""
    if not one.carries:
        return one.phone, one.frames, max(min(natural, one.frames * 4), 1)
    phone = one.phone[:-1] + "1" if one.frames >= HELD and one.phone.endswith("0") else one.phone
    return phone, one.frames, min(max(natural, FULL), one.frames)


def _spoken_frames(line: SungLine, sounds: Sequence[Sounding], begin: int, frames: int) -> NDArray[np.bool_]:
    """Where syllables without pitch are, (frames,)."""
    out = np.zeros(frames, bool)
    for one in sounds:
        if not line.syllables[one.syllable].pitched:
            out[one.start - begin : one.end - begin] = True
    return out


def _added(out: NDArray[np.float32], wave: NDArray[np.float32], at: int) -> NDArray[np.float32]:
    """A wave laid over another from a sample on; longer if need be."""
    end = at + len(wave)
    out = np.pad(out, (0, max(end - len(out), 0)))
    out[at:end] += wave
    return out


def _told(line: Line, sung: SungLine, sounds: Sequence[Sounding]) -> Line:
    """The line with the times at which it is sung."""
    rows: dict[int, list[Syllable]] = {}
    for at, one in enumerate(sung.syllables):
        syllable = _syllable(one, [sound for sound in sounds if sound.syllable == at])
        rows.setdefault(one.word, []).append(syllable)
    words = tuple(_word(word, tuple(rows.get(at, ()))) for at, word in enumerate(line.words))
    start, end = enclosing(words)
    return replace(line, start=start, end=end, score=None, words=words)


def _syllable(one: SungSyllable, sounds: Sequence[Sounding]) -> Syllable:
    if not sounds:
        return Syllable(one.text)
    places = sorted({sound.place for sound in sounds})
    spans = [[sound for sound in sounds if sound.place == place] for place in places]
    phones = tuple(Phone(base(one.phones[place]), mine[0].start * HOP / RATE, mine[-1].end * HOP / RATE)
                   for place, mine in zip(places, spans, strict=True))  # fmt: skip
    start, end = enclosing(phones)
    return Syllable(one.text, start, end, phones=phones, extra=told(one.notes))


def _word(word: Word, syllables: tuple[Syllable, ...]) -> Word:
    old = [part.extra for part in word.syllables] if len(word.syllables) == len(syllables) else []
    kept = tuple(replace(new, extra=_merged(extra, new.extra)) for new, extra in zip(syllables, old, strict=False))
    parts = kept or syllables
    return Word(word.text, *enclosing(parts), syllables=parts)


def _merged(old: Extra, new: Extra) -> Extra:
    rest = {name: value for name, value in old.items() if name not in ("pitch", "ultrastar:note")}
    return Extra.of(rest | dict(new))


def _unsung(lyrics: Alignment, score: Score) -> Iterator[str]:
    lost = [at + 1 for at, line in enumerate(score.lines)
            if lyrics.lines[at].kind == "lyrics" and line.syllables and not line.notes]  # fmt: skip
    if lost:
        yield f"not sung, as there are neither notes nor times: line {', '.join(map(str, lost[:8]))}"
