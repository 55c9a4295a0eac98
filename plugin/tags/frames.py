"""The frames of ID3 that hold lyrics: SYLT, USLT, and TXXX of certain names; their bytes and what they say.

SYLT  encoding, language (3), unit of time, content type, description, {text, uint32}*
USLT  encoding, language (3), description, text
TXXX  encoding, name, text
"""

from __future__ import annotations

import codecs
import struct

from .base import FIELDS, Entry, TagError

MPEG_FRAMES, MILLISECONDS = 1, 2  # units of time
LYRICS, TRANSCRIPTION, OTHER = 1, 2, 0  # contents of SYLT; chords, events and the like are no lyrics
NAMES = {"SYLT": "SYLT", "USLT": "USLT", "TXXX": "TXXX", "SLT": "SYLT", "ULT": "USLT", "TXX": "TXXX"}  # 2.2: three
_SHORT = {"SYLT": "SLT", "USLT": "ULT", "TXXX": "TXX"}
_LARGEST = 1 << 22  # bytes of a frame that is looked into
_LATIN, _UTF16, _UTF16_BE, _UTF8 = range(4)


def parse(name: str, body: bytes, frame_ms: float) -> Entry | None:
    """What a frame says; None: no lyrics.

    Args:
        name: of the frame, in any version.
        body: its content.
        frame_ms: milliseconds of a frame of sound, for times that are counted in those; 0: not known.

    Raises:
        TagError: it is damaged.
    """
    kind = NAMES.get(name)
    if kind is None:
        return None
    if len(body) > _LARGEST:
        raise TagError(f"the frame {name} is larger than lyrics are")
    try:
        return _READERS[kind](body, frame_ms)
    except (IndexError, struct.error) as error:
        raise TagError(f"the frame {name} is cut off") from error


def render(entry: Entry, major: int) -> tuple[str, bytes]:
    """Name and body of the frame for an entry: UTF-8 in v2.4; before, UTF-16, each text with its mark."""
    coder = _UTF8 if major == 4 else _UTF16
    kind, _, field = entry.slot.partition(":")
    name = _SHORT[kind] if major == 2 else kind
    language = entry.language.encode("ascii").ljust(3, b"\0")
    if kind == "TXXX":
        return name, bytes([coder]) + _encoded(field, coder, end=True) + _encoded(entry.text, coder, end=False)
    description = _encoded(entry.description, coder, end=True)
    if kind == "USLT":
        return name, bytes([coder]) + language + description + _encoded(entry.text, coder, end=False)
    marks = b"".join(_encoded(text, coder, end=True) + struct.pack(">I", ms) for ms, text in entry.marks)
    return name, bytes([coder]) + language + bytes([MILLISECONDS, entry.content]) + description + marks


def _sylt(body: bytes, frame_ms: float) -> Entry | None:
    coder, unit, content = body[0], body[4], body[5]
    if content not in {LYRICS, TRANSCRIPTION, OTHER}:
        return None
    if unit not in {MPEG_FRAMES, MILLISECONDS}:
        raise TagError(f"the frame SYLT counts time in units of kind {unit}", hint="1 or 2")
    if unit == MPEG_FRAMES and not frame_ms:
        raise TagError("the frame SYLT counts time in frames of sound, and there is no sound")
    texts = _Texts(body, 6, coder)
    description = texts.next()
    marks = []
    while texts.left > 4:  # an odd byte at the end is padding by others
        text = texts.next()
        (at,) = struct.unpack_from(">I", body, texts.at)
        texts.at += 4
        marks.append((at if unit == MILLISECONDS else round(at * frame_ms), text))
    return Entry("SYLT", marks=tuple(marks), language=_language(body), description=description, content=content)


def _uslt(body: bytes, frame_ms: float) -> Entry:  # noqa: ARG001
    texts = _Texts(body, 4, body[0])
    description = texts.next()
    return Entry("USLT", texts.rest(), language=_language(body), description=description)


def _txxx(body: bytes, frame_ms: float) -> Entry | None:  # noqa: ARG001
    texts = _Texts(body, 1, body[0])
    name = texts.next()
    return Entry(f"TXXX:{name}", texts.rest()) if name.upper() in FIELDS else None


_READERS = {"SYLT": _sylt, "USLT": _uslt, "TXXX": _txxx}


class _Texts:
    """Texts one after the other from the place `at` on."""

    def __init__(self, data: bytes, at: int, coder: int) -> None:
        if coder > _UTF8:
            raise TagError(f"the encoding {coder} of a frame is unknown")
        self.data, self.at, self.coder = data, at, coder
        self.order = "utf-16-be" if coder == _UTF16_BE else ""

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def next(self) -> str:
        """The text up to its zero, which is two bytes in UTF-16."""
        wide = 2 if self.coder in {_UTF16, _UTF16_BE} else 1
        end = self.data.find(bytes(wide), self.at)
        while end > 0 and (end - self.at) % wide:  # half of one character and half of the next
            end = self.data.find(bytes(wide), end + 1)
        if end < 0:
            raise IndexError
        text = self._decoded(self.data[self.at : end])
        self.at = end + wide
        return text

    def rest(self) -> str:
        """All that is left; a zero at the end is not asked for, and has been written by many."""
        return self._decoded(self.data[self.at :]).rstrip("\0")

    def _decoded(self, raw: bytes) -> str:
        if self.coder in {_LATIN, _UTF8}:
            return _eight_bits(raw)
        for mark, order in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
            if raw.startswith(mark):
                raw, self.order = raw[2:], order
        if not self.order and any(raw):  # no mark anywhere: ASCII has its zeros first or last
            self.order = "utf-16-be" if raw[::2].count(0) > raw[1::2].count(0) else "utf-16-le"
        return raw.decode(self.order or "utf-16-le", errors="replace")


def _eight_bits(raw: bytes) -> str:
    """UTF-8 where it is that, whatever the frame calls it: both names stand on texts of the other kind."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _encoded(text: str, coder: int, *, end: bool) -> bytes:
    if coder == _UTF8:
        return text.encode() + b"\0" * end
    return codecs.BOM_UTF16_LE + text.encode("utf-16-le") + b"\0\0" * end


def _language(body: bytes) -> str:
    return body[1:4].decode("latin-1").rstrip("\0 ")
