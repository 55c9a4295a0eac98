"""How well a text can be cut after each of its words: after sentences best, inside phrases worst."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

SENTENCE, CLAUSE, PHRASE, ANYWHERE, TIED = 0.0, 1.0, 2.0, 4.0, 8.0  # what a cut costs there

_SENTENCE_ENDS = ".!?…。！？"
_CLAUSE_ENDS = ",;:—–、，；："
_CLOSING = "\"'”’»)]}」』"
_ABBREVIATIONS = frozenset(
    ("mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "no.", "vs.", "mt.", "jr.", "sr.", "e.g.", "i.e.")
)
_OPENERS = re.compile(  # what begins a clause or a phrase in English
    r"after|although|and|as|at|because|before|behind|between|but|by|during|for|from|if|in|into|like|nor|of|on|or"
    r"|since|so|than|that|though|through|to|under|unless|until|when|where|whether|which|while|who|whose|why|with"
    r"|without|yet",
    re.IGNORECASE,
)
_LEANING = re.compile(  # what needs the word after it
    r"a|an|and|are|at|but|by|for|from|he|her|his|i|if|in|is|it|its|my|no|nor|not|of|on|or|our|she|so|than|that|the"
    r"|their|they|this|to|was|we|were|when|which|who|will|with|you|your",
    re.IGNORECASE,
)


def width(text: str) -> int:
    """Characters that take room on the screen: marks upon others don't."""
    return sum(unicodedata.category(character) not in ("Mn", "Me", "Cf") for character in text)


def ends_sentence(word: str) -> bool:
    """Whether a word is the last of a sentence; titles and initials, which end in a point too, are not."""
    bare = word.rstrip(_CLOSING)
    initial = len(bare) == 2 and bare[0].isupper() and bare[0] != "I" and bare[1] == "."
    return bare[-1:] in tuple(_SENTENCE_ENDS) and not initial and bare.lower() not in _ABBREVIATIONS


def cut_costs(words: Sequence[str]) -> list[float]:
    """What a cut after each word costs; after the last one nothing."""
    return [_cost(word, after) for word, after in zip(words, [*words[1:], None], strict=True)]


def _cost(word: str, after: str | None) -> float:
    bare = word.rstrip(_CLOSING)
    if after is None or ends_sentence(word):
        return SENTENCE
    if bare[-1:] in tuple(_CLAUSE_ENDS):
        return CLAUSE
    if _LEANING.fullmatch(bare) or bare.lower() in _ABBREVIATIONS or bare.endswith("."):
        return TIED
    return PHRASE if _OPENERS.fullmatch(after.strip("\"'“‘«(")) else ANYWHERE
