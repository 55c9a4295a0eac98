"""ID3v2 tags as bytes: cut into frames and put together again, every frame but the changed ones as it was.

mutagen would turn frames into those of v2.4 and back, drop flags and what it does not know, and sort the rest; so only
its reader is used, to read what was written here. Layouts: id3.org/id3v2-00, id3v2.3.0, id3v2.4.0-structure.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .base import TagError

HEADER = 10  # bytes, of a tag
ROOM = 1024  # bytes of padding in a tag that has to grow, so that the next change finds room
LARGEST = 2**28 - 1  # bytes: what the size in a header can tell

_UNSYNC, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10  # flags of a tag
_OTHERS = {2: 0x3F, 3: 0x1F, 4: 0x0F}  # flags that a version does not have
_V22_COMPRESSED = 0x40
_NAME = re.compile(rb"[A-Z][A-Z0-9]{2}[A-Z0-9 \0]")  # three letters and a blank come from programs that knew 2.2
_ID = {2: re.compile(rb"[A-Z][A-Z0-9]{2}"), 3: _NAME, 4: _NAME}
_LAST_BODY = 1 << 22  # bytes that a compressed frame may grow to


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame: `raw` as it stands in the tag (unsynchronisation of the whole tag undone), its header included; `body`
    the content in plain bytes, None: encrypted or damaged."""

    name: str
    raw: bytes
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag.

    Args:
        major, revision: of ID3v2.major.revision.
        flags: of the header.
        plain_sizes: v2.4 with the sizes of v2.3, as iTunes has written them.
        frames: in their order.
        size: bytes of the whole tag with its padding; 0: there is no tag yet.
        junk: what stands after the last frame and is no padding.
    """

    major: int
    revision: int = 0
    flags: int = 0
    plain_sizes: bool = False
    frames: tuple[Frame, ...] = ()
    size: int = 0
    junk: bytes = b""

    @property
    def version(self) -> str:
        """Such as "ID3v2.3"."""
        return f"ID3v2.{self.major}"

    @property
    def unsync(self) -> bool:
        """Whether no byte 0xFF stands before one with which players would take it for the beginning of sound."""
        return bool(self.flags & _UNSYNC)


def length(head: bytes) -> int:
    """Bytes of the tag that begins with these ten, its footer included; 0: no tag begins so."""
    if len(head) < HEADER or head[:3] != b"ID3" or max(head[6:10]) > 0x7F or head[3] == 0xFF:
        return 0
    return HEADER + _syncsafe(head[6:10]) + (HEADER if head[3] == 4 and head[5] & _FOOTER else 0)


def parse(data: bytes) -> Tag:
    """The frames of a whole tag, as long as `length` says.

    Raises:
        TagError: a version that nobody knows, or a header that says what cannot be.
    """
    major, revision, flags = data[3], data[4], data[5]
    if major not in _ID:
        raise TagError(f"ID3v2.{major} is unknown", hint="2.2, 2.3 or 2.4")
    if flags & _OTHERS[major] or (major == 2 and flags & _V22_COMPRESSED):
        raise TagError(f"the flags {flags:#04x} of the ID3 tag are unknown", hint="rewrite the tag with its editor")
    footer = HEADER if major == 4 and flags & _FOOTER else 0
    body = data[HEADER : len(data) - footer]
    unsync = bool(flags & _UNSYNC)
    if unsync and major < 4:  # in v2.4 it is done frame by frame
        body = body.replace(b"\xff\x00", b"\xff")
    if flags & _EXTENDED and major > 2:
        body = body[_extended(body, major) :]
    frames, junk = _frames(body, major, unsync, plain=major < 4)
    plain = False
    if junk and major == 4:
        frames_of_3, junk_of_3 = _frames(body, major, unsync, plain=True)
        if not junk_of_3:
            frames, junk, plain = frames_of_3, junk_of_3, True
    return Tag(major, revision, flags, plain, frames, len(data), junk)


def render(tag: Tag) -> bytes:
    """The bytes of a tag, of the size that it had where its frames fit in, else with some room; none without frames.

    An extended header (it holds a checksum of what is changed now) and a footer are left out.

    Raises:
        TagError: larger than a tag can be.
    """
    body = b"".join(frame.raw for frame in tag.frames)
    if tag.unsync and tag.major < 4:
        body = unsynchronised(body)
    if not tag.frames:  # a tag must have one
        return b""
    size = tag.size if HEADER + len(body) <= tag.size else HEADER + len(body) + ROOM
    if size - HEADER > LARGEST:
        raise TagError("the tag would be larger than 256 MiB")
    flags = tag.flags & ~_EXTENDED & ~_FOOTER if tag.major > 2 else tag.flags
    head = b"ID3" + bytes([tag.major, tag.revision, flags]) + _as_syncsafe(size - HEADER)
    return head + body.ljust(size - HEADER, b"\0")


def frame(tag: Tag, name: str, body: bytes) -> Frame:
    """A frame for this tag.

    Raises:
        TagError: too large for this version.
    """
    flags, content = b"\0\0", body
    if tag.unsync and tag.major == 4:
        flags, content = b"\0\x03", _as_syncsafe(len(body)) + unsynchronised(body)
    limit = 2**24 - 1 if tag.major == 2 else LARGEST
    if len(content) > limit:
        raise TagError("the lyrics are larger than a frame can be")
    if tag.major == 2:
        return Frame(name, name.encode() + len(content).to_bytes(3, "big") + content, body)
    plain = tag.major == 3 or tag.plain_sizes
    size = len(content).to_bytes(4, "big") if plain else _as_syncsafe(len(content))
    return Frame(name, name.encode() + size + flags + content, body)


def unsynchronised(data: bytes) -> bytes:
    """The bytes with a zero after every 0xFF that could be taken for the beginning of sound, or for such a zero."""
    return re.sub(rb"\xff(?=[\xe0-\xff\x00]|\Z)", b"\xff\x00", data)


def exchanged(tag: Tag, gone: Sequence[Frame], new: Sequence[Frame]) -> Tag:
    """The tag with `new` where the first of `gone` was, or before the first frame of that name, or at the end."""
    frames = list(tag.frames)
    names = {each.name for each in new}
    places = [at for at, each in enumerate(frames) if any(each is one for one in gone)]
    places += [at for at, each in enumerate(frames) if each.name in names]
    at = min(places, default=len(frames))
    before, after = frames[:at], frames[at:]
    kept = [each for each in after if not any(each is one for one in gone)]
    return replace(tag, frames=(*before, *new, *kept))


def _extended(body: bytes, major: int) -> int:
    """Bytes of the extended header, which says how long it is: without that number in v2.3, with it in v2.4."""
    size = 4 + int.from_bytes(body[:4], "big") if major == 3 else _syncsafe(body[:4])
    if not 6 <= size <= len(body):
        raise TagError("the extended header of the ID3 tag is damaged", hint="rewrite the tag with a tag editor")
    return size


def _frames(body: bytes, major: int, unsync: bool, plain: bool) -> tuple[tuple[Frame, ...], bytes]:
    """All frames, and what stands after them if that is more than zeros."""
    found, at = [], 0
    wide, head = (3, 6) if major == 2 else (4, 10)
    while at + head <= len(body) and _ID[major].match(body, at):
        digits = body[at + wide : at + 2 * wide]
        if not plain and max(digits) > 0x7F:
            break
        size = int.from_bytes(digits, "big") if plain else _syncsafe(digits)
        end = at + head + size
        if end > len(body):
            break
        name = body[at : at + wide].decode("ascii")
        flags = 0 if major == 2 else body[at + 9]
        found.append(Frame(name, body[at:end], _content(body[at + head : end], major, flags, unsync)))
        at = end
    return tuple(found), body[at:] if body[at:].strip(b"\0") else b""


def _content(data: bytes, major: int, flags: int, unsync: bool) -> bytes | None:
    """The content of a frame in plain bytes, None: encrypted or damaged."""
    if major == 2:
        return data
    grouped, packed, secret, length_told = (
        (flags & 0x20, flags & 0x80, flags & 0x40, flags & 0x80)
        if major == 3
        else (flags & 0x40, flags & 0x08, flags & 0x04, flags & 0x01)
    )
    if secret:
        return None
    if major == 3:  # the length comes before the mark of the group there
        data = data[4 * bool(length_told) + bool(grouped) :]
    else:
        data = data[bool(grouped) + 4 * bool(length_told) :]
        if unsync or flags & 0x02:
            data = data.replace(b"\xff\x00", b"\xff")
    if not packed:
        return data
    try:
        return zlib.decompressobj().decompress(data, _LAST_BODY)
    except zlib.error:
        return None


def _syncsafe(digits: bytes) -> int:
    number = 0
    for digit in digits:
        number = number << 7 | digit & 0x7F
    return number


def _as_syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
