"""A voice over a song: the song makes room while the voice speaks, and nothing clips."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aligner_core.errors import AudioError

if TYPE_CHECKING:
    from pydub import AudioSegment

RATE = 44_100  # Hz, of a mix
HEADROOM = 4.0  # sounds are added at a quarter of their level: pydub counts in whole numbers, which would clip
TICK = 0.01  # seconds from one value of an envelope to the next
QUIET = 0.05  # of the loudest tick: below it there is no voice
AHEAD = 0.06  # seconds by which the song makes room before the voice begins
HOLD = 0.3  # seconds after which it comes back
ATTACK, RELEASE = 0.03, 0.25  # seconds, e-fold times: down and up
EDGE = 8  # ms, over which the voice fades in and out
CEILING = 0.97  # of full scale, -0.26 dB
STEP = 32  # samples for which the limiter has one gain
LOOK = 4  # steps that it looks ahead and behind
RECOVERY = 0.08  # seconds, e-fold time in which it lets go

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class Mix:
    """How a voice lies over a song.

    Args:
        duck: dB by which the song is lower while the voice speaks.
        gain: dB by which the voice is louder.
        pan: where the voice is, -1 left to 1 right.
    """

    duck: float
    gain: float = 0.0
    pan: float = 0.0


def mixed(voice: Wave, rate: int, song: Wave, mix: Mix) -> Wave:
    """The voice and the song together, as long as the longer one, limited.

    Args:
        voice: (samples,) at `rate` Hz.
        song: (2, samples) at `RATE`.

    Returns: (samples, 2) at `RATE`.
    """
    over = resampled(voice, rate)
    length = max(len(over), song.shape[1])
    level = ducking(over, length, mix.duck)
    below = _segment((_padded(song, length) * level).T)
    above = _segment(over).fade_in(EDGE).fade_out(EDGE).apply_gain(mix.gain).pan(mix.pan)
    return limited(_wave(below.overlay(above)))


def alone(voice: Wave, rate: int, length: int, mix: Mix) -> Wave:
    """The voice without the song, for so many samples or as long as it is, limited.

    Returns: (samples, 2) at `RATE`.
    """
    over = resampled(voice, rate)
    length = max(len(over), length)
    return limited(_wave(_segment(_padded(over, length)).apply_gain(mix.gain).pan(mix.pan)))


def louder(voice: Wave, gain: float) -> Wave:
    """A voice (samples,) by so many dB louder, limited."""
    return limited((voice * 10 ** (gain / 20)).astype(np.float32)[:, None])[:, 0]


def song_wave(path: str) -> Wave:
    """A sound file, (2, samples) at `RATE`.

    Raises:
        AudioError: it cannot be read.
    """
    from aligner_core import audio

    try:
        return np.concatenate([block.numpy() for block in audio.stream(path, RATE, channels=2)], axis=1)
    except MemoryError as error:
        raise AudioError("is too long to be mixed", path) from error


def ducking(voice: Wave, length: int, depth: float) -> Wave:
    """Factors (length,) by which a song is quieter while the voice (samples,) speaks: down in time, held, and up again.

    Args:
        depth: dB.
    """
    tick = round(TICK * RATE)
    count = -(-length // tick)
    padded = np.zeros(count * tick, np.float64)
    padded[: len(voice)] = voice[: len(padded)]
    loud = np.sqrt((padded.reshape(count, tick) ** 2).mean(1))
    spoken = (loud > QUIET * loud.max(initial=0.0)) & (loud > 0)
    wanted = _spread(spoken, round(AHEAD / TICK), round(HOLD / TICK))
    down, up = (1 - np.exp(-TICK / time) for time in (ATTACK, RELEASE))
    value, out = 0.0, np.empty(count)
    for at, target in enumerate(wanted):
        value += (target - value) * (down if target > value else up)
        out[at] = value
    decibels = np.interp(np.arange(length), (np.arange(count) + 0.5) * tick, -depth * out)
    return (10 ** (decibels / 20)).astype(np.float32)


def limited(wave: Wave) -> Wave:
    """The same, nowhere beyond `CEILING`, between samples too: lower around what would be, and soon back.

    Shape: (samples, channels) -> the same.
    """
    peaks = _peaks(wave)
    if peaks.max(initial=0.0) <= CEILING:
        return wave
    needed = np.minimum(1.0, CEILING / np.maximum(peaks, 1e-9))
    padded = np.pad(needed, LOOK, constant_values=1.0)
    least = np.lib.stride_tricks.sliding_window_view(padded, 2 * LOOK + 1).min(1)
    rate, value, gains = 1 - np.exp(-STEP / RATE / RECOVERY), 1.0, np.empty(len(least))
    for at, target in enumerate(least):
        value = min(target, value + (1.0 - value) * rate)
        gains[at] = value
    gain = np.interp(np.arange(len(wave)), (np.arange(len(gains)) + 0.5) * STEP, gains)
    return np.clip(wave * gain[:, None], -CEILING, CEILING).astype(np.float32)


def resampled(voice: Wave, rate: int) -> Wave:
    """(samples,) at `rate` Hz to (samples,) at `RATE`."""
    import torch

    from aligner_core.audio import resample

    return resample(torch.from_numpy(voice), rate, RATE).numpy()


def _spread(flags: NDArray[np.bool_], before: int, after: int) -> NDArray[np.bool_]:
    """True as well so many places before and after what is true."""
    sums = np.concatenate([[0], np.cumsum(flags)])
    at = np.arange(len(flags))
    return sums[np.minimum(at + before + 1, len(flags))] > sums[np.maximum(at - after, 0)]


def _peaks(wave: Wave) -> NDArray[np.float64]:
    """The largest value of each step, between the samples too, as a cubic through four of them has it."""
    steps = -(-len(wave) // STEP)
    highest = np.abs(wave).max(1, initial=0.0).astype(np.float64)
    if len(wave) > 3:
        middle = (9 * (wave[1:-2] + wave[2:-1]) - wave[:-3] - wave[3:]) / 16
        between = np.abs(middle).max(1)
        highest[1:-2] = np.maximum(highest[1:-2], between)
    peaks: NDArray[np.float64] = np.pad(highest, (0, steps * STEP - len(highest))).reshape(steps, STEP).max(1)
    return peaks


def _padded(wave: Wave, length: int) -> Wave:
    return np.pad(wave, [*[(0, 0)] * (wave.ndim - 1), (0, length - wave.shape[-1])])


def _segment(wave: Wave) -> AudioSegment:
    """(samples,) or (samples, channels) as pydub has it."""
    whole = (wave.astype(np.float64) * ((2**31 - 1) / HEADROOM)).clip(-(2**31), 2**31 - 1).astype("<i4")
    channels = 1 if wave.ndim == 1 else wave.shape[1]
    return _pydub().AudioSegment(data=whole.tobytes(), sample_width=4, frame_rate=RATE, channels=channels)


def _wave(segment: AudioSegment) -> Wave:
    whole = np.frombuffer(segment.raw_data, "<i4").reshape(-1, segment.channels)
    return (whole * (HEADROOM / (2**31 - 1))).astype(np.float32)


def _pydub() -> Any:
    with warnings.catch_warnings():  # of an ffmpeg that is not on the path, and is not needed here
        warnings.simplefilter("ignore")
        import pydub
    return pydub
