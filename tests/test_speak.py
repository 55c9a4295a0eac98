"""Spoken packs, batches of them, and runs of the trainer, on a tiny voice made here."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from aligner_core.acoustic.cnn import SYMBOLS as HEARD
from aligner_core.errors import AudioError
from aligner_core.phones import base
from aligner_core.training.speak import Trainer
from aligner_core.training.speak_plan import SpeakPlan, read_speak_plan
from aligner_core.training.spoken import Labels, beside, read_spoken, write_labels
from aligner_core.training.spoken_batches import Batches, Lines, in_turn, told_at_random
from aligner_core.training.spoken_losses import Weights, acoustic_loss, mean_over
from aligner_core.tts.acoustic import SYMBOLS, Spoken
from aligner_core.tts.sound import HOP, MELS, RATE, log_mel
from aligner_core.tts.voice import load_voice

HERTZ = {"AA1": 150.0, "IY1": 220.0, "UW0": 180.0}
PLAN = SpeakPlan(
    packs=("tiny.zip",), steps=6, duration_steps=4, frames=500, learning_rate=3e-3, warm_up=4, average=0.8,
    measure_every=100,
    acoustic={"width": 16, "heads": 2, "inner": 16, "layers": (1, 1), "post_width": 8, "post_layers": 2},
    durations={"width": 8},
)  # fmt: skip
Wave = np.ndarray[Any, np.dtype[np.float32]]


def recorded(number: int) -> tuple[dict[str, Any], Labels, Wave]:
    """A pause, hisses and vowels, a pause; vowels are chords on a pitch of their own."""
    random = np.random.default_rng(number)
    names = ["sil", *(str(n) for n in random.choice([*HERTZ, "S"], random.integers(2, 6))), "sil"]
    lengths = [int(n) for n in random.integers(4, 18, len(names))]
    pieces, f0 = [], []
    for name, length in zip(names, lengths, strict=True):
        time = np.arange(length * HOP) / RATE
        hertz = HERTZ.get(name, 0.0)
        wave = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 6)) if hertz else 0 * time
        pieces.append(0.2 * wave + random.normal(0, 0.1 if name == "S" else 1e-4, len(time)))
        f0 += [hertz] * length
    row = {"id": f"r{number}", "text": "", "sung": number % 5 == 4}
    return row, Labels(names, lengths, np.array(f0, np.float32)), np.concatenate(pieces).astype(np.float32)


def write_pack(path: Path, sounds: Iterable[tuple[dict[str, Any], Wave]], rate: int = RATE) -> None:
    rows = []
    with zipfile.ZipFile(path, "w") as pack:
        for row, wave in sounds:
            sound = io.BytesIO()
            soundfile.write(sound, wave, rate, format="OGG", subtype="VORBIS")
            pack.writestr(f"{row['id']}.ogg", sound.getvalue())
            rows.append(json.dumps(row))
        pack.writestr("manifest.jsonl", "\n".join(rows))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voice")
    made = [recorded(number) for number in range(20)]
    write_pack(folder / "tiny.zip", [(row, wave) for row, _, wave in made])
    write_labels(folder / "tiny.zip", [(row, labels) for row, labels, _ in made])
    return folder


@pytest.fixture(scope="module")
def lines(data: Path) -> Lines:
    return Lines(read_spoken([data / "tiny.zip"]))


@pytest.fixture
def start(lines: Lines, tmp_path: Path) -> Callable[..., Trainer]:
    return lambda plan=PLAN, name="out": Trainer(plan, lines, tmp_path / name)


def test_packs_are_read_as_they_were_written(data: Path) -> None:
    spoken = read_spoken([data / "tiny.zip", data / "tiny.zip"])
    assert len(spoken.ids) == 40
    assert len(spoken.wave) == HOP * int(spoken.frame_at[-1])
    assert int(spoken.durations.sum()) == int(spoken.frame_at[-1]) == len(spoken.f0)
    row, labels, _ = recorded(3)
    a, b = spoken.phone_at[23:25].tolist()
    assert spoken.ids[23] == f"tiny/{row['id']}"
    assert [SYMBOLS[i] for i in spoken.phones[a:b].tolist()] == labels.phones
    assert spoken.durations[a:b].tolist() == labels.durations
    assert spoken.sung.tolist() == [n % 5 == 4 for n in range(20)] * 2


def test_a_sound_that_does_not_fit_its_labels_is_told(tmp_path: Path) -> None:
    row, labels, wave = recorded(1)
    pack = tmp_path / "other.zip"
    write_pack(pack, [(row, wave[:-HOP])])
    write_labels(pack, [(row, labels)])
    with pytest.raises(AudioError, match="frames, labels of"):
        read_spoken([pack])
    write_pack(pack, [(row, wave)], rate=16000)
    with pytest.raises(AudioError, match="16000 Hz"):
        read_spoken([pack])
    assert beside(pack).name == "other.spoken.pt"


def test_a_batch_holds_each_line_as_it_is(lines: Lines) -> None:
    batch = lines.batch(torch.tensor([3, 7]), 128, 16)
    for at, number in enumerate((3, 7)):
        a, b = lines.spoken.frame_at[number : number + 2].tolist()
        frames = b - a
        assert int(batch.durations[at].sum()) == frames
        mel = batch.mel[at, :frames] * lines.scales.mel[1] + lines.scales.mel[0]
        expected = log_mel(lines.spoken.wave[a * HOP : b * HOP].float() / 32768)
        torch.testing.assert_close(mel, expected, atol=1e-4, rtol=1e-4)
        assert float(batch.mel[at, frames:].abs().max()) == 0
        assert int(batch.lengths[at]) == int((batch.durations[at] > 0).sum())
        first = int(batch.durations[at, 0])
        assert float(batch.prosody[at, 1, 0]) == pytest.approx(
            float(batch.pitch[at, first : first + int(batch.durations[at, 1])].mean()), abs=1e-4
        )


def test_an_epoch_draws_each_line_once_and_a_step_is_always_the_same(lines: Lines) -> None:
    batches = Batches(lines, lines.buckets(lines.taught, 100, 1), seed=1)
    firsts = [batches(step)[0] for step in range(batches.epoch_steps)]
    mels = [float(line.abs().sum()) for batch in firsts for line in batch.mel]
    assert len(set(mels)) == len(mels) == len(lines.taught)
    again = Batches(lines, lines.buckets(lines.taught, 100, 1), seed=1)
    torch.testing.assert_close(again(5)[0].mel, firsts[5].mel)
    assert sum(len(batch.phones) for batch, _ in in_turn(lines, lines.buckets(lines.kept, 300))) == len(lines.kept)


def test_buckets_keep_to_their_budget(lines: Lines) -> None:
    buckets = lines.buckets(lines.taught, 300, 4)
    assert sorted(i for bucket in buckets for i in bucket.members) == lines.taught
    for bucket in buckets:
        assert bucket.size == 1 or bucket.size * bucket.frames <= 300
        assert bucket.frames >= int(lines.frames[list(bucket.members)].max())


def test_song_always_has_its_melody_and_speech_now_and_then(lines: Lines) -> None:
    torch.manual_seed(0)
    batch = lines.batch(torch.arange(20), 128, 16)
    follow = torch.stack([told_at_random(batch, 0.2, 0.5).follow for _ in range(200)]).float().mean(0)
    assert bool((follow[batch.sung] == 1).all())
    assert bool(((follow[~batch.sung] > 0.3) & (follow[~batch.sung] < 0.7)).all())
    known = torch.stack([told_at_random(batch, 0.2, 0.5).known for _ in range(200)]).float().mean(0)
    assert float(known[batch.durations == 0].max()) == 0
    assert float(known[:, 0, 0].mean()) == pytest.approx(0.8 * 0.9, abs=0.03)


def test_padding_and_song_stay_out_of_the_losses(lines: Lines) -> None:
    batch = lines.batch(torch.tensor([4, 6]), 128, 16)
    assert batch.sung.tolist() == [True, False]
    mask = torch.arange(128) < batch.durations.sum(1, keepdim=True)

    def loss(fill: float, song: float = 0.0) -> float:
        pad = torch.where(mask, 0.0, fill)
        guess = batch.mel + 0.1 + pad[..., None]
        prosody = torch.where((batch.durations > 0)[..., None], batch.prosody, fill)
        prosody = prosody + song * batch.sung[:, None, None]
        spoken = Spoken(guess, guess, batch.pitch + pad, batch.voiced * 20.0 - 10 + pad, prosody, mask)
        return float(acoustic_loss(spoken, batch, Weights(mel=1.0)))

    assert loss(0.0) == pytest.approx(2 * (0.1 + 0.01), abs=1e-3)
    assert loss(50.0, 7.0) == pytest.approx(loss(0.0), abs=1e-4)


def test_a_mean_is_over_what_is_real() -> None:
    values, mask = torch.tensor([[[1.0, 3.0], [9.0, 9.0]]]), torch.tensor([[True, False]])
    assert float(mean_over(values, mask)) == 2
    assert float(mean_over(values, mask & False)) == 0


def test_training_lowers_the_loss_and_leaves_a_voice(start: Callable[..., Trainer], tmp_path: Path) -> None:
    trainer = start(replace(PLAN, steps=20, duration_steps=20, measure_every=10, warm_up=10, learning_rate=1e-2))
    assert trainer.run()
    rows = json.loads((tmp_path / "out" / "history.json").read_text())
    spoken = [row for row in rows if row["stage"] == "acoustic"]
    assert spoken[-1]["loss"] < 0.8 * spoken[0]["loss"]
    assert rows[-1]["loss"] < rows[-2]["loss"]
    voice = load_voice(tmp_path / "out" / "voice.pt")
    frames = voice.frames(["sil", "S", "AA1", "sil"], voice.durations(["sil", "S", "AA1", "sil"], total=40))
    assert frames.mel.shape == (40, MELS)
    assert json.loads(voice.card["plan"])["steps"] == 20
    mels = trainer.lines.scales.mel
    torch.testing.assert_close(voice.acoustic.mel_mean, mels[0], atol=0.01, rtol=0.01)


def test_a_run_cut_off_goes_on_to_the_same(start: Callable[..., Trainer]) -> None:
    whole = start(PLAN, "whole")
    whole.run()
    for steps in (3, 6):
        part = start(replace(PLAN, duration_steps=4), "part")
        part.stages[0].steps = part.stages[0].steps if steps == 6 else 10**9
        for step in range(part.stages[0].step, steps):
            part.acoustic_step(step, step / PLAN.steps)
            part.stages[0].step += 1
        part.save()
    part = start(PLAN, "part")
    assert part.run()
    for name, weight in whole.average.state_dict().items():
        torch.testing.assert_close(part.average.state_dict()[name], weight, msg=name)
    for name, weight in whole.durations.state_dict().items():
        torch.testing.assert_close(part.durations.state_dict()[name], weight, msg=name)


def test_a_run_that_is_done_does_nothing(start: Callable[..., Trainer], tmp_path: Path) -> None:
    assert start().run()
    before = (tmp_path / "out" / "voice.pt").stat().st_mtime_ns
    assert start().run()
    assert (tmp_path / "out" / "voice.pt").stat().st_mtime_ns == before


def test_time_decides_if_it_is_short(start: Callable[..., Trainer]) -> None:
    trainer = start(replace(PLAN, steps=10**6, duration_steps=10**6, share=0.4, measure_every=10**6))
    assert trainer.run(1.5, anneal=True)
    assert trainer.settled
    assert 0 < trainer.stages[0].step < 10**6
    assert 0 < trainer.stages[1].step < 10**6


def test_without_annealing_a_run_that_is_short_of_time_goes_on_later(start: Callable[..., Trainer]) -> None:
    assert not start(replace(PLAN, steps=10**6, measure_every=10**6)).run(0.3)
    later = start(replace(PLAN, steps=10**6, measure_every=10**6))
    assert later.stages[0].step > 0
    assert 0 < later.stages[0].done < 1
    assert not later.settled


def test_the_rate_rises_falls_and_ends() -> None:
    plan = replace(PLAN, warm_up=100, learning_rate=1.0, decay=0.5)
    assert plan.rate(0, 0.0) == pytest.approx(0.01)
    assert plan.rate(99, 0.1) == 1
    assert plan.rate(399, 0.4) == pytest.approx(0.5)
    assert plan.rate(399, 0.75) == pytest.approx(0.25)
    assert plan.rate(399, 1.0) == pytest.approx(0.005)


def test_the_shipped_plan_is_read_and_unknown_names_are_errors(tmp_path: Path) -> None:
    shipped = Path(__file__).parent.parent / "aligner_core" / "training" / "speak.toml"
    assert read_speak_plan(shipped).steps > 1000
    (tmp_path / "bad.toml").write_text('packs = ["a.zip"]\nstepz = 3\n')
    with pytest.raises(TypeError, match="stepz"):
        read_speak_plan(tmp_path / "bad.toml")


def test_training_needs_no_aligner_and_no_pitch_tracker() -> None:
    banned = "numba", "pyworld", "scipy", "click", "matplotlib"
    code = f"import sys, aligner_core.training.speak; sys.exit(any(m in sys.modules for m in {banned}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_phone_of_the_dictionary_is_a_symbol() -> None:
    assert {base(name) for name in SYMBOLS} == set(HEARD) - {"music"}
    assert len(SYMBOLS) == len(set(SYMBOLS)) == 70
