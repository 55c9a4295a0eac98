"""What the posteriors of an acoustic model are worth on a path: scores of sounds and rests, and second thoughts."""

from __future__ import annotations

import math
from collections.abc import Sequence

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


def share(visit: Visit, scores: Scores, voice: NDArray[np.float32]) -> float:
    """Mean probability of a phone, with the share its kin give it, among all phones while it lasts: 0..1.

    Args:
        voice: (frames,), of any phone.
    """
    span = slice(visit.start, visit.end)
    likely = np.exp(scores[span, visit.column] / np.float32(UNITS_PER_NAT))
    return min(max(float((likely / np.maximum(voice[span], 1e-6)).mean()), 0.0), 1.0)


def lead(scores: Scores, column: int) -> NDArray[np.float32]:
    """(frames,) nats by which a sound is likelier than that something else is heard."""
    return (scores[:, column].astype(np.float32) - scores[:, -1]) / np.float32(UNITS_PER_NAT)


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
