"""Sound of any length in blocks: what comes out is what the whole would give, and memory does not follow the length."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from aligner_core import audio, spool, streaming
from aligner_core.acoustic import windows
from aligner_core.acoustic.cnn import CnnConfig, CnnCtc
from aligner_core.errors import AudioError
from aligner_core.logmel import Mels
from aligner_core.resampling import resampled

RATES = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000]
MEGABYTE = 2**20


def noise(samples: int, seed: int = 0) -> Tensor:
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed)) * 0.1


def cut(wave: Tensor, sizes: Sequence[int]) -> Iterator[Tensor]:
    """The wave in blocks of these sizes, over and over."""
    at = 0
    for size in itertools.cycle(sizes):
        if at >= len(wave):
            return
        yield wave[at : at + size]
        at += size


def small_model() -> CnnCtc:
    torch.manual_seed(0)
    return CnnCtc(CnnConfig(width=16, kernels=(9, 15, 31))).eval()


# resampling


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from(RATES) | st.integers(8000, 48000),
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=5),
    samples=st.integers(1, 30000),
)
@example(rate=44100, sizes=[1], samples=500)
@example(rate=47999, sizes=[7, 1234], samples=60000)
def test_resampled_blocks_are_the_resampled_whole(rate: int, sizes: list[int], samples: int) -> None:
    wave = noise(samples)
    whole = audio.resample(wave, rate)
    blocks = (block.numpy() for block in cut(wave, sizes))
    parts = torch.from_numpy(np.concatenate(list(resampled(blocks, rate, 16000))))
    assert len(whole) == -(-samples * 16000 // rate)
    assert len(parts) == len(whole)
    assert torch.allclose(parts, whole, atol=1e-6)


@pytest.mark.parametrize("rate", RATES)
def test_resampling_is_that_of_torchaudio(rate: int) -> None:
    from torchaudio.functional import resample as oracle

    wave = noise(rate + 17)
    assert torch.allclose(audio.resample(wave, rate), oracle(wave, rate, 16000), atol=5e-5)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 44099])
def test_a_late_click_stays_where_it_was(rate: int) -> None:
    wave = torch.zeros(100 * rate)
    wave[99 * rate] = 1.0
    blocks = (block.numpy() for block in cut(wave, [54321]))
    found = np.concatenate(list(resampled(blocks, rate, 16000)))
    assert int(found.argmax()) == 99 * 16000


def test_no_sound_resampled_is_no_sound() -> None:
    assert list(resampled([], 44100, 16000)) == []
    assert len(audio.resample(torch.zeros(0), 44100)) == 0


# files


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_file_read_in_blocks_is_the_file_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int, channels: int
) -> None:
    path = tmp_path / "a.wav"
    samples = np.random.default_rng(0).normal(0, 0.1, (2 * rate + 77, channels)).astype(np.float32)
    soundfile.write(path, samples, rate, subtype="FLOAT")
    whole = audio.resample(torch.from_numpy(samples.mean(axis=1)), rate)
    monkeypatch.setattr(streaming, "BLOCK", 1009)
    blocks = list(audio.stream(path))
    assert len(blocks) > 1
    assert torch.allclose(torch.cat(blocks), whole, atol=1e-6)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3", "m4a", "mkv"])
def test_every_container_streams_to_what_it_loads_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    import imageio_ffmpeg

    plain, path = tmp_path / "a.wav", tmp_path / f"a.{suffix}"
    soundfile.write(plain, noise(3 * 44100).numpy(), 44100)
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", plain, path], check=True)
    whole = audio.load(path)
    monkeypatch.setattr(streaming, "BLOCK", 997)
    assert torch.allclose(torch.cat(list(audio.stream(path))), whole, atol=1e-6)


def test_what_is_no_number_is_no_sound_in_any_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.full(5000, 0.25, np.float32)
    samples[[10, 2500, 4990]] = np.nan, np.inf, -np.inf
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    monkeypatch.setattr(streaming, "BLOCK", 999)
    wave = audio.load(tmp_path / "a.wav")
    assert wave[[10, 2500, 4990, 11]].tolist() == [0.0, 1.0, -1.0, 0.25]


def test_where_libsndfile_gives_up_ffmpeg_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.wav", noise(50000).numpy(), 16000, subtype="FLOAT")
    whole = audio.load(tmp_path / "a.wav")
    monkeypatch.setattr(streaming, "BLOCK", 4000)
    read = soundfile.SoundFile.read

    def failing(file: soundfile.SoundFile, *arguments: object, **options: object) -> object:
        if file.tell() >= 20000:
            raise soundfile.SoundFileRuntimeError("lost")
        return read(file, *arguments, **options)

    monkeypatch.setattr(soundfile.SoundFile, "read", failing)
    assert torch.allclose(audio.load(tmp_path / "a.wav"), whole, atol=1e-6)


@pytest.mark.parametrize("suffix", ["wav", "mkv"])
@pytest.mark.parametrize("asked", [0, 1])
def test_who_stops_asking_leaves_no_process_and_no_open_file(tmp_path: Path, suffix: str, asked: int) -> None:
    import imageio_ffmpeg

    plain, path = tmp_path / "a.wav", tmp_path / f"b.{suffix}"
    soundfile.write(plain, noise(20 * 44100).numpy(), 44100)
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", plain, path], check=True)
    before = set(Path("/proc/self/fd").iterdir()) if Path("/proc/self/fd").is_dir() else set()
    blocks = audio.stream(path)
    assert len(list(itertools.islice(blocks, asked))) == asked
    blocks.close()
    del blocks
    assert (set(Path("/proc/self/fd").iterdir()) if before else before) == before


@pytest.mark.parametrize(("content", "what"), [(b"", "the file is empty"), (b"la la la\n" * 99, "not a sound")])
def test_a_stream_that_cannot_be_is_refused_before_it_is_read(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "a.mp3").write_bytes(content)
    with pytest.raises(AudioError, match=what):
        audio.stream(tmp_path / "a.mp3")


# what networks look at


@settings(max_examples=30, deadline=None)
@given(samples=st.integers(1, 20000), sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=4))
@example(samples=160, sizes=[1])
@example(samples=159, sizes=[80])
@example(samples=512, sizes=[512])
def test_log_mels_of_blocks_are_those_of_the_whole(samples: int, sizes: list[int]) -> None:
    wave = noise(samples)
    parts = torch.cat(list(audio.log_mel_blocks(cut(wave, sizes), wave.device)))
    whole = audio.log_mel(wave)
    assert parts.shape == whole.shape
    assert torch.allclose(parts, whole, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 2, 99, 100, 101, 199, 200, 201, 299, 300, 301, 997])
@pytest.mark.parametrize("in_memory", [2**26, 1000])
def test_a_sound_in_blocks_and_windows_is_heard_as_the_whole(
    monkeypatch: pytest.MonkeyPatch, frames: int, in_memory: int
) -> None:
    monkeypatch.setattr(windows, "WINDOW_FRAMES", 100)
    monkeypatch.setattr(spool, "IN_MEMORY", in_memory)
    model = small_model()
    wave = noise(160 * (frames - 1) + 5)
    wave[len(wave) // 2 :] *= 30  # the level of the whole is known at its end only
    with torch.inference_mode():
        whole = model(audio.normalise(audio.log_mel(wave))[None])[0].log_softmax(-1)
    heard = model.log_probs_of(cut(wave, [777, 1, 4001]))
    assert heard.shape == whole.shape == (frames, len(model.symbols))
    assert float((heard - whole).abs().max()) < 1e-4


def test_silence_of_any_length_is_heard() -> None:
    assert small_model().log_probs_of([torch.zeros(16000)] * 3).isfinite().all()


def test_progress_is_told_when_all_has_been_read_and_ends_at_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOW_FRAMES", 50)
    events: list[float | str] = []

    def blocks() -> Iterator[Tensor]:
        for _ in range(3):
            yield noise(8000)
        events.append("read")

    small_model().log_probs_of(blocks(), events.append)
    assert events[0] == "read"
    assert events[1:] == sorted(events[1:])
    assert events[-1] == 1.0


def test_a_full_disk_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, data: memoryview) -> int:
            assert len(data) == 5
            raise OSError(28, "No space left on device")

    rows = spool.Rows(audio.MELS)
    rows.close()
    monkeypatch.setattr(rows, "_file", Full())
    with pytest.raises(AudioError, match=r"no room for a long sound: No space left on device \(.*TMPDIR\)"):
        Mels(rows, [np.zeros((5, audio.MELS), np.float32)])


HEAR = """
import resource, sys, torch
from aligner_core import audio, spool, streaming
from aligner_core.acoustic.cnn import CnnConfig, CnnCtc
model = CnnCtc(CnnConfig(width=16, kernels=(9, 15))).eval()
model.log_probs(torch.zeros(160000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
heard = model.log_probs_of(audio.stream(sys.argv[1]))
print(len(heard), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_an_hour_is_heard_in_little_more_than_what_is_heard(tmp_path: Path) -> None:
    seconds, rate = 3600, 16000
    minute = (np.random.default_rng(0).normal(0, 3000, 60 * rate)).astype(np.int16)
    with soundfile.SoundFile(tmp_path / "long.wav", "w", rate, 1) as file:
        for _ in range(seconds // 60):
            file.write(minute)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", HEAR, tmp_path / "long.wav"], env=environment, check=True, capture_output=True, text=True
    )
    frames, kilobytes = map(int, done.stdout.split())
    assert frames == 1 + 100 * seconds
    answer = frames * 41 * 4
    assert 1024 * kilobytes < answer + spool.IN_MEMORY + 64 * MEGABYTE < frames * 160 * 4  # all of it as samples


@pytest.mark.gpu
def test_a_gpu_hears_in_blocks_what_it_hears_in_the_whole() -> None:
    model, wave = small_model().to("cuda"), noise(160 * 7001)
    with torch.inference_mode():
        whole = model(audio.normalise(audio.log_mel(wave.to("cuda")))[None])[0].log_softmax(-1).cpu()
    heard = model.log_probs_of(cut(wave, [54321, 777]))
    assert heard.device.type == "cpu"
    assert torch.equal(model.log_probs(wave), model.log_probs(wave.to("cuda")))
    assert float((heard - whole).abs().max()) < 1e-2  # convolutions in TF32, by whatever algorithm suits the size
