"""Lines of one voice on the device: log-mels, pitch and phones as flat tensors, and batches of lines of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aligner_core.tts.acoustic import SYMBOLS, Acoustic, Told, phone_means
from aligner_core.tts.durations import Durations
from aligner_core.tts.sound import HOP, log_mel

from .spoken import Recordings

HELD_OUT_EVERY = 40  # recordings
GRAIN = 16  # sizes of batches are multiples of it: fast attention wants that
FEW = 8  # occurrences of a phone; with fewer it takes the durations of all


class Batch(NamedTuple):
    """Lines side by side, all values in standard deviations of the voice from its mean.

    Args:
        phones, durations: int64 (batch, phones); 0 frames for padding.
        mel: (batch, frames, MELS), 0 for padding.
        pitch: (batch, frames), logarithmic, interpolated where there is none.
        voiced: bool (batch, frames).
        prosody: (batch, phones, 2), mean pitch and energy of each phone.
        sung: bool (batch,).
        lengths: phones of each line (batch,), on the CPU.
    """

    phones: Tensor
    durations: Tensor
    mel: Tensor
    pitch: Tensor
    voiced: Tensor
    prosody: Tensor
    sung: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class Bucket:
    """Lines of like length: their numbers, the size of a batch of them, and what it is padded to."""

    members: tuple[int, ...]
    size: int
    frames: int
    phones: int


class Lines:
    """All recordings, ready to be batched.

    Args:
        spoken: as read, on the device.

    Attributes:
        taught, kept: numbers of the recordings to learn from and to measure with.
    """

    def __init__(self, spoken: Recordings) -> None:
        self.spoken, self.device = spoken, spoken.wave.device
        self.frames, self.phones = spoken.frame_at.diff(), spoken.phone_at.diff()
        self.frame_at, self.phone_at = spoken.frame_at.to(self.device), spoken.phone_at.to(self.device)
        self.sung = spoken.sung.to(self.device)
        number = range(len(self.frames))
        self.kept = [i for i in number if i % HELD_OUT_EVERY == 0]
        self.taught = [i for i in number if i % HELD_OUT_EVERY]
        at = (spoken.frame_at * HOP).tolist()
        self.mel = torch.cat([log_mel(spoken.wave[a:b].float() / 32768) for a, b in pairwise(at)])
        self.voiced = spoken.f0 > 0
        self.pitch = _bridged(spoken).to(self.device)
        self.scales = _Scales.of(self)
        self.mel = (self.mel - self.scales.mel[0]) / self.scales.mel[1]
        self.pitch = (self.pitch - self.scales.pitch[0]) / self.scales.pitch[1]

    def give_scales(self, acoustic: Acoustic, durations: Durations) -> None:
        """Tell the networks what their numbers mean."""
        acoustic.mel_mean.copy_(self.scales.mel[0])
        acoustic.mel_deviation.copy_(self.scales.mel[1])
        acoustic.pitch_scale.copy_(self.scales.pitch)
        acoustic.energy_scale.copy_(self.scales.energy)
        durations.mean.copy_(self.scales.durations[0])
        durations.deviation.copy_(self.scales.durations[1])

    def buckets(self, members: Sequence[int], budget: int, count: int = 8) -> list[Bucket]:
        """These recordings by length, in groups of like total length.

        Args:
            budget: frames of a batch, with padding.
        """
        ordered = sorted(members, key=lambda i: int(self.frames[i]))
        total = self.frames[ordered].cumsum(0)
        group = (total - 1) * count // max(int(total[-1]), 1)
        out = []
        for at in range(count):
            mine = [i for i, g in zip(ordered, group.tolist(), strict=True) if g == at]
            if mine:
                frames, phones = (_up(int(sizes[mine].max())) for sizes in (self.frames, self.phones))
                out.append(Bucket(tuple(mine), max(1, min(budget // frames, len(mine))), frames, phones))
        return out

    def batch(self, members: Tensor, frames: int, phones: int) -> Batch:
        """Some recordings, padded to so many frames and phones.

        Args:
            members: int64 (batch,), on the CPU.
        """
        mine = members.to(self.device, non_blocking=True)
        at, there = _places(self.frame_at, mine, frames)
        phone_at, named = _places(self.phone_at, mine, phones)
        durations = self.spoken.durations[phone_at] * named
        mel = self.mel[at] * there[..., None]
        pitch = self.pitch[at] * there
        mean, deviation = self.scales.energy
        energy = ((mel * self.scales.mel[1] + self.scales.mel[0]).mean(-1) - mean) / deviation * there
        prosody = torch.stack([phone_means(pitch, durations), phone_means(energy, durations)], -1)
        return Batch(
            self.spoken.phones[phone_at] * named, durations, mel, pitch, self.voiced[at] & there, prosody,
            self.sung[mine], self.phones[members],
        )  # fmt: skip


class Batches:
    """Batches without end: which one comes at a step depends on the step and the seed alone.

    Args:
        lines: all of them.
        buckets: those to draw from.
    """

    def __init__(self, lines: Lines, buckets: Sequence[Bucket], seed: int) -> None:
        self.lines, self.buckets, self.seed = lines, buckets, seed
        self.epoch_steps = sum(len(b.members) // b.size for b in buckets)
        self._epoch = lru_cache(maxsize=1)(self._drawn)

    def __call__(self, step: int) -> tuple[Batch, Bucket]:
        """The batch of a step, and what it was padded to."""
        bucket, members = self._epoch(step // self.epoch_steps)[step % self.epoch_steps]
        return self.lines.batch(members, bucket.frames, bucket.phones), bucket

    def _drawn(self, epoch: int) -> list[tuple[Bucket, Tensor]]:
        random = torch.Generator().manual_seed(self.seed * 100_003 + epoch)
        drawn = []
        for bucket in self.buckets:
            order = torch.tensor(bucket.members)[torch.randperm(len(bucket.members), generator=random)]
            whole = len(order) // bucket.size * bucket.size
            drawn += [(bucket, members) for members in _parts(order[:whole], bucket.size)]
        return [drawn[i] for i in torch.randperm(len(drawn), generator=random).tolist()]


def in_turn(lines: Lines, buckets: Sequence[Bucket]) -> Iterator[tuple[Batch, Bucket]]:
    """Every recording of these buckets once."""
    for bucket in buckets:
        for members in _parts(torch.tensor(bucket.members), bucket.size):
            yield lines.batch(members, bucket.frames, bucket.phones), bucket


def told_true(batch: Batch, *, follow: bool = False) -> Told:
    """All is told of a batch but, unless asked, the melody of speech."""
    known = (batch.durations > 0)[..., None].expand_as(batch.prosody)
    return Told(batch.prosody, known, batch.pitch, batch.sung | follow)


def told_at_random(batch: Batch, forget: float, follow: float) -> Told:
    """What is told in training.

    Args:
        forget: share of lines, and half of it of the other phones, of which pitch or energy is not told; of the lines
            that are sung, energy of half.
        follow: share of spoken lines that are given their melody; what is sung always is.
    """
    device, (rows, phones) = batch.phones.device, batch.phones.shape
    share = torch.full((rows, 1, 2), forget, device=device)
    share[:, 0, 1] = torch.where(batch.sung, 0.5, forget)
    line = torch.rand(rows, 1, 2, device=device) >= share
    phone = torch.rand(rows, phones, 2, device=device) >= forget / 2
    known = line & phone & (batch.durations > 0)[..., None]
    melody = torch.rand(rows, device=device) < follow
    return Told(batch.prosody, known, batch.pitch, batch.sung | melody)


@dataclass(frozen=True)
class _Scales:
    """Means and deviations: of log-mels by band (2, MELS), of log Hz and energy (2,), of log(1 + frames) by phone
    (2, symbols); what is about speech leaves out what is sung."""

    mel: Tensor
    pitch: Tensor
    energy: Tensor
    durations: Tensor

    @classmethod
    def of(cls, lines: Lines) -> _Scales:
        taught = torch.ones(len(lines.frames), dtype=torch.bool)
        taught[lines.kept] = len(lines.kept) == len(taught)
        speech = taught & ~lines.spoken.sung
        speech = speech if bool(speech.any()) else taught
        frame = torch.repeat_interleave(speech, lines.frames).to(lines.device)
        phone = torch.repeat_interleave(speech, lines.phones).to(lines.device)
        voiced = frame & lines.voiced
        pitch = lines.pitch[voiced if bool(voiced.any()) else frame]
        mel = lines.mel[torch.repeat_interleave(taught, lines.frames).to(lines.device)]
        lengths = _by_phone(lines.spoken.phones[phone].cpu(), lines.spoken.durations[phone].cpu())
        return cls(_scale(mel, 0.2), _scale(pitch, 0.02), _scale(lines.mel[frame].mean(1), 0.1), lengths.to(mel.device))


def _scale(values: Tensor, least: float) -> Tensor:
    return torch.stack([values.mean(0), values.std(0).clamp(min=least)])


def _by_phone(phones: Tensor, durations: Tensor) -> Tensor:
    values = torch.log1p(durations.float())
    groups = (values[phones == at] for at in range(len(SYMBOLS)))
    return torch.stack([_scale(mine if len(mine) >= FEW else values, 0.1) for mine in groups], 1)


def _bridged(spoken: Recordings) -> Tensor:
    """Log Hz of all frames, straight from one voiced frame to the next where there is none, recording by recording."""
    f0 = spoken.f0.cpu().numpy()
    voiced = f0 > 0
    middle = float(np.log(f0[voiced]).mean()) if voiced.any() else 5.0
    out = np.full(len(f0), middle, np.float32)
    at = spoken.frame_at.tolist()
    for a, b in pairwise(at):
        known = np.flatnonzero(voiced[a:b])
        if len(known):
            out[a:b] = np.interp(np.arange(b - a), known, np.log(f0[a:b][known]))
    return torch.from_numpy(out)


def _places(at: Tensor, members: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Where in a flat tensor the items of these recordings are, (batch, size), and which of them there are."""
    step = torch.arange(size, device=at.device)
    start, end = at[members, None], at[members + 1, None]
    return torch.minimum(start + step, end - 1), step < end - start


def _parts(members: Tensor, size: int) -> Sequence[Tensor]:
    return torch.split(members, size)


def _up(size: int) -> int:
    return -(-size // GRAIN) * GRAIN
