"""`karalign batch` as people and scripts use it."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from conftest import Karalign, tree
from obedient import Obedient, heard, library
from songs import real

from aligner_core.timeline import Alignment
from plugin import load
from plugin.formats import by_name
from plugin.library.journal import Journal, Run
from plugin.library.work import Item, Outcome, Settings, do
from plugin.tags.change import Manner, embed, extract

DRIVER = """
import plugin.library.crew, plugin.library.hands
plugin.library.crew.LOADED = ()
from obedient import Obedient
from plugin.library.local import Local
import plugin.commands.batch as batch
batch._engine = lambda *_: Local(2, load=Obedient.load)
from plugin.cli import main
main()
"""
SONGS = {"a": "good", "b": "bad", "c": "good"}


class Here:
    """An engine that does all in this process."""

    def run(self, items: Sequence[Item], settings: Settings) -> Iterator[Outcome]:
        hearer = Obedient.load(settings)
        return (do(item, settings, hearer) for item in items)


@pytest.fixture
def batch(karalign: Karalign, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Karalign:
    """`karalign batch` whose engine is this process, with its report beside the folder `songs`."""
    monkeypatch.setattr("plugin.commands.batch._engine", lambda *_: Here())
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: karalign("batch", *arguments)


def report(folder: Path) -> dict[str, str]:
    """The status of each song."""
    songs = json.loads((folder / "karalign-report" / "report.json").read_text())["songs"]
    return {Path(song["song"]).stem: song["status"] for song in songs}


def test_songs_are_timed_and_what_fails_is_told(batch: Karalign, tmp_path: Path) -> None:
    library(tmp_path / "songs", SONGS)
    got = batch("songs", "--write", "lrc,json")
    assert (got.code, got.out) == (1, "")
    assert got.err.splitlines()[:2] == ["../songs/b.mp3: is no sound", "3 songs, 0.01 hours of sound: 2 done, 1 failed"]
    assert report(tmp_path) == {"a": "done", "b": "failed", "c": "done"}
    assert load(tmp_path / "songs/a.lrc").timed
    assert load(tmp_path / "songs/c.json").timed
    assert not (tmp_path / "songs/b.lrc").exists()
    again = batch("songs", "--write", "lrc,json")
    assert "3 of them before" in again.err
    assert [name for name, _, _ in heard(tmp_path / "songs")] == ["a.mp3", "b.mp3", "c.mp3"]


@pytest.mark.parametrize(
    ("orders", "options", "code"),
    [
        ({"a": "good"}, (), 0),
        ({"a": "good", "b": "bad"}, (), 1),
        ({"a": "good"}, ("--min-confidence", "0.95"), 3),  # each line scores 0.9
        ({"a": "good"}, ("--min-confidence", "0.85"), 0),
        ({"a": "good", "b": "bad"}, ("--min-confidence", "0.95"), 1),
        ({"a": "good"}, ("--no-backup",), 2),
        ({"a": "good"}, ("--address", "auto"), 2),
        ({"a": "good"}, ("--device", "cuda:x"), 2),
        ({"a": "good"}, ("--write", "mp4"), 1),
        ({"a": "good"}, ("--max-chars", "30"), 2),  # of subtitles, and LRC is none
        ({"a": "good"}, ("--max-chars", "30", "--write", "srt"), 0),
        ({}, (), 1),
    ],
)
def test_exit_codes_are_for_scripts(
    orders: dict[str, str], options: tuple[str, ...], code: int, batch: Karalign, tmp_path: Path
) -> None:
    library(tmp_path / "songs", orders)
    assert batch("songs", "--write", "lrc", *options).code == code


def test_nothing_to_write_is_a_wrong_use(batch: Karalign, tmp_path: Path) -> None:
    library(tmp_path / "songs", SONGS)
    got = batch("songs")
    assert got.code == 2
    assert "one of --write FORMATS, --embed and a list with outputs is needed" in got.err


def test_a_dry_run_lists_what_is_to_be_done_and_changes_nothing(batch: Karalign, tmp_path: Path) -> None:
    library(tmp_path / "songs", SONGS)
    before = tree(tmp_path)
    got = batch("songs", "--write", "lrc", "--dry-run")
    assert (got.code, got.err) == (0, "")
    place = tmp_path / "songs"
    assert got.out.splitlines()[0] == f"{place}/a.mp3: {place}/a.txt -> {place}/a.lrc"
    assert got.out.splitlines()[-1] == "3 songs to do, 0 skipped"
    assert tree(tmp_path) == before
    assert batch("songs", "--write", "lrc").code == 1
    rows = json.loads(batch("songs", "--write", "lrc", "--dry-run", "--json", "--failed").out)["songs"]
    assert [row["skipped"] for row in rows] == ["done before", None, "done before"]


def test_names_that_are_no_text_are_listed_as_they_are(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.mp3")).write_bytes(b"something")
    code = "from plugin.cli import cli; cli(['batch', '.', '--write', 'lrc', '--dry-run'])"
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=strict, capture_output=True, check=True)
    assert b"/\xff.mp3: lyrics in its tags" in done.stdout


def test_a_dry_run_loads_nothing_heavy(tmp_path: Path) -> None:
    library(tmp_path / "songs", SONGS)
    code = (
        "import sys; from plugin.cli import cli\n"
        "try: cli(['batch', 'songs', '--write', 'lrc', '--dry-run'])\n"
        "except SystemExit: print([name for name in ('torch', 'numpy', 'ray', 'fsspec') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_names_are_looked_at_before_anything_is_loaded(batch: Karalign, tmp_path: Path) -> None:
    for arguments, said in (
        (("gone",), "gone: there is no such file"),
        (("list.jsonl",), "list.jsonl: there is no such file"),
    ):
        got = batch(*arguments, "--write", "lrc")
        assert (got.code, got.out, got.err) == (1, "", f"karalign: {said}\n")
    (tmp_path / "songs").mkdir()
    assert "there is no song" in batch("songs", "--write", "lrc").err
    assert not (tmp_path / "karalign-report").exists()
    got = batch("songs", "--write", "lrc", "--report", "/proc/karalign")
    assert got.code == 1
    assert re.fullmatch(r"karalign: .*\n", got.err)


def test_a_run_that_is_going_on_is_told_before_songs_are_looked_for(batch: Karalign, tmp_path: Path) -> None:
    (tmp_path / "karalign-report").mkdir()
    with Journal(tmp_path / "karalign-report" / "journal.jsonl", Run.of(Settings())):
        got = batch("gone", "--write", "lrc")
    assert got.code == 1
    assert "another run is using it" in got.err


def test_the_report_is_printed_as_json(batch: Karalign, tmp_path: Path) -> None:
    library(tmp_path / "songs", SONGS)
    got = batch("songs", "--write", "lrc", "--json")
    data = json.loads(got.out)
    assert got.err == ""
    assert data["counts"] == {"done": 2, "doubtful": 0, "failed": 1, "skipped": 0}
    assert (data["songs_now"], data["songs_before"]) == (3, 0)


def test_quietly_only_what_failed_is_told(batch: Karalign, tmp_path: Path) -> None:
    library(tmp_path / "songs", SONGS)
    assert batch("songs", "--write", "lrc", "--quiet").err == "../songs/b.mp3: is no sound\n"


def test_files_that_were_there_before_are_not_replaced_unless_that_is_asked(batch: Karalign, tmp_path: Path) -> None:
    library(tmp_path / "songs", {"a": "good"})
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.ass").write_text("mine")
    assert batch("songs", "--write", "ass", "--out", "out").code == 0
    assert report(tmp_path) == {"a": "skipped"}
    assert json.loads((tmp_path / "karalign-report/times.json").read_text())["songs_before"] == 0
    assert (tmp_path / "out/a.ass").read_text() == "mine"
    assert batch("songs", "--write", "ass", "--out", "out", "--overwrite").code == 0
    assert load(tmp_path / "out/a.ass").timed


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg", "m4a"])
def test_lyrics_are_embedded_and_the_song_is_done_once(kind: str, batch: Karalign, tmp_path: Path) -> None:
    song = placed(tmp_path, kind)
    (tmp_path / "songs" / "a.txt").write_text("Hello big world\nAgain\n")
    before = song.read_bytes()
    assert batch("songs", "--embed").code == 0
    assert extract(song).timed
    assert (tmp_path / "songs" / f"a.{kind}.bak").read_bytes() == before
    assert "1 of them before" in batch("songs", "--embed").err


def test_a_run_killed_when_lyrics_had_replaced_those_in_the_tags_takes_the_old_ones(
    batch: Karalign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for name, killed in (("undisturbed", False), ("killed", True)):
        folder = tmp_path / name
        song = placed(folder, "flac")
        embed(song, _plain("Hello big world\n\nAgain"), Manner(backup=False))
        monkeypatch.chdir(folder)
        with pytest.MonkeyPatch.context() as patch:
            if killed:
                patch.setattr("plugin.library.journal.Journal.add", _die)
                assert batch("songs", "--embed").code == 130
        assert batch("songs", "--embed").code == 0
        results.append(contents(folder))
    assert results[0] == results[1]


def placed(folder: Path, kind: str) -> Path:
    """A real song, which orders nothing."""
    (folder / "songs").mkdir(parents=True)
    song = folder / "songs" / f"a.{kind}"
    song.write_bytes(real(kind))
    return song


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def _plain(text: str) -> Alignment:
    return by_name("txt").parse(text)


def driven(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """`karalign batch` with real processes, which hear what the songs say."""
    tests = str(Path(__file__).parent)
    paths = os.pathsep.join([tests, str(Path(tests).parent)])
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, "batch", "songs", "--write", "lrc,json", "--quiet", *options],
        cwd=folder, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def contents(folder: Path) -> dict[str, bytes | None]:
    """All that has to be the same."""
    own = ("journal.jsonl", "times.json", "heard.log")
    return {str(path.relative_to(folder)): data for path, data in tree(folder).items() if path.name not in own}


def test_killed_at_any_moment_a_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    orders = {f"song{number}": ("sleep 0.15", "bad", "sleep 0.05")[number % 3] for number in range(15)}
    for name in ("whole", "killed"):
        library(tmp_path / name / "songs", orders)
    whole = driven(tmp_path / "whole")
    whole.communicate()
    assert whole.returncode == 1
    chance, kills = random.Random(0), 0
    for _ in range(3):
        process = driven(tmp_path / "killed")
        time.sleep(chance.uniform(1.0, 2.2))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    last = driven(tmp_path / "killed")
    assert {line.rpartition(b": ")[2] for line in last.communicate()[1].splitlines()} == {b"is no sound"}
    assert last.returncode == 1
    assert kills
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_processes_and_leaves_nothing_half_written(told: signal.Signals, tmp_path: Path) -> None:
    library(tmp_path / "songs", {f"song{number}": "sleep 0.3" for number in range(30)})
    process = driven(tmp_path)
    log = tmp_path / "songs" / "heard.log"
    while not log.exists() or len(heard(tmp_path / "songs")) < 4:
        time.sleep(0.05)
    process.send_signal(told)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 128 + told
    assert said == (b"karalign: interrupted\n" if told == signal.SIGINT else b"")
    assert not list((tmp_path / "songs").glob(".*"))
    for _, number, _ in heard(tmp_path / "songs"):
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)
    begun = {path.stem for path in (tmp_path / "songs").glob("*.lrc")}
    assert 1 <= len(begun) < 30
