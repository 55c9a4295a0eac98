"""`karalign embed`, `extract` and `strip`: what becomes of files, folders, links, backups, and what is told."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from songs import LRC, PLAIN, SOUND, common, folder_of_songs, frame, frames_of, real, sound_behind, tag

from plugin import load
from plugin.formats import FORMATS
from plugin.tags import TagError
from plugin.tags.change import Manner, extract
from plugin.tags.pairs import Pair, pairs, songs
from plugin.tags.players import PLAYERS, rows

if TYPE_CHECKING:
    from conftest import Karalign, Refuse


@pytest.fixture
def track(tmp_path: Path) -> Path:
    """An MP3 with a tag, and its LRC beside it."""
    path = tmp_path / "track.mp3"
    path.write_bytes(tag(3, *common(3)) + SOUND)
    path.with_suffix(".lrc").write_text(LRC, encoding="utf-8")
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# What goes in comes out


@pytest.mark.parametrize("kind", ["mp3", "flac", "opus"])
def test_what_is_embedded_is_extracted_in_any_format(karalign: Karalign, tmp_path: Path, kind: str) -> None:
    song, text, out = tmp_path / f"a.{kind}", tmp_path / "a.lrc", tmp_path / "out.lrc"
    song.write_bytes(real(kind))
    text.write_text(LRC, encoding="utf-8")
    assert karalign("embed", song, text, "--as", "elrc-in-uslt").code == 0
    assert karalign("extract", song, "-o", out).code == 0
    assert load(out) == load(text)
    assert karalign("extract", song, "-o", "-", "--format", "srt").out.startswith("1\n00:00:00,100 --> ")


def test_plain_lyrics_go_in_and_come_out(karalign: Karalign, track: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(PLAIN)
    assert karalign("embed", track, tmp_path / "words.txt").code == 0
    assert karalign("extract", track, "-o", "-", "--format", "txt").out == PLAIN + "\n"


@pytest.mark.parametrize(("kind", "way"), [("mp3", "lrc-in-uslt"), ("flac", "lrc-in-uslt"), ("m4a", "elrc-in-uslt")])
def test_text_without_times_goes_where_lrc_would(karalign: Karalign, tmp_path: Path, kind: str, way: str) -> None:
    song, text = tmp_path / f"a.{kind}", tmp_path / "a.txt"
    song.write_bytes(real(kind))
    text.write_text(PLAIN)
    assert karalign("embed", song, "--as", way).code == 0
    assert not extract(song).timed
    assert "the text has no times" in karalign("embed", song, "--as", "sylt").err


def test_syllables_of_json_go_into_sylt(karalign: Karalign, track: Path, root: Path) -> None:
    truth = root / "examples" / "amazing-grace.truth.json"
    assert karalign("embed", track, truth, "--level", "syllable", "-q").out == ""
    written = [(word.text, round(word.start, 3)) for word in load(truth).words if word.start is not None]
    assert [(word.text, word.start) for word in extract(track).words] == written
    assert any(word.syllables for word in extract(track).words)


def test_strip_gives_the_song_back_without_lyrics(karalign: Karalign, track: Path) -> None:
    before = list(frames_of(track.read_bytes()))
    karalign("embed", track)
    assert "removed SYLT, USLT" in karalign("strip", track).out
    assert list(frames_of(track.read_bytes())) == before
    assert karalign("strip", track).out == f"{track}: as it should be\n"


def test_a_folder_without_songs_is_told(refuse: Refuse, tmp_path: Path) -> None:
    assert "there is no song" in refuse("strip", tmp_path)
    assert "there is no such file" in refuse("strip", tmp_path / "absent.mp3")


# Which text belongs to which song


def test_a_folder_pairs_by_name_and_skips_what_has_no_text(karalign: Karalign, track: Path, tmp_path: Path) -> None:
    shutil.copy(track, tmp_path / "alone.mp3")
    shutil.copy(track, tmp_path / "._track.mp3")
    (tmp_path / "deep").mkdir()
    shutil.copy(track, tmp_path / "deep" / "track.mp3")
    shutil.copy(track.with_suffix(".lrc"), tmp_path / "deep" / "track.lrc")
    got = karalign("embed", tmp_path, "--dry-run")
    assert (got.code, got.err) == (0, "")
    assert "2 songs: 1 changed, 1 skipped" in got.out
    assert "3 songs: 2 changed, 1 skipped" in karalign("embed", "-r", tmp_path, "--dry-run").out


def test_the_text_that_holds_most_is_taken(track: Path) -> None:
    for known in FORMATS:
        track.with_suffix(known.extensions[0]).write_text("x")
    assert pairs([str(track)], recursive=False)[0].text == track.with_suffix(".json")
    (upper := track.with_name("b.MP3")).write_bytes(b"")
    upper.with_suffix(".LRC").write_text("x")
    assert pairs([str(upper)], recursive=False) == [Pair(upper, upper.with_suffix(".LRC"))]


def test_several_songs_take_the_texts_of_their_names(tmp_path: Path) -> None:
    given = [str(tmp_path / name) for name in ("a.mp3", "b.flac", "x/b.lrc", "x/a.lrc")]
    assert [(pair.song.name, pair.text and pair.text.name) for pair in pairs(given, recursive=False)] == [
        ("a.mp3", "a.lrc"), ("b.flac", "b.lrc"),
    ]  # fmt: skip


def test_a_song_that_is_named_twice_is_taken_once(track: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mp3").symlink_to(track)
    assert len(songs([str(track), str(tmp_path / "link.mp3"), str(tmp_path)], recursive=True)) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["a.mp3", "b.mp3", "c.lrc"], r"c\.lrc: belongs to no song"),
        (["a.mp3", "b.mp3", "a.lrc", "a.json"], r"a\.mp3: has two texts \(a\.lrc or a\.json\)"),
        (["a.mp3", "a.flac", "a.lrc"], "belongs to two songs"),
        (["a.lrc"], "a.lrc: belongs to no song"),
        (["."], "there is no song"),
        (["absent.mp3"], "absent.mp3: there is no such file"),
        (["--as", "uslt", "--as", "lrc-in-uslt", "a.mp3"], "would write to the same place"),
    ],
)
def test_what_does_not_add_up_is_refused(
    refuse: Refuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert re.search(complaint, refuse("embed", *arguments))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--language", "de"], "three letters"),
        (["--for", "kodi", "--as", "uslt"], "exclude each other"),
        (["--for", "gramophone"], "Invalid value"),
    ],
)
def test_wrong_usage_is_code_2(karalign: Karalign, track: Path, arguments: list[str], complaint: str) -> None:
    got = karalign("embed", track, *arguments)
    assert got.code == 2
    assert complaint in got.err


def test_an_empty_text_is_refused(karalign: Karalign, track: Path, tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text('{"version": 1, "audio": null, "lines": []}')
    assert "there is nothing in the text" in karalign("embed", track, tmp_path / "none.json").err


def test_only_a_language_of_three_letters_is_written() -> None:
    with pytest.raises(TagError, match="'german' is no language"):
        Manner(language="german")


# What is told


def test_a_dry_run_says_what_would_be_and_does_nothing(karalign: Karalign, track: Path, tmp_path: Path) -> None:
    before, listed = track.read_bytes(), names(tmp_path)
    got = karalign("embed", track, "--dry-run")
    assert got.out == f"{track}: would write SYLT, USLT; from track.lrc; backup track.mp3.bak\n"
    assert (track.read_bytes(), names(tmp_path)) == (before, listed)


def test_one_bad_song_never_stops_the_rest(karalign: Karalign, tmp_path: Path) -> None:
    made = folder_of_songs(tmp_path, 6)
    bad = sorted(made)[2]
    bad.write_bytes(b"RIFF, not MP3")
    sorted(made)[4].with_suffix(".lrc").write_text("[00:01.00")
    got = karalign("embed", tmp_path, "--jobs", "3")
    assert got.code == 1
    assert "6 songs: 4 changed, 2 failed" in got.out or "6 songs: 5 changed, 1 failed" in got.out
    assert f"karalign: {bad}: not a sound file whose tags are known" in got.err
    assert got.err.count("\n") == got.out.count("failed") + ("2 failed" in got.out)


def test_json_tells_all(karalign: Karalign, track: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp3").write_bytes(b"bad")
    (tmp_path / "bad.lrc").write_text(LRC)
    report = json.loads(karalign("embed", tmp_path, "--json").out)
    assert report["counts"] == {"changed": 1, "failed": 1}
    bad, good = report["songs"]
    assert bad["error"].startswith(f"{tmp_path / 'bad.mp3'}: not a sound file")
    assert (good["written"], good["removed"], good["kept"]) == (["SYLT", "USLT"], [], [])
    assert (good["tag"], good["backup"]) == ("ID3v2.3", str(track) + ".bak")


def test_a_song_that_is_named_needs_a_text(karalign: Karalign, track: Path) -> None:
    track.with_suffix(".lrc").unlink()
    got = karalign("embed", track)
    assert (got.code, got.out) == (1, "")
    assert got.err == f"karalign: {track}: has no text beside it (name one, or put track.lrc there)\n"


@pytest.mark.parametrize(("options", "shown"), [([], True), (["-q"], False), (["--json"], False)])
def test_progress_is_shown_on_a_terminal_alone(track: Path, options: list[str], shown: bool) -> None:
    code = "from plugin.cli import main; main()"
    seen, terminal = pty.openpty()
    command = [sys.executable, "-c", code, "embed", "--dry-run", str(track), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, check=True)
    os.write(terminal, b"end")
    assert (b"100%" in os.read(seen, 100_000)) == shown
    assert b"100%" not in done.stdout
    os.close(seen)
    os.close(terminal)


def test_every_player_can_be_asked_for(karalign: Karalign, track: Path) -> None:
    for player in PLAYERS:
        assert karalign("embed", track, "--for", player, "--force", "--no-backup").code == 0


def test_the_page_has_the_table_of_players(karalign: Karalign, root: Path) -> None:
    page = (root / "docs" / "tags.md").read_text(encoding="utf-8")
    printed = karalign("embed", "--players").out
    for row in rows():
        assert f"| {' | '.join(row)} |" in page
        assert row[0] in printed


# Files


def test_the_backup_is_the_old_song_and_none_overwrites_another(karalign: Karalign, track: Path) -> None:
    first = track.read_bytes()
    karalign("embed", track)
    second = track.read_bytes()
    karalign("embed", track, "--as", "lrc-in-uslt")
    assert track.with_name("track.mp3.bak").read_bytes() == first
    assert track.with_name("track.mp3.bak.1").read_bytes() == second
    karalign("embed", track, "--as", "lrc-in-uslt")
    assert names(track.parent) == ["track.lrc", "track.mp3", "track.mp3.bak", "track.mp3.bak.1"]


def test_no_backup_is_kept_where_none_is_wanted(karalign: Karalign, track: Path) -> None:
    karalign("embed", track, "--no-backup")
    assert names(track.parent) == ["track.lrc", "track.mp3"]


def test_where_the_disk_has_no_second_names_the_backup_is_a_copy(
    karalign: Karalign, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*names: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", refused)
    before = track.read_bytes()
    karalign("embed", track)
    assert track.with_name("track.mp3.bak").read_bytes() == before
    assert len(names(track.parent)) == 3


def test_a_copy_for_a_backup_that_fails_leaves_all_as_it_was(
    refuse: Refuse, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*names: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(shutil, "copy2", refused)
    assert "No space left on device" in refuse("embed", track)


def test_links_are_followed_and_stay_links(karalign: Karalign, track: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "other.mp3"
    link.symlink_to(track)
    assert karalign("embed", link, track.with_suffix(".lrc")).code == 0
    assert link.is_symlink()
    assert extract(track).timed
    assert names(link.parent) == ["other.mp3"]
    assert track.with_name("track.mp3.bak").exists()


def test_the_mode_stays_and_the_time_if_asked(karalign: Karalign, track: Path) -> None:
    track.chmod(0o640)
    os.utime(track, (1e9, 1e9))
    karalign("embed", track, "--keep-time")
    assert (stat.S_IMODE(track.stat().st_mode), track.stat().st_mtime) == (0o640, 1e9)
    karalign("strip", track)
    assert track.stat().st_mtime > 1.5e9
    assert stat.S_IMODE(track.stat().st_mode) == 0o640


def test_a_write_protected_song_is_refused(refuse: Refuse, track: Path) -> None:
    track.chmod(0o444)
    got = refuse("embed", track)
    assert "write-protected" in got
    track.chmod(0o644)


def test_plain_text_over_timed_needs_force(karalign: Karalign, refuse: Refuse, track: Path) -> None:
    track.write_bytes(tag(4, frame("USLT", b"\x03eng\0[00:01.00]timed", 4)) + SOUND)
    assert "plain text would replace the timed lyrics in USLT" in refuse("embed", track)
    assert karalign("embed", track, "--force").code == 0
    assert sound_behind(track.read_bytes()) == SOUND


def test_extract_never_overwrites_the_song(karalign: Karalign, refuse: Refuse, track: Path) -> None:
    karalign("embed", track, "--no-backup")
    track.rename(song := track.with_name("track.lrc"))
    assert "would overwrite the input" in refuse("extract", song, "-o", song)
