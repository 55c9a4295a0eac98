"""Pictures of docs/guide-vocals.md: teacher and ours, the alignment matrix, and the losses of training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from torch import Tensor

from aligner_core.tts.sound import HOP, RATE, log_mel
from aligner_core.tts.synthesizer import Synthesizer
from aligner_core.tts.upsampling import split
from benchmarks.engine_page import DOCS
from benchmarks.guide_sound import Sentence, copy, in_teachers_time

mpl.use("Agg")
PICTURES = DOCS / "pictures"
SHOWN = 2.5  # s
DPI = 70


def draw(ours: Synthesizer, sentence: Sentence) -> None:
    """All of them."""
    PICTURES.mkdir(exist_ok=True)
    spectrograms(ours, sentence)
    matrix(ours, sentence)
    losses()


def spectrograms(ours: Synthesizer, sentence: Sentence) -> None:
    """The teacher's mels, its sound through our vocoder, and ours with the teacher's durations."""
    from matplotlib import pyplot

    shown = {
        "teacher": sentence.wave,
        "the teacher's mels and pitch through our vocoder": copy(ours, sentence),
        "our voice, with the teacher's durations": in_teachers_time(ours, sentence),
    }
    figure, rows = pyplot.subplots(len(shown), 1, figsize=(11, 7.5), sharex=True)
    for axes, (name, wave) in zip(rows, shown.items(), strict=True):
        mel = log_mel(torch.from_numpy(wave))[: int(SHOWN * RATE / HOP)].T.numpy()
        extent = (0, mel.shape[1] * HOP / RATE, 0, len(mel))
        axes.imshow(mel, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-10, vmax=2)
        axes.set(ylabel="mel band", title=name)
    for axes in rows:
        _phones(axes, sentence, SHOWN)
    rows[-1].set(xlabel="seconds", xlim=(0, SHOWN))
    _save(figure, "guide-spectrograms.png")


def _phones(axes: Any, sentence: Sentence, until: float) -> None:
    starts = [frames * HOP / RATE for frames in accumulate(sentence.durations, initial=0)]
    for start, phone in zip(starts, sentence.phones, strict=False):
        if start < until:
            axes.axvline(start, color="white", linewidth=0.4, alpha=0.5)
            axes.text(start, 73, f" {phone}", color="white", fontsize=6, clip_on=True)


@torch.inference_mode()
def matrix(ours: Synthesizer, sentence: Sentence) -> None:
    """How much of each phone is in each frame."""
    from matplotlib import pyplot

    weights = upsampled(ours, sentence.durations)[: int(SHOWN * RATE / HOP)]
    last = int(weights.sum(0).nonzero().max()) + 1
    figure, axes = pyplot.subplots(figsize=(11, 5))
    extent = (0, len(weights) * HOP / RATE, -0.5, last - 0.5)
    axes.imshow(weights[:, :last].T, origin="lower", aspect="auto", extent=extent, cmap="viridis")
    axes.set_yticks(np.arange(last), sentence.phones[:last], fontsize=6)
    sigma = float(ours.voice.acoustic.upsampling.log_sigma.exp()) * 1000 * HOP / RATE
    axes.set(xlabel="seconds", title=f"share of each phone in each frame; one width for all, {sigma:.0f} ms")
    _save(figure, "guide-alignment.png")


def upsampled(ours: Synthesizer, durations: Sequence[int]) -> Tensor:
    """The alignment matrix of a line: (frames, phones), rows sum to 1."""
    frames = sum(durations)
    cut = split(torch.tensor([list(durations)]))
    weights = ours.voice.acoustic.upsampling.weights(cut, frames)[0]
    return torch.zeros(frames, len(durations)).index_add_(1, cut.phone[0], weights.float().cpu())


def losses() -> None:
    """What went down while the voice and the vocoder learnt."""
    from matplotlib import pyplot

    voice, vocoder = (json.loads((DOCS / f"training-{name}.json").read_text()) for name in ("voice", "vocoder"))
    acoustic = [row for row in voice if row["stage"] == "acoustic"]
    panels = (
        ("acoustic model: training loss", acoustic, {"loss": "loss"}),
        ("held out: mean error of log-mels, deviations", acoustic,
         {"mel": "pitch and energy told", "free_mel": "guessed"}),
        ("held out: error of pitch, cents", acoustic, {"cents": "pitch of phones told", "free_cents": "guessed"}),
        ("vocoder: distance of spectra", vocoder, {"distance": "training", "held_out": "held out"}),
    )  # fmt: skip
    figure, rows = pyplot.subplots(1, len(panels), figsize=(15, 3.6))
    for axes, (title, history, lines) in zip(rows, panels, strict=True):
        for key, name in lines.items():
            there = [row for row in history if key in row]
            axes.plot([row["step"] for row in there], [row[key] for row in there], "o-", label=name)
        axes.set(xlabel="step", xlim=(0, None), ylim=(0, None))
        axes.set_title(title, fontsize=9)
        axes.legend(fontsize=8)
    _save(figure, "guide-losses.png")


def _save(figure: Any, name: str) -> None:
    from matplotlib import pyplot

    figure.tight_layout()
    figure.savefig(PICTURES / name, dpi=DPI)
    pyplot.close(figure)
