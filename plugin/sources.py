"""Where timed text comes from: a file of any format and encoding, the tags of a song, or standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from aligner_core.errors import LyricsError
from aligner_core.timeline import Alignment

from .files import MAX_TEXT, Decoded, decoded, read_text
from .formats import FORMATS, Format, FormatError, by_name, for_path, for_text
from .formats.base import SIGNS
from .moves import Move

STDIN = "-"
_F = TypeVar("_F", bound=Callable[..., Any])
_BY_CONTENT = ("vtt", "ttml", "json", "textgrid", "tsv", "ass", "ultrastar", "srt", "labels", "ctm", "lrc")


@dataclass(frozen=True)
class Source:
    """What was read, and how.

    Args:
        name: of the file, or `STDIN`.
        alignment: what is in it.
        format, decoded: of a text; None: it is from the tags of a song.
        told: whether the encoding was told by the user.
        move: how its times have moved since.
    """

    name: str
    alignment: Alignment
    format: Format | None = None
    decoded: Decoded | None = None
    told: bool = False
    move: Move = field(default_factory=Move)

    def moved(self, move: Move) -> Source:
        """The same with other times.

        Raises:
            AlignmentError: as `Move.of` does.
        """
        return replace(self, alignment=move.of(self.alignment), move=move)

    def notes(self) -> tuple[str, ...]:
        """What the user should know of the reading, a line each."""
        if self.told or not self.decoded or not self.decoded.guessed:
            return ()
        return (f"{self.name}: read as {self.decoded.encoding}, which is a guess: --encoding NAME tells it",)


def read_source(name: str, format_name: str | None = None, encoding: str | None = None) -> Source:
    """Read a text or, where the ending tells no format of text, the tags of a song.

    Args:
        name: of the file, or `STDIN`.
        format_name: of the text, None: by the ending, of standard input by the content.
        encoding: of a text that has no mark and is not UTF-8.

    Raises:
        LyricsError: it cannot be read as text.
        FormatError: the ending is unknown, or the content is not what the ending says.
        TagError: a song without lyrics.
    """
    path = "standard input" if name == STDIN else name
    if name != STDIN and not format_name:
        try:
            for_path(name)  # an ending that is unknown is told before a file that is not there
        except FormatError:
            if lyrics := _in_tags(name):
                return Source(name, lyrics)
            raise
    text = decoded(_standard_input(), path, encoding) if name == STDIN else read_text(name, encoding)
    form = (
        by_name(format_name) if format_name else by_content(text.text) if name == STDIN else for_text(name, text.text)
    )
    return Source(name, form.read(text, path), form, text, encoding is not None)


def by_content(text: str) -> Format:
    """The format that a text looks like; plain lyrics if it looks like none."""
    name = next((name for name in _BY_CONTENT if SIGNS[name].search(text)), "txt")
    return by_name("ssa" if name == "ass" and "[V4 Styles]" in text else name)


def source_options(command: _F) -> _F:
    """The options that say how to read: --from-format and --encoding."""
    formats = click.Choice([known.name for known in FORMATS], case_sensitive=False)
    command = click.option("--from-format", type=formats, help="Format of the input, whatever its name ends in.")(
        command
    )
    return encoding_option(command)


def encoding_option(command: _F) -> _F:
    """The option --encoding."""
    return click.option(
        "--encoding", callback=_encoding, metavar="NAME",
        help="Encoding of a text that has no mark and is not UTF-8.  [default: a guess, cp1252]",
    )(command)  # fmt: skip


def _encoding(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    try:
        b"text".decode(value or "utf-8", "ignore")
    except (LookupError, ValueError) as error:
        raise click.BadParameter(f"{value!r} is no encoding that is known", ctx, param) from error
    return value


def _in_tags(name: str) -> Alignment | None:
    """The lyrics in the tags of a song; None: it is not a song."""
    from .tags import TagError, container_for
    from .tags.change import extract

    try:
        container_for(name)
    except TagError:
        return None
    return extract(Path(name))


def _standard_input() -> bytes:
    if sys.stdin is None:  # closed by whoever started this
        raise LyricsError("there is none", "standard input")
    data = sys.stdin.buffer.read(MAX_TEXT + 1)
    if len(data) > MAX_TEXT:
        raise LyricsError(f"not a text: it is larger than {MAX_TEXT >> 20} MiB", "standard input", "a text")
    return data
