"""`karalign guide`: from the shell to sound files, mixes and times."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from conftest import tree
from numpy.typing import NDArray
from speaking import saved

from aligner_core import audio
from aligner_core.timeline import Alignment, Line, Word
from plugin import load, save
from plugin.formats import FORMATS

if TYPE_CHECKING:
    from conftest import Karalign, Refuse

TIMED = "[00:01.00]<00:01.00>Amazing <00:01.80>grace<00:02.50>\n[00:04.00]how sweet\n[00:09.00]\n"
LONG = 10.0  # seconds of the song


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return saved(tmp_path_factory.mktemp("voice"))


@pytest.fixture
def timed(tmp_path: Path) -> Path:
    path = tmp_path / "timed.lrc"
    path.write_text(TIMED)
    return path


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    at = np.arange(round(LONG * 16_000)) / 16_000
    soundfile.write(path, 0.2 * np.sin(2 * np.pi * 300 * at).astype(np.float32), 16_000)
    return path


def read(path: Path) -> tuple[NDArray[np.float32], int]:
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return sound, rate


def loud(path: Path, start: float, end: float) -> float:
    sound, rate = read(path)
    return float(np.sqrt((sound[round(start * rate) : round(end * rate)] ** 2).mean()))


def test_words_are_spoken_into_a_file(karalign: Karalign, tiny: tuple[str, ...], tmp_path: Path) -> None:
    got = karalign("guide", "Hello there, my dear.", "-o", tmp_path / "out.wav", *tiny)
    assert (got.code, got.out) == (0, "")
    assert got.err.splitlines()[:2] == [f"wrote {tmp_path / 'out.wav'}", "4 words spoken"]
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        assert 0.5 < file.getnframes() / 24_000 < 6
    assert list(tree(tmp_path)) == [tmp_path / "out.wav"]


def test_every_kind_of_sound_is_written_at_once(karalign: Karalign, tiny: tuple[str, ...], tmp_path: Path) -> None:
    outs = [tmp_path / f"out{ending}" for ending in (".wav", ".flac", ".mp3")]
    assert karalign("guide", "Hello", *(part for out in outs for part in ("-o", out)), *tiny).code == 0
    lengths = [len(audio.load(out)) / audio.SAMPLE_RATE for out in outs]
    assert max(lengths) - min(lengths) < 0.1


def test_timed_words_are_spoken_in_their_times(
    karalign: Karalign, tiny: tuple[str, ...], timed: Path, tmp_path: Path
) -> None:
    out, times = tmp_path / "out.wav", tmp_path / "spoken.json"
    assert karalign("guide", timed, "-o", out, "--save-times", times, *tiny).code == 0
    words = {word.text: (word.start, word.end) for word in load(times).words}
    assert words["Amazing"] == (1.0, 1.8)
    assert words["grace"] == (1.8, 2.5)
    assert words["how"][0] == 4.0
    assert loud(out, 1.0, 2.5) > 10 * loud(out, 2.7, 3.8)
    assert load(times).audio == "out.wav"


def test_times_can_be_saved_in_every_format(karalign: Karalign, tiny: tuple[str, ...], tmp_path: Path) -> None:
    text = tmp_path / "words.txt"
    text.write_text("Amazing grace\nhow sweet\n")
    outs = [tmp_path / f"times{known.extensions[0]}" for known in FORMATS]
    arguments = [part for out in outs for part in ("--save-times", out)]
    assert karalign("guide", text, "-o", tmp_path / "out.wav", *arguments, *tiny).code == 0
    for out in outs:
        assert "grace" in out.read_text("utf-8")


def test_times_of_a_file_come_back_into_it(karalign: Karalign, tiny: tuple[str, ...], tmp_path: Path) -> None:
    script = tmp_path / "in.ass"
    head = "[Script Info]\nTitle: mine\n\n[Events]\n"
    script.write_text(head + "Dialogue: 0,0:00:01.00,0:00:09.00,Mine,,0,0,0,,{\\an8}how sweet\n")
    out = tmp_path / "out.ass"
    assert karalign("guide", script, "-o", tmp_path / "a.wav", "--save-times", out, *tiny).code == 0
    written = out.read_text("utf-8")
    assert written.startswith(head)
    assert "Mine" in written
    assert "{\\an8}" in written


def test_over_a_song_it_is_a_mix_as_long_as_the_song(
    karalign: Karalign, tiny: tuple[str, ...], timed: Path, song: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mix.wav"
    before = song.read_bytes()
    assert karalign("guide", timed, "--over", song, "--duck", "20", "--gain", "-60", "-o", out, *tiny).code == 0
    sound, rate = read(out)
    assert (len(sound) / rate, rate, sound.shape[1]) == (LONG, 44_100, 2)
    level = 0.2 / np.sqrt(2)
    assert loud(out, 0.1, 0.6) == pytest.approx(level, rel=0.02)
    assert loud(out, 1.4, 2.4) == pytest.approx(level / 10, rel=0.2)
    assert loud(out, 8.0, 9.5) == pytest.approx(level, rel=0.05)
    assert song.read_bytes() == before


def test_a_stem_is_the_voice_alone_as_long_as_the_song(
    karalign: Karalign, tiny: tuple[str, ...], timed: Path, song: Path, tmp_path: Path
) -> None:
    out = tmp_path / "stem.flac"
    assert karalign("guide", timed, "--over", song, "--stem", "--pan", "1", "-o", out, *tiny).code == 0
    sound, rate = read(out)
    assert len(sound) / rate == LONG
    assert np.abs(sound[:, 0]).max() == 0
    assert np.abs(sound[: round(0.8 * rate)]).max() == 0
    assert np.abs(sound[rate : 2 * rate, 1]).max() > 1e-3


@pytest.mark.parametrize("options", [["--stem"], ["--duck", "3"], ["--pan", "0.5"]])
def test_what_is_about_a_song_needs_one(
    karalign: Karalign, tiny: tuple[str, ...], tmp_path: Path, options: list[str]
) -> None:
    got = karalign("guide", "hello", "-o", tmp_path / "a.wav", *options, *tiny)
    assert got.code == 2
    assert "--over" in got.err
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    ("options", "spoken"),
    [
        (["--lines", "2"], ["how"]),
        (["--from", "0:03"], ["how"]),
        (["--to", "3"], ["Amazing"]),
        ([], ["Amazing", "how"]),
    ],
)
def test_a_part_of_the_lines_is_spoken_when_asked(
    karalign: Karalign, tiny: tuple[str, ...], timed: Path, tmp_path: Path, options: list[str], spoken: list[str]
) -> None:
    times = tmp_path / "spoken.json"
    got = karalign("guide", timed, "-o", tmp_path / "a.wav", "--save-times", times, *options, *tiny)
    assert got.code == 0
    lines = [line for line in load(times).lines if line.kind == "lyrics"]
    assert len(lines) == 2
    assert [line.text.split()[0] for line in lines if line.timed] == spoken


@pytest.mark.parametrize(
    ("options", "what"), [(["--lines", "7-9"], "no line of the text"), (["--from", "1:00:00"], "no line of the text")]
)
def test_a_part_that_is_not_there_is_refused(
    refuse: Refuse, tiny: tuple[str, ...], timed: Path, tmp_path: Path, options: list[str], what: str
) -> None:
    assert what in refuse("guide", timed, "-o", tmp_path / "a.wav", *options, *tiny)


def test_a_text_without_times_has_no_part_of_them(refuse: Refuse, tiny: tuple[str, ...], tmp_path: Path) -> None:
    assert "has no times" in refuse("guide", "hello", "--from", "3", "-o", tmp_path / "a.wav", *tiny)


def test_a_text_begins_where_it_is_told(karalign: Karalign, tiny: tuple[str, ...], tmp_path: Path) -> None:
    times = tmp_path / "a.json"
    assert (
        karalign("guide", "hello", "--start-at", "2.5", "-o", tmp_path / "a.wav", "--save-times", times, *tiny).code
        == 0
    )
    assert load(times).words[0].start == 2.5


def test_the_report_is_json_when_asked(karalign: Karalign, tiny: tuple[str, ...], timed: Path, tmp_path: Path) -> None:
    got = karalign("guide", timed, "-o", tmp_path / "a.wav", "--json", "-q", *tiny)
    told = json.loads(got.out)
    assert got.err == ""
    assert told["words"] == {"spoken": 4, "left_out": 0}
    assert [line["start"] for line in told["lines"]] == [1.0, 4.0]
    assert told["outputs"] == [str(tmp_path / "a.wav")]


def test_what_is_left_out_is_told(karalign: Karalign, tiny: tuple[str, ...], tmp_path: Path) -> None:
    text = tmp_path / "a.lrc"
    text.write_text("[00:01.00]hello 你好\n[00:01.00]\n[00:01.02]\n")
    got = karalign("guide", text, "-o", tmp_path / "a.wav", *tiny)
    assert "1 word spoken, 1 left out" in got.err
    assert "not known how to say: 你好" in got.err


def test_translations_are_not_spoken_but_stay(karalign: Karalign, tiny: tuple[str, ...], tmp_path: Path) -> None:
    text, times = tmp_path / "a.lrc", tmp_path / "b.json"
    text.write_text("[00:01.00]how sweet\n[00:01.00]wie lieblich\n[00:03.00]\n")
    got = karalign("guide", text, "-o", tmp_path / "a.wav", "--save-times", times, *tiny)
    assert got.code == 0
    assert "2 words spoken" in got.err
    assert [line.text for line in load(times).lines] == ["how sweet", "wie lieblich"]


@pytest.mark.parametrize("name", ["out.xyz", "nowhere/out.wav", "out.lrc"])
def test_an_output_that_will_not_do_is_told_before_a_voice_is_looked_for(
    refuse: Refuse, tmp_path: Path, name: str
) -> None:
    told = refuse("guide", "hello", "-o", tmp_path / name, "--voice", tmp_path / "none.voice")
    assert "none.voice" not in told


def test_bad_inputs_are_told_before_a_voice_is_looked_for(refuse: Refuse, tmp_path: Path) -> None:
    out, absent = tmp_path / "a.wav", ("--voice", tmp_path / "none.voice")
    assert "there is no such file" in refuse("guide", "none.lrc", "-o", out, *absent)
    assert "there is no such file" in refuse("guide", "hello", "--over", tmp_path / "none.mp3", "-o", out, *absent)
    assert "none.voice: there is no such voice" in refuse("guide", "hello", "-o", out, *absent)


def test_the_song_and_the_text_are_never_overwritten(
    refuse: Refuse, tiny: tuple[str, ...], timed: Path, song: Path, tmp_path: Path
) -> None:
    assert "overwrite the input" in refuse("guide", timed, "--over", song, "-o", song, *tiny)
    assert "overwrite the input" in refuse("guide", timed, "-o", tmp_path / "a.wav", "--save-times", timed, *tiny)


@pytest.mark.parametrize("text", ["", "   ", "😀", "你好"])
def test_what_cannot_be_said_is_one_line(refuse: Refuse, tiny: tuple[str, ...], tmp_path: Path, text: str) -> None:
    told = refuse("guide", text, "-o", tmp_path / "a.wav", *tiny)
    assert "nothing that can be said" in told or "no line of the text" in told


def test_words_with_a_dot_and_long_texts_are_no_file(karalign: Karalign, tiny: tuple[str, ...], tmp_path: Path) -> None:
    for text in ("Hello.", "I read words.txt", "node.js", "how sweet " * 40):
        assert karalign("guide", text, "-o", tmp_path / "a.wav", *tiny).code == 0


def test_the_bar_is_for_terminals_only(tiny: tuple[str, ...], tmp_path: Path) -> None:
    code = "import sys; sys.path.insert(0, '.'); from plugin.cli import main; main()"
    command = [sys.executable, "-c", code, "guide", "hello", "-o", str(tmp_path / "a.wav"), *tiny]
    quiet = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "speaking" not in quiet.stderr
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stderr=slave, stdout=subprocess.DEVNULL)
    assert process.wait() == 0
    os.close(slave)
    assert b"speaking" in os.read(master, 100_000)
    os.close(master)


def test_the_macro_of_aegisub_gets_its_lines_spoken_in_their_times(
    karalign: Karalign, tiny: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plugin.commands import guide

    named = dict(zip(tiny[::2], tiny[1::2], strict=True))
    for option in guide.command.params:
        if option.name in ("voice", "vocoder"):
            monkeypatch.setattr(option, "default", named[f"--{option.name}"])
    job, out = tmp_path / "job", tmp_path / "guide.wav"
    lines = "line\t7\t1000\t2000\tGrace\nline\t8\t4000\t6000\t{\\k50}how {\\k50}sweet\n"
    job.write_text(f"karalign-job\t1\ntask\tguide\naudio\t\noption\toutput\t{out}\n{lines}", "utf-8")
    assert karalign("aegisub-job", job).code == 0
    result = (tmp_path / "job.result").read_text("utf-8").splitlines()
    assert result[-1] == f"exit\t0\t{out} is written."
    assert "Speaking" in (tmp_path / "job.progress").read_text("utf-8")
    assert loud(out, 4.0, 5.0) > 1e-3
    assert loud(out, 2.6, 3.6) == 0


def test_what_is_aligned_is_spoken_word_by_word(karalign: Karalign, tiny: tuple[str, ...], tmp_path: Path) -> None:
    words = (Word("Amazing", 0.503, 1.207), Word("grace", 1.349, 2.222))
    save(Alignment((Line("Amazing grace", 0.503, 2.222, words=words),)), tmp_path / "in.json")
    times = tmp_path / "out.json"
    got = karalign("guide", tmp_path / "in.json", "-o", tmp_path / "a.wav", "--save-times", times, *tiny)
    assert got.code == 0
    for asked, said in zip(words, load(times).words, strict=True):
        assert asked.start is not None
        assert said.start is not None
        assert abs(asked.start - said.start) <= 0.005 + 1e-9
