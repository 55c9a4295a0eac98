"""A song replaced in one step: written beside it, flushed to the disk, the old one kept under another name.

Whenever the process or the machine stops, the song is the old or the new one, whole. What is left behind then is a
file of a name that `sweep` knows, with nobody's lock on it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from plugin.files import FileError, backup_name

if sys.platform != "win32":
    import fcntl

_PREFIX, _SUFFIX = ".karalign-song-", ".tmp"
_TRIES = 20


def replace_song(path: Path, make: Callable[[Path], None], backup: bool, keep_time: bool) -> Path | None:
    """Put what `make` writes to the file it is given in the place of a song, and return the backup, if one is kept.

    Links are followed; mode, owner and extended attributes stay as they were. If `make` raises, nothing has happened.

    Raises:
        FileError: the disk does not take it; the song is as it was.
    """
    song = Path(os.path.realpath(path))
    check_writable(song)
    kept: Path | None = None
    try:
        beside, lock = _beside(song)
        try:
            make(beside)
            _dress(beside, song, keep_time)
            os.fsync(lock)
            kept = _keep(song) if backup else None
            beside.replace(song)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        finally:
            os.close(lock)
    except OSError as error:
        raise FileError(f"cannot be written: {error.strerror or error}", str(path)) from error
    return kept


def check_writable(song: Path) -> None:
    """See that a song may be written to.

    Raises:
        FileError: it is write-protected, or no usual file. Root is told as well.
    """
    mode = song.stat().st_mode
    if not stat.S_ISREG(mode):
        raise FileError("is not a usual file", str(song))
    if not mode & stat.S_IWUSR or not os.access(song, os.W_OK):
        raise FileError("is write-protected", str(song), "chmod u+w, if you mean it")


def sweep(folder: Path) -> int:
    """Delete what runs that were killed have left in a folder; how many files that were."""
    gone = 0
    try:
        left = [Path(one.path) for one in os.scandir(folder) if _is_ours(one.name)]
    except OSError:
        return 0
    for path in left:
        try:
            lock = os.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            _lock(lock)
            path.unlink()
            gone += 1
        except OSError:  # somebody is writing it
            pass
        finally:
            os.close(lock)
    return gone


def _is_ours(name: str) -> bool:
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


def _beside(song: Path) -> tuple[Path, int]:
    """A new empty file in the folder of a song, and an open and locked descriptor of it."""
    for _ in range(_TRIES):
        path = song.with_name(f"{_PREFIX}{secrets.token_hex(6)}{_SUFFIX}")
        lock = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            _lock(lock)
        except BlockingIOError:  # somebody is about to sweep it away
            os.close(lock)
            continue
        except OSError:  # a disk without locks, where nothing is swept either
            return path, lock
        if path.exists():  # else it was swept away before it was locked
            return path, lock
        os.close(lock)
    raise BlockingIOError(None, "other programs delete its temporary files")


def _lock(descriptor: int) -> None:
    if sys.platform != "win32":  # there, an open file cannot be deleted anyway
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _dress(beside: Path, song: Path, keep_time: bool) -> None:
    """Mode, owner, attributes; the time only if asked: libraries find changed songs by it."""
    before, now = song.stat(), beside.stat()
    if sys.platform != "win32" and (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
        with suppress(PermissionError):
            os.chown(beside, before.st_uid, before.st_gid)
    shutil.copystat(song, beside)
    if not keep_time:
        os.utime(beside, ns=(before.st_atime_ns, now.st_mtime_ns))


def _keep(song: Path) -> Path:
    """The backup: a second name of the very file where the disk has such, else a copy."""
    name = backup_name(song)
    if os.path.lexists(name):  # the backup that a killed run made just before it would have renamed
        return name
    try:
        os.link(song, name)
    except OSError:
        part = song.with_name(f"{_PREFIX}{secrets.token_hex(6)}{_SUFFIX}")
        try:
            shutil.copy2(song, part)
            part.rename(name)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return name


def flush(folder: Path) -> None:
    """The names of a folder to the disk, which makes the changes last through a power cut; not every system can.

    Before that, a power cut may leave any song the old one, but none damaged: its bytes were flushed before its name.
    """
    if sys.platform == "win32":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
