"""How far estimated times are from the right ones: the measures of mir_eval.alignment, and a table for both word edges.

Times and errors are in seconds; an error is estimate minus reference, so a late estimate has a positive one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import AlignmentError
from .timeline import Alignment, Word

Floats = NDArray[np.float64]

LIMITS_MS = (10, 20, 25, 50, 100, 200, 300)
_EXACT = 1e-9  # seconds: an error of just the limit, computed from decimal fractions, is within it

# "User-centered evaluation of lyrics-to-audio alignment", Lizé Masclef, Vaglio, Moussallam, ISMIR 2021: the density of
# a skew-normal distribution over the error, scaled to a greatest value near 1
_SKEWNESS, _LOCATION, _SCALE, _PEAK = 1.12244251, -0.22270315, 0.29779424, 1.6857


def absolute_error(reference: ArrayLike, estimate: ArrayLike) -> tuple[float, float]:
    """Median and mean absolute error of times in seconds.

    Raises:
        AlignmentError: as every measure here, where the two are not rising times >= 0 of the same number, at least one.
    """
    size = np.abs(_errors(reference, estimate))
    return float(np.median(size)), float(size.mean())


def percentage_correct(reference: ArrayLike, estimate: ArrayLike, window: float = 0.3) -> float:
    """Share, 0..1, of times at most `window` seconds off."""
    return float((np.abs(_errors(reference, estimate)) <= window).mean())


def percentage_correct_segments(reference: ArrayLike, estimate: ArrayLike, duration: float | None = None) -> float:
    """Share of the time in which the same segment is on in both; a segment lasts from one time to the next.

    Args:
        reference, estimate: times in seconds.
        duration: of the sound. Where given, what lies before the first and after the last time counts too.

    Raises:
        AlignmentError: also where no time passes, or a time is beyond the duration.
    """
    _errors(reference, estimate)
    right, found = np.asarray(reference, float), np.asarray(estimate, float)
    if duration is not None:
        if duration <= 0 or max(right[-1], found[-1]) > duration:
            raise AlignmentError(f"times up to {max(right[-1], found[-1])} s in a sound of {duration} s")
        right, found = (np.concatenate([[0.0], times, [duration]]) for times in (right, found))
    if right[-1] == right[0]:
        raise AlignmentError("all reference times are the same")
    shared = np.minimum(right[1:], found[1:]) - np.maximum(right[:-1], found[:-1])
    return float(np.maximum(shared, 0).sum() / (right[-1] - right[0]))


def perceptual(reference: ArrayLike, estimate: ArrayLike) -> float:
    """Mean synchrony, 0..1, as people at a karaoke screen perceive it; early is forgiven more than late."""
    return _synchrony(_errors(reference, estimate))


def error_rate(reference: Sequence[object], hypothesis: Sequence[object]) -> float:
    """Least number of insertions, deletions and substitutions from one to the other, by the reference's length.

    Raises:
        AlignmentError: the reference is empty.
    """
    if not reference:
        raise AlignmentError("no error rate against an empty reference")
    return _edits(reference, hypothesis) / len(reference)


def phone_error_rate(references: Sequence[Sequence[object]], hypotheses: Sequence[Sequence[object]]) -> float:
    """Least number of edits from what was said to what was heard in all recordings together, by the sounds said.

    Raises:
        AlignmentError: nothing was said, or the numbers of recordings differ.
    """
    if len(references) != len(hypotheses):
        raise AlignmentError(f"{len(references)} references and {len(hypotheses)} hypotheses")
    said = sum(map(len, references))
    if not said:
        raise AlignmentError("no error rate against an empty reference")
    return sum(map(_edits, references, hypotheses)) / said


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """As `phone_error_rate`, of the words of texts; words are what white space parts."""
    return phone_error_rate([text.split() for text in references], [text.split() for text in hypotheses])


def character_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """As `phone_error_rate`, of the characters of texts, spaces between words included."""
    return phone_error_rate([list(text) for text in references], [list(text) for text in hypotheses])


def _edits(reference: Sequence[object], hypothesis: Sequence[object]) -> int:
    """Row by row of the table of Wagner and Fischer; insertions, which go along a row, by one running minimum."""
    numbers = {item: number for number, item in enumerate({*reference, *hypothesis})}
    heard = np.array([numbers[item] for item in hypothesis], np.int64)
    places = np.arange(len(heard) + 1)
    row = places
    for wanted in reference:
        others = np.minimum(row[1:] + 1, row[:-1] + (heard != numbers[wanted]))
        row = np.minimum.accumulate(np.append(row[0] + 1, others) - places) + places
    return int(row[-1])


@dataclass(frozen=True, slots=True)
class EdgeErrors:
    """Errors of the starts, or of the ends, of words.

    Args:
        mean, median: of the absolute error in seconds, over the words found; None where none was.
        bias: median of the signed error; positive = late.
        within: share of all words at most 10, 20, 25, 50, 100, 200, 300 ms off; a missing word never is.
    """

    mean: float | None
    median: float | None
    bias: float | None
    within: tuple[float, ...]

    def to_dict(self) -> dict[str, float | None]:
        """The JSON form: mean, median, bias, within_10ms ... within_300ms."""
        shares = {f"within_{ms}ms": share for ms, share in zip(LIMITS_MS, self.within, strict=True)}
        return {"mean": self.mean, "median": self.median, "bias": self.bias, **shares}

    def __str__(self) -> str:
        if self.mean is None or self.median is None or self.bias is None:
            return "no word found"
        shares = ", ".join(f"{ms} ms {share:.1%}" for ms, share in zip(LIMITS_MS, self.within, strict=True))
        return f"mean {self.mean:.3f} s, median {self.median:.3f} s, bias {self.bias:+.3f} s; within {shares}"


@dataclass(frozen=True, slots=True)
class Score:
    """An estimate against a reference, word by word.

    Args:
        words: those that have a time in the reference.
        missing: those of them that have none in the estimate.
        onset, offset: errors of starts and of ends.
        perceptual: of the starts found, 0..1; None where none was.
    """

    words: int
    missing: int
    onset: EdgeErrors
    offset: EdgeErrors
    perceptual: float | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        counts = {"words": self.words, "missing": self.missing}
        return {
            **counts,
            "onset": self.onset.to_dict(),
            "offset": self.offset.to_dict(),
            "perceptual": self.perceptual,
        }

    def __str__(self) -> str:
        synchrony = "-" if self.perceptual is None else f"{self.perceptual:.3f}"
        head = f"{self.words} words, {self.missing} missing, perceived synchrony {synchrony}"
        return f"{head}\nstarts: {self.onset}\nends:   {self.offset}"


def score(reference: Alignment, estimate: Alignment) -> Score:
    """Compare the words of two alignments of the same text, in reading order.

    Words without time in the reference cannot be judged and are left out.

    Raises:
        AlignmentError: the numbers of words differ, or the reference has no times.
    """
    if len(reference.words) != len(estimate.words):
        counts = f"the reference has {len(reference.words)} words and the estimate {len(estimate.words)}"
        raise AlignmentError(counts, hint="score two alignments of the same text")
    pairs = [(r, e) for r, e in zip(reference.words, estimate.words, strict=True) if r.timed]
    if not pairs:
        raise AlignmentError("no word of the reference has a time")
    found = [(r, e) for r, e in pairs if e.timed]
    onsets, offsets = _differences(found)
    return Score(
        words=len(pairs),
        missing=len(pairs) - len(found),
        onset=_edge_errors(onsets, len(pairs)),
        offset=_edge_errors(offsets, len(pairs)),
        perceptual=_synchrony(onsets) if found else None,
    )


def _differences(pairs: Iterable[tuple[Word, Word]]) -> tuple[Floats, Floats]:
    edges = [((r.start, r.end), (e.start, e.end)) for r, e in pairs]
    times = np.array(edges, float).reshape(-1, 2, 2)
    return times[:, 1, 0] - times[:, 0, 0], times[:, 1, 1] - times[:, 0, 1]


def _edge_errors(errors: Floats, words: int) -> EdgeErrors:
    size = np.abs(errors)
    within = tuple(float((size <= ms / 1000 + _EXACT).sum() / words) for ms in LIMITS_MS)
    if not len(errors):
        return EdgeErrors(None, None, None, within)
    return EdgeErrors(float(size.mean()), float(np.median(size)), float(np.median(errors)), within)


def _synchrony(errors: Floats) -> float:
    z = (errors - _LOCATION) / _SCALE
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    below = np.array([(1 + math.erf(_SKEWNESS * x / math.sqrt(2))) / 2 for x in z])
    return float((2 * density * below / _SCALE / _PEAK).mean())


def _errors(reference: ArrayLike, estimate: ArrayLike) -> Floats:
    right, found = np.asarray(reference, np.float64), np.asarray(estimate, np.float64)
    for name, times in (("reference", right), ("estimated", found)):
        if times.ndim != 1:
            raise AlignmentError(f"{name} times have {times.ndim} dimensions", hint="one")
    if len(right) != len(found):
        raise AlignmentError(f"{len(right)} reference times and {len(found)} estimated ones")
    if not len(right):
        raise AlignmentError("no times to compare")
    for name, times in (("reference", right), ("estimated", found)):
        if not np.isfinite(times).all():
            raise AlignmentError(f"{name} times that are not numbers")
        if (np.diff(times) < 0).any():
            raise AlignmentError(f"{name} times go back")
        if times[0] < 0:
            raise AlignmentError(f"{name} times before 0 s")
    return np.subtract(found, right, dtype=np.float64)
