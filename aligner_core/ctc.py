"""Connectionist temporal classification (Graves et al. 2006), written out in plain PyTorch.

`ctc_loss` is the definition: the forward recursion in log space, row by row, differentiated by autograd, so it is right
for input that is not normalised too. `prior_ctc_loss` is the one to train with. It uses the fast loss of PyTorch, whose
backward pass takes for granted that every frame's probabilities sum to 1.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import AlignmentError

Reduction = Literal["none", "sum", "mean"]
_NEVER = -1e30  # log of "impossible", finite so that its gradient is 0 and not NaN
_IMPOSSIBLE = 1e29  # a loss that only _NEVER explains


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the log of the summed scores of all ways to say the targets; arguments as `torch.nn.functional.ctc_loss`.

    Args:
        log_probs: (frames, batch, symbols); need not be normalised.
        targets: (batch, labels), padded with anything.
        input_lengths: (batch,) frames.
        target_lengths: (batch,) labels.
        blank: the symbol of saying nothing.
        reduction: "mean" divides each loss by its number of labels first.
        zero_infinity: what cannot be said counts 0; by default it is infinite, with a gradient of 0.

    Returns:
        (batch,) for "none", else a scalar.

    Raises:
        AlignmentError: shapes or lengths contradict each other.
    """
    check(log_probs, targets, input_lengths, target_lengths)
    states, skips = _states(targets, blank)
    emissions = log_probs.clamp(min=_NEVER).gather(2, states.expand(len(log_probs), -1, -1))
    rows = _forward(emissions, skips)
    batch = torch.arange(len(targets), device=log_probs.device)
    last = rows[input_lengths.to(rows.device) - 1, batch]
    blanks = 2 * target_lengths.to(rows.device)
    ends = torch.stack([last[batch, blanks], last[batch, (blanks - 1).clamp(min=0)]])
    ends = torch.where(torch.stack([blanks >= 0, blanks > 0]), ends, _NEVER)
    loss = -ends.logsumexp(0)
    loss = torch.where(loss < _IMPOSSIBLE, loss, 0.0 if zero_infinity else float("inf"))
    return reduced(loss, target_lengths, reduction)


def prior_ctc_loss(
    logits: Tensor,
    log_prior: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    scale: float = 0.3,
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """CTC on posteriors divided by `prior ** scale`, which keeps the blank from taking all (Huang et al. 2024).

    With q = log_softmax(logits) - scale * log_prior, each frame adds its logsumexp(q) to the score of every path alike:
    normalise q for PyTorch's loss, then take those sums off again, and value and gradient are exact.

    Args:
        logits: (frames, batch, symbols) before the softmax.
        log_prior: (symbols,) log of how often the model says each symbol.
        scale: above 0.3 training may diverge.

    Other arguments, result and errors as `ctc_loss`.
    """
    check(logits, targets, input_lengths, target_lengths)
    q = logits.log_softmax(-1) - scale * log_prior
    lengths = (input_lengths, target_lengths)
    loss = F.ctc_loss(q.log_softmax(-1), targets, *lengths, blank, reduction="none", zero_infinity=True)
    inside = torch.arange(len(q), device=q.device)[:, None] < input_lengths.to(q.device)
    loss = loss - torch.where(inside, q.logsumexp(-1), 0.0).sum(0)
    possible = (_frames_needed(targets, target_lengths) <= input_lengths.to(targets.device)).to(q.device)
    return reduced(torch.where(possible, loss, 0.0 if zero_infinity else float("inf")), target_lengths, reduction)


def _states(targets: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """Symbols (batch, 2 * labels + 1) with blanks around the labels; where a state may be entered from two before."""
    states = torch.full((len(targets), 2 * targets.shape[1] + 1), blank, dtype=torch.long, device=targets.device)
    states[:, 1::2] = targets
    skips = (states != blank) & (states != F.pad(states, (2, 0), value=blank)[:, :-2])
    return states, skips


def _forward(emissions: Tensor, skips: Tensor) -> Tensor:
    """Log of the summed scores of all ways to be in each state in each frame; (frames, batch, states)."""
    start = torch.arange(emissions.shape[2], device=emissions.device) < 2
    row = torch.where(start, emissions[0], _NEVER)
    rows = [row]
    for emission in emissions[1:]:
        step = F.pad(row, (1, 0), value=_NEVER)[:, :-1]
        skip = torch.where(skips, F.pad(row, (2, 0), value=_NEVER)[:, :-2], _NEVER)
        row = torch.stack([row, step, skip]).logsumexp(0) + emission
        rows.append(row)
    return torch.stack(rows)


def _frames_needed(targets: Tensor, target_lengths: Tensor) -> Tensor:
    """int (batch,): as many frames as labels, and one for the blank between two that are alike."""
    lengths = target_lengths.to(targets.device)
    inside = torch.arange(targets.shape[1], device=targets.device)[1:] < lengths[:, None]
    return lengths + ((targets[:, 1:] == targets[:, :-1]) & inside).sum(1)


def reduced(loss: Tensor, target_lengths: Tensor, reduction: Reduction) -> Tensor:
    """Losses (batch,) as `reduction` says; see `ctc_loss`."""
    if reduction == "sum":
        return loss.sum()
    if reduction == "mean":
        return (loss / target_lengths.to(loss.device).clamp(min=1)).mean()
    return loss


def check(log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor, fewest: int = 0) -> None:
    """Refuse what contradicts itself; each target has at least `fewest` labels.

    Raises:
        AlignmentError: shapes or lengths do.
    """
    if log_probs.ndim != 3 or targets.ndim != 2 or log_probs.shape[1] != len(targets):
        shapes = f"{tuple(log_probs.shape)} and {tuple(targets.shape)}"
        raise AlignmentError(f"scores and targets of shapes {shapes}", hint="(frames, batch, symbols), (batch, labels)")
    for name, lengths, least, most in (
        ("input", input_lengths, 1, len(log_probs)),
        ("target", target_lengths, fewest, targets.shape[1]),
    ):
        if lengths.shape != (len(targets),) or bool(((lengths < least) | (lengths > most)).any()):
            raise AlignmentError(f"{name} lengths {lengths.tolist()}", hint=f"{len(targets)} of {least} to {most}")
