"""Where text comes from: files in any encoding, songs, standard input; and where it goes."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core.timeline import Alignment, Line, Word
from plugin import load, save
from plugin.cli import cli
from plugin.formats import FORMATS, Format, by_name
from plugin.moves import Move, frame_rate, seconds
from plugin.sources import by_content, read_source

if TYPE_CHECKING:
    from conftest import Karalign, Listener, Refuse

TEXT = "[00:01.00]café olé\n[00:03.00]\n"


@pytest.mark.parametrize("encoding", ["cp1250", "latin-1", "utf-16-le", "utf-16-be", "cp437"])
def test_the_encoding_that_is_told_is_used_where_nothing_proves_another(
    karalign: Karalign, tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "a.lrc").write_bytes(TEXT.encode(encoding))
    got = karalign("convert", tmp_path / "a.lrc", "-o", tmp_path / "o.srt", "--encoding", encoding)
    assert (got.code, got.err) == (0, "")
    assert load(tmp_path / "o.srt").lines[0].text == "café olé"


@pytest.mark.parametrize("proven", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_and_utf_8_go_before_what_is_told(proven: str, tmp_path: Path) -> None:
    (tmp_path / "a.lrc").write_bytes(TEXT.encode(proven))
    assert read_source(str(tmp_path / "a.lrc"), encoding="cp1250").alignment.lines[0].text == "café olé"


def test_a_guess_is_told_and_what_is_told_is_none(karalign: Karalign, tmp_path: Path) -> None:
    (tmp_path / "a.lrc").write_bytes(TEXT.encode("cp1252"))
    note = f"karalign: {tmp_path / 'a.lrc'}: read as cp1252, which is a guess: --encoding NAME tells it\n"
    assert karalign("convert", tmp_path / "a.lrc", "-o", tmp_path / "o.lrc").err == note
    assert karalign("convert", tmp_path / "a.lrc", "-o", tmp_path / "o.lrc", "--encoding", "cp1252").err == ""
    (tmp_path / "a.lrc").write_bytes(TEXT.encode())
    assert karalign("convert", tmp_path / "a.lrc", "-o", tmp_path / "o.lrc").err == ""


def test_align_tells_of_a_guess_too(karalign: Karalign, listener: Listener, song: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("café olé".encode("cp1252"))
    got = karalign("align", song, tmp_path / "a.txt", "-o", tmp_path / "o.lrc")
    assert "read as cp1252, which is a guess" in got.err
    told = karalign("align", song, tmp_path / "a.txt", "-o", tmp_path / "o.lrc", "--encoding", "cp437")
    assert "which is a guess" not in told.err
    assert load(tmp_path / "o.lrc").lines[0].text == "café olé".encode("cp1252").decode("cp437")


def test_the_encoding_of_a_file_stays_in_its_own_format(karalign: Karalign, tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_bytes("1\r\n00:00:01,000 --> 00:00:02,000\r\n<i>café</i>\r\n".encode("cp1252"))
    assert karalign("convert", tmp_path / "a.srt", "-o", tmp_path / "o.srt", "--shift", "500ms").code == 0
    wanted = "1\r\n00:00:01,500 --> 00:00:02,500\r\n<i>café</i>\r\n".encode("cp1252")
    assert (tmp_path / "o.srt").read_bytes() == wanted


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_standard_input_is_known_by_its_content(known: Format, timed: Path) -> None:
    assert by_content(known.render(load(timed))).name == known.name


def test_a_pipe_gives_what_files_give(karalign: Karalign, timed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(timed.read_bytes())))
    got = karalign("convert", "-", "-o", "-", "--format", "srt", "--level", "word")
    assert (got.code, got.err) == (0, "")
    assert [line.text for line in by_name("srt").parse(got.out).lines] == ["Amazing", "grace"]


def test_the_format_that_is_told_goes_before_the_ending(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    odd = timed.rename(tmp_path / "timed.txt")
    assert karalign("convert", odd, "-o", tmp_path / "o.lrc", "--from-format", "json").code == 0
    assert len(load(tmp_path / "o.lrc").words) == 2


def test_a_song_gives_the_lyrics_in_its_tags(karalign: Karalign, song: Path, tmp_path: Path) -> None:
    import soundfile

    flac = tmp_path / "song.flac"
    soundfile.write(flac, soundfile.read(song)[0], 16000)
    (tmp_path / "song.lrc").write_text(TEXT)
    assert karalign("embed", flac, "--no-backup").code == 0
    assert karalign("convert", flac, "-o", tmp_path / "o.srt").code == 0
    assert load(tmp_path / "o.srt").lines[0].text == "café olé"


def test_several_texts_go_into_a_folder_under_their_names(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    (tmp_path / "b.lrc").write_text(TEXT)
    (tmp_path / "out").mkdir()
    got = karalign("convert", timed, tmp_path / "b.lrc", "-o", tmp_path / "out", "--format", "srt")
    assert got.code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.srt", "timed.srt"]


def test_one_bad_text_of_several_and_nothing_is_written(refuse: Refuse, timed: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "out").mkdir()
    assert "bad.json:1: " in refuse("convert", timed, tmp_path / "bad.json", "-o", tmp_path / "out", "--format", "srt")


def test_an_input_is_never_written_to(refuse: Refuse, timed: Path) -> None:
    assert "would overwrite the input" in refuse("convert", timed, "-o", timed, "--shift", "1")


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_text_or_one_line_of_error(data: bytes) -> None:
    got = CliRunner().invoke(cli, ["convert", "-", "-o", "-", "-q", "--format", "txt"], input=data)
    assert got.exit_code in {0, 1}
    assert isinstance(got.exception, SystemExit | None)


# moves


@settings(max_examples=60)
@given(
    st.integers(0, 10**7), st.sampled_from(["23.976", "24", "25", "29.97", "30000/1001", "60"]),
    st.sampled_from(["23.976", "25", "30"]), st.integers(-10**6, 10**6),
)  # fmt: skip
def test_shift_and_frame_rates_are_exact_within_a_step(millis: int, before: str, after: str, shift: int) -> None:
    song = Alignment((Line("la", millis / 1000, millis / 1000 + 1, words=(Word("la"),)),))
    fps = frame_rate(before) / frame_rate(after)
    moved = Move(float(fps), shift / 1000).of(song)
    form = by_name("srt")
    start = form.parse(form.render(moved)).lines[0].start
    assert start is not None
    assert abs(start - max(0, float(fps * millis + shift) / 1000)) <= form.step / 2 + 1e-6


def test_rates_of_television_are_what_they_stand_for() -> None:
    assert frame_rate("23.976") == frame_rate("24000/1001") == frame_rate("23.98")
    assert frame_rate("29.97") == frame_rate("30000/1001")
    assert frame_rate("25") == 25


@pytest.mark.parametrize(("text", "value"), [("1.5", 1.5), ("1.5s", 1.5), ("-300ms", -0.3), ("+2s", 2.0), ("1e3", 1e3)])
def test_shifts_are_told_in_seconds_or_milliseconds(text: str, value: float) -> None:
    assert seconds(text) == value


def test_fps_makes_a_film_for_25_frames_fit_one_for_24(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    assert karalign("convert", timed, "-o", tmp_path / "o.json", "--fps", "25:24", "--shift", "-1s").code == 0
    assert load(tmp_path / "o.json").lines[0].start == pytest.approx(25 / 24 - 1)


@pytest.mark.parametrize("fps", ["25", "25:", "25:0", "0:25", "a:b", "25:24:23", "1/0:25", "nan:25"])
def test_a_frame_rate_that_is_none_is_wrong_usage(karalign: Karalign, timed: Path, tmp_path: Path, fps: str) -> None:
    got = karalign("convert", timed, "-o", tmp_path / "o.srt", "--fps", fps)
    assert got.code == 2
    assert "25:23.976" in got.err


def test_what_is_finer_than_usual_stays_in_its_own_format(karalign: Karalign, tmp_path: Path) -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:03.000\nsil<00:01.500>ver <00:02.000>bell\n"
    (tmp_path / "a.vtt").write_text(text)
    assert karalign("convert", tmp_path / "a.vtt", "-o", tmp_path / "b.vtt", "--shift", "1").code == 0
    assert load(tmp_path / "b.vtt") == load(tmp_path / "a.vtt").shifted(1)


def test_two_names_of_one_file_are_one_output_too_many(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    save(load(timed), tmp_path / "a.srt")
    (tmp_path / "b.srt").symlink_to(tmp_path / "a.srt")
    got = karalign("convert", timed, "-o", tmp_path / "a.srt", "-o", tmp_path / "b.srt")
    assert got.code == 2
    assert "would be written twice" in got.err


SCRIPT = """[Script Info]
ScriptType: v4.00+

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.50,0:00:09.00,Default,,0,0,0,template syl,!retime("syl")!
Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\k40\\1c&HFF&}la {\\k60}la
Dialogue: 1,0:00:03.00,0:00:04.00,Default,,0,0,0,fx,{\\fad(10,10)}made
Dialogue: 1,0:00:05.00,0:00:06.00,Default,,0,0,0,,{\\p1}m 0 0 l 1 1
"""


def test_all_of_a_script_moves_along_with_its_lines(karalign: Karalign, tmp_path: Path) -> None:
    (tmp_path / "a.ass").write_text(SCRIPT)
    assert karalign("convert", tmp_path / "a.ass", "-o", tmp_path / "b.ass", "--shift", "10s").code == 0
    wanted = SCRIPT.replace("0:00:0", "0:00:1")
    assert (tmp_path / "b.ass").read_text() == wanted
    assert karalign("convert", tmp_path / "b.ass", "-o", tmp_path / "c.ass", "--shift", "-10s").code == 0
    assert (tmp_path / "c.ass").read_text() == SCRIPT


def test_cues_without_text_move_along(karalign: Karalign, tmp_path: Path) -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nla\n\n2\n00:00:03,000 --> 00:00:04,000\n\n"
    (tmp_path / "a.srt").write_text(text)
    assert karalign("convert", tmp_path / "a.srt", "-o", tmp_path / "b.srt", "--stretch", "2").code == 0
    wanted = text.replace("01,", "02,").replace("02,000\nla", "04,000\nla").replace("03,", "06,")
    assert (tmp_path / "b.srt").read_text().count("00:00:06,000 --> 00:00:08,000") == 1
    assert len((tmp_path / "b.srt").read_text()) == len(wanted)


def test_a_file_that_is_not_moved_is_the_same_to_the_byte(karalign: Karalign, tmp_path: Path) -> None:
    (tmp_path / "a.ass").write_bytes(SCRIPT.replace("\n", "\r\n").encode("utf-8-sig"))
    assert karalign("convert", tmp_path / "a.ass", "-o", tmp_path / "b.ass").code == 0
    assert (tmp_path / "b.ass").read_bytes() == (tmp_path / "a.ass").read_bytes()
