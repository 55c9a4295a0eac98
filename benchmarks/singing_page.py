"""The tables of docs/singing.md, from what benchmarks.singing measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.report import table

Figures = Mapping[str, Any]

HEAD = """\
`python -m benchmarks.singing`; all figures are in [singing.json](singing.json). Drawn melodies of four degrees, each
song from its lowest note to a fourth above it; the words are our own. Pitch is Praat's, on the steady parts of notes.
"""
ONSETS = """\
**Vowels on the beat.** When the aligner hears the vowel, which knows the words but no times, after its note begins: its
own errors are in it, and it is least sure of the first sound of a line and of one vowel after another. Therefore also
by Praat, which knows nothing of sounds: when the voice sets in, for vowels after a rest or a voiceless sound.

**Sounds.** Of the songs from 196 to 330 Hz, the share of sounds that are lost, added or taken for others by a beam
search over what the aligner's network hears, with trigrams of sounds (weight {weight}, {cost} nats a sound: chosen on
other voices, of whose speech it takes {speech:.1%} wrong and of whose song {song:.1%}). Spoken by this voice, the same
words have {spoken:.1%}. Speed: {threads} threads, beside whatever else the machine did.
"""
BACK = """\
**Melodies followed.** Five pop songs, timed and noted by hand: share of the syllables whose note, found in the full mix
in the hand's times, is within a semitone of the hand's, octaves aside. Bar: 60 %. Which tracker is the usual one was
decided by these very figures.
"""
PICTURE = """\
![The notes, and the pitch that is sung on them](pictures/singing-roll.png)

![The spectrogram of the same line](pictures/singing-spectrogram.png)"""


def section(figures: Figures) -> str:
    """All of it, in Markdown."""
    parts = [HEAD, pitch(figures["sung"]), onsets(figures["sung"], figures.get("threads", 1))]
    parts += [followed(figures["followed"])] if "followed" in figures else []
    missed = figures["missed"]
    parts.append(f"Bars that are missed: {'; '.join(missed)}.\n" if missed else "All bars are met.\n")
    return "\n".join([*parts, PICTURE])


def pitch(sung: Figures) -> str:
    """Notes."""
    head = ("engine, lowest note", "Hz", "median cents", "beyond 50", "octaves aside", "no pitch heard",
            "harmonics to noise", "loudness apart")  # fmt: skip
    rows = []
    for name in ("neural", "world"):
        for midi, row in sung[name]["notes"].items():
            hz = 440 * 2 ** ((int(midi) - 69) / 12)
            rows.append((
                name, f"{hz:.0f}", f"{row['cents']:.1f}", f"{row['beyond_50']:.1%}",
                f"{row['beyond_50_octaves_aside']:.1%}", f"{row['without_pitch']:.0%}",
                f"{row['harmonics_db']:.0f} dB", f"{row['loudness_db']:.1f} dB",
            ))  # fmt: skip
    bars = ("bar", "110 to 660", "15", "10 %", "", "", "", "3 dB")
    return f"{table(head, [*rows, bars])}\n"


def onsets(sung: Figures, threads: int) -> str:
    """Times, sounds and speed."""
    head = (
        "engine",
        "vowels",
        "median",
        "95 %",
        "bias",
        "by Praat: median",
        "95 %",
        "phone error",
        "on notes of 0.25 s",
        "times real time",
    )
    rows = []
    for name in ("neural", "world"):
        row = sung[name]["onsets"]
        rows.append((
            name, f"{row['count']:.0f}", *(f"{1000 * row[key]:.0f} ms" for key in ("median", "p95", "bias")),
            *(f"{1000 * sung[name]['voicing'][key]:.0f} ms" for key in ("median", "p95")),
            *(f"{sung[name][key]:.1%}" for key in ("phone_error", "quick_phone_error")),
            f"{sung[name]['times_real_time']:.1f}",
        ))  # fmt: skip
    spoken = sung["spoken_phone_error"]
    bars = ("bar", "", "20 ms", "60 ms", "", "20 ms", "60 ms", f"{1.6 * spoken:.1%}", "", "5")
    return f"{ONSETS.format(spoken=spoken, threads=threads, **sung['listener'])}\n{table(head, [*rows, bars])}\n"


def followed(found: Figures) -> str:
    """Songs."""
    head = ("tracker", "syllables", "within a semitone", "worst song", "best song")
    rows = [
        (name, row["syllables"], f"{row['within']:.0%}", *(f"{pick(row['songs'].values()):.0%}" for pick in (min, max)))
        for name, row in found.items()
    ]
    return f"{BACK}\n{table(head, rows)}\n"
