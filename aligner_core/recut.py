"""Words timed anew, cut into syllables as the text has them: pitches and furigana belong to its own cuts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from .timeline import Phone, Syllable, Word

_LEAST = 1e-6  # seconds: two edges that are nearer are one


def recut(written: Word, found: Word) -> Word:
    """`found` in the syllables of `written`, with what these tell, if they tell anything; else as it is.

    A cut where `found` has none lies between two of its phones, near where the letters put it. A phone across a cut is
    left out.
    """
    if not found.timed or not any(part.extra for part in written.syllables):
        return found
    texts = [part.text for part in written.syllables]
    edges = _edges(found, list(accumulate(map(len, texts)))[:-1])
    phones = [phone for part in found.syllables for phone in part.phones]
    parts = (
        Syllable(part.text, start, end, phones=tuple(_within(phones, start, end)), extra=part.extra)
        for part, (start, end) in zip(written.syllables, edges, strict=True)
    )
    return Word(found.text, found.start, found.end, found.score, tuple(parts))


def _edges(found: Word, cuts: Sequence[int]) -> Iterator[tuple[float, float]]:
    """Start and end, in seconds, of what lies between cuts, which are places in the text."""
    begun = found.start or 0.0
    for cut in cuts:
        end, start = _around(found, cut, begun)
        yield begun, max(end, begun)
        begun = max(start, begun)
    yield begun, found.end or 0.0


def _around(found: Word, cut: int, after: float) -> tuple[float, float]:
    """When the text before a cut ends and when that behind it begins, seconds; the cut is later than `after`."""
    at, last = 0, found.start or 0.0
    for part in found.syllables or (Syllable(found.text, found.start, found.end),):
        start, end = (last, last) if part.start is None or part.end is None else (part.start, part.end)
        if cut == at:
            return last, start
        if cut < at + len(part.text):
            guess = start + (end - start) * (cut - at) / len(part.text)
            inner = [a.end for a, _ in pairwise(part.phones) if a.end is not None and a.end > after + _LEAST]
            place = min(inner, key=lambda edge: abs(edge - guess), default=max(guess, after))
            return place, place
        at, last = at + len(part.text), end
    return last, last


def _within(phones: Sequence[Phone], start: float, end: float) -> Iterator[Phone]:
    for phone in phones:
        if phone.start is not None and phone.end is not None and start <= phone.start and phone.end <= end:
            yield phone
