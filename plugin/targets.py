"""Where the output goes: settled and tried before any work begins, so that a bad name fails at once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from aligner_core.timeline import Alignment

from .files import FileError, back_up, read_text, write_atomic
from .formats import FORMATS, LEVELS, Format, RenderOptions, by_name, for_path, for_text

STDOUT = "-"
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Target:
    """One output: a file name or `STDOUT`, the format it gets, and how that is written."""

    name: str
    format: Format
    options: RenderOptions
    source: str = ""  # the file that the text is from: in its own format, it is written with other times

    def write(self, alignment: Alignment) -> None:
        """Write all of it or, where that fails, nothing; what overwrites its source is backed up first.

        Raises:
            FormatError, FileError: as `Format.save` does.
        """
        data = self._retimed(alignment) if self.source else None
        if data is not None and self.name == STDOUT:
            click.echo(data, nl=False)
        elif data is not None:
            self._keep_source()
            write_atomic(self.name, data)
        elif self.name == STDOUT:
            click.echo(self.format.render(alignment, self.options).encode("utf-8", errors="replace"), nl=False)
        else:
            self._keep_source()
            self.format.save(alignment, self.name, self.options)

    def _keep_source(self) -> None:
        if self.source and Path(self.name).exists() and Path(self.name).samefile(self.source):
            back_up(self.source)

    def _retimed(self, alignment: Alignment) -> bytes | None:
        decoded = read_text(self.source)
        if for_text(self.source, decoded.text).name != self.format.name:
            return None
        text = self.format.retimed(decoded.text, alignment, self.options)
        return None if text is None else decoded.encoded(text)


def resolve(
    names: Sequence[str], format_name: str | None, options: RenderOptions, inputs: Sequence[str], clobber: bool,
    source: str = "",
) -> list[Target]:  # fmt: skip
    """Give every output its format and see that it can be written.

    Args:
        names: file names, or `STDOUT`.
        format_name: the format of all of them, or None: by the ending of each.
        inputs: files that no output may overwrite.
        clobber: whether other existing files may be overwritten.
        source: the file that the text is from, which outputs in its format are made of.

    Raises:
        FormatError, FileError: the first name that will not do.
    """
    targets = [Target(name, _format(name, format_name), options, source) for name in names]
    for name in names:
        if name != STDOUT:
            _check(Path(name), [Path(source) for source in inputs], clobber)
    return targets


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
    _check(path, [], clobber=True)
    return Target(source, form, options, source)


def output_options(command: _F) -> _F:
    """The options that say how to write: --format, --level, --k-tag and --no-clobber."""
    formats = click.Choice([known.name for known in FORMATS], case_sensitive=False)
    level = "The finest times to write.  [default: what is usual for the format]"
    tag = "ASS: light a syllable up at once (k), from left to right (kf) or by its outline (ko)."
    for option in (
        click.option("--no-clobber", is_flag=True, help="Refuse to overwrite a file that exists."),
        click.option("--k-tag", type=click.Choice(("k", "kf", "ko")), default="kf", show_default=True, help=tag),
        click.option("--level", type=click.Choice(LEVELS), help=level),
        click.option("--format", "format_name", type=formats, help="Whatever the file's name ends in."),
    ):
        command = option(command)
    return command


def _format(name: str, format_name: str | None) -> Format:
    if format_name is not None:
        return by_name(format_name)
    if name == STDOUT:
        raise click.UsageError("standard output needs --format")
    return for_path(name)


def _check(path: Path, inputs: Sequence[Path], clobber: bool) -> None:
    if path.is_dir():
        raise FileError("is a folder", str(path), "name a file in it")
    if not path.exists():
        _try_folder(path.parent)
    elif any(source.exists() and path.samefile(source) for source in inputs):
        raise FileError("would overwrite the input", str(path), "choose another name")
    elif not clobber:
        raise FileError("exists already", str(path), "choose another name or leave out --no-clobber")
    elif path.is_file():
        if not os.access(path, os.W_OK):
            raise FileError("is write-protected", str(path))
        _try_folder(path.resolve().parent)


def _try_folder(folder: Path) -> None:
    """Make a nameless file there: the only test that also holds for root, on read-only disks and in /proc."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileNotFoundError as error:
        raise FileError("there is no such folder", str(folder), "make it first") from error
    except OSError as error:
        raise FileError(f"cannot be written to: {error.strerror}", str(folder)) from error
