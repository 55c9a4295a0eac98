"""What happens to a voice before it is heard, each change alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from aligner_core.audio import MELS, mel_power
from aligner_core.training.effects import Dice, Recipe, bent, breaths, masked, noise, recorded, whispered

NOTHING = dict.fromkeys(Recipe.__dataclass_fields__, 0.0) | {"snr": (0.0, 0.0), "masks": 0}


def only(**change: float) -> Recipe:
    return Recipe(**NOTHING | change)  # type: ignore[arg-type]


def dice(seed: int = 1) -> Dice:
    return Dice(torch.Generator().manual_seed(seed), torch.device("cpu"))


def tone(hertz: float = 220.0, size: int = 4, seconds: float = 2.0) -> Tensor:
    """Harmonics of a steady voice, (size, samples)."""
    time = torch.arange(int(16000 * seconds)) / 16000
    wave = torch.stack([torch.sin(2 * torch.pi * hertz * k * time) / k for k in range(1, 20)]).sum(0)
    return (0.1 * wave).expand(size, -1)


@pytest.mark.parametrize("change", ["drive", "clip", "double", "choir", "reverb"])
def test_a_wave_changes_by_each_effect_and_by_nothing_else(change: str) -> None:
    wave = tone()
    plain = bent(wave, only(), dice())
    assert torch.allclose(plain, wave / wave.square().mean(-1, keepdim=True).sqrt())
    changed = bent(wave, only(**{change: 1.0}), dice())
    assert changed.isfinite().all()
    assert not torch.allclose(changed, plain, atol=1e-3)
    assert torch.equal(changed, bent(wave, only(**{change: 1.0}), dice()))


def test_clipping_takes_the_peaks_off() -> None:
    wave = tone()
    plain, clipped = bent(wave, only(), dice()), bent(wave, only(clip=1.0), dice())
    peak, left = plain.abs().amax(-1), clipped.abs().amax(-1)
    assert (left <= peak).all()
    assert (left < peak).any()
    assert torch.equal(clipped, plain.clamp(-left[:, None], left[:, None]))


def test_a_choir_sounds_together_within_forty_milliseconds() -> None:
    wave = torch.zeros(8, 16000)
    wave[:, 8000] = 1.0
    heard = bent(wave, only(choir=1.0), dice()).abs() > 1e-3 * bent(wave, only(), dice()).abs().amax()
    at = heard.nonzero()[:, 1]
    assert int(at.min()) > 8000 - 640
    assert int(at.max()) < 8000 + 640
    assert int(heard.sum()) > 8 * 2  # more than one voice
    assert bent(torch.ones(32, 160_000), only(choir=1.0), dice()).isfinite().all()  # whole crops, to their ends


def test_a_whisper_keeps_the_envelope_and_loses_the_harmonics() -> None:
    power = mel_power(bent(tone(), only(), dice()))
    soft = whispered(power, only(whisper=1.0), dice())
    smooth = torch.nn.functional.avg_pool1d
    before, after = (smooth(x.mean(1)[:, None], 15, 1, 7)[:, 0].clamp(min=1e-9).log() for x in (power, soft))
    upper = slice(MELS // 4, MELS - 8)
    shape = torch.corrcoef(torch.stack([before[0, upper], after[0, upper]]))[0, 1]
    assert float(shape) > 0.9
    steady, rough = ((x[:, 20:150, 10:].std(1) / x[:, 20:150, 10:].mean(1)) for x in (power, soft))
    assert float(rough.median()) > 5 * float(steady.median())


def test_breaths_are_heard_in_silence_only() -> None:
    labels = torch.zeros(64, 400, dtype=torch.long)
    labels[:, 100:300] = 5
    air = breaths(labels, only(breath=1.0), dice())
    assert float(air[:, 100:300].abs().max()) == 0.0
    assert int((air.amax((1, 2)) > 0).sum()) > 16
    assert (air >= 0).all()
    assert float(breaths(labels, only(), dice()).max()) == 0.0


def test_a_compressor_brings_loud_and_soft_together() -> None:
    power = torch.ones(16, 400, MELS)
    power[:, 200:] = 100.0
    pressed = recorded(power, only(press=1.0), dice())
    spread = (pressed[:, 300:].mean((1, 2)) / pressed[:, :100].mean((1, 2))).log10()
    assert (spread < 1.7).all()
    assert (spread > 0.4).all()


def test_a_codec_leaves_holes_far_below_the_loudest_band() -> None:
    power = torch.rand(16, 50, MELS).mul(12).sub(12).exp()
    coded = recorded(power, only(codec=1.0), dice())
    gone = coded == 0
    assert 0.05 < float(gone.float().mean()) < 0.9
    assert torch.equal(coded[~gone], power[~gone])
    assert float((power[gone] / power.amax(-1, keepdim=True).expand_as(power)[gone]).max()) < 10 ** (-20 / 10) + 1e-6


EFFECTS: list[Callable[[Tensor, Recipe, Dice], Tensor]] = [whispered, noise, recorded, masked]


@pytest.mark.parametrize("effect", EFFECTS)
def test_with_everything_on_power_stays_finite_and_seeded(effect: Callable[[Tensor, Recipe, Dice], Tensor]) -> None:
    everything = Recipe(**dict.fromkeys(NOTHING, 1.0) | {"snr": (-8.0, 15.0), "masks": 2})  # type: ignore[arg-type]
    power = torch.rand(6, 200, MELS)
    first, again, other = (effect(power, everything, dice(seed)) for seed in (1, 1, 2))
    assert first.isfinite().all()
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
