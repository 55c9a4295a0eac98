"""What is to be said: written words as sounds with stress, by syllables, and the pauses that punctuation makes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate, pairwise

from aligner_core.errors import LyricsError
from aligner_core.lexicon import lookup
from aligner_core.phones import VOWELS, base
from aligner_core.syllables import Pieces, Sounds, spell
from aligner_core.timeline import Line, Word
from aligner_core.tree import token

from .acoustic import PAUSE, SYMBOLS

COMMA, STOP = 22, 40  # frames of a pause; the end of a line is a full stop
BREATH = 25  # words that are said without a pause at most
PHRASE = 6  # words after which there is one before a word of `OPENING`, as readers make them
OPENING = frozenset("and but or for at with when which that as because while until if where who".split())  # noqa: SIM905
BREATHING = 12  # frames of such a pause
LEARNT: dict[str, Sounds] = {"with": ("W", "IH1", "DH"), "been": ("B", "IH1", "N")}  # where the dictionary differs
UTTERED = 3  # consonants that are said without any vowel ("pst"); more are named letter by letter

_STOPS = re.compile(r"[.!?…]+[\"'”’»)\]]*$")
_COMMAS = re.compile(r"[,;:—–]+[\"'”’»)\]]*$|^[-—–]+$")
_SHORT = re.compile(r"(?:mr|mrs|ms|dr|st|jr|sr|mt|vs|(?:[a-z]\.)*[a-z])\.", re.IGNORECASE)  # the point ends no sentence


@dataclass(frozen=True)
class Said:
    """A written word as it is said.

    Args:
        text: as written.
        syllables: letters and sounds of each; those of the written word where it is divided. Of a word that makes no
            sound, one without sounds or none.
        pause: frames of silence after it, if nothing else is known.
    """

    text: str
    syllables: Pieces
    pause: int = 0

    @property
    def phones(self) -> Sounds:
        """Its sounds, vowels with stress."""
        return tuple(phone for _, sounds in self.syllables for phone in sounds)


def script(line: Line) -> tuple[Said, ...]:
    """The words of a line, each with the pause after it; none after the last one that sounds."""
    words = [_said(word) for word in line.words]
    out: list[Said] = []
    for word in words:
        before = max((at for at, one in enumerate(out) if one.phones), default=None)
        if not word.phones and before is not None:  # a dash of its own is a pause after the word before it
            out[before] = replace(out[before], pause=max(out[before].pause, word.pause))
        out.append(word if word.phones else replace(word, pause=0))
    last = max((at for at, one in enumerate(out) if one.phones), default=None)
    return tuple(_breathing(replace(one, pause=0) if at == last else one for at, one in enumerate(out)))


def of_phones(phones: Sequence[str]) -> tuple[Said, ...]:
    """Words of sounds that are told; "sil" parts them, a vowel without stress has the main one.

    Raises:
        LyricsError: there is none, or one is not known.
    """
    words: list[list[str]] = [[]]
    for phone in phones:
        name = f"{phone}1" if phone in VOWELS else phone
        if name not in SYMBOLS:
            raise LyricsError(f"{phone!r} is no sound", hint="ARPAbet, such as HH AH0 L OW1, and sil")
        words.append([]) if name == PAUSE else words[-1].append(name)
    said = [tuple(word) for word in words if word]
    if not said:
        raise LyricsError("there is no sound to say", hint="ARPAbet, such as HH AH0 L OW1")
    ends = [*(COMMA for _ in said[1:]), 0]
    return tuple(Said("-".join(word), (("-".join(word), word),), end) for word, end in zip(said, ends, strict=True))


def _breathing(words: Iterator[Said]) -> Iterator[Said]:
    """Pauses within long rows of words; none before the last word that sounds."""
    row = list(words)
    last = max((at for at, word in enumerate(row) if word.phones), default=0)
    since = 0
    for at, word in enumerate(row):
        since = 0 if word.pause else since + bool(word.phones)
        opens = since >= PHRASE and at + 1 < last and row[at + 1].text.lower() in OPENING
        breath = bool(word.phones) and at < last and (opens or since >= BREATH)
        yield replace(word, pause=BREATHING) if breath else word
        since = 0 if breath else since


def _said(word: Word) -> Said:
    pause = _pause(word.text)
    words, sounds = _chosen(word.text, tuple(phone.text for part in word.syllables for phone in part.phones))
    if not any(sounds):
        return Said(word.text, (), pause)
    pieces = spell(word.text, words, sounds)
    if len(word.syllables) > 1:
        pieces = divided(pieces, [part.text for part in word.syllables])
    return Said(word.text, pieces, pause)


def _pause(text: str) -> int:
    if _STOPS.search(text) and not _SHORT.fullmatch(text):
        return STOP
    return COMMA if _COMMAS.search(text) else 0


@cache
def _chosen(text: str, told: Sounds) -> tuple[Sounds, tuple[Sounds, ...]]:
    """The words of a token and how each is said: the likeliest, or as a file tells it without stress."""
    known = token(text)
    for words, ways in zip(known.words, known.sounds, strict=True):
        if told:
            found = _matching([way for way in ways if way], told)
            if found:
                return words, found
    for words, ways in zip(known.words, known.sounds, strict=True):
        spoken = tuple((word, _usual(word, way)) for word, way in zip(words, ways, strict=True) if way)
        if spoken:
            named = [_named(word, phones) for word, phones in spoken]
            return tuple(word for word, _ in spoken), tuple(named)
    return (), ()


def _matching(words: Sequence[Sequence[Sounds]], told: Sounds) -> tuple[Sounds, ...] | None:
    """A pronunciation of each word that together make the sounds that are told."""
    if not words:
        return None if told else ()
    for phones in words[0]:
        if tuple(map(base, phones)) == told[: len(phones)]:
            rest = _matching(words[1:], told[len(phones) :])
            if rest is not None:
                return (phones, *rest)
    return None


def _usual(word: str, ways: Sequence[Sounds]) -> Sounds:
    """The likeliest way to say a word, as the released voice learnt it."""
    learnt = LEARNT.get(word)
    return learnt if learnt is not None and learnt in ways else ways[0]


def _named(word: str, phones: Sounds) -> Sounds:
    """What nobody can utter is spelled: "zxqwv"."""
    if len(phones) <= UTTERED or any(base(phone) in VOWELS for phone in phones) or lookup(word):
        return phones
    return tuple(phone for letter in word.replace("'", "") for phone in lookup(letter)[-1])


def divided(pieces: Pieces, texts: Sequence[str]) -> Pieces:
    """The sounds of a word divided as `texts` divide its letters: exactly where the cuts are the same, else in
    proportion. A syllable for which there are not enough sounds has none.

    Args:
        pieces: letters and sounds; joined, the letters are the same as those of `texts`.
    """
    phones = [phone for _, sounds in pieces for phone in sounds]
    letters = [0, *accumulate(len(text) for text, _ in pieces)]
    counts = [0, *accumulate(len(sounds) for _, sounds in pieces)]
    cuts = [0, *(_cut(at, letters, counts) for at in accumulate(map(len, texts)))]
    return tuple((text, tuple(phones[a:b])) for text, (a, b) in zip(texts, pairwise(cuts), strict=True))


def _cut(at: int, letters: Sequence[int], counts: Sequence[int]) -> int:
    """How many sounds the first `at` letters have."""
    after = next(place for place, letter in enumerate(letters) if letter >= at)
    if letters[after] == at:
        return counts[after]
    share = (at - letters[after - 1]) / (letters[after] - letters[after - 1])
    return round(counts[after - 1] + share * (counts[after] - counts[after - 1]))
