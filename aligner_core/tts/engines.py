"""What makes the sound of a sung line: the voice and its vocoder, or WORLD on what the voice speaks.

To add one: a class here that fulfils `Engine`, and its name in `ENGINES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from aligner_core.errors import AlignerError
from aligner_core.phones import VOWELS, base

from .acoustic import PAUSE
from .beats import SONORANTS
from .sound import HOP, MELS, RATE, Frames, log_mel
from .source_filter import BINS, SourceFilter, SourceFilterConfig
from .vocoder import Vocoder
from .voice import Voice

ENGINES = ("neural", "world")
VOICELESS = frozenset({"P", "T", "K", "F", "TH", "S", "SH", "CH", "HH"})
LESS_NOISE = -1.5  # nepers: of what is told at another pitch, too much is taken for noise
WARP = 0.15  # how much of a rise in pitch the formants follow, beyond that
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """What is to be sung in one go.

    Args:
        phones: ARPAbet with stress, and "sil".
        frames: of each.
        natural: frames that each would last in speech.
        hz: (frames,), the pitch, NaN where the voice has its own.
    """

    phones: tuple[str, ...]
    frames: tuple[int, ...]
    natural: tuple[int, ...]
    hz: Floats


class Engine(Protocol):
    """Plans to sound."""

    def wave(self, plan: Plan) -> NDArray[np.float32]:
        """(frames * HOP,) at RATE; the same for the same plan."""


def engine(name: str, voice: Voice, vocoder: Vocoder) -> Engine:
    """One of `ENGINES`.

    Raises:
        AlignerError: there is none of this name, or a package that it needs is missing.
    """
    if name not in ENGINES:
        raise AlignerError(f"there is no engine {name!r}", hint=", ".join(ENGINES))
    return Neural(voice, vocoder) if name == "neural" else World(voice, vocoder)


class Neural:
    """The voice follows the melody as far as it speaks so high and so low, and its vocoder sings it.

    Harmonics show in a mel, so one that was made for another pitch than the vocoder's would be heard as noise. It is
    therefore laid on the true pitch first: by pulses and filters alone, an untrained `SourceFilter`.
    """

    def __init__(self, voice: Voice, vocoder: Vocoder) -> None:
        self.voice, self.vocoder = voice, vocoder
        self._plain = SourceFilter(SourceFilterConfig(width=8, hidden=8, dilations=())).eval()
        with torch.no_grad():
            self._plain.end.bias[BINS : BINS + MELS] = LESS_NOISE

    def wave(self, plan: Plan) -> NDArray[np.float32]:
        """See `Engine`."""
        hz = torch.from_numpy(plan.hz).float()
        if bool(hz.isnan().any()):
            hz = torch.where(hz.isnan(), self.voice.frames(plan.phones, plan.frames).f0, hz)
        frames = self.voice.frames(plan.phones, plan.frames, melody=hz.clamp(*self.voice.range))
        sung = Frames(frames.mel, hz, sounding(plan, frames.voiced))
        mel = torch.where(sung.voiced[:, None] > 0.5, log_mel(self._plain.wave(sung)), frames.mel)
        sung = sung._replace(mel=mel)
        return torch.nan_to_num(self.vocoder.wave(sung)).numpy().astype(np.float32)


def sounding(plan: Plan, guessed: torch.Tensor) -> torch.Tensor:
    """Where the voice sounds, (frames,): in vowels and what sounds like them for certain, in what is voiceless and in
    rests never; the frames at the edges are as the voice has them."""
    out, at = guessed.clone(), 0
    for phone, frames in zip(plan.phones, plan.frames, strict=True):
        name = base(phone)
        inner = slice(at + 1, at + frames - 1)
        if name in VOWELS or name in SONORANTS:
            out[inner] = 1.0
        elif name in VOICELESS or phone == PAUSE:
            out[inner] = 0.0
        at += frames
    return out


class World:
    """What the voice speaks, stretched sound by sound, on another pitch: by WORLD (Morise et al. 2016).

    Raises:
        AlignerError: pyworld is not installed.
    """

    def __init__(self, voice: Voice, vocoder: Vocoder) -> None:
        self.voice, self.vocoder, self._world = voice, vocoder, _pyworld()

    def wave(self, plan: Plan) -> NDArray[np.float32]:
        """See `Engine`."""
        spoken = self.voice.frames(plan.phones, plan.natural)
        speech = torch.nan_to_num(self.vocoder.wave(spoken)).double().numpy()
        at = np.arange(2 * len(spoken.f0) + 1) * HOP / RATE / 2
        middles = (np.arange(len(spoken.f0)) + 0.5) * HOP / RATE
        voiced = np.interp(at, middles, sounding(_natural(plan), spoken.voiced).numpy()) > 0.5
        own = np.where(voiced, np.interp(at, middles, spoken.f0.numpy()), 0.0)
        envelope = self._world.cheaptrick(speech, own, at, RATE)
        noise = self._world.d4c(speech, own, at, RATE)
        return self._sung(plan, own, envelope, noise)

    def _sung(self, plan: Plan, own: Floats, envelope: Floats, noise: Floats) -> NDArray[np.float32]:
        total = sum(plan.frames)
        ticks = np.arange(2 * total + 1) / 2  # frames
        source = np.interp(ticks, _edges(plan.frames), _edges(plan.natural))
        nearest = np.clip(np.round(2 * source).astype(int), 0, len(own) - 1)
        pitch = np.interp(ticks, np.arange(total) + 0.5, np.where(np.isnan(plan.hz), 0.0, plan.hz))
        there = np.interp(ticks, np.arange(total) + 0.5, np.isnan(plan.hz).astype(float)) == 0
        voiced = own[nearest] > 0
        sung = np.where(voiced, np.where(there, pitch, own[nearest]), 0.0)
        rise = np.where(voiced, sung / np.maximum(own[nearest], 1.0), 1.0)
        shaped = _warped(_between(envelope, 2 * source), rise)
        made = self._world.synthesize(sung, shaped, noise[nearest].copy(), RATE, 1000 * HOP / RATE / 2)
        return np.pad(made, (0, HOP))[: total * HOP].astype(np.float32)


def _natural(plan: Plan) -> Plan:
    return Plan(plan.phones, plan.natural, plan.natural, np.zeros(sum(plan.natural)))


def _edges(frames: Sequence[int]) -> Floats:
    return np.concatenate([[0.0], np.cumsum(frames)])


def _between(rows: Floats, at: Floats) -> Floats:
    """Rows at places between them, logarithms mixed."""
    below = np.clip(at.astype(int), 0, len(rows) - 2)
    share = (np.clip(at, 0, len(rows) - 1) - below)[:, None]
    mixed: Floats = np.exp((1 - share) * np.log(rows[below]) + share * np.log(rows[below + 1]))
    return mixed


def _warped(envelope: Floats, rise: Floats) -> Floats:
    """Formants a little higher where the pitch is much higher than in speech (a fifth and more)."""
    factor = np.maximum(rise / 2 ** (7 / 12), 1.0) ** WARP
    bins = np.arange(envelope.shape[1])
    out = envelope.copy()
    for at in np.flatnonzero(factor > 1.001):
        out[at] = np.exp(np.interp(bins / factor[at], bins, np.log(envelope[at])))
    return out


def _pyworld() -> Any:
    try:
        import pyworld
    except ImportError as error:
        raise AlignerError("pyworld is not installed", "engine world", "pip install 'karalign[sing]'") from error
    return pyworld
