"""Make the example song: sung words over a synthesised band, and the times of every sound, known by construction.

    python examples/make_song.py TOOLS [--voice af_heart] [--out examples] [--stems FOLDER]

TOOLS is a folder with Kokoro-82M as README.md beside this file describes. Needs torch, transformers, attrs, pyworld (or
pyworld-prebuilt), scipy, soundfile and imageio-ffmpeg. The same folder and seed give the same song.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import soundfile
import torch
from scipy import signal
from song_band import RATE, Track, band, room, song_seconds
from song_score import Phrase, lyrics, stanzas
from song_speech import RATE as VOICE_RATE
from song_speech import Speaker
from song_voice import Sung, sing

from aligner_core.timeline import Alignment, Line, Phone, Syllable, Word, enclosing, untimed_line

NAME = "amazing-grace"
SEED = 1
SPEED = 0.6  # of speech before it is sung
VOICE_OVER_BAND = 4.5  # dB while the voice sounds
PEAK = 0.84  # full scale is 1: MP3 overshoots by up to a decibel
BITRATE = "80k"


def main() -> None:
    """Make everything and write it beside each other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tools", type=Path)
    parser.add_argument("--voice", default="af_heart")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--stems", type=Path, help="also write voice.wav and band.wav here, as they are in the mix")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sung = sing_all(Speaker(options.tools.resolve(), options.voice))
    voice, music = levelled(voice_track(sung), band(SEED))
    encode(voice + music, options.out / f"{NAME}.mp3")
    (options.out / f"{NAME}.txt").write_text(lyrics(), encoding="utf-8")
    truth = json.dumps(timeline(sung).to_dict(), ensure_ascii=False, indent=1)
    (options.out / f"{NAME}.truth.json").write_text(truth + "\n", encoding="utf-8")
    if options.stems:
        soundfile.write(options.stems / "voice.wav", voice, RATE)
        soundfile.write(options.stems / "band.wav", music, RATE)


def sing_all(speaker: Speaker) -> dict[Phrase, Sung]:
    """Every phrase of the song as sung, in order."""
    sung = {}
    for index, phrase in enumerate(phrase for stanza in stanzas() for phrase in stanza):
        middle = np.median([note.pitch for syllable in phrase.syllables for note in syllable.notes])
        wave, sounds = speaker.speak(phrase, SPEED, pitch=440 * 2 ** ((middle - 69) / 12))
        sung[phrase] = sing(phrase, wave, sounds, SEED + index)
        print(phrase.text)
    return sung


def voice_track(sung: dict[Phrase, Sung]) -> Track:
    """All phrases in their places, equally loud, freed of rumble, in the band's room: shape (samples, 2) at RATE."""
    dry = np.zeros(int(song_seconds() * VOICE_RATE))
    for phrase in sung.values():
        first = round(phrase.start * VOICE_RATE)
        dry[first : first + len(phrase.wave)] += phrase.wave / np.sqrt((phrase.wave**2).mean())
    dry = signal.sosfiltfilt(signal.butter(2, 110, "highpass", fs=VOICE_RATE, output="sos"), dry)
    dry = signal.resample_poly(dry, RATE // 300, VOICE_RATE // 300)[: int(song_seconds() * RATE)]
    return room(np.stack([dry, dry], axis=1), np.random.default_rng(SEED), 0.14)


def levelled(voice: Track, music: Track) -> tuple[Track, Track]:
    """Voice and band brought to their ratio and together to the peak."""
    sounding = np.abs(signal.oaconvolve(voice[:, 0] ** 2, np.ones(RATE // 10), "same"))
    active = sounding > 0.01 * sounding.max()
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


def timeline(sung: dict[Phrase, Sung]) -> Alignment:
    """The song's text with all its times, headings and blank lines in their places."""
    phrases = iter(sung.items())
    lines: list[Line] = []
    for row in lyrics().splitlines():
        if row.startswith("["):
            lines.append(untimed_line(row, "heading"))
        elif not row:
            lines.append(untimed_line(row))
        else:
            phrase, what = next(phrases)
            lines.append(_line(phrase, what))
    return Alignment(tuple(lines), f"{NAME}.mp3")


def _line(phrase: Phrase, sung: Sung) -> Line:
    syllables = []
    for index, syllable in enumerate(phrase.syllables):
        sounds = [s for s in sung.sounds if s.syllable == index]
        phones = tuple(Phone(s.phone.rstrip("012"), round(s.start, 4), round(s.end, 4)) for s in sounds)
        syllables.append(Syllable(syllable.text, *enclosing(phones), phones=phones))
    words = []
    for index in sorted({s.word for s in phrase.syllables}):
        parts = tuple(s for s, where in zip(syllables, phrase.syllables, strict=True) if where.word == index)
        words.append(Word("".join(s.text for s in parts), *enclosing(parts), syllables=parts))
    return Line(phrase.text, *enclosing(words), words=tuple(words))


if __name__ == "__main__":
    main()
