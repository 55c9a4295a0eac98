"""Sounds read off posteriors: by the best symbol of each frame, and by a beam that sums all ways to say the same."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from aligner_core.acoustic.cnn import SYMBOLS
from aligner_core.ctc import ctc_loss
from aligner_core.ngram import NGram
from aligner_core.recognise import Said, beam_search, greedy, voices

WIDE = 128  # beam that keeps every prefix of a tiny case
seeds = st.integers(0, 10_000)


def posteriors(seed: int, frames: int, symbols: int = 3) -> Tensor:
    logits = 2 * torch.randn(frames, symbols, generator=torch.Generator().manual_seed(seed))
    return logits.log_softmax(-1)


def path(*symbols: int) -> Tensor:
    return F.one_hot(torch.tensor(symbols, dtype=torch.long), 4).float().log()


def all_ways(scores: Tensor, penalty: float) -> dict[tuple[int, ...], float]:
    """The score of every row of sounds, from every path of symbols."""
    ways: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
    for symbols in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        labels = tuple(symbol for symbol, _ in itertools.groupby(symbols) if symbol)
        ways[labels].append(scores[range(len(scores)), symbols].sum() - penalty * len(labels))
    return {labels: float(torch.stack(each).logsumexp(0)) for labels, each in ways.items()}


@settings(max_examples=60)
@given(seeds, st.lists(st.integers(1, 6), min_size=1, max_size=3), st.sampled_from([0.0, 0.7, -1.0]))
def test_a_wide_beam_finds_every_row_of_sounds_with_the_score_of_all_its_ways(
    seed: int, lengths: list[int], penalty: float
) -> None:
    scores = [posteriors(seed + at, frames) for at, frames in enumerate(lengths)]
    for one, found in zip(scores, beam_search(scores, WIDE, penalty), strict=True):
        wanted = all_ways(one, penalty)
        assert {said.labels: said.score for said in found} == pytest.approx(wanted, abs=1e-4)
        assert [said.score for said in found] == sorted((said.score for said in found), reverse=True)


@settings(max_examples=40)
@given(seeds, st.integers(1, 3), st.sampled_from([0.3, 1.0]))
def test_a_language_model_adds_its_score_to_every_row_of_sounds(seed: int, order: int, weight: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(1, 3, (5,), generator=generator).tolist() for _ in range(4)]
    language = NGram.of(rows, 3, order).scaled(weight)
    scores = posteriors(seed, 5)
    wanted = {labels: score + language.score(labels) for labels, score in all_ways(scores, 0.0).items()}
    found = beam_search([scores], WIDE, language=language)[0]
    assert {said.labels: said.score for said in found} == pytest.approx(wanted, abs=1e-4)


@settings(max_examples=30)
@given(seeds, st.integers(1, 4))
def test_a_narrow_beam_finds_less_and_claims_no_more(seed: int, beam: int) -> None:
    scores = posteriors(seed, 6)
    everything = {said.labels: said.score for said in beam_search([scores], WIDE)[0]}
    found = beam_search([scores], beam)[0]
    assert 1 <= len(found) <= beam
    assert len({said.labels for said in found}) == len(found)
    assert all(said.score <= everything[said.labels] + 1e-4 for said in found)


@settings(max_examples=30)
@given(seeds)
def test_a_score_is_what_the_loss_says(seed: int) -> None:
    scores = posteriors(seed, 6, 3)
    best = beam_search([scores], WIDE)[0][0]
    labels = torch.tensor([best.labels or (0,)])
    loss = ctc_loss(scores[:, None], labels, torch.tensor([6]), torch.tensor([len(best.labels)]), reduction="sum")
    assert best.score == pytest.approx(-float(loss), abs=1e-4)


@settings(max_examples=30)
@given(seeds, st.lists(st.integers(1, 30), min_size=2, max_size=5))
def test_who_is_searched_together_does_not_matter(seed: int, lengths: list[int]) -> None:
    scores = [posteriors(seed + at, frames, 6) for at, frames in enumerate(lengths)]
    for one, found in zip(scores, beam_search(scores, 4), strict=True):
        (alone,) = beam_search([one], 4)
        assert [said.labels for said in found] == [said.labels for said in alone]


def test_sums_win_over_the_best_path() -> None:
    scores = torch.tensor([[0.55, 0.45], [0.55, 0.45]]).log()  # silence twice 0.30; the sound, in three ways, 0.70
    assert greedy(scores) == []
    assert beam_search([scores])[0][0].labels == (1,)


def test_impossible_symbols_are_never_said() -> None:
    scores = path(0, 1, 1, 0, 2)
    assert beam_search([scores]) == [[Said((1, 2), 0.0)]]


def test_a_penalty_makes_what_is_said_shorter() -> None:
    scores = [posteriors(seed, 40, 6) for seed in range(8)]
    counts = [sum(len(found[0].labels) for found in beam_search(scores, 8, penalty)) for penalty in (-1, 0, 1, 3)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


@pytest.mark.parametrize(
    ("symbols", "labels"),
    [((0, 0), []), ((1, 1, 2), [1, 2]), ((1, 0, 1), [1, 1]), ((0, 2, 2, 0, 0, 1), [2, 1]), ((), [])],
)
def test_greedy_merges_repeats_and_drops_blanks(symbols: tuple[int, ...], labels: list[int]) -> None:
    assert greedy(path(*symbols)) == labels


@pytest.mark.parametrize(
    ("symbols", "labels"),
    [((1, 1, 2, 1, 1), [1]), ((1, 1, 2, 2), [1, 2]), ((1, 1, 0, 1, 1), [1, 1]), ((3, 0, 3), []), ((1, 2, 3, 3), [3])],
)
def test_greedy_leaves_out_what_is_too_short(symbols: tuple[int, ...], labels: list[int]) -> None:
    assert greedy(path(*symbols), least=2) == labels


def test_music_is_silence() -> None:
    log_probs = posteriors(0, 7, len(SYMBOLS))
    scores = voices(log_probs, SYMBOLS)
    assert scores.shape == (7, len(SYMBOLS) - 1)
    assert torch.equal(scores[:, 1:], log_probs[:, 1:-1])
    assert torch.allclose(scores[:, 0].exp(), log_probs[:, 0].exp() + log_probs[:, -1].exp())
    assert torch.allclose(scores.exp().sum(1), torch.ones(7))


def test_a_model_without_music_and_one_with_edges_are_read_alike() -> None:
    log_probs = posteriors(0, 7, len(SYMBOLS) - 1)
    assert torch.allclose(voices(log_probs, SYMBOLS[:-1]), log_probs)
    assert torch.allclose(voices(torch.cat([log_probs, torch.randn(7, 3)], 1), SYMBOLS[:-1]), log_probs)


def test_what_is_given_often_counts_less() -> None:
    log_probs, log_prior = posteriors(0, 7, len(SYMBOLS)), posteriors(1, 1, len(SYMBOLS))[0]
    scores = voices(log_probs, SYMBOLS, log_prior, 0.5)
    assert torch.allclose(scores[:, 1:], (log_probs - 0.5 * log_prior)[:, 1:-1])


@pytest.mark.gpu
def test_a_gpu_finds_the_same() -> None:
    scores = [posteriors(seed, 30 + seed, 40) for seed in range(5)]
    there = beam_search([one.to("cuda") for one in scores])
    for here, found in zip(beam_search(scores), there, strict=True):
        assert here[0].labels == found[0].labels
