"""What the posteriors of an acoustic model are worth on a path: scores of sounds and rests, and second thoughts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .costs import KIN, Decoding
from .lattice import REST, Columns, Visit


def phone_names(symbols: Sequence[str]) -> Sequence[str]:
    """The symbols that are sounds of a voice: not silence, the first, nor music, the last of models that have it."""
    return symbols[1:-1] if symbols[-1] == "music" else symbols[1:]


def voice_probability(log_probs: Tensor, symbols: Sequence[str]) -> Tensor:
    """(frames, symbols) -> (frames,), the probability of any phone."""
    return log_probs[:, 1 : 1 + len(phone_names(symbols))].exp().sum(1)


def columns(symbols: Sequence[str]) -> Columns:
    """Where `evidence` puts what, for a model with these symbols."""
    names = phone_names(symbols)
    return Columns({name: at for at, name in enumerate(names, start=REST + 1)}, len(names) + 1, len(names) + 2)


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


def _with_kin(phones: Tensor, names: Sequence[str], share: float) -> Tensor:
    if not share:
        return phones
    column = {name: i for i, name in enumerate(names)}
    out = phones.clone()
    for name, relatives in KIN.items():
        for relative in relatives:
            out[:, column[name]] = torch.logaddexp(out[:, column[name]], phones[:, column[relative]] + math.log(share))
    return out


def doubt_held(scores: Tensor, visits: Sequence[Visit], decoding: Decoding) -> bool:
    """Where a phone is held long and is not likely there, let a rest be likely instead; whether anything changed.

    A network that takes an instrument for a voice gives no phone much of it, and the path bridges such a break with
    one sound of the line before or after. Changes the scores (frames, 1 + phones + 1) in place.
    """
    changed = False
    pause = scores.shape[1] - 2
    for visit in visits:
        if visit.end - visit.start > decoding.hold:
            held = scores[visit.start : visit.end]
            better = held[:, REST].clamp(min=decoding.doubt)
            if float(held[:, visit.column].exp().mean()) < decoding.sure and not torch.equal(held[:, REST], better):
                held[:, REST], held[:, pause] = better, better - decoding.pause
                held[:, -1] = torch.maximum(held[:, -1], better)
                changed = True
    return changed
