"""Sound as files: wav, flac and mp3, written whole or not at all."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .files import FileError
from .targets import STDOUT, check_writable, refuse_twice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SOUNDS = (".wav", ".flac", ".mp3")
QUALITY = "2"  # of mp3, variable rate: about 190 kbit/s for stereo at 44.1 kHz


def check_sounds(names: Sequence[str], inputs: Sequence[str], clobber: bool) -> None:
    """See before any work begins that these files can be written as sound.

    Args:
        inputs: files that no output may overwrite.
        clobber: whether other existing files may be overwritten.

    Raises:
        UsageError: one is named twice.
        FileError: a name that will not do.
    """
    refuse_twice(names)
    for name in names:
        if name == STDOUT or Path(name).suffix.lower() not in SOUNDS:
            raise FileError("is no sound that can be written", name, f"a file with {', '.join(SOUNDS)}")
        check_writable(Path(name), inputs, clobber)


def write_sound(path: str, wave: NDArray[np.float32], rate: int) -> None:
    """Put a sound in a file, by the ending of its name: wav and flac with 16 bits, or mp3.

    Args:
        wave: float32 (samples,) or (samples, channels), within -1..1; what is beyond is clipped.
        rate: Hz.

    Raises:
        FileError: it cannot be written; an existing file is as it was, and nothing is left behind.
    """
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".karalign-{secrets.token_hex(6)}{target.suffix.lower()}")
    try:
        if beside.suffix == ".mp3":
            _write_mp3(beside, wave, rate)
        else:
            _write_pcm(beside, wave, rate)
        if target.exists():
            beside.chmod(target.stat().st_mode)
        beside.replace(target)
    except FileError as error:
        raise FileError(error.what, path, error.hint) from error
    except OSError as error:
        raise FileError(f"cannot be written: {error.strerror or error}", path) from error
    finally:
        beside.unlink(missing_ok=True)


def _write_pcm(path: Path, wave: NDArray[np.float32], rate: int) -> None:
    import soundfile

    try:
        soundfile.write(path, wave, rate, subtype="PCM_16")
    except soundfile.SoundFileError as error:
        raise FileError(f"cannot be written: {str(error).splitlines()[0]}") from error


def _write_mp3(path: Path, wave: NDArray[np.float32], rate: int) -> None:
    import imageio_ffmpeg

    channels = 1 if wave.ndim == 1 else wave.shape[1]
    raw = ["-f", "f32le", "-ar", str(rate), "-ac", str(channels), "-i", "-"]
    made = ["-c:a", "libmp3lame", "-q:a", QUALITY, f"file:{path}"]
    try:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *raw, *made]
        done = subprocess.run(  # noqa: S603
            command, input=wave.clip(-1, 1).astype("<f4").tobytes(), capture_output=True, check=False
        )
    except (OSError, RuntimeError) as error:
        raise FileError(f"ffmpeg does not run: {error}", hint="reinstall imageio-ffmpeg, or name a .wav") from error
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise FileError(f"cannot be written: {(last or ['ffmpeg gave up'])[0]}")
