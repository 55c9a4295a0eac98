"""The accompaniment: guitar, organ, bass and soft drums, each a few sums of sines or shaped noise.

python examples/song_band.py OUT.wav  # the band alone
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from song_score import BAR, BEAT, INTRO_BARS, TRANSPOSE, TUNE, chords, midi, stanza_starts, tune

from aligner_core.tts.score import Note

RATE = 44100  # Hz
Track = npt.NDArray[np.float64]  # (samples,) or (samples, 2)
RING = 2.5  # seconds after the last bar
_QUALITIES = {"": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 10)}


def song_seconds() -> float:
    """Length of the whole song, its ringing out included."""
    return chords()[-1][2] + RING


def hertz(pitch: float) -> float:
    """Frequency of a MIDI number."""
    return float(440 * 2 ** ((pitch - 69) / 12))


def chord_tones(name: str) -> tuple[int, ...]:
    """MIDI numbers of a chord such as "Em" in the song's key, the root between A2 and G#3."""
    root = midi(f"{name[0]}3") + TRANSPOSE
    root += 12 * ((45 - root + 11) // 12)
    return tuple(root + step for step in _QUALITIES[name[1:]])


def plucked(pitch: float, seconds: float, brightness: float = 1.0) -> Track:
    """A string: harmonics that die the faster the higher they are, a little stretched as in steel."""
    t = np.arange(int(seconds * RATE)) / RATE
    base, out = hertz(pitch), np.zeros(len(t))
    for n in range(1, 13):
        frequency = base * n * np.sqrt(1 + 2e-4 * n * n)
        level = abs(np.sin(np.pi * n * 0.21)) / n**1.1 if frequency < 9000 else 0.0  # plucked at a fifth of its length
        out += level * np.sin(2 * np.pi * frequency * t + n) * np.exp(-t * (1.6 + 0.7 * n) / brightness)
    return out * _edges(t, 0.003, 0.05)


def organ(pitch: float, seconds: float) -> Track:
    """A held tone of four drawbars with a slow tremolo."""
    t = np.arange(int(seconds * RATE)) / RATE
    bars = ((1, 1.0), (2, 0.5), (3, 0.22), (4, 0.12))
    out = sum((level * np.sin(2 * np.pi * hertz(pitch) * n * t + n) for n, level in bars), np.zeros(len(t)))
    return np.asarray(out * (1 + 0.08 * np.sin(2 * np.pi * 4.1 * t)) * _edges(t, 0.12, 0.18))


def bass(pitch: float, seconds: float) -> Track:
    """A round low tone."""
    t = np.arange(int(seconds * RATE)) / RATE
    f = hertz(pitch)
    tone = np.sin(2 * np.pi * f * t) + 0.35 * np.sin(4 * np.pi * f * t) + 0.1 * np.sin(6 * np.pi * f * t)
    return tone * np.exp(-1.1 * t) * _edges(t, 0.012, 0.06)


def kick() -> Track:
    """A soft drum: a sine that falls from 110 to 48 Hz."""
    t = np.arange(int(0.28 * RATE)) / RATE
    return np.sin(2 * np.pi * (48 * t - 62 / 28 * np.exp(-28 * t))) * np.exp(-14 * t) * _edges(t, 0.003, 0.03)


def brush(rng: np.random.Generator, seconds: float, decay: float) -> Track:
    """A brush on a snare: noise without its lows."""
    noise = rng.normal(0, 1, int(seconds * RATE))
    t = np.arange(len(noise)) / RATE
    bright = noise - np.convolve(noise, np.ones(12) / 12, mode="same")
    return np.asarray(bright * np.exp(-decay * t) * _edges(t, 0.008, 0.02))


def band(seed: int) -> Track:
    """The whole accompaniment, not yet levelled: shape (samples, 2) at RATE."""
    rng = np.random.default_rng(seed)
    mix = np.zeros((int(song_seconds() * RATE) + RATE, 2))
    for name, start, end in chords():
        _strum(mix, rng, name, start, end)
        for tone in chord_tones(name):
            _add(mix, organ(tone + 12, end - start + 0.1), start, 0.045, 0.35)
        _add(mix, bass(chord_tones(name)[0] - 12, end - start), start, 0.30, 0.0)
    _drums(mix, rng)
    for note in lead():
        assert note.midi is not None
        _add(mix, plucked(note.midi + 12, 2.2, brightness=1.6), note.start, 0.20, -0.3)
    return room(mix[: int(song_seconds() * RATE)], rng, 0.18)


def lead() -> tuple[Note, ...]:
    """What the guitar plays alone: the last line of the tune, in the bars before each stanza."""
    early = BAR * INTRO_BARS * BEAT
    sung = [note for start in stanza_starts() for notes in tune(TUNE[-1], start) for note in notes]
    return tuple(replace(note, start=note.start - early, end=note.end - early) for note in sung if note.start >= early)


def room(dry: Track, rng: np.random.Generator, wet: float) -> Track:
    """Add the echo of a small hall, noise that dies within a second: shape (samples, 2) -> (samples, 2)."""
    t = np.arange(int(1.1 * RATE)) / RATE
    size = len(dry) + len(t)
    out = dry.copy()
    for side in (0, 1):
        tail = np.convolve(rng.normal(0, 1, len(t)), np.ones(6) / 6, mode="same") * np.exp(-6 * t) * (t > 0.012)
        tail /= np.sqrt((tail**2).sum())
        echo = np.fft.irfft(np.fft.rfft(dry[:, side], size) * np.fft.rfft(tail, size), size)
        out[:, side] += wet * echo[: len(dry)]
    return out


def _strum(mix: Track, rng: np.random.Generator, name: str, start: float, end: float) -> None:
    """A broken chord in eighths, never twice equally loud."""
    tones = chord_tones(name)
    pattern = [tones[0], tones[1], tones[2], tones[0] + 12, tones[2], tones[1]]
    for k in range(round((end - start) / BEAT * 2)):
        level = 0.17 * rng.uniform(0.8, 1.1) * (1.15 if k == 0 else 1.0)
        at = start + k * BEAT / 2 + rng.uniform(0, 0.008)
        _add(mix, plucked(pattern[k % len(pattern)] + 12, 1.8), at, level, -0.35)


def _drums(mix: Track, rng: np.random.Generator) -> None:
    """Kick on one, brush on two and three, a shaker between; none after the last stanza."""
    last = stanza_starts()[-1] + 48
    for beat in range(BAR * 2, last):
        at = beat * BEAT
        if beat % BAR == 0:
            _add(mix, kick(), at, 0.32, 0.0)
        else:
            _add(mix, brush(rng, 0.2, 22), at, 0.05, 0.15)
        _add(mix, brush(rng, 0.08, 60), at + BEAT / 2, 0.03, 0.4)


def _add(mix: Track, sound: Track, start: float, level: float, pan: float) -> None:
    """Mix a sound in at `start` seconds; pan from -1 (left) to 1, equal power."""
    first = int(start * RATE)
    piece = sound[: len(mix) - first]
    angle = (pan + 1) * np.pi / 4
    mix[first : first + len(piece)] += level * piece[:, None] * np.array([np.cos(angle), np.sin(angle)])


def _edges(t: Track, attack: float, release: float) -> Track:
    return np.asarray(np.clip(t / attack, 0, 1) * np.clip((t[-1] - t) / release, 0, 1))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: song_band.py OUT.wav")
    track = band(seed=1)
    soundfile.write(Path(sys.argv[1]), 0.5 * track / np.abs(track).max(), RATE)
