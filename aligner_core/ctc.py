"""Connectionist temporal classification (Graves et al. 2006), written out in plain PyTorch.

A path gives a symbol or the blank to each frame; it says its symbols, repeats merged and blanks dropped. The states of
a target are its labels with a blank before, between and after them; alpha sums up all ways to a state in a frame, beta
all ways on from it, and what they say together is how often the paths of the target are there: the occupancy, which is
all that the gradient consists of.

`ctc_loss` computes it that way, `ctc_loss_by_definition` lets autograd do it, to check the first with. Both are right
for input that is not normalised, too. `prior_ctc_loss` is the one to train with. It uses the fast loss of PyTorch,
whose backward pass takes for granted that every frame's probabilities sum to 1.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .errors import AlignmentError
from .recursion import IMPOSSIBLE, NEVER, Paths, band, band_paths

Reduction = Literal["none", "sum", "mean"]
Band = tuple[Tensor, Tensor, Tensor, Tensor]


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
    score: Any = _Score.apply
    loss = -score(log_probs.clamp(min=NEVER), targets, input_lengths, target_lengths, blank)
    return reduced(told(loss, zero_infinity), target_lengths, reduction)


def ctc_loss_by_definition(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """`ctc_loss`, differentiated step by step."""
    check(log_probs, targets, input_lengths, target_lengths)
    emissions, arcs, starts, ends = ctc_band(log_probs.clamp(min=NEVER), targets, target_lengths, blank)
    rows = band(emissions, arcs, starts)
    last = rows[input_lengths.to(rows.device) - 1, torch.arange(len(targets), device=rows.device)]
    loss = -(last + ends).logsumexp(-1)
    return reduced(told(loss, zero_infinity), target_lengths, reduction)


def ctc_paths(
    log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor, blank: int = 0
) -> Paths:
    """Alpha, beta and the occupancy of each state (frames, batch, 2 * labels + 1): the blanks are at the even places.

    Arguments and errors as `ctc_loss`.
    """
    check(log_probs, targets, input_lengths, target_lengths)
    states = ctc_band(log_probs.clamp(min=NEVER), targets, target_lengths, blank)
    return band_paths(*states, input_lengths.to(log_probs.device))


def ctc_occupancies(
    log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor, blank: int = 0
) -> Tensor:
    """How likely each symbol is in each frame, given that the target is said: (frames, batch, symbols), minus the
    gradient of the loss. Zero where nothing can be said; arguments and errors as `ctc_loss`."""
    paths = ctc_paths(log_probs, targets, input_lengths, target_lengths, blank)
    return _of_symbols(paths, log_probs, targets, target_lengths, blank)


class _Score(torch.autograd.Function):
    """Log of the summed scores (batch,) of all ways to say the targets."""

    @staticmethod
    def forward(
        ctx: Any, log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor, blank: int
    ) -> Tensor:
        states = ctc_band(log_probs, targets, target_lengths, blank)
        paths = band_paths(*states, input_lengths.to(log_probs.device))
        ctx.save_for_backward(_of_symbols(paths, log_probs, targets, target_lengths, blank))
        return paths.total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (upstream,), (taken,) = outputs, ctx.saved_tensors
        return taken * upstream[:, None], None, None, None, None


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
    return reduced(told(loss.masked_fill(~possible, float("inf")), zero_infinity), target_lengths, reduction)


def _states(targets: Tensor, target_lengths: Tensor, blank: int) -> Tensor:
    """Symbols (batch, 2 * labels + 1) with blanks around the labels, and in the place of padding."""
    place = torch.arange(targets.shape[1], device=targets.device)
    states = torch.full((len(targets), 2 * targets.shape[1] + 1), blank, dtype=torch.long, device=targets.device)
    states[:, 1::2] = targets.masked_fill(place >= target_lengths.to(targets.device)[:, None], blank)
    return states


def ctc_band(log_probs: Tensor, targets: Tensor, target_lengths: Tensor, blank: int) -> Band:
    """Emissions, arcs, starts and ends of the targets, as `band_paths` takes them."""
    states = _states(targets.to(log_probs.device), target_lengths, blank)
    place = torch.arange(states.shape[1], device=states.device)
    skips = (states != blank) & (states != F.pad(states, (2, 0), value=blank)[:, :-2])
    allowed = torch.stack([torch.ones_like(skips), (place > 0).expand_as(skips), skips])
    blanks = 2 * target_lengths.to(states.device)[:, None]
    ends = (place == blanks) | (place == blanks - 1)
    begins = (place < 2).expand_as(ends)
    arcs, starts, stops = (torch.where(one, 0.0, NEVER).to(log_probs) for one in (allowed, begins, ends))
    return log_probs.gather(2, states.expand(len(log_probs), -1, -1)), arcs, starts, stops


def _of_symbols(paths: Paths, log_probs: Tensor, targets: Tensor, target_lengths: Tensor, blank: int) -> Tensor:
    states = _states(targets.to(log_probs.device), target_lengths, blank)
    return torch.zeros_like(log_probs).scatter_add_(2, states.expand(len(log_probs), -1, -1), paths.states)


def told(loss: Tensor, zero_infinity: bool) -> Tensor:
    """Losses (batch,) as they are told: of what cannot be said 0 or infinite, without a gradient."""
    return torch.where(loss < -IMPOSSIBLE, loss, 0.0 if zero_infinity else float("inf"))


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
