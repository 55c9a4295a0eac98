"""What `karalign guide` is told of singing: where the melody is from, how it is sung, and where notes are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from aligner_core.errors import LyricsError
from aligner_core.timeline import Alignment

from .files import write_atomic
from .targets import check_writable

if TYPE_CHECKING:
    from aligner_core.tts.laying import Laid, Tune
    from aligner_core.tts.score import Score
    from aligner_core.tts.sung_pitch import Curve
    from aligner_core.tts.synthesizer import Speech, Synthesizer

NONE = "none"
_ABOUT_SINGING = (
    "--track, --tracker, --transpose, --style, --engine and --save-notes are about singing:"
    " --sing, --melody FILE or --follow SONG"
)
RECITED = 0.45  # of the way from the lowest to the highest pitch at which the voice speaks
ENGINES = ("neural", "world")
STYLES = ("guide", "expressive", "follow")
TRACKERS = ("swift", "harmonic")
Progress = Callable[[float], None]
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Melody:
    """How something is to be sung.

    Args:
        own: on the notes that the text tells itself.
        source: a file of notes, or `NONE`: all on one tone.
        followed: a song or a voice whose singer is followed.
        track: of the file, from 1.
        transpose: semitones.
        style: None: the singer's own where one is followed, else exact notes.
        notes: files that the notes are written to.
    """

    own: bool = False
    source: str | None = None
    followed: str | None = None
    track: int | None = None
    tracker: str | None = None
    transpose: float | None = None
    style: str | None = None
    engine: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def wanted(self) -> bool:
        """Whether anything is to be sung."""
        return self.own or bool(self.source) or bool(self.followed)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Files that are read."""
        return tuple(name for name in (self.source, self.followed) if name and name != NONE)

    def check(self, inputs: Sequence[str], clobber: bool) -> None:
        """See before any work that the wishes make sense together and the notes can be written.

        Raises:
            UsageError, FormatError, FileError: they do not, or cannot.
        """
        from .melodies import check_notes

        if self.own + bool(self.source) + bool(self.followed) > 1:
            raise click.UsageError("the melody is from one place: --sing, --melody or --follow")
        asked = (self.track, self.tracker, self.transpose, self.style, self.engine, *self.notes)
        if not self.wanted and any(wish is not None for wish in asked):
            raise click.UsageError(_ABOUT_SINGING)
        if self.style == "follow" and not self.followed:
            raise click.UsageError("--style follow is the pitch of a singer: --follow SONG")
        for name in self.notes:
            check_notes(name)
            check_writable(Path(name), inputs, clobber)

    def tune(self, text: Alignment | None) -> Tune | None:
        """The notes of the file, if there is one."""
        if not self.source or self.source == NONE:
            return None
        from .melodies import read_melody
        from .melodies.wish import Wish

        starts = tuple(s.start for s in text.words if s.start is not None) if text else ()
        return read_melody(self.source, Wish(self.track, starts))

    def sing(
        self, text: Alignment, speaker: Synthesizer, pitch: float, progress: Progress | None
    ) -> tuple[Speech, Score]:
        """Sing a text.

        Args:
            pitch: semitones higher, besides.

        Returns: what is sung, and on which notes.

        Raises:
            AlignerError: the melody cannot be read or laid on the text, or nobody can sing it so.
        """
        from aligner_core.tts.singing import Singer, arranged

        singer = Singer(speaker, self.engine or "neural")
        curve = self._curve()
        laid = self._laid(text, speaker, curve)
        moved = (self.transpose or 0.0) + pitch
        score, says = arranged(laid.score, speaker.voice.range, moved, octaves=self.source != NONE)
        style = self.style or ("follow" if curve is not None else "guide")
        speech = singer.sing(score, text, style=style, curve=curve, progress=progress)
        return speech._replace(notes=(*laid.says, *says, *speech.notes)), score

    def write_notes(self, score: Score, text: Alignment) -> None:
        """Write the files of notes, each whole or not at all.

        Raises:
            LyricsError, FileError: there are none, or they cannot be written.
        """
        from .melodies import notes_as

        for name in self.notes:
            write_atomic(name, notes_as(name, score, text))

    def _curve(self) -> Curve | None:
        if not self.followed:
            return None
        from aligner_core.tts.tracking import track

        from .hearing import hushed

        with hushed():
            return track(self.followed, self.tracker)

    def _laid(self, text: Alignment, speaker: Synthesizer, curve: Curve | None) -> Laid:
        from aligner_core.tts.follow import follow
        from aligner_core.tts.laying import Laid, laid
        from aligner_core.tts.score import has_pitches, scored

        if curve is not None:
            return Laid(follow(text, curve))
        tune = self.tune(text)
        if tune is not None:
            found = laid(text, tune)
            return found._replace(says=(*tune.says, *found.says))
        if self.own and not has_pitches(text):
            raise LyricsError("tells no notes", hint="--melody FILE, or --follow SONG")
        if not text.timed:
            raise LyricsError("has no times to be recited in", hint="align it with the song first")
        score = scored(text)
        return Laid(score if self.own else score.on_one_tone(_middle(speaker)))


def melody_options(command: _F) -> _F:
    """The options of `Melody`, which the command gets as `melody`."""
    names = [field.name for field in fields(Melody)]

    @wraps(command)
    def collected(**told: Any) -> Any:
        melody = Melody(**{name: told.pop(name) for name in names})
        return command(**told, melody=melody)

    decorated = collected
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return cast(_F, decorated)


def _middle(speaker: Synthesizer) -> float:
    """The MIDI number on which a voice recites."""
    low, high = speaker.voice.range
    return float(round(69 + 12 * log2(low * (high / low) ** RECITED / 440)))


_OPTIONS = (
    click.option("--sing", "own", is_flag=True,
                 help="Sing, on the notes that TEXT tells itself (UltraStar, MIDI...)."),
    click.option("--melody", "source", metavar="FILE|none",
                 help="Sing on the notes of an UltraStar, MIDI or MusicXML file; none: all on one tone."),
    click.option("--follow", "followed", metavar="SONG",
                 help="Sing what the singer of SONG sings; the voice alone is followed best."),
    click.option("--track", type=click.IntRange(1, 999), metavar="N", help="Which track or part of --melody is sung."),
    click.option("--tracker", type=click.Choice(TRACKERS),
                 help="What hears the pitch of --follow.  [default: the best there is]"),
    click.option("--transpose", type=click.FloatRange(-36, 36), metavar="N", help="Semitones higher than written."),
    click.option("--style", type=click.Choice(STYLES),
                 help="How it is sung: exactly, with expression, as in SONG."),
    click.option("--engine", type=click.Choice(ENGINES),
                 help="What sings: the vocoder, or WORLD.  [default: neural]"),
    click.option("--save-notes", "notes", metavar="FILE", multiple=True,
                 help="Write the notes as MIDI or MusicXML; may be repeated."),
)  # fmt: skip
