"""How well phones fit, told of many at once, is what the plain formula says of each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core.confidence import NEAR, SHAKES, WORST, first_visits, word_features
from aligner_core.evidence import Lasting, Scores, Table, lead, leads, shares
from aligner_core.lattice import Visit
from aligner_core.search import Sung
from aligner_core.viterbi import UNITS_PER_NAT

FRAMES, COLUMNS = 400, 7

seeds = st.integers(0, 2**31)


@st.composite
def lines(draw: st.DrawFn, least: int = 0) -> tuple[Visit, ...]:
    """Phones in order of time, some apart, in words of a few."""
    at, token, visits = 0, 0, list[Visit]()
    for length, rest, column, new in draw(
        st.lists(
            st.tuples(st.integers(1, 40), st.integers(0, 3), st.integers(0, COLUMNS - 1), st.booleans()),
            min_size=least,
            max_size=9,
        )
    ):
        at, token = at + rest, token + new
        visits.append(Visit(token, 0, 0, 0, column, at, at + length))
        at += length
    return tuple(visits)


def sound(seed: int) -> tuple[Scores, Table]:
    generator = np.random.default_rng(seed)
    scores = generator.integers(-9 * UNITS_PER_NAT, 0, (FRAMES, COLUMNS)).astype(np.int16)
    return scores, (generator.random(FRAMES) ** 4).astype(np.float32)


def share(visit: Visit, scores: Scores, voice: Table) -> float:
    """The formula, of one phone."""
    span = slice(visit.start, visit.end)
    likely = np.exp(scores[span, visit.column] / np.float32(UNITS_PER_NAT))
    return min(float((likely / np.maximum(voice[span], 1e-6)).mean()), 1.0)


def mean_lead(visit: Visit, scores: Scores) -> float:
    return float(lead(scores[visit.start : visit.end], visit.column).mean())


@given(lines(), seeds)
def test_shares_are_the_formula_to_the_bit(visits: tuple[Visit, ...], seed: int) -> None:
    scores, voice = sound(seed)
    told = shares(Lasting.of(visits), scores, voice)
    assert told.tolist() == [share(visit, scores, voice) for visit in visits]


@given(lines(), seeds)
def test_leads_are_the_means_of_each_phone_to_the_bit(visits: tuple[Visit, ...], seed: int) -> None:
    scores, _ = sound(seed)
    assert leads(Lasting.of(visits), scores).tolist() == [mean_lead(visit, scores) for visit in visits]


def test_a_phone_that_is_heard_leads_by_what_it_is_likelier() -> None:
    scores = np.zeros((2, 3), np.int16)
    scores[:, 1], scores[:, 2] = -UNITS_PER_NAT, -3 * UNITS_PER_NAT
    assert leads(Lasting.of([Visit(0, 0, 0, 0, 1, 0, 2)]), scores).tolist() == [2.0]


@settings(max_examples=50)
@given(lines(least=1), seeds, st.lists(st.integers(-60, 60), max_size=SHAKES))
def test_the_features_of_a_word_are_those_of_its_own_phones(
    visits: tuple[Visit, ...], seed: int, moves: list[int]
) -> None:
    scores, voice = sound(seed)
    last = visits[-1].token
    begun = next(visit.start for visit in visits if visit.token == last)
    moved = {last: [begun + move for move in moves]}
    table = word_features(Sung(0, visits), moved, scores, voice)
    tokens = list(dict.fromkeys(visit.token for visit in visits))
    assert list(first_visits(Sung(0, visits))) == tokens
    for token, (stays, fit, worst) in zip(tokens, table.tolist(), strict=True):
        mine = [visit for visit in visits if visit.token == token]
        assert stays == (sum(abs(move) <= NEAR for move in moves) / SHAKES if token == last else 0)
        assert fit == pytest.approx(np.mean([share(visit, scores, voice) for visit in mine]), abs=1e-12)
        assert worst == max(min(mean_lead(visit, scores) for visit in mine), WORST)
