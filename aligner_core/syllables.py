"""Syllables: of a word's phones, and of its letters with the phones they stand for."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .phones import LONGEST, PHONES, VOWELS, base
from .text import fold

Sounds = tuple[str, ...]
Pieces = tuple[tuple[str, Sounds], ...]

# ruff: noqa: SIM905 (a row of sounds reads better than a column of strings)
_SINGLE = [(phone,) for phone in PHONES if phone not in VOWELS and phone != "NG"]
_CLUSTERS = (
    "P L,P R,B L,B R,T R,T W,D R,D W,K L,K R,K W,G L,G R,G W,F L,F R,TH R,TH W,SH R,HH W,"
    "S P,S T,S K,S F,S M,S N,S L,S W,S P L,S P R,S T R,S K L,S K R,S K W"
)
ONSETS: frozenset[Sounds] = frozenset([(), *_SINGLE, *(tuple(row.split()) for row in _CLUSTERS.split(","))])
_BEFORE_Y = frozenset("P B T D K G F V TH S HH M N".split())  # "music", "few": only before this vowel
_ROUND = frozenset(("UW", "UH"))

KNOWN = 4096  # words whose syllables are remembered, a kilobyte each
_UNSEEN = 12.0  # cost of a letter for a sound it never stood for in the dictionary
_EXTRA = 15.0  # cost of a sound that no letter stands for


def syllabify(phones: Sequence[str]) -> tuple[Sounds, ...]:
    """Cut before the longest run of consonants that can begin an English word (maximal onset).

    Args:
        phones: of one word, with or without stress.

    Returns:
        A syllable for each vowel, one if there is none; joined, they are the input.
    """
    cuts = [at - _onset(phones, at) for at, phone in enumerate(phones) if base(phone) in VOWELS][1:]
    edges = [0, *cuts, len(phones)]
    return tuple(tuple(phones[a:b]) for a, b in itertools.pairwise(edges)) if phones else ()


def _onset(phones: Sequence[str], vowel: int) -> int:
    """How many consonants before this vowel belong to it."""
    count = 0
    while count < vowel and base(phones[vowel - count - 1]) not in VOWELS:
        count += 1
    bare = tuple(base(phone) for phone in phones[vowel - count : vowel])
    return next(n for n in range(count, -1, -1) if _is_onset(bare[count - n :], base(phones[vowel])))


def _is_onset(consonants: Sounds, vowel: str) -> bool:
    if len(consonants) > 1 and consonants[-1] == "Y":
        before = consonants[:-1]
        return vowel in _ROUND and before[-1] in _BEFORE_Y and before in ONSETS
    return consonants in ONSETS


@lru_cache(maxsize=KNOWN)
def spell(text: str, words: Sounds, pronunciations: tuple[Sounds, ...]) -> Pieces:
    """Divide a written token into syllables, each with its letters and its sounds.

    A syllable begins with the letter of its first sound; silent letters stay before it, of a double one each side has
    its share ("Hel|lo"), and "ck" and the stem of "-ing" keep their sounds ("chick|en", "a|maz|ing"), as in print.
    Punctuation stays with what is before it. Where the words are not spelled by the letters ("2266", "$43", "Mr."),
    they are one syllable.

    Args:
        text: as written.
        words: one of its readings.
        pronunciations: of each word.

    Returns:
        (letters, phones) of each syllable; joined, the letters are `text` and the phones those of the words.
    """
    spelled = [re.sub("[^a-z]", "", "".join(map(fold, character)).lower()) for character in text]
    pieces: list[tuple[str, Sounds]] = []
    for block in _blocks(text, spelled, words):
        sounds = pronunciations[block.first : block.last]
        if block.letters:
            pieces += _spelled_words(
                text[block.start : block.end], spelled[block.start : block.end], words, sounds, block
            )
        else:
            pieces.append((text[block.start : block.end], tuple(phone for phones in sounds for phone in phones)))
    return joined(pieces)


@dataclass(frozen=True)
class _Block:
    """Characters `start` to `end` say words `first` to `last`; `letters`: by spelling them."""

    start: int
    end: int
    first: int
    last: int
    letters: bool


def _blocks(text: str, spelled: Sequence[str], words: Sounds) -> list[_Block]:
    """Stretches of letters, which spell words, and of figures and signs, which are read as those between."""
    runs = list(_runs(text, spelled))
    blocks: list[_Block] = []
    word = 0
    for at, (start, end, letters) in enumerate(runs):
        if letters:
            last = _spelling("".join(spelled[start:end]), words, word)
        else:
            following = "".join(spelled[end : runs[at + 1][1]]) if at + 1 < len(runs) else None
            later = range(word, len(words))
            last = len(words) if following is None else next((k for k in later if _spelling(following, words, k)), None)
        if last is None:
            break
        blocks.append(_Block(start, end, word, last, letters))
        word = last
    whole = _Block(0, len(text), 0, len(words), False)
    return blocks if blocks and blocks[-1].end == len(text) and word == len(words) else [whole]


def _runs(text: str, spelled: Sequence[str]) -> Iterator[tuple[int, int, bool]]:
    """(start, end, of letters): punctuation goes with what is before it."""
    start = 0
    kinds = [bool(spelled[at]) if spelled[at] or _is_read(text[at]) else None for at in range(len(text))]
    current = next((kind for kind in kinds if kind is not None), False)
    for at, kind in enumerate(kinds):
        if kind is not None and kind != current:
            yield start, at, current
            start, current = at, kind
    yield start, len(text), current


def _is_read(character: str) -> bool:
    return character.isalnum() or character in "&@#%/*+=$£€¥¢°"


def _spelling(letters: str, words: Sounds, first: int) -> int | None:
    """The word after those, from `first` on, that these letters spell."""
    for last in range(first, len(words) + 1):
        said = re.sub("[^a-z]", "", "".join(words[first:last]))
        if len(said) >= len(letters):
            return last if said == letters else None
    return None


def _spelled_words(
    text: str, spelled: Sequence[str], words: Sounds, sounds: Sequence[Sounds], block: _Block
) -> Iterator[tuple[str, Sounds]]:
    start = 0
    for word, phones in zip(words[block.first : block.last], sounds, strict=True):
        left = len(re.sub("[^a-z]", "", word))
        end = start
        while end < len(text) and (left > 0 or not spelled[end]):
            left -= len(spelled[end])
            end += 1
        yield from _spelled_word(text[start:end], spelled[start:end], phones)
        start = end


def _spelled_word(text: str, spelled: Sequence[str], phones: Sounds) -> Iterator[tuple[str, Sounds]]:
    letters = "".join(spelled)
    character = [at for at, folded in enumerate(spelled) for _ in folded]
    syllables = syllabify(phones)
    if len(syllables) < 2 or not 0 < len(letters) <= LONGEST:
        yield text, phones
        return
    cuts = _cuts(letters, phones, syllables)
    edges = [(0, 0), *((phone, character[letter]) for phone, letter in cuts), (len(phones), len(text))]
    for (phone, at), (next_phone, next_at) in itertools.pairwise(edges):
        yield text[at:next_at], phones[phone:next_phone]


def _cuts(letters: str, phones: Sounds, syllables: Sequence[Sounds]) -> list[tuple[int, int]]:
    """The first phone and the first letter of each syllable but the first."""
    place = _places(letters, phones)
    cuts: list[tuple[int, int]] = []
    first = 0
    for before, syllable in itertools.pairwise(syllables):
        first += len(before)
        vowel = next(first + at for at, phone in enumerate(syllable) if base(phone) in VOWELS)
        letter = _first_letter(letters, place, first)
        stays = letter < place[vowel] and _stays(letters, phones, (first, vowel), (letter, place[vowel]))
        phone, letter = (vowel, place[vowel]) if stays else (first, letter)
        if letter > (cuts[-1][1] if cuts else 0) and letter < len(letters):
            cuts.append((phone, letter))
    return cuts


def _first_letter(letters: str, place: Sequence[int], phone: int) -> int:
    letter, before = place[phone], place[phone - 1]
    if letter == before:  # the x of "taxi"
        return letter + 1
    while letter - 1 > before and re.match("kn|wr|(?<=[aeioux])h[aeiouy]", letters[letter - 1 :]):
        letter -= 1
    if before + 1 < letter and re.match(r"([^aeiou])\1", letters[before:]):  # "mil|lion"
        return before + 1
    is_double = letters[letter : letter + 1] == letters[letter + 1 : letter + 2] and letter + 1 not in place
    return letter + 1 if is_double else letter


def _stays(letters: str, phones: Sounds, sounds: tuple[int, int], spelling: tuple[int, int]) -> bool:
    """Whether the consonants before a vowel, sounds[0]:sounds[1], keep to the syllable before it."""
    onset = letters[spelling[0] : spelling[1]]
    if onset in ("k", "ck") and letters[: spelling[1]].endswith("ck"):
        return True
    if not re.fullmatch("ings?|in", letters[spelling[1] :]) or base(phones[sounds[1]]) != "IH":
        return False
    if letters[spelling[0] - 1] == onset[0]:  # "run|ning"
        return False
    first, before = base(phones[sounds[0]]), base(phones[sounds[0] - 1])
    if first in ("L", "R"):
        return before in VOWELS  # "feel|ing", but "dar|ling"
    if first in ("M", "N"):
        return before in VOWELS or before in ("L", "R")  # "morn|ing", but "eve|ning"
    return first != "TH"  # "some|thing"


def _places(letters: str, phones: Sounds) -> list[int]:
    """For each phone the letter that stands for it, by the cheapest way to spell them all."""
    from .letters import graphone_costs  # brings numpy

    costs = graphone_costs()
    bare = tuple(map(base, phones))
    least = [[math.inf] * (len(bare) + 1) for _ in range(len(letters) + 1)]
    taken = [[(0, 0)] * (len(bare) + 1) for _ in range(len(letters) + 1)]
    least[0][0] = 0.0
    for at in range(len(letters) + 1):
        for said in range(len(bare) + 1):
            ways = [(least[at][said - 1] + _EXTRA, (0, 1))] if said else []
            for count in range(min(2, said) + 1) if at else ():
                cost = costs.get((letters[at - 1], bare[said - count : said]), _UNSEEN * (1 + count))
                ways.append((least[at - 1][said - count] + cost, (1, count)))
            if ways:
                least[at][said], taken[at][said] = min(ways)
    return _traced(taken)


def _traced(taken: Sequence[Sequence[tuple[int, int]]]) -> list[int]:
    at, said = len(taken) - 1, len(taken[0]) - 1
    place = [0] * said
    while at or said:
        letters, count = taken[at][said]
        place[said - count : said] = [max(at - 1, 0)] * count
        at, said = at - letters, said - count
    return place


def joined(pieces: Sequence[tuple[str, Sounds]]) -> Pieces:
    """The same pieces, but what lacks letters or sounds goes to its neighbour, the one before if there is one."""
    out: list[tuple[str, Sounds]] = []
    for text, phones in pieces:
        if out and (not text or not phones or not out[-1][0] or not out[-1][1]):
            before = out.pop()
            out.append((before[0] + text, before[1] + phones))
        else:
            out.append((text, phones))
    return tuple(out)
