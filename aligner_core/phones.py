"""The sounds of English, and how a word sounds: written down, derived from a word that is, or guessed from letters."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cache

from . import lexicon

# ARPAbet, as in the CMU dictionary; vowels carry a stress digit there: 0 none, 1 main, 2 secondary.
# ruff: noqa: SIM905 (a row of names reads better than a column of strings)
VOWELS: frozenset[str] = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
SONORANTS: frozenset[str] = frozenset("M N NG L R W Y".split())  # consonants that can be held on a note
PHONES: tuple[str, ...] = tuple(
    sorted({*VOWELS, *"B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH".split()}),
)

LONGEST = 60  # letters; what is longer (data, a key held down) is no word, and not worth the square of its length

Pronunciations = tuple[tuple[str, ...], ...]

_HISSES = frozenset("S Z SH ZH CH JH".split())
_VOICELESS = frozenset("P T K F TH".split())
_ENDINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # after a vowel, after a consonant
    "'s": (("Z",), ("Z",)),
    "'d": (("D",), ("AH0", "D")),
    "'ll": (("L",), ("AH0", "L")),
    "'ve": (("V",), ("AH0", "V")),
    "'re": (("R",), ("ER0",)),
    "'m": (("M",), ("AH0", "M")),
    "n't": (("N", "T"), ("AH0", "N", "T")),
    "'n": (("AH0", "N"), ("AH0", "N")),
    "'": ((), ()),
}
_TWICE = re.compile(r"([a-z]{2,4})\1+")


def base(phone: str) -> str:
    """The phone without its stress digit."""
    return phone.rstrip("012")


@cache
def pronounce(word: str) -> Pronunciations:
    """How a word may sound, likeliest first, with stress digits on the vowels.

    All that the CMU dictionary has; else what follows from it ("lovin'", "Anna's", "ev'ryone", "soooo", "lalala",
    "dont"); else what the letters suggest.

    Args:
        word: lower-case a-z and apostrophes.

    Returns:
        At least one pronunciation if the word has a letter, else none.
    """
    if not re.search("[a-z]", word):
        return ()
    word = re.sub(r"(.)\1{3,}", r"\1\1\1", word)  # held ever so long
    if len(word) > LONGEST:
        parts = (pronounce(word[at : at + LONGEST]) for at in range(0, len(word), LONGEST))
        return (tuple(phone for part in parts if part for phone in part[0]),)
    return _known(word) or _of_stem(word) or _guessed(word)


def _known(word: str) -> Pronunciations:
    return _written(word) or _respelled(word) or _drawn_out(word) or _repeated(word)


def _written(word: str) -> Pronunciations:
    """In the dictionary, with or without its last g: "lovin" is a name too."""
    return tuple(dict.fromkeys(lexicon.lookup(word) + _dropped_g(word)))


def _dropped_g(word: str) -> Pronunciations:
    """Like "singing", but on N: "singin'" and "singin"."""
    full = re.sub("in'?$", "ing", word)
    sounds = lexicon.lookup(full) if full != word and len(word) > 4 else ()
    return tuple((*phones[:-1], "N") for phones in sounds if phones[-2:] == ("IH0", "NG"))


def _respelled(word: str) -> Pronunciations:
    """Apostrophes too many ("'hello'"), too few ("dont", "youre") or for an e ("flow'r", "op'ning")."""
    bare = word.strip("'")
    forms = [bare, bare.replace("'", "e"), bare.replace("'", "")]
    forms += [f"{bare[:-tail]}'{bare[-tail:]}" for tail in (1, 2) if "'" not in bare and len(bare) > tail + 1]
    return next((sounds for form in forms if form != word and (sounds := _written(form))), ())


def _drawn_out(word: str) -> Pronunciations:
    """Letters held for their sound, in every way of writing them shorter: "soooo", "yeahhh", "looove", "heyy"."""
    found = (_written(short) for short in _shorter(word) if len(short) > 1)
    return tuple(dict.fromkeys(itertools.chain.from_iterable(found)))[:3]


def _shorter(word: str) -> Iterator[str]:
    parts = [match[0] for match in re.finditer(r"(.)\1*", word)]
    if sum(len(part) > 1 for part in parts) in (1, 2, 3):
        ways = [_shorter_run(part, at == len(parts) - 1) for at, part in enumerate(parts)]
        yield from (short for short in map("".join, itertools.product(*ways)) if short != word)


def _shorter_run(run: str, last: bool) -> tuple[str, ...]:
    """A double stays or goes; more become one or two: "ee" and "oo" first, but for the end of "sooo"."""
    if len(run) < 3:
        return (run, run[0])[: len(run)]
    return (run[:2], run[0]) if run[0] in "eo" and not last else (run[0], run[:2])


def _repeated(word: str) -> Pronunciations:
    """A short word over and over: "lalala", "hahaha"."""
    match = _TWICE.fullmatch(word)
    sounds = lexicon.lookup(match[1]) if match else ()
    return (sounds[0] * (len(word) // len(match[1])),) if match and sounds else ()


def _of_stem(word: str) -> Pronunciations:
    """A word and what was joined to it by an apostrophe."""
    ending = next((ending for ending in _ENDINGS if word.endswith(ending)), "")
    stem = word.removesuffix(ending)
    return tuple(phones + _ending(phones, ending) for phones in pronounce(stem)) if ending else ()


def _ending(stem: tuple[str, ...], ending: str) -> tuple[str, ...]:
    last = base(stem[-1])
    after_vowel, after_other = _ENDINGS[ending]
    if ending == "'s" and last in _HISSES:
        return ("IH0", "Z")
    if ending == "'s" and last in _VOICELESS:
        return ("S",)
    return after_other if last not in VOWELS and (ending != "'d" or last in ("T", "D")) else after_vowel


def _guessed(word: str) -> Pronunciations:
    from . import letters

    short = re.sub(r"([a-z])\1{2,}", r"\1", word)
    guesses = letters.sounds(short)
    if not re.search("[aeiouy]", short) and len(short) <= 5:  # "bbq": named rather than read
        names = tuple(phone for letter in short.replace("'", "") for phone in lexicon.lookup(letter)[-1])
        guesses = (names, *guesses)
    return guesses
