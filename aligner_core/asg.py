"""The auto segmentation criterion (Collobert et al. 2016, arXiv 1609.03193): as CTC, without a blank, and as a whole.

A path gives a symbol to each frame; its score is that of its symbols and of its transitions, which are learnt. The loss
is minus the log of the share that the paths of the target have of all paths, so nothing needs to be normalised frame by
frame. There is no blank, so silence has to be a symbol of the target like any other. A symbol that goes on and one that
is said twice are the same path: neighbours alike in a target count as one, and the loss is never negative.

`asg_loss` knows its gradient: what the target's paths take less than all paths do. `asg_loss_by_definition` is the same
by autograd, to check it with.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .ctc import Reduction, check, reduced, told
from .recursion import NEVER, band, band_paths, chain, chain_arcs, chain_paths


def asg_loss(
    scores: Tensor,
    transitions: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the log of the target's share of all paths.

    Args:
        scores: (frames, batch, symbols), any numbers.
        transitions: (symbols, symbols), score of the second after the first; staying is one too.
        targets: (batch, labels), padded with anything; each has one label or more.
        input_lengths, target_lengths: (batch,).
        reduction: "mean" divides each loss by its number of labels first.
        zero_infinity: what cannot be said counts 0; by default it is infinite, with a gradient of 0.

    Returns:
        (batch,) for "none", else a scalar.

    Raises:
        AlignmentError: shapes or lengths contradict each other.
    """
    check(scores, targets, input_lengths, target_lengths, fewest=1)
    lengths = input_lengths.to(scores.device)
    labels, counts = merged(targets.to(scores.device), target_lengths.to(scores.device))
    # What is added to all symbols of a frame changes nothing, and smaller numbers are rounded less.
    share: Any = _Share.apply
    loss = -share(scores.log_softmax(-1).clamp(min=NEVER), transitions, labels, lengths, counts)
    loss = loss.masked_fill(counts > lengths, float("inf"))
    return reduced(told(loss, zero_infinity), target_lengths, reduction)


def asg_loss_by_definition(
    scores: Tensor,
    transitions: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """`asg_loss`, differentiated step by step."""
    check(scores, targets, input_lengths, target_lengths, fewest=1)
    labels, counts = merged(targets, target_lengths)
    emissions, arcs, starts, _ = asg_band(scores.clamp(min=NEVER), transitions, labels, counts)
    last = (input_lengths - 1, torch.arange(len(targets)))
    mine = band(emissions, arcs, starts)[last][last[1], counts - 1]
    everything = chain(scores.clamp(min=NEVER)[:, None], transitions[None])[:, 0][last].logsumexp(-1)
    loss = everything - mine
    loss = loss.masked_fill(counts > input_lengths, float("inf"))
    return reduced(told(loss, zero_infinity), target_lengths, reduction)


def log_shares(scores: Tensor, transitions: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Log of the share of all paths that has each symbol in each frame: a posterior, as a softmax gives it where there
    are no transitions.

    Shape:
        (frames, batch, symbols), (symbols, symbols), (batch,) or all frames -> (frames, batch, symbols)
    """
    every = torch.full((scores.shape[1],), len(scores), device=scores.device) if lengths is None else lengths
    paths = chain_paths(scores, transitions, every)
    return (paths.alpha + paths.beta - scores).log_softmax(-1)  # they sum to one but for rounding


def merged(targets: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Targets (batch, labels) with neighbours alike as one, moved together and padded with 0, (batch, most), and how
    many are left, (batch,)."""
    place = torch.arange(targets.shape[1], device=targets.device)
    keep = torch.ones_like(targets, dtype=torch.bool)
    keep[:, 1:] = targets[:, 1:] != targets[:, :-1]
    keep &= place < lengths[:, None]
    counts = keep.sum(1)
    order = (~keep).long().argsort(stable=True, dim=1)[:, : int(counts.max())]
    place = place[: order.shape[1]]
    return targets.gather(1, order).masked_fill(place >= counts[:, None], 0), counts


class _Share(torch.autograd.Function):
    """Log of the share (batch,) that the paths of merged labels have of all paths."""

    @staticmethod
    def forward(
        ctx: Any, scores: Tensor, transitions: Tensor, labels: Tensor, lengths: Tensor, counts: Tensor
    ) -> Tensor:
        band_of = asg_band(scores, transitions, labels, counts)
        mine, all_paths = band_paths(*band_of, lengths), chain_paths(scores, transitions, lengths)
        wanted = (-all_paths.states).scatter_add_(2, labels.expand(len(scores), -1, -1), mine.states)
        ctx.save_for_backward(wanted, transitions, labels, lengths, mine.possible)
        ctx.paths = all_paths, mine.arcs(band_of[1], lengths)
        return mine.total - all_paths.total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (upstream,) = outputs
        wanted, transitions, labels, lengths, possible = ctx.saved_tensors
        all_paths, (stays, steps, _) = ctx.paths
        weights = torch.where(possible, upstream, 0.0)
        slope = -chain_arcs(all_paths, transitions, lengths, weights)
        slope.index_put_((labels, labels), stays * weights[:, None], accumulate=True)
        slope.index_put_((labels[:, :-1], labels[:, 1:]), (steps * weights[:, None])[:, 1:], accumulate=True)
        return wanted * weights[:, None], slope, None, None, None


def asg_band(
    scores: Tensor, transitions: Tensor, labels: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Emissions, arcs, starts and ends of `merged` targets, as `band_paths` takes them."""
    emissions = scores.gather(2, labels.expand(len(scores), -1, -1))
    stays = transitions[labels, labels]
    steps = torch.nn.functional.pad(transitions[labels[:, :-1], labels[:, 1:]], (1, 0), value=NEVER)
    place = torch.arange(labels.shape[1], device=labels.device).expand_as(labels)
    starts = torch.where(place == 0, 0.0, NEVER).to(scores)
    ends = torch.where(place == counts[:, None] - 1, 0.0, NEVER).to(scores)
    return emissions, torch.stack([stays, steps, torch.full_like(stays, NEVER)]), starts, ends
