"""Singers who are followed: their pitch as a tracker hears it, and the notes that are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Karalign
from hypothesis import given
from hypothesis import strategies as st

from aligner_core.errors import AlignerError, LyricsError
from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Syllable, Word
from aligner_core.tts.follow import follow, plateaus, tuned, with_pitches
from aligner_core.tts.sung_pitch import Curve
from aligner_core.tts.tracking import harmonic, track, trackers
from plugin.formats.ultrastar import UltraStar


def tone(hz: Sequence[float], noise: float = 0.0) -> torch.Tensor:
    """Five harmonics, half a second of each pitch; 16 kHz."""
    f0 = np.repeat(np.asarray(hz), 8000)
    phase = 2 * np.pi * np.cumsum(f0) / 16000
    wave = np.stack([np.sin(phase * h) / h for h in range(1, 6)]).sum(0)
    return torch.from_numpy(wave + noise * np.random.default_rng(0).standard_normal(len(f0))).float() * 0.1


@pytest.mark.parametrize("tracker", trackers())
def test_trackers_hear_the_pitch_of_a_tone(tracker: str, tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.wav", tone([220.0, 330.0, 262.0], 0.02).numpy(), 16000)
    curve = track(tmp_path / "a.wav", tracker)
    for at, hz in enumerate((220.0, 330.0, 262.0)):
        mine = slice(50 * at + 12, 50 * at + 38)
        assert abs(1200 * np.log2(float(np.median(curve.hz[mine])) / hz)) < 25
        assert float(np.median(curve.sure[mine])) > 0.5


def test_a_sound_too_short_has_no_pitch() -> None:
    assert len(harmonic(torch.zeros(100)).hz) == 0


def test_an_unknown_tracker_is_told(tmp_path: Path) -> None:
    with pytest.raises(AlignerError, match="no tracker"):
        track(tmp_path / "a.wav", "ears")


def curve_of(numbers: Sequence[float], frames: int = 50) -> Curve:
    hz = np.repeat(440 * 2 ** ((np.asarray(numbers, np.float64) - 69) / 12), frames)
    return Curve(hz, np.ones(len(hz)))


def times_of(count: int, step: float = 0.5) -> Alignment:
    rows = tuple(Word("la", at * step, (at + 1) * step) for at in range(count))
    return Alignment((Line(" ".join("la" for _ in rows), 0.0, count * step, words=rows),))


def test_a_followed_singer_gives_a_note_for_each_syllable() -> None:
    score = follow(times_of(4), curve_of([60.2, 62.2, 64.2, 59.2]))
    assert [round(note.midi or 0, 1) for note in score.notes] == [60.2, 62.2, 64.2, 59.2]


def test_a_syllable_with_two_plateaus_has_two_notes() -> None:
    score = follow(times_of(2, 1.0), curve_of([60, 64, 62, 62]))
    assert [[note.midi for note in one.notes] for one in score.lines[0].syllables] == [[60, 64], [62]]
    assert score.notes[1].start == pytest.approx(0.5, abs=0.03)


def test_octave_errors_are_removed() -> None:
    score = follow(times_of(9), curve_of([60, 62, 64, 77, 65, 64, 50, 62, 60]))
    assert [note.midi for note in score.notes] == [60, 62, 64, 65, 65, 64, 62, 62, 60]


def test_what_is_not_heard_stays_on_the_note_before() -> None:
    curve = curve_of([60, 62, 64])
    curve.hz[50:100], curve.sure[50:100] = 0, 0
    assert [note.midi for note in follow(times_of(3), curve).notes] == [60, 60, 64]


def test_without_times_or_without_a_voice_nobody_can_be_followed() -> None:
    with pytest.raises(LyricsError, match="no times"):
        follow(Alignment.from_text("la la"), curve_of([60]))
    with pytest.raises(LyricsError, match="no voice"):
        follow(times_of(2), Curve(np.zeros(100), np.zeros(100)))


@given(st.floats(-0.45, 0.45), st.lists(st.integers(50, 80), min_size=1, max_size=9))
def test_the_tuning_of_a_song_is_found(off: float, numbers: list[int]) -> None:
    assert tuned([(number + off, 1.0) for number in numbers]) == pytest.approx(off, abs=1e-6)


def test_a_slide_is_no_plateau() -> None:
    assert len(plateaus(np.linspace(60, 60.7, 60), np.ones(60))) == 1
    assert plateaus(np.full(30, np.nan), np.zeros(30))[0][:2] == (0, 30)


def test_a_followed_text_can_be_written_as_a_game_of_singing() -> None:
    text = times_of(3)
    made = with_pitches(text, follow(text, curve_of([60, 64, 67])))
    rows = [row for row in UltraStar().render(made).splitlines() if row.startswith(":")]
    assert [int(row.split()[3]) for row in rows] == [0, 4, 7]
    assert [word.start for word in made.words] == [word.start for word in text.words]


def test_other_things_told_of_a_syllable_stay() -> None:
    part = Syllable("la", 0.0, 0.5, extra=Extra.of({"furigana": "ra", "pitch": "30"}))
    text = Alignment((Line("la", 0.0, 0.5, words=(Word("la", 0.0, 0.5, syllables=(part,)),)),))
    made = with_pitches(text, follow(text, curve_of([62])))
    assert dict(made.syllables[0].extra) == {"furigana": "ra", "pitch": "2"}


def test_a_song_aligned_and_followed_is_a_game_to_sing(karalign: Karalign, root: Path, tmp_path: Path) -> None:
    out, examples = tmp_path / "game.ultrastar.txt", root / "examples"
    got = karalign("align", examples / "amazing-grace.mp3", examples / "amazing-grace.txt", "--follow", "-o", out)
    assert got.code == 0, got.err
    notes = [line.split(" ") for line in out.read_text("utf-8").splitlines() if line.startswith(":")]
    inside = [int(note[3]) % 12 in {0, 2, 4, 7, 9} for note in notes]
    assert len(notes) >= 50
    assert sum(inside) / len(inside) >= 0.9  # a pentatonic tune
    assert "-5 0 4" in " ".join(note[3] for note in notes[:6])  # "Amazing", from G to C and E
