"""The map from singing to speech: it grows, keeps edges as they are spoken, and draws out what can be held."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner_core.tts.acoustic import SYMBOLS
from aligner_core.tts.stretching import drawn, sources

ROWS = st.lists(st.tuples(st.sampled_from(SYMBOLS), st.integers(1, 200), st.integers(1, 40)), min_size=1, max_size=12)


@given(ROWS)
def test_the_map_grows_and_takes_each_sound_from_itself(rows: list[tuple[str, int, int]]) -> None:
    phones, frames, natural = zip(*rows, strict=True)
    sung, spoken = sources(phones, frames, natural)
    assert (np.diff(sung) >= 0).all()
    assert (np.diff(spoken) >= 0).all()
    edges = np.interp(np.cumsum(frames), sung, spoken)
    assert edges == pytest.approx(np.cumsum(natural).astype(float))


@given(ROWS)
def test_speech_at_its_own_pace_is_left_alone(rows: list[tuple[str, int, int]]) -> None:
    phones, _, natural = zip(*rows, strict=True)
    sung, spoken = sources(phones, natural, natural)
    assert sung == pytest.approx(spoken)


def test_a_held_vowel_is_left_as_fast_as_it_is_spoken() -> None:
    sung, spoken = sources(["AA1"], [200], [20])
    assert np.interp([1, 199], sung, spoken) == pytest.approx([1, 19])


def test_a_diphthong_is_held_on_the_first_of_its_vowels() -> None:
    middle = {phone: float(np.interp(100, *sources([phone], [200], [20]))) for phone in ("AY1", "AA1")}
    assert middle["AY1"] < 0.75 * middle["AA1"]


def test_a_burst_is_drawn_out_evenly() -> None:
    assert np.interp(10, *sources(["T"], [40], [4])) == pytest.approx(1.0)


def test_rows_are_drawn_from_the_middles_of_frames() -> None:
    rows = np.arange(5.0)[:, None] * [1.0, 10.0]
    assert drawn(rows, np.arange(5.0) + 0.5) == pytest.approx(rows)
    assert drawn(rows, np.array([1.0, 0.0, 9.0]))[:, 0] == pytest.approx([0.5, 0.0, 4.0])
    assert drawn(np.ones((1, 3)), np.array([0.2, 5.0])) == pytest.approx(np.ones((2, 3)))
