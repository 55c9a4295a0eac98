"""Files as people have them: text in any usual encoding in, whole files or nothing out."""

from __future__ import annotations

import codecs
import os
import re
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from aligner_core.errors import AlignerError, LyricsError

StrPath = str | os.PathLike[str]
MAX_TEXT = 64 * 2**20  # bytes: no lyrics are longer, and a film given by mistake should not fill the memory

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ENDIAN = {  # the codecs that write no mark of their own
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
}
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")  # what no text holds; tab, line ends and form feed may
_DOS_END = "\x1a"
_PREFIX, _SUFFIX, _TOKEN = ".karalign-", ".tmp", 12  # of files that are being written; a song's has a longer name
_LOOK = 1000  # characters
_GUESS = "cp1252"


class FileError(AlignerError):
    """A file that cannot be written."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a file.

    Args:
        text: without a byte order mark, line ends as they were.
        encoding: the codec that read it.
        mark: the byte order mark.
        tail: what ended the file after the text, the end-of-file character of DOS.
    """

    text: str
    encoding: str
    mark: bytes = b""
    tail: str = ""

    def encoded(self, text: str) -> bytes:
        """Another text as the bytes of such a file: the same encoding, mark and tail.

        Raises:
            FileError: a character has no place in the encoding.
        """
        try:
            return self.mark + (text + self.tail).encode(_ENDIAN.get(self.mark, self.encoding))
        except UnicodeEncodeError as error:
            raise FileError(
                f"{error.object[error.start]!r} is not in {self.encoding}", hint="save it as UTF-8"
            ) from error

    @property
    def guessed(self) -> bool:
        """Whether nothing in the file proves the encoding."""
        return self.encoding == _GUESS


def read_text(path: StrPath, encoding: str | None = None) -> Decoded:
    """Read a text file: by its byte order mark, else as UTF-8, else in `encoding` or (a guess) as Windows-1252.

    Raises:
        LyricsError: missing, unreadable, binary, too large or empty.
    """
    return decoded(_read_bytes(path), str(path), encoding)


def decoded(data: bytes, where: str, encoding: str | None = None) -> Decoded:
    """The bytes of a text file as `read_text` reads them; `where` is its name for errors.

    Raises:
        LyricsError: binary or empty.
    """
    mark, marked = next(((bom, codec) for bom, codec in _BOMS if data.startswith(bom)), (b"", None))
    if not marked and not encoding:
        _refuse_binary(data.decode("latin-1"), where)  # before the encoding is blamed
    text, codec = _decode(data, (marked,) if marked else ("utf-8", encoding or _GUESS), where)
    _refuse_binary(text, where)
    tail = text[len(text.rstrip(_DOS_END)) :]
    if not (text := text.rstrip(_DOS_END)).strip():
        raise LyricsError("the file is empty", where)
    return Decoded(text, codec, mark, tail)


def back_up(path: StrPath) -> Path:
    """Copy a file to its `backup_name`, and give that name.

    Raises:
        FileError: it cannot be written.
    """
    backup = backup_name(Path(path))
    write_atomic(backup, _read_bytes(path))
    return backup


def backup_name(path: Path) -> Path:
    """`FILE.bak`, or `FILE.bak.1` and so on where that is an older backup, and not a second name of the file."""
    names = (path.with_name(f"{path.name}.bak{f'.{number}' if number else ''}") for number in count())
    return next(name for name in names if not os.path.lexists(name) or (name.exists() and name.samefile(path)))


def write_atomic(path: StrPath, data: bytes) -> None:
    """Put `data` in a file, all of it or none: written beside the target, then renamed over it.

    The mode bits of an existing file are kept, links are followed; devices and pipes are written to directly.

    Raises:
        FileError: it cannot be written; an existing file is as it was, and nothing is left behind.
    """
    try:
        target = Path(os.path.realpath(path))
        before = Path(path).stat() if Path(path).exists() else None
        if before and not stat.S_ISREG(before.st_mode):
            Path(path).write_bytes(data)  # to rename over /dev/stdout would replace the device
            return
        if before and not os.access(target, os.W_OK):
            raise PermissionError(None, "it is write-protected")
        _replace(target, data, stat.S_IMODE(before.st_mode) if before else None)
    except FileNotFoundError as error:
        raise FileError("cannot be written: its folder does not exist", str(path), "make the folder first") from error
    except (OSError, ValueError) as error:
        raise FileError(f"cannot be written: {_reason(error)}", str(path)) from error


def sweep_parts(folder: Path, before: float) -> None:
    """Delete what processes that were killed have left of `write_atomic` in a folder.

    Args:
        before: a time; what was changed later may still be written to.
    """
    for path in folder.glob(f"{_PREFIX}{'?' * _TOKEN}{_SUFFIX}"):
        with suppress(OSError):  # it is gone, or not ours to delete
            if path.stat().st_mtime < before:
                path.unlink()


def _read_bytes(path: StrPath) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_TEXT + 1)
    except FileNotFoundError as error:
        raise LyricsError("there is no such file", str(path)) from error
    except IsADirectoryError as error:
        raise LyricsError("is a folder", str(path), "a text file") from error
    except (OSError, ValueError) as error:
        raise LyricsError(f"cannot be read: {_reason(error)}", str(path)) from error
    if len(data) > MAX_TEXT:
        raise LyricsError(f"not a text: it is larger than {MAX_TEXT >> 20} MiB", str(path), "a text file")
    return data


def _refuse_binary(text: str, where: str) -> None:
    if found := _CONTROL.search(text.rstrip(_DOS_END)):
        row = text.count("\n", 0, found.start()) + 1
        if text[:_LOOK].count("\0") * 3 > len(text[:_LOOK]):  # every second byte of Latin letters in UTF-16
            raise LyricsError(
                "UTF-16 without its mark, or not a text", where, "save it as UTF-8, or --encoding utf-16-le"
            )
        raise LyricsError(f"not a text: it holds the byte 0x{ord(found[0]):02x}", f"{where}:{row}", "a text file")


def _decode(data: bytes, encodings: tuple[str, ...], where: str) -> tuple[str, str]:
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeError:
            continue
        if encoding == encodings[-1] or not _CONTROL.search(text.rstrip(_DOS_END)):  # UTF-16 can be valid UTF-8
            return text, encoding.removesuffix("-sig")
    raise LyricsError(f"not a text in {' or '.join(encodings)}", where, "save it as UTF-8")


def _replace(target: Path, data: bytes, mode: int | None) -> None:
    # short: the target's name may be the longest
    beside = target.with_name(f"{_PREFIX}{secrets.token_hex(_TOKEN // 2)}{_SUFFIX}")
    try:
        with beside.open("xb") as file:
            file.write(data)
        if mode is not None:
            beside.chmod(mode)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
