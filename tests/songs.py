"""Songs for tests: sound without meaning, and tags made by hand from the standards, with nothing of the project."""

from __future__ import annotations

import functools
import hashlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

SOUND = b"".join(b"\xff\xfb\x90\xc4" + bytes([n]) * 32 + bytes(381) for n in range(40))  # MPEG 1, layer 3, 417 bytes
FRAME_MS = 1152 / 44.1
LRC = "[00:00.10]<00:00.10>Hello <00:00.50>big <00:00.90>world<00:01.00>\n[00:01.20]<00:01.20>Again<00:01.80>\n"
PLAIN = "Hello big world\nAgain"
ID3V1 = b"TAG" + b"Old title".ljust(125, b"\0")
APE = b"APETAGEX" + bytes([0xD0, 7, 0, 0, 57, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xA0]) + bytes(8)
APE = APE + b"\x0d\0\0\0\0\0\0\0Lyrics\0some of APE!" + APE
KINDS = ("mp3", "flac", "ogg", "opus", "m4a")


def syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))


def frame(name: str, body: bytes, major: int, flags: bytes = b"\0\0") -> bytes:
    """A frame of ID3v2.`major`."""
    if major == 2:
        return name.encode() + len(body).to_bytes(3, "big") + body
    size = syncsafe(len(body)) if major == 4 else len(body).to_bytes(4, "big")
    return name.encode() + size + flags + body


def tag(major: int, *frames: bytes, padding: int = 100, flags: int = 0) -> bytes:
    """A tag of ID3v2.`major`; where the flag says so, unsynchronised as a whole up to v2.3."""
    body = b"".join(frames) + bytes(padding)
    if flags & 0x80 and major < 4:
        out = bytearray()
        for at, byte in enumerate(body):
            out.append(byte)
            if byte == 0xFF and (at + 1 == len(body) or body[at + 1] >= 0xE0 or body[at + 1] == 0):
                out.append(0)
        body = bytes(out)
    return b"ID3" + bytes([major, 0, flags]) + syncsafe(len(body)) + body


def common(major: int) -> tuple[bytes, ...]:
    """Frames that many songs have, one that no program knows, and one that is encrypted where there are such."""
    title, picture, own = ("TT2", "PIC", "XYZ") if major == 2 else ("TIT2", "APIC", "XYZW")
    image = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20  # longer than a syncsafe byte, full of what looks like sound
    frames = [
        frame(title, b"\x00A title", major),
        frame(picture, b"\x00JPG\x03\0" + image if major == 2 else b"\x00image/jpeg\0\x03\0" + image, major),
        frame(own, b"\xff\xfe\xff\x00\xff", major),
    ]
    if major > 2:
        frames.append(frame("PRIV", b"me\0" + bytes(range(200)), major, b"\x40\x40" if major == 3 else b"\0\x04"))
    return tuple(frames)


def sound_of(song: Path) -> str:
    """A hash of the packets, which ffmpeg copies without decoding."""
    command = [ffmpeg(), "-v", "error", "-i", str(song), "-map", "0:a", "-c", "copy", "-f", "md5", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@functools.cache
def ffmpeg() -> str:
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


@functools.cache
def real(kind: str) -> bytes:
    """Two seconds of a tone with a title and an artist, as ffmpeg writes them."""
    codec = {"ogg": ["-c:a", "libvorbis"], "opus": ["-c:a", "libopus"]}.get(kind, [])
    tags = ["-metadata", "title=Tone", "-metadata", "artist=Nobody"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"song.{kind}")
        source = ["-f", "lavfi", "-i", "sine=440:duration=2"]
        subprocess.run([ffmpeg(), "-v", "error", *source, *tags, *codec, str(path)], check=True)
        return path.read_bytes()


def folder_of_songs(folder: Path, count: int) -> dict[Path, str]:
    """So many MP3s with an LRC beside each; the hash of the sound of each."""
    made: dict[Path, str] = {}
    for number in range(count):
        song = folder / f"song {number:05}.mp3"
        sound = SOUND + number.to_bytes(4, "big")
        song.write_bytes(tag(3 + number % 2, *common(3 + number % 2), padding=number % 3 * 300) + sound)
        song.with_suffix(".lrc").write_text(LRC.replace("Hello", f"Hello{number}"), encoding="utf-8")
        made[song] = hashlib.sha256(sound).hexdigest()
    return made


def frames_of(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and raw bytes of each frame of a tag of v2.3 or v2.4 that is not unsynchronised."""
    at = 10
    while data[at : at + 1].isalpha():
        digits = data[at + 4 : at + 8]
        size = int.from_bytes(digits, "big")
        if data[3] == 4:
            size = sum(digit << shift for digit, shift in zip(digits, (21, 14, 7, 0), strict=True))
        yield data[at : at + 4].decode(), data[at : at + 10 + size]
        at += 10 + size


def sound_behind(data: bytes) -> bytes:
    """What follows a tag."""
    if data[:3] != b"ID3":
        return data
    return data[10 + sum(digit << shift for digit, shift in zip(data[6:10], (21, 14, 7, 0), strict=True)) :]
