"""How exactly something is sung: pitch and loudness of its notes, the time of its vowels, and melodies got back."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from aligner_core import Aligner
from aligner_core.phones import VOWELS, base
from aligner_core.timeline import Alignment, Phone
from aligner_core.tts.engines import VOICELESS
from aligner_core.tts.follow import follow
from aligner_core.tts.score import Note, Score
from aligner_core.tts.synthesizer import Speech
from aligner_core.tts.tracking import TRACKERS
from benchmarks.packs import song as timed_by_hand

BEGIN, END = 0.1, 0.12  # s of a note that are not steady, at its edges: slides, and what closes the syllable
OFF = 50.0  # cents
LOWEST, HIGHEST = 70.0, 1300.0  # Hz, of the tracker
AROUND = 0.2  # s to either side of a note's beginning in which its voice is looked for
Floats = NDArray[np.float64]


def pitches(speech: Speech, score: Score) -> dict[str, float]:
    """Cents off the notes on their steady parts, by Praat's autocorrelation (Boersma 1993): median, share beyond 50 and
    beyond 50 octaves aside, share without pitch; and the ratio of harmonics to noise there."""
    import parselmouth

    sound = parselmouth.Sound(speech.wave.astype(np.float64), speech.sample_rate)
    pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=LOWEST, pitch_ceiling=HIGHEST)
    times, hz = pitch.xs(), pitch.selected_array["frequency"]
    clear = sound.to_harmonicity_cc(time_step=0.01, minimum_pitch=LOWEST)
    off, lost, ratio = [], 0, []
    for note in score.notes:
        assert note.midi is not None
        heard = hz[(times > note.start + BEGIN) & (times < note.end - END)]
        lost += int((heard <= 0).sum())
        off += list(1200 * np.log2(heard[heard > 0] / (440 * 2 ** ((note.midi - 69) / 12))))
        mine = (clear.xs() > note.start + BEGIN) & (clear.xs() < note.end - END)
        ratio += [value for value in clear.values[0][mine] if value > -100]
    cents = np.abs(np.array(off))
    aside = np.abs((np.array(off) + 600) % 1200 - 600)
    return {
        "cents": float(np.median(cents)),
        "beyond_50": float((cents > OFF).mean()),
        "beyond_50_octaves_aside": float((aside > OFF).mean()),
        "without_pitch": lost / max(lost + len(off), 1),
        "harmonics_db": float(np.median(ratio)),
    }


def loudness(speech: Speech, score: Score) -> dict[str, float]:
    """dB between the 10th and the 90th percentile of the levels of vowels, and the largest step in a rest."""
    levels = []
    for line in speech.alignment.lines:
        for start, end in (_inner(phone) for phone in _phones(line) if base(phone.text) in VOWELS):
            a, b = round(start * speech.sample_rate), round(end * speech.sample_rate)
            levels.append(10 * np.log10(float((speech.wave[a:b].astype(np.float64) ** 2).mean()) + 1e-12))
    low, high = np.percentile(levels, [10, 90])
    return {"loudness_db": float(high - low), "step_in_rests": step_in_rests(speech, score)}


def _inner(phone: Phone) -> tuple[float, float]:
    """Its middle three quarters."""
    assert phone.start is not None
    assert phone.end is not None
    eighth = (phone.end - phone.start) / 8
    return phone.start + eighth, phone.end - eighth


def step_in_rests(speech: Speech, score: Score) -> float:
    """The largest difference between neighbouring samples where no line is sung."""
    steps = np.abs(np.diff(speech.wave))
    quiet = np.ones(len(steps), bool)
    for line in speech.alignment.lines:
        if line.start is not None and line.end is not None:
            a, b = (round(at * speech.sample_rate) for at in (line.start - 0.05, line.end + 0.05))
            quiet[max(a, 0) : b] = False
    return float(steps[quiet].max(initial=0.0)) if score.lines else 0.0


def onsets(aligner: Aligner, speech: Speech, text: Alignment, score: Score) -> Floats:
    """Seconds by which vowels are heard after their notes begin, by the aligner, which knows the words but no times."""
    heard = aligner.align_wave(speech.wave, speech.sample_rate, text)
    late = []
    for line, sung in zip(heard.lines, score.lines, strict=True):
        vowels = [phone for phone in _phones(line) if base(phone.text) in VOWELS]
        notes = _beats(sung.syllables)
        if len(vowels) == len(notes):
            late += [phone.start - note.start for phone, note in zip(vowels, notes, strict=True)
                     if phone.start is not None]  # fmt: skip
    return np.array(late)


def voicing_onsets(speech: Speech, score: Score) -> Floats:
    """Seconds by which the voice sets in after the note, for vowels after a rest or a voiceless sound, by Praat: no
    aligner has a say in it."""
    import parselmouth

    sound = parselmouth.Sound(speech.wave.astype(np.float64), speech.sample_rate)
    late = []
    for line, sung in zip(speech.alignment.lines, score.lines, strict=True):
        phones = _phones(line)
        before = [True, *(_voiceless(one, other) for one, other in pairwise(phones))]
        vowels = [clear for clear, phone in zip(before, phones, strict=True) if base(phone.text) in VOWELS]
        notes = _beats(sung.syllables)
        for clear, note in zip(vowels, notes, strict=len(vowels) == len(notes)):
            if clear and note.midi is not None:
                part = sound.extract_part(note.start - AROUND, note.start + AROUND, preserve_times=True)
                hz = 440 * 2 ** ((note.midi - 69) / 12)
                pitch = part.to_pitch_ac(time_step=0.002, pitch_floor=0.7 * hz, pitch_ceiling=2 * hz)
                quiet = pitch.xs()[(pitch.selected_array["frequency"] == 0) & (pitch.xs() < note.start + AROUND / 2)]
                late += [float(quiet[-1]) + 0.001 - note.start] if len(quiet) else []
    return np.array(late)


def _voiceless(one: Phone, other: Phone) -> bool:
    assert one.end is not None
    assert other.start is not None
    return one.text in VOICELESS or other.start - one.end > AROUND


def summed(late: Sequence[Floats]) -> dict[str, float]:
    """Median and 95th percentile of the errors, and the bias."""
    row = np.concatenate(list(late))
    away = np.abs(row)
    return {
        "count": float(len(row)),
        "median": float(np.median(away)),
        "p95": float(np.percentile(away, 95)),
        "bias": float(np.median(row)),
    }


def round_trip(pack: Path, tracker: str) -> dict[str, Any]:
    """Of hand-timed songs, share of the syllables that come back within a semitone, octaves aside."""
    with zipfile.ZipFile(pack) as archive:
        rows = [json.loads(row) for row in archive.read("manifest.jsonl").decode().splitlines()]
        shares, count = {}, 0
        for row in rows:
            wave, _ = soundfile.read(io.BytesIO(archive.read(f"{row['id']}.ogg")), dtype="float32")
            curve = TRACKERS[tracker](torch.from_numpy(wave))
            right = [part for word in row["words"] for part in word["syl"] if part[3] is not None]
            met = back(right, follow(timed_by_hand(row["words"]), curve).notes)
            shares[row["id"]] = met / len(right)
            count += len(right)
    total = sum(share * _count(row) for share, row in zip(shares.values(), rows, strict=True)) / count
    return {"within": total, "syllables": count, "songs": shares}


def back(right: Sequence[tuple[str, float, float, int]], notes: Sequence[Note]) -> int:
    """How many syllables (text, start, end, semitones from C4) are within a semitone of the note that sounds most in
    them."""
    met = 0
    for _, start, end, pitch in right:
        mine = [note for note in notes if note.start < end and note.end > start and note.midi is not None]
        if mine:
            note = max(mine, key=lambda note: min(note.end, end) - max(note.start, start))
            met += abs((round(note.midi or 0.0) - pitch + 6) % 12 - 6) <= 1
    return met


def _count(row: dict[str, Any]) -> int:
    return sum(part[3] is not None for word in row["words"] for part in word["syl"])


def _phones(line: Any) -> list[Phone]:
    return [phone for word in line.words for part in word.syllables for phone in part.phones]


def _beats(syllables: Sequence[Any]) -> list[Note]:
    """The first note of each syllable, once for each vowel in it."""
    return [one.notes[0] for one in syllables if one.notes for phone in one.phones if base(phone) in VOWELS]
