"""The auto segmentation criterion is what brute force says, and its gradient is the slope of its value."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck

from aligner_core.asg import asg_loss, asg_loss_by_definition, log_shares, merged
from aligner_core.errors import AlignmentError

Batch = tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]
seeds = st.integers(0, 10_000)


def batch(seed: int, frames: int = 9, labels: int = 4, size: int = 4, symbols: int = 4) -> Batch:
    """Scores, transitions, targets with repeats and lengths; the last target cannot be said."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(frames, size, symbols, dtype=torch.float64, generator=generator) * 2
    transitions = torch.randn(symbols, symbols, dtype=torch.float64, generator=generator)
    targets = torch.randint(0, symbols, (size, labels), generator=generator)
    input_lengths = torch.randint(min(labels, frames), frames + 1, (size,), generator=generator)
    target_lengths = torch.randint(1, labels + 1, (size,), generator=generator)
    targets[-1], target_lengths[-1], input_lengths[-1] = torch.arange(labels) % 2, labels, labels - 1
    return scores, transitions, (targets, input_lengths, target_lengths)


def said(path: tuple[int, ...]) -> list[int]:
    """Symbols of a path, repeats merged."""
    return [symbol for symbol, _ in itertools.groupby(path)]


def score(path: tuple[int, ...], scores: Tensor, transitions: Tensor) -> Tensor:
    """Of one path through scores (frames, symbols)."""
    return scores[range(len(path)), list(path)].sum() + transitions[list(path[:-1]), list(path[1:])].sum()


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_loss_is_the_share_of_the_paths_that_say_the_target(seed: int) -> None:
    scores, transitions, (targets, _, _) = batch(seed, frames=4, size=1, symbols=3)
    every = {path: score(path, scores[:, 0], transitions) for path in itertools.product(range(3), repeat=4)}
    for labels in range(1, 5):
        wanted = said(tuple(targets[0, :labels].tolist()))
        mine = [value for path, value in every.items() if said(path) == wanted]
        expected = torch.stack(list(every.values())).logsumexp(0) - torch.stack(mine).logsumexp(0)
        loss = asg_loss(scores, transitions, targets, torch.tensor([4]), torch.tensor([labels]), reduction="sum")
        torch.testing.assert_close(loss, expected)


@settings(deadline=None, max_examples=50)
@given(seeds, st.sampled_from(["none", "sum", "mean"]), st.booleans())
def test_both_ways_to_compute_it_agree_in_value_and_gradient(seed: int, reduction: str, zero_infinity: bool) -> None:
    scores, transitions, rest = batch(seed)
    found = []
    for loss in (asg_loss, asg_loss_by_definition):
        x, y = scores.clone().requires_grad_(), transitions.clone().requires_grad_()
        value = loss(x, y, *rest, reduction=reduction, zero_infinity=zero_infinity)  # type: ignore[arg-type]
        finite = torch.where(value.isfinite(), value, 0.0).sum()
        found.append((value.detach(), *torch.autograd.grad(finite, (x, y))))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


def test_its_gradient_is_the_slope() -> None:
    scores, transitions, rest = batch(2, frames=7, labels=3)
    x, y = scores.requires_grad_(), transitions.requires_grad_()
    for loss in (asg_loss, asg_loss_by_definition):
        assert gradcheck(lambda x, y: loss(x, y, *rest, reduction="none", zero_infinity=True), (x, y))  # noqa: B023


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_losses_are_never_negative_and_all_targets_share_one(seed: int) -> None:
    scores, transitions, _ = batch(seed, frames=3, size=1, symbols=2)
    targets = [[0], [1], [0, 1], [1, 0], [0, 1, 0], [1, 0, 1]]
    losses = [
        asg_loss(scores, transitions, torch.tensor([x]), torch.tensor([3]), torch.tensor([len(x)]), reduction="sum")
        for x in targets
    ]
    assert min(losses) >= 0
    assert float(torch.stack(losses).neg().exp().sum()) == pytest.approx(1)


def test_without_transitions_all_paths_are_what_a_softmax_leaves() -> None:
    scores, _, (targets, frames, labels) = batch(3)
    none = torch.zeros(4, 4, dtype=torch.float64)
    plain = asg_loss(scores, none, targets, frames, labels, reduction="none")
    normal = asg_loss(scores.log_softmax(-1), none, targets, frames, labels, reduction="none")
    torch.testing.assert_close(plain, normal)
    torch.testing.assert_close(log_shares(scores, none), scores.log_softmax(-1))


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_shares_are_those_of_all_paths(seed: int) -> None:
    scores, transitions, _ = batch(seed, frames=4, size=1, symbols=3)
    counts = torch.zeros(4, 3, dtype=torch.float64)
    for path in itertools.product(range(3), repeat=4):
        counts[range(4), path] += score(path, scores[:, 0], transitions).exp()
    torch.testing.assert_close(log_shares(scores, transitions)[:, 0].exp(), counts / counts.sum(1, keepdim=True))


def test_padding_changes_nothing() -> None:
    scores, transitions, (targets, input_lengths, target_lengths) = batch(4)
    alone = [
        asg_loss(
            scores[:t, i : i + 1], transitions, targets[i : i + 1, :n], torch.tensor([t]), torch.tensor([n]),
            reduction="sum",
        )
        for i, (t, n) in enumerate(zip(input_lengths.tolist(), target_lengths.tolist(), strict=True))
    ]  # fmt: skip
    targets[torch.arange(4) >= target_lengths[:, None]] = -1
    together = asg_loss(scores, transitions, targets, input_lengths, target_lengths, reduction="none")
    torch.testing.assert_close(together, torch.stack(alone))


def test_a_thousand_frames_of_float32_keep_their_precision() -> None:
    generator = torch.Generator().manual_seed(5)
    scores = 5 * torch.randn(1000, 2, 40, generator=generator, dtype=torch.float64)
    transitions = torch.randn(40, 40, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 40, (2, 80), generator=generator)
    lengths = torch.tensor([1000, 900]), torch.tensor([80, 60])
    found = []
    for kind in (torch.float32, torch.float64):
        x, y = scores.to(kind).requires_grad_(), transitions.to(kind).requires_grad_()
        loss = asg_loss(x, y, targets, *lengths, reduction="sum")
        found.append((loss.detach().double(), *(g.double() for g in torch.autograd.grad(loss, (x, y)))))
    torch.testing.assert_close(*(one[0] for one in found), rtol=1e-5, atol=0)
    torch.testing.assert_close(*(one[1] for one in found), rtol=0, atol=5e-3)
    torch.testing.assert_close(*(one[2] for one in found), rtol=1e-3, atol=0.2)


def test_what_cannot_be_said_is_infinite_and_pulls_nowhere() -> None:
    x = torch.zeros(2, 1, 3, dtype=torch.float64, requires_grad=True)
    y = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    loss = asg_loss(x, y, torch.tensor([[0, 1, 2]]), torch.tensor([2]), torch.tensor([3]))
    assert float(loss.detach()) == float("inf")
    assert [float(slope.abs().max()) for slope in torch.autograd.grad(loss, (x, y))] == [0, 0]


def test_neighbours_alike_are_merged_and_padding_is_not() -> None:
    labels, counts = merged(torch.tensor([[2, 2, 0, 0], [1, 1, 1, 3], [3, 1, 3, 3]]), torch.tensor([3, 4, 2]))
    assert counts.tolist() == [2, 2, 2]
    assert labels[:, :2].tolist() == [[2, 0], [1, 3], [3, 1]]


def test_an_empty_target_is_refused() -> None:
    scores, transitions, (targets, frames, _) = batch(6, size=2)
    with pytest.raises(AlignmentError, match=r"target lengths \[0, 1\] \(2 of 1 to 4\)"):
        asg_loss(scores, transitions, targets, frames, torch.tensor([0, 1]))
