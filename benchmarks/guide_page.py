"""The tables of docs/guide-vocals.md: `python -m benchmarks.guide_page FIGURES.json [FIGURES.json ...]`.

Takes what benchmarks.guide wrote, in one file or several, each part from the last that has it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.engine_page import DOCS, put, read, write
from benchmarks.report import table

PAGE = DOCS / "guide-vocals.md"
FIGURES = DOCS / "guide.json"
BLOCK = "guide"
LONGEST = 60  # characters of an odd text that are shown
Figures = Mapping[str, Any]

HEAD = """\
`python -m benchmarks.guide --teacher PACK.zip`

{sentences} sentences ({words} words) that neither voice nor vocoder has learnt from; some tables take only the first of
them. The teacher is what the voice was distilled from; its renderings of these same sentences are in the pack, which is
not published. All figures are in [guide.json](guide.json); [samples](../examples/samples/index.html) can be listened
to. What the voice is and what was changed on other sentences is told in [voice.md](voice.md).
"""
TIMING = """\
Every word is forced to last 0.75 to 1.6 times as long as the teacher says it, each by its own factor drawn at random,
pauses as they are; the aligner then hears where words begin, without knowing. Nothing is taken off, so the errors of
the aligner itself are in it.
"""
HEARD = """\
Word error rate: PocketSphinx with its own English model, the first {sentences} sentences; after it half of the 95 %
interval. Phone error rate: the aligner's own network without a text (best symbol of each frame, sounds of one frame
left out), against the phones that were to be said: those of the pack for the teacher, of our script for all others.
{absent}
"""
NEAR = """\
Against the teacher's sound, the first {sentences} sentences, phones and pauses as the teacher has them. Mel-cepstral
distortion: 24 coefficients of WORLD's envelope up to 12 kHz, all-pass 0.466, without the first, which is loudness;
frames of 10 ms within 40 dB of the loudest, paired by dynamic time warping. Voicing and pitch (Harvest, 100 to 500 Hz)
of the same pairs; *within*: with the mean of each sentence taken off; *spread*: the deviation of our pitch within
sentences by the teacher's.
"""
ODD = """\
Silence: share of the frames 50 dB below the loudest. Run-on: seconds in which something is heard though nothing is
said. Phone error: what the aligner's network hears against what was to be said; a loop would show there.
"""
PICTURES = """\
![The teacher, its mels through our vocoder, and our voice](pictures/guide-spectrograms.png)

![The alignment matrix: Gaussian upsampling](pictures/guide-alignment.png)

![What went down in training](pictures/guide-losses.png)"""


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("figures", type=Path, nargs="+", metavar="FIGURES.json")
    publish({key: value for path in parser.parse_args().figures for key, value in read(path).items()})


def publish(figures: Figures) -> None:
    """Put figures into docs/."""
    write(FIGURES, figures)
    put(BLOCK, section(figures), PAGE)


def section(figures: Figures) -> str:
    """All of it, in Markdown; parts that were not measured are left out."""
    parts = [HEAD.format(**figures)]
    makers: dict[str, Callable[[Any], str]] = {
        "timing": timing,
        "heard": heard,
        "near": near,
        "speed": speed,
        "odd": odd,
    }
    parts += [make(figures[name]) for name, make in makers.items() if name in figures]
    return "\n".join([*parts, PICTURES])


def timing(found: Figures) -> str:
    """Word starts."""
    head = ("words", "missing", "median", "95 %", "bias", "within 25 ms", "within 80 ms")
    row = (
        found["words"], found["missing"], *(f"{1000 * found[key]:.0f} ms" for key in ("median", "p95", "bias")),
        *(percent(found[key]) for key in ("within_25", "within_80")),
    )  # fmt: skip
    bars = ("bar", "", "25 ms", "80 ms", "", "", "")
    return f"**Times.** {TIMING}\n{table(head, [row, bars])}\n"


def heard(found: Figures) -> str:
    """Recognisers."""
    rows = [
        (name, _interval(one), percent(one["per"]), f"{one['seconds']:.0f} s")
        for name, one in found["speakers"].items()
    ]
    absent = f"Not installed, so not measured: {', '.join(found['absent'])}." if found["absent"] else ""
    text = HEARD.format(sentences=found["sentences"], absent=absent).rstrip()
    ours, teacher = (found["speakers"][name] for name in ("karalign", "teacher"))
    words, phones = 100 * (ours["wer"] - teacher["wer"]), ours["per"] / teacher["per"]
    bars = (
        f"Ours against the teacher: {words:+.1f} points of words, {phones:.2f} times the phone error; the bars are +5"
    )
    bars += " and 1.3, and fewer words wrong than espeak-ng and flite."
    return (
        f"**What is heard.** {text}\n\n{table(('speaker', 'words wrong', 'phones wrong', 'sound'), rows)}\n\n{bars}\n"
    )


def near(found: Figures) -> str:
    """Distances."""
    head = ("with", "MCD", "voicing error", "f0 correlation", "within", "spread", "pitch off, median")
    rows: list[tuple[str, ...]] = [
        (
            name, f"{one['mcd_db']:.2f} dB", percent(one["voicing_error"]),
            *(f"{one[key]:.2f}" for key in ("f0_correlation", "f0_correlation_within", "f0_deviation_ratio")),
            f"{one['cents_median']:.0f} cents",
        )
        for name, one in found["by"].items()
    ]  # fmt: skip
    rows.append(("bar", "5.5 dB", "8 %", "0.75", "", "", ""))
    return f"**Distance from the teacher.** {NEAR.format(**found)}\n{table(head, rows)}\n"


def speed(found: Figures) -> str:
    """Speed and sizes."""
    sizes = ", ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in found["bytes"].items())
    return (
        f"**Speed.** From text to sound on {found['threads']} threads: {found['times_real_time']:.1f} times real time"
        f" by the clock in the median, {found['times_processor']:.1f} times by the processor time of both threads"
        f" together (the bar is 8). {found['busy']:.1f} programs wanted each core meanwhile. Modules load in"
        f" {found['import_seconds']:.1f} s, voice and vocoder in {found['load_seconds']:.1f} s. {sizes}.\n"
    )


def odd(found: list[Figures]) -> str:
    """Odd input."""
    head = ("input", "text", "phones", "seconds", "silence", "run-on", "phone error", "what is told")
    return f"**Odd input.** {ODD}\n{table(head, _odd(found))}\n"


def _odd(found: list[Figures]) -> Iterator[tuple[str, ...]]:
    for row in found:
        text = row["text"] if len(row["text"]) <= LONGEST else row["text"][:LONGEST] + " ..."
        shown = f"`{text}`" if text else ""
        if "error" in row:
            yield (row["name"], shown, "-", "-", "-", "-", "-", f"refused: {row['error']}")
            continue
        yield (
            row["name"], shown, str(row["phones"]), f"{row['seconds']:.1f}", f"{100 * row['silence']:.0f} %",
            f"{row['run_on']:.2f}", f"{100 * row['per']:.0f} %", "; ".join(row["notes"]),
        )  # fmt: skip


def _interval(one: Figures) -> str:
    return f"{percent(one['wer'])} ± {100 * one['wer_half_width']:.1f}"


def percent(share: float) -> str:
    """With one place."""
    return f"{100 * share:.1f} %"


if __name__ == "__main__":
    main()
