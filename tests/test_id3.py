"""ID3 tags: whatever is in one stays as it is, byte for byte, but for the lyrics; damage is told, never spread."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from songs import APE, ID3V1, LRC, PLAIN, SOUND, common, frame, frames_of, sound_behind, syncsafe, tag

from aligner_core.errors import AlignerError
from plugin.formats import by_name
from plugin.tags import Entry, TagError
from plugin.tags.change import Changed, Manner, embed, extract, read, strip
from plugin.tags.id3 import parse, render, unsynchronised
from plugin.tags.mp3 import Mp3

LYRICS = by_name("lrc").parse(LRC)
MANNER = Manner(backup=False)
SYLT, USLT = {2: "SLT", 3: "SYLT", 4: "SYLT"}, {2: "ULT", 3: "USLT", 4: "USLT"}


@pytest.fixture
def song(tmp_path: Path) -> Callable[[bytes], Path]:
    """Makes a song of these bytes."""

    def make(data: bytes) -> Path:
        path = tmp_path / "song.mp3"
        path.write_bytes(data)
        return path

    return make


Song = Callable[[bytes], Path]


def old_lyrics(major: int, text: str = "old") -> bytes:
    return frame(USLT[major], b"\x00eng\0" + text.encode(), major)


@pytest.mark.parametrize("major", [3, 4])
def test_every_other_frame_the_version_and_the_sound_stay(song: Song, major: int) -> None:
    data = tag(major, *common(major)) + SOUND + APE + ID3V1
    path = song(data)
    done = embed(path, LYRICS, MANNER)
    after = path.read_bytes()
    frames = list(frames_of(after))
    assert after[3] == major
    assert done.version == f"ID3v2.{major}"
    assert tuple(raw for name, raw in frames if name not in {"SYLT", "USLT"}) == common(major)
    assert [name for name, _ in frames][-2:] == ["SYLT", "USLT"]
    assert sound_behind(after) == SOUND + APE + ID3V1


@pytest.mark.parametrize("major", [2, 3, 4])
@pytest.mark.parametrize("unsync", [False, True])
def test_embedding_and_stripping_gives_the_tag_back(song: Song, major: int, unsync: bool) -> None:
    flags = 0x80 if unsync else 0
    parts = common(major) if major < 4 or not unsync else tuple(map(unsynced_of_4, common(4)))
    data = tag(major, *parts, padding=4000, flags=flags) + SOUND
    path = song(data)
    embed(path, LYRICS, MANNER)
    assert len(path.read_bytes()) == len(data)  # the padding had room
    assert path.read_bytes() != data
    assert [word.text for word in extract(path).words] == PLAIN.split()
    strip(path, MANNER)
    assert path.read_bytes().rstrip(b"\0") == data.rstrip(b"\0") or unsync
    assert parse(path.read_bytes()[: len(data) - len(SOUND)]).frames == parse(data[: len(data) - len(SOUND)]).frames
    assert path.read_bytes()[5] == flags


def unsynced_of_4(raw: bytes) -> bytes:
    body = unsynchronised(raw[10:])
    return raw[:4] + syncsafe(len(body)) + bytes([raw[8], raw[9] | 2]) + body


def test_a_tag_grows_by_what_is_needed_and_some_room(song: Song) -> None:
    path = song(tag(3, *common(3), padding=10) + SOUND)
    embed(path, LYRICS, MANNER)
    first = len(path.read_bytes())
    embed(path, LYRICS, Manner(backup=False, language="deu"))
    assert len(path.read_bytes()) == first


@pytest.mark.parametrize("version", [3, 4])
def test_a_song_without_a_tag_gets_one_and_loses_it_again(song: Song, version: int) -> None:
    path = song(SOUND + ID3V1)
    embed(path, LYRICS, Manner(backup=False, version=version))
    assert path.read_bytes()[:4] == b"ID3" + bytes([version])
    strip(path, MANNER)
    assert path.read_bytes() == SOUND + ID3V1


def test_old_lyrics_are_replaced_in_their_place_and_others_left(song: Song) -> None:
    other = frame("USLT", b"\x00deu\0anderes", 3)
    described = frame("USLT", b"\x00engby me\0other", 3)
    chords = frame("SYLT", b"\x00eng\x02\x05chords\0Am\0" + bytes(4), 3)
    title, image, *more = common(3)
    path = song(tag(3, title, old_lyrics(3), image, other, described, chords, *more) + SOUND)
    done = embed(path, LYRICS, MANNER)
    frames = [raw for _, raw in frames_of(path.read_bytes())]
    assert [entry.slot for entry in done.gone] == ["USLT"]
    assert frames[0] == title
    assert [raw[:4] for raw in frames[1:3]] == [b"SYLT", b"USLT"]
    assert frames[3:] == [image, other, described, chords, *more]


def test_chords_that_would_hide_the_lyrics_from_other_readers_are_told(song: Song) -> None:
    path = song(tag(3, frame("SYLT", b"\x00eng\x02\x05\0Am\0" + bytes(4), 3)) + SOUND)
    with pytest.raises(TagError, match=r"a second reader does not find SYLT .*--description"):
        embed(path, LYRICS, MANNER)
    embed(path, LYRICS, Manner(backup=False, description="lyrics"))
    assert [entry.description for entry in read(path).entries] == ["lyrics", "lyrics"]


def test_an_unknown_language_is_as_good_as_any(song: Song) -> None:
    path = song(tag(3, frame("USLT", b"\x00XXX\0old", 3), frame("USLT", b"\x00\0\0\0\0old", 3)) + SOUND)
    assert len(embed(path, LYRICS, MANNER).gone) == 2
    assert [name for name, _ in frames_of(path.read_bytes())] == ["SYLT", "USLT"]


def test_two_frames_of_one_kind_become_one(song: Song) -> None:
    twice = frame("SYLT", b"\x00eng\x02\x01\0old\0" + bytes(4), 3)
    path = song(tag(3, twice, twice) + SOUND)
    embed(path, LYRICS, MANNER)
    assert [name for name, _ in frames_of(path.read_bytes())] == ["SYLT", "USLT"]


def test_the_same_lyrics_again_write_nothing(song: Song) -> None:
    path = song(SOUND)
    embed(path, LYRICS, MANNER)
    before = path.stat()
    assert embed(path, LYRICS, MANNER) == Changed("ID3v2.3", (), (), read(path).entries)
    assert path.stat() == before


# Plain text and timed


def test_plain_text_never_replaces_timed(song: Song) -> None:
    data = tag(3, old_lyrics(3, "[00:01.00]timed")) + SOUND
    path = song(data)
    with pytest.raises(TagError, match=r"plain text would replace the timed lyrics in USLT .*--force"):
        embed(path, LYRICS, MANNER)
    assert path.read_bytes() == data
    embed(path, LYRICS, Manner(backup=False, force=True))
    assert read(path).entries[1].text == PLAIN


def test_untimed_lyrics_are_written_as_plain_text_and_leave_timed_ones(song: Song) -> None:
    path = song(tag(3, frame("SYLT", b"\x00eng\x02\x01\0old\0" + bytes(4), 3)) + SOUND)
    done = embed(path, by_name("txt").parse(PLAIN), MANNER)
    assert [entry.slot for entry in done.new] == ["USLT"]
    assert [entry.slot for entry in done.kept] == ["SYLT"]


# What is read


def test_the_finest_lyrics_are_extracted(song: Song) -> None:
    words = b"\x00eng\x02\x01\0" + b"\na\0" + struct.pack(">I", 100) + b" b\0" + struct.pack(">I", 200)
    lines = b"\x00XXX\x02\x01\0" + b"x y\0" + struct.pack(">I", 100)
    path = song(tag(3, old_lyrics(3), frame("SYLT", lines, 3), frame("SYLT", words, 3)) + SOUND)
    assert [word.start for word in extract(path).words] == [0.1, 0.2]
    path = song(tag(3, old_lyrics(3), frame("SYLT", lines, 3)) + SOUND)
    assert [(line.text, line.start) for line in extract(path).lines] == [("x y", 0.1)]
    path = song(tag(3, old_lyrics(3)) + SOUND)
    assert [(line.text, line.start) for line in extract(path).lines] == [("old", None)]


def test_a_compressed_frame_is_read(song: Song) -> None:
    body = b"\x00eng\0packed"
    for_3 = frame("USLT", struct.pack(">I", len(body)) + zlib.compress(body), 3, b"\0\x80")
    for_4 = frame("USLT", syncsafe(len(body)) + zlib.compress(body), 4, b"\0\x09")
    grouped = frame("USLT", b"\x07" + body, 4, b"\0\x40")
    for data in (tag(3, for_3), tag(4, for_4), tag(4, grouped)):
        assert extract(song(data + SOUND)).lines[0].text == "packed"


def test_sizes_as_itunes_wrote_them_in_v24_are_read_and_kept(song: Song) -> None:
    frames = (frame("APIC", bytes(300) + b"x", 3), frame("TIT2", b"\0title", 3), frame("USLT", b"\x00eng\0old", 3))
    path = song(tag(4, *frames) + SOUND)
    embed(path, LYRICS, MANNER)
    after = path.read_bytes()
    assert frames[0] in after
    assert frames[1] in after
    assert [name.name for name in parse(after[: -len(SOUND)]).frames] == ["APIC", "TIT2", "SYLT", "USLT"]


def test_an_extended_header_and_a_footer_are_understood(song: Song) -> None:
    title = frame("TIT2", b"\0title", 4)
    body = syncsafe(6) + b"\x01\0" + title + old_lyrics(4)
    head = bytes([4, 0, 0x50]) + syncsafe(len(body))
    path = song(b"ID3" + head + body + b"3DI" + head + SOUND)
    assert extract(path).lines[0].text == "old"
    embed(path, LYRICS, MANNER)
    assert title in path.read_bytes()
    assert sound_behind(path.read_bytes()) == SOUND
    body = struct.pack(">IHI", 6, 0, 0) + frame("TIT2", b"\0title", 3) + old_lyrics(3)
    path = song(b"ID3\x03\0\x40" + syncsafe(len(body)) + body + SOUND)
    assert extract(path).lines[0].text == "old"


# Damage

DAMAGED = {
    "cut off in its ID3 tag": (tag(3, *common(3)) + SOUND)[:200],
    "damaged behind its last frame": tag(3, old_lyrics(3), b"\x01\x02junk", padding=0) + SOUND,
    "damaged behind its last frame ": tag(3, frame("TIT2", b"\0a", 3)[:7] + b"\x7f\0\0\0") + SOUND,  # a size beyond it
    "no MPEG sound": tag(3, *common(3)) + b"RIFF and no sound",
    "header of the ID3 tag": b"ID3\x03\x00\x00\x80\x80\x80\x80" + SOUND,
    "ID3v2.9": b"ID3\x09\x00\x00" + syncsafe(10) + bytes(10) + SOUND,
    "flags 0x07": b"ID3\x03\x00\x07" + syncsafe(10) + bytes(10) + SOUND,
    "extended header": b"ID3\x03\x00\x40" + syncsafe(10) + b"\xff" * 10 + SOUND,
    "not a sound file": b"<html>",
    "not a sound file ": b"",
}


@pytest.mark.parametrize("complaint", DAMAGED)
def test_a_damaged_song_is_refused_and_stays_as_it_is(song: Song, complaint: str) -> None:
    path = song(DAMAGED[complaint])
    with pytest.raises(TagError, match=complaint.strip()):
        embed(path, LYRICS, MANNER)
    assert path.read_bytes() == DAMAGED[complaint]
    assert list(path.parent.iterdir()) == [path]


def test_one_damaged_frame_leaves_the_others_readable_and_in_place(song: Song) -> None:
    bad = frame("SYLT", b"\x00eng\x02\x01no end", 3)
    path = song(tag(3, bad, old_lyrics(3)) + SOUND)
    assert extract(path).lines[0].text == "old"
    embed(path, LYRICS, MANNER)
    assert bad in path.read_bytes()
    with pytest.raises(TagError, match="SYLT is cut off"):
        extract(song(tag(3, bad) + SOUND))


def test_a_song_without_lyrics_says_so(song: Song) -> None:
    with pytest.raises(TagError, match=r"song\.mp3: there are no lyrics"):
        extract(song(tag(3, *common(3)) + SOUND))


WHOLE = [tag(3, *common(3), old_lyrics(3)) + SOUND[:834], tag(4, *common(4), old_lyrics(4)) + SOUND[:834] + APE + ID3V1]
WHOLE.append(
    tag(3, frame("SYLT", b"\x01eng\x02\x01\xff\xfe\0\0\xff\xfea\0\0\0" + bytes(4), 3), flags=0x80) + SOUND[:834]
)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_songs_are_read_or_refused_and_never_spoilt(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(0, 40), st.integers(0, len(raw) - 1)))
        raw[at] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))]
    path = tmp_path / "song.mp3"
    path.write_bytes(raw)
    for act in (lambda: extract(path), lambda: embed(path, LYRICS, MANNER)):
        try:
            act()
        except AlignerError:
            assert path.read_bytes() == raw
            continue
    assert [each.name for each in tmp_path.iterdir()] == ["song.mp3"]
    if path.read_bytes() != raw:
        assert sound_behind(path.read_bytes()) in raw
        assert {entry.slot for entry in read(path).entries} >= {"SYLT", "USLT"}


@given(st.binary(max_size=300))
def test_unsynchronised_bytes_hold_no_sound_and_come_back(data: bytes) -> None:
    coded = unsynchronised(data)
    assert not any(a == 0xFF and b >= 0xE0 for a, b in pairwise(coded))
    assert coded.replace(b"\xff\x00", b"\xff") == data


@given(st.lists(st.binary(max_size=50), max_size=4), st.sampled_from([2, 3, 4]), st.integers(0, 100))
def test_a_tag_taken_apart_and_joined_is_the_same(bodies: list[bytes], major: int, padding: int) -> None:
    name = "XYZ" if major == 2 else "XYZW"
    data = tag(major, *(frame(name, body, major) for body in bodies), padding=padding)
    assert render(parse(data)) == (data if bodies else b"")


LENGTHS = {
    b"\xff\xfb\x90\x00": 1152 / 44.1,  # MPEG 1, layer 3
    b"\xff\xf3\x90\x00": 576 / 22.05,  # MPEG 2, layer 3
    b"\xff\xe3\x98\x00": 576 / 8,  # MPEG 2.5, layer 3
    b"\xff\xfd\x94\x00": 1152 / 48,  # MPEG 1, layer 2
    b"\xff\xff\x98\x00": 384 / 32,  # MPEG 1, layer 1
    b"\xff\xf1\x50\x80": 1024 / 44.1,  # AAC
}


@pytest.mark.parametrize("head", LENGTHS)
def test_time_in_frames_of_sound_goes_by_the_sound(song: Song, head: bytes) -> None:
    body = b"\x00eng\x01\x01\0late\0" + struct.pack(">I", 100)
    path = song(tag(3, frame("SYLT", body, 3)) + bytes(7) + head + bytes(500))
    assert extract(path).lines[0].start == round(100 * LENGTHS[head]) / 1000


@pytest.mark.parametrize("head", [b"\xff\xeb\x90\x00", b"\xff\xfb\xf0\x00", b"\xff\xfb\x00\x00", b"\xff\xfb\x9c\x00"])
def test_what_only_looks_like_sound_is_none(song: Song, head: bytes) -> None:
    with pytest.raises(TagError, match="no MPEG sound"):
        embed(song(tag(3, *common(3)) + head + bytes(500)), LYRICS, MANNER)


# The check of what was written

Spoiler = Callable[[bytes], bytes]
SPOILT: dict[str, Spoiler] = {
    "the sound would change": lambda data: data[:-1] + b"!",
    "something else in the tag would change": lambda data: data.replace(b"A title", b"B title"),
    "the lyrics came out otherwise": lambda data: data.replace(b"\xff\xfeH\0e\0", b"\xff\xfeH\0a\0"),
}


@pytest.mark.parametrize("complaint", SPOILT)
def test_what_does_not_read_back_as_it_should_never_takes_the_place_of_the_song(
    song: Song, monkeypatch: pytest.MonkeyPatch, complaint: str
) -> None:
    written = Mp3.write

    def spoil(self: Mp3, source: Path, target: Path, gone: Sequence[Entry], new: Sequence[Entry], version: int) -> None:
        written(self, source, target, gone, new, version)
        target.write_bytes(SPOILT[complaint](target.read_bytes()))

    monkeypatch.setattr(Mp3, "write", spoil)
    data = tag(3, *common(3)) + SOUND
    path = song(data)
    with pytest.raises(TagError, match=complaint):
        embed(path, LYRICS, MANNER)
    assert path.read_bytes() == data
    assert list(path.parent.iterdir()) == [path]


def test_a_second_reader_that_fails_keeps_the_song(song: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    import mutagen.id3

    def fail(*given: object, **named: object) -> None:
        raise mutagen.MutagenError("no such thing")

    monkeypatch.setattr(mutagen.id3, "ID3", fail)
    path = song(SOUND)
    with pytest.raises(TagError, match="what was written cannot be read back: no such thing"):
        embed(path, LYRICS, MANNER)
    assert path.read_bytes() == SOUND


def test_lyrics_that_look_like_lrc_and_are_not_say_what_is_wrong(song: Song) -> None:
    path = song(tag(3, old_lyrics(3, "[offset:late]\n[00:01.00]a")) + SOUND)
    with pytest.raises(TagError, match=r"song\.mp3: line 1 of USLT: the offset 'late'"):
        extract(path)


@pytest.mark.parametrize(
    ("plain", "safe"),
    [
        (b"\xff", b"\xff\x00"),
        (b"\xff\xe0", b"\xff\x00\xe0"),
        (b"\xff\x00", b"\xff\x00\x00"),
        (b"\xff\x01", b"\xff\x01"),
    ],
)
def test_no_byte_of_a_tag_looks_like_the_beginning_of_sound(plain: bytes, safe: bytes) -> None:
    assert unsynchronised(plain) == safe
