"""How a model in training does on voices it has not seen: word starts, blank share, and a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner_core.acoustic.windows import Windowed
from aligner_core.audio import FRAME_SECONDS, TINY, mel_power, normalise
from aligner_core.edges import Span, refine
from aligner_core.lattice import Visit

from .data import Utterance
from .realign import best_visits, heard, utterance_log_probs

MUSIC_LEVEL = 1.0  # power of the music over that of the voice where it sounds: 0 dB
SPEECH_FRAMES, SINGING_FRAMES = 3, 4  # least frames of a spoken and of a sung phone
Floats = NDArray[np.float64]


class HeldOut:
    """Utterances with known times, alone and buried in music.

    Args:
        utterances: those without times serve for the blank share only.
        music: mel power (frames, MELS) with a mean of 1.
    """

    def __init__(self, utterances: Sequence[Utterance], music: Tensor, device: torch.device) -> None:
        self.device, self.music = device, music
        timed = [u for u in utterances if u.labels is not None and u.edges is not None]
        self.groups = {
            "real": [u for u in timed if not u.key.startswith(("synth", "voices"))],
            "spoken": [u for u in timed if u.key.startswith("synth") and "/s" in u.key],
            "sung": [u for u in timed if u.key.startswith("synth") and "/m" in u.key],
            "sung_anew": [u for u in timed if u.key.startswith("voices")],
        }
        self.untimed = [u for u in utterances if u.labels is None]

    def __call__(self, model: Windowed) -> dict[str, float]:
        """Share of word starts within 25, 50, 100 and 300 ms, bias in s, and blank share of frames with a voice; with a
        head for edges also the shares after refining, and those of the ends."""
        figures: dict[str, float] = {}
        for name, group, music in self.conditions():
            outputs = [heard(model, self.features(u, music=music)) for u in group]
            log_probs, edges = [x for x, _ in outputs], [x for _, x in outputs if x is not None]
            paths = list(best_visits(group, log_probs, least_frames(name)))
            figures |= _shares(name, "start", group, [spans(visits) for visits in paths])
            if edges:
                refined = [spans(v, refine(v, x.cpu())) for v, x in zip(paths, edges, strict=True)]
                figures |= _shares(f"{name}/refined", "start", group, refined)
                figures |= _shares(f"{name}/refined_end", "end", group, refined)
            figures[f"{name}/blank"] = _blank(group, log_probs)
        loud = [utterance_log_probs(model, self.features(u, music=False)) for u in self.untimed]
        figures["untimed/blank"] = float(torch.cat([x.argmax(-1) == 0 for x in loud]).float().mean()) if loud else 0.0
        return figures

    def conditions(self) -> list[tuple[str, list[Utterance], bool]]:
        """Name, utterances, and whether under music, of everything that is measured and of which there is any."""
        alone = [(name, group, False) for name, group in self.groups.items()]
        return [one for one in [*alone, ("sung_over_music", self.groups["sung"], True)] if one[1]]

    def features(self, utterance: Utterance, *, music: bool) -> Tensor:
        """Normalised (frames, MELS), with music at the level of the voice or without."""
        power = mel_power(torch.from_numpy(utterance.wave).to(self.device).float() / 32768)
        if music and utterance.labels is not None:
            voice = torch.from_numpy(utterance.labels > 0).to(self.device)
            level = power[voice].mean()
            begin = sum(utterance.key.encode()) * 97 % max(len(self.music) - len(power), 1)
            power = power + self.music[begin : begin + len(power)] * level * MUSIC_LEVEL
        return normalise(power.clamp(min=TINY).log())

    def picture(self, model: Windowed) -> Tensor:
        """Posteriors (1, symbols, frames) of one utterance over music, sung if there is one; 0..1, for TensorBoard."""
        shown = [u for name in ("sung", "spoken", "real") for u in self.groups[name]] + self.untimed
        return utterance_log_probs(model, self.features(shown[0], music=True)).exp().T[None].cpu()


def least_frames(name: str) -> int:
    """Least frames of a phone in this condition."""
    return SINGING_FRAMES if name.startswith("sung") else SPEECH_FRAMES


def spans(visits: Sequence[Visit], refined: Sequence[Span] | None = None) -> dict[int, Span]:
    """Start and end in seconds of each word on a path, by its place in the text."""
    places = refined or [(visit.start, visit.end) for visit in visits]
    found: dict[int, Span] = {}
    for visit, (start, end) in zip(visits, places, strict=True):
        first = found.get(visit.token, (start * FRAME_SECONDS, 0.0))[0]
        found[visit.token] = (first, end * FRAME_SECONDS)
    return found


def errors(kind: str, group: Sequence[Utterance], found: Sequence[dict[int, Span]]) -> Floats:
    """Seconds by which the starts or ends ("start", "end") of all words are late; inf for what was not found."""
    column = ("start", "end").index(kind)
    return np.array(
        [
            words[i][column] - time if i in words else np.inf
            for utterance, words in zip(group, found, strict=True)
            for i, time in enumerate(utterance.times(kind))
        ]
    )


def _shares(name: str, kind: str, group: Sequence[Utterance], found: Sequence[dict[int, Span]]) -> dict[str, float]:
    late = errors(kind, group, found)
    late = late if late.size else np.array([np.inf])
    shares = {f"{name}/within_{ms}": float((np.abs(late) <= ms / 1000).mean()) for ms in (25, 50, 100, 300)}
    return shares | {f"{name}/bias": float(np.median(late))}


def _blank(group: Sequence[Utterance], log_probs: Sequence[Tensor]) -> float:
    """Share of frames with a labelled phone that the model calls silence or music."""
    called, voiced = 0, 0
    for utterance, x in zip(group, log_probs, strict=True):
        best = x.argmax(-1).cpu().numpy()
        phone = np.asarray(utterance.labels)[: len(best)] > 0
        called += int(((best == 0) | (best == x.shape[-1] - 1))[phone].sum())
        voiced += int(phone.sum())
    return called / max(voiced, 1)
