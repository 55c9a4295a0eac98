"""A time is trusted if it stays where it is, and the figures that judge this are what they are called."""

from __future__ import annotations

import os
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core.confidence import line_features, trusted
from aligner_core.costs import CONFIDENCE, Decoding, Freedom
from aligner_core.evidence import Scores, columns, voice_probability, weighed
from aligner_core.search import Search, Sung
from aligner_core.timeline import Alignment, Line, Word
from benchmarks.calibration import BINS, Scored, area, bins, calibration_error, logistic
from benchmarks.confidence import NEAR, rows, told_of
from benchmarks.edits import Case

SYMBOLS = ("sil", *"abcdefghij")
DECODING, FREE = Decoding(kin=0.0), Freedom()
PHONE, BREAK = 8, 60  # frames
WORDS, PHONES = 4, 3  # of a line, of a word

shares = st.floats(0, 1)
features = st.lists(shares, min_size=7, max_size=7)
scored = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=40)


def text(lines: int, seed: int) -> list[list[str]]:
    """Lines of words of phones, none of which is the one before it."""
    generator, said, out = random.Random(seed), "", list[list[str]]()
    for _ in range(lines):
        while len(said) % (WORDS * PHONES) or len(said) == len(out) * WORDS * PHONES:
            said += generator.choice([phone for phone in SYMBOLS[1:] if phone != said[-1:]])
        line = said[-WORDS * PHONES :]
        out.append([line[at : at + PHONES] for at in range(0, len(line), PHONES)])
    return out


def heard(lines: list[list[str]], sure: list[float], seed: int = 0) -> torch.Tensor:
    """Log-probabilities of these lines with breaks between them; `sure` is how far each stands out of the noise."""
    rows, heights = [0] * BREAK, [4.0] * BREAK
    for line, height in zip(lines, sure, strict=True):
        spoken = [SYMBOLS.index(phone) for word in line for phone in word for _ in range(PHONE)]
        rows += [*spoken, *[0] * BREAK]
        heights += [height] * len(spoken) + [4.0] * BREAK
    logits = torch.randn(len(rows), len(SYMBOLS), generator=torch.Generator().manual_seed(seed))
    logits[torch.arange(len(rows)), torch.tensor(rows)] += torch.tensor(heights)
    return logits.log_softmax(-1)


def searched(
    log_probs: torch.Tensor, lines: list[list[str]], freedom: Freedom | None = FREE
) -> tuple[Search, Scores, list[Sung]]:
    readings = [[[[[list(word)]]] for word in line] for line in lines]
    search = Search(readings, columns(SYMBOLS), 2, DECODING, freedom)
    scores = weighed(log_probs, SYMBOLS, DECODING)
    return search, scores, search(scores)


def told(lines: list[list[str]], sure: list[float], seed: int = 0, freedom: Freedom | None = FREE) -> list[Sung]:
    """The lines with their trust."""
    log_probs = heard(lines, sure, seed)
    search, scores, sung = searched(log_probs, lines, freedom)
    return trusted(search, scores, voice_probability(log_probs, SYMBOLS), sung)


def trust(one: Sung) -> tuple[float, ...]:
    assert one.trust is not None
    return (one.trust.line, *one.trust.words.values())


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_what_is_said_clearly_is_trusted_above_what_drowns_in_noise(seed: int) -> None:
    clear, drowned, after = told(text(3, seed), [8.0, 0.0, 8.0], seed, freedom=None)
    planted = range(BREAK, BREAK + WORDS * PHONES * PHONE, PHONE)
    assert all(abs(visit.start - start) <= 2 for visit, start in zip(clear.visits, planted, strict=True))
    assert min(*trust(clear), *trust(after)) > max(trust(drowned))
    assert min(trust(clear)[0], trust(after)[0]) > 0.5


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_asking_how_far_a_line_is_to_be_trusted_moves_nothing(seed: int) -> None:
    lines = text(6, seed)
    log_probs = heard(lines, [2.0] * 6, seed)
    search, scores, sung = searched(log_probs, lines)
    before = scores.copy()
    asked = trusted(search, scores, voice_probability(log_probs, SYMBOLS), sung)
    assert [(one.line, one.visits) for one in asked] == [(one.line, one.visits) for one in sung]
    assert np.array_equal(scores, before)


def test_the_trust_is_the_same_whatever_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, sure = text(11, 1), [1.0, 3.0, 2.0, 8.0, 1.5, 0.5, 2.5, 4.0, 1.0, 2.0, 3.0]
    found = []
    for cores in (1, 8, 3, 8):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        found.append(told(lines, sure))
    assert all(one == found[0] for one in found)
    assert len({one.trust.line for one in found[0] if one.trust}) > 3


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.lists(st.floats(0, 6), min_size=3, max_size=6))
def test_every_line_and_word_found_has_a_trust_within_0_and_1(seed: int, sure: list[float]) -> None:
    for one in told(text(len(sure), seed), sure, seed):
        assert all(0 <= share <= 1 for share in trust(one))
        assert one.trust is not None
        assert set(one.trust.words) == {visit.token for visit in one.visits}


@given(features, features)
def test_a_line_that_fits_better_and_is_steadier_is_never_trusted_less(one: list[float], other: list[float]) -> None:
    low, high = np.minimum(one, other), np.maximum(one, other)
    assert CONFIDENCE.line(low) <= CONFIDENCE.line(high)


@given(st.lists(st.tuples(shares, shares, st.floats(-5, 5)), min_size=1, max_size=6))
def test_as_many_constants_as_features(words: list[tuple[float, float, float]]) -> None:
    line = line_features(np.array(words))
    assert len(CONFIDENCE.of_line) == 1 + len(line)
    assert len(CONFIDENCE.of_word) == 1 + len(words[0]) + len(line)
    assert 0 <= CONFIDENCE.line(line) <= 1
    assert 0 <= CONFIDENCE.word((*words[0], *line)) <= 1


def of(pairs: list[tuple[int, bool]]) -> Scored:
    return Scored(np.array([score / 20 for score, _ in pairs]), np.array([right for _, right in pairs]))


@given(scored)
def test_the_area_is_how_often_right_scores_above_wrong(pairs: list[tuple[int, bool]]) -> None:
    right, wrong = ([score for score, good in pairs if good is kind] for kind in (True, False))
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in right for b in wrong]
    assert area(of(pairs)) == (pytest.approx(np.mean(wins)) if wins else None)


@given(scored)
def test_the_bins_hold_every_score_once_in_the_tenth_it_belongs_to(pairs: list[tuple[int, bool]]) -> None:
    found = bins(of(pairs))
    assert sum(count for count, _, _ in found) == len(pairs)
    assert sum(count * right for count, _, right in found) == pytest.approx(sum(right for _, right in pairs))
    assert all(int(a * BINS + 1e-9) < int(b * BINS + 1e-9) for (_, a, _), (_, b, _) in pairwise(found))


@given(st.lists(st.integers(0, 10), min_size=1, max_size=6, unique=True), shares)
def test_the_calibration_error_is_how_far_scores_are_from_the_share_that_is_right(
    tenths: list[int], off: float
) -> None:
    said = [min(tenth, 9) / 10 + 0.04 for tenth in dict.fromkeys(min(t, 9) for t in tenths)]
    counts = [round(100 * score) for score in said]
    right = np.concatenate([np.arange(100) < count for count in counts])
    assert calibration_error(Scored(np.repeat(said, 100), right)) == pytest.approx(0, abs=1e-9)
    nothing = Scored(np.full(50, off), np.zeros(50, bool))
    assert calibration_error(nothing) == pytest.approx(off)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_fit_finds_the_weights_that_things_were_made_with(seed: int) -> None:
    generator = np.random.default_rng(seed)
    table = generator.normal(size=(100_000, 3)) * (1.0, 0.2, 5.0) + (0.0, 0.5, -1.0)
    made = np.array([0.5, 1.2, -2.0, 0.3])
    right = generator.random(len(table)) < 1 / (1 + np.exp(-made[0] - table @ made[1:]))
    assert np.abs(logistic(table, right)[1:] - made[1:]).max() < 0.35
    rising = logistic(table, right, rising=True)
    assert rising[2] == 0
    assert rising[[1, 3]].min() > 0


def timed(text: str, *starts: float) -> Line:
    words = tuple(Word(word, at, at + 0.1, 0.5) for word, at in zip(text.split(), starts, strict=True))
    return Line(text, starts[0], starts[-1] + 0.1, 0.7, words)


def test_a_line_that_nobody_sings_there_is_off_and_others_by_their_times() -> None:
    written = (timed("a b", 1.0, 2.0), timed("c d", 3.0, 4.0), Line("e f", words=(Word("e"), Word("f"))))
    case = Case("", "", (), written, (0, 1, -1), ())
    first, second, third = told_of(
        case, Alignment((timed("a b", 1.25, 2.75), timed("c d", 3.0, 4.0), timed("e f", 5.0, 6.0)))
    )
    assert [first.start, first.mean] == pytest.approx([0.25, 0.5])
    assert second.mean == second.start == 0 < NEAR < third.start == third.mean


@given(st.integers(1, 60), st.integers(2, 10))
def test_rows_have_all_words_in_order_and_about_as_many_each(count: int, words: int) -> None:
    line = timed(" ".join(f"w{at}" for at in range(count)), *(float(at) for at in range(count)))
    cut = rows([line], words)
    assert tuple(word for row in cut for word in row.words) == line.words
    lengths = [len(row.words) for row in cut]
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= 1.5 * words + 1
