"""Pictures of docs/singing.md: a line as a piano roll with the pitch that is sung, and its spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import torch

from aligner_core.tts.singing import Singer
from aligner_core.tts.sound import HOP, RATE, log_mel
from aligner_core.tts.synthesizer import Speech, Synthesizer
from benchmarks.engine_page import DOCS

if TYPE_CHECKING:
    from benchmarks.singing import Song

mpl.use("Agg")
PICTURES = DOCS / "pictures"
DPI = 70
STYLES = {"guide": "tab:blue", "expressive": "tab:orange"}


def draw(synthesizer: Synthesizer, song: Song) -> None:
    """Both."""
    PICTURES.mkdir(exist_ok=True)
    singer = Singer(synthesizer)
    takes = {style: singer.sing(song.score, song.text, style=style) for style in STYLES}
    roll(song, takes)
    spectrogram(takes["guide"])


def roll(song: Song, takes: dict[str, Speech]) -> None:
    """Notes with their syllables, and what Praat hears of each style."""
    import parselmouth
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(11, 4))
    for one in song.score.lines[0].syllables:
        for note in one.notes:
            assert note.midi is not None
            axes.barh(note.midi, note.seconds, 0.8, note.start, color="lightgrey", edgecolor="grey")
            axes.text(note.start, note.midi + 0.5, one.text, fontsize=8)
    for style, speech in takes.items():
        sound = parselmouth.Sound(speech.wave.astype(np.float64), speech.sample_rate)
        pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=100, pitch_ceiling=700)
        hz = pitch.selected_array["frequency"]
        midi = np.where(hz > 0, 69 + 12 * np.log2(np.maximum(hz, 1) / 440), np.nan)
        axes.plot(pitch.xs(), midi, color=STYLES[style], linewidth=1, label=style)
    low, high = (pick(note.midi or 0 for note in song.score.notes) for pick in (min, max))
    axes.set(xlabel="seconds", ylabel="MIDI number", ylim=(low - 3, high + 3))
    axes.legend(loc="lower right")
    _save(figure, "singing-roll.png")


def spectrogram(speech: Speech) -> None:
    """Log-mels, with the sounds."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(11, 4))
    mel = log_mel(torch.from_numpy(speech.wave)).T.numpy()
    extent = (0.0, mel.shape[1] * HOP / RATE, 0.0, float(len(mel)))
    axes.imshow(mel, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-10, vmax=2)
    for phone in speech.alignment.phones:
        assert phone.start is not None
        axes.axvline(phone.start, color="white", linewidth=0.4, alpha=0.5)
        axes.text(phone.start, len(mel) - 4, phone.text, color="white", fontsize=7)
    axes.set(xlabel="seconds", ylabel="mel band")
    _save(figure, "singing-spectrogram.png")


def _save(figure: Any, name: str) -> None:
    from matplotlib import pyplot

    figure.tight_layout()
    figure.savefig(PICTURES / name, dpi=DPI)
    pyplot.close(figure)
