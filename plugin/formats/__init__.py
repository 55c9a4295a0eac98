"""The formats that can be read and written, in one table."""

from __future__ import annotations

from pathlib import Path

from plugin.files import StrPath

from .ass import Ass
from .base import LEVELS, Format, FormatError, KaraokeTag, Level, RenderOptions
from .json import Json
from .lrc import Lrc
from .srt import Srt
from .txt import Txt

__all__ = ["FORMATS", "LEVELS", "Format", "FormatError", "KaraokeTag", "Level", "RenderOptions", "by_name", "for_path"]

FORMATS: tuple[Format, ...] = (Txt(), Lrc(), Srt(), Ass(), Json())


def by_name(name: str) -> Format:
    """The format of this name, in any case.

    Raises:
        FormatError: there is none; the hint lists all names.
    """
    for known in FORMATS:
        if known.name == name.lower():
            return known
    raise FormatError(f"the format {name!r} is unknown", hint=f"one of {', '.join(f.name for f in FORMATS)}")


def for_path(path: StrPath) -> Format:
    """The format for the ending of a file's name; the file need not exist.

    Raises:
        FormatError: no format has this ending; the hint lists all endings.
    """
    ending = Path(path).suffix.lower()
    for known in FORMATS:
        if ending in known.extensions:
            return known
    what = f"files ending in {ending} are unknown" if ending else "the name has no ending that tells the format"
    raise FormatError(what, str(path), f"one of {', '.join(e for f in FORMATS for e in f.extensions)}")
