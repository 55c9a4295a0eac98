"""The benchmark of the spoken voice: its measures are right, and it runs from a pack to a page."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pyworld")
pytest.importorskip("matplotlib")

from speaking import babbler

from aligner_core.tts.sound import RATE
from benchmarks import engine_page, guide, guide_page, guide_pictures
from benchmarks.guide_measures import ORDER, analysed, compared, correlation, distortion, mel_cepstra, summed, warped
from benchmarks.guide_sound import STRETCH, Sentence, Wave, forced, plain, word_spans

RANDOM = np.random.default_rng(5)


def hum(hertz: float, seconds: float = 1.0) -> Wave:
    """A buzz with a moving pitch."""
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(hertz * (1 + 0.1 * np.sin(2 * np.pi * 3 * time))) / RATE
    tones = np.stack([np.sin(k * phase) / k for k in range(1, 12)])
    return np.asarray(0.2 * tones.sum(0), np.float32)


def sentence() -> Sentence:
    phones, durations = ("sil", "HH", "EY1", "sil", "Y", "UW1"), (10, 8, 20, 12, 10, 40)
    spans = word_spans([0, 0, 1, 1], phones, durations, 2)
    f0 = np.full(100, 200, np.float32)
    return Sentence("a", "hey, you", ("hey", "you"), hum(200), phones, durations, f0, spans)


def test_words_span_their_phones_and_no_pause() -> None:
    assert sentence().spans == pytest.approx(np.array([[0.1, 0.38], [0.5, 1.0]]))


@given(st.integers(0, 1000))
def test_forced_words_keep_their_order_their_pauses_and_the_limits_of_their_stretch(seed: int) -> None:
    one = sentence()
    first, second = forced(one, np.random.default_rng(seed)).words
    assert first.start == pytest.approx(0.3)
    assert second.start - first.end == pytest.approx(0.12, abs=2e-3)  # type: ignore[operator]
    for word, (start, end) in zip((first, second), one.spans, strict=True):
        ratio = (word.end - word.start) / (end - start)  # type: ignore[operator]
        assert STRETCH[0] - 0.01 <= ratio <= STRETCH[1] + 0.01


def test_sounds_without_stress_and_pauses_are_left() -> None:
    assert plain(sentence().phones) == ("HH", "EY", "Y", "UW")


def test_a_louder_sound_is_not_distorted_and_another_envelope_is() -> None:
    flat = RANDOM.normal(size=(4, 513)).cumsum(1) * 0.05
    assert distortion(mel_cepstra(flat), mel_cepstra(flat + 2)) == pytest.approx(np.zeros(4), abs=1e-9)
    assert (distortion(mel_cepstra(flat), mel_cepstra(flat * 1.5)) > 0.1).all()


def test_a_cosine_over_the_warped_axis_is_one_coefficient_and_its_distortion_is_that_of_decibels() -> None:
    from benchmarks.guide_measures import WARP

    bins = np.linspace(0, np.pi, 513)
    warped_bins = bins + 2 * np.arctan2(WARP * np.sin(bins), 1 - WARP * np.cos(bins))
    found = mel_cepstra(0.3 * np.cos(5 * warped_bins)[None])
    assert found[0] == pytest.approx(0.3 * np.eye(ORDER)[4], abs=1e-3)
    rms = 20 / np.log(10) * 0.3 / np.sqrt(2)  # of the log-amplitudes themselves
    assert distortion(found, np.zeros((1, ORDER)))[0] == pytest.approx(rms, rel=1e-2)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=12))
def test_warping_finds_the_frames_that_were_repeated(times: list[int]) -> None:
    frames = np.arange(len(times), dtype=float)[:, None] * np.ones(ORDER)
    pairs = warped(frames, np.repeat(frames, times, axis=0))
    assert pairs[0].tolist() == [0, 0]
    assert pairs[-1].tolist() == [len(times) - 1, sum(times) - 1]
    assert pairs[:, 0].tolist() == np.repeat(np.arange(len(times)), times).tolist()


def test_a_sound_is_no_way_from_itself_and_its_pitch_is_wholly_its_own() -> None:
    sound = analysed(hum(200))
    found = summed([compared(sound, sound)])
    assert found["mcd_db"] == pytest.approx(0)
    assert found["voicing_error"] == 0
    assert found["f0_correlation"] == pytest.approx(1)
    assert found["f0_deviation_ratio"] == pytest.approx(1)


def test_a_fifth_higher_is_off_by_seven_hundred_cents_and_moves_alike() -> None:
    low, high = hum(160), hum(240)
    found = summed([compared(analysed(low), analysed(high))])
    assert found["cents_median"] == pytest.approx(702, abs=20)
    assert found["f0_correlation_within"] > 0.9


def test_what_does_not_change_has_no_correlation() -> None:
    assert correlation(np.array([[1.0, 2.0], [1.0, 3.0]])) == 0


def test_errors_of_edges_are_told_with_nothing_taken_off() -> None:
    found = guide.edge_figures(np.array([0.02, 0.02, 0.02, -0.1]))
    assert (found["median"], found["bias"], found["within_25"], found["within_80"]) == pytest.approx(
        (0.02, 0.02, 0.75, 0.75)
    )


def test_an_interval_is_wider_where_sentences_differ() -> None:
    part = [sentence()] * 40
    same, mixed = ["hey you"] * 40, ["hey you", "no no"] * 20
    assert guide.half_width(part, same) == 0
    assert guide.half_width(part, mixed) == pytest.approx(0.155, abs=0.03)


def test_silence_and_what_is_heard_outside_of_all_sounds_are_counted() -> None:
    speech = babbler().speak("hello there")
    loud = np.full_like(speech.wave, 0.5)
    quiet = loud.copy()
    quiet[: len(quiet) // 2] = 0
    assert guide.silence(speech._replace(wave=loud)) == 0
    assert guide.silence(speech._replace(wave=quiet)) == pytest.approx(0.5, abs=0.02)
    last = speech.alignment.phones[-1].end
    first = speech.alignment.phones[0].start
    assert first is not None
    assert last is not None
    assert guide.run_on(speech._replace(wave=loud)) == pytest.approx(
        len(loud) / RATE - last - 0.05 + first - 0.05, abs=0.03
    )


def test_odd_input_gives_sound_or_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide, "ODD", tuple(row for row in guide.ODD if row[0] != "400 words"))
    monkeypatch.setattr(guide, "phone_errors", lambda *_: 0.0)
    found = guide.odd(babbler(), [], argparse.Namespace())
    assert {row["name"] for row in found if "error" in row} >= {"emoji alone", "nothing"}
    assert all("\n" not in row["error"] if "error" in row else row["seconds"] > 0 for row in found)


def test_a_row_of_the_matrix_is_a_whole_shared_among_phones() -> None:
    weights = guide_pictures.upsampled(babbler(), sentence().durations)
    assert weights.shape == (100, 6)
    assert weights.detach().sum(1).numpy() == pytest.approx(np.ones(100), abs=1e-4)


def test_figures_that_are_in_the_docs_are_those_of_the_page() -> None:
    figures = engine_page.read(guide_page.FIGURES)
    assert guide_page.section(figures).rstrip() in guide_page.PAGE.read_text(encoding="utf-8")


def test_a_page_needs_no_part_that_was_not_measured(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- guide -->\n<!-- /guide -->\nb\n", encoding="utf-8")
    engine_page.put("guide", guide_page.section({"sentences": 1, "words": 2}), page)
    assert "1 sentences (2 words)" in page.read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8").endswith("b\n")
