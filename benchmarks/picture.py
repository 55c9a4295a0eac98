"""Draw an alignment over its sound: `python -m benchmarks.picture SONG LYRICS OUT.png [--start S] [--seconds S]`.

Above, the log-mel spectrogram with words and syllables; below, the posteriors that the path went through.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch

from aligner_core import Aligner, Alignment, audio
from plugin import load

mpl.use("Agg")


def draw(song: Path, lyrics: Alignment, out: Path, start: float, seconds: float, model: Path | None = None) -> None:
    """Align the song and write the picture of `seconds` of it from `start` s on."""
    from matplotlib import pyplot

    aligner = Aligner.load(model)
    found = aligner.align(song, lyrics)
    wave = audio.load(song)
    figure, (above, below) = pyplot.subplots(2, 1, figsize=(14, 7), sharex=True, height_ratios=(3, 2))
    first, last = int(start / audio.FRAME_SECONDS), int((start + seconds) / audio.FRAME_SECONDS)
    extent = (start, start + seconds)
    features = audio.log_mel(wave)[first:last].T.numpy()
    above.imshow(features, origin="lower", aspect="auto", extent=(*extent, 0, audio.MELS), cmap="magma", vmin=-12)
    above.set(ylabel="mel band", yticks=[], title=f"{song.name}: words and syllables")
    posteriors(below, aligner, wave, (first, last), extent)
    for word in found.words:
        if word.start is not None and word.end is not None and extent[0] <= word.start < extent[1]:
            bar(above, word.text, word.start, word.end, audio.MELS * 0.93, 11)
            for syllable in word.syllables:
                if syllable.start is not None and syllable.end is not None and len(word.syllables) > 1:
                    bar(above, syllable.text, syllable.start, syllable.end, audio.MELS * 0.83, 8)
    for phone in found.phones:
        if phone.start is not None and phone.end is not None and extent[0] <= phone.start < extent[1]:
            row = aligner.model.symbols.index(phone.text) + 0.5
            below.plot([phone.start, phone.end], [row, row], color="deepskyblue", linewidth=2)
    below.set(xlabel="seconds", xlim=extent)
    figure.tight_layout()
    figure.savefig(out, dpi=70)


def posteriors(axes: Any, aligner: Aligner, wave: torch.Tensor, frames: tuple[int, int], extent: Any) -> None:
    """The probability of each symbol over time."""
    symbols = aligner.model.symbols
    shown = aligner.model.log_probs(wave)[slice(*frames), : len(symbols)].exp().T.numpy()
    axes.imshow(np.sqrt(shown), origin="lower", aspect="auto", extent=(*extent, 0, len(symbols)), cmap="Greys")
    axes.set_yticks(np.arange(len(symbols)) + 0.5, symbols, fontsize=5)
    axes.set(title="what the model hears (grey) and the path through it (blue)")


def bar(axes: Any, text: str, start: float, end: float, height: float, size: int) -> None:
    """A labelled span with its two edges."""
    axes.plot([start, end], [height, height], color="white", linewidth=2)
    axes.axvline(start, color="white", linewidth=0.5, alpha=0.6)
    axes.text((start + end) / 2, height + 1, text, color="white", fontsize=size, ha="center")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("song", type=Path)
    parser.add_argument("lyrics", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", type=float, default=0.0, help="seconds")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--model", type=Path)
    given = parser.parse_args()
    draw(given.song, load(given.lyrics), given.out, given.start, given.seconds, given.model)


if __name__ == "__main__":
    main()
