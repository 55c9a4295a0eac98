"""A voice as it is released: acoustic model and duration model in one file that describes itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from aligner_core.checkpoints import built, described, placed, read, write
from aligner_core.errors import AlignmentError, WeightsError

from .acoustic import ENERGY, PAUSE, PITCH, Acoustic, Told, nothing_told, phone_means
from .durations import Durations, rounded
from .sound import Frames

FORMAT = 1
KIND = "karalign voice"
LEAD = 28  # frames of silence before a line: what it learnt began with as much, and its first sounds fail with less
LONG = 2000  # frames that are said at once


class Voice:
    """Phones to frames that a vocoder can make sound of.

    Args:
        acoustic, durations: trained.
        card: plain data on how they were made.
    """

    def __init__(self, acoustic: Acoustic, durations: Durations, card: dict[str, Any] | None = None) -> None:
        self.acoustic, self.lengths, self.card = acoustic.eval(), durations.eval(), card or {}
        self._index = {name: at for at, name in enumerate(acoustic.config.symbols)}

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.acoustic.mel_mean.device

    @property
    def range(self) -> tuple[float, float]:
        """Hz, the pitch at which this voice speaks: two standard deviations to either side."""
        mean, deviation = self.acoustic.pitch_scale
        low, high = torch.exp(torch.stack([mean - 2 * deviation, mean + 2 * deviation])).tolist()
        return low, high

    @torch.inference_mode()
    def durations(self, phones: Sequence[str], total: int | None = None, pace: float = 1.0) -> list[int]:
        """Frames of each phone.

        Args:
            total: frames of the whole line, if they are given.
            pace: how much faster than of itself.

        Raises:
            AlignmentError: a phone is not known, or there are more phones than frames.
        """
        names = self._names(phones)
        encoded = self.acoustic.encode(names, torch.ones_like(names, dtype=torch.bool))
        normal = self.lengths(encoded, torch.tensor([len(phones)]))
        frames = self.lengths.frames(names, normal)[0] / pace
        return rounded(phones, frames.tolist(), total)

    @torch.inference_mode()
    def frames(
        self, phones: Sequence[str], durations: Sequence[int], pitch: Sequence[float | None] = (),
        energy: Sequence[float | None] = (), melody: Tensor | None = None,
    ) -> Frames:  # fmt: skip
        """How the line sounds; a long one is said in parts, so that memory does not grow with the square.

        Args:
            durations: frames of each phone, 1 or more.
            pitch: Hz of each phone; None is guessed, and so are all if nothing is given.
            energy: mean log-mel of each phone, likewise.
            melody: Hz of each frame (frames,), above 0 everywhere; the line then follows it exactly.

        Raises:
            AlignmentError: a phone is not known, or the numbers of things don't match.
        """
        total = _checked(phones, durations, pitch, energy, melody)
        more = LEAD - durations[0] if phones and phones[0] == PAUSE else 0
        if more <= 0:
            return self._in_parts(phones, durations, pitch, energy, melody, total)
        held = None if melody is None else torch.cat([melody[:1].expand(more), melody])
        led = self._in_parts(phones, [LEAD, *durations[1:]], pitch, energy, held, total + more)
        return Frames(*(column[more:] for column in led))

    def _in_parts(
        self, phones: Sequence[str], durations: Sequence[int], pitch: Sequence[float | None],
        energy: Sequence[float | None], melody: Tensor | None, total: int,
    ) -> Frames:  # fmt: skip
        if total <= LONG or len(phones) == 1:
            return self._spoken(phones, durations, pitch, energy, melody, total)
        at, frame = _middle(phones, durations)
        sides = (slice(0, at), slice(0, frame)), (slice(at, None), slice(frame, None))
        parts = [
            self.frames(phones[p], durations[p], pitch[p], energy[p], None if melody is None else melody[f])
            for p, f in sides
        ]
        return Frames(*(torch.cat(columns) for columns in zip(*parts, strict=True)))

    def _spoken(
        self, phones: Sequence[str], durations: Sequence[int], pitch: Sequence[float | None],
        energy: Sequence[float | None], melody: Tensor | None, total: int,
    ) -> Frames:  # fmt: skip
        names = self._names(phones)
        lengths = torch.tensor([list(durations)], device=self.device)
        told = nothing_told(lengths, total)
        if melody is not None:
            told = _follow(told, self._normal(melody.to(self.device), PITCH)[None], lengths)
        there = torch.ones_like(names, dtype=torch.bool)
        encoded = self.acoustic.encode(names, there)
        guessed = self.acoustic.guessed(encoded, there)
        told = self._completed(told, guessed, (pitch, energy))
        spoken = self.acoustic.decode(encoded, guessed, lengths, told, total)
        mean, deviation = self.acoustic.pitch_scale
        f0 = torch.exp(spoken.pitch[0].clamp(-4, 4) * deviation + mean) if melody is None else melody
        mel = spoken.mel[0] * self.acoustic.mel_deviation + self.acoustic.mel_mean
        return Frames(mel.cpu(), f0.float().cpu(), spoken.voicing[0].sigmoid().cpu())

    def _completed(self, told: Told, guessed: Tensor, given: tuple[Sequence[float | None], ...]) -> Told:
        """What is given for phones, then what is guessed; energy is guessed of speech only, as song is louder."""
        prosody, known = told.prosody.clone(), told.known.clone()
        guess = ~known & (torch.arange(2, device=self.device) == PITCH) | ~told.follow[:, None, None]
        prosody, known = torch.where(guess, guessed, prosody), known | guess
        for column, values in zip((PITCH, ENERGY), given, strict=True):
            for at, value in enumerate(values):
                if value is not None:
                    prosody[0, at, column] = self._normal(torch.tensor(value, device=self.device), column)
                    known[0, at, column] = True
        return told._replace(prosody=prosody, known=known)

    def _normal(self, values: Tensor, column: int) -> Tensor:
        """Hz or mean log-mels to standard deviations."""
        mean, deviation = self.acoustic.pitch_scale if column == PITCH else self.acoustic.energy_scale
        normal: Tensor = ((values.log() if column == PITCH else values) - mean) / deviation
        return normal

    def _names(self, phones: Sequence[str]) -> Tensor:
        unknown = [phone for phone in phones if phone not in self._index]
        if unknown or not phones:
            what = f"the voice has no sound {unknown[0]!r}" if unknown else "there is nothing to say"
            raise AlignmentError(what, hint="ARPAbet, vowels with 0, 1 or 2, and sil")
        return torch.tensor([[self._index[phone] for phone in phones]], device=self.device)

    def save(self, path: Path) -> None:
        """Write the voice with float16 weights."""
        parts = {"acoustic": described(self.acoustic), "durations": described(self.lengths)}
        write({"format": FORMAT, "kind": KIND} | parts | {"card": self.card}, path)


def load_voice(path: Path, device: str | torch.device = "cpu") -> Voice:
    """A voice from its file.

    Raises:
        WeightsError: it is missing, damaged or not a voice, or the device is not there.
    """
    if not path.is_file():
        raise WeightsError("there is no such voice", str(path))
    data = read(path, "voice")
    if not isinstance(data, dict) or data.get("kind") != KIND or data.get("format") != FORMAT:
        raise WeightsError("not a voice of this version", str(path), f"format {FORMAT}")
    acoustic, durations = (
        placed(built(kind, data.get(name, {}), str(path)), str(device))
        for kind, name in ((Acoustic, "acoustic"), (Durations, "durations"))
    )
    return Voice(cast(Acoustic, acoustic), cast(Durations, durations), data.get("card"))


def _checked(
    phones: Sequence[str], durations: Sequence[int], pitch: Sequence[float | None], energy: Sequence[float | None],
    melody: Tensor | None,
) -> int:  # fmt: skip
    """Frames of the line, if everything fits."""
    if len(durations) != len(phones) or min(durations, default=1) < 1:
        raise AlignmentError(f"{len(phones)} sounds, {len(durations)} lengths", hint="1 frame or more for each")
    for name, values in (("pitches", pitch), ("energies", energy)):
        if values and len(values) != len(phones):
            raise AlignmentError(f"{len(phones)} sounds, {len(values)} {name}")
    total = sum(durations)
    if melody is not None and (melody.shape != (total,) or not bool((melody > 0).all())):
        raise AlignmentError(f"the melody has {tuple(melody.shape)} frames of {total}, or some without pitch")
    return total


def _middle(phones: Sequence[str], durations: Sequence[int]) -> tuple[int, int]:
    """Where a long line is best parted: the phone that begins the second part, and its frame. At a pause, if one is in
    the middle half."""
    starts = [0, *accumulate(durations)]
    total = starts[-1]
    inner = range(1, len(phones))
    pauses = [at for at in inner if phones[at] == PAUSE and total <= 4 * starts[at] <= 3 * total]
    at = min(pauses or inner, key=lambda at: abs(2 * starts[at] - total))
    return at, starts[at]


def _follow(told: Told, melody: Tensor, durations: Tensor) -> Told:
    """A melody (1, frames) tells the pitch of the phones too."""
    prosody, known = told.prosody.clone(), told.known.clone()
    prosody[..., PITCH], known[..., PITCH] = phone_means(melody, durations), True
    return told._replace(prosody=prosody, known=known, melody=melody, follow=torch.ones_like(told.follow))
