"""What a format is. To add one:

1. write `plugin/formats/NAME.py` with a subclass of `Format`: its class attributes, `parse` and `render`;
2. add an instance of it to `FORMATS` in `plugin/formats/__init__.py`;
3. if its files could be taken for lyrics, add what gives them away to `SIGNS` below;
4. say in `keeps` and the attributes beside it what it can hold, which the tests and `karalign formats` go by;
5. run tests/test_formats.py, which loops over `FORMATS`, and write golden texts in tests/test_NAME.py.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from aligner_core.errors import AlignerError
from aligner_core.timeline import Alignment, Line
from plugin.files import Decoded, StrPath, read_text, write_atomic

Level = Literal["line", "word", "syllable", "phone"]
LEVELS: tuple[Level, ...] = ("line", "word", "syllable", "phone")
KaraokeTag = Literal["k", "kf", "ko"]

MOST = 100_000  # words or rows

SIGNS = {
    "lrc": re.compile(r"^[ \t]*\[[0-9]{2,3}:[0-9]{2}(?:[.:][0-9]+)?\]", re.MULTILINE),
    "srt": re.compile(r"^[ \t]*[0-9]+:[0-9]+:[0-9]+[.,][0-9]+ *-->", re.MULTILINE),
    "ass": re.compile(r"^(?:\[Script Info\]|Dialogue:\s*\S+?,[0-9]+:[0-9]+:)", re.MULTILINE),
    "json": re.compile(r'\A\s*\{\s*"'),
    "vtt": re.compile(r"\A\ufeff?WEBVTT(?:[ \t].*)?$", re.MULTILINE),
    "ttml": re.compile(r"\A\s*(?:<\?xml[^>]*\?>\s*)?<(?:\w+:)?tt[\s>]"),
    "ultrastar": re.compile(r"^#BPM:\s*[0-9]", re.MULTILINE | re.IGNORECASE),
    "labels": re.compile(r"\A\s*-?[0-9]+[.,][0-9]+\t-?[0-9]+[.,][0-9]+(?:\t|$)", re.MULTILINE),
    "textgrid": re.compile(r'\A\s*(?:File type = )?"ooTextFile(?: short)?"'),
    "ctm": re.compile(r"\A(?:;;.*\n)*\S+ \S+ [0-9]+\.[0-9]+ [0-9]+\.[0-9]+ \S+"),
    "tsv": re.compile(r"\Astart\tend\t"),
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
    shortest: ClassVar[float] = 0.0  # seconds; what lasts less may lose its time
    flat: ClassVar[bool] = False  # below the line every word is written, and read again, as a line of its own
    bounds: ClassVar[bool] = True  # a line has edges of its own; else it lasts from its first word to its last
    times_one_word: ClassVar[bool] = False  # a line of one word gives that word its time
    in_place: ClassVar[bool] = False  # `retimed` can
    sparse: ClassVar[bool] = True  # words without time may stand among timed ones
    keeps: ClassVar[frozenset[str]] = frozenset()  # what it can hold besides: names in `Extra`
    encoding: ClassVar[str] = "UTF-8"  # written; all are read by their mark, as UTF-8, or as Windows-1252

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
        return self.read(read_text(path), path)

    def read(self, decoded: Decoded, path: StrPath) -> Alignment:
        """Read the text of a file, whose name is told in errors.

        Raises:
            FormatError: it is not in this format.
        """
        try:
            return self.parse(decoded.text)
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

    def losses(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> tuple[str, ...]:
        """What of an alignment `render` will not write, in words; scores, which are no part of the text, aside."""
        written = LEVELS.index(self.level_for(options)) if self.levels else -1
        finer = (alignment.words, alignment.syllables, alignment.phones)
        lost = [
            f"times of {level}s" for level, spans in zip(LEVELS[1:], finer, strict=True)
            if LEVELS.index(level) > written and any(span.timed for span in spans)
        ]  # fmt: skip
        if self.levels and any(line.words and not line.timed for line in alignment.lines):
            lost.append("lines without time")
        told = [alignment.extra, *(line.extra for line in alignment.lines), *(s.extra for s in alignment.syllables)]
        names = dict.fromkeys(name for extra in told for name in extra)
        return (*lost, *(name for name in names if not self._keeps(name)))

    def _keeps(self, name: str) -> bool:
        return name in self.keeps or name.startswith(f"{self.name}:")

    def retimed(self, text: str, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str | None:  # noqa: ARG002
        """The text of a file with the times of `alignment`, all else byte for byte, or None: this format cannot.

        Args:
            text: a file that `parse` reads.
            alignment: of its lines, `number` telling which; a line without time keeps its old one.
        """
        return None

    def level_for(self, options: RenderOptions) -> Level:
        """The level to write: the wanted or the usual one, or the finest that this format holds."""
        wanted = options.level or self.default
        return wanted if wanted in self.levels else self.levels[-1]


def split_rows(text: str) -> list[str]:
    """The rows of a text, none after its last line end; unlike `str.splitlines`, form feeds and the like stay text."""
    rows = re.split(r"\r\n|\r|\n", text)
    return rows if rows[-1] else rows[:-1]


def rows_and_ends(text: str) -> list[str]:
    """The rows of a text at even places, their ends at odd ones; joined, they are the text."""
    return re.split(r"(\r\n|\r|\n)", text)


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


def refuse_long(text: str) -> None:
    """See that a text is no longer than any lyrics or subtitles are: what is in it takes memory, word by word.

    Raises:
        FormatError: it has more than `MOST` words or rows, ten hours of speech.
    """
    words, rows = len(text.split()), text.count("\n") + text.count("\r")
    if max(words, rows) > MOST:
        raise FormatError(f"too long: {words} words, {rows} rows", "1", f"at most {MOST}")


def refuse_foreign(text: str, own: str) -> None:
    """See that a text which any text could be is not in one of the other formats.

    Raises:
        FormatError: it is; `where` is the first line that tells.
    """
    for name, sign in SIGNS.items():
        if name != own and (found := sign.search(text)):
            row = len(split_rows(text[: found.end()])) - found[0].strip().count("\n")
            raise FormatError(f"this is {name}, not {own}", str(row), f"name it .{name}")


def _located(error: FormatError, path: StrPath) -> FormatError:
    where = f"{path}:{error.where}" if error.where else str(path)
    return FormatError(error.what, where, error.hint)
