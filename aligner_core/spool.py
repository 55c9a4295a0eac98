"""Sound that waits until it is needed: in memory, or in a temporary file where it is long."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from .errors import AudioError

IN_MEMORY = 2**26  # bytes: 17 minutes of mono at 16 kHz, 3 of stereo at 44.1 kHz; what is longer goes to a file
SAMPLE = 4  # bytes


class Spool:
    """All of a sound in blocks, any part of which can be had.

    Args:
        blocks: float32 (samples,), or (channels, samples) if there are several.
        channels: of each block.

    Raises:
        AudioError: there is no room for it.
    """

    def __init__(self, blocks: Iterable[Tensor], channels: int = 1) -> None:
        self.channels, self.samples = channels, 0
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 (closed by the class)
        try:
            for block in blocks:
                self._write(block.reshape(channels, -1).T.contiguous())
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def part(self, begin: int, end: int) -> Tensor:
        """Samples `begin` to `end`, (channels, end - begin); what lies outside the sound is silent."""
        first, last = max(begin, 0), min(end, self.samples)
        row = SAMPLE * self.channels
        self._file.seek(first * row)
        data = bytearray(self._file.read(max(last - first, 0) * row))
        there = torch.frombuffer(data, dtype=torch.float32) if data else torch.empty(0)
        before = min(first, end) - begin
        missing = end - begin - before - len(there) // self.channels
        return torch.nn.functional.pad(there.reshape(-1, self.channels).T, (before, missing))

    def _write(self, rows: Tensor) -> None:
        try:
            self._file.write(rows.numpy().data)
        except OSError as error:
            place = tempfile.gettempdir()
            what = f"no room for a long sound: {error.strerror}"
            raise AudioError(what, place, "free some, or set TMPDIR") from error
        self.samples += len(rows)
