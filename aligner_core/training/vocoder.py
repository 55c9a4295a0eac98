"""A voice taken apart and put together again at other times, pitches and timbres, with WORLD (Morise et al. 2016).

Times are in seconds; what changes with time comes in steps of `STEP`. A segment is (word or -1, phone, start, end).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyworld
from numpy.typing import NDArray

from aligner_core.audio import SAMPLE_RATE
from aligner_core.phones import PHONES, SONORANTS, VOWELS

STEP = 0.005
FFT = 1024
GAP = 0.05  # a shorter pause is not heard
DIPHTHONGS = frozenset("AY AW OY EY OW".split())  # noqa: SIM905
VOICED = VOWELS | SONORANTS | frozenset("B D G V DH Z ZH JH".split())  # noqa: SIM905
PITCHES = (65.0, 500.0)  # Hz, of speech
LOUD, WHISPERED, PAUSE = 7.0, 14.0, 24.0  # dB under the median of the vowels
DOUBTED = 0.15  # s; a longer pause is one
FREQUENCIES = np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT

Floats = NDArray[np.float64]


class Segment(NamedTuple):
    """A phone or, with the word -1, a pause."""

    word: int
    phone: str
    start: float
    end: float

    @property
    def length(self) -> float:
        """Seconds."""
        return self.end - self.start


def tidy(seg: Sequence[Sequence[Any]]) -> list[Segment]:
    """The segments of a manifest as one row without holes: pauses too short to be heard go to their neighbours.

    Raises:
        ValueError: a phone is not one of ours, as in unknown words.
    """
    given = [Segment(int(w), str(p), float(a), float(b)) for w, p, a, b in seg]
    heard = [s for s in given if s.word >= 0 or s.length >= GAP or s in (given[0], given[-1])]
    strange = {s.phone for s in heard if s.word >= 0} - set(PHONES)
    if strange or not heard:
        raise ValueError(f"unknown phones: {sorted(strange)}")
    cuts = [heard[0].start, *((a.end + b.start) / 2 for a, b in pairwise(heard)), heard[-1].end]
    return [
        Segment(s.word, s.phone if s.word >= 0 else "sil", a, b)
        for s, (a, b) in zip(heard, pairwise(cuts), strict=True)
        if b > a
    ]


def settled(wave: Floats, segments: Sequence[Segment]) -> list[Segment]:
    """Without short pauses that are loud, a model's mistake: its neighbours meet where the sound is softest."""
    levels = [_level(_cut(wave, s.start, s.end)) for s in segments]
    loud = _usual(levels, segments) - PAUSE
    out: list[Segment] = []
    for s, level, after in zip(segments, levels, [*segments[1:], None], strict=True):
        if s.word < 0 and s.length < DOUBTED and level > loud and out and after:
            middle = _softest(wave, s)
            out[-1] = out[-1]._replace(end=middle)
        else:
            out.append(s._replace(start=out[-1].end if out else s.start))
    return out


def _cut(wave: Floats, start: float, end: float) -> Floats:
    return wave[max(int(start * SAMPLE_RATE), 0) : int(end * SAMPLE_RATE)]


def _softest(wave: Floats, segment: Segment) -> float:
    times = np.arange(segment.start, segment.end, STEP)
    return float(times[np.argmin([_level(_cut(wave, t - 0.01, t + 0.01)) for t in times])])


def _usual(levels: Sequence[float], segments: Sequence[Segment]) -> float:
    """dB of the vowels."""
    vowels = [level for level, s in zip(levels, segments, strict=True) if s.phone in VOWELS]
    return float(np.median(vowels)) if vowels else 0.0


@dataclass(frozen=True)
class Voice:
    """What WORLD hears, at every step.

    Args:
        pitch: Hz (steps,), 0 where unvoiced; all of a voiced sound is voiced.
        envelope: power (steps, bins).
        noise: aperiodicity (steps, bins), 0..1.
        middle: median pitch, Hz.
        held: for each segment, whether it is a vowel with a voice in it.
    """

    pitch: Floats
    envelope: Floats
    noise: Floats
    middle: float
    held: tuple[bool, ...]


def analyse(wave: Floats, segments: Sequence[Segment]) -> Voice:
    """Of a recording (samples,) at SAMPLE_RATE with its segments."""
    rough, times = pyworld.dio(
        wave, SAMPLE_RATE, f0_floor=PITCHES[0], f0_ceil=PITCHES[1], frame_period=STEP * 1000, allowed_range=0.15
    )
    rough = pyworld.stonemask(wave, rough, times, SAMPLE_RATE)
    held = _held(wave, rough, segments)
    pitch = _filled(rough, segments, held)
    envelope = pyworld.cheaptrick(wave, pitch, times, SAMPLE_RATE, fft_size=FFT)
    noise = pyworld.d4c(wave, pitch, times, SAMPLE_RATE, threshold=0.0, fft_size=FFT)
    middle = float(np.median(rough[rough > 0])) if (rough > 0).any() else 150.0
    return Voice(pitch, envelope, noise, middle, held)


def _held(wave: Floats, pitch: Floats, segments: Sequence[Segment]) -> tuple[bool, ...]:
    """Vowels that are loud, or less so but voiced; the others are whispered, creaky or not there."""
    levels = [_level(_cut(wave, s.start, s.end)) for s in segments]
    usual = _usual(levels, segments)
    return tuple(
        s.phone in VOWELS and level > usual - (WHISPERED if _voiced(pitch, s) > 0.35 else LOUD)
        for level, s in zip(levels, segments, strict=True)
    )


def _level(wave: Floats) -> float:
    return float(10 * np.log10(np.mean(wave**2) + 1e-10)) if len(wave) else -100.0


def _voiced(pitch: Floats, segment: Segment) -> float:
    inside = pitch[round(segment.start / STEP) : round(segment.end / STEP)] > 0
    return float(inside.mean()) if len(inside) else 0.0


def _filled(pitch: Floats, segments: Sequence[Segment], held: Sequence[bool]) -> Floats:
    """The estimate leaves out rough beginnings, ends and moments. Most of a held vowel is voiced, and so is all
    between the first and the last voiced step of a row of voiced sounds, and two steps more; nothing is in a pause."""
    known = np.flatnonzero(pitch > 0)
    if not len(known):
        return np.zeros_like(pitch)
    smooth = np.exp(np.interp(np.arange(len(pitch)), known, np.log(pitch[known])))
    voiced = pitch > 0
    for s, sung in zip(segments, held, strict=True):
        if sung:
            voiced[round((s.start + 0.2 * s.length) / STEP) : round((s.end - 0.1 * s.length) / STEP)] = True
    for row in _rows(segments, held):
        a, b = round(row[0].start / STEP), round(row[-1].end / STEP)
        inside = a + np.flatnonzero(voiced[a:b])
        if len(inside):
            voiced[max(inside[0] - 2, a) : min(inside[-1] + 3, b)] = True
    for s in segments:
        if s.word < 0:
            voiced[round(s.start / STEP) + 2 : round(s.end / STEP) - 2] = False
    return np.where(voiced, smooth, 0.0)


def _rows(segments: Sequence[Segment], held: Sequence[bool]) -> list[list[Segment]]:
    rows: list[list[Segment]] = [[]]
    for s, sung in zip(segments, held, strict=True):
        if s.phone in VOICED and (sung or s.phone not in VOWELS):
            rows[-1].append(s)
        else:
            rows.append([])
    return [row for row in rows if row]


@dataclass(frozen=True)
class TimeMap:
    """Which old time is heard when: straight between knots, both rising."""

    old: Floats
    new: Floats

    def later(self, old: Floats | Sequence[float]) -> Floats:
        """When these moments of the source are heard."""
        return np.interp(old, self.old, self.new)

    def back(self, new: Floats) -> Floats:
        """Which moments of the source are heard then."""
        return np.interp(new, self.new, self.old)

    def moved(self, segments: Sequence[Segment]) -> list[Segment]:
        """The segments when they are heard."""
        return [s._replace(start=a, end=b) for s in segments for a, b in [self.later([s.start, s.end]).tolist()]]


def stretch(segments: Sequence[Segment], lengths: Sequence[float]) -> TimeMap:
    """Gives each segment its new length. Vowels that are held and pauses keep their beginning and end as they are and
    take all change in the middle; a diphthong is held on its first half."""
    old, new = [segments[0].start], [0.0]
    for s, length in zip(segments, lengths, strict=True):
        head, tail = _ends(s, length)
        at = new[-1]
        if head:
            old += [s.start + head, s.end - tail]
            new += [at + head, at + length - tail]
        old.append(s.end)
        new.append(at + length)
    return TimeMap(np.array(old), np.array(new))


def _ends(segment: Segment, length: float) -> tuple[float, float]:
    if segment.word < 0:
        edge = min(0.05, 0.45 * length, 0.45 * segment.length)
        return edge, edge
    if segment.phone in VOWELS and length > 1.1 * segment.length and segment.length > 0.03:
        late = 0.55 * segment.length if segment.phone in DIPHTHONGS else min(0.4 * segment.length, 0.09)
        return min((0.3 if segment.phone in DIPHTHONGS else 0.4) * segment.length, 0.06), late
    return 0.0, 0.0


@dataclass(frozen=True)
class Timbre:
    """How a voice sounds.

    Args:
        formants: factor of their frequencies.
        noise: factor of the aperiodicity.
        tilt: dB an octave above 1 kHz (and below it, the other way), from 250 Hz to 4 kHz.
        voiced: dB by which voiced sounds are raised.
    """

    formants: float = 1.0
    noise: float = 1.0
    tilt: float = 0.0
    voiced: float = 0.0


def synthesize(voice: Voice, at: Floats, pitch: Floats, timbre: Timbre, breath: Floats | None = None) -> Floats:
    """The wave (samples,) of a voice.

    Args:
        at: seconds of the source heard at each step (steps,), which may go on from any to any.
        pitch: Hz of each step, heard where the source is voiced; 0 is whispered.
        breath: power (steps, bins) of noise that is added, in unvoiced places.
    """
    place = np.clip(at / STEP, 0, len(voice.pitch) - 1.001)
    left = place.astype(int)
    share = (place - left)[:, None]
    source = voice.pitch[np.rint(place).astype(int)] > 0
    logs = np.log(voice.envelope + 1e-14)
    envelope = np.exp(_shifted(logs[left] * (1 - share) + logs[left + 1] * share, timbre.formants))
    noise = _shifted(voice.noise[left] * (1 - share) + voice.noise[left + 1] * share, timbre.formants)
    envelope *= 10 ** (_tilt(timbre.tilt) / 10) * 10 ** (_smoothed(source) * timbre.voiced / 10)[:, None]
    envelope += 0.0 if breath is None else breath
    heard = np.where(source, pitch, 0.0)
    noise = np.clip(noise * timbre.noise, 0.0, 1.0)
    wave: Floats = pyworld.synthesize(heard, envelope, noise, SAMPLE_RATE, STEP * 1000)
    return wave


def _shifted(table: Floats, factor: float) -> Floats:
    """(steps, bins) with every frequency moved by this factor."""
    place = np.clip(np.arange(table.shape[1]) / factor, 0, table.shape[1] - 1.001)
    left = place.astype(int)
    share = place - left
    moved: Floats = table[:, left] * (1 - share) + table[:, left + 1] * share
    return np.ascontiguousarray(moved)


def _tilt(slope: float) -> Floats:
    tilt: Floats = slope * np.log2(np.clip(FREQUENCIES, 250, 4000) / 1000)
    return tilt


def _smoothed(on: NDArray[np.bool_], steps: int = 7) -> Floats:
    return np.convolve(np.pad(on.astype(float), steps // 2, mode="edge"), np.ones(steps) / steps, "valid")
