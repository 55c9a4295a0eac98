"""Laws of the vocoders: what they make has the length, the pitch and the loudness that the frames say."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from aligner_core.errors import WeightsError
from aligner_core.tts import source_filter, vocoder
from aligner_core.tts.filtering import filtered, minimum_phase, overlapped
from aligner_core.tts.griffin_lim import GriffinLim, magnitudes
from aligner_core.tts.sound import FLOOR, HOP, MELS, RATE, WINDOW, Frames, band_edges, log_mel, mel_bands
from aligner_core.tts.source import HIGHEST, LOWEST, NOISE_SAMPLES, phases, pulses, white
from aligner_core.tts.source_filter import SourceFilter, SourceFilterConfig, gate, hiss, tone
from benchmarks.vocoders import Told, note, notes, sung, tracked, unrest, world

SMALL = SourceFilterConfig(width=24, hidden=32, dilations=(1, 2))
SILENT = math.log(FLOOR)


def untrained(config: SourceFilterConfig = SMALL, seed: int = 1) -> SourceFilter:
    """A network whose filters are anything: nothing has taught it to keep the pitch."""
    torch.manual_seed(seed)
    model = SourceFilter(config).eval()
    torch.nn.init.normal_(model.end.weight, std=0.03)
    return model


def steady(count: int, hertz: float, level: float = -4.0, voiced: float = 1.0) -> Frames:
    return Frames(torch.full((count, MELS), level), torch.full((count,), hertz), torch.full((count,), voiced))


def random_frames(count: int, seed: int = 2) -> Frames:
    random = torch.Generator().manual_seed(seed)
    mel = -5 + torch.randn(count, MELS, generator=random)
    f0 = 80 * 2 ** (3 * torch.rand(count, generator=random))
    return Frames(mel, f0, (torch.rand(count, generator=random) < 0.7).float())


def fundamental(wave: Tensor, near: float) -> float:
    """Hz of the strongest line within a third of an octave."""
    spectrum = torch.fft.rfft(wave * torch.hann_window(len(wave)), n=1 << 20).abs()
    low, high = (int(near * 2**by / RATE * (1 << 20)) for by in (-1 / 6, 1 / 6))
    return (low + int(spectrum[low:high].argmax())) * RATE / (1 << 20)


class TestLogMel:
    def test_a_click_is_heard_most_in_the_frame_that_it_is_in_the_middle_of(self) -> None:
        wave = torch.zeros(40 * HOP)
        wave[17 * HOP + HOP // 2] = 1.0
        assert int(log_mel(wave).sum(1).argmax()) == 17

    @pytest.mark.parametrize("samples", [0, 1, HOP - 1, HOP, 2 * HOP, 5 * HOP + 17])
    def test_there_are_as_many_frames_as_fit(self, samples: int) -> None:
        assert log_mel(torch.rand(2, samples)).shape == (2, samples // HOP, MELS)

    def test_a_batch_is_its_parts_and_autocast_changes_nothing(self) -> None:
        wave = torch.randn(2, 3, 20 * HOP)
        with torch.autocast("cpu", torch.bfloat16):
            together = log_mel(wave)
        assert together.dtype == torch.float32
        assert torch.allclose(together[1, 2], log_mel(wave[1, 2]), atol=1e-5)

    def test_silence_is_the_floor(self) -> None:
        assert torch.all(log_mel(torch.zeros(10 * HOP)) == torch.tensor(FLOOR).log())

    def test_a_tone_is_loudest_in_the_band_around_it(self) -> None:
        edges = band_edges()
        for band in (5, 30, 60, 79):
            wave = torch.sin(2 * torch.pi * edges[band + 1] / RATE * torch.arange(30 * HOP))
            assert int(log_mel(wave)[15].argmax()) == band

    def test_bands_are_triangles_of_equal_area(self) -> None:
        areas = mel_bands(torch.device("cpu")).sum(0) * RATE / WINDOW
        assert torch.allclose(areas, torch.ones(MELS), atol=0.1)


class TestSource:
    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.floats(60, 1500), min_size=1, max_size=12))
    def test_pulses_are_all_harmonics_added_one_by_one(self, hertz: list[float]) -> None:
        f0 = torch.tensor(hertz, dtype=torch.float64)
        steps = torch.cat([f0[:1], f0, f0[-1:]])
        time_ = torch.arange(HOP, dtype=torch.float64) / HOP
        each = (steps[:-1, None] + (steps[1:] - steps[:-1])[:, None] * time_).flatten()
        turned = torch.cat([torch.zeros(1), _integral(steps)[:-1]])
        slow = torch.zeros_like(each)
        for k in range(1, int(RATE / 2 / 60) + 1):
            loud = (RATE / 2 / each - k).clamp(0, 1)
            slow += loud * torch.cos(2 * torch.pi * k * turned)
        quick = pulses(f0, torch.ones(len(f0)), phases(f0))
        assert torch.allclose(quick.double(), slow[HOP // 2 : -HOP // 2], atol=0.2)  # of amplitudes that add up to 200

    def test_the_phase_is_right_after_ten_minutes(self) -> None:
        f0 = torch.full((60_001,), 440.1)
        exact = (float(f0[0]) * 60_001 * HOP / RATE) % 1.0
        assert abs(float(phases(f0)[-1]) - exact) < 1e-5

    def test_noise_belongs_to_its_place(self) -> None:
        whole = white(NOISE_SAMPLES - 500, 1000, torch.device("cpu"))
        assert torch.equal(whole[300:700], white(NOISE_SAMPLES - 200, 400, torch.device("cpu")))
        assert abs(float(white(0, 100_000, torch.device("cpu")).std()) - 1) < 0.02

    def test_a_pitch_that_is_none_is_still_some(self) -> None:
        f0 = torch.tensor([math.nan, 0.0, -5.0, 1e9, 200.0])
        wave = pulses(f0, torch.ones(5), phases(f0))
        assert wave.isfinite().all()
        assert 0 < LOWEST < HIGHEST < RATE / 4


def _integral(steps: Tensor) -> Tensor:
    """Cycles at each sample by adding up means of neighbours, which is exact for straight lines."""
    time_ = torch.arange(HOP + 1, dtype=torch.float64) / HOP
    lines = steps[:-1, None] + (steps[1:] - steps[:-1])[:, None] * time_
    return ((lines[:, 1:] + lines[:, :-1]) / 2 / RATE).flatten().cumsum(0)


class TestFiltering:
    def test_a_filter_that_does_nothing_gives_the_wave_back(self) -> None:
        wave = torch.randn(2, 30 * HOP)
        same = filtered(wave, torch.ones(2, 30, 513), 64)
        assert torch.allclose(same[:, HOP:-HOP], wave[:, HOP:-HOP], atol=1e-5)

    def test_a_delay_delays(self) -> None:
        wave = torch.randn(1, 30 * HOP)
        delay = torch.polar(torch.ones(513), -2 * torch.pi * 7 * torch.arange(513) / 1024)
        late = filtered(wave, delay.expand(1, 30, -1), 64)
        assert torch.allclose(late[:, 2 * HOP : -HOP], wave[:, 2 * HOP - 7 : -HOP - 7], atol=1e-4)

    def test_overlapping_pieces_add_up(self) -> None:
        pieces = torch.randn(1, 7, 600)
        slow = torch.zeros(1, 6 * HOP + 720)
        for at in range(7):
            slow[:, at * HOP : at * HOP + 600] += pieces[:, at]
        assert torch.allclose(overlapped(pieces), slow, atol=1e-5)

    def test_minimum_phase_answers_at_once(self) -> None:
        shape = torch.linspace(0, 3 * torch.pi, 513).cos()
        answer = torch.fft.irfft(torch.polar(shape.exp(), minimum_phase(shape)))
        assert float(answer[512:].abs().max()) < 1e-3 * float(answer[:512].abs().max())


@pytest.mark.parametrize("name", sorted(vocoder.VOCODERS))
class TestEvery:
    @staticmethod
    def made(name: str) -> vocoder.Vocoder:
        return vocoder.load(name) if name in vocoder.WITHOUT_WEIGHTS else untrained()

    @pytest.mark.parametrize("count", [0, 1, 2, 7, 30])
    def test_every_frame_is_a_hop(self, name: str, count: int) -> None:
        wave = self.made(name).wave(random_frames(count))
        assert wave.shape == (count * HOP,)
        assert wave.dtype == torch.float32

    def test_it_is_a_vocoder_and_repeats_itself(self, name: str) -> None:
        one = self.made(name)
        assert isinstance(one, vocoder.Vocoder)
        assert torch.equal(one.wave(random_frames(20)), one.wave(random_frames(20)))

    def test_silence_stays_silent(self, name: str) -> None:
        assert float(self.made(name).wave(steady(30, 200.0, SILENT)).abs().max()) < 1e-4

    def test_jumps_of_octaves_are_no_accident(self, name: str) -> None:
        frames = random_frames(40)._replace(f0=torch.tensor([100.0, 800.0] * 20))
        wave = self.made(name).wave(frames)
        assert wave.isfinite().all()
        assert float(wave.abs().max()) < 30


class TestSourceFilter:
    @pytest.mark.parametrize("hertz", [80.0, 110.0, 196.0, 311.1, 440.0, 659.3, 880.0])
    def test_notes_come_out_as_they_go_in(self, hertz: float) -> None:
        frames = steady(120, hertz)
        wave = untrained().wave(frames)[10 * HOP : -10 * HOP]
        assert abs(1200 * math.log2(fundamental(wave, hertz) / hertz)) < 5

    def test_what_is_not_voiced_has_no_harmonics(self) -> None:
        frames = random_frames(30)._replace(voiced=torch.full((30,), 0.2))
        mel, f0, voiced = (part[None] for part in frames)
        with torch.inference_mode():
            assert not tone(untrained()(mel, f0, voiced), f0, voiced, phases(f0)).any()

    def test_what_is_surely_voiced_is_voiced_in_full(self) -> None:
        given_ = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0, math.nan])
        assert gate(given_).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0, 0.0]

    @pytest.mark.parametrize("size", [1, 7, 50])
    def test_chunks_are_the_whole(self, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
        frames, model = random_frames(120), untrained()
        whole = model.wave(frames)
        monkeypatch.setattr(source_filter, "CHUNK", size)
        assert torch.allclose(model.wave(frames), whole, atol=1e-5)

    def test_before_it_has_learnt_anything_it_is_about_as_loud_as_it_should_be(self) -> None:
        for voiced in (0.0, 1.0):
            frames = steady(60, 150.0, -4.0, voiced)
            heard = log_mel(SourceFilter(SMALL).wave(frames))[10:-10]
            assert abs(float((heard - frames.mel[10:-10]).mean())) < 0.7

    def test_a_filter_reaches_no_farther_than_it_says(self) -> None:
        frames, model = random_frames(80), untrained()
        changed = frames.mel.clone()
        changed[40] += 3.0
        differs = (model.wave(frames._replace(mel=changed)) - model.wave(frames)).view(80, HOP).abs().amax(1) > 0
        reached = differs.nonzero().flatten()
        assert 40 - model.reach <= int(reached.min())
        assert int(reached.max()) <= 40 + model.reach

    def test_minutes_of_sound_are_made_in_seconds(self) -> None:
        frames, begin = random_frames(6000), time.monotonic()
        wave = untrained().wave(frames)
        assert len(wave) == 6000 * HOP
        assert time.monotonic() - begin < 20

    def test_levels_that_no_sound_has_stay_finite(self) -> None:
        model = untrained()
        for level in (-1e4, 1e4):
            assert model.wave(steady(20, 200.0, level)).isfinite().all()

    def test_it_learns_through_all_its_parts(self) -> None:
        model, frames = untrained(), random_frames(20)
        mel, f0, voiced = (part[None] for part in frames)
        filters = model(mel, f0, voiced)
        made = tone(filters, f0, voiced, phases(f0)) + hiss(filters, torch.randn(1, 20 * HOP))
        log_mel(made).sum().backward()  # type: ignore[no-untyped-call]
        assert all(w.grad is not None and w.grad.isfinite().all() and w.grad.any() for w in model.parameters())

    def test_it_is_small(self) -> None:
        assert sum(weight.numel() for weight in SourceFilter(SourceFilterConfig()).parameters()) < 4_000_000


class TestGriffinLim:
    def test_what_it_makes_has_the_mel_that_was_asked_for(self) -> None:
        time_ = torch.arange(60 * HOP) / RATE
        wave = 0.1 * torch.stack([torch.sin(2 * torch.pi * 180 * k * time_) / k for k in range(1, 20)]).sum(0)
        mel = log_mel(wave + 0.001 * torch.randn(len(wave)))
        made = GriffinLim().wave(Frames(mel, torch.full((60,), 180.0), torch.ones(60)))
        assert float((log_mel(made) - mel)[5:-5].abs().mean()) < 0.25

    def test_magnitudes_are_none_below_nothing_and_give_the_mel(self) -> None:
        bands = mel_bands(torch.device("cpu"))
        mel = (torch.rand(20, 513) @ bands).log()
        found = magnitudes(mel)
        assert float(found.min()) >= 0
        assert float(((found @ bands).log() - mel).abs().mean()) < 0.05


class TestCheckpoints:
    def test_what_is_saved_is_loaded(self, tmp_path: Path) -> None:
        model = untrained()
        vocoder.save(model, "neural", tmp_path / "v.pt", {"step": 3})
        loaded, frames = vocoder.load(str(tmp_path / "v.pt")), random_frames(30)
        assert isinstance(loaded, SourceFilter)
        assert loaded.config == SMALL
        assert vocoder.read(tmp_path / "v.pt")["card"] == {"step": 3}
        assert torch.allclose(
            loaded.wave(frames), model.wave(frames), atol=0.05 * float(model.wave(frames).abs().max())
        )
        assert [path.name for path in tmp_path.iterdir()] == ["v.pt"]

    def test_a_missing_one_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match="no such vocoder"):
            vocoder.load(str(tmp_path / "none.pt"))

    def test_a_damaged_one_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "v.pt").write_bytes(b"nothing of the kind")
        with pytest.raises(WeightsError, match="damaged"):
            vocoder.load(str(tmp_path / "v.pt"))

    def test_one_of_another_kind_is_refused(self, tmp_path: Path) -> None:
        torch.save({"format": 1, "backend": "cnn"}, tmp_path / "v.pt")
        with pytest.raises(WeightsError, match="not a vocoder"):
            vocoder.load(str(tmp_path / "v.pt"))

    def test_one_that_does_not_fit_is_refused(self, tmp_path: Path) -> None:
        vocoder.save(untrained(), "neural", tmp_path / "v.pt", {})
        data = vocoder.read(tmp_path / "v.pt")
        with pytest.raises(WeightsError, match="does not fit"):
            vocoder.build(data | {"config": data["config"] | {"width": 8}}, "v.pt")

    def test_a_device_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        vocoder.save(untrained(), "neural", tmp_path / "v.pt", {})
        with pytest.raises(WeightsError, match="device nowhere"):
            vocoder.load(str(tmp_path / "v.pt"), "nowhere")


class TestBenchmark:
    def test_what_is_lost_and_what_is_off_are_told_apart(self) -> None:
        wanted, voiced = np.full(10, 220.0), np.array([True] * 8 + [False] * 2)
        heard = np.array([220.0] * 4 + [440.0] * 2 + [0.0] * 2 + [220.0, 0.0])
        found = sung(wanted, voiced, heard)
        assert found["cents_median"] == 0
        assert (found["off_share"], found["lost_share"], found["voicing_error"]) == (2 / 6, 2 / 8, 3 / 10)

    def test_a_note_that_is_sung_is_heard_as_that_note(self) -> None:
        f0 = note(300.0, 80)
        frames = Frames(torch.full((80, MELS), -4.0), torch.from_numpy(f0).float(), torch.ones(80))
        heard = tracked(untrained().wave(frames).double().numpy())[15:-15]
        assert float(np.median(1200 * np.abs(np.log2(heard / f0[15:-15])))) < 10

    def test_a_buzz_has_less_unrest_than_noise(self) -> None:
        f0, voiced = torch.full((40,), 200.0), np.ones(40, np.bool_)
        buzz = pulses(f0, torch.ones(40), phases(f0))
        assert unrest(buzz, voiced) < 0.3 * unrest(white(0, len(buzz), buzz.device), voiced)

    def test_the_table_of_notes_knows_a_vocoder_that_is_deaf_to_the_pitch(self) -> None:
        f0 = note(200.0, 60)
        vowel = torch.linspace(-2.0, -9.0, MELS).expand(60, -1)  # WORLD takes what is bright for unvoiced
        wave = untrained().wave(Frames(vowel, torch.from_numpy(f0).float(), torch.ones(60)))
        told = Told(wave.double().numpy(), f0, np.ones(60, np.bool_))
        found = notes({"world": world, "deaf": lambda _: wave}, [told], (300.0,))
        assert found["world"]["300"]["off_share"] < 0.2
        assert found["deaf"]["300"]["off_share"] > 0.8
