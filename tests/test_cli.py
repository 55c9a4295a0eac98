"""What the shell sees: files, standard output, standard error and exit codes."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from songs import SOUND

from aligner_core import _version
from plugin import load
from plugin.formats import FORMATS
from plugin.hearing import hushed

if TYPE_CHECKING:
    from conftest import Karalign, Listener

# align


def test_align_writes_every_output_in_the_format_of_its_ending(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path
) -> None:
    outs = [tmp_path / f"out{known.extensions[0]}" for known in FORMATS]
    got = karalign("align", song, lyrics, *(part for out in outs for part in ("-o", out)))
    assert (got.code, got.out) == (0, "")
    for out in outs:
        spoken = [line.text for line in load(out).lines if line.kind == "lyrics"][-2:]
        assert spoken[-1] == "that saved a wretch like me"


def test_align_tells_on_stderr_what_it_did(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path
) -> None:
    got = karalign("align", song, lyrics, "-o", tmp_path / "out.json")
    rows = got.err.splitlines()
    assert rows[0] == f"wrote {tmp_path / 'out.json'}"
    assert rows[1] == "12 words timed"
    assert rows[2] == "left out of the sound: [Verse 1]"
    assert "of sound" in rows[3]
    assert len(rows) == 4
    assert load(tmp_path / "out.json").audio == "song.wav"


def test_quiet_is_silent(karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path) -> None:
    got = karalign("align", song, lyrics, "-q", "-o", tmp_path / "out.lrc")
    assert (got.code, got.out, got.err) == (0, "", "")


def test_verbose_tells_the_steps_in_order(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path
) -> None:
    rows = karalign("align", "-v", song, lyrics, "-o", tmp_path / "out.lrc").err.splitlines()
    steps = [row.split(" s  ", 1)[1] for row in rows if " s  " in row]
    assert steps == [f"{lyrics} read: 4 lines", "model loaded", f"{song} heard: 12.0 s", "aligned"]


def test_the_json_report_is_all_there_is_on_stdout(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path
) -> None:
    got = json.loads(karalign("align", song, lyrics, "--json", "-o", tmp_path / "out.lrc").out)
    assert got["words"] == {"timed": 12, "missing": 0}
    assert got["outputs"] == [str(tmp_path / "out.lrc")]
    assert got["audio_seconds"] == 12.0
    assert got["doubtful"] == []


@pytest.mark.parametrize(("least", "code"), [("0.8", 0), ("0.81", 3), ("1", 3), ("0", 0)])
def test_low_confidence_is_exit_code_3_with_the_lines_named_and_the_files_written(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path, least: str, code: int
) -> None:
    got = karalign("align", song, lyrics, "--min-confidence", least, "-o", tmp_path / "out.lrc")
    assert got.code == code
    assert ("  line 4 " in got.err) == (code == 3)
    assert (tmp_path / "out.lrc").is_file()


def test_a_line_that_was_not_found_is_low_confidence(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path
) -> None:
    listener.lost = frozenset(["that", "saved", "a", "wretch", "like", "me"])
    run = ("align", song, lyrics, "-o", tmp_path / "out.lrc")
    assert karalign(*run).code == 0
    got = karalign(*run, "--min-confidence", "0")
    assert got.code == 3
    assert "6 words timed, 6 not found" in got.err


def test_nothing_found_is_an_error_and_writes_nothing(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path
) -> None:
    listener.lost = frozenset(lyrics.read_text().split())
    got = karalign("align", song, lyrics, "-o", tmp_path / "out.lrc")
    assert (got.code, got.err.count("\n")) == (1, 1)
    assert got.err.startswith(f"karalign: {song}: nothing of the text was found")
    assert not (tmp_path / "out.lrc").exists()


def test_standard_output_gets_what_a_file_would(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path
) -> None:
    got = karalign("align", song, lyrics, "-o", "-", "--format", "ass", "--level", "word", "--k-tag", "ko")
    karalign("align", song, lyrics, "-o", tmp_path / "out.ass", "--level", "word", "--k-tag", "ko")
    assert got.out == (tmp_path / "out.ass").read_text()
    assert r"{\ko50}Amazing" in got.out


def test_the_model_and_the_device_are_handed_on(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path
) -> None:
    karalign("align", song, lyrics, "--model", "my.pt", "--device", "cuda:1", "-o", tmp_path / "out.lrc")
    karalign("align", song, lyrics, "-o", tmp_path / "out.lrc")
    assert listener.asked == [("my.pt", "cuda:1"), (None, "cpu")]


@pytest.mark.parametrize(("present", "device"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_the_gpu_where_there_is_one(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    present: bool, device: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("torch.cuda.is_available", lambda: present)
    karalign("align", song, lyrics, "--device", "auto", "-o", tmp_path / "out.lrc")
    assert listener.asked == [(None, device)]


def test_the_progress_bar_is_for_terminals_only(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    run = ("align", song, lyrics, "-o", tmp_path / "out.lrc")
    assert "aligning" not in karalign(*run).err
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    karalign(*run)
    assert "100%" in terminal.getvalue()
    terminal.truncate(0)
    karalign(*run, "-q")
    assert terminal.getvalue().strip("\0") == ""


@pytest.mark.parametrize("name", ["song.wav", "words.txt", "link.txt"])
def test_an_input_is_never_overwritten(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "link.txt").symlink_to(lyrics)
    before = song.read_bytes(), lyrics.read_bytes()
    got = karalign("align", song, lyrics, "--format", "lrc", "-o", tmp_path / name)
    assert got.code == 1
    assert "would overwrite the input" in got.err
    assert (song.read_bytes(), lyrics.read_bytes()) == before


def test_an_output_that_exists_is_replaced_unless_it_is_to_be_kept(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.lrc"
    out.write_text("mine")
    got = karalign("align", song, lyrics, "--no-clobber", "-o", out)
    assert (got.code, out.read_text()) == (1, "mine")
    assert listener.asked == [], "refused before the model was loaded"
    assert karalign("align", song, lyrics, "-o", out).code == 0
    assert out.read_text() != "mine"


def test_an_interruption_is_130_and_leaves_nothing_behind(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    listener.before = lambda: os.kill(os.getpid(), signal.SIGINT)
    got = karalign("align", song, lyrics, "-o", tmp_path / "out.lrc")
    assert (got.code, got.err) == (130, "karalign: interrupted\n")
    assert sorted(tmp_path.iterdir()) == before


def test_an_interruption_while_writing_keeps_the_old_file(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.lrc"
    out.write_text("mine")
    before = sorted(tmp_path.iterdir())

    def interrupt(*paths: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    monkeypatch.setattr(os, "replace", interrupt)
    assert karalign("align", song, lyrics, "-o", out).code == 130
    assert out.read_text() == "mine"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "name", ["-dash.txt", "--help.txt", "a b.txt", 'it\'s "quoted".txt', "Čhâtéau 日本.txt", "%s.txt"]
)
def test_any_name_will_do(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, name: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    lyrics.rename(name)
    song.rename(name + ".wav")
    out = Path(name).with_suffix(".lrc")
    got = karalign("align", "-o", out, "--", name + ".wav", name)
    assert (got.code, got.err.splitlines()[0]) == (0, f"wrote {out}")
    assert out.is_file()


def test_c_libraries_are_silenced_for_a_while_only(capfd: pytest.CaptureFixture[str]) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    with hushed():
        os.write(2, b"a warning from C")
    os.write(2, b"and then")
    assert capfd.readouterr().err == "and then"
    assert len(list(Path("/dev/fd").iterdir())) == before


# usage


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["align", "a.wav"],
        ["align", "a.wav", "b.txt"],
        ["align", "a.wav", "b.txt", "-o", "-"],
        ["align", "a.wav", "b.txt", "-o", "-", "--format", "lrc", "--json"],
        ["align", "a.wav", "b.txt", "-o", "c.lrc", "--format", "nonsense"],
        ["align", "a.wav", "b.txt", "-o", "c.lrc", "--level", "letter"],
        ["align", "a.wav", "b.txt", "-o", "c.lrc", "--device", "gpu"],
        ["align", "a.wav", "b.txt", "-o", "c.lrc", "--device", "cuda:x"],
        ["align", "a.wav", "b.txt", "-o", "c.lrc", "--min-confidence", "1.1"],
        ["align", "a.wav", "b.txt", "-o", "c.lrc", "--trust", "1.1"],
        ["align", "a.wav", "b.lrc", "-o", "c.lrc", "--trust", "0.5", "--keep-times"],
        ["align", "a.wav", "b.lrc", "-o", "c.lrc", "--trust", "0.5", "--lines", "1-2"],
        ["align", "a.wav", "b.lrc", "-o", "c.lrc", "--lines", "1,2"],
        ["align", "a.wav", "b.lrc", "-o", "c.lrc", "--from", "soon"],
        ["convert", "a.lrc"],
        ["convert", "a.lrc", "-o", "b.srt", "--shift", "soon"],
        ["convert", "a.lrc", "-o", "b.srt", "--fps", "25"],
        ["convert", "a.lrc", "-o", "b.srt", "-o", "./b.srt"],
        ["convert", "a.lrc", "-o", "b.srt", "--theme", "stage"],
        ["convert", "a.lrc", "-o", "b.ctm", "--lead-in", "1"],
        ["convert", "a.lrc", "-o", "b.srt", "--encoding", "klingon"],
        ["convert", "a.lrc", "c.lrc", "-o", "b.srt"],
        ["align", "a.wav", "b.txt", "-o", "c.lrc", "-o", "c.lrc"],
        ["align", "a.wav", "b.srt", "--in-place", "--max-lines", "2"],
        ["score", "a.lrc"],
    ],
)
def test_wrong_usage_is_exit_code_2_and_nothing_on_stdout(karalign: Karalign, arguments: list[str]) -> None:
    got = karalign(*arguments)
    assert (got.code, got.out) == (2, "")
    assert "Usage: karalign" in got.err


def test_the_version_is_the_package_s(karalign: Karalign) -> None:
    assert karalign("--version").out == f"karalign, version {_version.__version__}\n"


# the system


def shell(*arguments: str | Path, **how: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from plugin.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, stderr=subprocess.PIPE, check=False, **how)


def test_a_reader_that_closes_the_pipe_gets_no_traceback(timed: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = shell("convert", timed, "-o", "-", "--format", "json", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_one_line(timed: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = shell("convert", timed, "-o", "-", "--format", "json", stdout=full)
    assert (done.returncode, done.stderr) == (1, b"karalign: No space left on device\n")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such names")
def test_a_name_that_is_no_text_is_printed_as_it_is(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.mp3")).write_bytes(SOUND)
    done = shell("strip", "--dry-run", tmp_path, stdout=subprocess.PIPE, env=os.environ | {"PYTHONIOENCODING": "utf-8"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\xff.mp3: as it should be" in done.stdout
