"""Sound into files and over songs: whole or not at all, quieter where it should be, and never clipped."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pytest
import soundfile
from conftest import tree
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aligner_core import audio
from plugin.files import FileError
from plugin.media import SOUNDS, check_sounds, write_sound
from plugin.mixing import (
    AHEAD,
    CEILING,
    HOLD,
    RATE,
    RELEASE,
    Mix,
    alone,
    ducking,
    limited,
    louder,
    mixed,
    resampled,
    song_wave,
)

Wave = NDArray[np.float32]
PLAIN = Mix(duck=12.0)


def sine(seconds: float, hertz: float = 440.0, level: float = 0.25, rate: int = RATE) -> Wave:
    at = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def stereo(wave: Wave) -> Wave:
    return np.stack([wave, wave])


def decibels(wave: Wave) -> float:
    return float(20 * np.log10(np.sqrt((wave.astype(np.float64) ** 2).mean()) + 1e-12))


def within(wave: Wave, start: float, end: float) -> Wave:
    return wave[round(start * RATE) : round(end * RATE)]


@pytest.fixture
def spoken() -> Wave:
    """A second of voice from 3 s on, at 24 kHz, higher than any song here."""
    return np.concatenate([np.zeros(3 * 24_000, np.float32), sine(1.0, 3000.0, rate=24_000)])


@pytest.mark.parametrize("ending", SOUNDS)
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_written_is_read_again(tmp_path: Path, ending: str, channels: int) -> None:
    wave = sine(1.0, rate=24_000)
    sound = np.stack([wave] * channels, 1) if channels > 1 else wave
    path = tmp_path / f"Sound{ending.upper()}"
    write_sound(str(path), sound, 24_000)
    back = audio.load(path).numpy()
    assert len(back) / audio.SAMPLE_RATE == pytest.approx(1.0, abs=0.1)
    assert np.abs(back).max() == pytest.approx(0.25, abs=0.02)
    assert [name.name for name in tree(tmp_path)] == [path.name]
    info = soundfile.info(str(path))
    assert (info.samplerate, info.channels) == (24_000, channels)


@pytest.mark.parametrize("ending", [".wav", ".flac"])
def test_samples_survive_to_sixteen_bits(tmp_path: Path, ending: str) -> None:
    wave = np.random.default_rng(0).uniform(-0.9, 0.9, 1000).astype(np.float32)
    write_sound(str(tmp_path / f"a{ending}"), wave, 24_000)
    np.testing.assert_allclose(soundfile.read(tmp_path / f"a{ending}")[0], wave, atol=2**-15)


@pytest.mark.parametrize("ending", SOUNDS)
def test_what_goes_wrong_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("soundfile.write", full)
    monkeypatch.setattr("subprocess.run", full)
    with pytest.raises(FileError, match="No space left"):
        write_sound(str(path), sine(0.1), RATE)
    assert tree(tmp_path) == {path: b"old"}


def test_an_encoder_that_fails_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"a\.mp3: cannot be written") as told:
        write_sound(str(tmp_path / "a.mp3"), np.zeros((10, 300), np.float32), RATE)
    assert "\n" not in str(told.value)
    assert tree(tmp_path) == {}


def test_the_limiter_turns_down_what_is_around_a_peak_and_cuts_nothing() -> None:
    wave = np.full((4000, 1), 0.5, np.float32)
    wave[2000:2100] = 2.0
    factor = (limited(wave) / wave)[:, 0]
    assert np.ptp(factor[1960:2100]) < 0.02
    assert factor[0] == 1


def test_a_link_stays_one_and_the_mode_too(tmp_path: Path) -> None:
    (tmp_path / "real.wav").write_bytes(b"old")
    (tmp_path / "real.wav").chmod(0o640)
    (tmp_path / "link.wav").symlink_to("real.wav")
    write_sound(str(tmp_path / "link.wav"), sine(0.1), RATE)
    assert (tmp_path / "link.wav").is_symlink()
    assert (tmp_path / "real.wav").stat().st_mode & 0o777 == 0o640
    assert soundfile.info(str(tmp_path / "real.wav")).frames == 4410


@pytest.mark.parametrize("name", ["a.ogg", "a", "-", "a.lrc"])
def test_what_is_no_sound_is_refused(name: str) -> None:
    with pytest.raises(FileError, match="no sound that can be written"):
        check_sounds([name], [], clobber=True)


def test_an_input_or_a_file_that_is_to_stay_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"x")
    with pytest.raises(FileError, match="overwrite the input"):
        check_sounds([str(path)], [str(path)], clobber=True)
    with pytest.raises(FileError, match="exists already"):
        check_sounds([str(path)], [], clobber=False)
    with pytest.raises(FileError, match="no such folder"):
        check_sounds([str(tmp_path / "none" / "a.wav")], [], clobber=True)
    with pytest.raises(click.UsageError, match="twice"):
        check_sounds([str(path), str(path)], [], clobber=True)


def test_the_song_is_quieter_while_the_voice_speaks(spoken: Wave) -> None:
    song = stereo(sine(8.0, 100.0))
    gains = ducking(resampled(spoken, 24_000), song.shape[1], 12.0)
    quiet, soft = within(gains, 3.1, 4.0), within(gains, 0.0, 3.0 - AHEAD - 0.02)
    assert 20 * np.log10(quiet) == pytest.approx(-12.0, abs=1.2)
    assert soft == pytest.approx(1.0, abs=1e-3)
    assert float(within(gains, 4.0, 4.0 + HOLD + 0.1).max()) < 0.6
    assert within(gains, 4.0 + HOLD + 6 * RELEASE, 8.0) == pytest.approx(1.0, abs=0.01)
    assert gains[round(2.98 * RATE)] < 0.9


def test_gaps_between_words_do_not_let_the_song_pump(spoken: Wave) -> None:
    voice = np.tile(np.concatenate([sine(0.3), np.zeros(round(0.2 * RATE), np.float32)]), 6)
    gains = ducking(voice, len(voice), 12.0)
    assert float(within(gains, 0.2, 2.7).max()) < 10 ** (-11 / 20)


@given(st.floats(0, 30), st.integers(1, 3 * RATE))
def test_the_song_is_never_louder_nor_lower_than_asked(depth: float, length: int) -> None:
    gains = ducking(sine(1.0), length, depth)
    assert len(gains) == length
    assert float(gains.max()) <= 1.0 + 1e-6
    assert float(gains.min()) >= 10 ** (-depth / 20) - 1e-6


def test_silence_lowers_nothing() -> None:
    assert ducking(np.zeros(RATE, np.float32), 2 * RATE, 20.0) == pytest.approx(1.0)


def test_a_mix_is_the_song_and_the_voice(spoken: Wave) -> None:
    song = stereo(sine(8.0, 100.0))
    mix = mixed(spoken, 24_000, song, PLAIN)
    assert mix.shape == (8 * RATE, 2)
    np.testing.assert_allclose(within(mix, 0, 2.5), within(song.T, 0, 2.5), atol=1e-4)
    voice = within(mix, 3.2, 3.9) - within(song.T, 3.2, 3.9) * 10 ** (-12 / 20)
    assert decibels(voice) == pytest.approx(decibels(sine(1.0, 3000.0)), abs=0.5)


def test_a_voice_that_ends_after_the_song_is_heard_to_its_end(spoken: Wave) -> None:
    mix = mixed(spoken, 24_000, stereo(sine(1.0)), PLAIN)
    assert mix.shape == (4 * RATE, 2)
    assert decibels(within(mix, 3.2, 3.9)) > -25


def test_the_stem_is_as_long_as_the_song_and_nothing_else_is_in_it(spoken: Wave) -> None:
    stem = alone(spoken, 24_000, 8 * RATE, PLAIN)
    assert stem.shape == (8 * RATE, 2)
    assert np.abs(within(stem, 0, 2.9)).max() == 0
    np.testing.assert_allclose(stem[: 4 * RATE, 0], resampled(spoken, 24_000), atol=1e-4)
    assert len(alone(spoken, 24_000, 0, PLAIN)) == 4 * RATE


@pytest.mark.parametrize(("pan", "louder_side"), [(-1.0, 0), (1.0, 1), (-0.4, 0)])
def test_pan_puts_the_voice_to_a_side(spoken: Wave, pan: float, louder_side: int) -> None:
    stem = within(alone(spoken, 24_000, 0, Mix(9.0, 0.0, pan)), 3.1, 3.9)
    difference = decibels(stem[:, louder_side]) - decibels(stem[:, 1 - louder_side])
    assert difference > (100 if abs(pan) == 1 else 3)


def test_gain_is_in_decibels(spoken: Wave) -> None:
    plain, soft = (within(alone(spoken, 24_000, 0, Mix(9.0, gain)), 3.1, 3.9) for gain in (0.0, -6.0))
    assert decibels(plain) - decibels(soft) == pytest.approx(6.0, abs=0.05)
    both = within(mixed(spoken, 24_000, stereo(np.zeros(RATE, np.float32)), Mix(9.0, -6.0)), 3.1, 3.9)
    assert decibels(both) == pytest.approx(decibels(soft), abs=0.05)
    assert decibels(louder(sine(1.0), -6.0)) == pytest.approx(decibels(sine(1.0)) - 6.0, abs=0.05)


@given(st.integers(0, 1000), st.floats(0.1, 20.0), st.integers(1, 20_000))
def test_nothing_clips(seed: int, level: float, length: int) -> None:
    noise = np.random.default_rng(seed).normal(0, level, (length, 2)).astype(np.float32)
    out = limited(noise)
    assert out.shape == noise.shape
    assert float(np.abs(out).max()) <= CEILING + 1e-6


def test_the_limiter_leaves_alone_what_does_not_clip() -> None:
    wave = stereo(sine(1.0, level=0.9)).T
    np.testing.assert_array_equal(limited(wave), wave)


def test_the_limiter_turns_down_rather_than_cut_off() -> None:
    wave = stereo(sine(1.0, level=2.0)).T
    out = within(limited(wave), 0.2, 0.8)[:, 0]
    spectrum = np.abs(np.fft.rfft(out.astype(np.float64) * np.hanning(len(out))))
    first = round(440 * len(out) / RATE)
    around = spectrum[max(0, first - 5) : first + 6].max()
    third = spectrum[3 * first - 5 : 3 * first + 6].max()
    assert 20 * np.log10(third / around) < -35


def test_the_limiter_lets_go_again() -> None:
    wave = np.concatenate([sine(0.5, level=2.0), sine(2.0, level=0.5)])
    out = limited(stereo(wave).T)[:, 0]
    assert decibels(within(out, 0.51, 0.53)) < decibels(sine(1.0, level=0.5)) - 3
    assert decibels(within(out, 1.5, 2.5)) == pytest.approx(decibels(sine(1.0, level=0.5)), abs=0.1)


def test_peaks_between_samples_count() -> None:
    quarter = np.sin(np.pi / 2 * np.arange(4000) + np.pi / 4).astype(np.float32)  # its samples are all at 0.71
    out = limited(stereo(1.3 * quarter).T)
    assert float(np.abs(out[100:-100]).max()) < 0.9


def test_a_song_of_one_channel_is_both_sides(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", sine(1.0, rate=16_000), 16_000)
    wave = song_wave(str(tmp_path / "song.wav"))
    assert wave.shape == (2, RATE)
    np.testing.assert_array_equal(wave[0], wave[1])
