"""The voice taken out of the music before it is heard, by a separator that somebody else has made."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from . import audio, streaming
from .errors import AlignerError, WeightsError
from .resampling import resampled
from .spool import Spool

if TYPE_CHECKING:
    from .cache import Cache

CHANNELS = 2
PIECE, CONTEXT = 60.0, 8.0  # seconds that are separated at a time, and that are heard besides to either side
FULL = 2**15  # the full scale of a sample of 16 bits, as voices are kept

Progress = Callable[[float], None]


@runtime_checkable
class Separator(Protocol):
    """Music to the voice in it."""

    @property
    def name(self) -> str:
        """What it is, in which version: if that changes, what comes out may too."""

    @property
    def sample_rate(self) -> int:
        """Hz of the waves that it takes and gives."""

    def vocals(self, wave: Tensor) -> Tensor:
        """(2, samples), left and right, -> (2, samples) with nothing but the voice, on the CPU.

        Raises:
            WeightsError: its weights are not to be had.
        """


class Demucs:
    """Hybrid Transformer Demucs (Rouard et al. 2023, arXiv 2211.08553) as the demucs package has it.

    Args:
        device: cpu, cuda or cuda:N.

    Raises:
        AlignerError: the package is not installed.
    """

    model = "htdemucs"
    sample_rate = 44100

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        try:
            version = importlib.metadata.version("demucs")
        except importlib.metadata.PackageNotFoundError as error:
            raise AlignerError(
                "demucs is not installed", "vocal separation", "pip install 'karalign[separate]'"
            ) from error
        self.name = f"demucs {version} {self.model} {device.partition(':')[0]}"  # CPU and GPU round differently

    @torch.inference_mode()
    def vocals(self, wave: Tensor) -> Tensor:
        """See `Separator`; without random shifts, so that the same comes out every time."""
        from demucs.apply import apply_model

        middle = wave.mean(0)
        mean, deviation = middle.mean(), middle.std(correction=0) + 1e-8  # as demucs.separate has it
        given = ((wave - mean) / deviation)[None]
        stems = apply_model(self._network, given, shifts=0, split=True, overlap=0.25, device=self.device)
        voice: Tensor = stems[0, self._network.sources.index("vocals")]
        return (voice * deviation + mean).cpu()

    @cached_property
    def _network(self) -> Any:
        try:
            with contextlib.redirect_stdout(io.StringIO()) as talk, contextlib.redirect_stderr(talk):
                from demucs.pretrained import get_model

                return get_model(self.model)
        except (Exception, SystemExit) as error:  # each version of it raises its own, and some end the program
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            hint = "it is fetched when it is first used, which needs the web"
            raise WeightsError(f"cannot be loaded: {reason}", self.name, hint) from error


def voice(
    sound: str | Path, separator: Separator, progress: Progress | None = None, cache: Cache | None = None
) -> Iterator[Tensor]:
    """The voice in a sound file in blocks of float32 (samples,), as `audio.stream` gives the whole.

    Memory does not grow with the length of the sound but for two bytes a sample. What comes from the cache is what
    went into it, sample for sample.

    Args:
        progress: called when all the sound has been read, not before.
        cache: where it is looked for, and kept.

    Raises:
        AudioError: the file cannot be read.
        WeightsError: as `Separator.vocals`.
    """
    from .cache import voice_key

    place = voice_key(sound, separator.name) if cache else None
    samples = cache.fetch_voice(place) if cache and place else None
    if samples is None:
        samples = torch.cat(list(_separated(sound, separator, progress))).numpy()
        if cache and place:
            cache.keep_voice(place, samples)
    if progress:
        progress(1.0)
    for begin in range(0, len(samples), streaming.BLOCK):
        yield torch.from_numpy(samples[begin : begin + streaming.BLOCK]).float() / FULL


def _separated(sound: str | Path, separator: Separator, progress: Progress | None) -> Iterator[Tensor]:
    """The voice, int16 (samples,) at `audio.SAMPLE_RATE`."""
    rate = separator.sample_rate
    with Spool(audio.stream(sound, rate, CHANNELS), CHANNELS) as music:
        if progress:
            progress(0.0)
        pieces = (piece.numpy() for piece in _pieces(music, separator, progress))
        for block in map(torch.from_numpy, resampled(pieces, rate, audio.SAMPLE_RATE)):
            yield (block * FULL).round().clamp(-FULL, FULL - 1).to(torch.int16)


def _pieces(music: Spool, separator: Separator, progress: Progress | None) -> Iterator[Tensor]:
    """The mean of the channels of the voice, piece by piece; each is heard with what lies around it."""
    piece, context = (round(seconds * separator.sample_rate) for seconds in (PIECE, CONTEXT))
    for begin in range(0, music.samples, piece):
        end = min(begin + piece, music.samples)
        first, last = max(begin - context, 0), min(end + context, music.samples)
        vocals = separator.vocals(music.part(first, last))
        yield vocals[:, begin - first : end - first].mean(0)
        if progress:
            progress(end / music.samples)
