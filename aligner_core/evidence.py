"""What the posteriors of an acoustic model are worth on a path: scores of sounds and rests, and second thoughts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .costs import KIN, Decoding
from .lattice import REST, Columns, Visit
from .spelling import LETTERS
from .viterbi import UNITS_PER_NAT, quantize

BLOCK = 20_000  # frames weighed at a time

Scores = NDArray[np.int16]  # (frames, columns) in units of `viterbi.quantize`: an hour takes 30 MB


def phone_names(symbols: Sequence[str]) -> Sequence[str]:
    """The symbols that are sounds of a voice: not silence, the first, nor music, the last of models that have it."""
    return symbols[1:-1] if symbols[-1] == "music" else symbols[1:]


def spells(symbols: Sequence[str]) -> bool:
    """Whether the sounds are letters, of a model that writes down what it hears, and not phones."""
    return set(LETTERS) <= set(symbols)


def voice_probability(log_probs: Tensor, symbols: Sequence[str]) -> Tensor:
    """(frames, symbols) -> (frames,), the probability of any phone."""
    phones = log_probs[:, 1 : 1 + len(phone_names(symbols))]
    return torch.cat([phones[start : start + BLOCK].exp().sum(1) for start in range(0, len(phones), BLOCK)])


def columns(symbols: Sequence[str]) -> Columns:
    """Where `evidence` puts what, for a model with these symbols."""
    names = phone_names(symbols)
    places = {name: at for at, name in enumerate(names, start=REST + 1)}
    return Columns(places, len(names) + 1, len(names) + 2, spells(symbols))


def evidence(log_probs: Tensor, symbols: Sequence[str], decoding: Decoding) -> Tensor:
    """Posteriors to the scores that `viterbi` adds up: rests, each phone, rests within a line, and anything else.

    Shape:
        (frames, symbols) -> (frames, 1 + phones + 2), as `columns` says
    """
    names = phone_names(symbols)
    phones = log_probs[:, 1 : 1 + len(names)]
    voice = phones.logsumexp(-1, keepdim=True)
    rest = torch.log(-torch.expm1(voice.clamp(max=-1e-6))) - decoding.rest  # silence or music is what no voice is
    # Whatever is said, a network that knows what it does not know gives it the negative entropy on average.
    expected = ((phones - voice).exp() * phones).sum(-1, keepdim=True)
    other = torch.maximum(rest, expected - decoding.other)
    scores = torch.cat([rest, _with_kin(phones, names, decoding.kin), rest - decoding.pause, other], 1)
    return scores.clamp(min=decoding.floor)


def weighed(log_probs: Tensor, symbols: Sequence[str], decoding: Decoding) -> Scores:
    """`evidence` of a sound of any length, quantized."""
    out = np.empty((len(log_probs), len(phone_names(symbols)) + 3), np.int16)
    for start in range(0, len(log_probs), BLOCK):
        out[start : start + BLOCK] = quantize(evidence(log_probs[start : start + BLOCK], symbols, decoding).numpy())
    return out


def share(visit: Visit, scores: Scores, voice: NDArray[np.float32]) -> float:
    """Mean probability of a phone, with the share its kin give it, among all phones while it lasts: 0..1.

    Args:
        voice: (frames,), of any phone.
    """
    span = slice(visit.start, visit.end)
    likely = np.exp(scores[span, visit.column] / np.float32(UNITS_PER_NAT))
    return float(np.clip((likely / np.maximum(voice[span], 1e-6)).mean(), 0, 1))


def lead(scores: Scores, column: int) -> NDArray[np.float32]:
    """(frames,) nats by which a sound is likelier than that something else is heard."""
    return (scores[:, column].astype(np.float32) - scores[:, -1]) / np.float32(UNITS_PER_NAT)


def _with_kin(phones: Tensor, names: Sequence[str], share: float) -> Tensor:
    if not share or spells(names):
        return phones
    column = {name: i for i, name in enumerate(names)}
    out = phones.clone()
    for name, relatives in KIN.items():
        for relative in relatives:
            out[:, column[name]] = torch.logaddexp(out[:, column[name]], phones[:, column[relative]] + math.log(share))
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
