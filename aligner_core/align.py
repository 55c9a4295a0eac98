"""Sound and text to times: `Aligner.load().align("song.mp3", lyrics)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import acoustic, audio
from .acoustic import AcousticModel
from .errors import AlignmentError
from .evidence import Decoding, doubt_held, evidence, voice_probability
from .lattice import Lattice, Readings, Visit, lattice, require_sound
from .phones import base, pronounce
from .syllables import spell
from .text import mark, readings
from .timeline import Alignment, Line, Phone, Syllable, Word, enclosing
from .viterbi import quantize, viterbi

Progress = Callable[[float], None]  # called with the share done, 0..1

HEARD = 0.2  # a line during which the mean probability of any voice is lower was not sung
ROUNDS = 3  # of second thoughts about held phones
FASTEST = 3  # frames a phone: no text is said faster than this on average


@dataclass(frozen=True)
class _Token:
    """A written word, and how it may sound: readings of words of pronunciations, with stress."""

    text: str
    words: tuple[tuple[str, ...], ...]
    sounds: tuple[tuple[tuple[tuple[str, ...], ...], ...], ...]

    @property
    def readings(self) -> Readings:
        return [[[[base(p) for p in phones] for phones in word] for word in reading] for reading in self.sounds]


@cache
def _token(text: str) -> _Token:
    words = readings(text)
    return _Token(text, words, tuple(tuple(_said(word) for word in reading) for reading in words))


@cache
def _said(word: str) -> tuple[tuple[str, ...], ...]:
    """Pronunciations that differ in more than stress."""
    return tuple({tuple(base(p) for p in phones): phones for phones in reversed(pronounce(word))}.values())[::-1]


class Aligner:
    """An acoustic model and the way from its output to a timed text.

    Args:
        model: what hears.
        decoding: how its output is weighed.
    """

    def __init__(self, model: AcousticModel, decoding: Decoding | None = None) -> None:
        self.model, self.decoding = model, decoding or Decoding()

    @classmethod
    def load(cls, model: str | Path | None = None, device: str = "cpu") -> Aligner:
        """With the released model, or the checkpoint `model`.

        Raises:
            WeightsError: the checkpoint is missing or damaged, or there is no such device.
        """
        return cls(acoustic.load(model, device))

    def align(self, sound: str | Path, lyrics: Alignment, progress: Progress | None = None) -> Alignment:
        """Time the lyrics by this sound file.

        Args:
            sound: any audio or video file.
            lyrics: their text is used; times they may have are not.

        Returns:
            The same lines with words, syllables and phones in seconds. What was not found has no time.

        Raises:
            AudioError: the file cannot be read.
            LyricsError: there is nothing to say.
            AlignmentError: the text is longer than the sound can hold, or no voice is heard.
        """
        timed = self.align_heard(self.hear(sound, progress), lyrics)
        return replace(timed, audio=Path(sound).name)

    def hear(self, sound: str | Path, progress: Progress | None = None) -> Tensor:
        """What the model makes of a sound file: log-probabilities (frames, symbols), on the CPU.

        Raises:
            AudioError: the file cannot be read.
        """
        return self.model.log_probs(audio.load(sound), progress).cpu()

    def align_wave(
        self, wave: NDArray[np.float32], rate: int, lyrics: Alignment, progress: Progress | None = None
    ) -> Alignment:
        """As `align`, for a wave (samples,) at `rate` Hz."""
        self.require_room(lyrics, len(wave) / rate)
        log_probs = self.model.log_probs(audio.resample(torch.from_numpy(wave), rate), progress)
        return self.align_heard(log_probs.cpu(), lyrics)

    def require_room(self, lyrics: Alignment, seconds: float) -> None:
        """Refuse a text that makes no sound, or that nobody says in so many seconds.

        Raises:
            LyricsError, AlignmentError: as `align`.
        """
        sounds = _sounds(mark(lyrics))
        require_sound(sounds)
        needed = _phones(sounds) * FASTEST * self.model.frame_seconds
        if needed > seconds + self.model.frame_seconds:
            raise AlignmentError(f"the text needs {needed:.1f} s or more and the sound has {seconds:.1f} s")

    def align_heard(self, log_probs: Tensor, lyrics: Alignment) -> Alignment:
        """As `align`, for what `hear` gave: float (frames, symbols)."""
        marked = mark(lyrics)
        sounds = _sounds(marked)
        self.require_room(lyrics, len(log_probs) * self.model.frame_seconds)
        columns = {name: i for i, name in enumerate(self.model.symbols)}
        voice = voice_probability(log_probs, self.model.symbols)
        if float(voice.max()) < HEARD:
            raise AlignmentError("no voice is heard in the sound")
        scores = evidence(log_probs, self.model.symbols, self.decoding)
        least = int(self.decoding.pace * float(voice.sum()) / _phones(sounds))
        least = min(max(least, self.decoding.shortest), self.decoding.longest)
        visits = self._path(lattice(sounds, columns, least, pause=scores.shape[1] - 1), scores)
        tokens = [_token(word.text) for word in marked.words]
        return _Tree(tokens, visits, scores.exp(), voice, self.model.frame_seconds).timed(marked)

    def _path(self, found: Lattice, scores: Tensor) -> list[Visit]:
        for _ in range(ROUNDS):
            visits = found.visits(viterbi(quantize(scores.numpy()), found.graph))
            if not doubt_held(scores, visits, self.decoding):
                return visits
        return found.visits(viterbi(quantize(scores.numpy()), found.graph))


def _sounds(lyrics: Alignment) -> list[list[Readings]]:
    """How each token of each line may sound."""
    return [[_token(word.text).readings for word in line.words] for line in lyrics.lines]


def _phones(lines: Sequence[Sequence[Readings]]) -> int:
    """How many phones the first reading of these lines has."""
    first = [word[0] for line in lines for readings in line for words in readings[:1] for word in words]
    return sum(len(pronunciation) for pronunciation in first)


class _Tree:
    """Puts the visits of a path back into the tree of the text."""

    def __init__(
        self, tokens: Sequence[_Token], visits: Sequence[Visit], likely: Tensor, voice: Tensor, frame: float
    ) -> None:
        self.tokens, self.frame = tokens, frame
        self.visits: dict[int, list[Visit]] = {}
        for visit in visits:
            self.visits.setdefault(visit.token, []).append(visit)
        self.likely = likely.numpy()
        self.voice = voice.numpy()

    def timed(self, lyrics: Alignment) -> Alignment:
        numbers = iter(range(len(self.tokens)))
        return replace(lyrics, lines=tuple(self._line(line, numbers) for line in lyrics.lines))

    def _line(self, line: Line, numbers: Iterator[int]) -> Line:
        mine = [next(numbers) for _ in line.words]
        visits = [visit for number in mine for visit in self.visits.get(number, ())]
        if not visits or self._heard(visits) < HEARD:
            words = [Word(word.text) for word in line.words]
            return replace(line, start=None, end=None, score=None, words=tuple(words))
        words = [self._word(number) for number in mine]
        start, end = enclosing(words)
        return replace(line, start=start, end=end, score=_mean([w.score for w in words]), words=tuple(words))

    def _heard(self, visits: Sequence[Visit]) -> float:
        return float(np.mean(np.concatenate([self.voice[v.start : v.end] for v in visits])))

    def _word(self, number: int) -> Word:
        token, visits = self.tokens[number], self.visits.get(number)
        if not visits:
            return Word(token.text)
        phones = [self._phone(visit, name) for visit, name in zip(visits, self._names(token, visits), strict=True)]
        reading = visits[0].reading
        parts = spell(token.text, token.words[reading], self._spoken(token, visits))
        syllables, at = [], 0
        for text, names in parts:
            mine = tuple(phones[at : at + len(names)])
            syllables.append(Syllable(text, *enclosing(mine), _mean([p.score for p in mine]), mine))
            at += len(names)
        return Word(token.text, *enclosing(phones), _mean([p.score for p in phones]), tuple(syllables))

    def _spoken(self, token: _Token, visits: Sequence[Visit]) -> tuple[tuple[str, ...], ...]:
        """The pronunciation of each spoken word that the path took."""
        variants = {visit.word: visit.variant for visit in visits}
        words = token.sounds[visits[0].reading]
        return tuple(words[at][variant] for at, variant in sorted(variants.items()))

    def _names(self, token: _Token, visits: Sequence[Visit]) -> list[str]:
        return [base(phone) for phones in self._spoken(token, visits) for phone in phones]

    def _phone(self, visit: Visit, name: str) -> Phone:
        start, end = (round(frame * self.frame, 4) for frame in (visit.start, visit.end))
        return Phone(name, start, end, self._fit(visit))

    def _fit(self, visit: Visit) -> float:
        """Mean probability of the phone, with the share its kin give it, among all phones while it lasts."""
        span = slice(visit.start, visit.end)
        share = self.likely[span, visit.column] / np.maximum(self.voice[span], 1e-6)
        return round(float(np.clip(share.mean(), 0, 1)), 4)


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return round(sum(known) / len(known), 4) if known else None
