"""Vorbis comments, the tags of FLAC and Ogg: read by parsers of our own, written by mutagen."""

from __future__ import annotations

import shutil
import struct
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from .base import FIELDS, STUMBLES, Container, Entry, Held, TagError


class Commented(Container):
    """A file with Vorbis comments."""

    family = "vorbis"

    def read(self, file: BinaryIO) -> Held:
        """The lyrics of the comments."""
        comments, others = self.parts(file)
        known = [(row, _entry(row)) for row in _rows(comments)]
        rest = (*(row for row, entry in known if entry is None), *others)
        return Held(self.name, tuple(entry for _, entry in known if entry), rest)

    def write(self, source: Path, target: Path, gone: Sequence[Entry], new: Sequence[Entry], version: int) -> None:  # noqa: ARG002
        """Copy, then let mutagen change the comments of the copy; the order of the others stays."""
        from mutagen import MutagenError

        shutil.copyfile(source, target)
        try:
            self._exchange(target, gone, new)
        except (MutagenError, *STUMBLES) as error:
            raise TagError(f"mutagen cannot write it: {error}") from error

    def _exchange(self, path: Path, gone: Sequence[Entry], new: Sequence[Entry]) -> None:
        song = self.opened(path)
        if song.tags is None:
            song.add_tags()
        rows: list[tuple[str, str]] = list(song.tags)
        places = [at for at, row in enumerate(rows) if Entry(row[0].upper(), row[1]) in gone]
        at = min(places, default=len(rows))
        kept = [row for place, row in enumerate(rows) if place > at and place not in places]
        song.tags[:] = [*rows[:at], *((entry.slot, entry.text) for entry in new), *kept]
        song.save()

    @abstractmethod
    def opened(self, path: Path) -> Any:
        """The file as mutagen has it."""

    @abstractmethod
    def parts(self, file: BinaryIO) -> tuple[bytes, tuple[bytes, ...]]:
        """The comments, and all else that is no sound."""


def _rows(data: bytes) -> list[bytes]:
    """The comments behind the name of the program; what is behind them does not count."""
    if not data:
        return []
    rows = []
    try:
        (size,) = struct.unpack_from("<I", data)
        (count,) = struct.unpack_from("<I", data, 4 + size)
        at = 8 + size
        for _ in range(count):
            (size,) = struct.unpack_from("<I", data, at)
            rows.append(data[at + 4 : at + 4 + size])
            at += 4 + size
            if at > len(data):
                raise TagError("the comments are cut off")
    except struct.error as error:
        raise TagError("the comments are cut off") from error
    return rows


def _entry(row: bytes) -> Entry | None:
    """The lyrics in a comment `NAME=text`; None: it is none of them."""
    name, _, text = row.partition(b"=")
    slot = name.decode("latin-1").upper()
    return Entry(slot, text.decode("utf-8", errors="replace")) if slot in FIELDS else None
