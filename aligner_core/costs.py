"""The constants that weigh sound against text. The unit is the nat; a frame is 10 ms.

How they were found is told in docs/engine.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

# Vowels that a singer puts in the place of another: a diphthong is held on its nucleus, a weak or a low back vowel
# opens when it is held. Each may pass for the one it stands in for, at the share `Decoding.kin` of its probability.
KIN = {
    "AY": ("AA",),
    "AW": ("AA", "AE"),
    "OY": ("AO",),
    "EY": ("EH",),
    "OW": ("AO",),
    "AH": ("AA",),
    "AO": ("AA",),
    "AA": ("AO",),
}


@dataclass(frozen=True)
class Decoding:
    """How the posteriors are turned into scores of a path.

    Args:
        floor: nats; no score is lower, so that one bad frame does not move a line.
        rest: nats taken off for each frame of rest: quiet consonants are easily taken for silence.
        pause: nats taken off besides where the rest is within a line: a break lies between lines.
        kin: share of its relatives' probability (`KIN`) that a vowel is given.
        pace: least length of a phone, as a share of the mean length that text and voice leave it.
        shortest, longest: bounds of that least length, in frames.
        hold: frames; a phone held longer must be likelier on average than `sure`, or it is doubted.
        sure: see `hold`.
        doubt: nats; the least score of a rest where a held phone is doubted.
        other: nats taken off what the network expects of its own best guess, for a voice that says something else
            than the text.
    """

    floor: float = -9.0
    rest: float = 0.3
    pause: float = 0.3
    kin: float = 0.7
    pace: float = 0.6
    shortest: int = 2
    longest: int = 5
    hold: int = 100
    sure: float = 0.5
    doubt: float = -0.7
    other: float = 1.5


# For letters as CTC has them: between their peaks there is nothing but blank, a peak is two frames or more, and now and
# then one is missing. Chosen on planted letters of which a fifth to a half were left out or taken for others.
SPELLED = Decoding(floor=-4.0, rest=0.0, pause=0.0, kin=0.0, longest=2)
NEUTRAL = Decoding(floor=-20.0, rest=0.0, pause=0.0, kin=0.0)  # the posteriors as they are


@dataclass(frozen=True)
class Freedom:
    """What it costs, in nats, that sound and text differ.

    Args:
        stray: to leave the text between two lines, for a voice that says something else, and come back.
        broken: besides, where that breaks a line off.
        skip: besides, for each phrase left out meanwhile.
        jump: to find a passage of the text out of its place: said once more, or elsewhere.
        hurried, behind: share of phones that are as short as can be, and nats a frame by which *anything else* is
            likelier, from which on a line is taken for absent.
    """

    stray: float = 150.0
    broken: float = 30.0
    skip: float = 4.0
    jump: float = 60.0
    hurried: float = 0.6
    behind: float = -0.5


@dataclass(frozen=True)
class Confidence:
    """Logistic regression from the features of `confidence` to probabilities: a constant, then a weight each."""

    of_line: tuple[float, ...]
    of_word: tuple[float, ...]

    def line(self, features: Iterable[float]) -> float:
        """Probability that a line starts within 0.3 s, and its words on average."""
        return _logistic(self.of_line, features)

    def word(self, features: Iterable[float]) -> float:
        """Probability that a word starts within 0.3 s; its features and those of its line."""
        return _logistic(self.of_word, features)


def _logistic(weights: tuple[float, ...], features: Iterable[float]) -> float:
    total = weights[0] + sum(weight * feature for weight, feature in zip(weights[1:], features, strict=True))
    return 1 / (1 + math.exp(-total))


CONFIDENCE = Confidence(  # benchmarks/confidence.py fits these
    of_line=(-2.21, 1.94, 0.94, 0.33, 1.02, 0.97, 1.22, 0.15),
    of_word=(-1.25, 3.54, 2.4, 0.19, -0.29, 1.41, 0.29, -0.11, -0.28, 0.42, 0.01),
)
