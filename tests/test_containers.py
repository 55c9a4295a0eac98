"""FLAC, Ogg Vorbis, Opus and M4A: lyrics in, all else as it was, and damage told in one line."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from songs import KINDS, LRC, PLAIN, ffmpeg, real, sound_of, tag

from aligner_core.errors import AlignerError
from plugin.formats import by_name
from plugin.tags import CONTAINERS, SUFFIXES, TagError, container_for
from plugin.tags.change import Manner, embed, extract, read, strip
from plugin.tags.players import PLAYERS, WAYS

LYRICS = by_name("lrc").parse(LRC)
LINES = "[00:00.10]Hello big world\n[00:01.20]Again\n[00:01.80]"
MANNER = Manner(backup=False)
OTHERS = ("flac", "ogg", "opus", "m4a")


@pytest.fixture
def song(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / f"song.{request.param}"
    path.write_bytes(real(request.param))
    return path


every = pytest.mark.parametrize("song", KINDS, indirect=True)
other = pytest.mark.parametrize("song", OTHERS, indirect=True)


def opened(path: Path) -> Any:
    import mutagen

    return mutagen.File(path)


@every
def test_lyrics_come_back_and_the_sound_and_the_title_stay(song: Path) -> None:
    before, title = sound_of(song), str(opened(song).tags)
    embed(song, LYRICS, MANNER)
    assert sound_of(song) == before
    assert [(line.text, line.start) for line in extract(song).lines] == [("Hello big world", 0.1), ("Again", 1.2)]
    strip(song, MANNER)
    assert sound_of(song) == before
    assert str(opened(song).tags) == title
    assert read(song).entries == ()


@other
def test_fields_have_the_names_that_players_look_for(song: Path) -> None:
    embed(song, LYRICS, MANNER)
    if song.suffix == ".m4a":
        assert opened(song).tags["\xa9lyr"] == [LINES]
    else:
        assert list(opened(song).tags)[-2:] == [("LYRICS", LINES), ("UNSYNCEDLYRICS", PLAIN)]


@other
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_is_read_back(song: Path, way: str) -> None:
    embed(song, LYRICS, Manner(WAYS[way], backup=False))
    (entry,) = read(song).entries
    assert entry.slot == WAYS[way].places(container_for(song).family)[0][0]
    lines = extract(song)
    assert [line.text for line in lines.lines] == PLAIN.split("\n")
    assert lines.timed == (way != "uslt")
    assert any(word.timed for word in lines.words) == (way == "elrc-in-uslt")


@pytest.mark.parametrize("song", KINDS, indirect=True)
@pytest.mark.parametrize("player", PLAYERS)
def test_every_player_gets_what_it_reads(song: Path, player: str) -> None:
    done = embed(song, LYRICS, Manner(PLAYERS[player], backup=False))
    places = PLAYERS[player].places(container_for(song).family)
    assert [entry.slot for entry in done.new] == [slot for slot, _ in places]
    assert PLAYERS[player].sources


@other
def test_old_lyrics_go_where_new_ones_come_and_others_stay(song: Path) -> None:
    tags = opened(song)
    key = "----:com.apple.iTunes:SYNCEDLYRICS" if song.suffix == ".m4a" else "syncedlyrics"
    tags["\xa9lyr" if song.suffix == ".m4a" else "lyrics"] = ["old"]
    tags[key] = [LINES.encode() if song.suffix == ".m4a" else LINES]
    tags.save()
    done = embed(song, LYRICS, MANNER)
    assert [entry.text for entry in done.gone] == ["old"]
    assert [(entry.slot, entry.text) for entry in done.kept] == [("SYNCEDLYRICS", LINES)]
    with pytest.raises(TagError, match="plain text would replace"):
        embed(song, LYRICS, Manner(PLAYERS["quodlibet"], backup=False))


@pytest.mark.parametrize("song", ["flac", "ogg", "opus"], indirect=True)
def test_the_name_of_the_program_that_made_it_stays(song: Path) -> None:
    before = opened(song).tags.vendor
    embed(song, LYRICS, MANNER)
    assert opened(song).tags.vendor == before


@other
def test_the_same_lyrics_again_write_nothing(song: Path) -> None:
    embed(song, LYRICS, MANNER)
    before = song.stat()
    assert embed(song, LYRICS, MANNER).new == ()
    assert song.stat() == before


@pytest.mark.parametrize("song", ["flac"], indirect=True)
def test_a_comment_that_mutagen_would_change_is_not_changed(song: Path) -> None:
    data = song.read_bytes().replace(b"=Tone", b"=T\xff\xffe")
    song.write_bytes(data)
    with pytest.raises(TagError, match="something else in the tag would change"):
        embed(song, LYRICS, MANNER)
    assert song.read_bytes() == data


@pytest.mark.parametrize("song", ["flac"], indirect=True)
def test_flac_behind_an_id3_tag_is_flac(song: Path) -> None:
    front = tag(3, padding=50)
    song.write_bytes(front + song.read_bytes())
    embed(song, LYRICS, MANNER)
    assert song.read_bytes().startswith(front + b"fLaC")
    assert read(song).version == "FLAC"


@every
def test_the_content_counts_and_not_the_name(song: Path) -> None:
    name = song.rename(song.with_suffix(".mp3"))
    embed(name, LYRICS, MANNER)
    assert extract(name).timed


def test_every_container_is_told_by_its_content() -> None:
    assert sorted({container.name for container in CONTAINERS}) == ["FLAC", "MP3", "MP4", "Ogg"]
    assert {f".{kind}" for kind in KINDS} <= set(SUFFIXES)


@every
def test_a_song_that_is_cut_off_is_refused_or_whole(song: Path) -> None:
    data = song.read_bytes()
    for share in range(1, 24):
        cut = data[: len(data) * share // 24]
        song.write_bytes(cut)
        try:
            embed(song, LYRICS, MANNER)
        except AlignerError:
            assert song.read_bytes() == cut
        else:
            assert extract(song).timed


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_songs_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(OTHERS))
    raw = bytearray(real(kind))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(0, 400), st.integers(0, len(raw) - 1), st.integers(1, 1500).map(_neg)))
        raw[at] = data.draw(st.integers(0, 255))
    path = tmp_path / f"song.{kind}"
    path.write_bytes(raw)
    for act in (lambda: extract(path), lambda: embed(path, LYRICS, MANNER)):
        try:
            act()
        except AlignerError:
            assert path.read_bytes() == raw
    assert {each.stem for each in tmp_path.iterdir()} == {"song"}


def _neg(number: int) -> int:
    return -number


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("a.ogg", b"OggS\0" + bytes(22), "neither Vorbis nor Opus"),
        ("a.ogg", b"OggS\0", "page of Ogg is damaged"),
        ("a.flac", b"fLaC\x00\x00\x00\x22", "cut off"),
        ("a.flac", b"fLaC\x81\x00\x00\x00", "does not begin as a FLAC"),
        ("a.m4a", b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\x07moov", "cut off or damaged"),
        ("a.wav", b"RIFF\0\0\0\0WAVE", "not a sound file whose tags are known"),
    ],
)
def test_what_is_no_song_is_told(tmp_path: Path, name: str, data: bytes, complaint: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TagError, match=complaint):
        extract(tmp_path / name)
    with pytest.raises(TagError, match="there is no such file"):
        extract(tmp_path / "absent.mp3")


def test_sound_that_moves_in_an_mp4_is_found_where_it_went(tmp_path: Path) -> None:
    slow, fast = tmp_path / "slow.m4a", tmp_path / "fast.m4a"
    slow.write_bytes(real("m4a"))
    remux = [ffmpeg(), "-v", "error", "-i", str(slow), "-c", "copy", "-movflags", "+faststart", str(fast)]
    subprocess.run(remux, check=True)
    before = sound_of(fast)
    assert fast.read_bytes().index(b"moov") < fast.read_bytes().index(b"mdat")
    embed(fast, by_name("txt").parse("la " * 20_000), MANNER)
    assert sound_of(fast) == before
    decoded = [ffmpeg(), "-v", "error", "-i", str(fast), "-f", "null", "-"]
    assert subprocess.run(decoded, check=True, capture_output=True).stderr == b""


@pytest.mark.parametrize("song", ["ogg", "opus"], indirect=True)
def test_lyrics_longer_than_a_page_of_ogg_are_kept_whole(song: Path) -> None:
    long = "\n".join(f"line {number} of a very long song" for number in range(9000))
    before = sound_of(song)
    embed(song, by_name("txt").parse(long), Manner(PLAYERS["quodlibet"], backup=False))
    assert [entry.text for entry in read(song).entries] == [long]
    assert sound_of(song) == before


@pytest.mark.parametrize("song", ["flac"], indirect=True)
@pytest.mark.parametrize("front", [b"", tag(4, padding=50)])
def test_a_flac_without_comments_gets_some(song: Path, front: bytes) -> None:
    data = song.read_bytes()
    at = 4
    while not data[at] & 0x80:
        at += 4 + int.from_bytes(data[at + 1 : at + 4], "big")
    at += 4 + int.from_bytes(data[at + 1 : at + 4], "big")
    song.write_bytes(front + data[:4] + bytes([0x80]) + data[5:42] + data[at:])
    before = sound_of(song)
    embed(song, LYRICS, MANNER)
    assert extract(song).timed
    assert sound_of(song) == before


@pytest.mark.parametrize("song", ["m4a"], indirect=True)
def test_items_that_mutagen_would_turn_into_others_stay(song: Path) -> None:
    tags = opened(song)
    tags["trkn"], tags["disk"], tags["cpil"], tags["tmpo"] = [(7, 12)], [(1, 2)], True, [120]
    tags.save()
    song.write_bytes(song.read_bytes().replace(b"trkn", b"gnre"))  # a number of a genre, as old iTunes has it
    at = (data := song.read_bytes()).index(b"gnre") - 4
    items = data[at : data.index(b"\xa9too") - 4]
    embed(song, LYRICS, MANNER)
    assert items in song.read_bytes()
    strip(song, MANNER)
    assert items in song.read_bytes()


@pytest.mark.parametrize("song", ["m4a"], indirect=True)
def test_room_that_is_free_is_used_and_given_back(song: Path) -> None:
    embed(song, LYRICS, MANNER)
    size = len(song.read_bytes())
    embed(song, by_name("lrc").parse(LRC.replace("big", "very big")), MANNER)
    assert len(song.read_bytes()) == size
    strip(song, MANNER)
    assert len(song.read_bytes()) == size
    assert opened(song)["\xa9nam"] == ["Tone"]


@pytest.mark.parametrize("song", ["m4a"], indirect=True)
def test_an_mp4_without_any_tags_gets_some(song: Path) -> None:
    bare = song.with_name("bare.m4a")
    remux = [ffmpeg(), "-v", "error", "-i", str(song), "-c", "copy", "-map_metadata", "-1", "-fflags", "+bitexact"]
    subprocess.run([*remux, str(bare)], check=True)
    bare.write_bytes(bare.read_bytes().replace(b"udta", b"free"))
    before = sound_of(bare)
    embed(bare, LYRICS, MANNER)
    assert sound_of(bare) == before
    assert opened(bare)["\xa9lyr"] == [LINES]


@pytest.mark.parametrize("song", ["m4a"], indirect=True)
def test_an_mp4_in_fragments_whose_tags_have_no_room_is_refused(song: Path) -> None:
    pieces = song.with_name("pieces.m4a")
    flags = ["-c", "copy", "-movflags", "frag_keyframe+empty_moov", "-frag_duration", "500000"]
    subprocess.run([ffmpeg(), "-v", "error", "-i", str(song), *flags, str(pieces)], check=True)
    data = pieces.read_bytes()
    with pytest.raises(TagError, match="in fragments"):
        embed(pieces, LYRICS, MANNER)
    assert pieces.read_bytes() == data
