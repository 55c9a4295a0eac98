"""What happens to a voice before it is heard: rooms, choirs, whispers, breaths, tone controls, compressors, codecs.

All of it in batches on the device of the sound; a mel power is (size, frames, MELS), a wave (size, samples).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from aligner_core.audio import FRAME_SECONDS, MELS, SAMPLE_RATE

CHOIR = 3  # voices that join in


@dataclass(frozen=True)
class Recipe:
    """How often and how far each change goes; probabilities unless said otherwise."""

    speed: float = 0.6  # pitch and tempo together by 0.85..1.18
    sing: float = 0.4  # hold the vowels, each by its own factor
    hold: float = 6.0  # longest of these factors
    drive: float = 0.3
    clip: float = 0.0  # the loudest samples cut off
    double: float = 0.25
    choir: float = 0.0  # the same voice some more times, a little off in pitch and time
    reverb: float = 0.5
    whisper: float = 0.0  # noise instead of harmonics
    breath: float = 0.0  # heard between words, and labelled silence
    music: float = 0.7
    quiet: float = 0.05  # music alone
    snr: tuple[float, float] = (-8.0, 15.0)  # voice over music, dB
    backing: float = 0.15  # another voice, 8..25 dB below
    noise: float = 0.5
    press: float = 0.0  # a compressor over the whole mix
    tone: float = 0.8  # smooth equaliser curve of some 6 dB
    band: float = 0.2  # low or high cut
    codec: float = 0.0  # what is far below the loudest of its frame vanishes
    masks: int = 2  # bands and stretches of time put to the mean


class Dice(NamedTuple):
    """Draws numbers on a device."""

    random: torch.Generator
    device: torch.device

    def uniform(self, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        """So many numbers between `low` and `high`."""
        return torch.rand(shape, generator=self.random, device=self.device) * (high - low) + low

    def chance(self, size: int, probability: float) -> Tensor:
        """Whether something happens to each of so many, bool (size,)."""
        return self.uniform((size,)) < probability


def bent(wave: Tensor, recipe: Recipe, dice: Dice) -> Tensor:
    """Drive, clipping, doubling, choirs and reverberation of waves (size, samples)."""
    size, samples = wave.shape
    wave = wave / wave.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-4)
    amount = dice.uniform((size, 1), 0.3, 1.5)
    wave = torch.where(dice.chance(size, recipe.drive)[:, None], torch.tanh(wave * amount) / amount, wave)
    limit = dice.uniform((size, 1), 1.0, 3.0)
    wave = torch.where(dice.chance(size, recipe.clip)[:, None], wave.clamp(-limit, limit), wave)
    delay = dice.uniform((size, 1), 0.005, 0.25) * SAMPLE_RATE
    before = torch.arange(samples, device=wave.device) - delay.long()
    echo = wave.gather(1, before.clamp(min=0)) * (before >= 0) * dice.uniform((size, 1), 0.2, 0.8)
    wave = wave + echo * dice.chance(size, recipe.double)[:, None]
    if recipe.choir:
        wave = torch.where(dice.chance(size, recipe.choir)[:, None], _choir(wave, dice), wave)
    room = _room(size, int(0.5 * SAMPLE_RATE), dice)
    length = samples + room.shape[1]
    wet = torch.fft.irfft(torch.fft.rfft(wave, length) * torch.fft.rfft(room, length), length)[:, :samples]
    return torch.where(dice.chance(size, recipe.reverb)[:, None], wet, wave)


def _choir(wave: Tensor, dice: Dice) -> Tensor:
    """Voices in unison: each up to 35 ms late or early, its pitch wandering by up to some 30 cents."""
    size, samples = wave.shape
    time = torch.arange(samples, device=wave.device)
    total = wave
    for _ in range(CHOIR):
        late = dice.uniform((size, 1), -0.035, 0.035) * SAMPLE_RATE
        rate, depth = dice.uniform((size, 1), 0.3, 2.0), dice.uniform((size, 1), 0.0, 0.0015)
        sway = depth * SAMPLE_RATE * torch.sin(torch.pi * 2 * (rate * time / SAMPLE_RATE + dice.uniform((size, 1))))
        at = (time - late - sway).clamp(0, samples - 1)
        left = at.long().clamp(max=samples - 2)
        part = at - left
        joined = wave.gather(1, left) * (1 - part) + wave.gather(1, left + 1) * part
        total = total + joined * dice.uniform((size, 1), 0.2, 0.9)
    return total


def _room(size: int, samples: int, dice: Dice) -> Tensor:
    """Impulse responses (size, samples): a direct sound and a decaying noise 0..15 dB below it."""
    time = torch.arange(samples, device=dice.device) / SAMPLE_RATE
    decay = torch.exp(-time * 6.9 / dice.uniform((size, 1), 0.1, 1.2))
    tail = torch.randn((size, samples), generator=dice.random, device=dice.device) * decay
    tail = tail / tail.square().sum(-1, keepdim=True).sqrt() * 10 ** (-dice.uniform((size, 1), 0, 15) / 20)
    tail[:, 0] += 1
    return tail


def whispered(power: Tensor, recipe: Recipe, dice: Dice) -> Tensor:
    """Some voices without harmonics: the envelope of each frame, filled with noise, weak where voices have their
    fundamental."""
    if not recipe.whisper:
        return power
    size = len(power)
    smooth = torch.nn.functional.avg_pool1d(power.log1p(), 5, 1, 2, count_include_pad=False).expm1()
    bass = torch.linspace(0, 1, MELS, device=power.device).mul(6).clamp(max=1.0).square()
    breathy = smooth * grain(power, dice) * bass
    return torch.where(dice.chance(size, recipe.whisper)[:, None, None], breathy, power)


def breaths(labels: Tensor, recipe: Recipe, dice: Dice) -> Tensor:
    """Mel power of a breath of 0.15 to 0.6 s in a crop whose voice has a mean of 1; only where labels (size, frames)
    say silence."""
    size, frames = labels.shape
    if not recipe.breath:
        return torch.zeros(size, frames, MELS, device=labels.device)
    middle, half = dice.uniform((size, 1), 0, frames), dice.uniform((size, 1), 0.075, 0.3) / FRAME_SECONDS
    time = torch.arange(frames, device=labels.device)
    swell = (1 - ((time - middle) / half).square()).clamp(min=0) * (labels == 0)
    bands = torch.linspace(0, 1, MELS, device=labels.device)
    colour = torch.exp(-((bands - dice.uniform((size, 1), 0.4, 0.8)) / 0.25).square())
    level = 10 ** (-dice.uniform((size, 1), 8, 30) / 10) * dice.chance(size, recipe.breath)[:, None]
    shape = (swell * level)[..., None] * colour[:, None]
    return shape * grain(shape, dice)


def grain(power: Tensor, dice: Dice) -> Tensor:
    """Factors of the shape of `power` that make noise of it: the power of Gaussian noise is exponential."""
    return -torch.log(dice.uniform(tuple(power.shape), 1e-6, 1))


def noise(power: Tensor, recipe: Recipe, dice: Dice) -> Tensor:
    """Noise of any colour, 8 to 40 dB below a mean of 1, to add to `power`."""
    size = power.shape[0]
    tilt = torch.exp(torch.linspace(-1, 1, MELS, device=power.device) * dice.uniform((size, 1, 1), -3, 2))
    level = 10 ** (-dice.uniform((size, 1, 1), 8, 40) / 10) * dice.chance(size, recipe.noise)[:, None, None]
    return grain(power, dice) * tilt / tilt.mean(-1, keepdim=True) * level


def recorded(power: Tensor, recipe: Recipe, dice: Dice) -> Tensor:
    """A mix as it is heard in the end: a compressor, an equaliser curve, band limits, a codec."""
    power = _pressed(power, recipe, dice) if recipe.press else power
    power = _coloured(power, recipe, dice)
    return _coded(power, recipe, dice) if recipe.codec else power


def _pressed(power: Tensor, recipe: Recipe, dice: Dice) -> Tensor:
    """Loud stretches turned down: a gain that follows the level of 0.2 s, as in mastered songs."""
    size = len(power)
    level = power.mean(-1)
    width = 21
    follows = torch.nn.functional.avg_pool1d(level[:, None], width, 1, width // 2, count_include_pad=False)[:, 0]
    amount = dice.uniform((size, 1), 0.2, 0.7) * dice.chance(size, recipe.press)[:, None]
    mean = level.mean(-1, keepdim=True).clamp(min=1e-9)
    gain = (follows / mean).clamp(min=1e-3).pow(-amount)
    return power * gain[..., None]


def _coloured(power: Tensor, recipe: Recipe, dice: Dice) -> Tensor:
    size = power.shape[0]
    bands = torch.linspace(0, 1, MELS, device=power.device)
    curve = torch.zeros(size, MELS, device=power.device)
    for waves in (0.5, 1.0, 2.0):
        swing = dice.uniform((size, 1), -1.4, 1.4)
        curve = curve + swing * torch.cos(torch.pi * (waves * bands + 2 * dice.uniform((size, 1))))
    curve = curve * dice.chance(size, recipe.tone)[:, None]
    high = torch.where(dice.chance(size, recipe.band), dice.uniform((size,), 0.6, 1), 2.0)
    low = torch.where(dice.chance(size, recipe.band), dice.uniform((size,), 0, 0.2), -1.0)
    cut = (bands > high[:, None]) | (bands < low[:, None])
    return power * torch.exp(curve - 8.0 * cut)[:, None]


def _coded(power: Tensor, recipe: Recipe, dice: Dice) -> Tensor:
    """Holes as a lossy codec leaves them: 20 to 45 dB below the loudest band of a frame there is nothing."""
    size = len(power)
    below = 10 ** (-dice.uniform((size, 1, 1), 20, 45) / 10) * power.amax(-1, keepdim=True)
    holes = (power < below) & dice.chance(size, recipe.codec)[:, None, None]
    return power.masked_fill(holes, 0.0)


def masked(features: Tensor, recipe: Recipe, dice: Dice) -> Tensor:
    """SpecAugment (Park et al. 2019): some bands and some short stretches of log-mels at the mean."""
    size, frames, _ = features.shape
    band = torch.arange(MELS, device=features.device)[None, None]
    frame = torch.arange(frames, device=features.device)[None, :, None]
    for _ in range(recipe.masks):
        for axis, length, widest in ((band, MELS, 10), (frame, frames, 12)):
            begin = dice.uniform((size, 1, 1), -widest, length)
            hidden = (axis >= begin) & (axis < begin + dice.uniform((size, 1, 1), 0, widest))
            features = features.masked_fill(hidden, 0.0)
    return features
