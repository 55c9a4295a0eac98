"""An aligner in the way of aeneas: a robot says the text, and the recording is warped onto it in time.

espeak-ng says each fragment by itself, so that it is known when each begins in what it says. Both sounds become
mel-cepstra, dynamic time warping within a band pairs their frames, and a fragment begins in the recording where its
first frame was paired. Lines first, then the words within each line found, with the constants of aeneas 1.7.3 for
sentences and words; frames of words that are near silence are left out, as its preset for words has it.
"""

from __future__ import annotations

import io
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import soundfile
import torch
from numba import njit
from numpy.typing import NDArray

from aligner_core import audio
from aligner_core.timeline import Alignment
from benchmarks.peers import RATE, Span, spoken, timed

Floats = NDArray[np.float64]
Wave = NDArray[np.float32]
Ints = NDArray[np.int64]
FILTERS, COEFFICIENTS, EMPHASIS = 40, 12, 0.97
LOWEST, HIGHEST = 133.3333, 6855.4976  # Hz
LOUD = 0.699  # log10 of how many times the least energy a frame of speech has
FLOOR = 1e-10  # of energies


@dataclass(frozen=True)
class Level:
    """How fine it is looked at: seconds of a window and from one to the next, and on either side of the diagonal.

    Args:
        masked: frames near silence are left out.
    """

    window: float
    shift: float
    margin: float
    masked: bool


LINES, WORDS = Level(0.050, 0.020, 30.0, False), Level(0.020, 0.005, 10.0, True)


class Warping:
    """The aligner; it needs the program espeak-ng.

    Args:
        voice: of espeak-ng.
    """

    def __init__(self, voice: str = "en-us") -> None:
        self.voice = voice

    def align_wave(self, wave: Wave, rate: int, lyrics: Alignment) -> Alignment:
        """Time words at 16 kHz; those without letters have no time.

        Shape:
            wave: (samples,)

        Raises:
            ValueError: another rate.
        """
        if rate != RATE:
            raise ValueError(f"this aligner listens at {RATE} Hz, not {rate}")
        words, at = spoken(lyrics), 0
        lines: list[list[int]] = []
        for line in lyrics.lines:
            places = [at + k for k in range(len(line.words)) if words[at + k]]
            at += len(line.words)
            lines += [places] if places else []
        whole = (0.0, len(wave) / rate)
        spans = self._spans(wave, whole, [" ".join(words[k] for k in places) for places in lines], LINES)
        edges: dict[int, Span] = {}
        for places, span in zip(lines, spans, strict=False):
            found = self._spans(wave, span, [words[k] for k in places], WORDS)
            edges |= dict(zip(places, found, strict=False))
        return timed(lyrics, edges)

    def _spans(self, wave: Wave, within: Span, fragments: Sequence[str], level: Level) -> list[Span]:
        """When each fragment is said in a part of the sound; empty where there is no room for them."""
        if len(fragments) == 1:
            return [within]
        takes = [said(fragment, self.voice) for fragment in fragments]
        anchors = np.cumsum([0, *map(len, takes)])[:-1] / RATE
        part = wave[round(within[0] * RATE) : round(within[1] * RATE)]
        if len(part) < RATE * level.shift * len(fragments):
            return []
        real, known = frames(part, level), frames(np.concatenate(takes), level)
        pairs = warped(real.cepstra, known.cepstra, round(2 * level.margin / level.shift))
        first = np.searchsorted(known.places[pairs[:, 1]], np.floor(anchors / level.shift + 1e-9))
        at = real.places[pairs[np.minimum(first, len(pairs) - 1), 0]] * level.shift + within[0]
        return list(pairwise([within[0], *at[1:].tolist(), within[1]]))


@dataclass(frozen=True, eq=False)
class Frames:
    """What is compared: cepstra (frames, COEFFICIENTS), each of length 1, and which frame of the sound each is."""

    cepstra: Floats
    places: Ints


@lru_cache(4096)
def said(text: str, voice: str) -> Wave:
    """Float32 (samples,) at RATE of espeak-ng saying this.

    Raises:
        OSError, subprocess.CalledProcessError: it is not there, or refuses.
    """
    command = ["espeak-ng", "-v", voice, "--stdout", "--", text]
    run = subprocess.run(command, check=True, capture_output=True, timeout=60)
    sound = bytearray(run.stdout)
    sound[4:8], sound[40:44] = (len(sound) - 8).to_bytes(4, "little"), (len(sound) - 44).to_bytes(4, "little")
    wave, rate = soundfile.read(io.BytesIO(bytes(sound)), dtype="float32")
    return audio.resample(torch.from_numpy(wave), rate).numpy()


def frames(wave: Wave, level: Level) -> Frames:
    """Mel-cepstra without the one of loudness, of the frames that count."""
    size, hop = round(level.window * RATE), round(level.shift * RATE)
    padded = np.append(wave, np.zeros(max(size - hop, size - len(wave)), np.float32)).astype(np.float64)
    padded[1:] -= EMPHASIS * padded[:-1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop] * np.hamming(size)
    points = max(512, 2 ** int(np.ceil(np.log2(size))))
    power = np.square(np.abs(np.fft.rfft(windows, points)))
    energy = np.log10(np.maximum(power @ _filters(points).T, FLOOR))
    cepstra = energy @ _cosines().T
    cepstra /= np.maximum(np.linalg.norm(cepstra, axis=1, keepdims=True), 1e-12)
    level_of = energy.mean(1)
    kept = level_of >= level_of.min() + LOUD if level.masked else np.ones(len(energy), bool)
    kept = kept if kept.any() else ~kept
    return Frames(cepstra[kept], np.flatnonzero(kept))


@lru_cache(4)
def _filters(points: int) -> Floats:
    """Triangles (FILTERS, bins) of the same area, evenly spaced in mel."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST, HIGHEST))
    edges = np.linspace(low, high, FILTERS + 2)
    peaks = 700 * (10 ** (edges / 2595) - 1)
    bins = np.fft.rfftfreq(points, 1 / RATE)
    rise = (bins - peaks[:-2, None]) / (peaks[1:-1] - peaks[:-2])[:, None]
    fall = (peaks[2:, None] - bins) / (peaks[2:] - peaks[1:-1])[:, None]
    return np.asarray(np.maximum(0, np.minimum(rise, fall)) * (2 / (peaks[2:] - peaks[:-2]))[:, None], np.float64)


@lru_cache(1)
def _cosines() -> Floats:
    """Discrete cosines (COEFFICIENTS, FILTERS), from 1 on."""
    at = (np.arange(FILTERS) + 0.5) * np.pi / FILTERS
    return np.asarray(np.cos(np.outer(np.arange(1, COEFFICIENTS + 1), at)), np.float64)


def warped(one: Floats, other: Floats, width: int) -> Ints:
    """The cheapest path (pairs, 2) through both from first to last frame; a pair costs 1 minus the cosine between them.

    Args:
        one, other: (frames, size), rows of length 1.
        width: frames of `other` that a frame of `one` may be paired with, around the diagonal; where it is too narrow
            for a path, it is as wide as that needs.
    """
    rows, columns = len(one), len(other)
    width = min(max(width, 2 * -(-columns // rows) + 2), columns)
    begins = np.clip(columns * np.arange(rows) // rows - width // 2, 0, columns - width)
    cost = np.empty((rows, width))
    for row, begin in enumerate(begins):
        cost[row] = 1 - other[begin : begin + width] @ one[row]
    return np.array(_path(cost, begins), np.int64)[::-1]


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _path(cost: Floats, begins: Ints) -> list[tuple[int, int]]:
    """The path, backwards; `cost` becomes that of the cheapest way to each pair, of which row r begins at begins[r]."""
    rows, width = cost.shape
    far = np.inf
    for j in range(1, width):
        cost[0, j] += cost[0, j - 1]
    for i in range(1, rows):
        moved = begins[i] - begins[i - 1]
        for j in range(width):
            up = cost[i - 1, j + moved] if j + moved < width else far
            both = cost[i - 1, j + moved - 1] if 0 <= j + moved - 1 < width else far
            left = cost[i, j - 1] if j > 0 else far
            cost[i, j] += min(both, up, left)
    i, j = rows - 1, width - 1
    out = [(i, j + begins[i])]
    while i > 0 or j > 0:
        moved = begins[i] - begins[i - 1] if i > 0 else 0
        up = cost[i - 1, j + moved] if i > 0 and j + moved < width else far
        both = cost[i - 1, j + moved - 1] if i > 0 and 0 <= j + moved - 1 < width else far
        left = cost[i, j - 1] if j > 0 else far
        if both <= up and both <= left:
            i, j = i - 1, j + moved - 1
        elif up <= left:
            i, j = i - 1, j + moved
        else:
            j -= 1
        out.append((i, j + begins[i]))
    return out
