"""An n-gram model is a probability, learns what follows what, and scores a row by its parts."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aligner_core.errors import AlignmentError
from aligner_core.ngram import START, WEIGHT, NGram

rows = st.lists(st.lists(st.integers(1, 3), max_size=8), max_size=6)


@given(rows, st.integers(1, 3))
def test_after_every_context_the_probabilities_sum_to_one(rows: list[list[int]], order: int) -> None:
    model = NGram.of(rows, 4, order)
    assert model.table.shape == (4 ** (order - 1), 4)
    torch.testing.assert_close(model.table.exp().sum(1), torch.ones(len(model.table)))
    assert not bool(model.table[:, START].isfinite().any())
    assert bool(model.table[:, START + 1 :].isfinite().all())


def test_nothing_read_makes_all_sounds_alike() -> None:
    assert NGram.of([], 5, 2).score([1, 4, 2]) == pytest.approx(3 * math.log(1 / 4))


def test_what_followed_often_is_likely_to_follow() -> None:
    model = NGram.of([[1, 2, 3]] * 50, 4, 3)
    assert model.score([1, 2, 3]) > -0.5
    assert model.score([1, 2, 3]) > model.score([1, 3, 2]) + 3


def test_counts_are_mixed_with_the_shorter_model() -> None:
    model = NGram.of([[1, 2]], 3, 2)
    one = (1 + WEIGHT / 2) / (2 + WEIGHT)  # of either sound, by itself
    assert float(model.table[1, 2].exp()) == pytest.approx((1 + WEIGHT * one) / (1 + WEIGHT))
    assert float(model.table[1, 1].exp()) == pytest.approx(WEIGHT * one / (1 + WEIGHT))


@given(st.lists(st.integers(1, 3), min_size=1, max_size=6), st.integers(1, 3))
def test_contexts_go_along_a_row(row: list[int], order: int) -> None:
    model = NGram.of([row], 4, order)
    context, score = torch.tensor(0), 0.0
    for symbol in row:
        score += float(model.table[context, symbol])
        context = model.following(context, torch.tensor(symbol))
    assert model.score(row) == pytest.approx(score, abs=1e-5)
    assert model.scaled(0.5).score(row) == pytest.approx(score / 2, abs=1e-5)


@pytest.mark.parametrize("order", [0, 6])
def test_a_table_that_cannot_be_is_refused(order: int) -> None:
    with pytest.raises(AlignmentError, match=f"order {order} over 40 symbols"):
        NGram.of([[1]], 40, order)
