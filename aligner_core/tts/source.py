"""What a voice is made of before it is shaped: pulses of exactly the given pitch, and white noise.

Frequencies go straight from the middle of one frame to the middle of the next, so the phase has a closed form within
each such step; only its value at the middles is summed up, in float64. Any part of a sound can be made alone.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from .sound import HOP, RATE

LOWEST, HIGHEST = 20.0, 4000.0  # Hz; f0 beyond is taken as these
NOISE_SAMPLES = 1 << 19  # after which the noise repeats: 22 s


def bounded(f0: Tensor) -> Tensor:
    """f0 in Hz within what the source can do; what is not a number is the lowest."""
    return f0.float().nan_to_num(nan=LOWEST).clamp(LOWEST, HIGHEST)


def phases(f0: Tensor) -> Tensor:
    """Phase in cycles, 0 to 1, half a frame before the middle of each frame was last reached, and after the last.

    Shape:
        (..., frames) Hz -> (..., frames + 1) float32: entry i is the phase where the step towards the middle of frame i
        begins, that is, at the middle of frame i - 1.
    """
    steps = _steps(bounded(f0).double())
    cycles = (steps[..., :-1] + steps[..., 1:]) * (HOP / (2 * RATE))
    begin = cycles.cumsum(-1) - cycles
    return (begin - begin.floor()).float()


def pulses(f0: Tensor, voiced: Tensor, begin: Tensor) -> Tensor:
    """All harmonics below half the rate, each a cosine of amplitude 1, as loud as the frames are voiced.

    Shape:
        (..., frames) Hz, (..., frames) gain, (..., frames + 1) from `phases` -> (..., frames * HOP)
    """
    f0 = _steps(bounded(f0))
    slope = (f0[..., 1:] - f0[..., :-1])[..., None]
    time = torch.arange(HOP, device=f0.device, dtype=torch.float32)
    hertz = f0[..., :-1, None] + slope * (time / HOP)
    cycles = begin[..., None] + f0[..., :-1, None] * (time / RATE) + slope * (time * time / (2 * HOP * RATE))
    wave = _comb(cycles, hertz) * gains(voiced)
    return wave.flatten(-2)[..., HOP // 2 : -(HOP // 2)]


def gains(voiced: Tensor) -> Tensor:
    """What goes from the middle of each frame to that of the next; (..., frames) -> (..., frames + 1, HOP)."""
    steps = _steps(voiced.float())
    time = torch.arange(HOP, device=voiced.device, dtype=torch.float32) / HOP
    return steps[..., :-1, None] + (steps[..., 1:] - steps[..., :-1])[..., None] * time


def white(start: int, samples: int, device: torch.device) -> Tensor:
    """Noise of variance 1, (samples,), always the same for the same place in the sound."""
    index = torch.arange(start, start + samples, device=device) % NOISE_SAMPLES
    return _noise().to(device)[index]


@lru_cache(maxsize=1)
def _noise() -> Tensor:
    with torch.inference_mode(mode=False):  # whoever asks first
        return torch.randn(NOISE_SAMPLES, generator=torch.Generator().manual_seed(1))


def _comb(cycles: Tensor, hertz: Tensor) -> Tensor:
    """cos(2 pi k cycles) summed over k in closed form (Dirichlet's kernel); the highest one fades with the pitch."""
    room = RATE / 2 / hertz - 1.0  # so the one that fades is below half the rate too
    full = room.floor()
    turn = torch.pi * (cycles - cycles.round())
    below = turn.sin()
    tiny = below.abs() < 1e-5
    kernel = ((2 * full + 1) * turn).sin() / torch.where(tiny, 1.0, below)
    summed = torch.where(tiny, full, (kernel - 1.0) / 2)
    return summed + (room - full) * (2 * (full + 1) * turn).cos()


def _steps(values: Tensor) -> Tensor:
    """One more value on either side, as the one beside it; (..., frames) -> (..., frames + 2)."""
    return torch.cat([values[..., :1], values, values[..., -1:]], -1)
