"""From a song file and its timed text to a page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from aligner_core.timeline import Alignment
from plugin.files import FileError, write_atomic
from plugin.hearing import hushed

from .page import Embedded, Other, page
from .picture import picture
from .sound import encoded, quality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENDINGS = (".html", ".htm")


@dataclass(frozen=True)
class Made:
    """A page that was written.

    Args:
        size: bytes.
        seconds: of the song.
        sound: how the song is in it: "linked", or "embedded, 96 kbit/s".
        note: what the user did not ask for, "" if nothing.
    """

    name: str
    size: int
    seconds: float
    sound: str
    note: str = ""


def check_page(name: str) -> None:
    """See that a name is one of a page.

    Raises:
        FileError: it is not.
    """
    if Path(name).suffix.lower() not in ENDINGS:
        raise FileError("is not a page that can be written", name, "a name that ends in .html")


def make(song: str, alignment: Alignment, name: str, link: bool = False, other: Other | None = None) -> Made:
    """Write the page of a song.

    Args:
        link: whether the page plays the song file itself, from where that lies, instead of having it inside; so it does
            if the song is too long to be inside.

    Raises:
        AudioError: the song cannot be read.
        SoundError: it cannot be encoded.
        FileError: the page cannot be written.
    """
    with hushed():
        seen = picture(_blocks(song, 16_000, 1))
    kind = None if link else quality(seen.seconds)
    if kind:
        with hushed():
            sound: Embedded | str = Embedded(encoded(_blocks(song, kind.rate, kind.channels), kind), kind)
    else:
        sound = address(song, name)
    data = page(alignment, seen, sound, Path(song).stem, other).encode("utf-8", "replace")
    write_atomic(name, data)
    note = "" if kind or link else f"{song} is too long to be inside: {name} plays it from where it lies"
    return Made(name, len(data), seen.seconds, f"embedded, {kind}" if kind else "linked", note)


def address(song: str, page_name: str) -> str:
    """Where a page finds a song: beside it if both are on one disk."""
    folder = Path(page_name).resolve().parent
    try:
        return quote(Path(os.path.relpath(Path(song).resolve(), folder)).as_posix())
    except ValueError:  # another drive
        return Path(song).resolve().as_uri()


def _blocks(song: str, rate: int, channels: int) -> Iterator[NDArray[np.float32]]:
    from aligner_core import audio

    for block in audio.stream(song, rate, channels):
        yield block.numpy()
