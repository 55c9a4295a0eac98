"""Whatever is wrong with the input: one line that says so, exit code 1, and every file as it was."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from plugin import load

if TYPE_CHECKING:
    from conftest import Karalign, Refuse

RATE = 16000
WORDS = "déjà vu\nit’s a naïve café"


def noise(seconds: float, level: float = 0.1) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return (level * np.random.default_rng(0).standard_normal(int(RATE * seconds))).astype(np.float32)


def ffmpeg(*arguments: str | Path) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, noise(6), RATE)
    return path


@pytest.fixture
def lyrics(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text(WORDS, "utf-8")
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.lrc"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a network so small that it loads in no time; it has learnt nothing."""
    import torch

    from aligner_core.acoustic import save
    from aligner_core.acoustic.cnn import CnnConfig, CnnCtc

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "tiny.pt"
    save(CnnCtc(CnnConfig(width=8, kernels=(3,), expansion=1)), "cnn", path, {})
    return path


# sound; the model is missing in these, so an error about the sound shows that it was looked at first


def test_missing_audio(refuse: Refuse, lyrics: Path, out: Path, tmp_path: Path) -> None:
    song = tmp_path / "nowhere.mp3"
    assert refuse("align", song, lyrics, "--model", "none.pt", "-o", out).startswith(f"karalign: {song}: there is no")


def test_empty_audio(refuse: Refuse, lyrics: Path, out: Path, tmp_path: Path) -> None:
    song = tmp_path / "empty.mp3"
    song.touch()
    assert f"{song}: the file is empty" in refuse("align", song, lyrics, "--model", "none.pt", "-o", out)


def test_audio_without_a_sample(refuse: Refuse, lyrics: Path, out: Path, tmp_path: Path) -> None:
    song = tmp_path / "header.wav"
    soundfile.write(song, noise(0), RATE)
    assert f"{song}: the file holds no sound" in refuse("align", song, lyrics, "--model", "none.pt", "-o", out)


def test_a_folder_as_audio(refuse: Refuse, lyrics: Path, out: Path, tmp_path: Path) -> None:
    assert f"{tmp_path}: is a folder" in refuse("align", tmp_path, lyrics, "--model", "none.pt", "-o", out)


def test_a_text_as_audio(refuse: Refuse, lyrics: Path, out: Path, tmp_path: Path) -> None:
    song = tmp_path / "song.mp3"
    song.write_text("no sound at all\n" * 100)
    assert f"{song}: not a sound" in refuse("align", song, lyrics, "--model", "none.pt", "-o", out)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.01, 0.001])
def test_a_truncated_mp3(refuse: Refuse, lyrics: Path, out: Path, tmp_path: Path, share: float) -> None:
    song = tmp_path / "cut.mp3"
    soundfile.write(song, noise(30), RATE)
    whole = song.read_bytes()
    song.write_bytes(whole[: int(share * len(whole))])
    assert str(song) in refuse("align", song, lyrics, "--model", "none.pt", "-o", out)


def test_a_video_without_sound(refuse: Refuse, lyrics: Path, out: Path, tmp_path: Path) -> None:
    video = tmp_path / "mute.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=c=black:s=64x64:d=1:r=5", "-c:v", "mpeg4", video)
    assert f"{video}: the file has no sound track" in refuse("align", video, lyrics, "--model", "none.pt", "-o", out)


def test_a_text_longer_than_the_audio_can_hold(
    refuse: Refuse, lyrics: Path, out: Path, tmp_path: Path, model: Path
) -> None:
    song = tmp_path / "short.wav"
    soundfile.write(song, noise(0.5), RATE)
    lyrics.write_text("and many many more words than half a second holds\n" * 20)
    assert f"{song}: the text needs" in refuse("align", song, lyrics, "--exact", "--model", model, "-o", out)


@pytest.mark.parametrize(("seconds", "level"), [(600, 0.0), (20, 1e-5)])
def test_silence_is_gone_through_and_found_empty(
    refuse: Refuse, lyrics: Path, out: Path, tmp_path: Path, seconds: float, level: float
) -> None:
    song = tmp_path / "silence.flac"
    soundfile.write(song, noise(seconds, level), RATE)
    assert f"{song}: no" in refuse("align", song, lyrics, "-o", out)


# text; the sound is missing in these


@pytest.mark.parametrize("text", ["", "\n \n\t\n", "\ufeff"])
def test_empty_lyrics(refuse: Refuse, lyrics: Path, out: Path, text: str) -> None:
    lyrics.write_text(text, "utf-8")
    assert f"{lyrics}: the file is empty" in refuse("align", "none.mp3", lyrics, "-o", out)


def test_lyrics_of_headings_only(refuse: Refuse, song: Path, lyrics: Path, out: Path, model: Path) -> None:
    lyrics.write_text("[Chorus]\n\n(x2)\n")
    assert f"karalign: {lyrics}: " in refuse("align", song, lyrics, "--model", model, "-o", out)


def test_missing_lyrics(refuse: Refuse, out: Path, tmp_path: Path) -> None:
    assert f"{tmp_path / 'none.txt'}: there is no such file" in refuse(
        "align", "none.mp3", tmp_path / "none.txt", "-o", out
    )


@pytest.mark.parametrize("data", [bytes(range(256)), b"\x89PNG\r\n\x1a\n\0\0\0", b"RIFF\x24\0\0\0WAVEfmt "])
def test_a_binary_file_as_lyrics(refuse: Refuse, lyrics: Path, out: Path, data: bytes) -> None:
    lyrics.write_bytes(data)
    assert f"karalign: {lyrics}" in refuse("align", "none.mp3", lyrics, "-o", out)


def test_lyrics_cut_in_the_middle_of_a_character(refuse: Refuse, lyrics: Path, out: Path) -> None:
    lyrics.write_bytes("déjà vu".encode("utf-16")[:-1])
    assert "utf-16" in refuse("align", "none.mp3", lyrics, "-o", out)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lyrics_in_any_usual_encoding_work(
    karalign: Karalign, song: Path, lyrics: Path, tmp_path: Path, model: Path, encoding: str, newline: str
) -> None:
    lyrics.write_bytes(WORDS.replace("\n", newline).encode(encoding))
    got = karalign("align", song, lyrics, "--model", model, "-o", tmp_path / "out.json")
    assert got.code == 0, got.err
    assert [line.text for line in load(tmp_path / "out.json").lines] == WORDS.split("\n")


@pytest.mark.parametrize("command", ["convert", "score"])
def test_timed_text_that_is_not_in_its_format_is_told_with_its_line(
    refuse: Refuse, tmp_path: Path, command: str
) -> None:
    (tmp_path / "bad.json").write_text('{"version": 1,\n"lines": [}')
    (tmp_path / "good.json").write_text('{"version": 1, "lines": []}')
    others = ["-o", tmp_path / "out.lrc"] if command == "convert" else [tmp_path / "good.json"]
    assert f"{tmp_path / 'bad.json'}:2: " in refuse(command, tmp_path / "bad.json", *others)


def test_an_impossible_stretch(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "good.lrc").write_text("[00:01.00]word\n")
    for factor in ("0", "-1", "nan", "inf"):
        assert "cannot stretch by" in refuse(
            "convert", tmp_path / "good.lrc", "-o", tmp_path / "o.srt", "--stretch", factor
        )


def test_an_impossible_shift(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "good.lrc").write_text("[00:01.00]word\n")
    for seconds in ("nan", "inf", "-inf"):
        assert f"cannot shift by {seconds} s" in refuse(
            "convert", tmp_path / "good.lrc", "-o", tmp_path / "o.srt", "--shift", seconds
        )


# outputs; sound, text and model are missing in these


@pytest.mark.parametrize("name", ["song.xyz", "song", "song.lrc.zip"])
def test_an_output_format_that_nobody_knows(refuse: Refuse, tmp_path: Path, name: str) -> None:
    assert ".lrc" in refuse("align", "none.mp3", "none.txt", "-o", tmp_path / "fine.lrc", "-o", tmp_path / name)


def test_an_unknown_format_is_refused_a_tenth_of_a_second_after_start_up(
    processor_seconds: Callable[..., float],
) -> None:
    started = min(processor_seconds("align", "--help") for _ in range(3))
    refused = min(processor_seconds("align", "none.mp3", "none.txt", "-o", "song.xyz", code=1) for _ in range(3))
    assert refused - started < 0.1


def test_a_folder_that_does_not_exist(refuse: Refuse, tmp_path: Path) -> None:
    line = refuse("align", "none.mp3", "none.txt", "-o", tmp_path / "nowhere" / "song.lrc")
    assert f"{tmp_path / 'nowhere'}: there is no such folder" in line


def test_a_folder_that_is_a_file(refuse: Refuse, lyrics: Path) -> None:
    assert f"{lyrics}: cannot be written to" in refuse("align", "none.mp3", "none.txt", "-o", lyrics / "song.lrc")


def test_a_folder_as_output(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "song.lrc").mkdir()
    line = refuse("align", "none.mp3", "none.txt", "-o", tmp_path / "song.lrc")
    assert f"{tmp_path / 'song.lrc'}: is a folder" in line


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, where even root cannot make a file")
def test_an_unwritable_folder(refuse: Refuse) -> None:
    assert "/proc: " in refuse("align", "none.mp3", "none.txt", "-o", "/proc/song.lrc")


def test_a_write_protected_file(refuse: Refuse, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out.write_text("old")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != out or mode != os.W_OK)
    assert f"{out}: is write-protected" in refuse("align", "none.mp3", "none.txt", "-o", out)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def timed_text(folder: Path) -> Path:
    path = folder / "long.lrc"
    path.write_text("".join(f"[{i // 60:02}:{i % 60:02}.00]and another line\n" for i in range(1000)))
    return path


def test_a_full_disk(refuse: Refuse, small_disk: Path, tmp_path: Path) -> None:
    out = small_disk / "song.srt"
    out.write_text("old")
    assert f"{out}: cannot be written: No space left" in refuse("convert", timed_text(tmp_path), "-o", out)
    assert out.read_text() == "old"


def test_a_read_only_disk(refuse: Refuse, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    line = refuse("align", "none.mp3", "none.txt", "-o", small_disk / "song.lrc")
    assert f"{small_disk}: cannot be written to: Read-only" in line


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on file sizes")
def test_a_disk_that_fills_up_while_writing(refuse: Refuse, tmp_path: Path) -> None:
    import resource

    source, out = timed_text(tmp_path), tmp_path / "song.srt"
    out.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16000, hard))
    try:
        line = refuse("convert", source, "-o", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"{out}: cannot be written: File too large" in line


# checkpoints


class Bomb:
    """Pickled, it is a program: whoever unpickles it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_a_missing_checkpoint(refuse: Refuse, song: Path, lyrics: Path, out: Path) -> None:
    assert "none.pt: there is no such checkpoint" in refuse("align", song, lyrics, "--model", "none.pt", "-o", out)


@pytest.mark.parametrize("kept", [slice(0), slice(1000), slice(-100), slice(7, None), slice(0, None, 2)], ids=str)
def test_a_corrupt_checkpoint(
    refuse: Refuse, song: Path, lyrics: Path, out: Path, tmp_path: Path, model: Path, kept: slice
) -> None:
    bad = tmp_path / "bad.pt"
    bad.write_bytes(model.read_bytes()[kept])
    assert f"{bad}: damaged" in refuse("align", song, lyrics, "--model", bad, "-o", out)


def test_a_checkpoint_that_is_a_program_is_not_run(
    refuse: Refuse, song: Path, lyrics: Path, out: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bomb.pt"
    bad.write_bytes(pickle.dumps({"format": 1, "backend": "cnn", "state": Bomb(tmp_path / "crater")}, protocol=2))
    assert f"{bad}: damaged" in refuse("align", song, lyrics, "--model", bad, "-o", out)


def test_a_device_that_is_not_there(refuse: Refuse, song: Path, lyrics: Path, out: Path, model: Path) -> None:
    line = refuse("align", song, lyrics, "--model", model, "--device", "cuda:99", "-o", out)
    assert "device cuda:99" in line


# names, all the way through


@pytest.mark.parametrize("name", ["-dash", "a b", 'it\'s "it"', "Čhâtéau 日本", "c:olon", "%d", "file:x"])
def test_names_that_trip_programs_work(
    karalign: Karalign, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ffmpeg("-f", "lavfi", "-i", "sine=d=3", "-c:a", "aac", "song.m4a")
    Path("song.m4a").rename(f"{name}.m4a")  # only ffmpeg reads this, and has its own ideas of names
    Path(f"{name}.txt").write_text("amazing grace")
    got = karalign("align", "--model", model, "-o", f"{name}.lrc", "--", f"{name}.m4a", f"{name}.txt")
    assert got.code == 0, got.err
    assert load(f"{name}.lrc").lines[-1].text == "amazing grace"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes descriptors")
def test_a_closed_standard_error_does_no_harm(song: Path, lyrics: Path, out: Path, model: Path) -> None:
    run = [sys.executable, "-c", "from plugin.cli import main; main()"]
    run += ["align", str(song), str(lyrics), "--exact", "--model", str(model), "-o", str(out)]
    assert subprocess.run(["sh", "-c", '"$@" 2>&-', "sh", *run], check=False).returncode == 0
    assert len(load(out).words) == 6
