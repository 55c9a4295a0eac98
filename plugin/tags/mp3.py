"""MP3, and whatever else is MPEG sound behind an ID3v2 tag."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from . import frames, id3
from .base import CHUNK, STUMBLES, Container, Entry, Held, TagError, digest, exactly

_SEARCHED = 1 << 16  # bytes after the tag in which sound begins
_RATES = (44100, 48000, 32000)  # Hz of MPEG 1
_SLOWER = {3: 1, 2: 2, 0: 4}  # that of MPEG 1, 2 and 2.5 by the number in the header
_SAMPLES = {(3, 3): 384, (3, 2): 1152, (3, 1): 1152, (2, 3): 384, (2, 2): 1152, (2, 1): 576}  # by version and layer
_ADTS = 1024  # samples of a frame of AAC


class Mp3(Container):
    """MPEG sound with an ID3v2 tag in front; ID3v1, APE and Lyrics3 tags at the end count as sound: not touched."""

    name = "MP3"
    family = "id3"
    suffixes = (".mp3", ".mp2", ".mpga", ".aac")

    def matches(self, head: bytes) -> bool:
        """By a tag or the beginning of sound; zeros are padding that others have left."""
        bare = head.lstrip(b"\0")
        return bare[:3] == b"ID3" or (len(bare) > 1 and bare[0] == 0xFF and bare[1] >= 0xE0)

    def read(self, file: BinaryIO) -> Held:
        """The lyrics of the tag; what is encrypted or damaged stays where it is, and is told."""
        tag = _tag(file)
        milliseconds = _frame_ms(file, tag.size)
        entries, rest, problems = [], [], [] if not tag.junk else ["the ID3 tag is damaged behind its last frame"]
        for frame, entry, problem in _entries(tag, milliseconds):
            entries += [entry] if entry else []
            rest += [] if entry else [frame.raw]
            problems += [problem] if problem else []
        return Held(tag.version if tag.size else "", tuple(entries), (*rest, tag.junk), tuple(problems))

    def sound(self, file: BinaryIO) -> str:
        """A hash of all behind the tag."""
        file.seek(_tag(file).size)
        return digest(file)

    def write(self, source: Path, target: Path, gone: Sequence[Entry], new: Sequence[Entry], version: int) -> None:
        """Copy with other frames; a tag that is damaged, or a file without sound, is refused."""
        with source.open("rb") as old, target.open("r+b") as fresh:
            tag = _tag(old, version)
            if tag.junk:
                raise TagError("the ID3 tag is damaged behind its last frame", hint="mend it with a tag editor first")
            if not (milliseconds := _frame_ms(old, tag.size)):
                raise TagError("there is no MPEG sound in it", hint="is it an MP3?")
            removed = [frame for frame, entry, _ in _entries(tag, milliseconds) if entry in gone]
            added = [id3.frame(tag, *frames.render(entry, tag.major)) for entry in new]
            fresh.write(id3.render(id3.exchanged(tag, removed, added)))
            old.seek(tag.size)
            shutil.copyfileobj(old, fresh, CHUNK)

    def reread(self, path: Path) -> tuple[Entry, ...]:
        """The lyrics as mutagen reads them.

        Raises:
            TagError: mutagen cannot read the tag.
        """
        from mutagen import MutagenError
        from mutagen.id3 import ID3, SLT, SYLT, ULT, USLT

        try:
            tag = ID3(path, known_frames={each.__name__: each for each in (SYLT, USLT, SLT, ULT)})
        except (MutagenError, *STUMBLES) as error:
            raise TagError(f"what was written cannot be read back: {error}") from error
        timed = [
            Entry("SYLT", "", tuple((ms, text) for text, ms in f.text), f.lang, f.desc, int(f.type))
            for f in tag.getall("SYLT")
            if f.format == frames.MILLISECONDS
        ]
        plain = [Entry("USLT", f.text, (), f.lang, f.desc) for f in tag.getall("USLT")]
        return (*timed, *plain)


def _tag(file: BinaryIO, version: int = 3) -> id3.Tag:
    file.seek(0)
    head = file.read(id3.HEADER)
    size = id3.length(head)
    if not size:
        if head[:3] == b"ID3":
            raise TagError("the header of the ID3 tag is damaged", hint="mend it with a tag editor first")
        return id3.Tag(version)
    if size > os.fstat(file.fileno()).st_size:
        raise TagError("the file is cut off in its ID3 tag")
    return id3.parse(head + exactly(file, size - id3.HEADER))


def _entries(tag: id3.Tag, frame_ms: float) -> Iterator[tuple[id3.Frame, Entry | None, str]]:
    """Each frame with the lyrics in it, if any, and with what is wrong with it."""
    for frame in tag.frames:
        entry, problem = None, ""
        try:
            if frame.body is not None:
                entry = frames.parse(frame.name, frame.body, frame_ms)
            elif frame.name in frames.NAMES:
                problem = f"the frame {frame.name} is encrypted or damaged"
        except TagError as error:
            problem = error.what
        yield frame, entry, problem


def _frame_ms(file: BinaryIO, at: int) -> float:
    """Milliseconds of the first frame of sound behind the tag; 0: there is none."""
    file.seek(at)
    data = file.read(_SEARCHED)
    place = data.find(b"\xff")
    while 0 <= place < len(data) - 3:
        if found := _milliseconds(data[place : place + 4]):
            return found
        place = data.find(b"\xff", place + 1)
    return 0.0


def _milliseconds(head: bytes) -> float:
    """Length of the frame with this header; 0: it is none."""
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if head[1] & 0xE0 != 0xE0 or version == 1:
        return 0.0
    if layer == 0:  # ADTS: its table of rates begins with 96 and 88.2 kHz
        rates = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
        index = head[2] >> 2 & 0xF
        return 1000 * _ADTS / rates[index] if head[1] & 0xF6 == 0xF0 and index < len(rates) else 0.0
    bits, index = head[2] >> 4, head[2] >> 2 & 3
    if bits in {0, 15} or index == 3:
        return 0.0
    return 1000 * _SAMPLES[3 if version == 3 else 2, layer] / (_RATES[index] / _SLOWER[version])
