"""From speech to song: every vowel starts on its beat and is held, consonants come before it, the pitch is the tune's.

WORLD takes the spoken phrase apart (pitch, spectral envelope, aperiodicity) every 5 ms; here its frames are laid out on
the rhythm and its pitch is replaced. The sounds' times in the song are therefore known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyworld
from song_score import Phrase
from song_speech import RATE, Sound, Wave

STEP = 0.005  # seconds a frame
FFT_SIZE = 2048
UNVOICED = {"P", "T", "K", "F", "TH", "S", "SH", "HH", "CH"}
STOPS = {"P", "T", "K", "B", "D", "G", "CH", "JH"}
DIPHTHONGS = {"AW", "AY", "EY", "OW", "OY"}
CONSONANT = (0.04, 0.14)  # shortest and longest, seconds
SHORTEST_VOWEL = 0.12  # seconds
GLIDE = 0.09  # seconds from one note to the next
VIBRATO = (5.4, 0.22, 0.35)  # Hz, semitones, seconds before it sets in
Frames = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Sung:
    """A phrase as sung: samples at RATE from `start` on, and its sounds; all times are seconds in the song."""

    wave: Wave
    start: float
    sounds: tuple[Sound, ...]


def sing(phrase: Phrase, wave: Wave, spoken: tuple[Sound, ...], seed: int) -> Sung:
    """Turn a spoken phrase into a sung one.

    Args:
        wave: speech (n,) at RATE.
        spoken: the phrase's sounds, at their times in `wave`.
        seed: of the small unsteadiness of the voice.
    """
    f0, envelope, noise = _analysed(wave)
    spoken = _with_closures(_trimmed(_voiced_part(spoken, f0 > 0)))
    sung = laid_out(phrase, spoken)
    start = sung[0].start - 0.05
    count = int((sung[-1].end + 0.1 - start) / STEP)
    times = start + STEP * np.arange(count)
    at = np.interp(times, *_knots(spoken, sung)) / STEP
    voiced = _voicing(times, sung, f0[np.clip(np.round(at).astype(int), 0, len(f0) - 1)] > 0)
    loud = np.log(envelope)
    shaped = np.exp(_between(loud, at)) * _loudness(times, sung, phrase, _between(loud, at))[:, None]
    pitch = 440 * 2 ** ((melody(times, phrase, seed) - 69) / 12)
    breath = np.clip(_between(noise, at), 0, 1)
    return Sung(pyworld.synthesize(np.where(voiced, pitch, 0.0), shaped, breath, RATE, 1000 * STEP), start, sung)


def laid_out(phrase: Phrase, spoken: tuple[Sound, ...]) -> tuple[Sound, ...]:
    """The sounds at their times in the song: a syllable's vowel on its first note, its consonants around it."""
    parts = [_parts([s for s in spoken if s.syllable == k]) for k in range(len(phrase.syllables))]
    out: list[Sound] = []
    for k, (onset, vowel, coda) in enumerate(parts):
        notes = phrase.syllables[k].notes
        following = parts[k + 1][0] if k + 1 < len(parts) else []
        room = notes[-1].end - notes[0].start
        fit = min(1.0, (room - SHORTEST_VOWEL) / max(1e-9, sum(map(_length, coda + following))))
        if not k:
            out += _row(onset, notes[0].start - sum(map(_length, onset)), 1.0)
        end = notes[-1].end - fit * sum(map(_length, coda + following))
        out.append(replace(vowel, start=notes[0].start, end=end))
        out += _row(coda + following, end, fit)
    return tuple(out)


def melody(times: Frames, phrase: Phrase, seed: int) -> Frames:
    """Pitch in semitones (MIDI) at each time, glides, vibrato and a drift of a few cents included: shape (n,)."""
    notes = [note for syllable in phrase.syllables for note in syllable.notes]
    # the glide is over when the note begins: what precedes a vowel is sung on the vowel's pitch
    begins = np.array([note.start - GLIDE / 2 for note in notes])
    index = np.clip(np.searchsorted(begins, times, side="right") - 1, 0, None)
    flat = np.array([float(note.pitch) for note in notes])[index]
    since = times - begins[index]
    rate, depth, wait = VIBRATO
    swing = depth * np.clip((since - wait) / 0.4, 0, 1) * np.sin(2 * np.pi * rate * since)
    drift = _smoothed(np.random.default_rng(seed).normal(0, 0.25, len(times)), 0.15)
    return np.asarray(_smoothed(flat, GLIDE) + swing + drift)


def _parts(sounds: list[Sound]) -> tuple[list[Sound], Sound, list[Sound]]:
    place = next(i for i, s in enumerate(sounds) if s.phone[-1].isdigit())
    return sounds[:place], sounds[place], sounds[place + 1 :]


def _length(consonant: Sound) -> float:
    return float(np.clip(consonant.end - consonant.start, *CONSONANT))


def _row(sounds: list[Sound], start: float, fit: float) -> list[Sound]:
    out = []
    for sound in sounds:
        out.append(replace(sound, start=start, end=start + fit * _length(sound)))
        start = out[-1].end
    return out


def _voiced_part(spoken: tuple[Sound, ...], voiced: npt.NDArray[np.bool_]) -> tuple[Sound, ...]:
    """Vowels cut to their longest voiced stretch: a creaking or breathy end would be held as noise."""
    out = []
    for sound in spoken:
        first, last = int(np.ceil(sound.start / STEP)), int(sound.end / STEP)
        quiet = np.flatnonzero(~voiced[first:last]) if sound.phone[-1].isdigit() else np.array([], int)
        edges = np.concatenate([[-1], quiet, [last - first]])
        longest = int(np.argmax(np.diff(edges)))
        start, end = float(first + edges[longest] + 1) * STEP, float(first + edges[longest + 1]) * STEP
        out.append(replace(sound, start=start, end=end) if len(quiet) and end - start > 0.03 else sound)
    return tuple(out)


def _trimmed(spoken: tuple[Sound, ...]) -> tuple[Sound, ...]:
    """Consonants no longer than they are sung: what follows them in a long one is silence."""
    longest = CONSONANT[1]
    return tuple(s if s.phone[-1].isdigit() else replace(s, end=min(s.end, s.start + longest)) for s in spoken)


def _with_closures(spoken: tuple[Sound, ...]) -> tuple[Sound, ...]:
    """Give a stop the silence before it, up to 50 ms: the closure is part of the sound."""
    out = [spoken[0]]
    for sound in spoken[1:]:
        closed = sound.phone in STOPS and sound.start > out[-1].end
        out.append(replace(sound, start=max(out[-1].end, sound.start - 0.05)) if closed else sound)
    return tuple(out)


def _knots(spoken: tuple[Sound, ...], sung: tuple[Sound, ...]) -> tuple[list[float], list[float]]:
    """Matching times (song, speech). A held vowel begins and ends at its own pace; only its middle is stretched."""
    song: list[float] = []
    speech: list[float] = []
    for a, b in zip(sung, spoken, strict=True):
        length = b.end - b.start
        song.append(a.start)
        speech.append(b.start)
        if a.phone[-1].isdigit() and a.end - a.start > length > 0.03:
            head = min(0.3 * length, 0.06)
            tail = min(0.5 * length, 0.2) if a.phone[:-1] in DIPHTHONGS else min(0.3 * length, 0.08)
            song += [a.start + head, a.end - tail]
            speech += [b.start + head, b.end - tail]
        song.append(a.end - 1e-6)
        speech.append(b.end)
    return [song[0] - 0.05, *song, song[-1] + 0.1], [speech[0] - 0.05, *speech, speech[-1] + 0.1]


def _analysed(wave: Wave) -> tuple[Frames, Frames, Frames]:
    """Pitch in Hz (frames,), spectral envelope and aperiodicity (frames, FFT_SIZE / 2 + 1)."""
    f0, at = pyworld.harvest(wave, RATE, frame_period=1000 * STEP)
    f0 = pyworld.stonemask(wave, f0, at, RATE)
    envelope = pyworld.cheaptrick(wave, f0, at, RATE, fft_size=FFT_SIZE)
    return f0, envelope + 1e-14, pyworld.d4c(wave, f0, at, RATE, fft_size=FFT_SIZE)


def _between(frames: Frames, at: Frames) -> Frames:
    """Frames at fractional places: shape (n, bins)."""
    low = np.clip(at.astype(int), 0, len(frames) - 2)
    weight = np.clip(at - low, 0, 1)[:, None]
    mixed: Frames = frames[low] * (1 - weight) + frames[low + 1] * weight
    return mixed


def _voicing(times: Frames, sung: tuple[Sound, ...], heard: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Where the voice sounds: in the middle of vowels always, elsewhere as it was spoken, never in voiceless sounds."""
    out = heard.copy()
    for sound in sung:
        if sound.phone[-1].isdigit():
            out[(times > sound.start + 0.02) & (times < sound.end - 0.03)] = True
        elif sound.phone in UNVOICED:
            out[(times >= sound.start + 0.005) & (times < sound.end - 0.01)] = False
    return out


def _loudness(times: Frames, sung: tuple[Sound, ...], phrase: Phrase, loud: Frames) -> Frames:
    """Power factor (n,): vowels evened out among each other and within, the end of the phrase faded."""
    power = np.log(np.exp(loud).sum(1))
    vowel = np.zeros(len(times), bool)
    for sound in sung:
        if sound.phone[-1].isdigit():
            vowel |= (times >= sound.start + 0.02) & (times < sound.end - 0.02)
    gain = np.clip(0.8 * (np.median(power[vowel]) - power[vowel]), -2.5, 2.5)
    curve = _smoothed(np.interp(times, times[vowel], gain), 0.1)
    last = phrase.syllables[-1].notes[-1]
    fade = np.clip((sung[-1].end - times) / (0.25 if last.end - last.start > 1.5 else 0.1), 1e-4, 1)
    return np.asarray(np.exp(curve) * np.where(times > last.start, fade, 1.0))


def _smoothed(values: Frames, seconds: float) -> Frames:
    width = int(seconds / STEP) | 1
    window = np.hanning(width + 2)[1:-1]
    padded = np.pad(values, width // 2, mode="edge")
    smooth: Frames = np.convolve(padded, window / window.sum(), mode="valid")
    return smooth
