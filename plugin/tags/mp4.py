"""MP4 and M4A: `©lyr` and the free fields of iTunes, read by a parser of our own, written by mutagen."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .base import CHUNK, FIELDS, STUMBLES, Container, Entry, Held, TagError, exactly

LYRICS = "©lyr"
_FREE, _MEAN = "----", "com.apple.iTunes"
_ILST = (b"moov", b"udta", b"meta", b"ilst")
_OFFSETS = (b"trak", b"mdia", b"minf", b"stbl")
_MOST = 1 << 26  # bytes of tags, pictures among them, that are read
_DEEPEST = 1 << 16  # atoms in a file: more are a trap


@dataclass(frozen=True, slots=True)
class _Atom:
    name: bytes
    start: int  # of the content
    end: int


class Mp4(Container):
    """MPEG-4 sound or film."""

    name = "MP4"
    family = "mp4"
    suffixes = (".m4a", ".m4b", ".mp4", ".m4v", ".alac")

    def matches(self, head: bytes) -> bool:
        """By the atom that tells the kind of file."""
        return head[4:8] == b"ftyp"

    def read(self, file: BinaryIO) -> Held:
        """The lyrics among the items of iTunes."""
        size = os.fstat(file.fileno()).st_size
        items = _descend(file, _Atom(b"", 0, size), _ILST)
        entries, rest = [], []
        for item in _children(file, items) if items else ():
            data = _content(file, item)
            if entry := _entry(item.name, data):
                entries.append(entry)
            else:
                rest.append(item.name + data)
        return Held(self.name, tuple(entries), tuple(sorted(rest)))  # mutagen sorts them

    def sound(self, file: BinaryIO) -> str:
        """A hash of the media data, and of where in it each chunk begins."""
        size = os.fstat(file.fileno()).st_size
        made = hashlib.blake2b(digest_size=16)
        atoms = list(_children(file, _Atom(b"", 0, size)))
        media = [atom for atom in atoms if atom.name == b"mdat"]
        for atom in media:
            file.seek(atom.start)
            left = atom.end - atom.start
            while left and (part := file.read(min(CHUNK, left))):
                made.update(part)
                left -= len(part)
        for moov in (atom for atom in atoms if atom.name == b"moov"):
            for offset in _chunks(file, moov):
                inside = next((offset - atom.start for atom in media if atom.start <= offset <= atom.end), -1)
                made.update(struct.pack(">q", inside))
        return made.hexdigest()

    def write(self, source: Path, target: Path, gone: Sequence[Entry], new: Sequence[Entry], version: int) -> None:  # noqa: ARG002
        """Copy, then let mutagen change the items of the copy, and the places of the sound that it moves."""
        from mutagen import MutagenError
        from mutagen.mp4 import MP4, AtomDataType, MP4FreeForm

        shutil.copyfile(source, target)
        try:
            song = MP4(target)
            if song.tags is None:
                song.add_tags()
            for entry in gone:
                song.tags.pop(_key(entry.slot), None)
            for entry in new:
                free = entry.slot != LYRICS
                text = MP4FreeForm(entry.text.encode(), AtomDataType.UTF8) if free else entry.text
                song.tags[_key(entry.slot)] = [text]
            song.save()
        except (MutagenError, *STUMBLES) as error:
            raise TagError(f"mutagen cannot write it: {error}") from error


def _key(slot: str) -> str:
    return "\xa9lyr" if slot == LYRICS else f"{_FREE}:{_MEAN}:{slot}"


def _children(file: BinaryIO, parent: _Atom) -> Iterator[_Atom]:
    at = parent.start
    for _ in range(_DEEPEST):
        if at + 8 > parent.end:
            return
        file.seek(at)
        size, name = struct.unpack(">I4s", exactly(file, 8))
        head = 8
        if size == 1:
            (size,), head = struct.unpack(">Q", exactly(file, 8)), 16
        elif size == 0:
            size = parent.end - at
        if size < head or at + size > parent.end:
            raise TagError(f"the atom {name.decode('latin-1')!r} is cut off or damaged", hint="is the file whole?")
        yield _Atom(name, at + head, at + size)
        at += size
    raise TagError("there are more atoms in it than any song has")


def _descend(file: BinaryIO, parent: _Atom, names: Sequence[bytes]) -> _Atom | None:
    """The first atom that is reached by these names."""
    for child in _children(file, parent):
        if child.name == names[0]:
            inner = _Atom(child.name, child.start + 4, child.end) if child.name == b"meta" else child
            return inner if len(names) == 1 else _descend(file, inner, names[1:])
    return None


def _content(file: BinaryIO, atom: _Atom) -> bytes:
    if atom.end - atom.start > _MOST:
        raise TagError(f"the item {atom.name.decode('latin-1')!r} is larger than 64 MiB")
    file.seek(atom.start)
    return exactly(file, atom.end - atom.start)


def _entry(name: bytes, data: bytes) -> Entry | None:
    """The lyrics in an item; None: it is something else."""
    parts = dict(_parts(data))
    text = parts.get(b"data", b"")[8:].decode("utf-8", errors="replace")
    if name == b"\xa9lyr":
        return Entry(LYRICS, text)
    field = parts.get(b"name", b"")[4:].decode("utf-8", errors="replace")
    if name == _FREE.encode() and parts.get(b"mean", b"")[4:] == _MEAN.encode() and field.upper() in FIELDS:
        return Entry(field, text)
    return None


def _parts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The atoms inside an item, by name; the first of several is what players take, so it comes last."""
    found, at = [], 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            break
        found.append((name, data[at + 8 : at + size]))
        at += size
    yield from reversed(found)


def _chunks(file: BinaryIO, moov: _Atom) -> Iterator[int]:
    """Where each chunk of each track begins in the file."""
    for track in _children(file, moov):
        if track.name != b"trak" or not (table := _descend(file, track, _OFFSETS[1:])):
            continue
        for atom in _children(file, table):
            if atom.name in {b"stco", b"co64"}:
                data = _content(file, atom)
                wide = 4 if atom.name == b"stco" else 8
                for at in range(8, len(data) - wide + 1, wide):
                    yield int.from_bytes(data[at : at + wide], "big")
