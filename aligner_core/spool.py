"""Sound that waits until it is needed: in memory, or in a temporary file where it is long."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import AudioError

if TYPE_CHECKING:
    from torch import Tensor

IN_MEMORY = 2**26  # bytes: half an hour of log-mels, 17 minutes of mono at 16 kHz; what is longer goes to a file
SAMPLE = 4  # bytes


class Rows:
    """Rows of numbers, one after the other, any of which can be had again.

    Args:
        width: numbers in a row.

    Attributes:
        count: rows that there are.
    """

    def __init__(self, width: int) -> None:
        self.width, self.count = width, 0
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 (closed by the class)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget all of them."""
        self._file.close()

    def write(self, rows: ArrayLike) -> None:
        """Add float32 rows (n, width), an array or a tensor on the CPU.

        Raises:
            AudioError: there is no room for them.
        """
        added = np.ascontiguousarray(rows, np.float32)
        try:
            self._file.write(added.data)
        except OSError as error:
            place = tempfile.gettempdir()
            what = f"no room for a long sound: {error.strerror}"
            raise AudioError(what, place, "free some, or set TMPDIR") from error
        self.count += len(added)

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        """Rows `first` to `last` of those that there are, (n, width), the caller's own."""
        row = SAMPLE * self.width
        self._file.seek(first * row)
        data = bytearray(self._file.read(max(min(last, self.count) - first, 0) * row))
        return np.frombuffer(data, np.float32).reshape(-1, self.width)


class Spool:
    """All of a sound in blocks, any part of which can be had.

    Args:
        blocks: float32 (samples,), or (channels, samples) if there are several.
        channels: of each block.

    Raises:
        AudioError: there is no room for it.
    """

    def __init__(self, blocks: Iterable[ArrayLike], channels: int = 1) -> None:
        self._rows = Rows(channels)
        try:
            for block in blocks:
                self._rows.write(np.asarray(block).reshape(channels, -1).T)
        except BaseException:
            self._rows.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.close()

    @property
    def samples(self) -> int:
        """Length of the sound."""
        return self._rows.count

    def part(self, begin: int, end: int) -> Tensor:
        """Samples `begin` to `end`, (channels, end - begin); what lies outside the sound is silent."""
        import torch

        there = self._rows.read(max(begin, 0), min(end, self.samples))
        before = min(max(begin, 0), end) - begin
        missing = end - begin - before - len(there)
        return torch.from_numpy(np.pad(there.T, ((0, 0), (before, missing))))
