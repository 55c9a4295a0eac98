"""Lyrics inside sound files: the containers whose tags can be read and written, in one table."""

from __future__ import annotations

from pathlib import Path

from plugin.files import StrPath

from .base import Container, Entry, Held, TagError
from .flac import Flac
from .id3 import HEADER, length
from .mp3 import Mp3
from .mp4 import Mp4
from .ogg import Ogg

__all__ = ["CONTAINERS", "SUFFIXES", "Container", "Entry", "Held", "TagError", "container_for"]

CONTAINERS: tuple[Container, ...] = (Flac(), Ogg(), Mp4(), Mp3())
SUFFIXES = tuple(suffix for container in CONTAINERS for suffix in container.suffixes)  # of songs
_HEAD = 4096  # bytes


def container_for(path: StrPath) -> Container:
    """The container that a file is, by its content and whatever its name.

    Raises:
        TagError: it is none, or cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
            if head[:4].ljust(4) != b"fLaC" and (size := length(head[:HEADER])):
                file.seek(size)
                behind = file.read(4)  # FLAC behind an ID3 tag is FLAC
                head = behind if behind == b"fLaC" else head
    except FileNotFoundError as error:
        raise TagError("there is no such file", str(path)) from error
    except OSError as error:
        raise TagError(f"cannot be read: {error.strerror}", str(path)) from error
    for container in CONTAINERS:
        if container.matches(head):
            return container
    names = ", ".join(container.name for container in CONTAINERS)
    raise TagError("not a sound file whose tags are known", str(path), f"one of {names}")
