"""The acoustic model of the spoken voice: phones with their lengths to log-mels, pitch and voicing, each 10 ms.

Encoder over phones, Gaussian upsampling, decoder over frames, a first mel and a post-network that adds what is missing.
Pitch and energy of each phone may be told, and the pitch of each frame besides; what is not told is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from aligner_core.phones import PHONES, VOWELS

from .blocks import MaskedBatchNorm, Stack
from .sound import MELS
from .upsampling import GaussianUpsampling, Pieces, room, split

PAUSE = "sil"
SYMBOLS: tuple[str, ...] = (
    PAUSE, *(name for p in PHONES for name in ([f"{p}{stress}" for stress in "012"] if p in VOWELS else [p]))
)  # fmt: skip
PITCH, ENERGY = range(2)  # columns of what is known of a phone


@dataclass(frozen=True)
class AcousticConfig:
    """Sizes of the network; stored in its checkpoint.

    Args:
        width: channels throughout.
        heads, inner: of attention, and hidden channels of its layers.
        layers, kernels, dropout: of encoder and decoder.
        positions: longest ones of phones and of frames that are told from the next.
        post_width, post_layers: of the post-network.
    """

    symbols: tuple[str, ...] = SYMBOLS
    width: int = 256
    heads: int = 4
    inner: int = 512
    layers: tuple[int, ...] = (4, 4)
    kernels: tuple[int, ...] = (3, 5)
    dropout: tuple[float, ...] = (0.2, 0.1)
    positions: tuple[int, ...] = (256, 1200)
    post_width: int = 192
    post_layers: int = 4


class Told(NamedTuple):
    """What is told of lines besides phones and lengths, in standard deviations of the voice from its mean.

    Args:
        prosody: (batch, phones, 2), pitch and energy of each phone.
        known: bool, the same shape: which of them count; the others are guessed.
        melody: (batch, frames), pitch of each frame.
        follow: bool (batch,), whether the melody counts.
    """

    prosody: Tensor
    known: Tensor
    melody: Tensor
    follow: Tensor


class Spoken(NamedTuple):
    """What comes out, all in standard deviations from the mean of the voice.

    Args:
        rough, mel: (batch, frames, MELS), before and after the post-network.
        pitch: (batch, frames), logarithmic.
        voicing: (batch, frames), log-odds.
        prosody: (batch, phones, 2), guessed pitch and energy of each phone.
        mask: bool (batch, frames), which frames there are.
    """

    rough: Tensor
    mel: Tensor
    pitch: Tensor
    voicing: Tensor
    prosody: Tensor
    mask: Tensor


class ProsodyPredictor(nn.Module):
    """Two small convolutions over encoded phones that guess their pitch and energy."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(MaskedBatchNorm(width) for _ in range(2))
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, 2)

    def forward(self, encoded: Tensor, mask: Tensor) -> Tensor:
        """(batch, phones, width) -> (batch, phones, 2)."""
        x = encoded.transpose(1, 2)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.dropout(norm(nn.functional.gelu(conv(x)), mask))
        return cast(Tensor, self.out(x.transpose(1, 2)))


class PostNetwork(nn.Module):
    """Convolutions over a first mel that give what is to be added to it."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [MELS, *[width] * (layers - 1), MELS]
        self.convs = nn.ModuleList(nn.Conv1d(a, b, 5, padding=2, bias=False) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(MaskedBatchNorm(b) for b in sizes[1:])
        self.dropout = nn.Dropout(dropout)
        nn.init.constant_(cast(MaskedBatchNorm, self.norms[-1]).weight, 0.1)  # begins close to nothing added

    def forward(self, mel: Tensor, mask: Tensor) -> Tensor:
        """(batch, frames, MELS) -> the same."""
        x = mel.transpose(1, 2) * mask[:, None]
        for at, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = norm(conv(x), mask)
            x = self.dropout(x.tanh()) if at < len(self.convs) - 1 else x
        return x.transpose(1, 2)


class Acoustic(nn.Module):
    """The network, and what its numbers mean in nats and Hz.

    Shape:
        phones and durations (batch, phones), whole, 0 frames for padding; what is told; number of frames; extra pieces
        (batch, phones), see `split` -> `Spoken`
    """

    config_type = AcousticConfig
    mel_mean: Tensor
    mel_deviation: Tensor
    pitch_scale: Tensor
    energy_scale: Tensor

    def __init__(self, config: AcousticConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or AcousticConfig()
        self.names = nn.Embedding(len(c.symbols), c.width)
        self.encoder = self._stack(0)
        self.guess = ProsodyPredictor(c.width, c.dropout[0])
        self.prosody = nn.Linear(4, c.width)  # both values, and whether each is there
        self.place = nn.Linear(4, c.width)
        self.upsampling = GaussianUpsampling()
        self.melody = nn.Linear(2, c.width)
        self.decoder = self._stack(1)
        self.norm = nn.LayerNorm(c.width)
        self.out = nn.Linear(c.width, MELS + 2)
        self.post = PostNetwork(c.post_width, c.post_layers, c.dropout[1])
        self.register_buffer("mel_mean", torch.zeros(MELS))
        self.register_buffer("mel_deviation", torch.ones(MELS))
        self.register_buffer("pitch_scale", torch.tensor([0.0, 1.0]))  # mean and deviation of log Hz
        self.register_buffer("energy_scale", torch.tensor([0.0, 1.0]))  # of the mean log-mel of a frame

    def _stack(self, which: int) -> Stack:
        c = self.config
        return Stack(
            c.width, c.heads, c.inner, c.kernels[which], c.layers[which], c.positions[which], c.dropout[which]
        )  # fmt: skip

    def encode(self, phones: Tensor, mask: Tensor) -> Tensor:
        """Phones (batch, phones) and which there are -> (batch, phones, width)."""
        return cast(Tensor, self.encoder(self.names(phones), mask))

    def guessed(self, encoded: Tensor, mask: Tensor) -> Tensor:
        """Pitch and energy of encoded phones, (batch, phones, 2)."""
        return self.guess(encoded, mask).float()  # type: ignore[no-any-return]

    def forward(
        self, phones: Tensor, durations: Tensor, told: Told, frames: int, extra: Tensor | None = None,
        pieces: int | None = None,
    ) -> Spoken:  # fmt: skip
        """See the class.

        Args:
            pieces: if known, how many pieces the longest line has at most.
        """
        there = durations > 0
        encoded = self.encode(phones, there)
        return self.decode(encoded, self.guessed(encoded, there), durations, told, frames, extra, pieces)

    def decode(
        self, encoded: Tensor, guessed: Tensor, durations: Tensor, told: Told, frames: int,
        extra: Tensor | None = None, pieces: int | None = None,
    ) -> Spoken:  # fmt: skip
        """`forward` from encoded phones and their guessed pitch and energy on."""
        known = told.known.float()
        tokens = encoded + self.prosody(torch.cat([told.prosody * known, known], -1))
        cut = split(durations, pieces, extra)
        tokens = tokens.gather(1, cut.phone[..., None].expand(-1, -1, tokens.shape[2])) + self.place(_place(cut))
        mask = torch.arange(frames, device=durations.device) < durations.sum(1, keepdim=True)
        follow = told.follow[:, None].float().expand(-1, frames)
        melody = self.melody(torch.stack([told.melody * follow, follow], -1))
        x = self.norm(self.decoder(self.upsampling(tokens, cut, frames) + melody, mask))
        with torch.autocast(x.device.type, enabled=False):  # half precision would be heard
            out = self.out(x.float())
        rough = out[..., :MELS]
        mel = rough + self.post(rough, mask).float()
        return Spoken(rough, mel, out[..., MELS], out[..., MELS + 1], guessed, mask)


def nothing_told(durations: Tensor, frames: int) -> Told:
    """Of lines with these durations (batch, phones) nothing is told."""
    zeros = torch.zeros(*durations.shape, 2, device=durations.device)
    batch = len(durations)
    return Told(
        zeros, zeros.bool(), torch.zeros(batch, frames, device=durations.device),
        torch.zeros(batch, dtype=torch.bool, device=durations.device),
    )  # fmt: skip


def most_pieces(frames: int, phones: int, extra: int = 0) -> int:
    """A size for `Acoustic.forward` that every line of so many frames and phones fits into."""
    return room(frames, phones) + extra


def phone_means(values: Tensor, durations: Tensor) -> Tensor:
    """Mean over the frames of each phone, 0 without: (batch, frames), (batch, phones) -> (batch, phones)."""
    sums = nn.functional.pad(values.double().cumsum(1), (1, 0))
    ends = durations.cumsum(1)
    total = sums.gather(1, ends) - sums.gather(1, ends - durations)
    return (total / durations.clamp(min=1)).to(values.dtype)


def _place(cut: Pieces) -> Tensor:
    """Where in its phone a piece lies, and how long that is; (batch, pieces, 4) of about 0 to 1."""
    middle = cut.into + cut.length / 2
    share = middle / cut.whole.clamp(min=1)
    before, after = torch.log1p(middle) / 4, torch.log1p((cut.whole - middle).clamp(min=0)) / 4
    return torch.stack([share, before, after, torch.log1p(cut.whole) / 4], -1)
