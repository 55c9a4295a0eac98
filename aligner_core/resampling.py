"""From any sampling rate to another, block by block: what comes out does not depend on the blocks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

LOBES = 6  # zero crossings of the sinc to either side
ROLLOFF = 0.99  # cut-off, as a share of the lower Nyquist frequency
GROUP = 20  # output samples that one matrix makes: of fewer the calls take the time, of more the zeros in it

Samples = NDArray[np.float32]


def resampled(blocks: Iterable[Samples], rate: int, target: int) -> Iterator[Samples]:
    """Sound in blocks (samples,) at `rate` Hz to blocks at `target` Hz, n samples to ceil(n * target / rate) in all.

    Output sample n lies at n * rate / target of the input and is a Hann-windowed sinc over its neighbours, with
    silence before the beginning and after the end: torchaudio.functional.resample, but never the whole sound at once.
    """
    if rate == target:
        yield from blocks
        return
    bank = _bank(rate, target)
    held = np.zeros(bank.width, np.float32)  # input from `width` samples before the first output that is not made yet
    taken = made = 0
    for block in blocks:
        taken += len(block)
        held = np.concatenate([held, block])
        if periods := max(0, len(held) - 2 * bank.width - 1) // bank.step:
            out = bank.interpolate(held, periods)
            made += len(out)
            yield out
            held = held[periods * bank.step :].copy()
    left = -(-taken * target // rate) - made
    if left > 0:
        periods = -(-left // bank.phases)
        silence = np.zeros(periods * bank.step + 2 * bank.width + 1, np.float32)
        yield bank.interpolate(np.concatenate([held, silence]), periods)[:left]


@dataclass(frozen=True)
class _Bank:
    """How `step` input samples become `phases` output samples, over and over.

    Args:
        width: input samples that count on either side of an output sample.
        groups: (first input, matrix (inputs, outputs)) of each run of at most `GROUP` output samples.
    """

    step: int
    phases: int
    width: int
    groups: tuple[tuple[int, Samples], ...]

    def interpolate(self, held: Samples, periods: int) -> Samples:
        """Input that begins `width` samples early -> (periods * phases,)."""
        rows = sliding_window_view(held, self.step + 2 * self.width + 1)[:: self.step][:periods]
        # A copy first: BLAS does not take rows that overlap, and what numpy does instead is slow.
        parts = [np.ascontiguousarray(rows[:, at : at + len(matrix)]) @ matrix for at, matrix in self.groups]
        return np.concatenate(parts, 1).reshape(-1)


@lru_cache(maxsize=4)
def _bank(rate: int, target: int) -> _Bank:
    divisor = math.gcd(rate, target)
    several = max(1, GROUP * divisor // target)  # short periods are taken together: a matrix of one row is slow
    step, phases = several * rate // divisor, several * target // divisor
    cutoff = ROLLOFF * min(rate, target) / rate  # as a share of the input's Nyquist frequency
    width = math.ceil(LOBES / cutoff)
    places = np.arange(phases) * step // phases  # the input sample at or before each output sample
    beyond = np.arange(phases) * step % phases / phases
    groups = []
    for begin in range(0, phases, GROUP):
        first, last = int(places[begin]), int(places[min(begin + GROUP, phases) - 1])
        inputs = np.arange(first - width, last + width + 2)
        distance = inputs[:, None] - places[begin : begin + GROUP] - beyond[begin : begin + GROUP]
        lobes = (distance * cutoff).clip(-LOBES, LOBES)
        weights = np.sinc(lobes) * np.cos(lobes * np.pi / LOBES / 2) ** 2 * cutoff
        groups.append((first, weights.astype(np.float32)))
    return _Bank(step, phases, width, tuple(groups))
