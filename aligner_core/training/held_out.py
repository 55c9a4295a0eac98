"""How a model in training does on voices it has not seen: word starts, blank share, and a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from aligner_core.acoustic.cnn import CnnCtc
from aligner_core.audio import FRAME_SECONDS, TINY, mel_power, normalise

from .data import Utterance
from .realign import best_visits, utterance_log_probs

MUSIC_LEVEL = 1.0  # power of the music over that of the voice where it sounds: 0 dB
SINGING_FRAMES = 4  # least frames of a sung phone


class HeldOut:
    """Utterances with known times, alone and buried in music.

    Args:
        utterances: those without times serve for the blank share only.
        music: mel power (frames, MELS) with a mean of 1.
    """

    def __init__(self, utterances: Sequence[Utterance], music: Tensor, device: torch.device) -> None:
        self.device, self.music = device, music
        timed = [u for u in utterances if u.labels is not None]
        self.groups = {
            "real": [u for u in timed if not u.key.startswith("synth")],
            "spoken": [u for u in timed if u.key.startswith("synth") and "/s" in u.key],
            "sung": [u for u in timed if u.key.startswith("synth") and "/m" in u.key],
        }
        self.untimed = [u for u in utterances if u.labels is None]

    def __call__(self, model: CnnCtc) -> dict[str, float]:
        """Share of word starts within 25, 50, 100 and 300 ms, bias in s, and blank share of frames with a voice."""
        figures: dict[str, float] = {}
        for name, group in self.groups.items():
            log_probs = [utterance_log_probs(model, self.features(u, music=False)) for u in group]
            figures |= _edges(name, group, log_probs, SINGING_FRAMES if name == "sung" else 3)
            figures[f"{name}/blank"] = _blank(group, log_probs)
        over = [utterance_log_probs(model, self.features(u, music=True)) for u in self.groups["sung"]]
        figures |= _edges("sung_over_music", self.groups["sung"], over, SINGING_FRAMES)
        figures["sung_over_music/blank"] = _blank(self.groups["sung"], over)
        loud = [utterance_log_probs(model, self.features(u, music=False)) for u in self.untimed]
        figures["untimed/blank"] = float(torch.cat([x.argmax(-1) == 0 for x in loud]).float().mean()) if loud else 0.0
        return figures

    def features(self, utterance: Utterance, *, music: bool) -> Tensor:
        """Normalised (frames, MELS), with music at the level of the voice or without."""
        power = mel_power(torch.from_numpy(utterance.wave).to(self.device).float() / 32768)
        if music and utterance.labels is not None:
            voice = torch.from_numpy(utterance.labels > 0).to(self.device)
            level = power[voice].mean()
            begin = sum(utterance.key.encode()) * 97 % max(len(self.music) - len(power), 1)
            power = power + self.music[begin : begin + len(power)] * level * MUSIC_LEVEL
        return normalise(power.clamp(min=TINY).log())

    def picture(self, model: CnnCtc) -> Tensor:
        """Posteriors (1, symbols, frames) of one utterance over music, sung if there is one; 0..1, for TensorBoard."""
        shown = [u for name in ("sung", "spoken", "real") for u in self.groups[name]] + self.untimed
        return utterance_log_probs(model, self.features(shown[0], music=True)).exp().T[None].cpu()


def _edges(name: str, group: Sequence[Utterance], log_probs: Sequence[Tensor], min_frames: int) -> dict[str, float]:
    errors: list[float] = []
    for utterance, visits in zip(group, best_visits(group, log_probs, min_frames), strict=True):
        found: dict[int, float] = {}
        for visit in visits:
            found.setdefault(visit.token, visit.start * FRAME_SECONDS)
        errors += [found.get(i, np.inf) - start for i, start in enumerate(utterance.starts)]
    size = np.abs(np.array(errors or [np.inf]))
    shares = {f"{name}/within_{ms}": float((size <= ms / 1000).mean()) for ms in (25, 50, 100, 300)}
    return shares | {f"{name}/bias": float(np.median(errors)) if errors else 0.0}


def _blank(group: Sequence[Utterance], log_probs: Sequence[Tensor]) -> float:
    """Share of frames with a labelled phone that the model calls silence or music."""
    called, voiced = 0, 0
    for utterance, x in zip(group, log_probs, strict=True):
        best = x.argmax(-1).cpu().numpy()
        phone = np.asarray(utterance.labels)[: len(best)] > 0
        called += int(((best == 0) | (best == x.shape[-1] - 1))[phone].sum())
        voiced += int(phone.sum())
    return called / max(voiced, 1)
