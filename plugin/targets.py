"""Where the output goes: settled and tried before any work begins, so that a bad name fails at once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from aligner_core.timeline import Alignment

from .files import FileError, back_up, write_atomic
from .formats import FORMATS, LEVELS, Format, RenderOptions, by_name, for_path
from .sources import Source

STDOUT = "-"
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Target:
    """One output: a file name or `STDOUT`, the format it gets, and how that is written."""

    name: str
    format: Format
    options: RenderOptions

    def write(self, alignment: Alignment, source: Source | None = None) -> RenderOptions | None:
        """Write all of it or, where that fails, nothing; what overwrites its source is backed up first.

        Args:
            alignment: what is written.
            source: the text that it is from: in its own format, it is written with other times, as fine as they are.

        Returns: how it was written; None: all of the source is there, with other times.

        Raises:
            FormatError, FileError: as `Format.save` does.
        """
        options = self._as_fine(source)
        data = self._retimed(alignment, source) if source else None
        if self.name == STDOUT:
            text = self.format.render(alignment, options).encode("utf-8", errors="replace") if data is None else data
            click.echo(text, nl=False)
            return options if data is None else None
        if source and _same_file(self.name, source.name):
            back_up(source.name)
        if data is None:
            self.format.save(alignment, self.name, options)
            return options
        write_atomic(self.name, data)
        return None

    def _as_fine(self, source: Source | None) -> RenderOptions:
        """In the format of the source its finest times are written, whatever is usual for the format."""
        if not source or not self._alike(source) or self.options.level or self.format.flat:
            return self.options
        spans = (source.alignment.lines, source.alignment.words, source.alignment.syllables, source.alignment.phones)
        held = [level for level, there in zip(LEVELS, spans, strict=True) if any(span.timed for span in there)]
        return replace(self.options, level=max((self.format.default, *held), key=LEVELS.index))

    def _alike(self, source: Source) -> bool:
        return source.format is not None and source.format.name == self.format.name

    def _retimed(self, alignment: Alignment, source: Source) -> bytes | None:
        if not source.decoded or not self._alike(source):
            return None
        text = self.format.retimed(source.decoded.text, alignment, self.options)
        return None if text is None else source.decoded.encoded(source.move.along(source.decoded.text, text))


def resolve(
    names: Sequence[str], format_name: str | None, options: RenderOptions, inputs: Sequence[str], clobber: bool
) -> list[Target]:
    """Give every output its format and see that it can be written.

    Args:
        names: file names, or `STDOUT`.
        format_name: the format of all of them, or None: by the ending of each.
        inputs: files that no output may overwrite.
        clobber: whether other existing files may be overwritten.

    Raises:
        UsageError: one is named twice.
        FormatError, FileError: the first name that will not do.
    """
    refuse_twice(names)
    targets = [Target(name, _format(name, format_name), options) for name in names]
    for name in names:
        if name != STDOUT:
            check_writable(Path(name), inputs, clobber)
    return targets


def refuse_twice(names: Sequence[str]) -> None:
    """See that no output would overwrite another.

    Raises:
        UsageError: two names are those of one file.
    """
    places = [name if name == STDOUT else os.path.normcase(os.path.realpath(name)) for name in names]
    for at, name in enumerate(names):
        if places[at] in places[:at]:
            raise click.UsageError(f"{name} would be written twice")


def in_place_of(source: str, options: RenderOptions) -> Target:
    """The file that the text is from, to be written with other times.

    Raises:
        FormatError, FileError: its format cannot, or the file cannot be written.
    """
    form, path = for_path(source), Path(source)
    if not form.in_place:
        names = ", ".join(known.name for known in FORMATS if known.in_place)
        raise FileError("cannot be written in place", source, f"only {names} can; name another file with -o")
    if options.level and form.name == "srt" and options.level != "line":
        raise FileError("words cannot become cues in place", source, "name another file with -o")
    check_writable(path, [], clobber=True)
    return Target(source, form, options)


def output_options(command: _F) -> _F:
    """The options that say how to write: --format, --level, --k-tag and --no-clobber."""
    formats = click.Choice([known.name for known in FORMATS], case_sensitive=False)
    command = karaoke_options(command)
    return click.option("--format", "format_name", type=formats, help="Whatever the file's name ends in.")(command)


def karaoke_options(command: _F) -> _F:
    """Those without --format."""
    clobber = click.option("--no-clobber", is_flag=True, help="Refuse to overwrite a file that exists.")
    return finish_options(clobber(command))


def finish_options(command: _F) -> _F:
    """--level and --k-tag alone."""
    level = "The finest times to write.  [default: what is usual for the format]"
    tag = "ASS: light a syllable up at once (k), from left to right (kf) or by its outline (ko)."
    for option in (
        click.option("--k-tag", type=click.Choice(("k", "kf", "ko")), default="kf", show_default=True, help=tag),
        click.option("--level", type=click.Choice(LEVELS), help=level),
    ):
        command = option(command)
    return command


def _same_file(name: str, other: str) -> bool:
    return Path(name).exists() and Path(other).exists() and Path(name).samefile(other)


def _format(name: str, format_name: str | None) -> Format:
    if format_name is not None:
        return by_name(format_name)
    if name == STDOUT:
        raise click.UsageError("standard output needs --format")
    return for_path(name)


def check_writable(path: Path, inputs: Sequence[str], clobber: bool) -> None:
    """See before any work begins that a file can be written, and is none of the inputs.

    Raises:
        FileError: it cannot, or is.
    """
    if path.is_dir():
        raise FileError("is a folder", str(path), "name a file in it")
    if not path.exists():
        try_folder(path.parent)
    elif any(source != STDOUT and _same_file(str(path), source) for source in inputs):
        raise FileError("would overwrite the input", str(path), "choose another name")
    elif not clobber:
        raise FileError("exists already", str(path), "choose another name or leave out --no-clobber")
    elif path.is_file():
        if not os.access(path, os.W_OK):
            raise FileError("is write-protected", str(path))
        try_folder(path.resolve().parent)


def try_folder(folder: Path) -> None:
    """Make a nameless file there: the only test that also holds for root, on read-only disks and in /proc.

    Raises:
        FileError: it cannot be done.
    """
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileNotFoundError as error:
        raise FileError("there is no such folder", str(folder), "make it first") from error
    except OSError as error:
        raise FileError(f"cannot be written to: {error.strerror}", str(folder)) from error
