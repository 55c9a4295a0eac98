"""Where a network looked for a sound: activation maps of `CnnCtc`, and times from them.

* `cam` (Zhou et al. 2016, arXiv 1512.04150): what each frame contributes to a sound through the linear head, in closed
  form. The network joins all mel bands in its first layer, so this map has no bands.
* `grad_cam` (Selvaraju et al. 2017, arXiv 1610.02391): the same with the mean gradient of a score as the weights of the
  channels; for the mean logit of the last layer it is the positive part of `cam`.
* `integrated_gradients` (Sundararajan et al. 2017, arXiv 1703.01365): what each band of each frame contributes to the
  probability of a sound, beside a sound that is even; the contributions add up to it, but for what the steps leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .acoustic.cnn import CnnCtc
from .audio import MELS
from .errors import AlignmentError
from .timeline import Phone, Span

CONTEXT = 60  # frames beside a sound that its map covers: what is further off counts little
STEPS = 16  # of the integral
TOGETHER = 32  # maps at once
NEAR = 6  # frames by which an edge may be moved
Floats = NDArray[np.float64]


class Sound(NamedTuple):
    """A sound at its place: its column among the symbols, its first frame, and the one after its last."""

    column: int
    start: int
    end: int


class Map(NamedTuple):
    """What frames `begin` and on contribute to a sound: (MELS, frames)."""

    begin: int
    values: Tensor


def sounds_of(span: Span, model: CnnCtc) -> list[Sound]:
    """The timed phones of a line, a word, a syllable, or a phone.

    Raises:
        AlignmentError: there are none.
    """
    found = [
        Sound(model.symbols.index(phone.text), first, max(round((phone.end or 0) / model.frame_seconds), first + 1))
        for phone in _phones(span)
        if phone.start is not None and phone.text in model.symbols
        for first in [round(phone.start / model.frame_seconds)]
    ]
    if not found:
        raise AlignmentError(f"{span.text!r} has no phones with times", hint="an alignment as JSON keeps them")
    return found


def _phones(span: Span) -> list[Phone]:
    return [span] if isinstance(span, Phone) else [phone for child in span.children for phone in _phones(child)]


@torch.inference_mode()
def cam(model: CnnCtc, features: Tensor, columns: Sequence[int]) -> Tensor:
    """The logit of each sound but for its bias: normalised log-mels (frames, MELS) -> (sounds, frames)."""
    embedded = model.embed(features[None])[0]
    return model.head.weight[list(columns)] @ embedded.T


def grad_cam(model: CnnCtc, features: Tensor, sounds: Sequence[Sound]) -> Tensor:
    """The channels of the last layer, weighted with the mean gradient of the logit while the sound lasts, as far as
    they are for it: (sounds, frames)."""
    with torch.no_grad():
        embedded = model.embed(features[None])[0]
    out = []
    for sound in sounds:
        layer = embedded.detach().requires_grad_()
        span = slice(sound.start, sound.end)
        (slope,) = torch.autograd.grad(model.head(layer)[span, sound.column].sum(), layer)
        out.append((embedded @ slope[span].mean(0)).clamp(min=0))
    return torch.stack(out)


def score(logits: Tensor, sounds: Sequence[Sound]) -> Tensor:
    """The mean probability of each sound while it lasts: (sounds, frames, symbols) -> (sounds,)."""
    likely = logits.softmax(-1)
    return torch.stack([row[one.start : one.end, one.column].mean() for row, one in zip(likely, sounds, strict=True)])


def integrated_gradients(
    model: CnnCtc, features: Tensor, sounds: Sequence[Sound], steps: int = STEPS, context: int = CONTEXT
) -> Iterator[Map]:
    """The map of each sound, in their order.

    Args:
        features: normalised log-mels of the whole sound, (frames, MELS), on the device of the model.
        steps: points of the straight way to the sound from one in which each band stays at its mean, 0. (From silence,
            a fourth less of the maps lies where the sounds are.)
        context: frames beside a sound that may contribute.

    Raises:
        AlignmentError: one begins after all frames.
    """
    if beyond := [one.start for one in sounds if one.start >= len(features)]:
        what = f"a sound in frame {beyond[0]}, and there are {len(features)}"
        raise AlignmentError(what, hint="the text and the sound that it was timed to")
    longest = max((one.end - one.start for one in sounds), default=0)
    width = min(longest + 2 * context, len(features))
    for at in range(0, len(sounds), TOGETHER):
        group = sounds[at : at + TOGETHER]
        begins = [min(max((one.start + one.end - width) // 2, 0), len(features) - width) for one in group]
        windows = torch.stack([features[begin : begin + width] for begin in begins])
        moved = [Sound(x.column, x.start - begin, x.end - begin) for x, begin in zip(group, begins, strict=True)]
        mean = torch.zeros_like(windows)
        for step in range(steps):
            mean += _slope(model, windows * ((step + 0.5) / steps), moved) / steps
        for begin, values in zip(begins, windows * mean, strict=True):
            yield Map(begin, values.T)


def _slope(model: CnnCtc, windows: Tensor, sounds: Sequence[Sound]) -> Tensor:
    x = windows.detach().requires_grad_()
    (slope,) = torch.autograd.grad(score(model(x), sounds).sum(), x)
    return slope


def joined(maps: Sequence[Map], frames: int) -> Tensor:
    """All maps as one: what they contribute together, as of a word or a line, (MELS, frames)."""
    out = torch.zeros(MELS, frames, device=maps[0].values.device if maps else None)
    for begin, values in maps:
        out[:, begin : begin + values.shape[1]] += values
    return out


def over_time(values: Tensor) -> Tensor:
    """A map without its bands: the share of each frame in all that speaks for the sound, (..., MELS, frames) ->
    (..., frames)."""
    mass = values.clamp(min=0).sum(-2)
    return mass / mass.sum(-1, keepdim=True).clamp(min=1e-9)


def inside(found: Map, sound: Sound, margin: int = 0) -> float:
    """Share of what speaks for a sound that lies in its span, so many frames wider to either side."""
    first = max(sound.start - margin - found.begin, 0)
    return float(over_time(found.values)[first : max(sound.end + margin - found.begin, 0)].sum())


def moved_edges(activity: Floats, sounds: Sequence[Sound], near: int = NEAR) -> Floats:
    """Where sounds begin and end by the evidence: (sounds, 2) in frames, between them where two curves cross.

    Between two sounds that touch, the edge goes where the second begins to be likelier; beside a pause, where a sound
    passes half of its height. No edge moves further than `near` frames, nor past the middle of its sound.

    Args:
        activity: (sounds, frames), of each sound by itself; above 0 where something speaks for it.
    """
    out = np.array([(one.start, one.end) for one in sounds], float).reshape(-1, 2)
    half = [max(float(activity[i, one.start : one.end].max()), 0.0) / 2 for i, one in enumerate(sounds)]
    for i, one in enumerate(sounds):
        middle = (one.start + one.end) // 2
        before = sounds[i - 1] if i else Sound(0, 0, 0)
        after = sounds[i + 1] if i + 1 < len(sounds) else Sound(0, activity.shape[1], 0)
        touched = i > 0 and before.end == one.start
        floor = (before.start + before.end + 1) // 2 if touched else before.end
        rises = activity[i] - (activity[i - 1] if touched else half[i])
        out[i, 0] = _crossing(rises, one.start, max(one.start - near, floor), min(one.start + near, middle))
        if touched:
            out[i - 1, 1] = out[i, 0]
        if after.start > one.end:
            falls = half[i] - activity[i]
            out[i, 1] = _crossing(falls, one.end, max(one.end - near, middle + 1), min(one.end + near, after.start))
    return np.maximum.accumulate(out.flatten()).reshape(-1, 2)


def _crossing(rises: Floats, edge: int, first: int, last: int) -> float:
    """Where this comes above 0 nearest to an edge, in frames, between them too; the edge if it does so nowhere."""
    places = [t for t in range(max(first, 1), min(last + 1, len(rises))) if rises[t - 1] <= 0 < rises[t]]
    if not places:
        return float(edge)
    t = min(places, key=lambda at: abs(at - edge))
    return t - 1 + float(rises[t - 1] / (rises[t - 1] - rises[t]))
