"""Words as letters, for acoustic models that write down what they hear."""

from __future__ import annotations

import itertools
import re
from functools import cache

from .syllables import Pieces, Sounds, joined
from .text import fold

LETTERS = (*"abcdefghijklmnopqrstuvwxyz", "'")
HELD = (2, 1)  # letters that one held for its sound may be written as


@cache
def spellings(word: str) -> tuple[Sounds, ...]:
    """How a word may be written down, likeliest first: with its apostrophes or without; "sooooo" as "soo" or "so".

    Args:
        word: a-z and apostrophes.

    Returns:
        At least one spelling if the word has a letter, else none.
    """
    if not re.search("[a-z]", word):
        return ()
    forms = [_shorter(word, most) for most in HELD] if re.search(r"(.)\1\1", word) else [word]
    forms += [form.replace("'", "") for form in forms]
    return tuple(dict.fromkeys(map(tuple, forms)))


def divided(pieces: Pieces, letters: Sounds) -> Pieces:
    """Written syllables with the letters that were heard of each, in the place of phones.

    Args:
        pieces: as `syllables.spell` gives them.
        letters: one spelling of all the words, in a row; where the text is not made of them ("2266"), it is one piece.
    """
    written = [re.sub("[^a-z]", "", "".join(map(fold, text)).lower()) for text, _ in pieces]
    begun = ["", *itertools.accumulate(written)]
    places = [at for at, letter in enumerate(letters) if letter != "'"]
    heard = "".join(letters[at] for at in places)
    for most in (len(heard), *HELD):
        if _shorter(begun[-1], most) == heard:
            cuts = [[*places, len(letters)][len(_shorter(prefix, most))] for prefix in begun[1:-1]]
            edges = itertools.pairwise([0, *cuts, len(letters)])
            return joined([(text, letters[a:b]) for (text, _), (a, b) in zip(pieces, edges, strict=True)])
    return (("".join(text for text, _ in pieces), letters),)


def _shorter(word: str, most: int) -> str:
    """No letter more than so many times in a row; what a word begins with is then what the shorter one begins with."""
    return "".join("".join(run)[:most] for _, run in itertools.groupby(word))
