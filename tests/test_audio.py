"""Reading sound and looking at it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core import audio
from aligner_core.errors import AudioError


def tone(rate: int, seconds: float = 1.0, hertz: float = 440.0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_tone_keeps_its_pitch_level_and_length_from_any_rate(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.stack([tone(rate)] * channels, axis=1), rate, subtype="FLOAT")
    wave = audio.load(path)
    assert wave.dtype == torch.float32
    assert abs(len(wave) - audio.SAMPLE_RATE) <= 2
    spectrum = torch.fft.rfft(wave[: audio.SAMPLE_RATE]).abs()
    assert int(spectrum.argmax()) == 440
    assert float(wave[4000:12000].square().mean().sqrt()) == pytest.approx(0.5 / 2**0.5, rel=0.02)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "opus", "mp3", "m4a", "mp4", "mkv"])
def test_every_container_that_people_have_is_read(tmp_path: Path, suffix: str) -> None:
    import imageio_ffmpeg

    plain, path = tmp_path / "tone.wav", tmp_path / f"a tone – ü.{suffix}"
    soundfile.write(plain, tone(48000), 48000)
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", plain, path], check=True)
    wave = audio.load(path)
    assert 0.98 <= len(wave) / audio.SAMPLE_RATE <= 1.15  # coders pad
    middle = wave[4000:12000]
    crossings = int((middle[1:].sign() != middle[:-1].sign()).sum())
    assert crossings == pytest.approx(440, abs=8)  # twice 440 Hz, for half a second


@pytest.mark.parametrize("options", [["-write_xing", "0"], ["-id3v2_version", "3"], ["-id3v2_version", "0"]])
@pytest.mark.parametrize("loud_first", [True, False])
def test_an_mp3_of_variable_rate_is_read_to_its_end(tmp_path: Path, options: list[str], loud_first: bool) -> None:
    import imageio_ffmpeg

    noise, rest = np.random.default_rng(0).normal(0, 0.3, 5 * 44100), np.zeros(5 * 44100)
    plain, path = tmp_path / "song.wav", tmp_path / "song.mp3"
    soundfile.write(plain, np.concatenate([noise, rest] if loud_first else [rest, noise]), 44100)
    title = ["-metadata", f"title={'la ' * 100}"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", plain, "-q:a", "4", *title, *options, path]
    subprocess.run(command, check=True)
    wave = audio.load(path)
    assert len(wave) / audio.SAMPLE_RATE == pytest.approx(10, abs=0.2)
    assert bool(wave.square()[: 4 * audio.SAMPLE_RATE].mean() > 0.01) == loud_first


def test_an_mp3_that_is_cut_off_tells_how_much_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 10 * 16000), 16000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"a\.mp3: cut off: 50% of it is there"):
        audio.load(path)


def test_a_missing_file_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"none\.mp3: there is no such file"):
        audio.load(tmp_path / "none.mp3")


def test_a_folder_is_no_sound(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="is a folder"):
        audio.load(tmp_path)


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").touch()
    with pytest.raises(AudioError, match="the file is empty"):
        audio.load(tmp_path / "a.mp3")


def test_a_text_file_is_no_sound(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_text("la la la\n" * 50)
    with pytest.raises(AudioError, match="not a sound or video file"):
        audio.load(tmp_path / "a.mp3")


def test_a_wave_without_samples_holds_no_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16000)
    with pytest.raises(AudioError, match="holds no sound"):
        audio.load(tmp_path / "a.wav")


@pytest.mark.parametrize("samples", [1, 2, 159, 160, 161, 400, 16000])
@pytest.mark.parametrize("value", ["silence", "dc", "clipped", "noise"])
def test_features_are_finite_and_counted(samples: int, value: str) -> None:
    waves = {
        "silence": torch.zeros(samples),
        "dc": torch.ones(samples),
        "clipped": torch.randn(samples, generator=torch.Generator().manual_seed(1)).mul(9).clamp(-1, 1),
        "noise": torch.randn(samples, generator=torch.Generator().manual_seed(2)) * 1e-4,
    }
    features = audio.log_mel(waves[value])
    assert features.shape == (1 + samples // audio.HOP, audio.MELS)
    assert features.isfinite().all()
    assert audio.normalise(features).isfinite().all()


def test_a_click_shows_in_the_frame_centred_on_it() -> None:
    wave = torch.zeros(16000)
    wave[50 * audio.HOP] = 1.0
    assert int(audio.mel_power(wave).sum(-1).argmax()) == 50


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.01, 100))
def test_normalised_features_do_not_depend_on_the_level(gain: float) -> None:
    wave = torch.randn(8000, generator=torch.Generator().manual_seed(3))
    plain, scaled = (audio.normalise(audio.log_mel(w)) for w in (wave, wave * gain))
    assert torch.allclose(plain, scaled, atol=1e-3)
