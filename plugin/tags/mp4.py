"""MP4 and M4A: `©lyr` and the free fields of iTunes. mutagen would turn some items into others; it reads them back."""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from . import atoms
from .base import CHUNK, FIELDS, STUMBLES, Container, Entry, Held, TagError, exactly

LYRICS = "©lyr"
_LYRICS, _FREE, _MEAN = b"\xa9lyr", b"----", "com.apple.iTunes"
_UTF8 = struct.pack(">II", 1, 0)  # what the data of an item is, and for which country


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
        known = list(_items(atoms.items(_moov(file)[1])))
        entries = tuple(entry for _, entry in known if entry)
        return Held(self.name, entries, tuple(raw for raw, entry in known if entry is None))

    def sound(self, file: BinaryIO) -> str:
        """A hash of the media data, and of where in it each chunk begins."""
        made = hashlib.blake2b(digest_size=16)
        media = [atom for atom in atoms.at_top(file) if atom.name == b"mdat"]
        for atom in media:
            file.seek(atom.start)
            left = atom.end - atom.start
            while left and (part := file.read(min(CHUNK, left))):
                made.update(part)
                left -= len(part)
        for place in atoms.chunks(_moov(file)[1]):
            inside = next((place - atom.start for atom in media if atom.start <= place <= atom.end), -1)
            made.update(struct.pack(">q", inside))
        return made.hexdigest()

    def write(self, source: Path, target: Path, gone: Sequence[Entry], new: Sequence[Entry], version: int) -> None:  # noqa: ARG002
        """Copy with other items; what lies behind them moves if there is no room, and the tables with it."""
        with source.open("rb") as old, target.open("r+b") as fresh:
            atom, data = _moov(old)
            changed = atoms.with_items(data, _exchanged(atoms.items(data), gone, new))
            if by := len(changed) + 8 - (atom.end - atom.at):
                if any(each.name == b"moof" and each.at > atom.at for each in atoms.at_top(old)):
                    raise TagError("the MP4 is in fragments, and has no room for lyrics", hint="remux it without them")
                changed = atoms.moved(changed, atom.end, by)
            old.seek(0)
            while (left := atom.at - old.tell()) > 0:
                fresh.write(exactly(old, min(left, CHUNK)))
            fresh.write(atoms.made(b"moov", changed))
            old.seek(atom.end)
            shutil.copyfileobj(old, fresh, CHUNK)

    def reread(self, path: Path) -> tuple[Entry, ...]:
        """The lyrics as mutagen reads them.

        Raises:
            TagError: mutagen cannot read the file.
        """
        from mutagen import MutagenError
        from mutagen.mp4 import MP4

        try:
            tags = MP4(path).tags or {}
        except (MutagenError, *STUMBLES) as error:
            raise TagError(f"what was written cannot be read back: {error}") from error
        found = [Entry(LYRICS, text) for text in tags.get("\xa9lyr", ())]
        for key, values in tags.items():
            if key.startswith(f"----:{_MEAN}:"):
                found += [Entry(key.split(":", 2)[2], bytes(value).decode("utf-8", "replace")) for value in values]
        return tuple(found)


def _moov(file: BinaryIO) -> tuple[atoms.Atom, bytes]:
    """The atom that has all but the sound, and its content."""
    for atom in atoms.at_top(file):
        if atom.name == b"moov":
            return atom, atoms.content(file, atom)
    raise TagError("there is no moov in it", hint="is the file whole?")


def _items(data: bytes) -> Iterator[tuple[bytes, Entry | None]]:
    """Each item as it stands there, with the lyrics in it, if any."""
    for atom in atoms.inside(data):
        yield data[atom.at : atom.end], _entry(atom.name, data[atom.start : atom.end])


def _exchanged(data: bytes, gone: Sequence[Entry], new: Sequence[Entry]) -> bytes:
    """The items with `new` where the first of `gone` was, or at the end."""
    known = list(_items(data))
    at = next((place for place, (_, entry) in enumerate(known) if entry in gone), len(known))
    kept = [b"" if entry in gone else raw for raw, entry in known]
    return b"".join([*kept[:at], *map(_item, new), *kept[at:]])


def _item(entry: Entry) -> bytes:
    data = atoms.made(b"data", _UTF8 + entry.text.encode())
    if entry.slot == LYRICS:
        return atoms.made(_LYRICS, data)
    mean, name = (
        atoms.made(kind, bytes(4) + text.encode()) for kind, text in ((b"mean", _MEAN), (b"name", entry.slot))
    )
    return atoms.made(_FREE, mean + name + data)


def _entry(name: bytes, data: bytes) -> Entry | None:
    """The lyrics in an item; None: it is something else."""
    if name not in {_LYRICS, _FREE}:
        return None
    parts = {atom.name: data[atom.start : atom.end] for atom in reversed(atoms.inside(data))}  # the first of a name
    text = parts.get(b"data", b"")[8:].decode("utf-8", errors="replace")
    if name == _LYRICS:
        return Entry(LYRICS, text)
    field = parts.get(b"name", b"")[4:].decode("utf-8", errors="replace")
    return Entry(field, text) if parts.get(b"mean", b"")[4:] == _MEAN.encode() and field.upper() in FIELDS else None
