"""The pitch of a sung line, frame by frame: from note to note, with what keeps a held note alive.

Vibrato, overshoot and fine fluctuation as Saitou et al. (Speech-to-singing synthesis, 2007) have them. What a guide
sings is to be sung along with, so its notes are exact: little vibrato, late, and no overshoot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .score import Note
from .sound import HOP, RATE

FRAME = HOP / RATE  # s
AHEAD = 0.02  # s by which the middle of a slide is before the note
DRIFTS = 10.0  # Hz, above which nothing fluctuates
FADES = 0.1  # s at the end of a note in which vibrato ceases
SWELLS = 0.3  # s in which it grows
STEP = 0.001  # s, of the second-order system
LONGEST_STEP = 40  # frames of a follow curve's gap that is bridged by a straight line
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Style:
    """How notes are sung.

    Args:
        slide: s from one note to the next.
        vibrato: cents to either side at first, and when it has grown.
        rate: Hz of the vibrato.
        after: s of a note before there is any.
        held: s of a note that has any.
        drift: cents, root of the mean square of what fluctuates.
        overshoot: share of Saitou's overshoot that is taken.
        scoop: cents by which a note after a rest begins lower.
        swell: dB of loudness that goes with vibrato.
    """

    slide: float = 0.08
    vibrato: tuple[float, float] = (8.0, 16.0)
    rate: float = 5.5
    after: float = 0.4
    held: float = 0.8
    drift: float = 2.5
    overshoot: float = 0.0
    scoop: float = 0.0
    swell: float = 0.4


STYLES: dict[str, Style] = {
    "guide": Style(),
    "expressive": Style(
        slide=0.1, vibrato=(30.0, 60.0), after=0.3, held=0.6, drift=6.0, overshoot=0.6, scoop=80.0, swell=1.0
    ),
    "follow": Style(vibrato=(0.0, 0.0), drift=0.0, swell=0.0),
}


class Curve(NamedTuple):
    """The pitch of a singer, a frame every 10 ms from the beginning of the sound on.

    Args:
        hz: (frames,), 0 where there is none.
        sure: (frames,), 0 to 1.
    """

    hz: Floats
    sure: Floats


class Sung(NamedTuple):
    """Both (frames,): MIDI numbers, not whole, and dB of loudness that goes with them."""

    midi: Floats
    swell: Floats


def sung_pitch(notes: Sequence[Note], start: int, frames: int, style: Style, seed: int = 0) -> Sung:
    """The pitch in each frame.

    Args:
        notes: with pitches, in order; one at least.
        start: first frame.
    """
    times: Floats = (start + np.arange(frames, dtype=np.float64) + 0.5) * FRAME
    midi = _slid(notes, times, style)
    if style.overshoot:
        midi += style.overshoot * (_second_order(midi) - midi)
    waves, swell = _vibrato(notes, times, style)
    return Sung(midi + (waves + _drift(frames, style.drift, seed)) / 100, swell)


def followed(midi: Floats, curve: Curve, start: int, least: float = 0.5) -> Floats:
    """The singer's own pitch around the notes: where it is sure and within a whole tone of them, octaves aside.

    Args:
        midi: (frames,), the notes from the frame `start` on.
        least: how sure.
    """
    hz, sure = (_slice(column, start, len(midi)) for column in curve)
    known = (hz > 0) & (sure >= least)
    own = 69 + 12 * np.log2(np.where(known, hz, 440.0) / 440)
    off = (own - midi + 6) % 12 - 6
    known &= np.abs(off) < 2
    if not known.any():
        return midi
    off = _median(np.where(known, off, np.nan), 5)
    return midi + _bridged(off)


def _slice(column: Floats, start: int, frames: int) -> Floats:
    mine = column[max(start, 0) : max(start + frames, 0)]
    before = min(max(-start, 0), frames)
    return np.pad(mine, (before, frames - before - len(mine)))


def _slid(notes: Sequence[Note], times: Floats, style: Style) -> Floats:
    """Steps with rounded edges; MIDI numbers."""
    midi: Floats = np.full(len(times), float(_pitch(notes[0])))
    for before, note in pairwise(notes):
        width = min(style.slide, 0.5 * before.seconds, 0.5 * note.seconds)
        middle = note.start - min(AHEAD, width / 2)
        share = np.clip((times - middle) / max(width, 1e-6) + 0.5, 0, 1)
        midi += (_pitch(note) - _pitch(before)) * (0.5 - 0.5 * np.cos(np.pi * share))
    for at, note in enumerate(notes):
        if style.scoop and (at == 0 or note.start - notes[at - 1].end > 0.15):
            since = np.maximum(times - note.start + 0.05, 0) / style.slide
            midi -= np.where(times < note.end, style.scoop / 100 * np.exp(-3 * since) * (times > note.start - 0.3), 0)
    return midi


def _pitch(note: Note) -> float:
    assert note.midi is not None
    return note.midi


def _second_order(midi: Floats) -> Floats:
    """What a damped spring makes of steps: it goes too far, and comes back (0.0348 rad/ms, damping 0.5422)."""
    speed, damping = 34.8, 0.5422
    place, rate, out = float(midi[0]) if len(midi) else 0.0, 0.0, np.empty(len(midi))
    steps = round(FRAME / STEP)
    for at, target in enumerate(midi):
        for _ in range(steps):
            rate += STEP * (speed**2 * (target - place) - 2 * damping * speed * rate)
            place += STEP * rate
        out[at] = place
    return out


def _vibrato(notes: Sequence[Note], times: Floats, style: Style) -> tuple[Floats, Floats]:
    """Cents, and dB in phase with them."""
    cents, swell = np.zeros(len(times)), np.zeros(len(times))
    for note in notes:
        if note.seconds < style.held or not style.vibrato[1]:
            continue
        since = times - note.start - style.after
        grown = style.vibrato[0] + (style.vibrato[1] - style.vibrato[0]) * np.clip(since / SWELLS, 0, 1)
        gate = np.clip(since / 0.1, 0, 1) * np.clip((note.end - times) / FADES, 0, 1)
        wave = np.sin(2 * math.pi * style.rate * np.maximum(since, 0))
        cents += gate * grown * wave
        swell += gate * style.swell * wave
    return cents, swell


def _drift(frames: int, cents: float, seed: int) -> Floats:
    """Slow noise: no voice is quite steady."""
    if not cents or not frames:
        return np.zeros(frames)
    half = round(1 / DRIFTS / FRAME)
    window = np.hanning(2 * half + 1)
    window /= np.sqrt((window**2).sum())
    noise = np.random.default_rng(seed).standard_normal(frames + 2 * half)
    return np.convolve(noise, window, "valid") * cents


def _median(row: Floats, size: int) -> Floats:
    """Of what is known around each place; NaN where nothing is."""
    padded = np.pad(row, size // 2, constant_values=np.nan)
    near = np.sort(np.lib.stride_tricks.sliding_window_view(padded, size), axis=1)  # NaN last
    count = (~np.isnan(near)).sum(1)
    return np.where(count > 0, near[np.arange(len(near)), np.maximum((count - 1) // 2, 0)], np.nan)


def _bridged(row: Floats) -> Floats:
    """Straight lines over short gaps; over long ones and at the ends it goes back to nothing."""
    known = np.flatnonzero(~np.isnan(row))
    places = np.arange(len(row))
    out = np.interp(places, known, row[known])
    after = np.minimum(np.searchsorted(known, places), len(known) - 1)
    away = np.minimum(np.abs(known[after] - places), np.abs(known[np.maximum(after - 1, 0)] - places))
    bridged: Floats = out * np.clip(2 - 2 * away / LONGEST_STEP, 0, 1)
    return bridged
