"""What the posteriors of an acoustic model are worth on a path: scores of sounds and rests, and second thoughts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .lattice import Visit

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


NEUTRAL = Decoding(floor=-20.0, rest=0.0, pause=0.0, kin=0.0)  # the posteriors as they are


def phone_names(symbols: Sequence[str]) -> Sequence[str]:
    """The symbols that are sounds of a voice: not silence, the first, nor music, the last of models that have it."""
    return symbols[1:-1] if symbols[-1] == "music" else symbols[1:]


def voice_probability(log_probs: Tensor, symbols: Sequence[str]) -> Tensor:
    """(frames, symbols) -> (frames,), the probability of any phone."""
    return log_probs[:, 1 : 1 + len(phone_names(symbols))].exp().sum(1)


def evidence(log_probs: Tensor, symbols: Sequence[str], decoding: Decoding) -> Tensor:
    """Posteriors to the scores that `viterbi` adds up: a column for rests, one a phone, one for rests within a line.

    Shape:
        (frames, symbols) -> (frames, 1 + phones + 1)
    """
    names = phone_names(symbols)
    phones = log_probs[:, 1 : 1 + len(names)]
    voice = phones.logsumexp(-1, keepdim=True)
    rest = torch.log(-torch.expm1(voice.clamp(max=-1e-6))) - decoding.rest  # silence or music is what no voice is
    scores = torch.cat([rest, _with_kin(phones, names, decoding.kin), rest - decoding.pause], 1)
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
    for visit in visits:
        if visit.end - visit.start > decoding.hold:
            held = scores[visit.start : visit.end]
            rests = held[:, [0, -1]]
            better = rests.clamp(min=decoding.doubt)
            if float(held[:, visit.column].exp().mean()) < decoding.sure and not torch.equal(rests, better):
                held[:, 0], held[:, -1] = better[:, 0], better[:, 1] - decoding.pause
                changed = True
    return changed
