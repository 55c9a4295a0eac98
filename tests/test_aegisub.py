"""The exchange with Aegisub, the run of a job, and the macros put where Aegisub looks for them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any, cast

import click
import pytest
from conftest import Karalign, Listener, tree
from hypothesis import given
from hypothesis import strategies as st

from aligner_core.errors import LyricsError
from plugin import cli
from plugin.aegisub import job as exchange
from plugin.aegisub.job import JobLine, Outcome
from plugin.aegisub.places import INSTALLED, SOURCE, feed, scripts, usual_folders

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from("\t\n\r\\"), max_size=30)
HEAD = "karalign-job\t1\ntask\tlines\n"


def job_file(folder: Path, body: str, head: str = HEAD) -> Path:
    path = folder / "job"
    path.write_bytes((head + body).encode())
    return path


def result_of(path: Path) -> list[list[str]]:
    return [row.split("\t") for row in path.with_name("job.result").read_text("utf-8").splitlines()]


@given(TEXT, TEXT, st.integers(0, 10**9 - 1))
def test_any_text_comes_through_a_job(tmp_path_factory: pytest.TempPathFactory, audio: str, text: str, ms: int) -> None:
    cells = [exchange._escaped(cell) for cell in (audio, text)]
    path = job_file(tmp_path_factory.mktemp("job"), f"audio\t{cells[0]}\nline\t7\t{ms}\t0\t{cells[1]}\n")
    got = exchange.read(path)
    assert (got.audio, got.lines) == (audio, (JobLine("7", ms, 0, text),))


@given(TEXT)
def test_a_result_has_a_row_for_each_fact_and_ends_with_the_exit(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("job") / "job"
    outcome = Outcome((JobLine("7", 10, 20, text),), {"8": text}, ("9",), text)
    exchange.write_result(path, outcome, 1)
    data = path.with_name("job.result").read_bytes().decode()
    rows = [[exchange._unescaped(cell) for cell in row.split("\t")] for row in data.removesuffix("\n").split("\n")]
    assert rows[1:] == [["line", "7", "10", "20", text], ["mark", "8", text], ["missing", "9"], ["exit", "1", text]]


@pytest.mark.parametrize("row", ["line\t7\t0\t10", "line\t7\t-5\t10\tx", "sing\tx"])
def test_a_damaged_job_is_named_with_its_row(tmp_path: Path, row: str) -> None:
    with pytest.raises(LyricsError, match="belongs to no job") as caught:
        exchange.read(job_file(tmp_path, row + "\n"))
    assert caught.value.where.endswith("job:3")


def test_a_job_of_another_version_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LyricsError, match="aegisub install"):
        exchange.read(job_file(tmp_path, "", "karalign-job\t99\n"))


def test_a_failure_is_in_the_result_as_one_sentence(tmp_path: Path, karalign: Karalign) -> None:
    path = job_file(tmp_path, "audio\t/nowhere/song.wav\nline\t7\t0\t10\tAmazing grace\n")
    got = karalign("aegisub-job", path)
    (_, exit_) = result_of(path)
    assert (got.code, exit_[:2]) == (1, ["exit", "1"])
    assert exit_[2].startswith("/nowhere/song.wav: ")
    assert exit_[2].endswith(".")


def test_progress_is_told_row_by_row(tmp_path: Path, karalign: Karalign, song: Path, listener: Listener) -> None:
    path = job_file(tmp_path, f"audio\t{song}\nline\t7\t0\t10\tAmazing grace\n")
    assert karalign("aegisub-job", path).code == 0
    rows = [row.split("\t") for row in (tmp_path / "job.progress").read_text().splitlines()]
    shares = [int(share) for share, _ in rows]
    assert shares == sorted(set(shares))
    assert rows[0][1] == "Loading"
    assert rows[-1][1] == "Finding the lines"
    assert result_of(path)[-1] == ["exit", "0", ""]


def test_a_cancel_ends_the_run_without_a_result(tmp_path: Path, song: Path) -> None:
    path = job_file(tmp_path, f"audio\t{song}\nline\t7\t0\t10\tAmazing grace\n")
    (tmp_path / "job.cancel").touch()
    command = [sys.executable, "-c", "from plugin.cli import main; main()", "aegisub-job", str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (cli.INTERRUPTED, "karalign: interrupted\n")
    assert not (tmp_path / "job.result").exists()


def test_a_guide_vocal_is_made_of_the_lines_in_their_times(
    tmp_path: Path, karalign: Karalign, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = job_file(
        tmp_path, f"option\toutput\t{tmp_path / 'out.wav'}\nline\t7\t10\t2000\tGrace\n", HEAD.replace("lines", "guide")
    )

    @click.command()
    @click.argument("script", type=Path)
    @click.option("-o", "output", type=Path)
    def guide(script: Path, output: Path) -> None:
        output.write_text(script.read_text("utf-8").splitlines()[-1])

    monkeypatch.setitem(sys.modules, "plugin.commands.guide", cast(Any, SimpleNamespace(command=guide)))
    monkeypatch.setattr(cli, "COMMANDS", (*cli.COMMANDS, "guide"))
    assert karalign("aegisub-job", path).code == 0
    assert "0:00:00.01,0:00:02.00" in (tmp_path / "out.wav").read_text()
    assert result_of(path)[-1] == ["exit", "0", f"{tmp_path / 'out.wav'} is written."]


def test_without_that_command_a_guide_vocal_is_refused(
    tmp_path: Path, karalign: Karalign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "COMMANDS", tuple(name for name in cli.COMMANDS if name != "guide"))
    path = job_file(tmp_path, "line\t7\t10\t2000\tGrace\n", HEAD.replace("lines", "guide"))
    assert "makes no guide vocals" in karalign("aegisub-job", path).err
    assert result_of(path)[-1][1] == "1"


def test_what_is_installed_is_whole_and_goes_again(tmp_path: Path, karalign: Karalign) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = tree(tmp_path)
    assert karalign("aegisub", "status", "--dir", tmp_path).code == 1
    assert karalign("aegisub", "install", "--dir", tmp_path).code == 0
    for script in scripts():
        assert (tmp_path / "automation" / script).read_bytes() == (SOURCE / script).read_bytes()
    told = dict(row.split("\t") for row in (tmp_path / INSTALLED).read_text().splitlines())
    assert told["guide"] == ("yes" if "guide" in cli.COMMANDS else "no")
    assert karalign("aegisub", "status", "--dir", tmp_path).code == 0
    assert karalign("aegisub", "install", "--dir", tmp_path).code == 0
    assert karalign("aegisub", "uninstall", "--dir", tmp_path).code == 0
    left = {path: data for path, data in tree(tmp_path).items() if data is not None}
    assert left == {path: data for path, data in before.items() if data is not None}


def test_a_macro_that_was_changed_is_told_as_of_another_version(tmp_path: Path, karalign: Karalign) -> None:
    karalign("aegisub", "install", "--dir", tmp_path)
    script = tmp_path / "automation" / "autoload" / "karalign.Timing.lua"
    script.write_text("-- mine")
    got = karalign("aegisub", "status", "--dir", tmp_path)
    assert (got.code, f"other version  {script}" in got.out) == (1, True)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, karalign: Karalign) -> None:
    got = karalign("aegisub", "install", "--dir", tmp_path / "gone")
    assert (got.code, got.err.count("\n")) == (1, 1)
    assert str(tmp_path / "gone") in got.err
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    ("system", "env", "place"),
    [
        ("linux", {"HOME": "/home/a"}, "/home/a/.aegisub"),
        ("darwin", {"HOME": "/Users/a"}, "/Users/a/Library/Application Support/Aegisub"),
        ("win32", {"APPDATA": "C:/Users/a/AppData/Roaming"}, "C:/Users/a/AppData/Roaming/Aegisub"),
    ],
)
def test_every_system_has_its_folder(system: str, env: dict[str, str], place: str) -> None:
    assert PurePosixPath(place) in [PurePosixPath(path.as_posix()) for path in usual_folders(env, system)]


def test_the_folder_of_the_user_is_found(tmp_path: Path, karalign: Karalign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / ".aegisub").mkdir()
    assert karalign("aegisub", "install").code == 0
    assert (tmp_path / ".aegisub" / INSTALLED).exists()


def test_the_feed_has_the_hash_of_every_script() -> None:
    told = json.loads(feed("https://example.org/karalign/"))
    offered = {**told["macros"], **told["modules"]}
    assert set(offered) == {"karalign.Timing", "karalign.host", "karalign.job"}
    for script in scripts():
        (file,) = offered[".".join(script.with_suffix("").parts[1:])]["channels"]["release"]["files"]
        assert file["sha1"] == hashlib.sha1((SOURCE / script).read_bytes(), usedforsecurity=False).hexdigest()
        assert file["url"] == f"https://example.org/karalign/{script.as_posix()}"
