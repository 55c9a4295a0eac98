"""Sound in: any file to 16 kHz mono, and the log-mel picture of it that the networks look at."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .errors import AudioError

SAMPLE_RATE = 16000  # Hz, of everything after `load`
HOP = 160  # samples from one frame to the next
FRAME_SECONDS = HOP / SAMPLE_RATE  # 0.01 s; frame t is centred on t * FRAME_SECONDS
WINDOW = 400  # samples under one Hann window, 25 ms
FFT = 512
MELS = 80
TINY = 1e-10  # floor of mel power: log(0) never happens
DYNAMIC_RANGE = 16.0  # nats (70 dB) below the loudest cell that still count as sound


def load(path: str | Path) -> Tensor:
    """Decode any audio or video file.

    libsndfile reads wav, flac, ogg, opus and mp3; everything else goes through the ffmpeg that comes with
    imageio-ffmpeg, so that nothing needs to be installed beside the package.

    Returns:
        float32 (samples,) at `SAMPLE_RATE`, the mean of all channels.

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
    wave = _read_sndfile(path)
    if wave is None:
        wave = _read_ffmpeg(path)
    if wave.numel() == 0:
        raise AudioError("the file holds no sound", str(path))
    return torch.nan_to_num(wave, nan=0.0, posinf=1.0, neginf=-1.0)


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


def resample(wave: Tensor, rate: int) -> Tensor:
    """(samples,) at `rate` Hz to (samples,) at `SAMPLE_RATE`."""
    if rate == SAMPLE_RATE:
        return wave
    from torchaudio.functional import resample as sinc_resample

    resampled: Tensor = sinc_resample(wave, rate, SAMPLE_RATE)
    return resampled


def _read_sndfile(path: Path) -> Tensor | None:
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            if file.format == "MP3" and not _length_header(path)[0]:
                return None  # libsndfile guesses the length from the first frame and stops there; ffmpeg reads on
            samples = file.read(dtype="float32", always_2d=True)
            rate = int(file.samplerate)
    except (soundfile.LibsndfileError, RuntimeError):
        return None  # not a format of libsndfile's, or damaged: ffmpeg forgives more
    return resample(torch.from_numpy(np.ascontiguousarray(samples.mean(axis=1))), rate)


def _read_ffmpeg(path: Path) -> Tensor:
    import imageio_ffmpeg

    # "file:" keeps a name with a colon or a leading dash from being taken for an option or a protocol
    source = ["-i", f"file:{path}", "-vn", "-map", "0:a:0"]
    sink = ["-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "f32le", "-"]
    try:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", *source, *sink]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    except (OSError, RuntimeError) as error:
        raise AudioError(f"ffmpeg does not run: {error}", str(path), "reinstall imageio-ffmpeg") from error
    if not done.stdout:
        raise AudioError(_ffmpeg_reason(done.stderr.decode(errors="replace")), str(path))
    return torch.frombuffer(bytearray(done.stdout[: len(done.stdout) // 4 * 4]), dtype=torch.float32)


def _ffmpeg_reason(message: str) -> str:
    if "matches no streams" in message:
        return "the file has no sound track"
    if "Invalid data" in message or "Unknown format" in message or "moov atom" in message:
        return "not a sound or video file, or damaged beyond reading"
    lines = message.strip().splitlines()
    return f"cannot be decoded: {lines[-1].split(': ')[-1]}" if lines else "the file holds no sound"


@cache
def _filters(device: torch.device) -> tuple[Tensor, Tensor]:
    from torchaudio.functional import melscale_fbanks

    bank = melscale_fbanks(FFT // 2 + 1, 20.0, SAMPLE_RATE / 2, MELS, SAMPLE_RATE, norm="slaney", mel_scale="slaney")
    return torch.hann_window(WINDOW, device=device), bank.to(device)


def mel_power(wave: Tensor) -> Tensor:
    """Mel power spectrum.

    Shape:
        (*, samples) -> (*, 1 + samples // HOP, MELS), all values finite and >= 0.
    """
    window, bank = _filters(wave.device)
    flat = torch.nn.functional.pad(wave.reshape(-1, wave.shape[-1]), (FFT // 2, FFT // 2))
    spectrum = torch.stft(flat, FFT, HOP, WINDOW, window, center=False, return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()  # (N, FFT/2+1, frames)
    mels = power.transpose(1, 2) @ bank
    return mels.reshape(*wave.shape[:-1], *mels.shape[1:])


def log_mel(wave: Tensor) -> Tensor:
    """Natural logarithm of `mel_power`, floored: finite for silence, clipping, DC and a single sample.

    Shape:
        (*, samples) -> (*, 1 + samples // HOP, MELS)
    """
    return mel_power(wave).clamp(min=TINY).log()


def normalise(features: Tensor) -> Tensor:
    """Take level and tone colour out of log-mels: floor at `DYNAMIC_RANGE` under the loudest cell, mean 0 for each
    band, and one standard deviation for all.

    Shape:
        (*, frames, MELS) -> the same
    """
    loudest = features.amax(dim=(-2, -1), keepdim=True)
    floored = torch.maximum(features, loudest - DYNAMIC_RANGE)
    centred = floored - floored.mean(dim=-2, keepdim=True)
    return centred / centred.square().mean(dim=(-2, -1), keepdim=True).sqrt().clamp(min=1e-2)
