"""What a model has heard in a sound is kept, so that the same sound with another text takes no second hearing, and so
is a voice that was taken out of its music.

An entry is one file: sha256 of what follows; a line of JSON, padded to a multiple of `ALIGN` bytes; the table of
what the model gave, little-endian float32, row by row: the very numbers, so an alignment does not depend on the cache.
An entry for a voice is the sha256 and the samples, little-endian int16.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._version import __version__

VERSION = 4  # of the layout, and of the way from sound to log-probabilities: one more when either changes
VARIABLE = "KARALIGN_CACHE"  # names another folder
LIMIT = 2**30  # bytes of all entries
ALIGN = 64  # bytes
DIGEST = 32  # bytes
SUFFIX, VOICE, PART = ".heard", ".voice", ".part"
ABANDONED = 86400  # seconds after which an unfinished file belongs to no running process


@dataclass(frozen=True)
class Facts:
    """What has to be known of the model to align a text with what it heard; see `AcousticModel`."""

    symbols: tuple[str, ...]
    sample_rate: int
    frame_seconds: float


class Cache:
    """A folder of entries; whatever goes wrong with it, it is as if nothing had been kept.

    Args:
        folder: by default what `KARALIGN_CACHE` says, or the place that the system has for such files.
        limit: bytes; what was not used for longest goes first.
    """

    def __init__(self, folder: Path | None = None, limit: int = LIMIT) -> None:
        self.folder, self.limit = folder or _folder(), limit

    def fetch(self, key: str) -> tuple[NDArray[np.float32], Facts] | None:
        """What was heard, (frames, columns), and the facts of its model; None if it is not there or damaged."""
        data = self._read(self.folder / (key + SUFFIX))
        return None if data is None else _unpacked(data)

    def keep(self, key: str, heard: NDArray[np.float32], facts: Facts) -> None:
        """Keep what was heard, (frames, columns); other processes see the whole entry or none."""
        table = np.ascontiguousarray(heard, dtype="<f4").data.cast("B")
        self._keep(self.folder / (key + SUFFIX), _head(facts, heard.shape[1]), table)

    def fetch_voice(self, key: str) -> NDArray[np.int16] | None:
        """The voice (samples,) of a sound; None if it is not there or damaged."""
        data = self._read(self.folder / (key + VOICE))
        if data is None:
            return None
        return np.frombuffer(data, "<i2", offset=DIGEST).astype(np.int16, copy=sys.byteorder != "little")

    def keep_voice(self, key: str, samples: NDArray[np.int16]) -> None:
        """Keep the voice (samples,) of a sound, as `keep` does."""
        self._keep(self.folder / (key + VOICE), np.ascontiguousarray(samples, dtype="<i2").data.cast("B"))

    def _read(self, path: Path) -> bytearray | None:
        """All of an entry; None if it is not there or damaged."""
        try:
            data = bytearray(path.stat().st_size)
            with path.open("rb") as file:
                file.readinto(data)
        except OSError:
            return None
        if data[:DIGEST] != hashlib.sha256(memoryview(data)[DIGEST:]).digest():
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used now
        return data

    def _keep(self, path: Path, *parts: bytes | memoryview) -> None:
        if DIGEST + sum(map(len, parts)) > self.limit:
            return
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(path, digest.digest(), *parts)
            self._trim()

    def _write(self, path: Path, *parts: bytes | memoryview) -> None:
        number, name = tempfile.mkstemp(PART, dir=self.folder)
        try:
            with os.fdopen(number, "wb") as file:
                file.writelines(parts)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)

    def _trim(self) -> None:
        size = self.size
        for path in sorted(self.entries, key=_used):
            if size <= self.limit:
                break
            size -= _bytes(path)
            path.unlink(missing_ok=True)
        for path in self.folder.glob("*" + PART):
            if _used(path) < time.time() - ABANDONED:
                path.unlink(missing_ok=True)

    @property
    def entries(self) -> list[Path]:
        """The files of all entries."""
        return [path for suffix in (SUFFIX, VOICE) for path in self.folder.glob("*" + suffix)]

    @property
    def size(self) -> int:
        """Bytes of all entries."""
        return sum(map(_bytes, self.entries))

    def clear(self) -> None:
        """Delete all entries, and nothing else.

        Raises:
            OSError: one of them cannot be deleted.
        """
        for path in [*self.entries, *self.folder.glob("*" + PART)]:
            path.unlink(missing_ok=True)


def key(sound: str | Path, checkpoint: Path, device: str, separator: str = "") -> str | None:
    """The name of the entry for this content of a sound file, this content of a checkpoint, this kind of device and
    what separated the voice, if anything did; None where a file cannot be read.

    CPU and GPU round differently, so they don't share: what is heard on one never changes what comes out of the other.
    """
    separated = [separator] if separator else []
    return _named([VERSION, __version__, device.partition(":")[0]], [Path(sound), checkpoint], separated)


def voice_key(sound: str | Path, separator: str) -> str | None:
    """The name of the entry for the voice that a separator takes out of this content of a sound file; None where that
    cannot be read."""
    return _named([VERSION, __version__], [Path(sound)], ["voice", separator])


def _named(before: Sequence[object], files: Sequence[Path], after: Sequence[object]) -> str | None:
    try:
        contents = [_content(path) for path in files]
    except OSError:
        return None
    return hashlib.sha256(json.dumps([*before, *contents, *after]).encode()).hexdigest()


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder() -> Path:
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("karalign", appauthor=False)


def _head(facts: Facts, columns: int) -> bytes:
    line = json.dumps(asdict(facts) | {"columns": columns}).encode()
    return line + b" " * (-(DIGEST + len(line) + 1) % ALIGN) + b"\n"


def _unpacked(data: bytearray) -> tuple[NDArray[np.float32], Facts]:
    end = data.index(b"\n", DIGEST) + 1
    known: dict[str, Any] = json.loads(data[DIGEST:end])
    table = np.frombuffer(data, "<f4", offset=end).reshape(-1, known.pop("columns"))
    facts = Facts(**(known | {"symbols": tuple(known["symbols"])}))
    return table.astype(np.float32, copy=sys.byteorder != "little"), facts


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # another process has deleted it
        return 0


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
