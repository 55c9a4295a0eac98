"""Sounds without a text: what was said, read off the posteriors of an acoustic model alone.

Networks trained with CTC and networks trained frame by frame are read alike: a symbol that goes on is said once, and
the first symbol, the blank, is silence. `greedy` takes the best symbol of each frame; `beam_search` sums over all the
ways to say the same, with the prefixes of Hannun et al. 2014 (arXiv 1408.2873).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from .evidence import phone_names
from .ngram import NGram

BLANK = 0
GROUP = 128  # utterances that are searched together
_FACTOR, _STEP = 6364136223846793005, 1442695040888963407  # Knuth's generator modulo 2^64 numbers the prefixes
_NO_PREFIX, _NO_PARENT = -1, -2
_NEVER = -float("inf")


@dataclass(frozen=True, slots=True)
class Said:
    """A row of sounds.

    Args:
        labels: columns of the posteriors.
        score: log of the summed scores of all ways to say them.
    """

    labels: tuple[int, ...]
    score: float


def voices(log_probs: Tensor, symbols: Sequence[str], log_prior: Tensor | None = None, scale: float = 0.3) -> Tensor:
    """Posteriors of a model to those of its phones, music counted as silence.

    Args:
        symbols: of the model; `phone_names` of them are kept, after the blank.
        log_prior: (symbols,) log of how often the model gives each symbol; what it gives often counts less.
        scale: power of that prior.

    Shape:
        (frames, symbols or more) -> (frames, 1 + phones)
    """
    known = log_probs[:, : len(symbols)]
    if log_prior is not None:
        known = known - scale * log_prior
    last = 1 + len(phone_names(symbols))
    quiet = torch.cat([known[:, :1], known[:, last:]], 1).logsumexp(1, keepdim=True)
    return torch.cat([quiet, known[:, 1:last]], 1)


def greedy(scores: Tensor, least: int = 1) -> list[int]:
    """The best symbol of each frame, repeats merged, blanks dropped.

    Args:
        scores: (frames, symbols), of `voices`.
        least: frames; a sound that is shorter was not said.
    """
    runs, lengths = torch.unique_consecutive(scores.argmax(-1), return_counts=True)
    heard = runs[(lengths >= least) | (runs == BLANK)]
    return [symbol for symbol in torch.unique_consecutive(heard).tolist() if symbol != BLANK]


def beam_search(
    scores: Sequence[Tensor], beam: int = 16, penalty: float = 0.0, language: NGram | None = None
) -> list[list[Said]]:
    """The likeliest rows of sounds in each utterance, best first, at most `beam` of them.

    Args:
        scores: (frames, symbols) of each utterance, of `voices`; need not be normalised.
        beam: prefixes kept from frame to frame.
        penalty: nats taken off for each sound.
        language: what each sound adds after those before it.
    """
    found: dict[int, list[Said]] = {}
    order = sorted(range(len(scores)), key=lambda i: len(scores[i]))
    for begin in range(0, len(order), GROUP):
        group = order[begin : begin + GROUP]
        found |= zip(group, _search([scores[i] for i in group], beam, penalty, language), strict=True)
    return [found[i] for i in range(len(scores))]


class _Beam(NamedTuple):
    """The prefixes of a group, (utterances, beam) each, the best first."""

    blank: Tensor  # log of the summed scores of the ways that end with the blank
    label: Tensor  # and of those that end with the last label
    last: Tensor  # that label; the blank in an empty prefix
    number: Tensor  # the same for the same prefix
    parent: Tensor  # number of the prefix without the last label
    context: Tensor  # in the language model

    def best(self, mask: Tensor, other: _Beam) -> _Beam:
        """This one where the mask (utterances, 1) says so, else the other."""
        return _Beam(*(torch.where(mask, mine, its) for mine, its in zip(self, other, strict=True)))


@torch.inference_mode()
def _search(scores: Sequence[Tensor], beam: int, penalty: float, language: NGram | None) -> Iterator[list[Said]]:
    lengths = torch.tensor([len(one) for one in scores], device=scores[0].device)
    frames = torch.nn.utils.rnn.pad_sequence(list(scores)).float()  # (frames, utterances, symbols)
    state = _start(len(scores), beam, frames.device)
    if language is not None:
        language = replace(language, table=language.table.to(frames.device))
    stay = torch.arange(beam, device=frames.device).expand(len(scores), beam)
    steps = []
    for at, frame in enumerate(frames):
        new, source, label = _advance(state, frame, penalty, language)
        going = (at < lengths)[:, None]
        steps.append((torch.where(going, source, stay), torch.where(going, label, BLANK)))
        state = new.best(going, state)
    return _rows(steps, state)


def _start(utterances: int, beam: int, device: torch.device) -> _Beam:
    """The empty prefix, and no other."""
    dead = torch.full((utterances, beam), _NEVER, device=device)
    blank, number = dead.clone(), torch.full_like(dead, _NO_PREFIX, dtype=torch.long)
    blank[:, 0], number[:, 0] = 0.0, 1
    none = torch.zeros_like(number)
    return _Beam(blank, dead, none, number, torch.full_like(number, _NO_PARENT), none)


def _advance(state: _Beam, frame: Tensor, penalty: float, language: NGram | None) -> tuple[_Beam, Tensor, Tensor]:
    """The best prefixes after a frame (utterances, symbols); of each the place of what it comes from, and the label
    that it adds to that, or the blank."""
    beam, symbols = state.blank.shape[1], frame.shape[1]
    total = torch.logaddexp(state.blank, state.label)
    longer = total[..., None] + frame[:, None] - penalty  # (utterances, beam, symbols)
    again = state.last[..., None]  # to say the same once more takes a blank between
    longer.scatter_(2, again, (state.blank + frame.gather(1, state.last) - penalty)[..., None])
    if language is not None:
        longer = longer + language.table[state.context]
    longer[..., BLANK] = _NEVER
    blank = total + frame[:, BLANK, None]
    joined, longer = _joined(state, longer)
    label = torch.logaddexp(state.label + frame.gather(1, state.last), joined)
    best = torch.cat([torch.logaddexp(blank, label), longer.flatten(1)], 1).topk(beam)
    stays = best.indices < beam
    source = torch.where(stays, best.indices, (best.indices - beam) // symbols)
    added = torch.where(stays, BLANK, (best.indices - beam) % symbols)
    parts = (blank, label, state.last, state.number, state.parent, state.context)
    old = _Beam(*(part.gather(1, source) for part in parts))
    context = old.context if language is None else language.following(old.context, added)
    new = _Beam(torch.full_like(blank, _NEVER), best.values, added, _number(old.number, added), old.number, context)
    new = old.best(stays, new)
    dead = best.values == _NEVER
    new = new._replace(number=new.number.masked_fill(dead, _NO_PREFIX), parent=new.parent.masked_fill(dead, _NO_PARENT))
    return new, source, added


def _joined(state: _Beam, longer: Tensor) -> tuple[Tensor, Tensor]:
    """Where a prefix grows into another that is there already: the score that comes to the latter, (utterances, beam),
    and the scores of growing without these."""
    children = state.last[:, None].expand(*state.last.shape, -1)  # (utterances, prefix, child)
    mine = state.number[:, :, None] == state.parent[:, None]
    joined = torch.where(mine, longer.gather(2, children), _NEVER).amax(1)
    taken = torch.where(mine, _NEVER, float("inf"))
    return joined, longer.scatter_reduce(2, children, taken, "amin")


def _number(before: Tensor, label: Tensor) -> Tensor:
    return before * _FACTOR + (label + 1) * _STEP


def _rows(steps: Sequence[tuple[Tensor, Tensor]], state: _Beam) -> Iterator[list[Said]]:
    """The prefixes that are alive at the end, read backwards along the steps."""
    place = torch.arange(state.blank.shape[1], device=state.blank.device).expand_as(state.blank)
    labels = []
    for source, label in reversed(steps):
        labels.append(label.gather(1, place))
        place = source.gather(1, place)
    rows = torch.stack(labels[::-1], -1).cpu()  # (utterances, beam, frames)
    totals = torch.logaddexp(state.blank, state.label).cpu()
    for prefixes, scores in zip(rows, totals, strict=True):
        alive = [(row[row != BLANK].tolist(), score) for row, score in zip(prefixes, scores.tolist(), strict=True)]
        yield [Said(tuple(row), score) for row, score in alive if score > _NEVER]
