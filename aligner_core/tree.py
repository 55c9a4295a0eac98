"""Puts what was heard back into the tree of the text: lines, words, syllables and phones with times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from .evidence import Lasting, Scores, shares
from .lattice import Readings, Visit
from .phones import base, pronounce
from .recut import recut
from .search import Sung
from .spelling import divided, spellings
from .syllables import Pieces, spell
from .text import readings
from .timeline import Alignment, Line, Phone, Syllable, Word, enclosing

HEARD = 0.2  # a line during which the mean probability of any voice is lower was not sung
_NONE: Mapping[int, Word] = MappingProxyType({})
NOWHERE: Mapping[int, tuple[float, float]] = MappingProxyType({})


@dataclass(frozen=True)
class Token:
    """A written word, and how it may sound: readings of words of pronunciations, with stress, or of spellings."""

    text: str
    words: tuple[tuple[str, ...], ...]
    sounds: tuple[tuple[tuple[tuple[str, ...], ...], ...], ...]

    @cached_property
    def readings(self) -> Readings:
        """Without stress."""
        return tuple(
            tuple(tuple(tuple(map(base, phones)) for phones in word) for word in reading) for reading in self.sounds
        )


@cache
def token(text: str, spelled: bool = False) -> Token:
    """How a written word may sound; `spelled`: in letters, not in phones."""
    words = readings(text)
    said = spellings if spelled else _said
    return Token(text, words, tuple(tuple(said(word) for word in reading) for reading in words))


@cache
def _said(word: str) -> tuple[tuple[str, ...], ...]:
    """Pronunciations that differ in more than stress."""
    return tuple({tuple(base(p) for p in phones): phones for phones in reversed(pronounce(word))}.values())[::-1]


class Tree:
    """Makes timed lines of phones.

    Args:
        scores: that the phones were found in.
        voice: probability (frames,) of any phone.
        frame: seconds from one to the next.
        known: seconds at which what ends and what begins in a frame does so, where they are known better.
        spelled: the phones are letters: each lasts until the next one of its word, and none is told.
    """

    def __init__(
        self,
        scores: Scores,
        voice: NDArray[np.float32],
        frame: float,
        known: Mapping[int, tuple[float, float]] = NOWHERE,
        spelled: bool = False,
    ) -> None:
        self.scores, self.voice, self.frame, self.known, self.spelled = scores, voice, frame, known, spelled

    def timed(self, lyrics: Alignment, sung: Sequence[Sung], kept: Mapping[int, Word] = _NONE) -> Alignment:
        """The lyrics with times: each line in its place, and again where it was sung again.

        Args:
            sung: what was heard, in order of time.
            kept: words by token whose times are known already; their lines are `sure`.
        """
        first = np.cumsum([0, *(len(line.words) for line in lyrics.lines)])
        heard = [one for one in sung if one.sure or self._heard(one.visits) >= HEARD]
        order = _in_place([one.line for one in heard], len(lyrics.lines))
        lines = []
        for number, at in order:
            line = replace(lyrics.lines[number], number=number + 1)
            sings = None if at is None else heard[at]
            lines.append(self._line(line, int(first[number]), sings, kept) if sings else _untimed(line))
        return replace(lyrics, lines=tuple(lines))

    def _heard(self, visits: Sequence[Visit]) -> float:
        return float(np.mean(np.concatenate([self.voice[v.start : v.end] for v in visits])))

    def _line(self, line: Line, first: int, sung: Sung, kept: Mapping[int, Word]) -> Line:
        mine: dict[int, list[tuple[Visit, float]]] = {}
        fits = shares(Lasting.of(sung.visits), self.scores, self.voice).tolist()
        for visit, fit in zip(sung.visits, fits, strict=True):
            mine.setdefault(visit.token, []).append((visit, round(fit, 4)))
        known = kept if sung.sure else _NONE
        trust = sung.trust.words if sung.trust else {}
        words = tuple(
            known.get(at) or self._word(word, mine.get(at, ()), trust.get(at))
            for at, word in enumerate(line.words, first)
        )
        score = sung.trust.line if sung.trust else _mean([w.score for w in words])
        start, end = enclosing(words)
        return replace(line, start=start, end=end, score=score, words=words)

    def _word(self, word: Word, heard: Sequence[tuple[Visit, float]], trust: float | None) -> Word:
        """A word of what was heard of it: phones, each with how well it fits."""
        if not heard:
            return Word(word.text)
        visits = [visit for visit, _ in heard]
        said = token(word.text, self.spelled)
        spoken = _spoken(said, visits)
        names = [base(phone) for phones in spoken for phone in phones]
        phones = [self._phone(visit, name, fit) for (visit, fit), name in zip(heard, names, strict=True)]
        words = said.words[visits[0].reading]
        if self.spelled:
            syllables = tuple(_spelled(_divided(word.text, words, names), phones))
        else:
            syllables = tuple(_syllables(spell(word.text, words, spoken), phones))
        score = _mean([p.score for p in phones]) if trust is None else trust
        return recut(word, Word(word.text, *enclosing(phones), score, syllables))

    def _phone(self, visit: Visit, name: str, fit: float) -> Phone:
        first, last = visit.exact or (visit.start, visit.end)
        start, end = self._seconds(visit.start, first)[1], self._seconds(visit.end, last)[0]
        return Phone(name, start, end, fit)

    def _seconds(self, frame: int, place: float) -> tuple[float, float]:
        seconds = round(place * self.frame, 4)
        return self.known.get(frame, (seconds, seconds))


def _in_place(sung: Sequence[int], lines: int) -> list[tuple[int, int | None]]:
    """(line, which of the sung ones or None) in the order of time; what was not sung stays after the line before it.

    Args:
        sung: the number of each sung line in order of time.
    """
    out: list[tuple[int, int | None]] = [(number, at) for at, number in enumerate(sung)]
    places = {number: at for at, number in reversed(list(enumerate(sung)))}
    missing = [number for number in range(lines) if number not in places]
    for number in missing:
        before = next((at for at, (other, _) in enumerate(out) if other == number - 1), -1)
        out.insert(before + 1, (number, None))
    return out


def _untimed(line: Line) -> Line:
    return replace(line, start=None, end=None, score=None, words=tuple(Word(word.text) for word in line.words))


def _spoken(said: Token, visits: Sequence[Visit]) -> tuple[tuple[str, ...], ...]:
    """The pronunciation of each spoken word that the path took."""
    variants = {visit.word: visit.variant for visit in visits}
    words = said.sounds[visits[0].reading]
    return tuple(words[at][variant] for at, variant in sorted(variants.items()))


def _syllables(parts: Sequence[tuple[str, Sequence[str]]], phones: Sequence[Phone]) -> Iterator[Syllable]:
    at = 0
    for text, names in parts:
        mine = tuple(phones[at : at + len(names)])
        yield Syllable(text, *enclosing(mine), _mean([p.score for p in mine]), mine)
        at += len(names)


def _divided(text: str, words: Sequence[str], letters: Sequence[str]) -> Pieces:
    sounds = spell(text, tuple(words), tuple(pronounce(word)[0] for word in words))
    return divided(sounds, tuple(letters))


def _spelled(parts: Pieces, letters: Sequence[Phone]) -> Iterator[Syllable]:
    """Syllables of letters, each of which lasts until the next one begins."""
    ends = [*(letter.start for letter in letters[1:]), letters[-1].end]
    held = [replace(letter, end=end) for letter, end in zip(letters, ends, strict=True)]
    yield from (replace(syllable, phones=()) for syllable in _syllables(parts, held))


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return round(sum(known) / len(known), 4) if known else None
