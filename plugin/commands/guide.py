"""`karalign guide`: a text or a timed text in, a voice that speaks or sings it out, alone or over the song."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aligner_core.errors import LyricsError
from aligner_core.timeline import Alignment, Line
from plugin.beside import put_back, set_apart
from plugin.formats import FormatError, KaraokeTag, Level, RenderOptions, for_path
from plugin.hints import clock_time, line_range
from plugin.media import check_sounds, write_sound
from plugin.melodies import is_melody, words_of
from plugin.sources import STDIN, Source, encoding_option, read_source
from plugin.sung import Melody, melody_options
from plugin.targets import karaoke_options, refuse_twice, resolve
from plugin.terminal import chosen_device, device_option, on_terminal, progress_bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aligner_core.tts.score import Score
    from aligner_core.tts.synthesizer import Speech

VERSION = 1  # of the JSON report
DUCK = 9.0  # dB


@dataclass(frozen=True)
class Manner:
    """How the voice speaks: see `Synthesizer.load` and `Synthesizer.speak`."""

    voice: str | None
    vocoder: str
    device: str
    pitch: float
    speed: float
    stretch: bool
    start_at: float
    melody: Melody

    def speak(self, text: Alignment, progress: Callable[[float], None] | None) -> tuple[Speech, Score | None]:
        """Say the text, or sing it, and on which notes.

        Raises:
            AlignerError: as `Synthesizer.load`, `Synthesizer.speak` and `Melody.sing`.
        """
        from aligner_core.tts.synthesizer import VOICE, Synthesizer

        speaker = Synthesizer.load(self.voice or VOICE, self.vocoder, self.device)
        if self.melody.wanted:
            return self.melody.sing(text, speaker, self.pitch, progress)
        return speaker.speak(
            text, pitch=self.pitch, speed=self.speed, stretch=self.stretch, start_at=self.start_at, progress=progress
        ), None


@click.command()
@click.argument("text")
@click.option(
    "-o", "--output", "outputs", metavar="FILE", multiple=True, required=True,
    help="Sound to write, wav, flac or mp3 by its ending; may be repeated.",
)  # fmt: skip
@click.option("--over", "song", metavar="SONG", help="Mix the voice with this sound, which is quieter meanwhile.")
@click.option("--stem", is_flag=True, help="With --over: the voice alone, as long as SONG.")
@click.option("--duck", type=click.FloatRange(0, 60), metavar="DB",
              help="How much quieter SONG is while the voice speaks.  [default: 9]")  # fmt: skip
@click.option("--gain", type=click.FloatRange(-60, 24), default=0.0, metavar="DB", help="How much louder the voice is.")
@click.option("--pan", type=click.FloatRange(-1, 1), metavar="X",
              help="Where the voice is over SONG: -1 left, 0 in the middle, 1 right.")  # fmt: skip
@click.option("--voice", metavar="NAME|FILE", help="Who speaks: a released voice, or the file of one.")
@click.option("--vocoder", metavar="NAME|FILE", default="neural", show_default=True,
              help="What makes the sound: neural, griffin-lim, or the file of one.")  # fmt: skip
@click.option("--pitch", type=click.FloatRange(-24, 24), default=0.0, metavar="N", help="Semitones higher.")
@click.option("--speed", type=click.FloatRange(0.25, 4), default=1.0, metavar="X",
              help="Times as fast, where TEXT has no times.")  # fmt: skip
@click.option("--stretch", is_flag=True, help="Speak as slowly as lines last, rather than pause at their end.")
@click.option("--start-at", type=click.FloatRange(0, 1e5), default=0.0, metavar="S",
              help="Begin a text without times after S seconds.")  # fmt: skip
@click.option("--lines", metavar="A-B", callback=line_range, help="Speak these lines only.")
@click.option(
    "--from", "from_", metavar="TIME", callback=clock_time, help="Speak only lines that begin at m:ss.mmm or later."
)
@click.option("--to", metavar="TIME", callback=clock_time, help="Speak only lines that begin before m:ss.mmm.")
@click.option("--save-times", "times", metavar="FILE", multiple=True,
              help="Write when everything is spoken, in any format; may be repeated.")  # fmt: skip
@melody_options
@karaoke_options
@encoding_option
@device_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.pass_context
def command(
    ctx: click.Context, text: str, outputs: tuple[str, ...], song: str | None, stem: bool, duck: float | None,
    gain: float, pan: float | None, voice: str | None, vocoder: str, pitch: float, speed: float, stretch: bool,
    start_at: float, lines: tuple[int, int] | None, from_: float | None, to: float | None, times: tuple[str, ...],
    level: Level | None, k_tag: KaraokeTag, no_clobber: bool, encoding: str | None, device: str, as_json: bool,
    quiet: bool, melody: Melody,
) -> tuple[str, ...]:  # fmt: skip
    """Speak or sing TEXT, and write the sound.

    TEXT is a file in any format listed by `karalign formats`, - for standard input, or else the words themselves. What
    has times is spoken in them: every word that is timed begins when the file says, a line without times of words is
    fitted into its own, and no line runs into the next. What has none is spoken naturally. Lines are counted from 1,
    blank lines and headings too.

    With --sing, --melody or --follow it is sung: vowels begin with their notes, and TEXT may be MIDI or MusicXML.
    """
    begun = time.perf_counter()
    blend = _blend(song, stem, duck, gain, pan)
    inputs = [name for name in (text, song, *melody.inputs) if name and _is_there(name)]
    refuse_twice([*outputs, *times, *melody.notes])
    check_sounds(outputs, inputs, not no_clobber)
    melody.check(inputs, not no_clobber)
    targets = resolve(times, None, RenderOptions(level, k_tag), inputs, not no_clobber)
    read = _read(text, encoding)
    asked = _asked(read.alignment, lines, from_, to, read.name)
    for name in filter(None, (song, melody.followed)):
        _try_song(name)
    manner = Manner(voice, vocoder, chosen_device(device), pitch, speed, stretch, start_at, melody)
    with progress_bar("singing" if melody.wanted else "speaking", not quiet and not ctx.obj and on_terminal()) as bar:
        speech, score = _spoken(manner, _only(set_apart(read.alignment), asked), read.name, ctx.obj or bar)
    sound, rate = blend.sound(speech)
    for name in outputs:
        write_sound(name, sound, rate)
    alignment = put_back(_with_others(speech.alignment, read.alignment, asked))
    for target in targets:
        target.write(replace(alignment, audio=Path(song or outputs[0]).name), read if read.decoded else None)
    if score:
        melody.write_notes(score, speech.alignment)
    notes = (*read.notes(), *speech.notes)
    sound_seconds, done = len(sound) / rate, "sung" if melody.wanted else "spoken"
    files = (*outputs, *times, *melody.notes)
    report = Report(alignment, asked, files, notes, time.perf_counter() - begun, sound_seconds, done)
    if as_json:
        click.echo(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    if not quiet:
        click.echo(str(report), err=True)
    return notes


@dataclass(frozen=True)
class Report:
    """What was spoken.

    Args:
        alignment: with the times at which it was.
        asked: numbers of the lines that were to be spoken.
        outputs: files written.
        notes: what the user should know.
        seconds, audio_seconds: of the work, and of the sound.
        done: what was done to the words.
    """

    alignment: Alignment
    asked: frozenset[int]
    outputs: Sequence[str]
    notes: Sequence[str]
    seconds: float
    audio_seconds: float
    done: str = "spoken"

    def to_dict(self) -> dict[str, Any]:
        """The JSON report; times in seconds, null where a line is not spoken."""
        lines = self._lines()
        return {
            "version": VERSION,
            "outputs": list(self.outputs),
            "words": {"spoken": self._count(True), "left_out": self._count(False)},
            "lines": [{"line": at, "text": line.text, "start": line.start, "end": line.end} for at, line in lines],
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
            "audio_seconds": round(self.audio_seconds, 3),
        }

    def __str__(self) -> str:
        from plugin.report import clock, count

        left = f", {self._count(False)} left out" if self._count(False) else ""
        speed = self.audio_seconds / self.seconds
        return "\n".join([
            f"wrote {', '.join(self.outputs)}",
            f"{count(self._count(True), 'word')} {self.done}{left}",
            *self.notes,
            f"{self.seconds:.1f} s for {clock(self.audio_seconds)} of sound, {speed:.1f} times real time",
        ])  # fmt: skip

    def _lines(self) -> list[tuple[int, Line]]:
        lines = enumerate(self.alignment.lines, 1)
        return [(at, line) for at, line in lines if at in self.asked and line.kind == "lyrics"]

    def _count(self, timed: bool) -> int:
        words = (word for _, line in self._lines() for word in line.words)
        return sum(word.timed == timed for word in words if timed or any(map(str.isalnum, word.text)))


@dataclass(frozen=True)
class Blend:
    """What the voice is mixed with, and how: see `plugin.mixing.Mix`."""

    song: str | None
    stem: bool
    duck: float
    gain: float
    pan: float

    def sound(self, speech: Speech) -> tuple[NDArray[np.float32], int]:
        """What is to be written, (samples,) or (samples, channels), and its rate in Hz.

        Raises:
            AudioError: the song cannot be read.
        """
        from plugin import mixing
        from plugin.hearing import hushed

        if self.song is None:
            return mixing.louder(speech.wave, self.gain), speech.sample_rate
        with hushed():
            song = mixing.song_wave(self.song)
        mix = mixing.Mix(self.duck, self.gain, self.pan)
        if self.stem:
            return mixing.alone(speech.wave, speech.sample_rate, song.shape[1], mix), mixing.RATE
        return mixing.mixed(speech.wave, speech.sample_rate, song, mix), mixing.RATE


def _blend(song: str | None, stem: bool, duck: float | None, gain: float, pan: float | None) -> Blend:
    """The wishes for the mix; those that make no sense are wrong usage."""
    if not song and (stem or duck is not None or pan is not None):
        raise click.UsageError("--stem, --duck and --pan are about a song: --over SONG")
    if stem and duck is not None:
        raise click.UsageError("--stem is the voice alone: --duck would do nothing")
    return Blend(song, stem, DUCK if duck is None else duck, gain, pan or 0.0)


def _read(text: str, encoding: str | None) -> Source:
    """A file, if the words can be the name of one."""
    if is_melody(text):
        return Source(text, words_of(text))
    if text == STDIN or _is_there(text) or _is_name(text):
        return read_source(text, encoding=encoding)
    return Source("the text", Alignment.from_text(text))


def _is_there(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):  # longer than any name, or with a character that none has
        return False


def _is_name(text: str) -> bool:
    """Whether words that name no file that is there were meant to."""
    try:
        for_path(text)
    except FormatError:
        return False
    return not any(map(str.isspace, text))


def _asked(
    text: Alignment, lines: tuple[int, int] | None, begin: float | None, end: float | None, name: str
) -> frozenset[int]:
    """The numbers of the lines that are to be spoken.

    Raises:
        LyricsError: there is none.
    """
    first, last = lines or (1, len(text.lines))
    timed = begin is not None or end is not None
    if timed and not text.timed:
        raise LyricsError("has no times", name, "choose by --lines instead of --from and --to")
    numbered = [(at, line) for at, line in enumerate(text.lines, 1) if first <= at <= last]
    inside = frozenset(
        at for at, line in numbered
        if not timed or (line.start is not None and (begin or 0.0) <= line.start < (math.inf if end is None else end))
    )  # fmt: skip
    if not any(text.lines[at - 1].kind == "lyrics" for at in inside):
        raise LyricsError("no line of the text is in this part", name, f"it has {len(text.lines)} lines")
    return inside


def _only(text: Alignment, asked: Iterable[int]) -> Alignment:
    """The text with all other lines as comments, which are not spoken."""
    kept = set(asked)
    lines = (
        line if at in kept else replace(line, kind="comment", words=(), start=None, end=None, score=None)
        for at, line in enumerate(text.lines, 1)
    )
    return replace(text, lines=tuple(lines))


def _with_others(spoken: Alignment, text: Alignment, asked: frozenset[int]) -> Alignment:
    """What was spoken, and the lines that were not asked for, without times."""
    pairs = zip(spoken.lines, text.lines, strict=True)
    lines = (line if at in asked else replace(line, kind=old.kind) for at, (line, old) in enumerate(pairs, 1))
    return replace(spoken, lines=tuple(lines))


def _try_song(song: str) -> None:
    """Tell what is no sound before a voice is loaded."""
    from aligner_core import audio
    from plugin.hearing import hushed

    with hushed():
        audio.stream(song).close()


def _spoken(
    manner: Manner, text: Alignment, name: str, progress: Callable[[float], None] | None
) -> tuple[Speech, Score | None]:
    try:
        return manner.speak(text, progress)
    except LyricsError as error:
        raise LyricsError(error.what, error.where or name, error.hint) from error
