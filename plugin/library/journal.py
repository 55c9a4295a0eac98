"""What has been done, a line of JSON each, so that a run that was stopped in any way goes on where it was.

    {"run": "4f1d...", "karalign": "0.9.0", ...}         under these settings
    {"planned": {item}, "marks": {...}}                  this is going to be done: its outputs are ours
    {"run": "4f1d...", "outcome": {...}, "marks": {...}} this was done, to files with these marks

Lines are only ever added. One that is cut off, as the machine stopped, is as if it had never been written.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aligner_core._version import __version__
from aligner_core.errors import AlignerError
from aligner_core.weights import checkpoint

from .places import is_url
from .work import Item, Outcome, Settings

if sys.platform != "win32":
    import fcntl

VERSION = 1
SYNC = 1.0  # seconds between flushes to the disk: a power cut costs no more

Mark = tuple[int, int] | None  # bytes and nanoseconds of the last change; None: it is not there
Marks = Mapping[str, Mark]


class JournalError(AlignerError):
    """A journal that cannot be used."""


@dataclass(frozen=True)
class Run:
    """What an outcome depends on besides the files."""

    karalign: str
    checkpoint: str
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """This karalign, with the content of the checkpoint."""
        try:
            with checkpoint(settings.model).open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:  # one that is fetched when it is needed, or that the engine will miss
            content = settings.model or ""
        return cls(__version__, content, json.loads(json.dumps(asdict(settings), default=str)))

    @property
    def name(self) -> str:
        """A short name for it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


class Journal:
    """A file that one process at a time writes to.

    Args:
        writes: whether it is going to be written to; else it is looked at, and need not be there.

    Attributes:
        outcomes: of each item, the last one under these settings, and the marks of its files.
        planned, finished: of each item that was ever to be done or was done, the marks of its files at that time.

    Raises:
        JournalError: another process is using it.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, run: Run, writes: bool = True) -> None:
        self.path, self.run, self.writes, self.synced = path, run, writes, time.monotonic()
        self.outcomes: dict[Item, tuple[Outcome, Marks]] = {}
        self.planned: dict[Item, Marks] = {}
        self.finished: dict[Item, Marks] = {}
        if not writes and not path.is_file():
            path = Path(os.devnull)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT if writes else os.O_RDONLY, 0o666)
        try:
            if writes:
                self._lock()
            end = self._read()
            if writes:  # where the last whole line ends
                os.ftruncate(self._file, end)
                os.lseek(self._file, end, os.SEEK_SET)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.writes:
            os.fsync(self._file)
        os.close(self._file)

    @property
    def ours(self) -> frozenset[str]:
        """All files that were ever to be written."""
        return frozenset(output for item in self.planned for output in item.outputs)

    def known(self, item: Item) -> Outcome | None:
        """What became of an item, if its files are still those that it was done from, and that were written.

        Files in stores are not looked at, at a request each: of those the journal is believed.
        """
        if not (there := self.outcomes.get(item)):
            return None
        outcome, marks = there
        if dict(marks) != dict(marks_of(item)):
            return None
        here = [(name, size) for name, size in zip(item.outputs, outcome.written, strict=False) if not is_url(name)]
        return outcome if all((mark := mark_of(name)) and mark[0] == size for name, size in here) else None

    def plan(self, items: Mapping[Item, Marks]) -> None:
        """Say what is going to be done, to files with these marks, before any of it is.

        Raises:
            JournalError: the disk does not take it.
        """
        news = {item: dict(marks) for item, marks in items.items() if self.planned.get(item) != dict(marks)}
        self.planned |= news
        lines = [{"planned": asdict(item), "marks": marks} for item, marks in news.items()]
        self._write([{"journal": VERSION, "run": self.run.name, **asdict(self.run)}, *lines], sync=True)

    def add(self, outcome: Outcome, marks: Marks) -> None:
        """Say what was done, to files with these marks.

        Raises:
            JournalError: the disk does not take it.
        """
        self._done(outcome, marks, self.run.name)
        line = {"run": self.run.name, "outcome": outcome.to_dict(), "marks": dict(marks)}
        self._write([line], time.monotonic() > self.synced + SYNC)

    def _write(self, lines: Iterable[Mapping[str, Any]], sync: bool) -> None:
        data = memoryview("".join(f"{json.dumps(line)}\n" for line in lines).encode())
        try:
            while data:
                data = data[os.write(self._file, data) :]
            if sync:
                os.fsync(self._file)
                self.synced = time.monotonic()
        except OSError as error:
            hint = "make room; again, it goes on there"
            raise JournalError(f"cannot be written: {error.strerror}", str(self.path), hint) from error

    def _lock(self) -> None:
        if sys.platform == "win32":  # there is no such lock
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalError("another run is using it", str(self.path), "wait for it, or --report DIR") from error
        except OSError:  # a disk without locks
            pass

    def _read(self) -> int:
        """Take in all whole lines; the bytes in them."""
        end = 0
        with os.fdopen(os.dup(self._file), "rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    end += len(line)
                    self._take(line)
        return end

    def _take(self, line: bytes) -> None:
        with suppress(ValueError, KeyError, TypeError, AttributeError):  # a damaged line: its song is done once more
            data = json.loads(line)
            if "planned" in data:
                item = data["planned"]
                self.planned[Item(item["song"], item["lyrics"], tuple(item["outputs"]))] = _marks(data)
            elif "outcome" in data:
                self._done(Outcome.from_dict(data["outcome"]), _marks(data), data["run"])

    def _done(self, outcome: Outcome, marks: Marks, run: str) -> None:
        self.finished[outcome.item] = marks
        if run == self.run.name:
            self.outcomes[outcome.item] = outcome, marks


def mark_of(path: str) -> Mark:
    """What tells one content of a file from another without reading it."""
    try:
        found = os.stat(path)  # noqa: PTH116 (names may be URLs)
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns


def marks_of(item: Item) -> dict[str, Mark]:
    """Those of the song and its lyrics."""
    return {name: mark_of(name) for name in _inputs(item)}


def _inputs(item: Item) -> Iterator[str]:
    yield item.song
    if item.lyrics:
        yield item.lyrics


def _marks(data: Mapping[str, Any]) -> dict[str, Mark]:
    return {name: mark and (int(mark[0]), int(mark[1])) for name, mark in data["marks"].items()}
