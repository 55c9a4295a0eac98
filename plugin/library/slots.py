"""Numbers that go from one process to another: each slot is a file without a disk where the system has such.

On Linux it is memory that has no name in any folder and ends with the process that holds it, however that ends;
elsewhere a temporary file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float32]

KEPT = 2**26  # bytes that a free slot may hold on to, 17 minutes of sound: to fill the same memory again is quicker
FLOAT = 4  # bytes


class Slots:
    """A fixed number of them, each used by one at a time.

    Args:
        count: how many.

    Raises:
        OSError: the system has no room.
    """

    def __init__(self, count: int) -> None:
        self._folder = None if _has_nameless() else tempfile.TemporaryDirectory(prefix="karalign-")
        self._files = dict(map(self._made, range(count)))
        self._free = list(self._files)
        self._size: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in self._files.values():
            os.close(number)
        if self._folder:
            self._folder.cleanup()

    @property
    def free(self) -> bool:
        """Whether one is."""
        return bool(self._free)

    @property
    def held(self) -> int:
        """Bytes in those that are used."""
        return sum(self._size.values())

    def take(self) -> str:
        """The path of a free one, for `write` and `read` of any process of this user."""
        path = self._free.pop()
        self._size[path] = 0
        return path

    def grown(self, path: str, numbers: int) -> None:
        """Tell how much is in one."""
        self._size[path] = numbers * FLOAT

    def give(self, path: str) -> None:
        """Free one; it must be written by nobody any more."""
        if self._size.pop(path) > KEPT:
            os.truncate(self._files[path], 0)
        self._free.append(path)

    def _made(self, at: int) -> tuple[str, int]:
        if self._folder:
            path = str(Path(self._folder.name) / str(at))
            return path, os.open(path, os.O_CREAT | os.O_RDWR)
        return _nameless()


def _nameless() -> tuple[str, int]:
    """Memory as a file: a path that leads to it, for as long as its number here is open."""
    number = os.memfd_create("karalign")
    return f"/proc/{os.getpid()}/fd/{number}", number


def _has_nameless() -> bool:
    if not hasattr(os, "memfd_create"):
        return False
    try:
        path, number = _nameless()
    except OSError:
        return False
    try:
        with Path(path).open("r+b"):
            return True
    except OSError:  # no /proc, or one that is hidden
        return False
    finally:
        os.close(number)


def write(path: str, blocks: Iterable[Numbers]) -> int:
    """Put float32 numbers into a slot from its beginning; how many.

    Raises:
        OSError: there is no room.
    """
    import numpy as np

    with Path(path).open("r+b") as file:
        return sum(file.write(np.ascontiguousarray(block, np.float32).data.cast("B")) for block in blocks) // FLOAT


def read(path: str, count: int) -> Numbers:
    """The first `count` numbers of a slot, which must not be written while they are used.

    Raises:
        OSError: it cannot be read.
    """
    import numpy as np

    return np.memmap(path, np.float32, "c", shape=(count,))
