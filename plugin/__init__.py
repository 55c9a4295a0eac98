"""Reading and writing the files that people keep timed text in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aligner_core.timeline import Alignment

    from .files import StrPath
    from .formats import Level

__all__ = ["load", "save"]


def load(path: StrPath) -> Alignment:
    """Read lyrics or timed text, in the format of the name's ending; plain lyrics have no times.

    Raises:
        LyricsError: the file cannot be read as text.
        FormatError: the ending is unknown, or the content is not what the ending says.
    """
    from .files import read_text
    from .formats import for_path, for_text

    for_path(path)  # an ending that is unknown is told before a file that is not there
    decoded = read_text(path)
    return for_text(path, decoded.text).read(decoded, path)


def save(alignment: Alignment, path: StrPath, level: Level | None = None) -> None:
    """Write timed text in the format of the name's ending, the whole file or nothing.

    Args:
        alignment: lines without time are left out by all formats but .txt and .json.
        path: the file.
        level: the finest to write: "line", "word", "syllable", "phone"; None: what is usual for the format.

    Raises:
        FormatError: the ending is unknown, or no line has a time.
        FileError: the file cannot be written.
    """
    from .formats import RenderOptions, for_path

    for_path(path).save(alignment, path, RenderOptions(level))
