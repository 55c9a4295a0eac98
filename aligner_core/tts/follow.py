"""The melody of a singer: one or more notes for each syllable, out of the pitch that was heard while it was sung.

A note is the weighted median over the vowel; a vowel with plateaus of different pitch has several. A pitch far from its
neighbours' is moved by octaves, which trackers mix up. Notes are whole semitones from the song's own tuning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from aligner_core.errors import LyricsError
from aligner_core.extra import Extra
from aligner_core.phones import VOWELS, base
from aligner_core.timeline import Alignment, Line, Syllable, Word

from .score import SHORTEST, Note, Score, SungLine, SungSyllable, groups, onset_end, ordered, scored, shared, told
from .sung_pitch import FRAME, Curve, Floats

SURE = 0.2  # frames that are less so don't count
PLATEAU = 12  # frames, the shortest
STEP = 0.8  # semitones between plateaus
GAIN = 0.35  # of the deviation that a split has to explain
EDGE = 2  # frames at either end of a vowel that slide
NEIGHBOURS = 8  # syllables to either side that tell the octave
FAR = 7.0  # semitones from these, beyond which another octave is likelier


@dataclass
class _Heard:
    """A span of the text and its notes; MIDI numbers NaN until they are known."""

    line: int
    rows: tuple[SungSyllable, ...]
    edges: list[tuple[float, float]]
    midi: list[float]


def follow(text: Alignment, curve: Curve) -> Score:
    """The notes of a text with times.

    Raises:
        LyricsError: it has no times, or no voice is heard in them.
    """
    if not text.timed:
        raise LyricsError("has no times to follow a singer in", hint="align it with the song first")
    heard = [
        one for number, line in enumerate(text.lines) if line.kind == "lyrics" for one in _heard(number, line, curve)
    ]
    known = [midi for one in heard for midi in one.midi if not math.isnan(midi)]
    if not known:
        raise LyricsError("no voice is heard where the text is sung", hint="its times, and the right song?")
    _octaves(heard)
    _held_over(heard)
    tuning = tuned([(midi, b - a) for one in heard for midi, (a, b) in zip(one.midi, one.edges, strict=True)])
    lines: dict[int, list[SungSyllable]] = {}
    for one in heard:
        notes = [Note(a, b, float(np.clip(round(round(midi - tuning) + tuning, 3), 0, 127)))
                 for midi, (a, b) in zip(one.midi, one.edges, strict=True)]  # fmt: skip
        rows = zip(one.rows, shared(_joined(notes), len(one.rows)), strict=True)
        lines.setdefault(one.line, []).extend(replace(row, notes=mine) for row, mine in rows)
    return Score(tuple(_line(at, line, lines.get(at, [])) for at, line in enumerate(text.lines)))


def with_pitches(text: Alignment, score: Score) -> Alignment:
    """A text with the notes of its score as the "pitch" of its syllables: UltraStar, for one, writes them."""
    lines = tuple(_pitched(line, sung) for line, sung in zip(text.lines, score.lines, strict=True))
    return replace(text, lines=lines)


def tuned(notes: Sequence[tuple[float, float]]) -> float:
    """Semitones, -0.5 to 0.5, by which notes (MIDI number, weight) are higher than the piano's on the whole."""
    angles = np.array([2 * math.pi * midi for midi, _ in notes])
    weights = np.array([weight for _, weight in notes])
    mean = np.sum(weights * np.exp(1j * angles))
    return float(np.angle(mean) / (2 * math.pi)) if abs(mean) > 0 else 0.0


def plateaus(midi: Floats, weights: Floats) -> list[tuple[int, int, float]]:
    """First frame, end and median of each stretch of about one pitch, however many: split where it explains most.

    Args:
        midi: (frames,), NaN where nothing is known; weights: the same shape.
    """
    if not np.isfinite(midi).any():
        return [(0, len(midi), math.nan)]
    middle, spread = _median(midi, weights)
    best: tuple[float, int] | None = None
    for cut in range(PLATEAU, len(midi) - PLATEAU + 1):
        (a, left), (b, right) = _median(midi[:cut], weights[:cut]), _median(midi[cut:], weights[cut:])
        if abs(a - b) > STEP and left + right < (best[0] if best else (1 - GAIN) * spread):
            best = (left + right, cut)
    if best is None:
        return [(0, len(midi), middle)]
    cut = best[1]
    after = plateaus(midi[cut:], weights[cut:])
    return [*plateaus(midi[:cut], weights[:cut]), *((a + cut, b + cut, high) for a, b, high in after)]


def _median(midi: Floats, weights: Floats) -> tuple[float, float]:
    """Weighted, and the sum of weighted distances to it; NaN and 0 where nothing is known."""
    known = np.isfinite(midi) & (weights > 0)
    if not known.any():
        return math.nan, 0.0
    values, shares = midi[known], weights[known]
    order = np.argsort(values)
    sums = np.cumsum(shares[order])
    middle = float(values[order][np.searchsorted(sums, sums[-1] / 2)])
    return middle, float((shares * np.minimum(np.abs(values - middle), 3.0)).sum())


def _heard(number: int, line: Line, curve: Curve) -> Iterator[_Heard]:
    for span, rows in groups(line):
        start = onset_end(span)
        if start is None or span.end is None or not any(row.phones for row in rows):
            continue
        end = max(span.end, start + SHORTEST)
        first, last = _vowels(span, start, end)
        midi, sure = _within(curve, first, last)
        found = plateaus(midi, sure**2) if len(midi) else [(0, 0, math.nan)]
        edges = [start, *(first + a * FRAME for a, _, _ in found[1:]), end]
        pairs = [(a, max(b, a + 1e-3)) for a, b in pairwise(edges)]
        yield _Heard(number, rows, pairs, [high for _, _, high in found])


def _vowels(span: Syllable | Word, start: float, end: float) -> tuple[float, float]:
    """From the first vowel to the end of the last one, as far as phones tell."""
    parts = [span] if isinstance(span, Syllable) else list(span.syllables)
    ends = [
        phone.end for part in parts for phone in part.phones if base(phone.text) in VOWELS and phone.end is not None
    ]
    return start, max(ends[-1], start + SHORTEST) if ends else end


def _within(curve: Curve, start: float, end: float) -> tuple[Floats, Floats]:
    """MIDI numbers, NaN where nothing is known, and how sure they are."""
    a, b = round(start / FRAME), min(round(end / FRAME), len(curve.hz))
    if b - a > 3 * EDGE:
        inner = slice(a + EDGE, b - EDGE)
        pad = EDGE
    else:
        inner, pad = slice(a, b), 0
    hz, sure = curve.hz[inner], curve.sure[inner]
    known = (hz > 0) & (sure >= SURE)
    midi = np.where(known, 69 + 12 * np.log2(np.where(known, hz, 440.0) / 440), np.nan)
    return np.pad(midi, pad, constant_values=np.nan), np.pad(np.where(known, sure, 0.0), pad)


def _octaves(heard: Sequence[_Heard]) -> None:
    """Each pitch within half an octave of its neighbours' median if it is further from it than most leaps are."""
    middles = np.array([np.nan if all(map(math.isnan, one.midi)) else np.nanmedian(one.midi) for one in heard])
    for at, one in enumerate(heard):
        near = middles[max(at - NEIGHBOURS, 0) : at + NEIGHBOURS + 1]
        around = float(np.median(near[np.isfinite(near)])) if np.isfinite(near).any() else math.nan
        for place, midi in enumerate(one.midi):
            if abs(midi - around) > FAR:  # never, where either is unknown
                one.midi[place] = midi - 12 * round((midi - around) / 12)


def _held_over(heard: Sequence[_Heard]) -> None:
    """What is not known is on the note before, or at the very beginning on the one after."""
    last = next(midi for one in heard for midi in one.midi if not math.isnan(midi))
    for one in heard:
        for place, midi in enumerate(one.midi):
            one.midi[place] = last = last if math.isnan(midi) else midi


def _joined(notes: Sequence[Note]) -> list[Note]:
    """Neighbours that came out on the same tone are one note."""
    out: list[Note] = []
    for note in notes:
        if out and out[-1].midi == note.midi:
            out[-1] = replace(out[-1], end=note.end)
        else:
            out.append(note)
    return out


def _line(number: int, line: Line, rows: list[SungSyllable]) -> SungLine:
    if line.kind == "lyrics" and not rows:
        return scored(Alignment((replace(line, words=tuple(Word(word.text) for word in line.words)),))).lines[0]
    there = {row.word for row in rows}
    missing = [row for _, mine in groups(line) for row in mine if row.word not in there] if rows else []
    return SungLine(number, ordered(sorted([*rows, *missing], key=lambda row: row.word)))


def _pitched(line: Line, sung: SungLine) -> Line:
    words = []
    for at, word in enumerate(line.words):
        mine = [one for one in sung.syllables if one.word == at]
        parts = word.syllables or (Syllable(word.text, word.start, word.end),)
        if len(parts) != len(mine):
            notes = [note for one in mine for note in one.notes]
            extras = [told(notes), *[Extra()] * (len(parts) - 1)]
        else:
            extras = [told(one.notes) for one in mine]
        new = tuple(replace(part, extra=Extra.of({**part.extra, **extra})) if part.timed else part
                    for part, extra in zip(parts, extras, strict=True))  # fmt: skip
        words.append(replace(word, syllables=new) if word.timed else word)
    return replace(line, words=tuple(words))
