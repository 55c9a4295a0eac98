"""Makes the sounds and the page of this folder: `python examples/samples/make.py --teacher PACK.zip`.

The pack holds sentences that the voice has not learnt, as its teacher says them (see docs/voice.md). Run it from the
root of the repository.
"""

from __future__ import annotations

import argparse
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from aligner_core.tts import vocoder
from aligner_core.tts.sound import RATE
from aligner_core.tts.synthesizer import Synthesizer
from benchmarks.guide_sound import Sentence, copy, forced, in_teachers_time, sentences

FOLDER = Path(__file__).resolve().parent
COUNT = 5  # sentences
WORDS = range(7, 15)  # in each of them
LOUDNESS = 0.08  # root mean square of all sounds, so that none wins by being louder
FAST_TEXT = "This sentence is said twice as fast as usual, and this one goes on just the same."
OWN_TEXT = "Hold the line, and sing along. Every word comes when the song wants it to."
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>karalign: guide vocals, samples</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:16px/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}}
table{{border-collapse:collapse;width:100%}}td,th{{padding:.4rem .6rem .4rem 0;text-align:left;vertical-align:top}}
tr{{border-top:1px solid #ccc}}audio{{width:17rem;max-width:100%;min-width:8rem}}img{{max-width:100%}}
.teacher{{color:#8a4b00}}
@media (max-width:45rem){{tr,td{{display:block;padding:.2rem 0}}th{{display:none}}}}
@media (prefers-color-scheme:dark){{body{{color:#ddd;background:#181818}}.teacher{{color:#ffb066}}}}</style></head>
<body>
<h1>Guide vocals: samples</h1>
<p>Our voice beside its teacher. Neither voice nor vocoder has learnt these sentences. What is marked
<b class="teacher">teacher</b> was rendered by Kokoro-82M (Apache-2.0), voice af_heart, and is here only to compare;
all else was made by karalign. All sounds are equally loud. <code>python examples/samples/make.py</code> makes this
page.</p>
<table>
{rows}
</table>
<h2>Sung</h2>
<p>Two lines of the <a href="../README.md">example song</a>, from their notes, in the style for guides. Off the note:
median on the steady parts of notes, by Praat, and how much of them it hears no pitch in. Phone error: how many sounds a
network mistakes that knows no text. <code>python -m examples.samples.sing</code> makes this part.</p>
<!-- sung -->
{sung}<!-- /sung -->
</body></html>
"""
ROW = '<tr><td{mark}>{name}</td><td>{text}</td><td><audio controls preload="none" src="{file}"></audio></td></tr>'
Wave = NDArray[np.float32]


class Sample(NamedTuple):
    """A sound of the page: its file without ending, who speaks and how, what is said."""

    file: str
    name: str
    text: str
    wave: Wave


def samples(ours: Synthesizer, told: list[Sentence]) -> Iterator[Sample]:
    """All of them, in the order of the page."""
    old = Synthesizer(ours.voice, vocoder.load("griffin-lim"))
    for at, one in enumerate(told, 1):
        yield Sample(f"{at}-teacher", "teacher", one.text, one.wave)
        yield Sample(f"{at}-karalign", "our voice", one.text, ours.speak(one.text).wave)
        if at == 1:
            yield Sample("1-copy", "the teacher's mels and pitch through our vocoder", one.text, copy(ours, one))
            yield Sample("1-griffin-lim", "our voice by Griffin-Lim", one.text, in_teachers_time(old, one))
    timed = forced(told[0], np.random.default_rng(3))
    times = " ".join(f"{word.text} ({word.start:.2f})" for word in timed.words)
    yield Sample("forced", "our voice, the start of every word forced (s)", times, ours.speak(timed).wave)
    yield Sample("fast", "our voice, twice as fast", FAST_TEXT, ours.speak(FAST_TEXT, speed=2.0).wave)
    yield Sample("high", "our voice, 4 semitones higher", OWN_TEXT, ours.speak(OWN_TEXT, pitch=4.0).wave)
    yield Sample("low", "our voice, 4 semitones lower", OWN_TEXT, ours.speak(OWN_TEXT, pitch=-4.0).wave)


def even(wave: Wave) -> Wave:
    """As loud as all others, within -1..1."""
    scaled = wave * (LOUDNESS / max(float(np.sqrt(np.square(wave).mean())), 1e-6))
    return np.asarray(scaled / max(1.0, float(np.abs(scaled).max()) / 0.99), np.float32)


def main() -> None:
    """Write all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, required=True, metavar="PACK.zip")
    parser.add_argument("--skip", type=int, default=0, help="leave out the first sentences of the pack")
    given = parser.parse_args()
    told = [one for one in sentences(given.teacher, given.skip) if len(one.words) in WORDS][:COUNT]
    rows = []
    for one in samples(Synthesizer.load(), told):
        file = f"{one.file}.mp3"
        soundfile.write(FOLDER / file, even(one.wave), RATE, format="MP3", subtype="MPEG_LAYER_III")
        mark = ' class="teacher"' if one.name == "teacher" else ""
        rows.append(ROW.format(mark=mark, name=html.escape(one.name), text=html.escape(one.text), file=file))
    page = FOLDER / "index.html"
    sung = re.search("<!-- sung -->\n(.*?)<!-- /sung -->", page.read_text(encoding="utf-8"), re.DOTALL)
    page.write_text(PAGE.format(rows="\n".join(rows), sung=sung[1] if sung else ""), encoding="utf-8")
    size = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{len(rows)} sounds, {size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
