"""The formats that can be read and written, in one table."""

from __future__ import annotations

from pathlib import Path

from plugin.files import StrPath

from .ass import Ass
from .base import LEVELS, SIGNS, Format, FormatError, KaraokeTag, Level, RenderOptions
from .ctm import Ctm
from .json import Json
from .labels import Labels
from .lrc import Lrc
from .srt import Srt
from .ssa import Ssa
from .textgrid import TextGrid
from .tsv import Tsv
from .ttml import Ttml
from .txt import Txt
from .ultrastar import UltraStar
from .vtt import Vtt

__all__ = [
    "FORMATS",
    "LEVELS",
    "Format",
    "FormatError",
    "KaraokeTag",
    "Level",
    "RenderOptions",
    "by_name",
    "for_path",
    "for_text",
]

FORMATS: tuple[Format, ...] = (
    Txt(), Lrc(), Srt(), Ass(), Ssa(), Vtt(), Ttml(), UltraStar(), Labels(), TextGrid(), Ctm(), Tsv(), Json(),
)  # fmt: skip


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
    name, ending = Path(path).name.lower(), Path(path).suffix.lower()
    for tail in (f"{Path(name[: -len(ending) or None]).suffix}{ending}", ending):  # ".labels.txt" before ".txt"
        for known in FORMATS:
            if tail in known.extensions:
                return known
    what = f"files ending in {ending} are unknown" if ending else "the name has no ending that tells the format"
    raise FormatError(what, str(path), f"one of {', '.join(e for f in FORMATS for e in f.extensions)}")


def for_text(path: StrPath, text: str) -> Format:
    """The format for a file that is there: UltraStar songs and Audacity labels, which people name .txt, by content.

    Raises:
        FormatError: as `for_path`.
    """
    known = for_path(path)
    if known.name == "txt":
        return next((by_name(name) for name in ("ultrastar", "labels") if SIGNS[name].search(text)), known)
    return known
