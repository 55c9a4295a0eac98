"""Invents band music without a singer, so that an acoustic model learns which melodies are no voice.

Run `python -m aligner_core.training.band OUT.zip --hours 1.2 --seed 1`. Pieces of 60-90 s are composed at random,
played by FluidSynth with a General MIDI sound font, and packed as the trainer reads them. Programs count from 0.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import soundfile
import torch

from aligner_core.audio import SAMPLE_RATE, resample
from aligner_core.errors import AudioError

from .midi import Note, Part, midi

SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
RENDER_RATE = 48000  # at 16 kHz the synthesizer would fold what its 44.1 kHz samples have above 8 kHz down
PACKING = 0.945  # about 20 kbit/s
SINGER = (48, 84)  # MIDI pitches
TONE_SECONDS = (0.1, 2.5)
LEADS: tuple[int, ...] = (64, 65, 66, 67, 56, 57, 59, 60, 40, 41, 42, 110, 73, 74, 75, 71, 68, 69, 70, 22, 26, 27, 29)
LEADS += (30, 80, 81, 84, 87, 82, 83, 78, 79, 21, 23, 77, 72, 109, 111)  # distorted, synthetic, whistling, reedy
CHOIRS = (52, 53, 54)
CHOIR_SHARE = 0.1
CHORDS: tuple[int, ...] = (0, 1, 2, 4, 5, 6, 7, 11, 16, 17, 18, 19, 24, 25, 26, 27, 28, 29, 30, 46, 48, 49, 50, 62, 89)
CHORDS += (61, 88, 90, 94, 95)  # brass and pads
BASSES = (32, 33, 34, 35, 36, 38, 39, 43, 58)
MODES = {  # the scale of the chords and that of the melody
    "major": ((0, 2, 4, 5, 7, 9, 11), (0, 2, 4, 5, 7, 9, 11)),
    "pentatonic": ((0, 2, 4, 5, 7, 9, 11), (0, 2, 4, 7, 9)),
    "minor": ((0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 8, 10)),
    "dorian": ((0, 2, 3, 5, 7, 9, 10), (0, 2, 3, 5, 7, 9, 10)),
    "mixolydian": ((0, 2, 4, 5, 7, 9, 10), (0, 2, 4, 5, 7, 9, 10)),
    "blues": ((0, 2, 4, 5, 7, 9, 10), (0, 3, 5, 6, 7, 10)),
}
DRUMS: dict[str, dict[int, str]] = {  # one bar for each drum's key: its length is the grid, o is soft
    "rock": {36: "x.....x.x.......", 38: "....x.......x..o", 42: "x.o.x.o.x.o.x.o."},
    "pop": {36: "x.......x.x.....", 39: "....x.......x...", 42: "xoxoxoxoxoxoxoxo", 54: "..x...x...x...x."},
    "ballad": {36: "x.........x.....", 37: "........x.......", 51: "x.o.x.o.x.o.x.o."},
    "swing": {36: "x.....o.....", 44: "...x.....x..", 51: "x..x.ox..x.o", 38: "..o.....o..."},
    "disco": {36: "x...x...x...x...", 40: "....x.......x...", 46: "..x...x...x...x.", 42: "x.o.x.o.x.o.x.o."},
    "toms": {36: "x..x..x.", 45: "..o...xx", 41: "x...x...", 70: "oooooooo"},
}


@dataclass(frozen=True)
class Song:
    """The frame that all players share: `chords` are degrees of the chord scale, one a bar."""

    bar: float
    bars: int
    key: int
    mode: str
    chords: tuple[int, ...]
    style: str

    def chord(self, bar: int, low: int, size: int = 3) -> list[int]:
        """Pitches of the chord of this bar, from `low` upwards."""
        scale, degree = MODES[self.mode][0], self.chords[bar % len(self.chords)]
        classes = [self.key + scale[(degree + 2 * i) % 7] for i in range(size)]
        return [low + (pitch - low) % 12 for pitch in classes]


def invent(random: Random) -> tuple[Part, ...]:
    """The one to six players of a piece of 60-90 s."""
    bar = random.choice((4, 4, 4, 3)) * 60 / random.uniform(60, 180)
    chords = tuple(random.choice((0, 0, 3, 4, 5, 1, 2)) for _ in range(random.randint(4, 8)))
    mode, style = random.choice(list(MODES)), random.choice(list(DRUMS))
    song = Song(bar, int(random.uniform(60, 90) / bar), random.randrange(12), mode, chords, style)
    roles = random.choices(("lead", "chords"), (8, 2))
    others = random.choices(range(6), (3, 2, 3, 4, 3, 2))[0]
    roles += random.sample(("drums", "bass", "chords", "chords", "lead"), others)
    parts = [_player(role, song, random) for role in roles]
    cuts = list(_silences(len(parts), song, random))
    return tuple(_drop_out(part, [(a, b) for who, a, b in cuts if who == i]) for i, part in enumerate(parts))


def _player(role: str, song: Song, random: Random) -> Part:
    programs = {"drums": (0, 8, 16, 24, 25, 32, 40), "bass": BASSES, "chords": CHORDS, "lead": LEADS}[role]
    program = random.choice(CHOIRS if role == "lead" and random.random() < CHOIR_SHARE else programs)
    volume = random.randint(85, 127) if role == "lead" else random.randint(45, 115)
    play = {"drums": _drums, "bass": _bass, "chords": _chords, "lead": _lead}[role]
    notes = tuple(sorted(play(song, random), key=lambda note: note.start))
    return Part(role, program, volume, random.randint(20, 108), random.choice((0, 20, 40, 70, 110)), notes)


def _silences(players: int, song: Song, random: Random) -> Iterator[tuple[int, float, float]]:
    at = 0
    while at < song.bars:  # by sections
        end = min(at + random.choice((2, 4, 4, 8)), song.bars)
        for who in range(players):
            if players > 1 and random.random() < 0.25:
                yield who, at * song.bar, end * song.bar
            elif random.random() < 0.15:  # a stop before the next section
                yield who, (end - random.choice((0.25, 0.5, 1.0))) * song.bar, end * song.bar
        at = end


def _drop_out(part: Part, silences: list[tuple[float, float]]) -> Part:
    kept = (note for note in part.notes if not any(a - 0.03 <= note.start < b - 0.03 for a, b in silences))
    cut = (replace(n, length=min([n.length, *(a - n.start for a, _ in silences if a > n.start)])) for n in kept)
    return replace(part, notes=tuple(note for note in cut if note.length > 0.05))


def _drums(song: Song, random: Random) -> Iterator[Note]:
    for bar in range(song.bars):
        if bar % 8 == 0:
            yield Note(bar * song.bar, 0.2, 49, 100)
        for drum, steps in DRUMS[song.style].items():
            for i, step in enumerate(steps):
                if (step != "." and random.random() < 0.95) or (bar % 8 == 7 and drum == 38 and random.random() < 0.5):
                    at = (bar + i / len(steps)) * song.bar + abs(random.gauss(0, 0.004))
                    yield Note(at, 0.1, drum, random.randint(85, 120) if step == "x" else random.randint(40, 70))


def _bass(song: Song, random: Random) -> Iterator[Note]:
    steps, walk = random.choice((1, 2, 4, 8, 8)), random.choice(((0,), (0, 7), (0, 12), (0, 4, 7, 9), (0, 0, 0, 7)))
    for bar in range(song.bars):
        root = song.chord(bar, 28)[0]
        for i in range(steps):
            start = (bar + i / steps) * song.bar + abs(random.gauss(0, 0.006))
            length = song.bar / steps * random.uniform(0.5, 0.98)
            yield Note(start, length, root + walk[i % len(walk)], random.randint(75, 110))


def _chords(song: Song, random: Random) -> Iterator[Note]:
    low, size, steps = random.randint(43, 62), random.choice((3, 3, 4)), random.choice((1, 1, 2, 4, 8))
    strum, broken = random.choice((0.0, 0.0, 0.012, 0.03)), random.random() < 0.3
    offbeat = steps == 8 and random.random() < 0.4
    hold = random.uniform(0.3, 0.98)
    for bar in range(song.bars):
        pitches = song.chord(bar, low, size)
        count = 8 if broken else steps
        for i in range(1 if offbeat else 0, count, 2 if offbeat else 1):
            start, velocity = (bar + i / count) * song.bar, random.randint(60, 100)
            chosen = [pitches[i % size]] if broken else pitches
            for k, pitch in enumerate(chosen):
                yield Note(start + k * strum + abs(random.gauss(0, 0.005)), song.bar / count * hold, pitch, velocity)


def _lead(song: Song, random: Random) -> Iterator[Note]:
    legato, singing = random.choice((0.0, 0.3, 0.6, 0.85)), _Singing.draw(random)
    for phrase in melody(song, random):
        slur = [phrase[0]]
        for tone in phrase[1:]:
            if random.random() < legato and abs(tone[2] - slur[0][2]) <= 9:
                slur.append(tone)
            else:
                yield singing.note(slur, random)
                slur = [tone]
        yield singing.note(slur, random)


Tone = tuple[float, float, int]  # start, length, pitch


def melody(song: Song, random: Random) -> Iterator[list[Tone]]:
    """Phrases of tones within `SINGER` and `TONE_SECONDS`, with rests between them."""
    low = random.randint(SINGER[0], SINGER[1] - 14)
    high = min(low + random.randint(12, 19), SINGER[1])
    pitches = [p for p in range(low, high + 1) if (p - song.key) % 12 in MODES[song.mode][1]]
    typical, spread = random.uniform(0.18, 0.9), random.uniform(0.2, 0.7)
    grid, at, end = song.bar / random.choice((8, 12, 16)), random.uniform(0, 2), song.bar * song.bars
    place = len(pitches) // 2
    while at < end - 3:
        phrase: list[Tone] = []
        for left in reversed(range(random.randint(3, 14))):
            wish = typical * math.exp(random.gauss(0, spread)) * (1 if left else 2.5)  # phrases end on long tones
            length = min(max(round(wish / grid) * grid, grid, TONE_SECONDS[0]), TONE_SECONDS[1])
            phrase.append((at, length, pitches[place]))
            at += length
            place = min(max(place + random.choice((-3, -2, -1, -1, -1, 0, 1, 1, 1, 2, 4)), 0), len(pitches) - 1)
        yield phrase
        at += random.choice((0.1, 0.5, 1.0, 2.0)) * random.uniform(0.5, 1.5)


@dataclass(frozen=True)
class _Singing:
    """How a player bends: vibrato in Hz and semitones, its delay, seconds of a slide, share of scoops."""

    speed: float
    depth: float
    delay: float
    slide: float
    scoop: float

    @classmethod
    def draw(cls, random: Random) -> _Singing:
        depth = random.choice((0.0, random.uniform(0.1, 0.35), random.uniform(0.3, 0.8)))
        slide, scoop = random.uniform(0.015, 0.14), random.choice((0.0, 0.2, 0.6))
        return cls(random.uniform(4.5, 7.2), depth, random.uniform(0.05, 0.4), slide, scoop)

    def note(self, slur: list[Tone], random: Random) -> Note:
        (first, _, pitch), last = slur[0], slur[-1]
        length = (last[0] + last[1] - first) * random.choice((0.75, 0.95, 1.0))
        scoop = random.uniform(-2.5, -0.5) if random.random() < self.scoop else 0.0
        bends, phase = [], random.uniform(0, 2 * math.pi)
        for step in range(int(length / 0.015)):
            time = step * 0.015
            at = max(i for i, tone in enumerate(slur) if tone[0] <= first + time + 1e-6)
            since = first + time - slur[at][0]
            origin = slur[at - 1][2] if at else pitch + scoop
            bend = slur[at][2] - pitch + (origin - slur[at][2]) * max(1 - since / self.slide, 0.0)
            swell = self.depth * min(max(since - self.delay, 0) / 0.25, 1)
            bends.append((time, bend + swell * math.sin(2 * math.pi * self.speed * time + phase)))
        return Note(first, length, pitch, random.randint(75, 120), tuple(bends))


def play(parts: tuple[Part, ...], level: float, sound_font: Path = SOUND_FONT) -> tuple[bytes, float]:
    """The piece as Ogg Opus, mono at 16 kHz with its peak at `level`, and its seconds.

    Raises:
        AudioError: FluidSynth or the sound font is missing, or FluidSynth failed.
    """
    program = shutil.which("fluidsynth")
    if not program:
        raise AudioError("FluidSynth is missing", hint="apt install fluidsynth fluid-soundfont-gm")
    if not sound_font.is_file():
        raise AudioError("no such sound font", str(sound_font), "apt install fluid-soundfont-gm, or name another")
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder, "piece.mid"), Path(folder, "piece.wav")
        score.write_bytes(midi(parts))
        command = [program, "-niq", "-g", "0.3", "-F", str(sound), "-r", str(RENDER_RATE), str(sound_font), str(score)]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
        if done.returncode or not sound.is_file():
            raise AudioError("FluidSynth failed", str(score), done.stderr.decode(errors="replace").strip()[-200:])
        stereo, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    wave = resample(torch.from_numpy(stereo.mean(axis=1)), RENDER_RATE)
    wave *= level / wave.abs().max().clamp_min(1e-4)
    packed = io.BytesIO()
    soundfile.write(packed, wave.numpy(), SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=PACKING)
    return packed.getvalue(), len(wave) / SAMPLE_RATE


def pieces(hours: float, seed: int) -> Iterator[tuple[tuple[Part, ...], float]]:
    """As many pieces as fill these hours, each with its level."""
    seconds, number = 0.0, 0
    while seconds < hours * 3600:
        random = Random(f"{seed}/{number}")
        parts, number = invent(random), number + 1
        ends = [note.start + note.length for part in parts for note in part.notes]
        if ends:
            seconds += max(ends)
            yield parts, 10 ** random.uniform(-0.9, -0.05)


def write_pack(out: Path, hours: float, seed: int, sound_font: Path = SOUND_FONT) -> None:
    """Plays new pieces into a pack at `out`, which appears when it is whole.

    Raises:
        AudioError: as `play`.
    """
    rows: list[dict[str, object]] = []
    unfinished = out.with_name(f"{out.name}.part")
    try:
        with zipfile.ZipFile(unfinished, "w") as pack, ThreadPoolExecutor(2) as pool:
            sounds = pool.map(lambda piece: play(piece[0], piece[1], sound_font), pieces(hours, seed))
            for number, (sound, seconds) in enumerate(sounds):
                row = {"id": f"band-{seed}-{number:03}", "text": "", "dur": round(seconds, 3)}
                rows.append(row | {"source": "generated", "license": "CC0"})
                pack.writestr(f"{row['id']}.ogg", sound)
            pack.writestr("manifest.jsonl", "\n".join(json.dumps(row) for row in rows))
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def main() -> None:
    """Reads the options and writes the pack."""
    parser = argparse.ArgumentParser(description="Write a pack of invented band music.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--hours", type=float, default=1.2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sound-font", type=Path, default=SOUND_FONT)
    options = parser.parse_args()
    try:
        write_pack(options.out, options.hours, options.seed, options.sound_font)
    except AudioError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
