"""The sound inside a page: MP3 whose bytes tell the time, so that any moment of it can be found and decoded alone."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from aligner_core.errors import AlignerError

DELAY = 1105  # samples by which what LAME wrote comes out late, in every decoder: 576 of it, 529 of the decoder
BUDGET = 7_000_000  # bytes; a third more as text, so that a page stays below 10 MB

Blocks = Iterable[NDArray[np.float32]]


class SoundError(AlignerError):
    """The sound cannot be put into the page."""


@dataclass(frozen=True, slots=True)
class Quality:
    """One way to encode. Frames of these rates have no padding: each has the same number of bytes.

    Args:
        bits: a second.
        rate: Hz.
        channels: 1 or 2.
    """

    bits: int
    rate: int
    channels: int

    @property
    def frame_samples(self) -> int:
        """Of one frame."""
        return 1152 if self.rate >= 32_000 else 576

    @property
    def frame_bytes(self) -> int:
        """Of one frame."""
        return self.frame_samples * self.bits // 8 // self.rate

    def __str__(self) -> str:
        return f"{self.bits // 1000} kbit/s"


QUALITIES = (
    Quality(96_000, 48_000, 2), Quality(64_000, 48_000, 1), Quality(40_000, 24_000, 1),
    Quality(24_000, 24_000, 1), Quality(16_000, 16_000, 1),
)  # fmt: skip


def quality(seconds: float, budget: int = BUDGET) -> Quality | None:
    """The best that fits so many seconds into so many bytes; None: nothing does."""
    return next((one for one in QUALITIES if one.bits * seconds / 8 <= budget), None)


def encoded(blocks: Blocks, kind: Quality) -> bytes:
    """A sound as MP3, in which the sample at n / rate seconds is heard at n / rate seconds.

    Args:
        blocks: (channels, samples), or (samples,) of one channel, at the rate of `kind`.

    Raises:
        SoundError: ffmpeg is not there, or gives up.
    """
    import imageio_ffmpeg

    with tempfile.TemporaryDirectory(prefix="karalign-") as folder:
        out = Path(folder, "sound.mp3")
        raw = ["-f", "f32le", "-ar", str(kind.rate), "-ac", str(kind.channels), "-i", "-"]
        made = ["-c:a", "libmp3lame", "-b:a", str(kind.bits), "-reservoir", "0", "-write_xing", "0",
                "-id3v2_version", "0", "-map_metadata", "-1", str(out)]  # fmt: skip
        try:
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *raw, *made]
            _fed(command, (np.ascontiguousarray(block.T, "<f4").tobytes() for block in _without_delay(blocks)))
            return out.read_bytes()
        except (OSError, RuntimeError) as error:
            raise SoundError(f"ffmpeg does not run: {error}", hint="`karalign doctor`, or --link") from error


def _without_delay(blocks: Blocks) -> Iterator[NDArray[np.float32]]:
    left = DELAY
    for block in blocks:
        yield block[..., left:]
        left = max(0, left - block.shape[-1])


def _fed(command: list[str], chunks: Iterable[bytes]) -> None:
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said) as ffmpeg:  # noqa: S603
        assert ffmpeg.stdin
        write_all(ffmpeg.stdin, chunks)
        if ffmpeg.wait():
            said.seek(0)
            raise SoundError(f"ffmpeg: {last_row(said.read())}", hint="--link")


def write_all(pipe: IO[bytes], chunks: Iterable[bytes]) -> None:
    """Write to a program and close; one that has gone says itself why."""
    write: Callable[[bytes], object] = pipe.write
    try:
        for chunk in chunks:
            write(chunk)
        pipe.close()
    except BrokenPipeError:
        pass


def last_row(said: bytes) -> str:
    """The last thing that a program said."""
    rows = [row.strip() for row in said.decode("utf-8", "replace").splitlines() if row.strip()]
    return rows[-1] if rows else "it gave up"
