"""Invented band music: what the composer promises, its MIDI bytes, and a pack played from them."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core.errors import AudioError
from aligner_core.training import band
from aligner_core.training.band import SINGER, TONE_SECONDS, Song, invent, melody, pieces
from aligner_core.training.data import read_packs
from aligner_core.training.midi import BEND_RANGE, Note, Part, midi

seeds = st.integers(0, 10**6)
needs_synthesizer = pytest.mark.skipif(
    not shutil.which("fluidsynth") or not band.SOUND_FONT.is_file(), reason="FluidSynth or its sound font is missing"
)


def messages(score: bytes) -> Iterator[tuple[int, bytes]]:
    """Reads a format 0 file by the standard's grammar: (tick, message), the end of the track included."""
    assert score[:4] == b"MThd"
    assert score[14:18] == b"MTrk"
    assert int.from_bytes(score[18:22], "big") == len(score) - 22
    at, tick = 22, 0
    while at < len(score):
        delta = 0
        while True:
            delta, at = delta << 7 | score[at] & 127, at + 1
            if score[at - 1] < 128:
                break
        tick += delta
        kind = score[at] >> 4
        size = 3 if kind in {0x8, 0x9, 0xB, 0xE} else {0xC: 2, 0xF: 3}[kind]
        yield tick, score[at : at + size]
        at += size


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_the_same_seed_gives_the_same_piece(seed: int) -> None:
    assert invent(Random(seed)) == invent(Random(seed))


def test_other_seeds_give_other_music() -> None:
    leads = {part.program for seed in range(60) for part in invent(Random(seed)) if part.role == "lead"}
    assert len({invent(Random(seed)) for seed in range(20)}) == 20
    assert len(leads) > 20


@given(seeds, st.sampled_from(list(band.MODES)), st.floats(0.75, 4), st.integers(0, 11))
@settings(max_examples=60, deadline=None)
def test_melodies_stay_where_a_singer_could_be(seed: int, mode: str, bar: float, key: int) -> None:
    song = Song(bar, int(70 / bar), key, mode, (0, 3, 4, 0), "rock")
    tones = [tone for phrase in melody(song, Random(seed)) for tone in phrase]
    assert tones
    assert all(SINGER[0] <= pitch <= SINGER[1] for _, _, pitch in tones)
    assert all((pitch - key) % 12 in band.MODES[mode][1] for _, _, pitch in tones)
    assert all(TONE_SECONDS[0] <= length <= TONE_SECONDS[1] for _, length, _ in tones)
    assert all(b[0] >= a[0] + a[1] - 1e-9 for a, b in pairwise(tones))


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_pieces_have_one_to_six_players_within_reach_of_the_keys_and_the_wheel(seed: int) -> None:
    parts = invent(Random(seed))
    notes = [note for part in parts for note in part.notes]
    assert 1 <= len(parts) <= 6
    assert all(0 <= note.pitch <= 127 and note.start >= 0 and note.length > 0 for note in notes)
    assert all(abs(bend) <= BEND_RANGE for note in notes for _, bend in note.bends)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_every_note_is_struck_and_released_in_the_score(seed: int) -> None:
    parts = invent(Random(seed))
    events = list(messages(midi(parts)))
    struck = sorted((tick, message[1]) for tick, message in events if message[0] >> 4 == 9)
    released = [message for _, message in events if message[0] >> 4 == 8]
    assert struck == sorted((round(1000 * n.start), n.pitch) for part in parts for n in part.notes)
    assert len(released) == len(struck)
    assert events[-1][1] == b"\xff\x2f\x00"
    assert all(byte < 128 for _, message in events[:-1] for byte in message[1:])


def test_bends_reach_the_wheel_in_their_range() -> None:
    note = Note(0.2, 1.0, 60, 100, ((0.0, 0.0), (0.5, BEND_RANGE / 2), (2.0, 1.0)))
    score = midi((Part("lead", 65, 100, 64, 0, (note,)),))
    wheel = [(tick, m[1] | m[2] << 7) for tick, m in messages(score) if m[0] >> 4 == 0xE]
    assert wheel == [(200, 8192), (700, 8192 + 4096)]  # nothing after the note's end


def test_pieces_fill_the_hours_and_no_more_than_one_piece_over() -> None:
    ends = [max(n.start + n.length for part in parts for n in part.notes) for parts, _ in pieces(0.1, 3)]
    assert sum(ends) >= 360 > sum(ends[:-1])


def test_a_missing_synthesizer_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AudioError, match="apt install fluidsynth"):
        band.play((), 0.5)


@needs_synthesizer
def test_a_played_tone_has_its_pitch_and_level() -> None:
    part = Part("lead", 80, 120, 64, 0, (Note(0.0, 1.5, 69, 110, ((0.0, 0.0), (0.02, 12.0))),))
    sound, seconds = band.play((part,), 0.5)
    wave, rate = soundfile.read(io.BytesIO(sound))
    assert rate == 16000
    assert abs(len(wave) - seconds * 16000) <= 1
    spectrum = np.abs(np.fft.rfft(wave[8000:16000] * np.hanning(8000)))
    assert 2.0 * int(np.argmax(spectrum)) == pytest.approx(880, abs=6)  # an octave over A4
    assert np.abs(wave).max() == pytest.approx(0.5, rel=0.2)


@needs_synthesizer
def test_a_pack_reads_back_as_the_trainer_reads_it(tmp_path: Path) -> None:
    band.write_pack(tmp_path / "band.zip", hours=1 / 3600, seed=2)
    (piece,) = read_packs([tmp_path / "band.zip"])
    assert piece.key == "band/band-2-000"
    assert piece.labels is None
    assert np.abs(piece.wave.astype(int)).max() > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["band.zip"]
