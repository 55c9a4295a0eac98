"""Melodies in files: what is written is read back, and whatever else is there gives a result or one line of error."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core.errors import AlignerError, LyricsError
from aligner_core.timeline import Alignment, Line, Syllable, Word
from aligner_core.tts.score import Note, has_pitches, scored, told
from plugin.formats import FormatError
from plugin.formats.ultrastar import UltraStar
from plugin.melodies import is_melody, musicxml_writer, notes_as, read_melody
from plugin.melodies.wish import Wish

SONG = """#TITLE:Song
#ARTIST:Nobody
#BPM:300
#GAP:1000
: 0 8 5 A
: 8 4 7 maz
: 12 6 9 ~
: 18 2 9 ing
: 20 8 12  grace
- 30
: 60 20 3 how
R 82 4 3  sweet
E
"""
LETTERS = st.sampled_from(["la", "so", "Hel", "lo", "grace", "I'm", "né", "away"])
ROWS = st.tuples(LETTERS, st.integers(1, 60), st.integers(0, 20), st.integers(30, 90))
Save = Callable[[str, bytes], str]


def song(rows: Sequence[tuple[str, float, float, int]]) -> Alignment:
    """A line of words of one syllable on a note each."""
    words = tuple(
        Word(text, start, end, syllables=(Syllable(text, start, end, extra=told([Note(start, end, float(midi))])),))
        for text, start, end, midi in rows
    )
    return Alignment((Line(" ".join(word.text for word in words), words[0].start, words[-1].end, words=words),))


def xml(notes: str, head: str = "") -> bytes:
    """A file of one measure."""
    return (
        '<?xml version="1.0"?><score-partwise><part-list><score-part id="P1"><part-name>Voice</part-name>'
        '</score-part></part-list><part id="P1"><measure number="1"><attributes><divisions>2</divisions>'
        f"</attributes>{head}{notes}</measure></part></score-partwise>"
    ).encode()


def xml_note(step: str, octave: int, duration: int, more: str = "") -> str:
    pitch = f"<pitch><step>{step}</step><octave>{octave}</octave></pitch>"
    return f"<note>{pitch}<duration>{duration}</duration>{more}</note>"


def lyric(text: str, syllabic: str = "single") -> str:
    return f"<lyric><syllabic>{syllabic}</syllabic><text>{text}</text></lyric>"


def midi_file(tracks: Sequence[Sequence[mido.Message]], kind: int = 1) -> bytes:
    out = io.BytesIO()
    mido.MidiFile(type=kind, ticks_per_beat=480, tracks=[mido.MidiTrack(track) for track in tracks]).save(file=out)
    return out.getvalue()


def played(numbers: Sequence[int], ticks: int = 480, channel: int = 0) -> list[mido.Message]:
    out = []
    for number in numbers:
        out.append(mido.Message("note_on", channel=channel, note=number, velocity=80))
        out.append(mido.Message("note_off", channel=channel, note=number, time=ticks))
    return out


def words_of(texts: Sequence[str], ticks: int = 480, kind: str = "lyrics") -> list[mido.MetaMessage]:
    return [mido.MetaMessage(kind, text=text, time=ticks * (at > 0)) for at, text in enumerate(texts)]


@pytest.fixture
def saved(tmp_path: Path) -> Save:
    def save(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return save


@pytest.mark.parametrize("name", ["song.mid", "song.musicxml"])
@given(rows=st.lists(ROWS, min_size=1, max_size=6))
@settings(max_examples=15)
def test_a_score_that_is_written_is_read_back(
    name: str, rows: list[tuple[str, int, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    now, line = 1.0, []
    for syllable, length, gap, midi in rows:
        line.append((syllable, now, now + length / 16, midi))
        now += length / 16 + gap / 64
    text = song(line)
    path = tmp_path_factory.mktemp("notes") / name
    path.write_bytes(notes_as(str(path), scored(text), text))
    tune = read_melody(str(path))
    step = 0.001 if name.endswith("mid") else musicxml_writer.STEP
    written = scored(text).notes
    assert [note.midi for note in tune.notes] == [note.midi for note in written]
    assert [note.start for note in tune.notes] == pytest.approx([note.start for note in written], abs=step)
    assert tune.lyrics is not None
    assert [word.text for word in tune.lyrics.words] == [word.text for word in text.words]


@pytest.mark.parametrize("name", ["song.mid", "song.musicxml"])
def test_syllables_and_melismas_come_back(name: str, saved: Save) -> None:
    text = UltraStar().parse(SONG)
    tune = read_melody(saved(name, notes_as(name, scored(text), text)))
    assert tune.lyrics is not None
    parts = [[part.text for part in word.syllables] for word in tune.lyrics.words]
    assert parts == [["A", "maz", "ing"], ["grace"], ["how"]]
    held = scored(tune.lyrics).lines[0].syllables[1]
    assert [note.midi for note in held.notes] == [67, 69]


def test_ultrastar_is_a_melody_with_words(saved: Save) -> None:
    tune = read_melody(saved("song.ultrastar.txt", SONG.encode()))
    assert [note.midi for note in tune.notes] == [65, 67, 69, 69, 72, 63, None]
    assert tune.lyrics is not None
    assert has_pitches(tune.lyrics)


def test_a_text_without_pitches_is_no_melody(saved: Save) -> None:
    text = UltraStar().parse(SONG)
    with pytest.raises(LyricsError, match="tells no notes"):
        read_melody(saved("song.lrc", b"[00:01.00]la la\n"))
    with pytest.raises(FormatError):
        read_melody(saved("song.wav", b"RIFF"))
    with pytest.raises(FormatError, match="no file for notes"):
        notes_as("song.wav", scored(text), text)


def test_words_without_notes_are_not_written_as_notes() -> None:
    text = Alignment.from_text("so far")
    with pytest.raises(LyricsError, match=r"^a\.mid: there are no notes"):
        notes_as("a.mid", scored(text), text)


def test_karaoke_midi_is_read(saved: Save) -> None:
    texts = [mido.MetaMessage("text", text=t) for t in ("@KMIDI KARAOKE FILE", "@TTitle")]
    texts += words_of(["\\A", "ma", "zing ", "grace", "/how ", "sweet"], kind="text")
    tune = read_melody(saved("a.kar", midi_file([texts, played([60, 62, 64, 65, 67, 69])])))
    assert tune.lyrics is not None
    assert [line.text for line in tune.lyrics.lines] == ["Amazing grace", "how sweet"]
    assert [len(one.notes) for line in scored(tune.lyrics).lines for one in line.syllables] == [1] * 6


def test_syllables_with_hyphens_are_joined(saved: Save) -> None:
    tune = read_melody(saved("a.mid", midi_file([words_of(["A-", "maz-", "ing", "grace"]), played([60] * 4)])))
    assert tune.lyrics is not None
    assert [word.text for word in tune.lyrics.words] == ["Amazing", "grace"]


def test_tempo_changes_are_followed(saved: Save) -> None:
    tempo = [mido.MetaMessage("set_tempo", tempo=500_000), mido.MetaMessage("set_tempo", tempo=1_000_000, time=480)]
    tune = read_melody(saved("a.mid", midi_file([tempo, played([60, 62, 64])])))
    assert [note.start for note in tune.notes] == pytest.approx([0.0, 0.5, 1.5])


def ten_tracks() -> bytes:
    """Chords, basses, drums and a tune, with the words in a track of their own."""
    chords = [played([48, 52, 55] * 4, 240) for _ in range(3)]
    basses = [played([30, 31, 30], 960), played([28] * 4, 720, channel=2)]
    drums = [played([60] * 24, 60, channel=9)]
    tune = played([67, 69, 71, 72, 71, 69], 480)
    return midi_file([words_of(["la "] * 6), *chords, *basses, *drums, tune, played([90, 91], 1000), []])


def test_of_ten_tracks_the_one_under_the_words_is_chosen_and_said(saved: Save) -> None:
    tune = read_melody(saved("a.mid", ten_tracks()))
    assert [note.midi for note in tune.notes] == [67, 69, 71, 72, 71, 69]
    assert tune.says == ("the melody is taken from track 8 of 10: --track N takes another",)


def test_another_track_can_be_taken(saved: Save) -> None:
    path = saved("a.mid", ten_tracks())
    tune = read_melody(path, Wish(track=5))
    assert {note.midi for note in tune.notes} == {30, 31}
    assert not tune.says
    for track, what in ((11, "has no track 11"), (10, "has no notes in track 10"), (7, "has no notes in track 7")):
        with pytest.raises(LyricsError, match=what):
            read_melody(path, Wish(track=track))


def test_of_tracks_without_words_the_times_of_the_lyrics_choose(saved: Save) -> None:
    path = saved("a.mid", midi_file([played([60] * 8, 480), played([62] * 3, 700), played([64] * 8, 333)]))
    starts = tuple(at * 333 / 960 for at in range(8))
    assert {note.midi for note in read_melody(path, Wish(starts=starts)).notes} == {64}


def test_a_chord_sounds_as_its_highest_note(saved: Save) -> None:
    chord = [mido.Message("note_on", note=n, velocity=80) for n in (60, 67, 64)]
    ends = [mido.Message("note_off", note=n, time=480 * (n == 60)) for n in (60, 67, 64)]
    assert [note.midi for note in read_melody(saved("a.mid", midi_file([[*chord, *ends]]))).notes] == [67]


def test_ties_and_tempo_of_musicxml_are_followed(saved: Save) -> None:
    notes = xml_note("C", 4, 2, '<tie type="start"/>' + lyric("Hel", "begin"))
    notes += xml_note("C", 4, 2, '<tie type="stop"/>') + xml_note("D", 4, 2, lyric("lo", "end")) + xml_note("E", 5, 2)
    tune = read_melody(saved("a.musicxml", xml(notes, '<sound tempo="60"/>')))
    assert [(note.start, note.end, note.midi) for note in tune.notes] == [(0, 2, 60), (2, 3, 62), (3, 4, 76)]
    assert tune.lyrics is not None
    assert tune.lyrics.lines[0].text == "Hello"
    assert [len(one.notes) for one in scored(tune.lyrics).lines[0].syllables] == [1, 2]


def test_a_long_rest_begins_a_line(saved: Save) -> None:
    rest = "<note><rest/><duration>4</duration></note>"
    notes = xml_note("C", 4, 2, lyric("so")) + rest + xml_note("D", 4, 2, lyric("far"))
    tune = read_melody(saved("a.xml", xml(notes)))
    assert tune.lyrics is not None
    assert [line.text for line in tune.lyrics.lines] == ["so", "far"]


def test_of_several_parts_the_one_with_words_is_taken_and_said(saved: Save) -> None:
    data = xml(xml_note("C", 3, 2))
    second = xml(xml_note("A", 4, 2, lyric("la"))).split(b"</part-list>")[1].replace(b"P1", b"P2")
    path = saved("a.xml", data.replace(b"</score-partwise>", second))
    tune = read_melody(path)
    assert [note.midi for note in tune.notes] == [69]
    assert tune.says == ("the melody is part 2 of 2: --track N takes another",)
    assert [note.midi for note in read_melody(path, Wish(track=1)).notes] == [48]
    with pytest.raises(LyricsError, match="has no part 3"):
        read_melody(path, Wish(track=3))


def test_zipped_musicxml_is_read(saved: Save) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        box = '<container><rootfiles><rootfile full-path="x/a.xml"/></rootfiles></container>'
        archive.writestr("META-INF/container.xml", box)
        archive.writestr("x/a.xml", xml(xml_note("A", 4, 2)))
    assert [note.midi for note in read_melody(saved("a.mxl", out.getvalue())).notes] == [69]


def bomb() -> bytes:
    head = '<!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]>'
    return b"<?xml version='1.0'?>" + head.encode() + b"<score-partwise>&b;</score-partwise>"


def empty_zip() -> bytes:
    out = io.BytesIO()
    zipfile.ZipFile(out, "w").close()
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("a.mid", b"", "not MIDI"),
        ("a.mid", b"MThd\0\0\0\6\0\1\0\1", "not MIDI"),
        ("a.mid", b"hello world, this is no MIDI", "not MIDI"),
        ("a.mid", midi_file([[]]), "has no notes"),
        ("a.mid", midi_file([played([60] * 3, channel=9)]), "has no notes"),
        ("a.mid", midi_file([played([60])], kind=2), "no common time"),
        ("a.xml", b"", "not MusicXML"),
        ("a.xml", b"<html/>", "not MusicXML by parts"),
        ("a.xml", b"<score-timewise/>", "score-timewise"),
        ("a.xml", xml("")[:-30], "not MusicXML"),
        ("a.xml", xml(""), "has no notes"),
        ("a.xml", bomb(), "declares entities"),
        ("a.xml", bomb().decode().encode("utf-16"), "declares entities"),
        ("a.xml", xml(xml_note("H", 4, 2)), "damaged MusicXML"),
        ("a.xml", xml(xml_note("A", 44, 2)), "damaged MusicXML"),
        ("a.xml", xml(xml_note("A", 4, 2)).replace(b">2</div", b">0</div"), "damaged MusicXML"),
        ("a.mxl", b"PK\3\4 and nothing", "not zipped MusicXML"),
        ("a.mxl", empty_zip(), "not zipped MusicXML"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line_with_the_file(name: str, data: bytes, what: str, saved: Save) -> None:
    path = saved(name, data)
    with pytest.raises(LyricsError, match=what) as told_:
        read_melody(path)
    assert "\n" not in str(told_.value)
    assert str(told_.value).startswith(path)


def test_a_melody_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LyricsError, match="cannot be read"):
        read_melody(str(tmp_path / "a.mid"))


@pytest.mark.parametrize("name", ["a.mid", "a.musicxml"])
def test_damaged_files_give_notes_or_an_error_of_ours(name: str, saved: Save) -> None:
    text = UltraStar().parse(SONG)
    whole, random = notes_as(name, scored(text), text), Random(1)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(random.randint(1, 6)):
            data[random.randrange(len(data))] = random.randrange(256)
        end = random.randint(1, len(data)) if random.random() < 0.3 else len(data)
        try:
            tune = read_melody(saved(name, bytes(data[:end])))
        except AlignerError:
            continue
        assert all(a.end <= b.start + 1e-9 for a, b in pairwise(tune.notes))


def test_only_what_holds_notes_is_taken_for_a_melody() -> None:
    names = ("a.MID", "a.kar", "a.mxl", "a.xml", "a.lrc", "a.txt")
    assert [is_melody(name) for name in names] == [True] * 4 + [False] * 2
