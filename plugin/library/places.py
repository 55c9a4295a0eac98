"""Files in stores beyond this machine, named by URLs (s3://, gs://, sftp://, file://...): listed, fetched and put.

fsspec knows the stores; it is loaded when the first URL is met. Keys and passwords are its business, and come from
where it looks for them: the environment and the usual files of each store.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, Self

from aligner_core.errors import AlignerError
from plugin.tags import SUFFIXES
from plugin.tags.pairs import Texts, is_song, text_of, texts

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(::[A-Za-z][A-Za-z0-9+.-]+)*://")  # one letter is a drive of Windows
_RENAMING = {"file", "local", "sftp", "ssh", "smb", "ftp", "hdfs", "arrow_hdfs", "webhdfs"}  # they have real folders


class PlaceError(AlignerError):
    """A file in a store that cannot be listed, fetched or put."""


class NotThereError(PlaceError):
    """There is no such file or folder."""


def is_url(name: str) -> bool:
    """Whether a name is a URL rather than a path of this machine."""
    return _URL.match(name) is not None


def name_of(name: str) -> str:
    """The last part of a URL or path."""
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2]


def whole(url: str) -> str:
    """A URL as its store writes it, without a slash at the end.

    Raises:
        PlaceError: no such store is known.
    """
    store, path = _store(url)
    return str(store.unstrip_protocol(path)).rstrip("/")


def fetch(url: str, folder: Path) -> Path:
    """Copy a file from its store into a folder, under its own name.

    Raises:
        PlaceError: it is not there, or cannot be had.
    """
    store, path = _store(url)
    copy = folder / name_of(path)
    with _telling("fetched", url):
        store.get_file(path, str(copy))
    return copy


def put(file: Path, url: str) -> None:
    """Copy a file to its place in a store, where it is seen whole or not at all.

    An object store shows an object when all of it has come. In one with real folders it is written beside and renamed.

    Raises:
        PlaceError: the store does not take it.
    """
    store, path = _store(url)
    with _telling("written", url):
        if _RENAMING.isdisjoint(_protocols(store)):
            store.put_file(str(file), path)
            return
        folder = store._parent(path)
        store.makedirs(folder, exist_ok=True)
        beside = f"{folder}/.karalign-{secrets.token_hex(6)}.tmp"
        try:
            store.put_file(str(file), beside)
            store.mv(beside, path)
        except BaseException:
            with suppress(Exception):  # what went wrong first is what is told
                store.rm_file(beside)
            raise


def back_up(url: str) -> str:
    """Copy a file within its store to `URL.bak`, or `URL.bak.1` and so on where that is there, and give that name.

    Raises:
        PlaceError: it cannot be copied.
    """
    store, path = _store(url)
    with _telling("kept", url):
        store.invalidate_cache()
        backup = next(name for n in count() if not store.exists(name := f"{path}.bak{f'.{n}' if n else ''}"))
        store.cp_file(path, backup)
    return str(store.unstrip_protocol(backup))


def is_folder(url: str) -> bool:
    """Whether a URL is that of a folder, with or without anything in it.

    Raises:
        PlaceError: the store does not answer.
    """
    store, path = _store(url)
    with _telling("looked at", url):
        return bool(store.isdir(path))


def songs(
    url: str, recursive: bool, endings: tuple[str, ...] = SUFFIXES, but: Container[str] = ()
) -> list[tuple[str, str]]:
    """The songs in a folder of a store, each with the text of the same name beside it, "" where there is none.

    Which names are songs, which text wins and what is hidden is as in folders of this machine; so is the order.

    Args:
        endings: of songs.
        but: URLs of files that are no texts.

    Raises:
        PlaceError: it cannot be listed.
    """
    store, path = _store(url)
    root = path.rstrip("/")
    with _telling("listed", url):
        store.invalidate_cache()
        found = store.find(root, maxdepth=None if recursive else 1)
    by_folder: dict[PurePosixPath, list[str]] = {}
    for name in found:
        inside = PurePosixPath(name[len(root) :].lstrip("/"))
        if not any(part.startswith(".") for part in inside.parts[:-1]):
            by_folder.setdefault(inside.parent, []).append(inside.name)
    start = whole(url)
    shelves = [
        Shelf.of(f"{start}/{folder}" if folder.parts else start, names, but)
        for folder, names in sorted(by_folder.items(), key=lambda pair: pair[0].parts)
    ]
    return [
        (f"{shelf.url}/{name}", shelf.text_of(name))
        for shelf in shelves
        for name in sorted(shelf.names)
        if is_song(name, endings)
    ]


@dataclass(frozen=True)
class Shelf:
    """A folder of a store: its URL, the names of its files, and which of them are texts."""

    url: str
    names: frozenset[str]
    texts: Texts

    @classmethod
    def of(cls, url: str, names: Collection[str], but: Container[str]) -> Self:
        """A folder with these files; those of the URLs `but` are no texts."""
        return cls(url, frozenset(names), texts(name for name in names if f"{url}/{name}" not in but))

    def text_of(self, song: str) -> str:
        """The URL of the text of a song by the song's name; "": there is none."""
        text = text_of(PurePosixPath(song).stem, self.texts)
        return f"{self.url}/{text}" if text else ""


class Shelves(dict[str, Shelf]):
    """Folders of stores by their URLs, each listed when it is first asked for; one that is not there is empty.

    Args:
        but: URLs of files that are no texts.

    Raises:
        PlaceError: a store does not answer.
    """

    def __init__(self, but: Container[str] = ()) -> None:
        super().__init__()
        self.but = but

    def __missing__(self, url: str) -> Shelf:
        store, path = _store(url)
        try:
            with _telling("listed", url):
                store.invalidate_cache()
                names = [name_of(name) for name in store.ls(path, detail=False)]
        except NotThereError:
            names = []
        self[url] = Shelf.of(url, names, self.but)
        return self[url]

    def beside(self, song: str) -> str:
        """The URL of the text of the same name beside a song; "": there is none."""
        folder, _, name = song.rpartition("/")
        return self[folder].text_of(name)

    def has(self, url: str) -> bool:
        """Whether there is such a file."""
        folder, _, name = url.rpartition("/")
        return name in self[folder].names


def _store(url: str) -> tuple[Any, str]:
    """The store of a URL, and the path in it.

    Raises:
        PlaceError: no such store is known, or what knows it is not installed.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise PlaceError("a URL needs fsspec", url, "pip install karalign[cluster]") from error
    try:
        store, path = url_to_fs(url)
    except ImportError as error:  # it knows the store, and names the package that is missing
        raise PlaceError(str(error), url) from error
    except ValueError as error:
        raise PlaceError(str(error), url, "such as s3://bucket/songs") from error
    return store, path


def _protocols(store: Any) -> set[str]:
    known = store.protocol
    return {known} if isinstance(known, str) else set(known)


@contextmanager
def _telling(done: str, url: str) -> Iterator[None]:
    """What a store raises, in one line: each has exceptions of its own."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotThereError("there is no such file", url) from error
    except Exception as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise PlaceError(f"cannot be {done}: {reason}", url) from error
