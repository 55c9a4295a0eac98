"""The sung guide against its notes: `python -m benchmarks.singing [--out FILE] [--data FOLDER] [--lines N]`.

Drawn melodies from 110 Hz to beyond 660 Hz under words of our own, sung with both engines: pitch, onsets, sound, speed;
and the melody of the hand-timed songs, followed from their sound. Writes docs/singing.json, the tables of
docs/singing.md and its pictures.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch

from aligner_core import Aligner
from aligner_core.timeline import Alignment
from aligner_core.tts.engines import ENGINES
from aligner_core.tts.laying import Tune, laid
from aligner_core.tts.score import Note, Score
from aligner_core.tts.singing import Singer
from aligner_core.tts.synthesizer import Speech, Synthesizer
from aligner_core.tts.tracking import trackers
from benchmarks import engine_page, packs
from benchmarks.guide_sound import Take, dictionary
from benchmarks.singing_listener import Listener
from benchmarks.singing_measures import loudness, onsets, pitches, round_trip, summed, voicing_onsets

WORDS = (
    "the morning light is on the water now",
    "and all the windows open to the sea",
    "I hear the hammers singing in the harbour",
    "they sing the same old song to you and me",
    "so hold the line and let the little boats go",
    "the evening wind will carry them away",
    "and somewhere past the lighthouse and the shadows",
    "another quiet voice begins to play",
)
HEARD = (55, 60, 64)  # of these, in which sounds are listened for
TONICS = (45, 50, 55, 60, 64, 67, 71, 76)  # MIDI numbers; each melody goes up to a fourth above
SCALE = (0, 2, 4, 5)
LENGTHS = (0.3, 0.4, 0.4, 0.6, 0.8, 1.2)  # s
QUICK = (0.25,)
BREAK = 1.2  # s between lines
OUT = engine_page.DOCS / "singing.json"
PAGE = engine_page.DOCS / "singing.md"
SONGS = "eval/songs.zip"


@dataclass(frozen=True)
class Song:
    """Words, and the melody that they are to be sung on."""

    tonic: int
    text: Alignment
    score: Score


def song(tonic: int, lines: int = len(WORDS), seed: int = 0, lengths: Sequence[float] = LENGTHS) -> Song:
    """A walk over four degrees of a scale, a note for each syllable."""
    random, text = Random(seed + tonic), Alignment.from_text("\n".join(WORDS[:lines]))
    now, degree, notes = 1.0, 0, []
    plain = laid(text, Tune(tuple(Note(float(at), at + 0.5, 60.0) for at in range(1000)))).score
    for line in plain.lines:
        for _ in line.notes:
            length = random.choice(lengths)
            notes.append(Note(now, now + length, float(tonic + SCALE[degree])))
            now += length
            degree = min(max(degree + random.choice((-1, 0, 1, 1, -2, 2)), 0), len(SCALE) - 1)
        now += BREAK
    return Song(tonic, text, laid(text, Tune(tuple(notes))).score)


def sung(singer: Singer, one: Song, style: str = "guide") -> tuple[Speech, float]:
    """What is sung, and seconds of work for each second of it."""
    begin = time.perf_counter()
    speech = singer.sing(one.score, one.text, style=style)
    return speech, (time.perf_counter() - begin) / (len(speech.wave) / speech.sample_rate)


def measured(synthesizer: Synthesizer, lines: int, root: Path) -> dict[str, Any]:
    """Pitch, onsets, sound and speed of each engine."""
    aligner = Aligner.load()
    listener = Listener(aligner.model, root)
    songs = [song(tonic, lines) for tonic in TONICS]
    out: dict[str, Any] = {}
    for name in ENGINES:
        singer = Singer(synthesizer, name)
        sung(singer, song(60, 1))  # what is made once is not counted
        rows, late, set_in, costs, takes = {}, [], [], [], []
        for one in songs:
            speech, cost = sung(singer, one)
            rows[one.tonic] = pitches(speech, one.score) | loudness(speech, one.score)
            late.append(onsets(aligner, speech, one.text, one.score))
            set_in.append(voicing_onsets(speech, one.score))
            takes += [_take(speech, one.text)] * (one.tonic in HEARD)
            costs.append(cost)
        out[name] = {
            "notes": rows,
            "onsets": summed(late),
            "voicing": summed(set_in),
            "phone_error": listener.error(takes),
            "quick_phone_error": listener.error(_quick(singer, lines)),
            "times_real_time": len(costs) / sum(costs),
        }  # fmt: skip
        print(name, out[name], flush=True)
    spoken = [synthesizer.speak(row) for row in WORDS[:lines]]
    takes = [Take(one.wave, one.sample_rate, dictionary(row)) for one, row in zip(spoken, WORDS, strict=False)]
    spoken_error = listener.error(takes)
    return out | {"spoken_phone_error": spoken_error, "listener": listener.told()}


def _quick(singer: Singer, lines: int) -> list[Take]:
    """The same on notes that last no longer than syllables of speech."""
    songs = [song(tonic, lines, lengths=QUICK) for tonic in HEARD]
    return [_take(sung(singer, one)[0], one.text) for one in songs]


def _take(speech: Speech, text: Alignment) -> Take:
    return Take(speech.wave, speech.sample_rate, tuple(p for line in text.lines for p in dictionary(line.text)))


def check(figures: dict[str, Any]) -> Sequence[str]:
    """Which bars are not met, in words."""
    bars, spoken = [], figures["sung"]["spoken_phone_error"]
    for name in ENGINES:
        rows = [row for tonic, row in figures["sung"][name]["notes"].items() if int(tonic) <= 71]
        bars += [
            (f"{name}: median cents", max(row["cents"] for row in rows), 15.0),
            (f"{name}: beyond 50 cents", max(row["beyond_50"] for row in rows), 0.1),
            (f"{name}: loudness apart, dB", max(row["loudness_db"] for row in rows), 3.0),
            (f"{name}: seconds for a second", 1 / figures["sung"][name]["times_real_time"], 0.2),
            (f"{name}: onset, median s", figures["sung"][name]["onsets"]["median"], 0.02),
            (f"{name}: onset, 95 % s", figures["sung"][name]["onsets"]["p95"], 0.06),
            (f"{name}: the voice sets in, 95 % s", figures["sung"][name]["voicing"]["p95"], 0.06),
            (f"{name}: phone error against speech", figures["sung"][name]["phone_error"], 1.6 * spoken),
        ]  # fmt: skip
    for name, row in figures.get("followed", {}).items():
        bars.append((f"{name}: not within a semitone", 1 - row["within"], 0.4))
    return [f"{what}: {value:.3f}, at most {most:.3f}" for what, value, most in bars if value > most]


def main() -> None:
    """Measure, and write."""
    options = engine_page.parser(__doc__)
    options.add_argument("--lines", type=int, default=len(WORDS), help="lines of each song")
    told = options.parse_args()
    from benchmarks import singing_page, singing_pictures

    synthesizer, root = Synthesizer.load(), packs.data_root(told.data)
    figures: dict[str, Any] = {"threads": torch.get_num_threads(), "sung": measured(synthesizer, told.lines, root)}
    figures["followed"] = {name: round_trip(root / SONGS, name) for name in trackers()}
    figures["missed"] = list(check(figures))
    engine_page.write(told.out or OUT, figures)
    if not told.out:
        engine_page.put("singing", singing_page.section(figures), PAGE)
        singing_pictures.draw(synthesizer, song(60, 1))


if __name__ == "__main__":
    main()
