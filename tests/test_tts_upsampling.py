"""From phones to frames: pieces, mixtures, and where one phone gives way to the next."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from aligner_core.tts.upsampling import LONGEST, GaussianUpsampling, Pieces, room, split

LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=12)
UPSAMPLING = GaussianUpsampling()


def shares(durations: list[int], sigma: float = 1.5) -> Tensor:
    """Share of each phone in each frame, (frames, phones)."""
    cut = split(torch.tensor([durations]))
    weights = GaussianUpsampling(sigma).weights(cut, sum(durations))[0].detach()
    owner = torch.nn.functional.one_hot(cut.phone[0], len(durations)) * cut.mask[0, :, None]
    return weights @ owner.float()


def slow_weights(cut: Pieces, frames: int, sigma: float) -> Tensor:
    """One number at a time, as the paper writes it."""
    out = torch.zeros(frames, cut.phone.shape[1], dtype=torch.float64)
    for t in range(frames):
        densities = [
            -(((t + 0.5 - c) / sigma) ** 2) / 2 - math.log(sigma) if real else -math.inf
            for c, real in zip(cut.middle[0].tolist(), cut.mask[0].tolist(), strict=True)
        ]
        out[t] = torch.tensor(densities, dtype=torch.float64).softmax(0)
    return out


@given(LENGTHS)
@settings(deadline=None, max_examples=60)
def test_pieces_tile_the_line_and_none_is_long(durations: list[int]) -> None:
    cut = split(torch.tensor([durations]))
    assert bool(cut.mask.all())
    assert float(cut.length.max()) <= LONGEST
    assert float(cut.length.sum()) == pytest.approx(sum(durations), rel=1e-5)
    ends = cut.start + cut.length
    torch.testing.assert_close(cut.start[0, 1:], ends[0, :-1], atol=1e-2, rtol=0)
    assert cut.phone.shape[1] <= room(sum(durations), len(durations))
    assert torch.bincount(cut.phone[0], minlength=len(durations)).tolist() == [-(-d // LONGEST) for d in durations]


@given(st.lists(st.integers(3, 400), min_size=2, max_size=8))
@settings(deadline=None, max_examples=60)
def test_the_boundary_of_the_weights_is_within_a_frame_of_the_forced_one(durations: list[int]) -> None:
    share = shares(durations)
    edge = 0
    for at, length in enumerate(durations[:-1]):
        edge += length
        later = share[:, at + 1 :].sum(1)
        assert int((later < 0.5).sum()) == pytest.approx(edge, abs=1)


@given(LENGTHS, st.floats(0.7, 3))
@settings(deadline=None, max_examples=20)
def test_every_frame_is_shared_out_wholly(durations: list[int], sigma: float) -> None:
    share = shares(durations, sigma)
    torch.testing.assert_close(share.sum(1), torch.ones(sum(durations)), atol=1e-4, rtol=0)


def test_the_vectorised_weights_are_those_of_the_paper() -> None:
    cut = split(torch.tensor([[4, 17, 1, 9]]))
    fast = UPSAMPLING.weights(cut, 31)[0].double()
    torch.testing.assert_close(fast, slow_weights(cut, 31, 1.5), atol=1e-5, rtol=1e-4)


def test_padding_and_spare_room_change_nothing() -> None:
    lines = torch.tensor([[4, 30, 2, 0, 0], [7, 1, 1, 12, 60]])
    cut = split(lines, room(81, 5))
    both = UPSAMPLING.weights(cut, 81).detach()
    alone = split(lines[:1, :3])
    one = UPSAMPLING.weights(alone, 36)[0]
    torch.testing.assert_close(both[0, :36, : one.shape[1]], one)
    assert float(both[0, :, one.shape[1] :].abs().max()) == 0


def test_extra_pieces_go_to_the_phones_that_ask_for_them() -> None:
    cut = split(torch.tensor([[4, 6, 0]]), extra=torch.tensor([[2, 0, 5]]))
    assert cut.phone[0].tolist() == [0, 0, 0, 1, 1]
    torch.testing.assert_close(cut.length[0], torch.tensor([4 / 3, 4 / 3, 4 / 3, 3, 3]))
    assert cut.into[0].tolist() == pytest.approx([0, 4 / 3, 8 / 3, 0, 3])


def test_a_wide_sigma_learns_to_be_narrow() -> None:
    cut = split(torch.tensor([[5, 5, 5]]))
    goal = torch.eye(3).repeat_interleave(5, 0)
    network = GaussianUpsampling(4.0)
    before = network.log_sigma.item()
    for _ in range(20):
        loss = (network(torch.eye(3)[None], cut, 15)[0] - goal).square().mean()
        network.log_sigma.grad = None
        loss.backward()
        assert network.log_sigma.grad is not None
        network.log_sigma.data -= 5 * network.log_sigma.grad
    assert network.log_sigma.item() < before - 0.5
