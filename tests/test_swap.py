"""A song is the old or the new one whatever happens, and what a killed run leaves is swept away."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from songs import folder_of_songs, sound_behind

from benchmarks.embed import kill_at_random
from plugin.files import FileError
from plugin.tags.swap import replace_song, sweep


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.mp3"
    path.write_bytes(b"old")
    return path


def new(beside: Path) -> None:
    beside.write_bytes(b"new")


def test_a_song_is_replaced_and_its_backup_has_the_old_one(song: Path) -> None:
    assert replace_song(song, new, backup=True, keep_time=False) == song.with_name("song.mp3.bak")
    assert (song.read_bytes(), song.with_name("song.mp3.bak").read_bytes()) == (b"new", b"old")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError(28, "No space left on device")])
def test_if_writing_fails_nothing_has_happened(song: Path, error: type[BaseException] | OSError) -> None:
    def fail(beside: Path) -> None:
        beside.write_bytes(b"half")
        raise error

    with pytest.raises((ValueError, KeyboardInterrupt, FileError)):
        replace_song(song, fail, backup=True, keep_time=False)
    assert [path.name for path in song.parent.iterdir()] == ["song.mp3"]
    assert song.read_bytes() == b"old"


def test_a_backup_that_a_killed_run_made_is_used_again(song: Path) -> None:
    os.link(song, song.with_name("song.mp3.bak"))
    replace_song(song, new, backup=True, keep_time=False)
    assert len(list(song.parent.iterdir())) == 2


def test_what_is_not_a_usual_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp3")
    with pytest.raises(FileError, match="not a usual file"):
        replace_song(tmp_path / "pipe.mp3", new, backup=False, keep_time=False)
    assert stat.S_ISFIFO((tmp_path / "pipe.mp3").stat().st_mode)


def test_what_killed_runs_left_is_swept_and_what_is_being_written_is_not(song: Path) -> None:
    left, busy, other = (
        song.with_name(name) for name in (".karalign-song-1.tmp", ".karalign-song-2.tmp", ".other.tmp")
    )
    for path in (left, busy, other):
        path.write_bytes(b"")
    with busy.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert sweep(song.parent) == 1
    assert sorted(path.name for path in song.parent.iterdir()) == [busy.name, other.name, "song.mp3"]
    assert sweep(song.parent / "absent") == 0


def test_a_file_that_is_swept_before_it_is_locked_is_made_anew(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locks: list[int] = []
    real = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        if not locks:
            sweep_all(song.parent)
        locks.append(descriptor)
        real(descriptor, how)

    def sweep_all(folder: Path) -> None:
        for path in folder.glob(".karalign-song-*"):
            path.unlink()

    monkeypatch.setattr(fcntl, "flock", late)
    replace_song(song, new, backup=False, keep_time=False)
    assert len(locks) == 2
    assert song.read_bytes() == b"new"
    assert list(song.parent.iterdir()) == [song]


def test_a_disk_without_locks_will_do_and_is_not_swept(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    replace_song(song, new, backup=False, keep_time=False)
    (left := song.with_name(".karalign-song-1.tmp")).write_bytes(b"")
    assert sweep(song.parent) == 0
    assert left.exists()
    assert song.read_bytes() == b"new"


def test_who_sweeps_everything_at_once_is_told_of(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(descriptor: int, how: int) -> None:
        raise BlockingIOError

    monkeypatch.setattr(fcntl, "flock", busy)
    with pytest.raises(FileError, match="other programs delete its temporary files"):
        replace_song(song, new, backup=False, keep_time=False)
    assert song.read_bytes() == b"old"


def test_songs_survive_kills_at_random_points(tmp_path: Path) -> None:
    found = kill_at_random(tmp_path, songs=8, kills=12, seed=5)
    assert found.kills == 12
    assert (found.damaged, found.left_after_next_run, found.wrong_backups) == (0, 0, 0)
    assert found.old + found.new == 12 * 8


def test_an_interrupted_run_leaves_whole_songs_and_nothing_else(tmp_path: Path) -> None:
    songs = folder_of_songs(tmp_path, 60)
    names = {path.name for path in tmp_path.iterdir()}
    code = "from plugin.cli import main; main()"
    run = subprocess.Popen(
        [sys.executable, "-c", code, "embed", "--no-backup", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    before = {song: song.read_bytes() for song in songs}
    while run.poll() is None and all(song.read_bytes() == data for song, data in before.items()):
        time.sleep(0.002)
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=60)
    assert {path.name for path in tmp_path.iterdir()} == names
    assert [hashlib.sha256(sound_behind(song.read_bytes())).hexdigest() for song in songs] == list(songs.values())
    assert run.returncode in {0, 130}
    assert told == (b"" if run.returncode == 0 else b"karalign: interrupted\n")
