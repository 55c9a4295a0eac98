"""Melodies in files: UltraStar, MIDI and MusicXML in, MIDI and MusicXML out.

To add one: a module here with `read(data, name, wish)` or `write(score, text)`, and a line in `READERS` or `WRITERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aligner_core.errors import AlignerError, LyricsError
from plugin.formats import FormatError, for_path

from .wish import MOST_BYTES, Wish

if TYPE_CHECKING:
    from aligner_core.timeline import Alignment
    from aligner_core.tts.laying import Tune
    from aligner_core.tts.score import Score

READERS = {
    ".mid": "midi", ".midi": "midi", ".kar": "midi", ".musicxml": "musicxml", ".xml": "musicxml", ".mxl": "musicxml",
}  # fmt: skip
WRITERS = {".mid": "midi", ".midi": "midi", ".kar": "midi", ".musicxml": "musicxml_writer", ".xml": "musicxml_writer"}


def is_melody(name: str) -> bool:
    """Whether a file holds notes, and text only besides, by the ending of its name."""
    return Path(name).suffix.lower() in READERS


def read_melody(name: str, wish: Wish | None = None) -> Tune:
    """The notes of a file, and its words if it has any.

    Args:
        wish: what is to be taken of several parts.

    Raises:
        LyricsError: it cannot be read, is damaged, or has no notes.
        FormatError: its ending tells nothing that has notes.
    """
    wish = wish or Wish()
    if not is_melody(name):
        return _of_text(name)
    try:
        with Path(name).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise LyricsError(f"cannot be read: {error.strerror or error}", name) from error
    if len(data) > MOST_BYTES:
        raise LyricsError("too large for a melody", name, f"at most {MOST_BYTES >> 20} MiB")
    reader = import_module(f"{__name__}.{READERS[Path(name).suffix.lower()]}")
    return cast("Tune", _told(lambda: reader.read(data, wish), name))


def words_of(name: str) -> Alignment:
    """The words of a file of notes, with the notes as the "pitch" of their syllables.

    Raises:
        LyricsError, FormatError: as `read_melody`; it has no words.
    """
    lyrics = read_melody(name).lyrics
    if lyrics is None:
        raise LyricsError("has notes but no words", name, "words in a file of their own, and this one as --melody")
    return lyrics


def check_notes(name: str) -> None:
    """See that notes can be written in a file of this name.

    Raises:
        FormatError: its ending is none of `WRITERS`.
    """
    if Path(name).suffix.lower() not in WRITERS:
        raise FormatError("is no file for notes", name, ", ".join(WRITERS))


def notes_as(name: str, score: Score, text: Alignment) -> bytes:
    """The content of a file of notes with the words under them.

    Args:
        name: its ending tells the format.
        text: what the score is of, line by line.

    Raises:
        FormatError, LyricsError: as `check_notes`; there is no note.
    """
    check_notes(name)
    writer = import_module(f"{__name__}.{WRITERS[Path(name).suffix.lower()]}")
    return cast(bytes, _told(lambda: writer.write(score, text), name))


def _of_text(name: str) -> Tune:
    from aligner_core.tts.laying import Tune
    from aligner_core.tts.score import has_pitches, scored, tidy

    form = for_path(name)
    text = form.load(name)
    if not has_pitches(text):
        raise LyricsError("tells no notes", name, "UltraStar, MIDI or MusicXML")
    return Tune(tidy(scored(text).notes), text)


def _told(work: Callable[[], object], name: str) -> object:
    try:
        return work()
    except AlignerError as error:
        if error.where:
            raise
        raise type(error)(error.what, name, error.hint) from error
