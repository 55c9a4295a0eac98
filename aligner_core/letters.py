"""From letters to sounds: a joint-sequence model in the manner of Bisani and Ney (2008).

A word and its sound are one sequence of graphones, a letter with the 0 to 2 phones it stands for. An n-gram with
modified Kneser-Ney smoothing says how likely a sequence is. It reads from right to left: the e at the end of "made" is
known before the a that it changes (0.2 % fewer phone errors than from left to right).
"""

from __future__ import annotations

import itertools
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import WeightsError
from .weights import weights_path

FILE = "letters.npz"
FORMAT = "karalign letters 1"
START, END = 0, 1  # symbols of the n-gram before the graphones
BEAM = 20
CANDIDATES = 10  # pronunciations weighed against each other
STEP = 1 / 16  # nats, of the stored logarithms: 8 bits each

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Level:
    """The n-grams of one length n, sorted by history and last symbol.

    Args:
        symbols: (n-grams,) last symbol.
        first: (n-grams + 1,) where the longer n-grams that begin with each one start in the next level.
        log_prob: (n-grams,) of the last symbol after the others.
        backoff: (n-grams,) log weight of the shorter history where a continuation was never seen.
    """

    symbols: Ints
    first: Ints
    log_prob: Floats
    backoff: Floats


@dataclass(frozen=True)
class LetterModel:
    """An n-gram over graphones.

    Args:
        graphones: for each symbol its letter and phones; ("", ()) for `START` and `END`.
        costs: (symbols,) -log probability of each graphone by itself.
        levels: n-grams of length 1, 2, ...
    """

    graphones: tuple[tuple[str, tuple[str, ...]], ...]
    costs: Floats
    levels: tuple[Level, ...]

    @classmethod
    def load(cls, path: Path) -> LetterModel:
        """Read what `packed` wrote.

        Raises:
            WeightsError: this is no such file.
        """
        try:
            # Opened here: np.load leaves a damaged file open.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return _unpacked({name: arrays[name] for name in arrays.files})
        except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
            raise WeightsError("not a letter-to-sound model", str(path), "install the package again") from error

    def by_letter(self) -> dict[str, Ints]:
        """The symbols that each letter may be."""
        letters = sorted({letter for letter, _ in self.graphones if letter})
        return {a: np.array([i for i, (b, _) in enumerate(self.graphones) if a == b]) for a in letters}

    def paths(self, word: str) -> list[tuple[float, tuple[str, ...]]]:
        """Pronunciations in the beam with their log probabilities; several may be the same.

        Args:
            word: a-z and apostrophes.
        """
        choices = self.by_letter()
        beam = _Beam.of(self)
        for letter in reversed(word):
            beam = beam.grown(choices[letter])
        beam = beam.grown(np.array([END]))
        return [
            (float(score), tuple(phone for symbol in path[::-1] for phone in self.graphones[symbol][1]))
            for score, path in zip(beam.scores, beam.paths, strict=True)
        ]


@dataclass(frozen=True)
class _Beam:
    """The best partial sequences.

    Args:
        scores: (paths,) log probabilities.
        nodes: (levels, paths) n-gram that ends each path, by its length; -1: never seen.
        paths: (paths, letters) symbols so far.
    """

    model: LetterModel
    scores: Floats
    nodes: Ints
    paths: Ints

    @classmethod
    def of(cls, model: LetterModel) -> _Beam:
        nodes = np.full((len(model.levels), 1), -1)
        nodes[0] = START
        return cls(model, np.zeros(1, np.float32), nodes, np.empty((1, 0), np.int64))

    def grown(self, choices: Ints) -> _Beam:
        """Every path with every choice behind it, cut to the best `BEAM`."""
        levels = self.model.levels
        column = np.full(len(levels[0].symbols), -1)
        column[choices] = np.arange(len(choices))
        log_prob = np.repeat(levels[0].log_prob[choices][None], len(self.scores), 0)
        nodes = np.full((len(levels), *log_prob.shape), -1)
        nodes[0] = choices
        for n, (level, longer) in enumerate(itertools.pairwise(levels)):
            rows = np.flatnonzero(self.nodes[n] >= 0)
            log_prob[rows] += level.backoff[self.nodes[n, rows]][:, None]
            row, child = _children(level, self.nodes[n, rows])
            at = column[longer.symbols[child]]
            row, child, at = rows[row[at >= 0]], child[at >= 0], at[at >= 0]
            log_prob[row, at] = longer.log_prob[child]
            nodes[n + 1, row, at] = child
        scores = (log_prob + self.scores[:, None]).ravel()
        best = np.argsort(-scores, kind="stable")[:BEAM]
        paths = np.concatenate([self.paths[best // len(choices)], choices[best % len(choices), None]], 1)
        return _Beam(self.model, scores[best], nodes.reshape(len(levels), -1)[:, best], paths)


def _children(level: Level, nodes: Ints) -> tuple[Ints, Ints]:
    """For each longer n-gram that begins with one of `nodes`: which of them, and its own place."""
    first, count = level.first[nodes], level.first[nodes + 1] - level.first[nodes]
    row = np.repeat(np.arange(len(nodes)), count)
    return row, np.arange(len(row)) + np.repeat(first - np.cumsum(count) + count, count)


def sounds(word: str, count: int = 1) -> tuple[tuple[str, ...], ...]:
    """The best `count` pronunciations of a word nobody wrote down, with stress digits.

    First comes the one with the least phone errors to be expected over all candidates, which is right more often than
    the likeliest path.

    Args:
        word: a-z and apostrophes, at least one letter.

    Raises:
        WeightsError: the released model is damaged.
    """
    return best(_released().paths(word), count)


def best(paths: list[tuple[float, tuple[str, ...]]], count: int = 1) -> tuple[tuple[str, ...], ...]:
    """Of pronunciations with log probabilities, those with the least expected phone errors, stress apart."""
    top = max(score for score, _ in paths)
    shares: dict[tuple[str, ...], float] = {}
    stressed: dict[tuple[str, ...], tuple[str, ...]] = {}
    for score, phones in paths:  # best first
        bare = tuple(phone.rstrip("012") for phone in phones)
        shares[bare] = shares.get(bare, 0.0) + math.exp(score - top)
        stressed.setdefault(bare, phones)
    likely = sorted((bare for bare in shares if bare), key=lambda bare: -shares[bare])[:CANDIDATES]
    risk = {a: sum(shares[b] * distance(a, b) for b in likely) for a in likely}
    return tuple(stressed[bare] for bare in sorted(likely, key=lambda bare: risk[bare])[:count])


def distance(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """Least number of phones to insert, delete or replace (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


@cache
def graphone_costs() -> Mapping[tuple[str, tuple[str, ...]], float]:
    """-log probability that a letter stands for these phones (without stress), for all that was seen.

    Raises:
        WeightsError: the released model is damaged.
    """
    model = _released()
    costs: dict[tuple[str, tuple[str, ...]], float] = {}
    for (letter, phones), cost in zip(model.graphones, model.costs.tolist(), strict=True):
        key = letter, tuple(phone.rstrip("012") for phone in phones)
        if letter:
            costs[key] = min(cost, costs.get(key, math.inf))
    return costs


@cache
def _released() -> LetterModel:
    return LetterModel.load(weights_path(FILE))


def packed(model: LetterModel, card: str) -> dict[str, NDArray[Any]]:
    """The arrays of a checkpoint: 16 bits a symbol or a count, 8 bits a logarithm.

    Args:
        card: how the model was made.
    """
    levels = model.levels
    return {
        "format": np.array(FORMAT),
        "card": np.array(card),
        "graphones": np.array([" ".join((letter, *phones)) for letter, phones in model.graphones]),
        "costs": model.costs.astype(np.float16),
        "sizes": np.array([len(level.symbols) for level in levels], np.int32),
        "symbols": np.concatenate([level.symbols for level in levels]).astype(np.uint16),
        "children": np.concatenate([np.diff(level.first) for level in levels[:-1]]).astype(np.uint16),
        "log_prob": _eight_bits(np.concatenate([level.log_prob for level in levels])),
        "backoff": _eight_bits(np.concatenate([level.backoff for level in levels[:-1]])),
    }


def _unpacked(arrays: Mapping[str, NDArray[Any]]) -> LetterModel:
    if str(arrays["format"]) != FORMAT:
        raise ValueError(f"format {arrays['format']}")
    cuts = np.cumsum(arrays["sizes"])[:-1]
    last = int(arrays["sizes"][-1])
    symbols = np.split(arrays["symbols"].astype(np.int64), cuts)
    counts = np.split(np.append(arrays["children"].astype(np.int64), np.zeros(last, np.int64)), cuts)
    log_prob = np.split(arrays["log_prob"].astype(np.float32) * -STEP, cuts)
    backoff = np.split(np.append(arrays["backoff"].astype(np.float32), np.zeros(last, np.float32)) * -STEP, cuts)
    first = [np.concatenate([[0], np.cumsum(count)]) for count in counts]
    graphones = (str(entry).split(" ") for entry in arrays["graphones"])
    return LetterModel(
        tuple((letter, tuple(phones)) for letter, *phones in graphones),
        arrays["costs"].astype(np.float32),
        tuple(map(Level, symbols, first, log_prob, backoff)),
    )


def _eight_bits(logs: Floats) -> NDArray[np.uint8]:
    bits: NDArray[np.uint8] = np.clip(np.rint(-logs / STEP), 0, 255).astype(np.uint8)
    return bits
