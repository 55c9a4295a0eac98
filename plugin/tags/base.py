"""What a container of tags is. To add one:

1. write `plugin/tags/NAME.py` with a subclass of `Container`: its class attributes and methods;
2. add an instance of it to `CONTAINERS` in `plugin/tags/__init__.py`;
3. if players know it by fields of its own, give it a column in `players.py`.

Reading is done by parsers of our own, which take any bytes. What mutagen writes (Vorbis comments) is read back by them;
what we write ourselves (ID3 and MP4, where mutagen would change other things too) is read back by mutagen.
"""

from __future__ import annotations

import hashlib
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal

from aligner_core.errors import AlignerError

Family = Literal["id3", "vorbis", "mp4"]
Marks = tuple[tuple[int, str], ...]
CHUNK = 1 << 20  # bytes read at a time
# Fields of free name that hold lyrics, in capitals: `lyrics-eng` is what ffmpeg makes of USLT when it copies a file.
FIELDS = ("LYRICS", "SYNCEDLYRICS", "UNSYNCEDLYRICS", "UNSYNCED LYRICS", "LYRICS-ENG")
# What mutagen falls over on damaged files, besides its own errors.
STUMBLES = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError, struct.error)


class TagError(AlignerError):
    """A sound file whose tags cannot be read, or must not be written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Lyrics as a tag holds them.

    Args:
        slot: the frame or field: "SYLT", "USLT", "LYRICS", ...; in capitals where the container ignores case.
        text: plain text or LRC; "" for a frame of marks.
        marks: (ms, text) of SYLT.
        language: of ID3, three letters.
        description: of ID3.
        content: of SYLT, what it is: 1 lyrics, 2 transcription, 0 other.
    """

    slot: str
    text: str = ""
    marks: Marks = ()
    language: str = ""
    description: str = ""
    content: int = 1

    def replaces(self, other: Entry) -> bool:
        """Whether there is room for only one of the two; an unknown language is as good as any."""
        if self.slot.upper() != other.slot.upper() or self.description.casefold() != other.description.casefold():
            return False
        return self.language == other.language or not _known(self.language) or not _known(other.language)


@dataclass(frozen=True, slots=True)
class Held:
    """What a file holds besides its sound.

    Args:
        version: name of the tag's version, such as "ID3v2.3".
        entries: all lyrics, in the order of the file.
        rest: everything else in the tag, as it stands there.
        problems: what could not be read.
    """

    version: str
    entries: tuple[Entry, ...] = ()
    rest: tuple[bytes, ...] = ()
    problems: tuple[str, ...] = ()


class Container(ABC):
    """One kind of sound file and the tag in it."""

    name: ClassVar[str]
    family: ClassVar[Family]
    suffixes: ClassVar[tuple[str, ...]]  # lower case, with the dot

    @abstractmethod
    def matches(self, head: bytes) -> bool:
        """Whether a file that begins so is one of these."""

    @abstractmethod
    def read(self, file: BinaryIO) -> Held:
        """Read the tag.

        Raises:
            TagError: the file is not what it begins as, or cut off in its tag.
        """

    @abstractmethod
    def sound(self, file: BinaryIO) -> str:
        """A hash of all that is not the tag.

        Raises:
            TagError: as `read`.
        """

    @abstractmethod
    def write(self, source: Path, target: Path, gone: Sequence[Entry], new: Sequence[Entry], version: int) -> None:
        """Write a copy of `source`, with `new` in the place of `gone`, to the file `target`.

        Args:
            source: the song.
            target: an empty file.
            gone: entries that `read` gave.
            new: what to put in.
            version: of ID3v2, for a file without a tag.

        Raises:
            TagError: it cannot be done without damage to something else.
        """

    def reread(self, path: Path) -> tuple[Entry, ...]:
        """The lyrics as somebody other than the writer reads them; of mutagen's files, that is our own reader."""
        with path.open("rb") as file:
            return self.read(file).entries


def exactly(file: BinaryIO, size: int) -> bytes:
    """So many bytes.

    Raises:
        TagError: the file ends before.
    """
    parts, wanted = [], size
    while wanted and (part := file.read(min(wanted, CHUNK))):  # not all at once: a size may be a lie
        parts.append(part)
        wanted -= len(part)
    if wanted:
        raise TagError("the file is cut off")
    return b"".join(parts)


def digest(file: BinaryIO, size: int | None = None) -> str:
    """A hash of the next `size` bytes, None: of all that follow."""
    made = hashlib.blake2b(digest_size=16)
    while (size is None or size > 0) and (part := file.read(CHUNK if size is None else min(size, CHUNK))):
        made.update(part)
        size = None if size is None else size - len(part)
    return made.hexdigest()


def _known(language: str) -> bool:
    return language.strip("\0 ").lower() not in {"", "xxx", "und"}
