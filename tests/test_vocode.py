"""Training of the vocoder on a tiny world: pieces, distances, the adversary, a run that goes on where it was cut."""

from __future__ import annotations

import io
import json
import math
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from aligner_core.training import vocode
from aligner_core.training.adversary import Discriminator, discriminator_loss, folded, generator_losses
from aligner_core.training.runs import LOUD, SILENT, mel_picture
from aligner_core.training.spectral import DRAWN, SIZES, drawn, energy_distance, views
from aligner_core.training.spoken import KIND
from aligner_core.training.vocode import Trainer, VocodePlan, read_vocode_plan
from aligner_core.training.vocode_data import MARGIN, Recording, Voices, filled, read_recordings, resampled, split
from aligner_core.tts import vocoder
from aligner_core.tts.acoustic import SYMBOLS
from aligner_core.tts.sound import HOP, RATE
from aligner_core.tts.source import phases, pulses

CPU = torch.device("cpu")
CONFIG = Path(vocode.__file__).with_name("vocode.toml")
PLAN = VocodePlan(
    packs=("one.zip",), steps=40, batch=4, frames=40, learning_rate=4e-3, warm_up=5, average=0.8, measure_every=1000,
    held_out=3, higher=(-5, 6), adversary_width=16, model={"width": 24, "hidden": 32, "dilations": (1,)},
)  # fmt: skip


def recording(number: int, hertz: float = 0.0) -> Recording:
    """Half a vowel, half a hiss: 1.2 s."""
    random = np.random.default_rng(number)
    f0 = np.zeros(120, np.float32)
    f0[20:80] = hertz or np.linspace(150, 230, 60) * random.uniform(0.8, 1.2)
    tone = pulses(
        torch.from_numpy(filled(f0)[0]), torch.from_numpy(filled(f0)[1]), phases(torch.from_numpy(filled(f0)[0]))
    )
    vowel = np.convolve(tone.numpy(), np.exp(-np.arange(60) / 8) * np.cos(np.arange(60) / 4))[: len(tone)]
    hiss = random.normal(0, 0.05, len(tone)) * (np.arange(len(tone)) > 80 * HOP)
    return Recording(f"p/{number}", ((0.01 * vowel + hiss) * 32767).clip(-32768, 32767).astype(np.int16), f0)


def breathy(tone: float, noise: float) -> Tensor:
    """Pulses and noise of such deviations; (6, samples)."""
    f0, voiced = torch.full((6, 60), 200.0), torch.ones(6, 60)
    comb = pulses(f0, voiced, phases(f0) + torch.rand(6, 1))
    return tone * comb / comb.std() + noise * torch.randn(comb.shape)


def write_spoken(path: Path, recordings: list[Recording]) -> None:
    """A pack, and what lies beside it."""
    with zipfile.ZipFile(path, "w") as pack:
        for one in recordings:
            sound = io.BytesIO()
            soundfile.write(sound, one.wave, RATE, format="OGG", subtype="VORBIS")
            pack.writestr(f"{one.key.split('/')[1]}.ogg", sound.getvalue())
        pack.writestr("manifest.jsonl", "\n".join(json.dumps({"id": r.key.split("/")[1]}) for r in recordings))
    frames = [len(r.f0) for r in recordings]
    count = len(recordings)
    data = {
        "kind": KIND,
        "symbols": list(SYMBOLS),
        "ids": [r.key.split("/")[1] for r in recordings],
        "sung": torch.zeros(count, dtype=torch.bool),
        "phones": torch.zeros(count, dtype=torch.int16),
        "durations": torch.tensor(frames, dtype=torch.int16),
        "f0": torch.from_numpy(np.concatenate([r.f0 for r in recordings])),
        "phone_at": torch.arange(count + 1),
        "frame_at": torch.tensor([0, *np.cumsum(frames)]),
    }
    torch.save(data, path.with_suffix(".spoken.pt"))


def weights(trainer: Trainer) -> list[Tensor]:
    return [*trainer.model.parameters(), *trainer.average.parameters(), *trainer.adversary.parameters()]


class TestData:
    def test_a_pack_is_read_with_its_pitch(self, tmp_path: Path) -> None:
        made = [recording(1), recording(2)]
        write_spoken(tmp_path / "one.zip", made)
        found = read_recordings([tmp_path / "one.zip"])
        assert [r.key for r in found] == ["one/1", "one/2"]
        for one, other in zip(found, made, strict=True):
            assert np.array_equal(one.f0, other.f0)
            assert len(one.wave) == len(one.f0) * HOP
            assert np.corrcoef(one.wave, other.wave)[0, 1] > 0.9

    def test_gaps_in_the_pitch_are_bridged_by_straight_lines(self) -> None:
        f0, voiced = filled(np.array([0, 100, 0, 0, 130, 0], np.float32))
        assert f0.tolist() == [100, 100, 110, 120, 130, 130]
        assert voiced.tolist() == [0, 1, 0, 0, 1, 0]
        f0, voiced = filled(np.zeros(3, np.float32))
        assert (f0 > 0).all()
        assert not voiced.any()

    def test_nothing_is_both_learnt_and_measured(self) -> None:
        taught, kept = split([recording(i) for i in range(7)], 3)
        assert [r.key for r in kept] == ["p/0", "p/3", "p/6"]
        assert len(taught) == 4

    @pytest.mark.parametrize("semitones", [-6, -2, 0, 4, 8])
    def test_a_piece_sounds_at_the_pitch_that_is_said_of_it(self, semitones: int) -> None:
        voices = Voices([recording(1, 200.0)], CPU)
        piece = voices.pieces(16, 24, 2 ** (semitones / 12), torch.Generator().manual_seed(1))
        full = piece.voiced.min(1).values == 1
        assert full.any()
        for wave, f0 in zip(piece.wave[full], piece.f0[full], strict=True):
            spectrum = torch.fft.rfft(wave * torch.hann_window(len(wave)), n=1 << 18).abs()
            near = spectrum[: int(1.4 * float(f0[0]) / RATE * (1 << 18))]
            assert abs(int(near.argmax()) * RATE / (1 << 18) / float(f0.mean()) - 1) < 0.01

    def test_pieces_know_where_the_voice_sounds(self) -> None:
        voices = Voices([recording(1, 200.0)], CPU)
        piece = voices.pieces(8, 60, 2 ** (5 / 12), torch.Generator().manual_seed(1))
        loud = piece.wave.view(8, 60, HOP).abs().amax(2)
        assert (loud[piece.voiced == 1] > 0.003).float().mean() > 0.95
        assert piece.wave.shape == (8, 60 * HOP)

    def test_resampling_keeps_a_tone(self) -> None:
        time = torch.arange(2400) / 2400
        slow = torch.sin(2 * torch.pi * 30 * time)[None]
        quick = resampled(slow, 1200)
        assert torch.allclose(quick[0], slow[0, ::2], atol=1e-5)
        assert resampled(slow, 2400) is slow

    def test_the_margin_is_longer_than_half_a_window_of_the_mel(self) -> None:
        assert MARGIN * HOP > 512


class TestDistance:
    SIZES = (256, 1024)

    def test_nothing_is_between_a_sound_and_itself(self) -> None:
        wave = torch.randn(2, 9600)
        assert float(energy_distance(wave, wave, wave, self.SIZES, 1.0)) == 0

    def test_noise_of_the_right_level_is_nearest_to_noise(self) -> None:
        truth = torch.randn(4, 24000)
        found = {
            level: float(
                energy_distance(truth, level * torch.randn(4, 24000), level * torch.randn(4, 24000), self.SIZES, 1)
            )
            for level in (0.7, 0.85, 1.0, 1.15, 1.4)
        }
        assert min(found, key=lambda level: found[level]) == 1.0

    def test_without_its_second_term_a_buzz_would_win(self) -> None:
        """A breathy voice is nearer to one with more tone and less chance; the energy distance knows better."""
        torch.manual_seed(0)
        truth = breathy(0.3, 0.95)
        buzzing, right = [(breathy(*mix), breathy(*mix)) for mix in ((0.45, 0.8), (0.3, 0.95))]
        sizes = (128, 256, 512, 1024, 2048)
        bare, whole = (
            [float(energy_distance(truth, one, other, sizes, repel)) for one, other in (buzzing, right)]
            for repel in (0.0, 0.8)
        )
        assert bare[0] < bare[1]
        assert whole[1] < whole[0]

    def test_sizes_are_drawn_anew_and_never_twice(self) -> None:
        random = torch.Generator().manual_seed(1)
        draws = [drawn(random) for _ in range(30)]
        assert {size for sizes in draws for size in sizes} == set(SIZES)
        assert all(len(set(sizes)) == DRAWN for sizes in draws)

    def test_it_can_be_learnt_from_even_in_silence(self) -> None:
        made = torch.zeros(1, 9600, requires_grad=True)
        energy_distance(torch.randn(1, 9600), made, made * 2, self.SIZES, 1.0).backward()  # type: ignore[no-untyped-call]
        assert made.grad is not None
        assert made.grad.isfinite().all()
        assert len(views(made, self.SIZES)) == 5


class TestAdversary:
    def test_it_learns_to_tell_and_then_it_can_be_fooled(self) -> None:
        torch.manual_seed(1)
        adversary = Discriminator(16)
        optimiser = torch.optim.Adam(adversary.parameters(), 1e-2)
        buzz = pulses(torch.full((2, 16), 200.0), torch.ones(2, 16), phases(torch.full((2, 16), 200.0))) / 40
        noise = 0.1 * torch.randn(2, 16 * HOP)
        first = None
        for _ in range(15):
            loss = discriminator_loss(adversary(noise), adversary(buzz))
            first = first or float(loss.detach())
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        assert float(loss.detach()) < 0.6 * (first or 0)
        with torch.no_grad():
            heard = adversary(noise)
            caught, found = (generator_losses(heard, adversary(one)) for one in (buzz, noise))
        assert float(found[0]) < float(caught[0])
        assert float(found[1]) == 0 < float(caught[1])

    def test_folding_puts_periods_under_each_other(self) -> None:
        assert folded(torch.arange(8.0)[None], 3)[0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]


class TestTrainer:
    def test_a_few_steps_bring_it_nearer_to_what_it_has_not_seen(self, tmp_path: Path) -> None:
        trainer = Trainer(PLAN, [recording(i) for i in range(4)], tmp_path / "run", CPU)
        before = trainer.measured(_Deaf())
        assert trainer.run()
        after = trainer.history[-1]
        assert after["held_out"] < 0.9 * before["held_out"]
        assert after["held_out_mel"] < before["held_out_mel"]
        loaded = vocoder.load(str(tmp_path / "run" / "vocoder.pt"))
        frames = trainer.kept[0].frames()
        ours = trainer.average.wave(frames)
        assert torch.allclose(loaded.wave(frames), ours, atol=0.05 * float(ours.abs().max()))
        assert json.loads((tmp_path / "run" / "history.json").read_text())[-1]["step"] == PLAN.steps
        assert list((tmp_path / "run" / "log").iterdir())

    def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(self, tmp_path: Path) -> None:
        made = [recording(i) for i in range(4)]
        plan = replace(PLAN, steps=6, batch=2, frames=30, adversary_from=0.5)
        whole = Trainer(plan, made, tmp_path / "whole", CPU)
        whole.run()
        first = Trainer(plan, made, tmp_path / "cut", CPU)
        for _ in range(4):
            first.done = first.step / plan.steps
            first.train_step()
            first.step += 1
        first.save()
        second = Trainer(plan, made, tmp_path / "cut", CPU)
        assert second.step == 4
        second.run()
        assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(second), strict=True))

    def test_a_run_that_is_done_does_nothing(self, tmp_path: Path) -> None:
        made, plan = [recording(i) for i in range(4)], replace(PLAN, steps=2)
        Trainer(plan, made, tmp_path, CPU).run()
        again = Trainer(plan, made, tmp_path, CPU)
        before = [w.clone() for w in weights(again)]
        assert again.run()
        assert again.step == 2
        assert all(torch.equal(a, b) for a, b in zip(before, weights(again), strict=True))

    def test_a_run_ends_with_its_time_and_has_cooled_by_then(self, tmp_path: Path) -> None:
        plan = replace(PLAN, steps=100_000, adversary_from=0.5)
        trainer = Trainer(plan, [recording(i) for i in range(4)], tmp_path, CPU)
        assert trainer.run(3.0, anneal=True)
        assert 2 < trainer.step < plan.steps
        assert trainer.optimiser.param_groups[0]["lr"] < 0.5 * plan.learning_rate
        assert "verdict" in trainer.history[-1]

    def test_the_adversary_joins_when_it_is_its_turn(self, tmp_path: Path) -> None:
        trainer = Trainer(replace(PLAN, adversary_from=0.5), [recording(i) for i in range(4)], tmp_path, CPU)
        assert set(trainer.train_step()) == {"distance"}
        trainer.done = 0.5
        assert set(trainer.train_step()) == {"distance", "adversary", "verdict", "features"}

    def test_mels_are_spoilt_only_as_far_as_the_plan_says(self, tmp_path: Path) -> None:
        made = [recording(i) for i in range(4)]
        mel = torch.randn(4, 30, 80)
        whole = Trainer(replace(PLAN, blur=0.0, noise=0.0), made, tmp_path, CPU)
        assert torch.equal(whole.spoilt(mel), mel)
        rough = Trainer(replace(PLAN, blur=0.0, noise=0.1), made, tmp_path, CPU).spoilt(mel)
        assert 0 < float((rough - mel).std()) < 0.2
        soft = Trainer(replace(PLAN, blur=1.0, noise=0.0), made, tmp_path, CPU).spoilt(mel)
        assert float(soft.std()) < float(mel.std())


class TestPlan:
    def test_the_released_one_is_read(self) -> None:
        plan = read_vocode_plan(CONFIG)
        assert plan.steps > 0
        assert 0 < plan.adversary_from <= 1

    @pytest.mark.parametrize(("line", "name"), [("stepz = 3", "stepz"), ("[model]\nwidht = 3", "widht")])
    def test_names_that_nobody_knows_are_an_error(self, line: str, name: str, tmp_path: Path) -> None:
        path = tmp_path / "plan.toml"
        path.write_text(f'packs = ["a.zip"]\nsteps = 1\n{line}\n', encoding="utf-8")
        with pytest.raises(TypeError, match=name):
            read_vocode_plan(path)

    def test_the_rate_falls_to_a_fiftieth(self) -> None:
        rates = [PLAN.rate(share / 10) for share in range(11)]
        assert rates == sorted(rates, reverse=True)
        assert (rates[0], math.isclose(rates[-1], 0.02)) == (1.0, True)


def test_a_picture_has_the_first_mel_above_and_low_bands_below() -> None:
    mels = torch.full((2, 30, 80), SILENT)
    mels[0, :, 0] = LOUD
    shown = mel_picture(mels)
    assert shown.shape == (1, 160, 30)
    assert shown[0, 79].min() == 1
    assert shown.sum() == 30


class _Deaf:
    """A log that keeps nothing."""

    def add_audio(self, *_: object) -> None: ...

    def add_image(self, *_: object) -> None: ...
