"""Ogg with Vorbis or Opus in it."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .base import TagError, exactly
from .vorbis import Commented

_OPUS = b"OpusTags"
_CODECS = {b"\x01vorbis": (3, b"\x03vorbis"), b"OpusHead": (2, _OPUS)}  # first packet: number of headers, second's mark
_MOST = 1 << 24  # bytes of comments, pictures among them, that are read


class Ogg(Commented):
    """Ogg with Vorbis or Opus in it."""

    name = "Ogg"
    suffixes = (".ogg", ".oga", ".opus")

    def matches(self, head: bytes) -> bool:
        """By its mark."""
        return head[:4] == b"OggS"

    def sound(self, file: BinaryIO) -> str:
        """A hash of all pages behind the headers, without their numbers and checksums, which change."""
        made, headers = hashlib.blake2b(digest_size=16), 0
        stream, wanted, _, _ = _codec(file)
        file.seek(0)
        for page in _pages(file):
            if page.serial == stream and headers < wanted:
                headers += page.ends
                continue
            made.update(struct.pack("<BQI", page.flags, page.granule, page.serial) + page.table + page.data)
        return made.hexdigest()

    def opened(self, path: Path) -> Any:
        """By the class of mutagen for what is in it."""
        from mutagen.oggopus import OggOpus
        from mutagen.oggvorbis import OggVorbis

        with path.open("rb") as file:
            _, _, mark, _ = _codec(file)
        return OggOpus(path) if mark == _OPUS else OggVorbis(path)

    def parts(self, file: BinaryIO) -> tuple[bytes, tuple[bytes, ...]]:
        """The second packet; the other headers."""
        _, _, mark, packets = _codec(file)
        if not packets[1].startswith(mark):
            raise TagError("there are no comments where Ogg has them")
        return packets[1][len(mark) :], (packets[0], *packets[2:])


@dataclass(frozen=True, slots=True)
class _Page:
    flags: int
    granule: int
    serial: int
    table: bytes
    data: bytes

    @property
    def ends(self) -> int:
        """How many packets end on it."""
        return sum(length < 255 for length in self.table)

    def pieces(self) -> Iterator[tuple[bytes, bool]]:
        """The parts of packets on it, each with whether the packet ends there."""
        at = size = 0
        for length in self.table:
            size += length
            if length < 255:
                yield self.data[at : at + size], True
                at, size = at + size, 0
        if size:
            yield self.data[at:], False


def _pages(file: BinaryIO) -> Iterator[_Page]:
    while head := file.read(27):
        if len(head) < 27 or head[:5] != b"OggS\0":
            raise TagError("a page of Ogg is damaged", hint="is it whole?")
        flags, granule, serial = struct.unpack_from("<BQI", head, 5)
        table = exactly(file, head[26])
        yield _Page(flags, granule, serial, table, exactly(file, sum(table)))


def _codec(file: BinaryIO) -> tuple[int, int, bytes, list[bytes]]:
    """The number of the first stream that is Vorbis or Opus, how many headers it has, the mark of its comments, and
    the headers."""
    file.seek(0)
    found: tuple[int, int, bytes] | None = None
    packets, open_part, total = [], bytearray(), 0
    for page in _pages(file):
        if found is None:
            for mark, (count, second) in _CODECS.items():
                if page.flags & 2 and page.data.startswith(mark):
                    found = (page.serial, count, second)
        if found is None or page.serial != found[0]:
            continue
        for part, ends in page.pieces():
            open_part += part
            total += len(part)
            if ends:
                packets.append(bytes(open_part))
                open_part.clear()
        if len(packets) >= found[1]:
            return (*found, packets[: found[1]])
        if total > _MOST:
            raise TagError("the comments are larger than 16 MiB")
    raise TagError("there is neither Vorbis nor Opus in it, or it is cut off", hint="Ogg Vorbis or Opus")
