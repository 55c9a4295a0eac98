"""Sound in: any file to 16 kHz mono, block by block."""

from __future__ import annotations

import itertools
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import AudioError
from .resampling import Samples, resampled

if TYPE_CHECKING:
    from soundfile import SoundFile

SAMPLE_RATE = 16000  # Hz, of everything after `stream`
BLOCK = 2**17  # samples of a file decoded at once


def stream(path: str | Path, rate: int = SAMPLE_RATE, channels: int = 1) -> Generator[Samples]:
    """Decode any audio or video file, block by block, so that its length does not matter.

    libsndfile reads wav, flac, ogg, opus and mp3; everything else goes through the ffmpeg that comes with
    imageio-ffmpeg, so that nothing needs to be installed beside the package. The first block is decoded at once, the
    others when they are asked for.

    Args:
        rate: Hz of what comes out.
        channels: 1, or 2 for left and right: a sound of one channel is both, of more than two their mean is.

    Returns:
        Blocks of float32 (samples,) at this rate, the mean of all channels; (2, samples) if two are asked for. At least
        one sample in all.

    Raises:
        AudioError: the file is missing, is no sound, is cut off, or holds none.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError("is a folder" if path.is_dir() else "there is no such file", str(path))
    if path.stat().st_size == 0:
        raise AudioError("the file is empty", str(path))
    if there := _share_there(path):
        raise AudioError(f"cut off: {there:.0%} of it is there", str(path), "fetch or copy it again")
    blocks = _finite(_decoded(path, rate, channels))
    first = next(blocks, None)
    if first is None:
        raise AudioError("the file holds no sound", str(path))
    return _after(first, blocks)


def _after(first: Samples, blocks: Generator[Samples]) -> Generator[Samples]:
    yield first
    yield from blocks


def _finite(blocks: Iterable[Samples]) -> Generator[Samples]:
    for block in blocks:
        if block.size:
            yield np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0)


def _decoded(path: Path, rate: int, channels: int) -> Iterator[Samples]:
    """What libsndfile reads; from where it gives up, what ffmpeg does."""
    import soundfile

    done = 0
    try:
        with soundfile.SoundFile(str(path)) as file:
            # of an MP3 without a header libsndfile guesses the length from the first frame and stops there
            if file.format != "MP3" or _length_header(path)[0]:
                for block in _resampled(_sndfile_blocks(file, channels), int(file.samplerate), rate, channels):
                    done += block.shape[-1]
                    yield block
                return
    except soundfile.SoundFileError:
        pass  # not a format of libsndfile's, or damaged: ffmpeg forgives more
    for block in _ffmpeg_blocks(path, rate, channels):
        yield block[..., done:]
        done = max(0, done - block.shape[-1])


def _sndfile_blocks(file: SoundFile, channels: int) -> Iterator[Samples]:
    while len(samples := file.read(BLOCK, dtype="float32", always_2d=True)):
        if channels == 2 and samples.shape[1] == 2:
            yield np.ascontiguousarray(samples.T)
        else:
            mean = _mean(samples)
            yield mean if channels == 1 else np.stack([mean, mean])


def _mean(samples: Samples) -> Samples:
    """(samples, channels) -> (samples,); of two channels, numpy's own takes longer than to decode them."""
    total = samples[:, 0].copy()
    for channel in samples.T[1:]:
        total += channel
    total /= np.float32(samples.shape[1])
    return total


def _resampled(blocks: Iterable[Samples], rate: int, target: int, channels: int) -> Iterator[Samples]:
    if channels == 1:
        yield from resampled(blocks, rate, target)
        return
    lefts, rights = itertools.tee(blocks)
    left, right = (block[0] for block in lefts), (block[1] for block in rights)
    for pair in zip(resampled(left, rate, target), resampled(right, rate, target), strict=True):
        yield np.stack(pair)


def _share_there(path: Path) -> float | None:
    """The share, 0..1, of an MP3 that is cut off; None where nothing says that it is."""
    header, size = _length_header(path)
    if len(header) < 16 or not header[7] & 2:  # flag 2: bytes are counted
        return None
    counted = 12 if header[7] & 1 else 8  # flag 1: frames are counted before them
    there = size / max(int.from_bytes(header[counted : counted + 4]), 1)
    return there if there < 0.99 else None


def _length_header(path: Path) -> tuple[bytes, int]:
    """The Xing or Info header in the first frame of an MP3, empty where there is none, and the bytes from that frame
    to the end of the file, which the header counts (gabriel.mp3-tech.org/mp3infotag.html)."""
    with path.open("rb") as file:
        head = file.read(10)
        size = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False))  # 7 bits a byte
        tag = 10 + size if head[:3] == b"ID3" else 0
        file.seek(tag)
        frame = file.read(64)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    return frame[at:] if at > 0 and frame[0] == 0xFF else b"", path.stat().st_size - tag


def _ffmpeg_blocks(path: Path, rate: int, channels: int) -> Iterator[Samples]:
    import imageio_ffmpeg

    # "file:" keeps a name with a colon or a leading dash from being taken for an option or a protocol
    source = ["-i", f"file:{path}", "-vn", "-map", "0:a:0"]
    sink = ["-ac", str(channels), "-ar", str(rate), "-f", "f32le", "-"]
    row = 4 * channels  # bytes
    with tempfile.TemporaryFile() as complaints:  # a pipe that nobody empties would stop ffmpeg
        try:
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", *source, *sink]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints)  # noqa: S603
        except (OSError, RuntimeError) as error:
            raise AudioError(f"ffmpeg does not run: {error}", str(path), "reinstall imageio-ffmpeg") from error
        silent = True
        with process:
            try:
                while data := process.stdout.read(row * BLOCK) if process.stdout else b"":
                    silent = False
                    samples = np.frombuffer(bytearray(data[: len(data) // row * row]), np.float32)
                    yield samples if channels == 1 else samples.reshape(-1, channels).T
                process.wait()  # for its last words
            finally:
                process.kill()  # who asks for no more blocks shall not wait for the rest
        if silent:
            complaints.seek(0)
            raise AudioError(_ffmpeg_reason(complaints.read().decode(errors="replace")), str(path))


def _ffmpeg_reason(message: str) -> str:
    if "matches no streams" in message:
        return "the file has no sound track"
    if "Invalid data" in message or "Unknown format" in message or "moov atom" in message:
        return "not a sound or video file, or damaged beyond reading"
    lines = message.strip().splitlines()
    return f"cannot be decoded: {lines[-1].split(': ')[-1]}" if lines else "the file holds no sound"
