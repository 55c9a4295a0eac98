"""A batch of training crops, made on the device: sound is cut, bent, stretched, sung and buried in music there.

Voices are changed as waves (speed, drive, choirs, reverberation), then as mel power (vowels held as in singing,
breaths, music, other voices and noise added, tone colour, codecs), where a mixture is a sum. Labels go the same way.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from aligner_core.acoustic.cnn import EDGES, SYMBOLS
from aligner_core.audio import HOP, MELS, SAMPLE_RATE, TINY, mel_power, normalise
from aligner_core.phones import VOWELS

from .data import IGNORE, UNSURE, Corpus
from .effects import Dice, Recipe, bent, breaths, masked, noise, recorded, whispered

SOURCE_FRAMES = 1000  # cut out of an utterance
CROP_FRAMES = 800  # that the network sees; stretching never shortens by more than the quotient
MUSIC = len(SYMBOLS) - 1
NEAR = 5.0  # frames beside an edge that is not known well of which nothing is learnt


class Batch(NamedTuple):
    """Training crops.

    Args:
        features: normalised (size, CROP_FRAMES, MELS).
        labels: (size, CROP_FRAMES), `IGNORE` where not known.
        edges: (size, CROP_FRAMES, len(EDGES)), what the head for edges should say; NaN where not known.
    """

    features: Tensor
    labels: Tensor
    edges: Tensor


class _Edges(NamedTuple):
    """Edges of crops: frame (size, n), inf for none, and kind (size, n)."""

    at: Tensor
    kind: Tensor


class Mixer:
    """Makes batches out of a corpus and music.

    Args:
        corpus: voices.
        music: mel power (frames, MELS) with a mean of 1.
        recipe: what to do to them.
        seed: of everything drawn.
        weights: (utterances,), how much oftener than by its length each is drawn; without it, 1.
        unlabelled: draw utterances without labels too.
    """

    def __init__(
        self,
        corpus: Corpus,
        music: Tensor,
        recipe: Recipe,
        seed: int,
        weights: Tensor | None = None,
        *,
        unlabelled: bool = False,
    ) -> None:
        self.corpus, self.music, self.recipe = corpus, music, recipe
        self.unlabelled = unlabelled
        self.weights = torch.ones_like(corpus.lengths) if weights is None else weights
        self.device = corpus.device
        self.dice = Dice(torch.Generator(self.device).manual_seed(seed), self.device)
        self.vowel = torch.tensor([name in VOWELS for name in SYMBOLS], device=self.device)

    def batch(self, size: int) -> Batch:
        """So many crops."""
        wave, labels, edges, edged = self._crop(size)
        power = mel_power(bent(wave, self.recipe, self.dice))[:, :SOURCE_FRAMES]
        power = whispered(power, self.recipe, self.dice)
        power, labels, edges = self._stretch(power, labels, edges)
        power, labels, quiet = self._mix(power, labels)
        targets = edge_targets(edges._replace(at=edges.at.masked_fill(quiet[:, None], torch.inf)), CROP_FRAMES)
        known = (edged | quiet)[:, None] & (labels != IGNORE)
        power = recorded(power, self.recipe, self.dice)
        features = masked(normalise(power.clamp(min=TINY).log()), self.recipe, self.dice)
        return Batch(features, labels, targets.masked_fill(~known[..., None], torch.nan))

    def _crop(self, size: int) -> tuple[Tensor, Tensor, _Edges, Tensor]:
        """Waves (size, samples), their labels (size, SOURCE_FRAMES), edges, and whether (size,) these are known;
        silence around what an utterance has."""
        corpus = self.corpus
        weights = corpus.lengths.float().clamp(max=SOURCE_FRAMES * HOP) * self.weights
        weights = weights * (corpus.labelled | self.unlabelled)
        picks = torch.multinomial(weights, size, replacement=True, generator=self.dice.random)
        speed = torch.where(self.dice.chance(size, self.recipe.speed), self.dice.uniform((size,), 0.85, 1.18), 1.0)
        samples = SOURCE_FRAMES * HOP
        length = corpus.lengths[picks]
        lead = self.dice.uniform((size,), 0, 1.5 * SAMPLE_RATE)
        begin = self.dice.uniform((size,)) * ((length - samples * speed).clamp(min=0) + lead) - lead
        begin = (begin / HOP).round() * HOP
        at = begin[:, None] + torch.arange(samples, device=self.device) * speed[:, None]
        left = at.floor().long()
        inside = (left >= 0) & (left < length[:, None] - 1)
        index = (left + corpus.starts[picks, None]).clamp(0, corpus.audio.shape[0] - 2)
        a, b = corpus.audio[index].float(), corpus.audio[index + 1].float()
        wave = (a + (b - a) * (at - left)) * inside / 32768
        edges = _Edges((corpus.edge_at[picks] - begin[:, None] / HOP) / speed[:, None], corpus.edge_kind[picks])
        return wave, self._labels(picks, begin / HOP, speed), edges, corpus.edged[picks]

    def _labels(self, picks: Tensor, begin: Tensor, speed: Tensor) -> Tensor:
        corpus = self.corpus
        frame = (begin[:, None] + torch.arange(SOURCE_FRAMES, device=self.device) * speed[:, None]).round().long()
        inside = (frame >= 0) & (frame < corpus.frames[picks, None])
        index = (frame + corpus.label_starts[picks, None]).clamp(0, corpus.labels.shape[0] - 1)
        return torch.where(inside, corpus.labels[index].long(), 0)

    def _stretch(self, power: Tensor, labels: Tensor, edges: _Edges) -> tuple[Tensor, Tensor, _Edges]:
        """Tempo, and vowels held as in singing: (size, SOURCE_FRAMES, ...) -> (size, CROP_FRAMES, ...)."""
        size = labels.shape[0]
        change = torch.nn.functional.pad(labels[:, 1:] != labels[:, :-1], (1, 0))
        segment = change.cumsum(1)
        held = self.recipe.hold ** self.dice.uniform((size, SOURCE_FRAMES))
        plain = self.dice.uniform((size, SOURCE_FRAMES), 0.8, 1.3)
        vowel = self.vowel[labels.clamp(min=0)]
        sung = torch.where(vowel, held.gather(1, segment), plain.gather(1, segment))
        tempo = self.dice.uniform((size, 1), 0.8, 1.2).expand_as(sung)
        factor = torch.where(self.dice.chance(size, self.recipe.sing)[:, None], sung, tempo)
        until = factor.cumsum(1)  # new time at which a source frame ends
        begin = self.dice.uniform((size, 1)) * (until[:, -1:] - CROP_FRAMES).clamp(min=0)
        time = begin + torch.arange(CROP_FRAMES, device=self.device) + 0.5
        frame = torch.searchsorted(until, time).clamp(max=SOURCE_FRAMES - 1)
        into = 1 - (until.gather(1, frame) - time) / factor.gather(1, frame)  # 0..1 within its source frame
        at = (frame + into - 0.5).clamp(0, SOURCE_FRAMES - 1.001)
        left = at.long()
        share = (at - left)[..., None]
        rows = torch.arange(size, device=self.device)[:, None]
        power = power[rows, left] * (1 - share) + power[rows, left + 1] * share
        return power, labels.gather(1, frame), edges._replace(at=_stretched(edges.at, until, factor) - begin)

    def _mix(self, power: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Add another voice, music and noise to voices of mean power 1; silence under music becomes MUSIC. The last
        result says which crops (size,) lost their voice."""
        size = labels.shape[0]
        loud = power.mean(-1) > 0.3 * power.mean((1, 2))[:, None]
        sounding = ((labels > 0) | ((labels == IGNORE) & loud))[..., None].float()
        level = (power * sounding).sum((1, 2)) / (sounding.sum((1, 2)) * MELS).clamp(min=1)
        power = power / level.clamp(min=1e-9)[:, None, None]
        power = power + breaths(labels, self.recipe, self.dice)
        backing = self.dice.chance(size, self.recipe.backing)
        gain = 10 ** (-self.dice.uniform((size,), 8, 25) / 10) * backing
        mixed = power + power.roll(1, 0) * gain[:, None, None]
        labels = torch.where(backing[:, None] & (labels == 0) & (labels.roll(1, 0) != 0), IGNORE, labels)
        quiet = self.dice.chance(size, self.recipe.quiet)
        music = self._music(size) * (self.dice.chance(size, self.recipe.music) | quiet)[:, None, None]
        labels = torch.where(quiet[:, None], 0, labels)
        mixed = mixed * ~quiet[:, None, None] + music
        audible = music.mean(-1) > 1e-3  # 30 dB under the voice
        labels = torch.where(audible & (labels == 0), MUSIC, labels)
        return mixed + noise(mixed, self.recipe, self.dice), labels, quiet

    def _music(self, size: int) -> Tensor:
        """Two layers of music (size, CROP_FRAMES, MELS) at the recipe's distance from a voice of power 1."""
        total = torch.zeros(size, CROP_FRAMES, MELS, device=self.device)
        bands = torch.arange(MELS, device=self.device)
        for share in (1.0, 0.35):
            tempo = self.dice.uniform((size, 1), 0.8, 1.25)
            begin = self.dice.uniform((size, 1)) * (self.music.shape[0] - 1.3 * CROP_FRAMES)
            rows = (begin + torch.arange(CROP_FRAMES, device=self.device) * tempo).long().clamp(0, len(self.music) - 1)
            shift = self.dice.uniform((size, 1, 1), -4, 5).long()  # of pitch, in mel bands
            layer = self.music[rows].gather(2, (bands + shift).clamp(0, MELS - 1).expand(size, CROP_FRAMES, MELS))
            total = total + layer * self.dice.chance(size, share)[:, None, None]
        total = total / total.mean((1, 2), keepdim=True).clamp(min=1e-9)
        enters = self.dice.uniform((size, 1), -4 * CROP_FRAMES, CROP_FRAMES)  # most pieces play from the beginning
        plays = torch.arange(CROP_FRAMES, device=self.device) >= enters
        snr = self.dice.uniform((size, 1, 1), *self.recipe.snr)
        return total * plays[..., None] * 10 ** (-snr / 10)


def _stretched(at: Tensor, until: Tensor, factor: Tensor) -> Tensor:
    """Where source frames (size, n), not whole, come to lie: a source frame lasts `factor` new ones and ends at the
    new time `until`, both (size, SOURCE_FRAMES); inf stays, and what is outside becomes it."""
    outside = (at < -0.5) | (at >= until.shape[1] - 0.5)
    time = torch.where(outside, 0.0, at + 0.5)  # a frame lasts from half a frame before its centre
    frame = time.long()
    new = until.gather(1, frame) - (frame + 1 - time) * factor.gather(1, frame) - 0.5
    return torch.where(outside, torch.inf, new)


def edge_targets(edges: _Edges, frames: int) -> Tensor:
    """(size, frames, len(EDGES)): each edge shared out over the two frames around it, the nearer the more; NaN near
    what is not known well."""
    inside = (edges.at >= 0) & (edges.at < frames - 1)
    at = torch.where(inside, edges.at, 0.0)
    left = at.long()
    share = at - left
    targets = torch.zeros(at.shape[0], frames, len(EDGES), device=at.device)
    rows = torch.arange(at.shape[0], device=at.device)[:, None].expand_as(left)
    kind, sure = edges.kind.clamp(max=UNSURE - 1), inside & (edges.kind < UNSURE)
    targets.index_put_((rows, left, kind), (1 - share) * sure, accumulate=True)
    targets.index_put_((rows, left + 1, kind), share * sure, accumulate=True)
    return targets.clamp(max=1.0).masked_fill(
        _near(edges.at.masked_fill(edges.kind < UNSURE, torch.inf), frames)[..., None], torch.nan
    )


def _near(at: Tensor, frames: int) -> Tensor:
    """Whether a frame lies near one of these places: (size, n), inf for none -> (size, frames)."""
    ends = torch.zeros(at.shape[0], frames + 1, device=at.device)
    known = at.isfinite()
    first = torch.where(known, at - NEAR, 0.0).round().clamp(0, frames).long()
    last = torch.where(known, at + NEAR, 0.0).round().clamp(0, frames).long()
    ends.scatter_add_(1, first, known.float()).scatter_add_(1, last, -known.float())
    return ends.cumsum(1)[:, :frames] > 0.5
