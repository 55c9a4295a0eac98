"""An attention aligner: Listen, Attend and Spell (Chan et al. 2016, arXiv 1508.01211), told what to spell.

A pyramid of bidirectional LSTMs listens; an LSTM spells the phones one by one, and for each looks at the frames by
attention that knows where it looked before (Chorowski et al. 2015, arXiv 1506.07503). Given the text, where it looked
is when the phone was said. There are no posteriors without a text, so this is no `AcousticModel`: `attend` and `times`
are what it has, for a sound of some seconds, a line or a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aligner_core.audio import FRAME_SECONDS, MELS, log_mel, normalise
from aligner_core.errors import AlignmentError
from aligner_core.phones import PHONES

BOUNDARY = 0  # the token before the first phone and after the last; phone i of the config is token i + 1
FLOOR = 0.02  # of a phone's attention; a frame that gets less of it does not belong to the phone
CLOSE = 15  # frames; phones nearer than this have no pause between
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LasConfig:
    """Sizes of the network; stored in its checkpoint.

    Args:
        pyramid: frames joined before each layer of the encoder; their product is how many a unit of attention lasts.
        cells: of each layer of the encoder, for each direction.
        decoder, embedding: of the LSTM that spells, and of a phone that it has spelt.
        attention: channels in which encoder and decoder are compared.
        filters, kernel: of the convolution over where it looked before.
        dropout: probability, while training.
    """

    pyramid: tuple[int, ...] = (2, 2, 1)
    cells: int = 256
    decoder: int = 320
    embedding: int = 64
    attention: int = 160
    filters: int = 16
    kernel: int = 31
    dropout: float = 0.15
    phones: tuple[str, ...] = PHONES


class Listener(nn.Module):
    """The encoder: before each layer some neighbouring frames are joined into one.

    Shape:
        normalised log-mels (batch, frames, MELS) -> (batch, units, 2 * cells); frames that fill no unit are padded
    """

    def __init__(self, config: LasConfig) -> None:
        super().__init__()
        self.pyramid = config.pyramid
        widths = [MELS, *[2 * config.cells] * (len(config.pyramid) - 1)]
        self.layers = nn.ModuleList(
            nn.LSTM(width * joined, config.cells, batch_first=True, bidirectional=True)
            for width, joined in zip(widths, config.pyramid, strict=True)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        x = nn.functional.pad(features, (0, 0, 0, -features.shape[1] % int(np.prod(self.pyramid))))
        for joined, layer in zip(self.pyramid, self.layers, strict=True):
            layer.flatten_parameters()  # type: ignore[operator]  # a copied network is not flat, and cuDNN warns
            x = self.dropout(layer(x.reshape(len(x), x.shape[1] // joined, -1))[0])
        return x


class Attention(nn.Module):
    """Where to look next, from what is to be spelt, what there is, and where it looked last and so far."""

    def __init__(self, config: LasConfig) -> None:
        super().__init__()
        self.keys = nn.Linear(2 * config.cells, config.attention)
        self.query = nn.Linear(config.decoder, config.attention, bias=False)
        self.before = nn.Conv1d(2, config.filters, config.kernel, padding=config.kernel // 2, bias=False)
        self.place = nn.Linear(config.filters, config.attention, bias=False)
        self.energy = nn.Linear(config.attention, 1, bias=False)

    def forward(self, query: Tensor, keys: Tensor, last: Tensor, sofar: Tensor) -> Tensor:
        """(batch, decoder), (batch, units, attention) and twice (batch, units) -> weights (batch, units)."""
        place = self.place(self.before(torch.stack([last, sofar], 1)).transpose(1, 2))
        energy = self.energy(torch.tanh(keys + self.query(query)[:, None] + place))[..., 0]
        weights: Tensor = energy.softmax(-1)
        return weights


class Las(nn.Module):
    """The network.

    Shape:
        forward: normalised log-mels (batch, frames, MELS), tokens (batch, length) -> logits of each token and of the
        boundary after it (batch, length + 1, tokens), weights (batch, length + 1, units)
    """

    config_type = LasConfig

    def __init__(self, config: LasConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or LasConfig()
        count = len(config.phones) + 1
        self.listener = Listener(config)
        self.attention = Attention(config)
        self.embedding = nn.Embedding(count, config.embedding)
        self.speller = nn.LSTMCell(config.embedding + 2 * config.cells, config.decoder)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.decoder + 2 * config.cells, count)
        self.sounds = nn.Linear(2 * config.cells, count)  # of each unit by itself; helps the listener to learn

    @property
    def unit(self) -> int:
        """Frames that a unit of attention lasts."""
        return int(np.prod(self.config.pyramid))

    def forward(self, features: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        return self.spell(self.listener(features), tokens)

    def spell(self, heard: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, for what the listener makes of the features, (batch, units, 2 * cells)."""
        keys = self.attention.keys(heard)
        spelt = self.embedding(nn.functional.pad(tokens, (1, 0), value=BOUNDARY))
        context = heard.new_zeros(len(heard), heard.shape[2])
        weights = sofar = heard.new_zeros(heard.shape[:2])
        state: tuple[Tensor, Tensor] | None = None
        outputs, looked = [], []
        for letter in spelt.unbind(1):
            state = self.speller(torch.cat([letter, context], 1), state)
            weights = self.attention(state[0], keys, weights, sofar)
            sofar = sofar + weights
            context = torch.einsum("bt,btc->bc", weights, heard)
            outputs.append(torch.cat([state[0], context], 1))
            looked.append(weights)
        return self.head(self.dropout(torch.stack(outputs, 1))), torch.stack(looked, 1)

    @torch.inference_mode()
    def attend(self, wave: Tensor, phones: Sequence[str]) -> Tensor:
        """How much of the attention of each phone each frame of 10 ms gets.

        Args:
            wave: (samples,) at 16 kHz.
            phones: what is said, without stress, as `phones.PHONES`.

        Returns:
            (phones, frames) on the CPU; each row sums to one.

        Raises:
            AlignmentError: there are no phones, or one that the network does not know.
        """
        features = normalise(log_mel(wave.to(next(self.parameters()).device)))
        weights = self(features[None], self._tokens(phones)[None])[1][0, :-1]
        return in_frames(weights, self.unit, len(features)).cpu()

    def times(self, wave: Tensor, phones: Sequence[str]) -> Floats:
        """Start and end of each phone in seconds, (phones, 2); arguments and errors as `attend`, and as `spans`."""
        return spans(self.attend(wave, phones).double().numpy()) * FRAME_SECONDS

    def _tokens(self, phones: Sequence[str]) -> Tensor:
        known = {name: i for i, name in enumerate(self.config.phones, start=1)}
        unknown = [name for name in phones if name not in known]
        if unknown or not phones:
            raise AlignmentError(f"not phones: {' '.join(unknown) or 'none given'}", hint=" ".join(known))
        return torch.tensor([known[name] for name in phones], device=next(self.parameters()).device)


def in_frames(weights: Tensor, unit: int, frames: int) -> Tensor:
    """Weights (..., units) spread over frames, straight from the middle of one unit to the next: (..., frames)."""
    flat = weights.reshape(1, -1, weights.shape[-1])
    spread = nn.functional.interpolate(flat, scale_factor=float(unit), mode="linear", align_corners=False)[0]
    spread = spread.reshape(*weights.shape[:-1], -1)[..., :frames]
    return spread / spread.sum(-1, keepdim=True).clamp(min=1e-9)


def spans(weights: Floats, least: int = 2) -> Floats:
    """The spans, in order, that hold most of the attention of their phones: begin and end in frames, (phones, 2).

    Dynamic programming over all spans of at least so many frames; each frame counts with its weight less `FLOOR`. What
    is left between two phones is shared if it is short, and a pause if it is long.

    Raises:
        AlignmentError: there are fewer frames than that.
    """
    count, frames = weights.shape
    if count * least > frames:
        raise AlignmentError(f"{count} phones need {count * least} frames, and there are {frames}")
    gains = np.concatenate([np.zeros((count, 1)), (weights - FLOOR).cumsum(1)], 1)
    best, begins, ends = np.zeros(frames + 1), [], []
    for gain in gains:
        ready = best - gain  # of a span that begins here
        top = np.maximum.accumulate(ready)
        first = np.maximum.accumulate(np.where(ready >= top, np.arange(frames + 1), 0))
        done = np.full(frames + 1, -np.inf)
        done[least:] = top[:-least] + gain[least:]
        best = np.maximum.accumulate(done)
        begins.append(np.concatenate([np.zeros(least, np.int64), first[:-least]]))
        ends.append(np.maximum.accumulate(np.where(done >= best, np.arange(frames + 1), 0)))
    out, at = np.zeros((count, 2)), frames
    for i in reversed(range(count)):
        end = int(ends[i][at])
        at = int(begins[i][end])
        out[i] = at, end
    return _joined(out)


def _joined(out: Floats) -> Floats:
    gaps = out[1:, 0] - out[:-1, 1]
    middle = np.where(gaps < CLOSE, (out[1:, 0] + out[:-1, 1]) / 2, np.nan)
    out[1:, 0] = np.where(np.isnan(middle), out[1:, 0], middle)
    out[:-1, 1] = np.where(np.isnan(middle), out[:-1, 1], middle)
    return out
