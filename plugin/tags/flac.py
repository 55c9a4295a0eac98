"""FLAC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from . import id3
from .base import TagError, digest, exactly
from .vorbis import Commented

_STREAMINFO, _PADDING, _COMMENTS = 0, 1, 4  # blocks


class Flac(Commented):
    """FLAC, an ID3 tag in front of it passed over."""

    name = "FLAC"
    suffixes = (".flac",)

    def matches(self, head: bytes) -> bool:
        """By its mark."""
        return head[:4] == b"fLaC"

    def sound(self, file: BinaryIO) -> str:
        """A hash of all frames."""
        for _ in _blocks(file):
            pass
        return digest(file)

    def opened(self, path: Path) -> Any:
        """By mutagen."""
        from mutagen.flac import FLAC

        return FLAC(path)

    def parts(self, file: BinaryIO) -> tuple[bytes, tuple[bytes, ...]]:
        """The first block of comments; an ID3 tag in front, and all blocks but padding."""
        blocks = list(_blocks(file))
        if not blocks or blocks[0][0] != _STREAMINFO:
            raise TagError("it does not begin as a FLAC does", hint="is it a FLAC?")
        comments = [data for kind, data in blocks if kind == _COMMENTS]
        others = tuple(bytes([kind]) + data for kind, data in blocks if kind not in {_COMMENTS, _PADDING})
        file.seek(0)
        size = id3.length(file.read(id3.HEADER))
        file.seek(0)
        before = exactly(file, size)
        return comments[0] if comments else b"", (before, *others)


def _blocks(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The blocks of a FLAC; the file is at its first frame afterwards."""
    file.seek(0)
    file.seek(id3.length(file.read(id3.HEADER)))
    if file.read(4) != b"fLaC":
        raise TagError("it does not begin as a FLAC does", hint="is it a FLAC?")
    last = 0
    while not last:
        head = exactly(file, 4)
        last = head[0] & 0x80
        yield head[0] & 0x7F, exactly(file, int.from_bytes(head[1:], "big"))
