"""One song, its lyrics changed: planned, written, read back by somebody else, and only then put in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aligner_core.errors import AlignerError
from aligner_core.timeline import Alignment
from plugin.files import backup_name
from plugin.formats import Level

from . import container_for
from .base import Container, Entry, Held, TagError
from .content import best, entry_of, is_timed
from .marks import clean
from .players import STANDARD, Recipe, untimed
from .swap import check_writable, replace_song

LANGUAGE = re.compile(r"[a-z]{3}|XXX")


@dataclass(frozen=True)
class Manner:
    """How to write.

    Args:
        recipe: what goes where.
        level: finest times, None: what is usual for the recipe.
        language: of ID3, three letters of ISO 639-2, or "XXX": not known.
        description: of ID3.
        version: of ID3v2, for a file without a tag.
        force: plain lyrics may replace timed ones.
        backup: whether the old file is kept.
        keep_time: whether the time of the last change stays as it is.
        dry_run: whether nothing is written at all.
    """

    recipe: Recipe = STANDARD
    level: Level | None = None
    language: str = "eng"
    description: str = ""
    version: int = 3
    force: bool = False
    backup: bool = True
    keep_time: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if not LANGUAGE.fullmatch(self.language):
            raise TagError(f"{self.language!r} is no language", hint="three letters of ISO 639-2, such as eng, or XXX")


@dataclass(frozen=True)
class Changed:
    """What was done to a song, or would be.

    Args:
        version: of the tag, before.
        gone, new: entries taken out and put in; none of both: it was so already.
        kept: other lyrics that are in it.
        backup: the file that the old song is in.
    """

    version: str
    gone: tuple[Entry, ...]
    new: tuple[Entry, ...]
    kept: tuple[Entry, ...]
    backup: Path | None = None


def read(song: Path) -> Held:
    """What a song holds besides its sound.

    Raises:
        TagError: it is none, or damaged.
    """
    container = container_for(song)
    with _named(song), song.open("rb") as file:
        return container.read(file)


def extract(song: Path) -> Alignment:
    """The lyrics in a song, those with the finest times if there are several.

    Raises:
        TagError: there are none.
    """
    held = read(song)
    with _named(song):
        if lyrics := best(held.entries):
            return lyrics
        if held.problems:
            raise TagError(held.problems[0])
        raise TagError("there are no lyrics in it")


def embed(song: Path, lyrics: Alignment, manner: Manner) -> Changed:
    """Put lyrics into a song; those that were in the same places go.

    Raises:
        AlignerError: they cannot be held, would replace better ones, or could not be read back; the song is as it was.
    """
    container, held = container_for(song), read(song)
    with _named(song):
        new = _entries(container, lyrics, manner)
        gone = tuple(old for old in held.entries if any(one.replaces(old) for one in new))
        timed = [one for one in new if is_timed(one)]
        lost = [old.slot for old in gone if is_timed(old) and not any(one.replaces(old) for one in timed)]
        if lost and not manner.force:
            raise TagError(
                f"plain text would replace the timed lyrics in {' and '.join(lost)}",
                hint="--as lrc-in-uslt writes them with times; --force replaces them",
            )
        return _apply(song, container, held, gone, new, manner)


def strip(song: Path, manner: Manner) -> Changed:
    """Take all lyrics out of a song.

    Raises:
        AlignerError: it cannot be done; the song is as it was.
    """
    container, held = container_for(song), read(song)
    with _named(song):
        return _apply(song, container, held, held.entries, (), manner)


def _entries(container: Container, lyrics: Alignment, manner: Manner) -> tuple[Entry, ...]:
    places = manner.recipe.places(container.family)
    if not any(line.text.strip() for line in lyrics.lines):
        raise TagError("there is nothing in the text")
    if not lyrics.timed:
        places = untimed(places)
    if not places:
        raise TagError("the text has no times", hint="align it with its sound first, or --as uslt")
    level = manner.level or manner.recipe.level
    told = manner.language, clean(manner.description)
    made = (entry_of(lyrics, slot, what, level, *told) for slot, what in places)
    if container.family == "id3":
        return tuple(made)
    return tuple(Entry(one.slot, one.text) for one in made)


def _apply(
    song: Path, container: Container, held: Held, gone: Sequence[Entry], new: Sequence[Entry], manner: Manner
) -> Changed:
    kept = tuple(entry for entry in held.entries if entry not in gone)
    if sorted(map(repr, gone)) == sorted(map(repr, new)):
        return Changed(held.version, (), (), held.entries)
    if manner.dry_run:
        check_writable(song)
        backup = backup_name(song.resolve()) if manner.backup else None
        return Changed(held.version, tuple(gone), tuple(new), kept, backup)

    def make(beside: Path) -> None:
        container.write(song, beside, gone, new, manner.version)
        _confirm(song, beside, container, held, kept, new)

    backup = replace_song(song, make, manner.backup, manner.keep_time)
    return Changed(held.version, tuple(gone), tuple(new), kept, backup)


def _confirm(
    song: Path, made: Path, container: Container, before: Held, kept: Sequence[Entry], new: Sequence[Entry]
) -> None:
    """See that a new file has the lyrics, for two readers, and all else that the old one had, to the byte."""
    with song.open("rb") as old, made.open("rb") as fresh:
        after = container.read(fresh)
        if sorted(map(repr, after.entries)) != sorted(map(repr, (*kept, *new))):
            raise TagError("the lyrics came out otherwise than they went in")
        if after.rest != before.rest or (before.version and after.version not in {before.version, ""}):
            raise TagError("something else in the tag would change", hint="rewrite the tag with a tag editor first")
        if container.sound(old) != container.sound(fresh):
            raise TagError("the sound would change")
    found = container.reread(made)
    if missing := [entry.slot for entry in new if entry not in found]:
        hint = "a frame of that language and description that holds no lyrics may hide it: try --description"
        raise TagError(f"a second reader does not find {' and '.join(missing)}", hint=hint)


@contextmanager
def _named(song: Path) -> Iterator[None]:
    """Errors that don't say which file they mean get its name."""
    try:
        yield
    except AlignerError as error:
        if error.where:
            raise
        raise type(error)(error.what, str(song), error.hint) from error
    except OSError as error:
        raise TagError(f"cannot be read: {error.strerror}", str(song)) from error
