"""The CTC loss is what brute force and PyTorch say, and its gradient is the slope of its value."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck

from aligner_core.ctc import (
    Reduction,
    ctc_loss,
    ctc_loss_by_definition,
    ctc_occupancies,
    ctc_paths,
    prior_ctc_loss,
)
from aligner_core.errors import AlignmentError

Batch = tuple[Tensor, tuple[Tensor, Tensor, Tensor]]


def batch(seed: int, frames: int = 9, labels: int = 4, size: int = 4, symbols: int = 4) -> Batch:
    """Scores before the softmax; targets with repeats, and lengths: the first target empty, the last too long."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(frames, size, symbols, dtype=torch.float64, generator=generator) * 2
    targets = torch.randint(1, symbols, (size, labels), generator=generator)
    input_lengths = torch.randint(2 * labels, frames + 1, (size,), generator=generator)
    target_lengths = torch.randint(1, labels + 1, (size,), generator=generator)
    target_lengths[0], input_lengths[-1], target_lengths[-1] = 0, labels - 1, labels
    return logits, (targets, input_lengths, target_lengths)


def merged(path: tuple[int, ...]) -> list[int]:
    """Labels of a path: repeats merged, blanks dropped."""
    return [symbol for symbol, _ in itertools.groupby(path) if symbol]


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_loss_is_the_sum_over_all_paths(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(5, 1, 3, dtype=torch.float64, generator=generator)  # not normalised
    size = int(torch.randint(0, 4, (), generator=generator))
    targets = torch.randint(1, 3, (1, size), generator=generator)
    paths = [p for p in itertools.product(range(3), repeat=5) if merged(p) == targets[0].tolist()]
    totals = [sum(float(scores[t, 0, symbol]) for t, symbol in enumerate(path)) for path in paths]
    loss = ctc_loss(scores, targets, torch.tensor([5]), torch.tensor([size]), reduction="none")
    if paths:
        assert float(loss[0]) == pytest.approx(-float(torch.tensor(totals, dtype=torch.float64).logsumexp(0)))
    else:
        assert float(loss[0]) == float("inf")


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["none", "sum", "mean"]), st.booleans())
def test_loss_equals_pytorch(seed: int, reduction: Reduction, zero_infinity: bool) -> None:
    logits, rest = batch(seed)
    x = logits.log_softmax(-1)
    ours = ctc_loss(x, *rest, reduction=reduction, zero_infinity=zero_infinity)
    theirs = F.ctc_loss(x, *rest, reduction=reduction, zero_infinity=zero_infinity)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_gradient_equals_pytorch_where_frames_are_normalised(seed: int) -> None:
    logits, rest = batch(seed)
    gradients = []
    for loss in (F.ctc_loss, ctc_loss, ctc_loss_by_definition):
        x = logits.clone().requires_grad_()
        loss(x.log_softmax(-1), *rest, reduction="sum", zero_infinity=True).backward()  # type: ignore[no-untyped-call]
        gradients.append(x.grad)
    for mine in gradients[1:]:
        torch.testing.assert_close(mine, gradients[0], rtol=1e-6, atol=1e-6)


def test_another_blank_only_renames_symbols() -> None:
    logits, (targets, frames, labels) = batch(1)
    renamed = logits.roll(-1, -1)  # symbol 1 is 0 now, and the blank the last
    expected = ctc_loss(logits, targets, frames, labels, reduction="none")
    assert ctc_loss(renamed, targets - 1, frames, labels, blank=3, reduction="none").equal(expected)


@pytest.mark.parametrize("loss", [ctc_loss, ctc_loss_by_definition])
def test_gradient_is_the_slope_without_normalising(loss: Any) -> None:
    logits, rest = batch(2, frames=8, labels=3)
    x = logits.requires_grad_()
    assert gradcheck(lambda x: loss(x, *rest, reduction="none", zero_infinity=True), (x,))


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["none", "sum", "mean"]), st.booleans())
def test_both_ways_to_compute_it_agree(seed: int, reduction: Reduction, zero_infinity: bool) -> None:
    logits, rest = batch(seed)
    losses = [
        f(logits, *rest, reduction=reduction, zero_infinity=zero_infinity) for f in (ctc_loss, ctc_loss_by_definition)
    ]
    torch.testing.assert_close(*losses)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_alpha_and_beta_meet_in_every_frame(seed: int) -> None:
    logits, (targets, frames, labels) = batch(seed)
    paths = ctc_paths(logits, targets, frames, labels)
    loss = ctc_loss(logits, targets, frames, labels, reduction="none")
    states = torch.zeros(4, 9, dtype=torch.long)
    states[:, 1::2] = targets
    through = paths.alpha + paths.beta - logits.gather(2, states.expand(9, -1, -1))
    for i in range(3):  # the last cannot be said
        n = int(frames[i])
        torch.testing.assert_close(through[:n, i].logsumexp(-1), -loss[i].expand(n))
        torch.testing.assert_close(paths.states[:n, i].sum(-1), torch.ones(n, dtype=torch.float64))
        assert float(paths.states[n:, i].abs().sum()) == 0


def test_occupancies_are_the_posterior_given_the_target() -> None:
    scores = torch.randn(4, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    counts = torch.zeros(4, 3, dtype=torch.float64)
    for path in itertools.product(range(3), repeat=4):
        if merged(path) == [2, 1]:
            counts[range(4), path] += scores[range(4), 0, path].sum().exp()
    found = ctc_occupancies(scores, torch.tensor([[2, 1]]), torch.tensor([4]), torch.tensor([2]))[:, 0]
    torch.testing.assert_close(found, counts / counts.sum(1, keepdim=True))


def test_what_cannot_be_said_is_infinite_and_pulls_nowhere() -> None:
    logits = torch.zeros(2, 1, 3, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[1, 1]])  # needs a blank between: three frames
    loss = ctc_loss(logits, target, torch.tensor([2]), torch.tensor([2]))
    assert float(loss.detach()) == float("inf")
    (slope,) = torch.autograd.grad(loss, logits)
    assert slope.equal(torch.zeros_like(slope))


def test_impossible_symbols_leave_finite_gradients() -> None:
    x = torch.full((3, 1, 3), float("-inf"), dtype=torch.float64)
    x[:, 0, 1] = 0.0
    x.requires_grad_()
    loss = ctc_loss(x, torch.tensor([[1]]), torch.tensor([3]), torch.tensor([1]))
    (slope,) = torch.autograd.grad(loss, x)
    assert float(loss.detach()) == pytest.approx(0)
    assert bool(slope.isfinite().all())


def test_a_path_over_an_impossible_symbol_is_impossible() -> None:
    x = torch.zeros(3, 1, 3)
    x[:, 0, 1] = float("-inf")
    arguments = (torch.tensor([[1]]), torch.tensor([3]), torch.tensor([1]))
    assert float(ctc_loss(x, *arguments)) == float("inf")
    assert float(ctc_loss(x, *arguments, zero_infinity=True)) == 0


def test_padding_changes_nothing() -> None:
    logits, (targets, input_lengths, target_lengths) = batch(3)
    alone = [
        ctc_loss(logits[:t, i : i + 1], targets[i : i + 1, :n], torch.tensor([t]), torch.tensor([n]), reduction="sum")
        for i, (t, n) in enumerate(zip(input_lengths.tolist(), target_lengths.tolist(), strict=True))
    ]
    together = ctc_loss(logits, targets, input_lengths, target_lengths, reduction="none")
    torch.testing.assert_close(together, torch.stack(alone))


PRIOR = torch.tensor([0.7, 0.15, 0.1, 0.05], dtype=torch.float64).log()


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1), st.booleans(), st.sampled_from(["none", "sum", "mean"]))
def test_prior_loss_is_the_loss_of_divided_posteriors(
    seed: int, scale: float, zero_infinity: bool, reduction: Reduction
) -> None:
    logits, rest = batch(seed)
    divided = logits.log_softmax(-1) - scale * PRIOR
    expected = ctc_loss(divided, *rest, reduction=reduction, zero_infinity=zero_infinity)
    found = prior_ctc_loss(logits, PRIOR, *rest, scale=scale, reduction=reduction, zero_infinity=zero_infinity)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_prior_gradient_is_the_slope() -> None:
    logits, rest = batch(4, frames=8, labels=3)
    x = logits.requires_grad_()
    assert gradcheck(lambda x: prior_ctc_loss(x, PRIOR, *rest, reduction="sum", zero_infinity=True), (x,))


def test_prior_gradient_of_what_cannot_be_said_is_zero() -> None:
    logits, rest = batch(5)
    logits.requires_grad_()
    loss = prior_ctc_loss(logits, PRIOR, *rest, reduction="none")
    assert loss.isinf().tolist() == [False, False, False, True]
    (slope,) = torch.autograd.grad(loss[3], logits)
    assert slope.equal(torch.zeros_like(slope))


def test_dividing_by_the_prior_favours_rare_symbols() -> None:
    logits, rest = batch(6)
    x = logits.requires_grad_()
    pulls = []
    for scale in (0.0, 0.3):
        loss = prior_ctc_loss(x, PRIOR, *rest, scale=scale, reduction="sum", zero_infinity=True)
        pulls.append(torch.autograd.grad(loss, x)[0][..., 0].sum())
    assert float(pulls[1]) > float(pulls[0])  # the gradient on the blank: it is pushed down more


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"log_probs": torch.zeros(3, 2)}, "scores and targets of shapes"),
        ({"targets": torch.ones(2, dtype=torch.long)}, "scores and targets of shapes"),
        ({"targets": torch.ones(3, 2, dtype=torch.long)}, "scores and targets of shapes"),
        ({"input_lengths": torch.tensor([3, 4])}, r"input lengths \[3, 4\] \(2 of 1 to 3\)"),
        ({"input_lengths": torch.tensor([3, 0])}, r"input lengths \[3, 0\]"),
        ({"input_lengths": torch.tensor([3])}, r"input lengths \[3\]"),
        ({"target_lengths": torch.tensor([1, 3])}, r"target lengths \[1, 3\] \(2 of 0 to 2\)"),
        ({"target_lengths": torch.tensor([1, -1])}, r"target lengths \[1, -1\]"),
    ],
)
def test_contradictions_are_told(change: dict[str, Tensor], message: str) -> None:
    arguments: dict[str, Any] = {
        "log_probs": torch.zeros(3, 2, 4),
        "targets": torch.ones(2, 2, dtype=torch.long),
        "input_lengths": torch.tensor([3, 3]),
        "target_lengths": torch.tensor([1, 1]),
    }
    with pytest.raises(AlignmentError, match=message):
        ctc_loss(**{**arguments, **change})
