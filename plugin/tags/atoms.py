"""Atoms, which MP4 is made of: found in a file, and exchanged in one.

An atom is its size (4 bytes, 8 more where that says 1), its name and its content. Tags lie in moov/udta/meta/ilst. When
moov grows before the sound, the tables that say where the sound lies have to follow (ISO/IEC 14496-12, 8.7.5).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from .base import TagError, exactly

ITEMS = (b"udta", b"meta", b"ilst")  # where the tags are in moov
ROOM = 1024  # bytes left free in a tag that had to grow
_TABLES = (b"mdia", b"minf", b"stbl")  # where the places of chunks are in a track
_WIDTHS = {b"stco": 4, b"co64": 8}
_MOST = 1 << 27  # bytes of moov, pictures and tables among them, that are read
_MOST_IN_A_ROW = 1 << 16  # atoms: more are a trap
_HANDLER = bytes(8) + b"mdirappl" + bytes(9)  # says that a meta holds the items of iTunes


@dataclass(frozen=True, slots=True)
class Atom:
    """A name and three places in the file: of the size, of the content, and behind the end."""

    name: bytes
    at: int
    start: int
    end: int


def at_top(file: BinaryIO) -> list[Atom]:
    """The atoms of a whole file.

    Raises:
        TagError: one is cut off.
    """
    size = file.seek(0, 2)
    found: list[Atom] = []
    while (at := found[-1].end if found else 0) + 8 <= size:
        file.seek(at)
        found.append(_atom(file.read(16), at, size))
        if len(found) > _MOST_IN_A_ROW:
            raise TagError("there are more atoms in it than any song has")
    return found


def content(file: BinaryIO, atom: Atom) -> bytes:
    """What is in an atom.

    Raises:
        TagError: it is larger than tags and tables are.
    """
    if atom.end - atom.start > _MOST:
        raise TagError(f"the atom {atom.name.decode('latin-1')!r} is larger than 128 MiB")
    file.seek(atom.start)
    return exactly(file, atom.end - atom.start)


def inside(data: bytes) -> list[Atom]:
    """The atoms in the content of another; places are those in it.

    Raises:
        TagError: one is cut off.
    """
    found: list[Atom] = []
    while (at := found[-1].end if found else 0) + 8 <= len(data):
        found.append(_atom(data[at : at + 16], at, len(data)))
        if len(found) > _MOST_IN_A_ROW:
            raise TagError("there are more atoms in it than any song has")
    return found


def items(moov: bytes) -> bytes:
    """The content of ilst in the content of moov; empty where there is none."""
    data = moov
    for name in ITEMS:
        child = next((atom for atom in inside(data) if atom.name == name), None)
        if child is None:
            return b""
        data = data[child.start : child.end]
        if name == b"meta":
            data = data[_version(data) :]
    return data


def with_items(moov: bytes, new: bytes) -> bytes:
    """The content of moov with other items, and what is free beside them made smaller or larger, so that it keeps its
    size where that can be."""
    return _put(moov, ITEMS, new)


def moved(moov: bytes, behind: int, by: int) -> bytes:
    """The content of moov, chunks from the place `behind` on being that much later in the file.

    Raises:
        TagError: a place has no room in its table.
    """
    data = bytearray(moov)
    for at, width in _places(moov):
        if (place := int.from_bytes(moov[at : at + width], "big")) >= behind:
            if not 0 <= place + by < 1 << 8 * width:
                raise TagError("the sound would lie beyond 4 GiB")
            data[at : at + width] = (place + by).to_bytes(width, "big")
    return bytes(data)


def chunks(moov: bytes) -> Iterator[int]:
    """Where each chunk of sound begins in the file."""
    for at, width in _places(moov):
        yield int.from_bytes(moov[at : at + width], "big")


def made(name: bytes, data: bytes) -> bytes:
    """An atom."""
    return struct.pack(">I4s", len(data) + 8, name) + data


def _atom(head: bytes, at: int, limit: int) -> Atom:
    """The atom at the place `at` of what is `limit` bytes long; `head` are the bytes there, or all there are."""
    size, name = struct.unpack_from(">I4s", head)
    wide = 8
    if size == 1 and len(head) == 16:
        (size,), wide = struct.unpack_from(">Q", head, 8), 16
    elif size == 0:
        size = limit - at
    if size < wide or at + size > limit:
        raise TagError(f"the atom {name.decode('latin-1')!r} is cut off or damaged", hint="is the file whole?")
    return Atom(name, at, at + wide, at + size)


def _version(meta: bytes) -> int:
    """Bytes of the version in front of what is in meta; QuickTime has none."""
    return 0 if meta[4:8] == b"hdlr" else 4


def _put(data: bytes, names: Sequence[bytes], new: bytes) -> bytes:
    found = inside(data)
    child = next((atom for atom in found if atom.name == names[0]), None)
    if len(names) == 1:
        return _exchanged(data, found, child, made(names[0], new))
    if child is None:
        empty = made(b"hdlr", _HANDLER) if names[0] == b"meta" else b""
        fresh = bytes(4) + _put(empty, names[1:], new) if names[0] == b"meta" else _put(b"", names[1:], new)
        end = found[-1].end if found else 0  # QuickTime ends with four zeros
        return data[:end] + made(names[0], fresh) + data[end:]
    inner = data[child.start : child.end]
    front = _version(inner) if names[0] == b"meta" else 0
    inner = inner[:front] + _put(inner[front:], names[1:], new)
    return data[: child.at] + made(child.name, inner) + data[child.end :]


def _exchanged(data: bytes, found: Sequence[Atom], old: Atom | None, new: bytes) -> bytes:
    """The content of meta with another ilst; free atoms behind it give room or take what is left over."""
    at = old.at if old else found[-1].end if found else 0
    room = old.end - at if old else 0
    for atom in found:
        if old and atom.at == at + room and atom.name == b"free":
            room += atom.end - atom.at
    left = room - len(new)
    free = b"" if left == 0 else made(b"free", bytes(left - 8)) if left >= 8 else made(b"free", bytes(ROOM))
    return data[:at] + new + free + data[at + room :]


def _places(moov: bytes) -> Iterator[tuple[int, int]]:
    """Where in the content of moov a place of a chunk stands, and of how many bytes it is."""
    for track in inside(moov):
        if track.name != b"trak":
            continue
        start, end = track.start, track.end
        for name in _TABLES:
            child = next((atom for atom in inside(moov[start:end]) if atom.name == name), None)
            start, end = (start + child.start, start + child.end) if child else (end, end)
        for atom in inside(moov[start:end]):
            if width := _WIDTHS.get(atom.name):
                for at in range(start + atom.start + 8, start + atom.end - width + 1, width):
                    yield at, width
