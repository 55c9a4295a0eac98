"""Vorbis comments in FLAC, Ogg Vorbis and Opus: read by parsers of our own, written by mutagen."""

from __future__ import annotations

import hashlib
import shutil
import struct
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from . import id3
from .base import FIELDS, STUMBLES, Container, Entry, Held, TagError, digest, exactly

_STREAMINFO, _PADDING, _COMMENTS = 0, 1, 4  # blocks of FLAC
_OPUS = b"OpusTags"
_CODECS = {b"\x01vorbis": (3, b"\x03vorbis"), b"OpusHead": (2, _OPUS)}  # first packet: number of headers, second's mark
_MOST = 1 << 24  # bytes of comments, pictures among them, that are read from Ogg


class _Commented(Container):
    """A file with Vorbis comments."""

    family = "vorbis"

    def read(self, file: BinaryIO) -> Held:
        """The lyrics of the comments."""
        comments, others = self._parts(file)
        vendor, rows = _rows(comments)
        known = [(row, _entry(row)) for row in rows]
        rest = (vendor, *(row for row, entry in known if entry is None), *others)
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
        song = self._opened(path)
        if song.tags is None:
            song.add_tags()
        rows: list[tuple[str, str]] = list(song.tags)
        places = [at for at, row in enumerate(rows) if Entry(row[0].upper(), row[1]) in gone]
        at = min(places, default=len(rows))
        kept = [row for place, row in enumerate(rows) if place > at and place not in places]
        song.tags[:] = [*rows[:at], *((entry.slot, entry.text) for entry in new), *kept]
        song.save()

    @abstractmethod
    def _opened(self, path: Path) -> Any:
        """The file as mutagen has it."""

    @abstractmethod
    def _parts(self, file: BinaryIO) -> tuple[bytes, tuple[bytes, ...]]:
        """The comments, and all else that is no sound."""


class Flac(_Commented):
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

    def _opened(self, path: Path) -> Any:
        from mutagen.flac import FLAC

        return FLAC(path)

    def _parts(self, file: BinaryIO) -> tuple[bytes, tuple[bytes, ...]]:
        blocks = list(_blocks(file))
        if not blocks or blocks[0][0] != _STREAMINFO:
            raise TagError("it does not begin as a FLAC does", hint="is it a FLAC?")
        comments = [data for kind, data in blocks if kind == _COMMENTS]
        others = tuple(bytes([kind]) + data for kind, data in blocks if kind not in {_COMMENTS, _PADDING})
        file.seek(0)
        before = file.read(id3.length(file.read(id3.HEADER)))
        return comments[0] if comments else b"", (before, *others)


class Ogg(_Commented):
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

    def _opened(self, path: Path) -> Any:
        from mutagen.oggopus import OggOpus
        from mutagen.oggvorbis import OggVorbis

        with path.open("rb") as file:
            _, _, mark, _ = _codec(file)
        return OggOpus(path) if mark == _OPUS else OggVorbis(path)

    def _parts(self, file: BinaryIO) -> tuple[bytes, tuple[bytes, ...]]:
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
    packets, open_part, total = [], b"", 0
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
                packets.append(open_part)
                open_part = b""
        if len(packets) >= found[1]:
            return (*found, packets[: found[1]])
        if total > _MOST:
            raise TagError("the comments are larger than 16 MiB")
    raise TagError("there is neither Vorbis nor Opus in it, or it is cut off", hint="Ogg Vorbis or Opus")


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


def _rows(data: bytes) -> tuple[bytes, list[bytes]]:
    """The vendor and the comments; what is behind them does not count."""
    if not data:
        return b"", []
    try:
        (size,) = struct.unpack_from("<I", data)
        vendor, at = data[4 : 4 + size], 8 + size
        (count,) = struct.unpack_from("<I", data, at - 4)
        rows = []
        for _ in range(count):
            (size,) = struct.unpack_from("<I", data, at)
            rows.append(data[at + 4 : at + 4 + size])
            at += 4 + size
            if at > len(data):
                raise TagError("the comments are cut off")
    except struct.error as error:
        raise TagError("the comments are cut off") from error
    return vendor, rows


def _entry(row: bytes) -> Entry | None:
    """The lyrics in a comment `NAME=text`; None: it is none of them."""
    name, _, text = row.partition(b"=")
    slot = name.decode("latin-1").upper()
    return Entry(slot, text.decode("utf-8", errors="replace")) if slot in FIELDS else None
