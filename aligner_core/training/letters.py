"""Training of the letter-to-sound model: `python -m aligner_core.training.letters OUT.npz --report REPORT.json`.

Each letter is aligned with 0 to 2 phones by expectation maximisation; the n-gram is counted on the best alignments.
One word in twenty, all its pronunciations with it, is kept out of all this and measures the error. Nothing is drawn at
random: the seed chooses the words kept out, and the same input gives the same file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligner_core import lexicon
from aligner_core.letters import END, START, LetterModel, Level, best, distance, packed
from aligner_core.phones import base

ORDER = 8
ROUNDS = 12  # of expectation maximisation
MOST_PHONES = 2  # a letter stands for: the x of "six"
LEAST_FIT = -7.0  # mean log probability of a graphone; below, a spelling does not spell its sound ("fbi")
HELD_OUT = 20  # one word in so many
# The usual discounts take each word for a draw of its own, but "walk" and "walks" come together: n-grams seen twice are
# rarer than they look. Chosen on the split of seed 1: 0.13 % fewer phone errors.
KINSHIP = 1.15

Words = dict[str, tuple[tuple[str, ...], ...]]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def words_of_letters() -> Words:
    """The dictionary's words of a-z and apostrophes with all their pronunciations."""
    words: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    for word, phones in lexicon.dictionary():
        if re.fullmatch("[a-z']*[a-z][a-z']*", word):
            words[word].append(phones)
    return {word: tuple(dict.fromkeys(found)) for word, found in words.items()}


def is_held_out(word: str, seed: int) -> bool:
    """Whether a word measures the error instead of teaching: by its hash, so that it is for ever.

    A word and its possessive go together: who knows "anna's" knows "anna".
    """
    stem = re.sub("'s?$", "", word)
    digest = hashlib.sha256(f"{seed}:{stem}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % HELD_OUT == 0


@dataclass(frozen=True)
class _Batch:
    """Pronunciations of the same number of letters and phones.

    Args:
        letters: (words, n) numbers from 1.
        phones: (words, m) numbers from 1.
    """

    letters: Ints
    phones: Ints

    def graphones(self, at: int, count: int, sizes: tuple[int, int]) -> Ints:
        """Number of the graphone of letter `at` with `count` phones from each place on: (words, m + 1 - count)."""
        n_phones = sizes[1]
        places = self.phones.shape[1] + 1 - count
        number = np.repeat(self.letters[:, at : at + 1], places, 1)
        for k in range(MOST_PHONES):
            phone = self.phones[:, k : k + places] if k < count else 0
            number = number * n_phones + phone
        return number

    def forward(self, prob: Floats, sizes: tuple[int, int]) -> list[Floats]:
        """Probability of all ways to the cell after each letter: n + 1 arrays (words, m + 1)."""
        rows = [np.eye(1, self.phones.shape[1] + 1).repeat(len(self.letters), 0)]
        for at in range(self.letters.shape[1]):
            row = np.zeros_like(rows[-1])
            for count in range(min(MOST_PHONES, row.shape[1] - 1) + 1):
                row[:, count:] += rows[-1][:, : row.shape[1] - count] * prob[self.graphones(at, count, sizes)]
            rows.append(row)
        return rows

    def expected(self, prob: Floats, sizes: tuple[int, int]) -> Floats:
        """How often each graphone is used, over all alignments by their probability."""
        forward = self.forward(prob, sizes)
        total = forward[-1][:, -1:]
        backward = np.zeros_like(forward[-1])
        backward[:, -1:] = np.divide(1, total, out=np.zeros_like(total), where=total > 0)
        used = np.zeros_like(prob)
        for at in reversed(range(self.letters.shape[1])):
            before = np.zeros_like(backward)
            for count in range(min(MOST_PHONES, before.shape[1] - 1) + 1):
                numbers = self.graphones(at, count, sizes)
                here = slice(0, before.shape[1] - count)
                way = prob[numbers] * backward[:, count:]
                used += np.bincount(numbers.ravel(), (forward[at][:, here] * way).ravel(), len(prob))
                before[:, here] += way
            backward = before
        return used

    def best_paths(self, log_prob: Floats, sizes: tuple[int, int]) -> tuple[Ints, Floats]:
        """The likeliest graphones of each word, (words, n), and the log probability."""
        n, m = self.letters.shape[1], self.phones.shape[1]
        score = np.full((len(self.letters), m + 1), -np.inf)
        score[:, 0] = 0
        choices = []
        for at in range(n):
            ways = np.full((MOST_PHONES + 1, *score.shape), -np.inf)
            for count in range(min(MOST_PHONES, m) + 1):
                ways[count, :, count:] = score[:, : m + 1 - count] + log_prob[self.graphones(at, count, sizes)]
            choices.append(ways.argmax(0))
            score = ways.max(0)
        return self._traced(choices, sizes), score[:, -1]

    def _traced(self, choices: Sequence[Ints], sizes: tuple[int, int]) -> Ints:
        rows = np.arange(len(self.letters))
        place = np.full(len(rows), self.phones.shape[1])
        padded = np.pad(self.phones, ((0, 0), (0, MOST_PHONES)))
        path = np.zeros(self.letters.shape, np.int64)
        for at in reversed(range(self.letters.shape[1])):
            count = choices[at][rows, place]
            place = np.maximum(place - count, 0)  # only where there is no path at all could it fall below
            path[:, at] = self.letters[:, at]
            for k in range(MOST_PHONES):
                path[:, at] = path[:, at] * sizes[1] + np.where(k < count, padded[rows, place + k], 0)
        return path


@dataclass(frozen=True)
class Aligned:
    """Words cut into graphones.

    Args:
        graphones: all that are used: letter and phones.
        costs: -log probability of each.
        sequences: of their numbers, a word each.
    """

    graphones: tuple[tuple[str, tuple[str, ...]], ...]
    costs: Floats
    sequences: tuple[Ints, ...]


def align(words: Words) -> Aligned:
    """Find the letters that stand for each sound."""
    letters = sorted({letter for word in words for letter in word})
    phones = sorted({phone for sounds in words.values() for sound in sounds for phone in sound})
    sizes = len(letters) + 1, len(phones) + 1
    batches = _batches(words, letters, phones)
    prob = np.full(sizes[0] * sizes[1] ** MOST_PHONES, 1 / sizes[1])
    for _ in range(ROUNDS):
        used = np.sum([batch.expected(prob, sizes) for batch in batches], 0)
        prob = used / used.sum()
    log_prob = np.log(prob, out=np.full_like(prob, -np.inf), where=prob > 1e-12)
    found = [batch.best_paths(log_prob, sizes) for batch in batches]
    paths = [row for path, score in found for row in path[score >= LEAST_FIT * path.shape[1]]]
    numbers = np.unique(np.concatenate(paths))
    graphones = tuple(_named(int(number), letters, phones) for number in numbers)
    return Aligned(graphones, -log_prob[numbers], tuple(np.searchsorted(numbers, path) for path in paths))


def _batches(words: Words, letters: Sequence[str], phones: Sequence[str]) -> list[_Batch]:
    groups: defaultdict[tuple[int, int], list[tuple[list[int], list[int]]]] = defaultdict(list)
    letter_number = {letter: i for i, letter in enumerate(letters, 1)}
    phone_number = {phone: i for i, phone in enumerate(phones, 1)}
    for word, sounds in words.items():
        for sound in sounds:
            pair = [letter_number[letter] for letter in word], [phone_number[phone] for phone in sound]
            groups[len(word), len(sound)].append(pair)
    return [_Batch(np.array([a for a, _ in group]), np.array([b for _, b in group])) for group in groups.values()]


def _named(number: int, letters: Sequence[str], phones: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    sounds: list[int] = []
    for _ in range(MOST_PHONES):
        number, sound = divmod(number, len(phones) + 1)
        sounds.insert(0, sound)
    return letters[number - 1], tuple(phones[sound - 1] for sound in sounds if sound)


def count(sequences: Iterable[Ints], symbols: int, order: int) -> tuple[Level, ...]:
    """An n-gram with modified Kneser-Ney smoothing (Chen and Goodman 1998).

    Args:
        sequences: numbers from 2 on; `START` and `END` are put around each.
        symbols: how many there are, these two included.
        order: length of the longest n-gram.
    """
    framed = [np.concatenate([[START], sequence, [END]]) for sequence in sequences]
    text = np.concatenate(framed)
    depth = np.concatenate([np.arange(len(sequence)) for sequence in framed])
    histories, ends = [np.zeros(symbols, np.int64)], [text]
    lasts = [np.arange(symbols)]
    for n in range(1, order):
        key = np.where(depth >= n, np.concatenate([[0], ends[-1][:-1]]) * symbols + text, -1)
        found, end = np.unique(key, return_inverse=True)
        histories.append(found[1:] // symbols)  # the first is -1: too near the beginning
        lasts.append(found[1:] % symbols)
        ends.append(end - 1)
    counts, suffixes = _continuations(ends, depth, [len(last) for last in lasts])
    return _smoothed(histories, lasts, counts, suffixes)


def _continuations(ends: Sequence[Ints], depth: Ints, sizes: Sequence[int]) -> tuple[list[Ints], list[Ints]]:
    """For each n-gram in how many words-to-the-left it occurs (how often, if it is the longest or begins a word), and
    the n-gram without its first symbol."""
    counts, suffixes = [], [np.zeros(sizes[0], np.int64)]
    for n, (end, longer) in enumerate(pairwise(ends)):
        seen, where = np.unique(longer[longer >= 0], return_index=True)
        suffix = end[np.flatnonzero(longer >= 0)[where]]
        often = np.bincount(end[end >= 0], minlength=sizes[n])
        begins = np.isin(np.arange(sizes[n]), end[depth == n])
        counts.append(np.where(begins, often, np.bincount(suffix, minlength=sizes[n])))
        suffixes.append(suffix[np.argsort(seen)])
    counts[0][START] = 0  # nothing is followed by a beginning
    counts.append(np.bincount(ends[-1][ends[-1] >= 0], minlength=sizes[-1]))
    return counts, suffixes


def _smoothed(
    histories: Sequence[Ints], lasts: Sequence[Ints], counts: Sequence[Ints], suffixes: Sequence[Ints]
) -> tuple[Level, ...]:
    probs: list[Floats] = []
    backoffs: list[Floats] = []
    for n, (history, number, suffix) in enumerate(zip(histories, counts, suffixes, strict=True)):
        discount = _discounts(number)[np.minimum(number, 3)]
        size = len(lasts[n - 1]) if n else 1
        total = np.bincount(history, number, size)
        left = np.bincount(history, discount, size)
        backoff = np.divide(left, total, out=np.ones(size), where=total > 0)
        shorter = probs[-1][suffix] if n else np.full(len(number), 1 / (len(number) - 1))
        seen = np.divide(number - discount, total[history], out=np.zeros(len(number)), where=total[history] > 0)
        probs.append(seen + backoff[history] * shorter)
        backoffs.append(backoff)
    backoffs = [*backoffs[1:], np.ones(len(lasts[-1]))]
    children = [np.bincount(h, minlength=len(last)) for h, last in zip(histories[1:], lasts, strict=False)]
    firsts = [np.concatenate([[0], np.cumsum(c)]) for c in [*children, np.zeros(len(lasts[-1]), np.int64)]]
    logs = [np.log(np.maximum(values, 1e-12)).astype(np.float32) for values in (*probs, *backoffs)]
    return tuple(map(Level, lasts, firsts, logs[: len(probs)], logs[len(probs) :]))


def _discounts(counts: Ints) -> Floats:
    """What is taken from n-grams that occur 0, 1, 2 or more times."""
    one, two, three, four = (max(1, (counts == n).sum()) for n in range(1, 5))  # few words have none of some
    share = one / (one + 2 * two)
    usual = [0, 1 - 2 * share * two / one, 2 - 3 * share * three / two, 3 - 4 * share * four / three]
    return np.clip(KINSHIP * np.array(usual), 0, np.arange(4))


def train(words: Words, order: int = ORDER) -> LetterModel:
    """A model of these words."""
    aligned = align(words)
    symbols = 2 + len(aligned.graphones)
    levels = count((sequence[::-1] + 2 for sequence in aligned.sequences), symbols, order)
    outside: tuple[str, tuple[str, ...]] = ("", ())
    costs = np.concatenate([[0, 0], aligned.costs]).astype(np.float32)
    return LetterModel((outside, outside, *aligned.graphones), costs, levels)


def errors(model: LetterModel, words: Words) -> dict[str, float]:
    """Word and phone errors without stress, in per cent: against the nearest of a word's pronunciations, and against
    its first."""
    tally: dict[str, list[tuple[int, int]]] = {"nearest": [], "first": []}
    for word, sounds in words.items():
        (guess,) = best(model.paths(word)) or ((),)
        bare = tuple(map(base, guess))
        missed = [(distance(bare, tuple(map(base, sound))), len(sound)) for sound in sounds]
        tally["first"].append(missed[0])
        tally["nearest"].append(min(missed))
    figures = {}
    for name, missed in tally.items():
        figures[f"word error, {name}"] = round(100 * sum(wrong > 0 for wrong, _ in missed) / len(missed), 2)
        figures[f"phone error, {name}"] = round(100 * sum(w for w, _ in missed) / sum(n for _, n in missed), 2)
    return figures


def main(arguments: Sequence[str]) -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description="Train the letter-to-sound model.")
    parser.add_argument("out", type=Path, help="the model, an .npz file")
    parser.add_argument("--report", type=Path, help="where to write the figures, a .json file")
    parser.add_argument("--seed", type=int, default=0, help="chooses the words that are kept out")
    parser.add_argument("--order", type=int, default=ORDER, help="length of the longest n-gram")
    options = parser.parse_args(arguments)
    words = words_of_letters()
    taught = {word: sounds for word, sounds in words.items() if not is_held_out(word, options.seed)}
    model = train(taught, options.order)
    card = {"data": "CMU dictionary", "words": len(taught), "seed": options.seed, "order": options.order}
    arrays: dict[str, Any] = packed(model, json.dumps(card))
    with options.out.open("wb") as file:
        np.savez_compressed(file, **arrays)
    asked = {word: sounds for word, sounds in words.items() if word not in taught and "'" not in word}
    figures = errors(LetterModel.load(options.out), asked)
    report: dict[str, Any] = {**card, "held-out words": len(asked), **figures}
    text = json.dumps(report, indent=2) + "\n"
    sys.stdout.write(text)
    if options.report:
        options.report.write_text(text, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
