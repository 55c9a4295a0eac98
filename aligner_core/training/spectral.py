"""How far two waves are apart: spectra of several resolutions, and what to do where they are partly noise.

Noise can't be predicted, so a model that is judged by its distance alone makes it too tonal: the nearest to all noises
is none of them. The energy distance is least when the distribution is right (Gritsenko et al., A Spectral Energy
Distance for Parallel Speech Synthesis, 2020): two tries, both near the truth, and far from each other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from aligner_core.tts.sound import log_mel

SIZES = (128, 192, 256, 384, 512, 768, 1024, 1536, 2048)  # samples of a window
DRAWN = 3  # of them at each step
QUIET = 1e-4  # magnitude, by the square root of the window, below which differences do not count
LINEAR = 0.5  # weight of the difference of magnitudes beside that of their logarithms
MEL = 2.0  # weight of the log-mels


def magnitude(wave: Tensor, size: int) -> Tensor:
    """Magnitudes by the square root of the window; (batch, samples) -> (batch, bins, windows), a quarter apart."""
    window = torch.hann_window(size, device=wave.device)
    spectrum = torch.stft(wave, size, size // 4, window=window, center=False, return_complex=True)
    level: Tensor = spectrum.abs() / size**0.5
    return level


def views(wave: Tensor, sizes: tuple[int, ...]) -> list[Tensor]:
    """What is compared: log-mels, then log-magnitudes and magnitudes for each size."""
    found = [MEL * log_mel(wave)]
    for size in sizes:
        here = magnitude(wave, size)
        found += [(here + QUIET).log(), here]
    return found


def distances(of: list[Tensor], to: list[Tensor], scale: list[Tensor]) -> Tensor:
    """Mean absolute differences; `scale` are the views of the truth, whose mean level measures magnitudes; ()."""
    total = (of[0] - to[0]).abs().mean()
    for at in range(1, len(of), 2):
        level = scale[at + 1].mean((1, 2), keepdim=True) + QUIET
        total = total + (of[at] - to[at]).abs().mean() + LINEAR * ((of[at + 1] - to[at + 1]).abs() / level).mean()
    return total / (1 + len(of) // 2)


def energy_distance(truth: Tensor, one: Tensor, other: Tensor, sizes: tuple[int, ...], repel: float) -> Tensor:
    """Of two tries (batch, samples) to the truth; 1 repels as it should, 0 leaves the mere distance; ()."""
    with torch.no_grad():
        right = views(truth, sizes)
    first, second = views(one, sizes), views(other, sizes)
    near = distances(first, right, right) + distances(second, right, right)
    return near - repel * distances(first, second, right) if repel else near


def drawn(random: torch.Generator) -> tuple[int, ...]:
    """Some of the sizes; a generator on the CPU."""
    order = torch.randperm(len(SIZES), generator=random)
    return tuple(SIZES[int(i)] for i in order[:DRAWN])
