"""Songs with lyrics as other programs see them: mutagen, eyeD3, tinytag, Kid3, ExifTool, metaflac and the like."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from pathlib import Path

import pytest
from songs import LRC, PLAIN, real, sound_behind

from plugin import load
from plugin.formats import by_name
from plugin.tags.change import Manner, embed, extract
from plugin.tags.players import WAYS

LYRICS = by_name("lrc").parse(LRC)
MARKS = [("\nHello", 100), (" big", 500), (" world", 900), ("\nAgain", 1200), ("\n", 1800)]
LINES = "[00:00.10]Hello big world\n[00:01.20]Again\n[00:01.80]"


def song(folder: Path, kind: str, manner: Manner | None = None) -> Path:
    """A song as ffmpeg writes it, with the lyrics in it."""
    path = folder / f"song.{kind}"
    path.write_bytes(real(kind))
    embed(path, LYRICS, manner or Manner(backup=False))
    return path


def program(*command: str | Path) -> str:
    """What a program prints; the test is skipped where it is absent."""
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


@pytest.mark.parametrize("version", [3, 4])
def test_mutagen_reads_sylt_and_uslt(tmp_path: Path, version: int) -> None:
    from mutagen.id3 import ID3

    bare = tmp_path / "song.mp3"
    bare.write_bytes(sound_behind(real("mp3")))
    embed(bare, LYRICS, Manner(backup=False, version=version))
    tag = ID3(bare)
    (timed,), (plain,) = tag.getall("SYLT"), tag.getall("USLT")
    assert tag.version == (2, version, 0)
    assert (timed.text, timed.format, timed.type, timed.lang, timed.desc) == (MARKS, 2, 1, "eng", "")
    assert (plain.text, plain.lang, plain.desc) == (PLAIN, "eng", "")


def test_eyed3_reads_uslt_and_keeps_sylt(tmp_path: Path) -> None:
    eyed3 = pytest.importorskip("eyed3", reason="eyeD3 is not installed")
    logging.getLogger("eyed3").setLevel(logging.ERROR)
    path = song(tmp_path, "mp3")
    read = eyed3.load(path)
    assert read.tag.lyrics[0].text == PLAIN
    assert read.tag.title == "Tone"
    assert b"SYLT" in read.tag.frame_set


def test_tinytag_makes_lrc_of_sylt(tmp_path: Path) -> None:
    tinytag = pytest.importorskip("tinytag", reason="tinytag is not installed")
    path = song(tmp_path, "mp3", Manner(WAYS["sylt"], level="line", backup=False))
    read = tinytag.TinyTag.get(path)
    found = " ".join(str(value) for value in [read.other.get("lyrics"), read.as_dict()])
    assert "[00:00.10]Hello big world" in found
    assert read.title == "Tone"


@pytest.mark.parametrize("kind", ["mp3", "m4a", "flac"])
def test_ffmpeg_reads_the_lyrics_and_the_title(tmp_path: Path, kind: str) -> None:
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(song(tmp_path, kind)), "-f", "ffmetadata", "-"]
    read = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Hello big world" in read
    assert "title=Tone" in read


@pytest.mark.parametrize("level", ["word", "line"])
def test_kid3_exports_the_lines_and_imports_what_we_read(tmp_path: Path, level: str) -> None:
    path = song(tmp_path, "mp3", Manner(level=level, backup=False))  # type: ignore[arg-type]
    program("kid3-cli", "-c", f"get SYLT:'{tmp_path / 'out.lrc'}'", path)
    exported = load(tmp_path / "out.lrc")
    assert [(line.text, line.start) for line in exported.lines] == [("Hello big world", 0.1), ("Again", 1.2)]
    (tmp_path / "in.lrc").write_text("[00:01.00]Kid<00:01.50> three\n[00:02.00]here\n")
    program("kid3-cli", "-c", f"set SYLT:'{tmp_path / 'in.lrc'}' ''", path)
    assert [(line.text, line.start) for line in extract(path).lines][:2] == [("Kid three", 1), ("here", 2)]


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg", "opus", "m4a"])
def test_kid3_reads_the_lyrics_of_every_container(tmp_path: Path, kind: str) -> None:
    path = song(tmp_path, kind, Manner(WAYS["lrc-in-uslt"], backup=False))
    assert "Hello big world" in program("kid3-cli", "-c", "get lyrics", path)
    assert program("kid3-cli", "-c", "get title", path).strip() == "Tone"


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg", "opus", "m4a"])
def test_exiftool_finds_the_lyrics_and_nothing_wrong(tmp_path: Path, kind: str) -> None:
    (read,) = json.loads(program("exiftool", "-json", "-validate", "-all", song(tmp_path, kind)))
    assert any("Hello big world" in str(value) for value in read.values())
    assert read["Title"] == "Tone"
    assert "Warning" not in read


def test_metaflac_and_flac_take_the_file(tmp_path: Path) -> None:
    path = song(tmp_path, "flac")
    assert f"LYRICS={LINES}" in program("metaflac", "--export-tags-to=-", path)
    program("flac", "--test", "--silent", path)


def test_vorbiscomment_and_ogginfo_take_the_file(tmp_path: Path) -> None:
    path = song(tmp_path, "ogg")
    assert "LYRICS=[00:00.10]Hello big world" in program("vorbiscomment", "-l", "-e", path)
    assert "WARNING" not in program("ogginfo", path)


def test_opusinfo_takes_the_file(tmp_path: Path) -> None:
    read = program("opusinfo", song(tmp_path, "opus"))
    assert "LYRICS=[00:00.10]Hello big world" in read
    assert "WARNING" not in read
