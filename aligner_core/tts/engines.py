"""What makes the sound of a sung line: the voice and its vocoder, or WORLD on what the voice speaks.

To add one: a class here that fulfils `Engine`, and its name in `ENGINES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from aligner_core.errors import AlignerError
from aligner_core.phones import SONORANTS, VOWELS, base

from .acoustic import PAUSE
from .resynthesis import analysed, pyworld, resung
from .sound import MELS, Frames, log_mel
from .source_filter import BINS, SourceFilter, SourceFilterConfig
from .stretching import drawn, sources
from .vocoder import Vocoder
from .voice import Voice

ENGINES = ("neural", "world")
VOICELESS = frozenset({"P", "T", "K", "F", "TH", "S", "SH", "CH", "HH"})
LESS_NOISE = -1.5  # nepers: of what is told at another pitch, too much is taken for noise
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
        knots, places = sources(plan.phones, plan.frames, plan.natural)
        back = np.interp(np.arange(sum(plan.natural)) + 0.5, places, knots)
        told = torch.from_numpy(drawn(hz.numpy(), back)).float()
        spoken = self.voice.frames(plan.phones, plan.natural, melody=told.clamp(*self.voice.range))
        at = np.interp(np.arange(len(hz)) + 0.5, knots, places)
        given = torch.from_numpy(drawn(spoken.mel.numpy(), at)).float()
        voiced = torch.from_numpy(drawn(spoken.voiced.numpy(), at)).float()
        sung = Frames(given, hz, sounding(plan, voiced))
        mel = torch.where(sung.voiced[:, None] > 0.5, log_mel(self._plain.wave(sung)), given)
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
        self.voice, self.vocoder = voice, vocoder
        pyworld()

    def wave(self, plan: Plan) -> NDArray[np.float32]:
        """See `Engine`."""
        spoken = self.voice.frames(plan.phones, plan.natural)
        speech = torch.nan_to_num(self.vocoder.wave(spoken)).numpy()
        voiced = sounding(_natural(plan), spoken.voiced).numpy() > 0.5
        taken = analysed(speech, np.where(voiced, spoken.f0.numpy(), 0.0))
        total = sum(plan.frames)
        ticks = np.arange(2 * total + 1) / 2  # frames
        hz = np.interp(ticks, np.arange(total) + 0.5, plan.hz)  # NaN beside NaN
        return resung(taken, np.interp(ticks, *sources(plan.phones, plan.frames, plan.natural)), hz)


def _natural(plan: Plan) -> Plan:
    return Plan(plan.phones, plan.natural, plan.natural, np.zeros(sum(plan.natural)))
