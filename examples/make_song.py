"""Make the example song: this project's own singing over a synthesised band, and the times of every sound.

    python examples/make_song.py [--engine neural] [--style guide] [--out examples] [--stems FOLDER]

Needs nothing that karalign does not need, fetches nothing, and makes the same song each time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import soundfile
import torch
from song_band import RATE, Track, band, room, song_seconds
from song_score import lyrics, score

from aligner_core import audio
from aligner_core.extra import Extra
from aligner_core.text import mark
from aligner_core.timeline import Alignment, Line, Syllable, Word, enclosing
from aligner_core.tts.engines import ENGINES
from aligner_core.tts.score import Score, SungLine, SungSyllable, told
from aligner_core.tts.singing import Singer
from aligner_core.tts.synthesizer import Speech, Synthesizer
from plugin.formats.ultrastar import UltraStar

NAME = "amazing-grace"
SEED = 1
VOICE_OVER_BAND = 4.5  # dB while the voice sounds
SOUNDING = 0.01  # of the loudest tenth of a second of the voice, by power
LOWEST = 110.0  # Hz: below that, nothing of the voice is music
PEAK = 0.84  # full scale is 1: MP3 overshoots by up to a decibel
BITRATE = "80k"


def main() -> None:
    """Make everything and write it beside each other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engine", choices=ENGINES, default="neural")
    parser.add_argument("--style", choices=("guide", "expressive"), default="guide")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--stems", type=Path, help="also write voice.wav and band.wav here, as they are in the mix")
    options = parser.parse_args()
    torch.set_num_threads(1)
    speech = sung(options.engine, options.style)
    voice, music = levelled(voice_track(speech), band(SEED))
    encode(voice + music, options.out / f"{NAME}.mp3")
    (options.out / f"{NAME}.txt").write_text(lyrics(), encoding="utf-8")
    (options.out / f"{NAME}.ultrastar.txt").write_text(UltraStar().render(notes(score())), encoding="utf-8")
    truth = json.dumps(timeline(speech).to_dict(), ensure_ascii=False, indent=1)
    (options.out / f"{NAME}.truth.json").write_text(truth + "\n", encoding="utf-8")
    if options.stems:
        soundfile.write(options.stems / "voice.wav", voice, RATE)
        soundfile.write(options.stems / "band.wav", music, RATE)


def sung(engine: str, style: str) -> Speech:
    """All lines of the song in their places."""
    return Singer(Synthesizer.load(), engine).sing(score(), mark(Alignment.from_text(lyrics())), style=style)


def voice_track(speech: Speech) -> Track:
    """The voice, freed of rumble, in the band's room: shape (samples, 2) at RATE."""
    size = int(song_seconds() * RATE)
    wave = audio.resample(torch.from_numpy(speech.wave), speech.sample_rate, RATE).numpy().astype(np.float64)
    dry = np.pad(wave, (0, max(0, size - len(wave))))[:size]
    parts = np.fft.rfft(dry)
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    dry = np.fft.irfft(parts / (1 + (LOWEST / np.maximum(hertz, 1e-3)) ** 4), size)  # a Butterworth, both ways
    return room(np.stack([dry, dry], axis=1), np.random.default_rng(SEED), 0.14)


def levelled(voice: Track, music: Track) -> tuple[Track, Track]:
    """Voice and band brought to their ratio and together to the peak."""
    block = RATE // 10
    power = np.add.reduceat(voice[:, 0] ** 2, np.arange(0, len(voice), block))
    active = np.repeat(power > SOUNDING * power.max(), block)[: len(voice)]
    ratio = np.sqrt((voice[active] ** 2).mean() / (music[active] ** 2).mean())
    music = music * ratio / 10 ** (VOICE_OVER_BAND / 20)
    scale = PEAK / np.abs(voice + music).max()
    return voice * scale, music * scale


def encode(mix: Track, target: Path) -> None:
    """Write a stereo MP3 of (samples, 2) at RATE."""
    with tempfile.TemporaryDirectory() as folder:
        wave = Path(folder) / "mix.wav"
        soundfile.write(wave, mix, RATE)
        tags = ["-metadata", "title=Amazing Grace", "-metadata", "artist=karalign example"]
        quiet = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", wave, "-fflags", "+bitexact"]
        subprocess.run([*quiet, *tags, "-b:a", BITRATE, target], check=True)  # noqa: S603


def timeline(speech: Speech) -> Alignment:
    """What is sung with all its times; its notes are in the score."""
    lines = (replace(line, words=tuple(_plain(word) for word in line.words)) for line in speech.alignment.lines)
    return Alignment(tuple(lines), f"{NAME}.mp3")


def _plain(word: Word) -> Word:
    return replace(word, syllables=tuple(replace(one, extra=Extra()) for one in word.syllables))


def notes(tune: Score) -> Alignment:
    """The words on their notes, as a singer reads them."""
    text = Alignment.from_text(lyrics())
    lines = (_on_notes(line, sung) for line, sung in zip(text.lines, tune.lines, strict=True) if sung.syllables)
    return Alignment(tuple(lines), extra=Extra.of({"title": "Amazing Grace", "language": "English"}))


def _on_notes(line: Line, sung: SungLine) -> Line:
    rows: dict[int, list[Syllable]] = {}
    for one in sung.syllables:
        rows.setdefault(one.word, []).append(_noted(one))
    words = tuple(
        Word(word.text, *enclosing(rows[at]), syllables=tuple(rows[at])) for at, word in enumerate(line.words)
    )
    return Line(line.text, *enclosing(words), words=words)


def _noted(one: SungSyllable) -> Syllable:
    return Syllable(one.text, one.notes[0].start, one.notes[-1].end, extra=told(one.notes))


if __name__ == "__main__":
    main()
