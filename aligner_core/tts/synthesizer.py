"""Text or timed text to speech: `Synthesizer.load().speak("Hello there.")`.

Text becomes sounds (`script`), these get frames (`fitting`), and what lies between two pauses is spoken in one go, so
that memory does not grow with the text but for the wave itself. The times that come back are those that were spoken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from aligner_core.errors import LyricsError
from aligner_core.phones import base
from aligner_core.text import mark
from aligner_core.timeline import Alignment, Line, Phone, Syllable, Word, enclosing

from . import joints
from . import vocoder as vocoders
from .acoustic import PAUSE
from .fitting import Fit, Placed, Timing, fit, frame, timing
from .script import Said, of_phones, script
from .sound import HOP, RATE
from .vocoder import Vocoder
from .voice import Voice, load_voice

Progress = Callable[[float], None]  # called with the share done, 0..1

VOICE = "english"  # the released voice that is taken where none is named
PART = 30  # frames of silence at which speech is parted
NEAR = 15  # frames of that silence which are spoken, on either side
LONG = 1200  # frames after which any pause parts it
TAIL = 20  # frames of silence at the end
FADE = 120  # samples, at the edges of each part
HUMMED = 25  # frames that a word without a vowel lasts at least: "mmm", "shh"
FAINT = 0.1  # of full scale: speech that is nowhere as loud is raised to that, unless it is silence, below
NOTHING = 1e-4
PACE = 0.94  # the model guesses logarithms, and their mean is that of speech 6 % faster than its teacher's
SLOW_AND_FAST = 0.25, 4.0  # times the voice's own pace
SEMITONES = 24.0  # the most that a voice is raised or lowered


class Speech(NamedTuple):
    """What was said.

    Args:
        wave: float32 (samples,) at `sample_rate`, from the beginning of the sound on, about within -1..1.
        sample_rate: Hz.
        alignment: the text with the times of lines, words, syllables and phones, in seconds; what was not said has
            none.
        notes: what the user should know, a sentence each.
    """

    wave: NDArray[np.float32]
    sample_rate: int
    alignment: Alignment
    notes: tuple[str, ...] = ()


class Passage(NamedTuple):
    """What is spoken in one go: phones with stress and "sil", frames of each, and where it begins."""

    start: int
    phones: tuple[str, ...]
    frames: tuple[int, ...]


@dataclass(frozen=True)
class Manner:
    """How something is said, see `Synthesizer.speak`."""

    pitch: float
    speed: float
    stretch: bool = False
    start_at: float = 0.0

    def __post_init__(self) -> None:
        if not SLOW_AND_FAST[0] <= self.speed <= SLOW_AND_FAST[1]:
            raise LyricsError(f"cannot speak {self.speed} times as fast", hint="0.25 to 4")
        if not abs(self.pitch) <= SEMITONES:
            raise LyricsError(f"cannot speak {self.pitch} semitones higher", hint="-24 to 24")
        if not 0 <= self.start_at < 1e6:
            raise LyricsError(f"cannot begin at {self.start_at} s")


class Synthesizer:
    """A voice, and what makes sound of it.

    Args:
        voice: phones to frames.
        vocoder: frames to sound.
    """

    def __init__(self, voice: Voice, vocoder: Vocoder) -> None:
        self.voice, self.vocoder = voice, vocoder

    @classmethod
    def load(cls, voice: str | Path = VOICE, vocoder: str = "neural", device: str | None = None) -> Synthesizer:
        """With a released voice, or the file of one; vocoders as `vocoder.load`.

        Args:
            device: cpu, which is usual, cuda or cuda:N.

        Raises:
            WeightsError: a file is missing, damaged or not what it should be, or the device is not there.
        """
        from aligner_core.weights import VOICES, voices, weights_path

        path = weights_path(f"{voice}{VOICES}") if voice in (VOICE, *voices()) else Path(voice)
        device = device or "cpu"
        return cls(load_voice(path, device), vocoders.load(vocoder, device))

    def speak(
        self, text_or_alignment: str | Alignment, *, pitch: float = 0.0, speed: float = 1.0, stretch: bool = False,
        start_at: float = 0.0, progress: Progress | None = None,
    ) -> Speech:  # fmt: skip
        """Say a text at the voice's own pace, or a timed text in its times.

        Args:
            pitch: semitones higher than the voice's own.
            speed: times as fast, where no times are given.
            stretch: lines that are timed as a whole fill their time, however slowly they are said then.
            start_at: seconds at which what comes before any time begins.

        Raises:
            LyricsError: there is nothing that can be said, or nobody can say it so.
        """
        manner = Manner(pitch, speed, stretch, start_at)
        text = text_or_alignment
        lyrics = mark(Alignment.from_text(text) if isinstance(text, str) else text)
        return self._spoken(lyrics, [script(line) for line in lyrics.lines], manner, progress)

    def synthesize_from_text(self, text: str, *, pitch: float = 0.0, speed: float = 1.0) -> Speech:
        """Say a text; line ends are pauses, headings and comments are left out (`text.mark`).

        Raises:
            LyricsError: as `speak`.
        """
        return self.speak(text, pitch=pitch, speed=speed)

    def synthesize_from_phonemes(
        self, phones: Sequence[str], seconds: Sequence[float] | None = None, *, pitch: float = 0.0, speed: float = 1.0
    ) -> Speech:
        """Say sounds.

        Args:
            phones: ARPAbet, vowels with stress if it is known; "sil" parts words.
            seconds: how long each of them lasts, if that is known.

        Raises:
            LyricsError: there is none, one is not known, or the lengths do not fit.
        """
        said = of_phones(phones)
        words = tuple(Word(one.text) for one in said)
        line = Line(" ".join(word.text for word in words), words=words)
        if seconds is not None:
            line = _lasting(line, said, phones, seconds)
        return self._spoken(Alignment((line,)), [said], Manner(pitch, speed), None)

    def _spoken(
        self, text: Alignment, said: Sequence[Sequence[Said]], manner: Manner, progress: Progress | None
    ) -> Speech:
        if not any(word.phones for line in said for word in line):
            raise LyricsError("there is nothing that can be said", hint="English, in Latin letters")
        pairs = zip(text.lines, said, strict=True)
        timings = [timing(line, words, self._natural(words, manner.speed)) for line, words in pairs]
        fitted = fit(timings, frame(manner.start_at) or NEAR, manner.stretch)
        if not any(fitted.lines):
            raise LyricsError("there is no time to say anything", hint="lines that last longer")
        passages = list(_passages(timings, fitted))
        wave = self._wave(passages, manner.pitch, progress)
        rows = zip(text.lines, said, fitted.lines, strict=True)
        lines = tuple(replace(_line(*row), number=row[0].number or at) for at, row in enumerate(rows, 1))
        return Speech(wave, RATE, replace(text, lines=lines), (*_unsaid(text, said), *fitted.notes))

    def _natural(self, words: Sequence[Said], speed: float) -> list[int]:
        """Frames that each sound of a line lasts of itself."""
        out: list[int] = []
        clause: list[str] = []
        firsts: list[int] = []
        for at, word in enumerate(words):
            firsts += [len(clause)] if clause and word.phones else []
            clause += word.phones
            if clause and (word.pause or at == len(words) - 1):
                chosen = self.voice.durations([PAUSE, *clause, PAUSE], pace=PACE * speed)[1:-1]
                out += joints.heard(clause, chosen, firsts)
                clause, firsts = [], []
        return _hummed(words, out, round(HUMMED / speed))

    def _wave(self, passages: Sequence[Passage], pitch: float, progress: Progress | None) -> NDArray[np.float32]:
        """All of it in its place; (samples,)."""
        ends = [passage.start + sum(passage.frames) for passage in passages]
        out = np.zeros((ends[-1] + TAIL) * HOP, np.float32)
        for passage, end in zip(passages, ends, strict=True):
            out[passage.start * HOP : end * HOP] = _faded(self._sound(passage, pitch))
            if progress:
                progress(end / ends[-1])
        peak = float(np.abs(out).max())
        return out * np.float32(FAINT / peak) if NOTHING < peak < FAINT else out

    def _sound(self, passage: Passage, pitch: float) -> NDArray[np.float32]:
        frames = self.voice.frames(passage.phones, passage.frames)
        if pitch:  # the mel has to follow the pitch, so it is made anew for it
            melody = frames.f0 * 2 ** (pitch / 12)
            frames = self.voice.frames(passage.phones, passage.frames, melody=melody)
        return torch.nan_to_num(self.vocoder.wave(frames)).numpy()


def _hummed(words: Sequence[Said], natural: Sequence[int], least: int) -> list[int]:
    """Frames of sounds, those of words that have no vowel longer where they are too short to be heard."""
    out, at = list(natural), 0
    for word in words:
        count = len(word.phones)
        missing = least - sum(out[at : at + count])
        if count and missing > 0 and not any(phone[-1].isdigit() for phone in word.phones):
            out[at + count - 1] += missing
        at += count
    return out


def _lasting(line: Line, said: Sequence[Said], phones: Sequence[str], seconds: Sequence[float]) -> Line:
    """A line of sounds with the times that these lengths give."""
    if len(seconds) != len(phones) or not all(0 < one < 1e6 for one in seconds):
        raise LyricsError(f"{len(phones)} sounds, {len(seconds)} lengths", hint="seconds above 0, one for each")
    edges = np.concatenate([[0.0], np.cumsum(seconds)])
    spans = iter([(float(a), float(b)) for a, b, p in zip(edges, edges[1:], phones, strict=False) if p != PAUSE])
    words = []
    for one in said:
        sounds = tuple(Phone(base(phone), *next(spans)) for phone in one.phones)
        words.append(_word(one.text, (Syllable(one.text, *enclosing(sounds), phones=sounds),)))
    return replace(line, start=words[0].start, end=words[-1].end, words=tuple(words))


def _passages(timings: Sequence[Timing], fitted: Fit) -> Iterator[Passage]:
    """What is spoken in one go, in order of time."""
    sounds = _sounds(timings, fitted)
    lead = min(sounds[0][0], NEAR)
    begin = now = sounds[0][0] - lead
    row: list[tuple[str, int]] = []
    for start, phone, frames in sounds:
        gap = start - now
        if row and (gap >= PART or (gap > 1 and now - begin > LONG)):
            tail = min(gap // 2, NEAR)
            yield _passage(begin, [*row, (PAUSE, tail)])
            begin = max(now + tail, start - NEAR)
            row, gap = [], start - begin
        row += [(PAUSE, gap)] * (gap > 0)
        row.append((phone, frames))
        now = start + frames
    yield _passage(begin, [*row, (PAUSE, NEAR)])


def _sounds(timings: Sequence[Timing], fitted: Fit) -> list[tuple[int, str, int]]:
    """All sounds in order of time as the voice is told them: start, phone, frames."""
    rows = sorted(
        (one.start, one.frames, number, timing.units[one.unit].word, timing.units[one.unit].phone)
        for number, (timing, line) in enumerate(zip(timings, fitted.lines, strict=True))
        for one in line
    )
    pairs = enumerate(pairwise(rows), 1)
    meet = {at for at, (one, other) in pairs if one[2:4] != other[2:4] and one[0] + one[1] == other[0]}
    phones = [row[4] for row in rows]
    lengths = joints.told(phones, [row[1] for row in rows], sorted(meet))
    out: list[tuple[int, str, int]] = []
    for at, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        start = out[-1][0] + out[-1][2] if at in meet else row[0]
        out.append((start, row[4], length))
    return out


def _passage(begin: int, row: Sequence[tuple[str, int]]) -> Passage:
    phones, frames = zip(*row, strict=True)
    return Passage(begin, phones, frames)


def _faded(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without a click at either end."""
    edge = min(FADE, len(wave) // 2)
    ramp = np.linspace(0, 1, edge, dtype=np.float32)
    out = wave.copy()
    out[:edge] *= ramp
    out[len(out) - edge :] *= ramp[::-1]
    return out


def _line(line: Line, said: Sequence[Said], placed: Sequence[Placed]) -> Line:
    """The line with the times at which it is said."""
    spans = {one.unit: (one.start * HOP / RATE, (one.start + one.frames) * HOP / RATE) for one in placed}
    at, words = 0, []
    for word, one in zip(line.words, said, strict=True):
        syllables = []
        extras = [part.extra for part in word.syllables] if len(word.syllables) == len(one.syllables) else None
        for place, (text, sounds) in enumerate(one.syllables):
            there = [(phone, spans[at + n]) for n, phone in enumerate(sounds) if at + n in spans]
            phones = tuple(Phone(base(phone), *span) for phone, span in there)
            syllable = Syllable(text, *enclosing(phones), phones=phones)
            syllables.append(replace(syllable, extra=extras[place]) if extras else syllable)
            at += len(sounds)
        words.append(_word(word.text, tuple(syllables)))
    start, end = enclosing(words)
    return replace(line, start=start, end=end, score=None, words=tuple(words))


def _word(text: str, syllables: tuple[Syllable, ...]) -> Word:
    return Word(text, *enclosing(syllables), syllables=syllables)


def _unsaid(text: Alignment, said: Sequence[Sequence[Said]]) -> Iterator[str]:
    """What is to be told of words that make no sound although they have letters."""
    pairs = [pair for line, row in zip(text.lines, said, strict=True) for pair in zip(line.words, row, strict=True)]
    silent = [word.text for word, one in pairs if not one.phones and any(map(str.isalnum, word.text))]
    if silent:
        yield f"not known how to say: {', '.join(dict.fromkeys(silent[:5]))}{' ...' * (len(silent) > 5)}"
