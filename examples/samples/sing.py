"""Makes the sung sounds of this folder and their part of the page: `python -m examples.samples.sing --before TREE`.

TREE is a working tree of the release before, such as `git worktree add TREE 6c07e2b` makes. Run it from the root of the
repository. Phone errors need the packs (`--data`), pitch praat-parselmouth, pictures matplotlib.
"""

from __future__ import annotations

import argparse
import html
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch
from matplotlib import pyplot
from numpy.typing import NDArray

from aligner_core import Aligner
from aligner_core.timeline import Alignment
from aligner_core.tts.engines import ENGINES
from aligner_core.tts.score import Score, scored
from aligner_core.tts.sound import RATE, log_mel
from aligner_core.tts.synthesizer import Speech
from benchmarks import engine_page, packs
from benchmarks.guide_sound import Take, dictionary
from benchmarks.singing_listener import Listener
from benchmarks.singing_measures import pitches
from plugin.formats import by_name

from .make import FOLDER, even

ROOT = FOLDER.parents[1]
NOTES = ROOT / "examples" / "amazing-grace.ultrastar.txt"
LINES = 1, 3
AROUND = 0.3  # s of silence that stay at either end
BITRATE = 0.9  # of the range of libsndfile for Opus, from 256 down to 6 kbit/s
HEAD = """<table>
<tr><th>line</th><th>who</th><th></th><th>spectrogram</th><th>off the note</th><th>phone error</th></tr>
"""
ROW = (
    '<tr><td>{text}</td><td>{name}</td><td><audio controls preload="none" src="{file}.opus"></audio></td>'
    '<td><img src="{file}.jpg" alt="spectrogram" width="300" height="100"></td>'
    "<td>{cents}</td><td>{error:.0%}</td></tr>"
)
GUIDE = "from plugin.cli import main; main()"
Wave = NDArray[np.float32]


class Sung(NamedTuple):
    """A sound of the page: its file without ending, who sings it, the words, and the line's notes; None: spoken."""

    file: str
    name: str
    text: str
    whole: Wave  # from the beginning of the song on
    score: Score | None


def samples(before: Path) -> Iterator[Sung]:
    """All of them, in the order of the page."""
    song = by_name("ultrastar").load(NOTES)
    for at in LINES:
        text = song.lines[at - 1].text
        score = Score(scored(song).lines[at - 1 : at])
        yield Sung(f"sung-{at}-spoken", "spoken by the voice", text, guide(ROOT, text), None)
        for engine in ENGINES:
            options = (NOTES, "--sing", "--lines", f"{at}-{at}", "--engine", engine)
            yield Sung(f"sung-{at}-{engine}", f"sung, {engine}", text, guide(ROOT, *options), score)
            old = guide(before.resolve(), *options)
            yield Sung(f"sung-{at}-{engine}-before", f"sung, {engine}, by the release before", text, old, score)


def guide(tree: Path, *options: str | Path) -> Wave:
    """What `karalign guide` of a working tree makes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.wav"
        command = [sys.executable, "-c", GUIDE, "guide", *map(str, options), "-o", str(out), "--quiet"]
        subprocess.run(command, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, check=True)  # noqa: S603
        wave, rate = soundfile.read(out, dtype="float32")
    assert rate == RATE
    return np.asarray(wave, np.float32)


def heard_part(wave: Wave) -> Wave:
    """Without the silence before and after, but for a moment."""
    loud = np.flatnonzero(np.abs(wave) > 0.01 * np.abs(wave).max())
    keep = round(AROUND * RATE)
    return wave[max(loud[0] - keep, 0) : loud[-1] + keep]


def write(one: Sung, listener: Listener) -> str:
    """Sound and picture of a sample; its row of the page."""
    part = even(heard_part(one.whole))
    soundfile.write(FOLDER / f"{one.file}.opus", part, RATE, format="OGG", subtype="OPUS", compression_level=BITRATE)
    mel = log_mel(torch.from_numpy(part)).T.numpy()[::-1]
    picture = mel[:, : mel.shape[1] // 2 * 2].reshape(len(mel), -1, 2).mean(2)
    quality = {"quality": 75}
    pyplot.imsave(FOLDER / f"{one.file}.jpg", picture, cmap="magma", vmin=-9, vmax=1, format="jpg", pil_kwargs=quality)
    error = listener.error([Take(part, RATE, dictionary(one.text))])
    cents = ""
    if one.score:
        off = pitches(Speech(one.whole, RATE, Alignment(()), ()), one.score)
        cents = f"{off['cents']:.1f} cents, {off['without_pitch']:.0%} without pitch"
    name, text = html.escape(one.name), html.escape(one.text)
    return ROW.format(text=text, name=name, file=one.file, cents=cents, error=error)


def main() -> None:
    """Write all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, metavar="TREE")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where the packs are")
    given = parser.parse_args()
    listener = Listener(Aligner.load().model, packs.data_root(given.data))
    rows = [write(one, listener) for one in samples(given.before)]
    engine_page.put("sung", HEAD + "\n".join(rows) + "\n</table>", FOLDER / "index.html")
    size = sum(path.stat().st_size for path in FOLDER.glob("sung-*"))
    print(f"{len(rows)} sounds, {size / 1000:.0f} kB with their pictures")


if __name__ == "__main__":
    main()
