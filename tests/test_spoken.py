"""Labels of spoken packs: phones timed anew, pauses, and pitch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from aligner_core.acoustic.cnn import SYMBOLS as HEARD
from aligner_core.training.spoken import SHORTEST_PAUSE, in_frames, labelled, pitches, said, sounding, timed
from aligner_core.tts.sound import HOP, RATE


class Planted:
    """A network that hears these phones at these frames of 10 ms, and silence elsewhere."""

    symbols, sample_rate, frame_seconds = HEARD, 16000, 0.01

    def __init__(self, planted: list[tuple[str, int, int]]) -> None:
        self.planted = planted

    def log_probs(self, wave: Tensor, _: object = None) -> Tensor:
        out = torch.full((1 + len(wave) // 160, len(HEARD)), 1e-4)
        out[:, 0] = 1
        for name, start, end in self.planted:
            out[start:end, 0] = 1e-4
            out[start:end, HEARD.index(name)] = 1
        return (out / out.sum(1, keepdim=True)).log()

    def log_probs_of(self, blocks: Iterable[Tensor], _: object = None) -> Tensor:
        return self.log_probs(torch.cat(list(blocks)))


SEG: list[list[Any]] = [
    [-1, "sil", 0.0, 0.3], [0, "HH", 0.3, 0.4], [0, "AY1", 0.4, 0.6], [-1, "sp", 0.6, 0.65],
    [1, "M", 0.65, 0.8], [1, "AA1", 0.8, 1.2], [-1, "sil", 1.2, 1.5],
]  # fmt: skip
PLANTED = [("HH", 25, 33), ("AY", 33, 55), ("M", 75, 81), ("AA", 81, 110)]


def test_planted_phones_are_found_with_stress_and_pauses() -> None:
    wave = np.zeros(int(1.5 * RATE), np.float32)
    found = labelled(Planted(PLANTED), {"seg": SEG}, wave)
    assert found is not None
    assert found.phones == ["sil", "HH", "AY1", "sil", "M", "AA1", "sil"]
    for length, expected in zip(found.durations, [25, 8, 22, 20, 6, 29, 40], strict=True):
        assert length == pytest.approx(expected, abs=1)
    assert sum(found.durations) == len(found.f0) == 150


def test_a_recording_that_does_not_say_its_text_is_left_out() -> None:
    moved = [(name, start + 35, end + 35) for name, start, end in PLANTED]
    assert labelled(Planted(moved), {"seg": SEG}, np.zeros(int(1.5 * RATE), np.float32)) is None
    assert labelled(Planted(PLANTED), {"seg": SEG}, np.zeros(HOP * 5, np.float32)) is None


def test_what_is_unlikely_is_held_to_the_times_of_the_manifest() -> None:
    unheard = [PLANTED[0], ("IY", 33, 55), *PLANTED[2:3], ("IY", 81, 110)]  # other vowels than the text has
    found = labelled(Planted(unheard), {"seg": SEG}, np.zeros(int(1.5 * RATE), np.float32))
    assert found is not None
    starts = np.cumsum([0, *found.durations])[[found.phones.index("M"), found.phones.index("AA1")]] / 100
    assert np.abs(starts - [0.75, 0.81]).max() <= 0.03


def test_what_is_not_heard_at_all_is_where_the_manifest_has_it_but_for_its_lag() -> None:
    phones = said(SEG)
    found = timed(Planted([]), np.zeros(int(1.5 * RATE), np.float32), phones)
    for (start, end), phone in zip(found, phones, strict=True):
        assert start >= phone.start - 0.05 - 0.12 - 0.02
        assert end <= phone.end - 0.05 + 0.12 + 0.02


def test_song_without_a_voice_is_left_out() -> None:
    time = np.arange(int(1.5 * RATE)) / RATE
    voiced = np.sum([0.1 * np.sin(2 * np.pi * 200 * k * time) / k for k in range(1, 8)], 0).astype(np.float32)
    row = {"seg": SEG, "sung": True}
    assert labelled(Planted(PLANTED), row, np.zeros_like(voiced)) is None
    found = labelled(Planted(PLANTED), row, voiced)
    assert found is not None
    assert sounding(found) > 0.95


def test_what_is_said_comes_without_pauses() -> None:
    assert [tuple(phone) for phone in said(SEG)] == [tuple(row) for row in SEG if row[0] >= 0]


def test_short_pauses_go_to_the_sounds_beside_them() -> None:
    times = [(0.1, 0.2), (0.26, 0.3), (0.3, 0.4), (0.44, 0.5)]
    names, lengths = in_frames(["AA1", "K", "S", "IY0"], times, 60)
    assert names == ["sil", "AA1", "K", "S", "IY0", "sil"]
    assert lengths == [10, 10, 10, 12, 8, 10]  # the stop has all of its gap, the vowel half of its


@given(st.lists(st.tuples(st.floats(0, 0.4), st.floats(0, 0.5)), min_size=1, max_size=20), st.integers(0, 50))
def test_lengths_fill_the_recording(steps: list[tuple[float, float]], after: int) -> None:
    at, times = 0.0, []
    for gap, length in steps:
        times.append((at + gap, at + gap + length))
        at += gap + length
    frames = max(round(at * 100) + after, 2 * len(steps) + 2)
    names, lengths = in_frames(["AA1"] * len(steps), times, frames)
    assert sum(lengths) == frames
    assert min(lengths) >= 1
    assert [name for name in names if name != "sil"] == ["AA1"] * len(steps)
    inner = [length for name, length in zip(names[1:-1], lengths[1:-1], strict=True) if name == "sil"]
    assert all(length >= SHORTEST_PAUSE - 1 for length in inner) or after == 0


def test_the_pitch_of_a_tone_is_found_in_each_frame() -> None:
    time = np.arange(RATE) / RATE
    wave = np.sum([np.sin(2 * np.pi * 200 * k * time) / k for k in range(1, 8)], 0)
    found = pitches((0.1 * wave).astype(np.float32), 100)
    assert found.shape == (100,)
    assert np.median(np.abs(found[10:-10] - 200)) < 2
