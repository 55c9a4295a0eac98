"""How far what the voice says is from the recording: averages over what is real, never over padding."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from aligner_core.tts.acoustic import Acoustic, Spoken
from aligner_core.tts.durations import Durations

from .spoken_batches import Batch

CENTS = 1200 / math.log(2)  # to a factor of e


@dataclass(frozen=True)
class Weights:
    """Of the parts of the loss.

    Args:
        mel: absolute and squared difference of both mels.
        pitch: absolute difference where there is a pitch.
        voicing: cross-entropy.
        prosody: squared difference of the guesses, of speech only.
    """

    mel: float = 2.0
    pitch: float = 0.3
    voicing: float = 0.3
    prosody: float = 0.1


def mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values (batch, length, ...) where the mask (batch, length) is true; 0 if that is nowhere."""
    inner = values[0, 0].numel()
    wide = mask.reshape(*mask.shape, *[1] * (values.dim() - 2))
    return (values * wide).sum() / (mask.sum() * inner).clamp(min=1)


def acoustic_loss(spoken: Spoken, batch: Batch, weights: Weights) -> Tensor:
    """The loss, ()."""
    mel = torch.zeros((), device=batch.mel.device)
    for guess in (spoken.rough, spoken.mel):
        apart = guess - batch.mel
        mel = mel + mean_over(apart.abs() + apart.square(), spoken.mask)
    pitch = mean_over((spoken.pitch - batch.pitch).abs(), batch.voiced & spoken.mask)
    voicing = mean_over(
        binary_cross_entropy_with_logits(spoken.voicing, batch.voiced.float(), reduction="none"), spoken.mask
    )
    prosody = mean_over((spoken.prosody - batch.prosody).square(), speech_phones(batch))
    return weights.mel * mel + weights.pitch * pitch + weights.voicing * voicing + weights.prosody * prosody


def duration_loss(guess: Tensor, batch: Batch, durations: Durations) -> Tensor:
    """Huber's loss of what the duration model gives (batch, phones), of speech only; ()."""
    goal = durations.normal(batch.phones, batch.durations)
    return mean_over(torch.nn.functional.huber_loss(guess.float(), goal, reduction="none"), speech_phones(batch))


def speech_phones(batch: Batch) -> Tensor:
    """Bool (batch, phones): the phones and pauses of lines that are not sung."""
    return (batch.durations > 0) & ~batch.sung[:, None]


def figures(spoken: Spoken, batch: Batch, acoustic: Acoustic) -> dict[str, tuple[Tensor, Tensor]]:
    """What is measured on lines kept out, each as a sum and the number of its terms.

    mel: mean absolute difference in nats; cents: of the pitch where both are voiced; voicing: share of frames in which
    one is voiced and the other not.
    """
    mask, voiced = spoken.mask, (spoken.voicing > 0)
    both = mask & voiced & batch.voiced
    nats = (spoken.mel - batch.mel).abs() * acoustic.mel_deviation
    cents = (spoken.pitch - batch.pitch).abs() * acoustic.pitch_scale[1] * CENTS
    return {
        "mel": ((nats.mean(-1) * mask).sum(), mask.sum()),
        "cents": ((cents * both).sum(), both.sum()),
        "voicing": (((voiced != batch.voiced) & mask).sum().float(), mask.sum()),
    }
