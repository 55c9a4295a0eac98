"""What the posteriors of an acoustic model are worth on a path: scores of sounds and rests, and second thoughts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .costs import KIN, Decoding
from .lattice import REST, Columns, Visit
from .spelling import LETTERS
from .viterbi import UNITS_PER_NAT, quantize

BLOCK = 20_000  # frames weighed at a time

Table = NDArray[np.float32]  # (frames, columns)
Scores = NDArray[np.int16]  # (frames, columns) in units of `viterbi.quantize`: an hour takes 30 MB


def phone_names(symbols: Sequence[str]) -> Sequence[str]:
    """The symbols that are sounds of a voice: not silence, the first, nor music, the last of models that have it."""
    return symbols[1:-1] if symbols[-1] == "music" else symbols[1:]


def spells(symbols: Sequence[str]) -> bool:
    """Whether the sounds are letters, of a model that writes down what it hears, and not phones."""
    return set(LETTERS) <= set(symbols)


def voice_probability(log_probs: ArrayLike, symbols: Sequence[str]) -> Table:
    """(frames, symbols) -> (frames,), the probability of any phone."""
    phones = np.asarray(log_probs, np.float32)[:, 1 : 1 + len(phone_names(symbols))]
    return np.concatenate([np.exp(phones[start : start + BLOCK]).sum(1) for start in range(0, len(phones), BLOCK)])


def columns(symbols: Sequence[str]) -> Columns:
    """Where `evidence` puts what, for a model with these symbols."""
    names = phone_names(symbols)
    places = {name: at for at, name in enumerate(names, start=REST + 1)}
    return Columns(places, len(names) + 1, len(names) + 2, spells(symbols))


def evidence(log_probs: ArrayLike, symbols: Sequence[str], decoding: Decoding) -> Table:
    """Posteriors to the scores that `viterbi` adds up: rests, each phone, rests within a line, and anything else.

    Shape:
        (frames, symbols) -> (frames, 1 + phones + 2), as `columns` says
    """
    names = phone_names(symbols)
    phones = np.asarray(log_probs, np.float32)[:, 1 : 1 + len(names)]
    with np.errstate(all="ignore"):  # what is no number is told by `quantize`
        voice = _logsumexp(phones)
        rest = np.log(-np.expm1(np.minimum(voice, -1e-6))) - decoding.rest  # silence or music is what no voice is
        # Whatever is said, a network that knows what it does not know gives it the negative entropy on average.
        expected = (np.exp(phones - voice) * phones).sum(1, keepdims=True)
        other = np.maximum(rest, expected - decoding.other)
        parts = [rest, _with_kin(phones, names, decoding.kin), rest - decoding.pause, other]
        scores: Table = np.concatenate(parts, 1)
        return np.maximum(scores, np.float32(decoding.floor), out=scores)


def weighed(log_probs: ArrayLike, symbols: Sequence[str], decoding: Decoding) -> Scores:
    """`evidence` of a sound of any length, quantized."""
    table = np.asarray(log_probs, np.float32)
    out = np.empty((len(table), len(phone_names(symbols)) + 3), np.int16)
    for start in range(0, len(table), BLOCK):
        out[start : start + BLOCK] = quantize(evidence(table[start : start + BLOCK], symbols, decoding))
    return out


@dataclass(frozen=True)
class Lasting:
    """The frames of some phones, one phone after the other.

    Args:
        frames, columns: (n,), each frame, and the column of the phone that it belongs to.
        lengths: (phones,), how many of them each phone has.
    """

    frames: NDArray[np.intp]
    columns: NDArray[np.intp]
    lengths: NDArray[np.intp]

    @classmethod
    def of(cls, visits: Sequence[Visit]) -> Lasting:
        """All frames of these visits."""
        table = np.array([(visit.start, visit.end, visit.column) for visit in visits], np.intp).reshape(-1, 3)
        starts, ends, columns = table.T
        lengths = ends - starts
        frames = np.arange(lengths.sum()) + np.repeat(ends - lengths.cumsum(), lengths)
        return cls(frames, np.repeat(columns, lengths), lengths)

    def means(self, values: Table) -> NDArray[np.float64]:
        """(n,) -> (phones,), the mean of each phone, as `ndarray.mean` rounds it: `reduceat` adds in another order."""
        edges = pairwise([0, *self.lengths.cumsum().tolist()])
        sums = np.array([np.add.reduce(values[begin:end]) for begin, end in edges], np.float32)
        return (sums / self.lengths.astype(np.float32)).astype(np.float64)


def shares(said: Lasting, scores: Scores, voice: Table) -> NDArray[np.float64]:
    """(phones,) mean probability of each, with the share its kin give it, among all phones while it lasts: 0..1.

    Args:
        voice: (frames,), of any phone.
    """
    likely: Table = np.exp(scores[said.frames, said.columns] / np.float32(UNITS_PER_NAT))
    likely /= np.maximum(voice[said.frames], np.float32(1e-6))
    return np.minimum(said.means(likely), 1.0)


def leads(said: Lasting, scores: Scores) -> NDArray[np.float64]:
    """(phones,) nats by which each is likelier than that something else is heard, on average while it lasts."""
    return said.means(_lead(scores[said.frames, said.columns], scores[said.frames, -1]))


def lead(scores: Scores, column: int) -> Table:
    """(frames,) nats by which a sound is likelier than that something else is heard."""
    return _lead(scores[:, column], scores[:, -1])


def _lead(likely: Scores, other: Scores) -> Table:
    return (likely.astype(np.float32) - other) / np.float32(UNITS_PER_NAT)


def _logsumexp(rows: Table) -> Table:
    """(n, m) -> (n, 1)."""
    highest: Table = rows.max(1, keepdims=True).clip(np.finfo(np.float32).min)  # finite, also where nothing is possible
    total: Table = np.exp(rows - highest).sum(1, keepdims=True)
    return np.log(total) + highest


def _with_kin(phones: Table, names: Sequence[str], share: float) -> Table:
    if not share or spells(names):
        return phones
    column = {name: i for i, name in enumerate(names)}
    out = phones.copy()
    for name, relatives in KIN.items():
        for relative in relatives:
            likely = phones[:, column[relative]] + np.float32(math.log(share))
            out[:, column[name]] = np.logaddexp(out[:, column[name]], likely)
    return out


def doubt_held(scores: Scores, visits: Sequence[Visit], decoding: Decoding) -> bool:
    """Where a phone is held long and is not likely there, let a rest be likely instead; whether anything changed.

    A network that takes an instrument for a voice gives no phone much of it, and the path bridges such a break with
    one sound of the line before or after. Changes the scores in place.
    """
    changed = False
    doubt, dearer = (np.int16(round(nats * UNITS_PER_NAT)) for nats in (decoding.doubt, decoding.pause))
    for visit in visits:
        if visit.end - visit.start > decoding.hold:
            held = scores[visit.start : visit.end]
            better = np.maximum(held[:, REST], doubt)
            likely = np.exp(held[:, visit.column] / UNITS_PER_NAT).mean()
            if likely < decoding.sure and not np.array_equal(held[:, REST], better):
                held[:, REST], held[:, -2] = better, better - dearer
                held[:, -1] = np.maximum(held[:, -1], better)
                changed = True
    return changed
