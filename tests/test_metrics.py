"""Measures of alignments: equal to mir_eval and to what one works out by hand."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import jiwer
import mir_eval.alignment
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner_core import metrics
from aligner_core.errors import AlignmentError
from aligner_core.timeline import Alignment, Line, Word

Pair = tuple[list[float], list[float]]
TIMES = st.floats(0, 300, allow_subnormal=False)


@st.composite
def pairs(draw: st.DrawFn, least: int = 1) -> Pair:
    """Two rising lists of times of the same length."""
    size = draw(st.integers(least, 12))
    first, second = (sorted(draw(st.lists(TIMES, min_size=size, max_size=size))) for _ in range(2))
    return first, second


def alignment(words: list[tuple[str, float | None, float | None]]) -> Alignment:
    """One line of these words."""
    timed = [(start, end) for _, start, end in words if start is not None and end is not None]
    start, end = (timed[0][0], max(e for _, e in timed)) if timed else (None, None)
    text = " ".join(word for word, _, _ in words)
    return Alignment((Line(text, start, end, words=tuple(Word(*word) for word in words)),))


REFERENCE = alignment([("a", 1.0, 1.5), ("b", 2.0, 2.5), ("c", 3.0, 3.5), ("d", 4.0, 4.5)])


@given(pairs())
def test_errors_equal_mir_eval(pair: Pair) -> None:
    arrays = [np.array(times) for times in pair]
    assert metrics.absolute_error(*pair) == pytest.approx(mir_eval.alignment.absolute_error(*arrays))
    assert metrics.perceptual(*pair) == pytest.approx(mir_eval.alignment.karaoke_perceptual_metric(*arrays), abs=1e-12)


@given(pairs(), st.floats(0, 5))
def test_shares_equal_mir_eval(pair: Pair, window: float) -> None:
    arrays = [np.array(times) for times in pair]
    assert metrics.percentage_correct(*pair, window) == mir_eval.alignment.percentage_correct(*arrays, window)
    assert metrics.percentage_correct(*pair) == mir_eval.alignment.percentage_correct(*arrays)


@given(pairs(least=2), st.floats(0.01, 10))
def test_segments_equal_mir_eval(pair: Pair, rest: float) -> None:
    pair[0][-1] += 1  # so that time passes
    arrays = [np.array(times) for times in pair]
    duration = max(pair[0][-1], pair[1][-1]) + rest
    for length in (None, duration):
        expected = mir_eval.alignment.percentage_correct_segments(*arrays, duration=length)
        assert metrics.percentage_correct_segments(*pair, length) == pytest.approx(expected, abs=1e-9)


def test_measures_of_a_case_worked_out_by_hand() -> None:
    right, found = [1.0, 2.0, 4.0], [1.5, 2.0, 3.0]
    assert metrics.absolute_error(right, found) == (0.5, 0.5)
    assert metrics.percentage_correct(right, found, 0.5) == pytest.approx(2 / 3)
    # segments 1-2 and 2-4 against 1.5-2 and 2-3: 0.5 + 1 of 3 s
    assert metrics.percentage_correct_segments(right, found) == pytest.approx(0.5)


def test_the_synchrony_curve_integrates_to_one_over_its_peak() -> None:
    grid = np.linspace(-4, 4, 8001)
    curve = [metrics.perceptual([5.0], [5.0 + error]) for error in grid]
    assert float(np.trapezoid(curve, grid)) == pytest.approx(1 / 1.6857, abs=1e-6)
    assert max(curve) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("reference", "estimate", "message"),
    [
        ([[1.0]], [1.0], "reference times have 2 dimensions"),
        ([1.0], [[1.0]], "estimated times have 2 dimensions"),
        ([1.0, 2.0], [1.0], "2 reference times and 1 estimated"),
        ([], [], "no times to compare"),
        ([2.0, 1.0], [1.0, 2.0], "reference times go back"),
        ([1.0, 2.0], [2.0, 1.0], "estimated times go back"),
        ([-1.0], [1.0], "reference times before 0 s"),
        ([1.0], [-1.0], "estimated times before 0 s"),
        ([math.nan], [1.0], "reference times that are not numbers"),
        ([1.0], [math.inf], "estimated times that are not numbers"),
    ],
)
def test_times_that_cannot_be_compared_are_told(reference: Any, estimate: Any, message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        metrics.absolute_error(reference, estimate)


@pytest.mark.parametrize(
    ("reference", "estimate", "duration", "message"),
    [
        ([1.0, 1.0], [1.0, 2.0], None, "all reference times are the same"),
        ([1.0, 2.0], [1.0, 3.0], 2.5, "times up to 3.0 s in a sound of 2.5 s"),
        ([1.0, 3.0], [1.0, 2.0], 2.5, "times up to 3.0 s in a sound of 2.5 s"),
        ([0.0, 0.0], [0.0, 0.0], 0.0, "in a sound of 0.0 s"),
    ],
)
def test_segments_that_cannot_be_compared_are_told(
    reference: list[float], estimate: list[float], duration: float | None, message: str
) -> None:
    with pytest.raises(AlignmentError, match=message):
        metrics.percentage_correct_segments(reference, estimate, duration)


def test_score_worked_out_by_hand() -> None:
    estimate = alignment([("a", 1.01, 1.4), ("b", None, None), ("c", 3.03, 3.4), ("d", 3.95, 4.6)])
    found = metrics.score(REFERENCE, estimate)
    assert (found.words, found.missing) == (4, 1)
    assert found.onset.mean == pytest.approx((0.01 + 0.03 + 0.05) / 3)
    assert found.onset.median == pytest.approx(0.03)
    assert found.onset.bias == pytest.approx(0.01)
    assert found.onset.within == (0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75)
    assert found.offset.bias == pytest.approx(-0.1)
    assert found.offset.within == (0, 0, 0, 0, 0.75, 0.75, 0.75)
    expected = mir_eval.alignment.karaoke_perceptual_metric(np.array([1.0, 3.0, 4.0]), np.array([1.01, 3.03, 3.95]))
    assert found.perceptual == pytest.approx(expected)


def test_an_alignment_against_itself_is_perfect() -> None:
    found = metrics.score(REFERENCE, REFERENCE)
    assert found.missing == 0
    assert found.onset == found.offset == metrics.EdgeErrors(0.0, 0.0, 0.0, (1.0,) * 7)


@given(st.floats(-0.9, 5))
def test_a_shift_is_the_bias_of_both_edges(seconds: float) -> None:
    found = metrics.score(REFERENCE, REFERENCE.shifted(seconds))
    assert found.onset.bias == pytest.approx(seconds, abs=1e-9)
    assert found.offset.bias == pytest.approx(seconds, abs=1e-9)
    assert found.onset.mean == pytest.approx(abs(seconds), abs=1e-9)


def test_words_without_reference_time_do_not_count() -> None:
    reference = alignment([("a", 1.0, 1.5), ("-", None, None), ("c", 3.0, 3.5)])
    estimate = alignment([("a", 1.0, 1.5), ("-", 2.0, 2.1), ("c", 3.0, 3.5)])
    found = metrics.score(reference, estimate)
    assert (found.words, found.missing, found.onset.within[0]) == (2, 0, 1.0)


def test_nothing_found_fails_every_share_and_has_no_mean() -> None:
    found = metrics.score(REFERENCE, alignment([(word, None, None) for word in "abcd"]))
    assert (found.missing, found.perceptual) == (4, None)
    assert found.onset == metrics.EdgeErrors(None, None, None, (0.0,) * 7)
    assert "no word found" in str(found)


def test_scores_agree_with_the_project_s_own_tool(tmp_path: Path, root: Path) -> None:
    tool = root.parent / "shared" / "tools" / "score.py"
    if not tool.is_file():
        pytest.skip("needs ../shared/tools/score.py")
    estimate = alignment([("a", 1.02, 1.4), ("b", None, None), ("c", 3.03, 3.4), ("d", 3.91, 4.8)])
    files = []
    for name, data in (("reference.json", REFERENCE), ("estimate.json", estimate)):
        files.append(tmp_path / name)
        files[-1].write_text(json.dumps(data.to_dict()), encoding="utf-8")
    run = subprocess.run([sys.executable, str(tool), *map(str, files)], capture_output=True, text=True, check=True)
    ours = metrics.score(REFERENCE, estimate).to_dict()
    for key, value in json.loads(run.stdout).items():
        assert ours[key] == pytest.approx(value, abs=6e-5)


@given(pairs())
def test_a_score_survives_json_and_prints_its_figures(pair: Pair) -> None:
    words = [alignment([(str(i), start, 400.0 + i) for i, start in enumerate(times)]) for times in map(spread, pair)]
    found = metrics.score(*words)
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    assert f"{len(pair[0])} words, 0 missing" in str(found)
    assert f"300 ms {found.onset.within[-1]:.1%}" in str(found)


def spread(times: list[float]) -> list[float]:
    """Times at which one word can follow another."""
    return [400.0 + i - 1 / (1 + t) for i, t in enumerate(times)]


def test_alignments_of_different_texts_are_refused() -> None:
    with pytest.raises(AlignmentError, match="the reference has 4 words and the estimate 1"):
        metrics.score(REFERENCE, alignment([("a", 1.0, 2.0)]))


def test_a_reference_without_times_is_refused() -> None:
    with pytest.raises(AlignmentError, match="no word of the reference has a time"):
        metrics.score(Alignment.from_text("a b c d"), REFERENCE)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [("kitten", "sitting", 3), ("abc", "abc", 0), ("abc", "", 3), ("a", "bcd", 3), ("ab", "ba", 2), ("abcd", "acd", 1)],
)
def test_error_rate_counts_the_fewest_edits(reference: str, hypothesis: str, errors: int) -> None:
    assert metrics.error_rate(reference, hypothesis) == errors / len(reference)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.lists(st.integers(0, 3), max_size=8), st.integers(0, 3))
def test_one_more_edit_changes_the_error_rate_by_one_edit_at_most(a: list[int], b: list[int], extra: int) -> None:
    edits = metrics.error_rate(a, b) * len(a)
    assert abs(len(a) - len(b)) <= edits + 1e-9
    assert edits <= max(len(a), len(b)) + 1e-9
    assert abs(metrics.error_rate(a, [*b, extra]) * len(a) - edits) <= 1 + 1e-9


sounds = st.lists(st.sampled_from("abcd"), max_size=8)


@given(st.lists(st.tuples(sounds, sounds), min_size=1, max_size=4))
def test_the_phone_error_rate_is_jiwer_s_of_words(said: list[tuple[list[str], list[str]]]) -> None:
    said = [(reference or ["a"], hypothesis) for reference, hypothesis in said]
    references, hypotheses = zip(*said, strict=True)
    theirs = jiwer.wer([" ".join(x) for x in references], [" ".join(x) for x in hypotheses])
    assert metrics.phone_error_rate(references, hypotheses) == pytest.approx(theirs)


def test_the_phone_error_rate_counts_sounds_and_not_recordings() -> None:
    assert metrics.phone_error_rate(["abc", "", "d"], ["abd", "e", "d"]) == 2 / 4


def test_the_phone_error_rate_needs_as_many_hypotheses_and_something_said() -> None:
    with pytest.raises(AlignmentError, match="2 references and 1 hypotheses"):
        metrics.phone_error_rate(["a", "b"], ["a"])
    with pytest.raises(AlignmentError, match="empty reference"):
        metrics.phone_error_rate([""], ["a"])


def test_error_rate_needs_a_reference() -> None:
    with pytest.raises(AlignmentError, match="empty reference"):
        metrics.error_rate([], [1])


def test_metrics_load_without_torch_and_scipy() -> None:
    code = "import sys, aligner_core.metrics; print([m for m in ('torch', 'scipy', 'numba') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


texts = st.text("ab c", min_size=1, max_size=12).map(lambda text: "a" + " ".join(text.split()))


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_word_and_character_error_rates_are_jiwer_s(pairs: list[tuple[str, str]]) -> None:
    references, hypotheses = [a for a, _ in pairs], [b for _, b in pairs]
    assert metrics.word_error_rate(references, hypotheses) == pytest.approx(jiwer.wer(references, hypotheses))
    assert metrics.character_error_rate(references, hypotheses) == pytest.approx(jiwer.cer(references, hypotheses))
