"""From phones to frames: Gaussian upsampling, Non-Attentive Tacotron (arXiv 2010.04301), section 3.1.

Every frame is a mixture of the phones around it, weighed by a normal density about the middle of each. One width serves
all, so the boundary between two of them lies where their middles are equally far, a quarter of the difference of their
lengths off. Phones are therefore cut into equal pieces before, so short that this is never more than a frame: also in
song, where a consonant of 5 frames meets a vowel of 400.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

LONGEST = 5  # frames of a piece: neighbours of 1 and 5 frames put the boundary one frame off, and no others more


class Pieces(NamedTuple):
    """Phones in equal pieces, all (batch, pieces).

    Args:
        phone: which phone a piece is of; the last one where there is none.
        start: frames from the beginning of the line.
        length: frames, not whole; above 0.
        into: frames from the beginning of its phone to its own.
        whole: frames of its phone.
        mask: bool, whether there is such a piece.
    """

    phone: Tensor
    start: Tensor
    length: Tensor
    into: Tensor
    whole: Tensor
    mask: Tensor

    @property
    def middle(self) -> Tensor:
        """Frames from the beginning of the line."""
        return self.start + self.length / 2


def room(frames: int, phones: int) -> int:
    """No line of so many frames and phones has more pieces, extra ones left aside."""
    return frames // LONGEST + phones


def split(durations: Tensor, pieces: int | None = None, extra: Tensor | None = None) -> Pieces:
    """Cut phones into as few equal pieces as `LONGEST` allows.

    Args:
        durations: frames (batch, phones), whole; 0 for padding.
        pieces: of the longest line, or more; found if not given, for which a GPU has to be waited for.
        extra: (batch, phones), whole: cut into so many pieces more.
    """
    counts = -(-durations // LONGEST)
    if extra is not None:
        counts = counts + extra * (durations > 0)
    ends = counts.cumsum(1)
    size = int(ends[:, -1].max()) if pieces is None else pieces
    place = torch.arange(size, device=durations.device).expand(len(durations), size).contiguous()
    found = torch.searchsorted(ends, place, right=True)
    phone = found.clamp(max=durations.shape[1] - 1)
    whole, count = durations.gather(1, phone).float(), counts.gather(1, phone)
    nth = place - (ends - counts).gather(1, phone)
    length = whole / count.clamp(min=1)
    into = nth * length
    start = (durations.cumsum(1) - durations).gather(1, phone) + into
    return Pieces(phone, start, length, into, whole, found < durations.shape[1])


class GaussianUpsampling(nn.Module):
    """The mixtures; one width for all, learned.

    Shape:
        tokens (batch, pieces, width), their pieces, number of frames -> (batch, frames, width)
    """

    def __init__(self, sigma: float = 1.5) -> None:
        super().__init__()
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)))  # of frames

    def weights(self, pieces: Pieces, frames: int) -> Tensor:
        """Share of each piece in each frame, (batch, frames, pieces) in float32: frame t is looked at at t + 0.5."""
        with torch.autocast(pieces.start.device.type, enabled=False):
            time = torch.arange(frames, device=pieces.start.device) + 0.5
            distance = (time[:, None] - pieces.middle[:, None]) / self.log_sigma.exp()
            scores = distance.square() * -0.5
            return scores.masked_fill(~pieces.mask[:, None], -torch.inf).softmax(-1)

    def forward(self, tokens: Tensor, pieces: Pieces, frames: int) -> Tensor:
        """See the class."""
        return torch.bmm(self.weights(pieces, frames).to(tokens.dtype), tokens)
