"""What the shell sees: files, standard output, standard error and exit codes."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import aligner_core
from aligner_core import _version
from aligner_core.timeline import Alignment, Line, Word
from plugin import load, save
from plugin.formats import FORMATS, by_name

if TYPE_CHECKING:
    from conftest import Karalign

SECONDS = 12.0
TEXT = "[Verse 1]\nAmazing grace how sweet the sound\n\nthat saved a wretch like me\n"


@dataclasses.dataclass
class Listener:
    """In the place of `Aligner`: gives every word half a second, and every line the score that the test wants."""

    scores: tuple[float | None, ...] = (0.9, 0.8)
    lost: frozenset[str] = frozenset()  # words that it does not find
    before: Callable[[], None] = lambda: None
    asked: list[tuple[str | None, str]] = dataclasses.field(default_factory=list)

    def load(self, model: str | None = None, device: str = "cpu") -> Self:
        self.asked.append((model, device))
        return self

    def align_wave(
        self, wave: NDArray[np.float32], rate: int, lyrics: Alignment, progress: Callable[[float], None] | None = None
    ) -> Alignment:
        self.before()
        assert len(wave) / rate == SECONDS
        for share in (0.5, 1.0):
            if progress:
                progress(share)
        lines, scores, at = [], iter(self.scores), 0.0
        for line in lyrics.lines:
            if line.text.startswith("["):
                lines.append(Line(line.text, kind="heading"))
                continue
            words = [Word(w.text) if w.text in self.lost else Word(w.text, at + i / 2, at + i / 2 + 0.5)
                     for i, w in enumerate(line.words)]  # fmt: skip
            timed = [word for word in words if word.timed]
            if timed:
                start, end = timed[0].start, timed[-1].end
                lines.append(dataclasses.replace(
                    line, start=start, end=end, score=next(scores), words=tuple(words)))  # fmt: skip
                at += len(words) / 2
            else:
                lines.append(dataclasses.replace(line, words=tuple(words)))
        return Alignment(tuple(lines))


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    listener = Listener()
    monkeypatch.setitem(vars(aligner_core), "Aligner", listener)
    return listener


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.zeros(int(16000 * SECONDS), np.float32), 16000)
    return path


@pytest.fixture
def lyrics(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def timed(tmp_path: Path) -> Path:
    path = tmp_path / "timed.json"
    words = (Word("Amazing", 1.0, 2.0, 0.5), Word("grace", 2.5, 4.0, 0.25))
    save(Alignment((Line("Amazing grace", 1.0, 4.0, 0.375, words),), "song.mp3"), path)
    return path


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
    assert steps == [f"{lyrics} read: 4 lines", f"{song} read: 12.0 s", "model loaded", "aligned"]


def test_the_json_report_is_all_there_is_on_stdout(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path
) -> None:
    got = json.loads(karalign("align", song, lyrics, "--json", "-o", tmp_path / "out.lrc").out)
    assert got["words"] == {"timed": 12, "missing": 0}
    assert got["outputs"] == [str(tmp_path / "out.lrc")]
    assert got["audio_seconds"] == SECONDS
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
    listener.lost = frozenset(TEXT.split())
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
    "name", ["-dash.txt", "--help.txt", "a b.txt", "it's \"quoted\".txt", "Čhâtéau 日本.txt", "%s.txt"]
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
        ["convert", "a.lrc"],
        ["convert", "a.lrc", "b.srt", "--shift", "soon"],
        ["score", "a.lrc"],
    ],
)
def test_wrong_usage_is_exit_code_2_and_nothing_on_stdout(karalign: Karalign, arguments: list[str]) -> None:
    got = karalign(*arguments)
    assert (got.code, got.out) == (2, "")
    assert "Usage: karalign" in got.err


def test_the_version_is_the_package_s(karalign: Karalign) -> None:
    assert karalign("--version").out == f"karalign, version {_version.__version__}\n"


# convert


def test_convert_stretches_before_it_shifts(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert karalign("convert", timed, out, "--shift", "-1.5", "--stretch", "2").code == 0
    assert load(out) == load(timed).stretched(2).shifted(-1.5)


def test_convert_without_changes_is_lossless_in_json(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    karalign("convert", timed, tmp_path / "out.json")
    assert (tmp_path / "out.json").read_bytes() == timed.read_bytes()


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_convert_writes_every_format_to_a_file_and_to_standard_output(
    karalign: Karalign, timed: Path, tmp_path: Path, known: Any
) -> None:
    out = tmp_path / f"out{known.extensions[0]}"
    assert karalign("convert", timed, out).code == 0
    got = karalign("convert", timed, "-", "--format", known.name.upper())
    assert (got.code, got.out, got.err) == (0, out.read_text(), "")
    assert got.out == by_name(known.name).render(load(timed))


def test_convert_says_nothing_when_all_is_well(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    got = karalign("convert", timed, tmp_path / "out.lrc")
    assert (got.code, got.out, got.err) == (0, "", "")


# score


def test_a_timeline_scores_perfectly_against_itself(karalign: Karalign, timed: Path) -> None:
    figures = json.loads(karalign("score", timed, timed, "--json").out)
    assert figures["words"] == 2
    assert figures["onset"]["mean"] == figures["offset"]["mean"] == 0


def test_score_tells_how_late_a_timeline_is(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    karalign("convert", timed, tmp_path / "late.json", "--shift", "0.25")
    got = karalign("score", timed, tmp_path / "late.json")
    assert (got.code, got.err) == (0, "")
    assert "bias +0.250 s" in got.out
    assert "300 ms 100.0%" in got.out


def test_score_refuses_two_texts_that_are_not_the_same(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("Amazing")
    got = karalign("score", timed, tmp_path / "other.txt")
    assert (got.code, got.out) == (1, "")
    assert "2 words" in got.err


# doctor, formats


def test_doctor_finds_nothing_missing_here(karalign: Karalign) -> None:
    got = karalign("doctor")
    assert got.code == 0, got.out
    assert "MISSING" not in got.out


def test_doctor_names_every_requirement_with_its_version(karalign: Karalign) -> None:
    checks = {check["name"]: check for check in json.loads(karalign("doctor", "--json").out)}
    assert checks["torch"]["ok"]
    assert checks["soundfile"]["seen"] == soundfile.__version__
    assert {"Python", "karalign", "click", "ffmpeg", "acoustic model", "letter model", "compiled code"} <= set(checks)


def test_doctor_fails_where_something_essential_is_missing(karalign: Karalign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda _: ["no-such-package>=1; python_version > '3'"])
    got = karalign("doctor")
    assert got.code == 1
    assert "MISSING  no-such-package  not installed (pip install no-such-package)" in got.out


def test_doctor_forgives_what_is_not_essential(karalign: Karalign, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", none)
    got = karalign("doctor")
    assert got.code == 0
    assert "no       ffmpeg" in got.out


def test_doctor_names_a_folder_that_cannot_be_written_to(karalign: Karalign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/no/such/folder")
    monkeypatch.setattr(os, "access", lambda path, _: str(path) != "/")
    got = karalign("doctor")
    assert got.code == 1
    assert "MISSING  compiled code    cannot write to /no/such/folder (set NUMBA_CACHE_DIR)" in got.out
    assert "ok       temporary files" in got.out


def test_formats_lists_every_format_with_its_endings(karalign: Karalign) -> None:
    rows = {row.split()[0]: row for row in karalign("formats").out.splitlines()[1:]}
    assert list(rows) == [known.name for known in FORMATS]
    assert all(ending in rows[known.name] for known in FORMATS for ending in known.extensions)


# the system


def shell(*arguments: str | Path, **how: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from plugin.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, stderr=subprocess.PIPE, check=False, **how)


def test_a_reader_that_closes_the_pipe_gets_no_traceback(timed: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = shell("convert", timed, "-", "--format", "json", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_one_line(timed: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = shell("convert", timed, "-", "--format", "json", stdout=full)
    assert (done.returncode, done.stderr) == (1, b"karalign: No space left on device\n")
