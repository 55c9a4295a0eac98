"""The benchmark of singing: its melodies are where they should be, and its measures are right."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyworld")

from aligner_core.phones import VOWELS, base
from aligner_core.timeline import Alignment, Line, Phone, Syllable, Word
from aligner_core.tts.score import Note, Score, SungLine, SungSyllable
from aligner_core.tts.synthesizer import Speech
from benchmarks import singing, singing_page
from benchmarks.singing_measures import back, loudness, summed, voicing_onsets


@pytest.mark.parametrize("tonic", singing.TONICS)
def test_melodies_have_a_note_for_each_syllable_within_a_fourth(tonic: int) -> None:
    one = singing.song(tonic)
    for line in one.score.lines:
        assert all(len(part.notes) == 1 for part in line.syllables)
        assert all(sum(base(phone) in VOWELS for phone in part.phones) == 1 for part in line.syllables)
        assert all(a.end <= b.start + 1e-9 for a, b in pairwise(line.notes))
    assert {(note.midi or 0) - tonic for note in one.score.notes} <= set(singing.SCALE)


def test_melodies_are_the_same_every_time() -> None:
    assert singing.song(60).score == singing.song(60).score


def test_what_comes_back_within_a_semitone_counts_octaves_aside() -> None:
    right = [("a", 0.0, 1.0, 0), ("b", 1.0, 2.0, 5), ("c", 2.0, 3.0, 7), ("d", 9.0, 10.0, 7)]
    notes = [Note(0.1, 0.9, 61.0), Note(1.0, 1.9, 77.2), Note(2.0, 2.8, 64.0)]
    assert back(right, notes) == 2


def test_errors_of_onsets_are_summed_over_songs() -> None:
    found = summed([np.array([0.01, -0.03]), np.array([0.02])])
    assert found["count"] == 3
    assert found["median"] == pytest.approx(0.02)
    assert found["bias"] == pytest.approx(0.01)


def figures(cents: float) -> dict[str, Any]:
    row = {"cents": cents, "beyond_50": 0.01, "beyond_50_octaves_aside": 0.01, "without_pitch": 0.1,
           "harmonics_db": 20.0, "loudness_db": 3.0, "step_in_rests": 0.0}  # fmt: skip
    engine = {
        "notes": {"60": row}, "onsets": {"count": 9.0, "median": 0.01, "p95": 0.05, "bias": 0.0},
        "voicing": {"count": 5.0, "median": 0.01, "p95": 0.05, "bias": 0.0},
        "phone_error": 0.1, "quick_phone_error": 0.1, "times_real_time": 20.0,
    }  # fmt: skip
    return {"sung": {"neural": engine, "world": engine, "spoken_phone_error": 0.1,
                     "listener": {"weight": 1.0, "cost": 2.0, "speech": 0.05, "song": 0.1}},
            "followed": {"swift": {"within": 0.7, "syllables": 3, "songs": {"a": 0.7}}}}  # fmt: skip


def test_the_page_tells_what_misses_its_bar() -> None:
    good, bad = figures(2.0), figures(20.0)
    assert singing.check(good) == []
    assert len(singing.check(bad)) == 2
    assert "All bars are met" in singing_page.section(good | {"missed": []})
    assert "20.000, at most 15" in singing_page.section(bad | {"missed": singing.check(bad)})


def tone(starts: tuple[float, ...], level: float = 0.1) -> tuple[Speech, Score]:
    """ "Sah" on 200 Hz for 0.5 s, once for each start; the notes begin 20 ms earlier."""
    rate, wave = 24000, np.zeros(24000 * 6, np.float32)
    syllables, sung = [], []
    for at, start in enumerate(starts):
        time = np.arange(round(0.5 * rate)) / rate
        loud = level * (1 + at)
        pulses = loud * sum(np.cos(2 * np.pi * 200 * k * time) for k in range(1, 20)) / 5
        wave[round(start * rate) :][: len(time)] = pulses
        phones = (Phone("S", start - 0.15, start), Phone("AA", start, start + 0.5))
        syllables.append(Syllable("sah", start - 0.15, start + 0.5, phones=phones))
        note = Note(start - 0.02, start + 0.5, 69 + 12 * np.log2(200 / 440))
        sung.append(SungSyllable(at, "sah", ("S", "AA1"), (note,)))
    words = tuple(Word(one.text, one.start, one.end, syllables=(one,)) for one in syllables)
    line = Line(" ".join(["sah"] * len(starts)), words[0].start, words[-1].end, words=words)
    return Speech(wave, rate, Alignment((line,))), Score((SungLine(0, tuple(sung)),))


def test_the_voice_sets_in_where_its_pulses_begin() -> None:
    pytest.importorskip("parselmouth")
    late = voicing_onsets(*tone((1.0, 2.0, 3.0)))
    assert len(late) == 3
    assert late == pytest.approx(np.full(3, 0.02), abs=0.008)


def test_loudness_is_that_of_vowels() -> None:
    assert loudness(*tone((1.0, 2.0)))["loudness_db"] == pytest.approx(0.8 * 20 * np.log10(2), abs=0.2)
