"""Reading text in any encoding; writing all or nothing."""

from __future__ import annotations

import codecs
import errno
import os
import re
import resource
import signal
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner_core.errors import LyricsError
from plugin import files
from plugin.files import FileError, read_text, write_atomic

NAMES = ["song.lrc", "my song.lrc", "-o.lrc", 'it\'s "it".lrc', "Ünïcode 歌.lrc", "a\nb.lrc", "x" * 251 + ".lrc"]


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(
    ("data", "encoding", "guessed"),
    [
        ("né à\n".encode(), "utf-8", False),
        (codecs.BOM_UTF8 + "né à\n".encode(), "utf-8", False),
        ("né à\n".encode("utf-16"), "utf-16", False),
        (codecs.BOM_UTF16_BE + "né à\n".encode("utf-16-be"), "utf-16", False),
        ("né à\n".encode("utf-32"), "utf-32", False),
        ("né à\n".encode("cp1252"), "cp1252", True),
        ("né à\n\x1a".encode(), "utf-8", False),
    ],
)
def test_text_is_read_in_the_usual_encodings(data: bytes, encoding: str, guessed: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    decoded = read_text(path)
    assert (decoded.text, decoded.encoding, decoded.guessed) == ("né à\n", encoding, guessed)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a.txt: the file is empty"),
        (b" \r\n\t\n", "a.txt: the file is empty"),
        (codecs.BOM_UTF8, "a.txt: the file is empty"),
        (b"one\ntw\x00o", "a.txt:2: not a text: it holds the byte 0x00 (a text file)"),
        (b"ID3\x04\x00\xff\x81\x8d", "a.txt:1: not a text: it holds the byte 0x04 (a text file)"),
        (
            "né à\n".encode("utf-16-le"),
            "a.txt: UTF-16 without its mark, or not a text (save it as UTF-8, or --encoding utf-16-le)",
        ),
        ("a\x01".encode("utf-16"), "a.txt:1: not a text: it holds the byte 0x01 (a text file)"),
        (b"caf\x81", "a.txt: not a text in utf-8 or cp1252 (save it as UTF-8)"),
        (codecs.BOM_UTF16_LE + b"a", "a.txt: not a text in utf-16 (save it as UTF-8)"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(LyricsError) as caught:
        read_text(path)
    assert str(caught.value) == f"{tmp_path}/{message}"


@given(data=st.binary(max_size=200))
def test_any_bytes_are_text_or_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.txt"
    path.write_bytes(data)
    try:
        text = read_text(path).text
    except LyricsError:
        text = "refused"
    assert text.strip()
    assert "\x00" not in text


def test_a_missing_file_a_folder_and_too_large_a_file_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LyricsError, match=r"none\.txt: there is no such file$"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(LyricsError, match=r": is a folder \(a text file\)$"):
        read_text(tmp_path)
    with pytest.raises(LyricsError, match="cannot be read: embedded null byte"):
        read_text("a\0b")
    (tmp_path / "film.txt").write_bytes(b"a" * 11)
    monkeypatch.setattr(files, "MAX_TEXT", 10)
    with pytest.raises(LyricsError, match=r"film\.txt: not a text: it is larger"):
        read_text(tmp_path / "film.txt")


def test_an_unreadable_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(LyricsError, match=r"a\.txt: cannot be read: Permission denied$"):
        read_text(tmp_path / "a.txt")


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_kind_are_written_and_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomic(name, b"la\n")
    assert read_text(name).text == "la\n"
    assert names_in(tmp_path) == [name]


def test_a_new_file_gets_the_usual_mode_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    usual, path = tmp_path / "usual", tmp_path / "a.lrc"
    usual.touch()
    write_atomic(path, b"1")
    assert path.stat().st_mode == usual.stat().st_mode
    path.chmod(0o640)
    write_atomic(path, b"2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.read_bytes() == b"2"


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.lrc"
    link.symlink_to("there/a.lrc")
    for data in (b"new", b"again"):
        write_atomic(link, data)
        assert link.is_symlink()
        assert (tmp_path / "there" / "a.lrc").read_bytes() == data


def test_what_is_no_plain_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"  # and not a real device: where the promise is broken, root would lose it
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomic(pipe, b"la")
        assert os.read(reader, 10) == b"la"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.lrc"
    path.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # a write past it fails as on a full disk
    try:
        with pytest.raises(FileError, match=r"a\.lrc: cannot be written: File too large$"):
            write_atomic(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old_handler)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.lrc"]


@pytest.mark.parametrize(
    ("failure", "raised", "message"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), FileError, "cannot be written: No space left on device"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES)), FileError, "cannot be written: Permission denied"),
        (KeyboardInterrupt(), KeyboardInterrupt, "^$"),
    ],
)
def test_whatever_goes_wrong_the_old_file_stays(
    failure: BaseException, raised: type[BaseException], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.lrc"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(raised, match=message):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.lrc"]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match=r"no/a\.lrc: cannot be written: its folder does not exist \(make the folder"):
        write_atomic(tmp_path / "no" / "a.lrc", b"x")
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"file/a\.lrc: cannot be written: Not a directory$"):
        write_atomic(tmp_path / "file" / "a.lrc", b"x")
    with pytest.raises(FileError, match=re.escape(f"{tmp_path}: cannot be written: Is a directory")):
        write_atomic(tmp_path, b"x")
    with pytest.raises(FileError, match="cannot be written: embedded null byte"):
        write_atomic("a\0b", b"x")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(FileError, match=r"file: cannot be written: it is write-protected$"):
        write_atomic(tmp_path / "file", b"x")
