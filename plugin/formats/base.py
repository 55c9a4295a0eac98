"""What a format is. To add one:

1. write `plugin/formats/NAME.py` with a subclass of `Format`: its class attributes, `parse` and `render`;
2. add an instance of it to `FORMATS` in `plugin/formats/__init__.py`;
3. if its files could be taken for lyrics, add what gives them away to `_SIGNS` below;
4. run tests/test_formats.py, which loops over `FORMATS`, and write golden texts in tests/test_NAME.py.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from aligner_core.errors import AlignerError
from aligner_core.timeline import Alignment, Line
from plugin.files import StrPath, read_text, write_atomic

Level = Literal["line", "word", "syllable", "phone"]
LEVELS: tuple[Level, ...] = ("line", "word", "syllable", "phone")
KaraokeTag = Literal["k", "kf", "ko"]

_SIGNS = {
    "lrc": re.compile(r"^[ \t]*\[[0-9]{2,3}:[0-9]{2}(?:[.:][0-9]+)?\]", re.MULTILINE),
    "srt": re.compile(r"^[ \t]*[0-9]+:[0-9]+:[0-9]+[.,][0-9]+ *-->", re.MULTILINE),
    "ass": re.compile(r"^(?:\[Script Info\]|Dialogue:\s*\S+?,[0-9]+:[0-9]+:)", re.MULTILINE),
    "json": re.compile(r'\A\s*\{\s*"'),
}
_LINE_ENDS = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


class FormatError(AlignerError):
    """A format nobody knows, a file that is not in its format, or an alignment that a format cannot hold.

    `where` is `file:line`; from `Format.parse`, which knows no file name, the line alone.
    """


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How to write.

    Args:
        level: the finest level to write, None: what is usual for the format; what is too fine for it is written as
            fine as it can.
        tag: how karaoke tags light a syllable up: at once (k), from left to right (kf), by its outline (ko).
    """

    level: Level | None = None
    tag: KaraokeTag = "kf"


DEFAULTS = RenderOptions()


class Format(ABC):
    """One way to keep timed text in a file. Reading never invents times; lines without time are not written."""

    name: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]  # lower case, with the dot; the first is the usual one
    step: ClassVar[float]  # coarsest step of written times, seconds; 0: exact
    levels: ClassVar[tuple[Level, ...]]  # that it can hold, coarse to fine; empty: no times at all
    default: ClassVar[Level] = "line"  # written if none is asked for
    starts_only: ClassVar[tuple[Level, ...]] = ()  # levels at which a span lasts until the next one begins

    @abstractmethod
    def parse(self, text: str) -> Alignment:
        """Read the text of a file, any line ends.

        Raises:
            FormatError: it is not in this format; `where` is the line.
        """

    @abstractmethod
    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:
        r"""Write the text of a file, lines ending in "\n". Edges are rounded to `step`, never durations.

        Raises:
            FormatError: nothing in it can be written.
        """

    def load(self, path: StrPath) -> Alignment:
        """Read a file.

        Raises:
            LyricsError: it cannot be read as text.
            FormatError: it is not in this format.
        """
        text = read_text(path).text
        try:
            return self.parse(text)
        except FormatError as error:
            raise _located(error, path) from error

    def save(self, alignment: Alignment, path: StrPath, options: RenderOptions = DEFAULTS) -> None:
        """Write a file, whole or not at all, in UTF-8 without a byte order mark.

        Raises:
            FormatError: nothing in it can be written.
            FileError: the disk does not take it.
        """
        try:
            text = self.render(alignment, options)
        except FormatError as error:
            raise _located(error, path) from error
        write_atomic(path, text.encode("utf-8", errors="replace"))

    def level_for(self, options: RenderOptions) -> Level:
        """The level to write: the wanted or the usual one, or the finest that this format holds."""
        wanted = options.level or self.default
        return wanted if wanted in self.levels else self.levels[-1]


def split_rows(text: str) -> list[str]:
    """The rows of a text, none after its last line end; unlike `str.splitlines`, form feeds and the like stay text."""
    rows = re.split(r"\r\n|\r|\n", text)
    return rows if rows[-1] else rows[:-1]


def one_row(text: str) -> str:
    """The text with a space for every character that any reader could take for a line end."""
    return _LINE_ENDS.sub(" ", text)


def timed_lines(alignment: Alignment) -> list[tuple[float, float, Line]]:
    """Start, end (seconds) and line of all that is sung and was found, by start: what players want to be given.

    Raises:
        FormatError: there is none.
    """
    found = [
        (line.start, line.end, line)
        for line in alignment.lines
        if line.kind == "lyrics" and line.text.strip() and line.start is not None and line.end is not None
    ]
    if not found:
        raise FormatError("no line has a time", hint="align it with its sound first, or write .txt or .json")
    return sorted(found, key=lambda item: item[0])


def refuse_foreign(text: str, own: str) -> None:
    """See that a text which any text could be is not in one of the other formats.

    Raises:
        FormatError: it is; `where` is the first line that tells.
    """
    for name, sign in _SIGNS.items():
        if name != own and (found := sign.search(text)):
            row = len(split_rows(text[: found.end()])) - found[0].strip().count("\n")
            raise FormatError(f"this is {name}, not {own}", str(row), f"name it .{name}")


def _located(error: FormatError, path: StrPath) -> FormatError:
    where = f"{path}:{error.where}" if error.where else str(path)
    return FormatError(error.what, where, error.hint)
