r"""SYLT: bytes against tables made by hand from the standard, the newline of a line, and what others write."""

from __future__ import annotations

import codecs
import math
import struct
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from songs import FRAME_MS

from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Syllable, Word
from plugin.tags import Entry, TagError
from plugin.tags.frames import parse, render
from plugin.tags.marks import LONGEST, from_marks, to_marks

LE, BE = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE


def ms(number: int) -> bytes:
    return struct.pack(">I", number)


NIGHT = ((1000, "\nStrang"), (1200, "ers"), (1500, " in"), (70000, "\nä"))
NIGHT_8 = (
    b"\x03eng\x02\x01\x00"
    b"\nStrang\x00\x00\x00\x03\xe8"
    b"ers\x00\x00\x00\x04\xb0"
    b" in\x00\x00\x00\x05\xdc"
    b"\n\xc3\xa4\x00\x00\x01\x11\x70"
)
NIGHT_16 = (
    b"\x01eng\x02\x01\xff\xfe\x00\x00"
    b"\xff\xfe\n\0S\0t\0r\0a\0n\0g\0\0\0\x00\x00\x03\xe8"
    b"\xff\xfee\0r\0s\0\0\0\x00\x00\x04\xb0"
    b"\xff\xfe \0i\0n\0\0\0\x00\x00\x05\xdc"
    b"\xff\xfe\n\0\xe4\0\0\0\x00\x01\x11\x70"
)
WRITTEN = [
    (Entry("SYLT", marks=NIGHT, language="eng"), 4, "SYLT", NIGHT_8),
    (Entry("SYLT", marks=NIGHT, language="eng"), 3, "SYLT", NIGHT_16),
    (Entry("SYLT", marks=NIGHT, language="eng"), 2, "SLT", NIGHT_16),
    (Entry("SYLT", language="XXX", description="é"), 4, "SYLT", b"\x03XXX\x02\x01\xc3\xa9\x00"),
    (Entry("USLT", "a\nb", language="deu"), 4, "USLT", b"\x03deu\x00a\nb"),
    (Entry("USLT", "a", language="deu", description="d"), 3, "USLT", b"\x01deu\xff\xfed\0\0\0\xff\xfea\0"),
    (Entry("USLT", "a", language="deu"), 2, "ULT", b"\x01deu\xff\xfe\0\0\xff\xfea\0"),
]


@pytest.mark.parametrize(("entry", "major", "name", "body"), WRITTEN)
def test_frames_are_written_as_the_table_has_them(entry: Entry, major: int, name: str, body: bytes) -> None:
    assert render(entry, major) == (name, body)


@pytest.mark.parametrize(("entry", "major", "name", "body"), WRITTEN)
def test_what_is_written_is_read(entry: Entry, major: int, name: str, body: bytes) -> None:
    assert parse(name, body, FRAME_MS) == entry


def sylt(body: bytes, coder: int = 0, unit: int = 2, content: int = 1) -> bytes:
    return bytes([coder]) + b"eng" + bytes([unit, content]) + body


READ = {
    "Latin-1": (sylt(b"\0gr\xfcn\0" + ms(5)), ((5, "grün"),)),
    "UTF-8 that is called Latin-1": (sylt(b"\0gr\xc3\xbcn\0" + ms(5)), ((5, "grün"),)),
    "cp1252 that is called UTF-8": (sylt(b"\0don\x92t\0" + ms(5), 3), ((5, "don’t"),)),
    "UTF-16 with the mark at the description alone": (
        sylt(BE + b"\0\0" + "ab".encode("utf-16-be") + b"\0\0" + ms(5), 1),
        ((5, "ab"),),
    ),
    "UTF-16 without any mark": (sylt(b"\0\0" + "ab".encode("utf-16-le") + b"\0\0" + ms(5), 1), ((5, "ab"),)),
    "UTF-16 without any mark, the other way": (
        sylt(b"\0\0" + "ab".encode("utf-16-be") + b"\0\0" + ms(5), 1),
        ((5, "ab"),),
    ),
    "UTF-16BE": (sylt(b"\0\0" + "aĀb".encode("utf-16-be") + b"\0\0" + ms(5), 2), ((5, "aĀb"),)),
    "a zero across two characters": (
        sylt(LE + b"\0\0" + LE + "aĀĀ".encode("utf-16-le") + b"\0\0" + ms(5), 1),
        ((5, "aĀĀ"),),
    ),
    "frames of sound as time": (sylt(b"\0a\0" + ms(100), unit=1), ((round(100 * FRAME_MS), "a"),)),
    "a transcription": (sylt(b"\0a\0" + ms(5), content=2), ((5, "a"),)),
    "no texts": (sylt(b"\0"), ()),
    "padding behind the last": (sylt(b"\0a\0" + ms(5) + b"\0\0"), ((5, "a"),)),
    "an empty text": (sylt(b"\0a\0" + ms(5) + b"\0" + ms(9)), ((5, "a"), (9, ""))),
}


@pytest.mark.parametrize("name", READ)
def test_what_others_write_is_read(name: str) -> None:
    body, marks = READ[name]
    entry = parse("SYLT", body, FRAME_MS)
    assert entry is not None
    assert entry.marks == marks


@pytest.mark.parametrize("content", [3, 4, 5, 6, 7, 8])
def test_chords_and_events_are_no_lyrics(content: int) -> None:
    assert parse("SYLT", sylt(b"\0Am\0" + ms(5), content=content), FRAME_MS) is None


@pytest.mark.parametrize(
    ("name", "body", "complaint"),
    [
        ("SYLT", b"\x00en", "cut off"),
        ("SYLT", sylt(b"no end"), "cut off"),
        ("SYLT", sylt(b"\0no time at all"), "cut off"),
        ("SYLT", sylt(b"\0a\0" + ms(5), 4), "encoding 4"),
        ("SYLT", sylt(b"\0a\0" + ms(5), unit=3), "units of kind 3"),
        ("USLT", b"\x00eng", "cut off"),
        ("USLT", b"", "cut off"),
        ("TXXX", b"\x09LYRICS\0a", "encoding 9"),
        ("USLT", bytes(1 << 23), "larger than lyrics"),
    ],
)
def test_damaged_frames_are_refused(name: str, body: bytes, complaint: str) -> None:
    with pytest.raises(TagError, match=complaint):
        parse(name, body, FRAME_MS)


def test_time_in_frames_of_sound_needs_sound() -> None:
    with pytest.raises(TagError, match="no sound"):
        parse("SYLT", sylt(b"\0a\0" + ms(100), unit=1), 0.0)


def test_free_fields_are_lyrics_by_their_name_alone() -> None:
    assert parse("TXXX", b"\x03lyrics-eng\0a", FRAME_MS) == Entry("TXXX:lyrics-eng", "a")
    assert parse("TXXX", b"\x03mood\0a", FRAME_MS) is None
    assert parse("TIT2", b"\x03a", FRAME_MS) is None


@given(st.sampled_from(["SYLT", "USLT", "TXXX"]), st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_refused(name: str, body: bytes) -> None:
    with suppress(TagError):
        found = parse(name, body, FRAME_MS)
        assert found is None or isinstance(found, Entry)


# The newline of a line


def line(start: float, *words: str, step: float = 0.25, end: float | None = None) -> Line:
    made = tuple(Word(word, start + step * n, start + step * (n + 1)) for n, word in enumerate(words))
    return Line(" ".join(words), start, end or start + step * len(words), words=made)


def test_every_line_begins_with_a_newline_and_a_word_with_its_space() -> None:
    marks = to_marks(Alignment((line(1, "one", "two"), line(2, "three"))), "word")
    assert marks == ((1000, "\none"), (1250, " two"), (2000, "\nthree"), (2250, "\n"))


def test_lines_alone_have_no_newline() -> None:
    marks = to_marks(Alignment((line(1, "one", "two"), line(2, "three"))), "line")
    assert marks == ((1000, "one two"), (2000, "three"), (2250, ""))


def test_syllables_are_written_where_there_are_some() -> None:
    cut = Word("Strangers", 1, 2, syllables=(Syllable("Strang", 1, 1.5), Syllable("ers", 1.5, 2)))
    marks = to_marks(Alignment((Line("Strangers in", 1, 3, words=(cut, Word("in", 2, 3))),)), "syllable")
    assert marks == ((1000, "\nStrang"), (1500, "ers"), (2000, " in"), (3000, "\n"))
    assert [s.text for s in from_marks(marks).words[0].syllables] == ["Strang", "ers"]


def test_a_pause_clears_the_text() -> None:
    assert (1500, "\n") in to_marks(Alignment((line(1, "a", "b"), line(9, "c"))), "word")
    assert (1500, "\n") not in to_marks(Alignment((line(1, "a", "b"), line(5, "c"))), "word")


TRANSLATED = Alignment(
    (
        line(1, "ich", "bin"),
        Line("I am", 1, 1.5, words=(Word("I"), Word("am")), extra=Extra.of({"role": "translation"})),
        line(2, "da"),
    )
)


def test_a_translation_does_not_cut_short_the_words_it_is_shown_with() -> None:
    assert to_marks(TRANSLATED, "word") == ((1000, "\nich"), (1250, " bin"), (2000, "\nda"), (2250, "\n"))


def test_by_line_a_translation_has_the_time_of_its_line() -> None:
    marks = to_marks(TRANSLATED, "line")
    assert marks == ((1000, "ich bin"), (1000, "I am"), (2000, "da"), (2250, ""))
    assert [(one.text, one.start, one.end, one.extra.get("role")) for one in from_marks(marks).lines] == [
        ("ich bin", 1, 2, None),
        ("I am", 1, 2, "translation"),
        ("da", 2, 2.25, None),
    ]


def test_times_never_go_back_where_two_sing() -> None:
    marks = to_marks(Alignment((line(1, "a", "b", "c", step=1), line(2.5, "d", "e"))), "word")
    assert marks[:4] == ((1000, "\na"), (2000, " b"), (2500, " c"), (2500, "\nd"))


def test_words_without_a_time_go_with_those_before_them() -> None:
    words = (Word("lost"), Word("one", 1, 2), Word("lost"), Word("two", 2, 3))
    marks = to_marks(Alignment((Line("lost one lost two", 1, 3, words=words),)), "word")
    assert marks == ((1000, "\nlost"), (1000, " one lost"), (2000, " two"), (3000, "\n"))
    assert [word.start for word in from_marks(marks).words] == [None, 1, None, 2]


def test_lines_without_a_time_are_left_out_and_none_at_all_is_refused() -> None:
    untimed = Line("never", words=(Word("never"),))
    assert len(to_marks(Alignment((untimed, line(1, "a"))), "line")) == 2
    with pytest.raises(TagError, match="no line has a time"):
        to_marks(Alignment((untimed,)), "line")


def test_a_time_beyond_thirty_two_bits_is_refused() -> None:
    assert to_marks(Alignment((line(LONGEST / 1000 - 1, "a"),)), "line")
    with pytest.raises(TagError, match="later than a tag can hold"):
        to_marks(Alignment((line(LONGEST / 1000 + 1, "a"),)), "line")


def test_what_would_end_a_text_becomes_a_space() -> None:
    bad = "a\0b\udc80c"
    marks = to_marks(Alignment((Line(bad, 1, 2, words=(Word(bad, 1, 2),)),)), "word")
    assert marks[0] == (1000, "a b c")


CONVENTIONS = {
    "newline first": ("\na", " b", "\nc", " d"),
    "newline between lines alone": ("a", " b", "\nc", " d"),
    "newline at the end of lines": ("a", " b\n", "c", " d\n"),
    "Windows newlines": ("\r\na", " b", "\r\nc", " d"),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_words_are_joined_to_lines_by_any_newline(name: str) -> None:
    lines = from_marks(tuple(zip((0, 500, 1000, 1500), CONVENTIONS[name], strict=True))).lines
    assert [one.text for one in lines] == ["a b", "c d"]
    assert [word.start for one in lines for word in one.words] == [0, 0.5, 1, 1.5]


def test_words_without_any_newline_are_parted_where_a_pause_is() -> None:
    texts = ("Strang", "ers ", "in ", "the ", "night ", "ex", "chang", "ing ", "glances ")
    times = (0, 200, 400, 600, 800, 4000, 4200, 4400, 4600)
    lines = from_marks(tuple(zip(times, texts, strict=True))).lines
    assert [one.text for one in lines] == ["Strangers in the night", "exchanging glances"]


def test_without_a_newline_every_text_is_a_line() -> None:
    lines = from_marks(((0, "one two"), (900, "three four"), (2000, ""))).lines
    assert [(one.text, one.start, one.end) for one in lines] == [("one two", 0, 0.9), ("three four", 0.9, 2)]
    assert not any(word.timed for one in lines for word in one.words)


def test_lines_out_of_order_are_sorted() -> None:
    assert [one.text for one in from_marks(((900, "b"), (100, "a"))).lines] == ["a", "b"]


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Z"]), min_size=1, max_size=6)


@st.composite
def alignments(draw: st.DrawFn) -> Alignment:
    lines, now = [], 0.0
    for _ in range(draw(st.integers(1, 5))):
        words = []
        begin = now = now + draw(st.floats(0, 6))
        for text in draw(st.lists(texts.filter(lambda t: t.split() == [t]), min_size=1, max_size=4)):
            end = now + draw(st.floats(0.01, 3))
            words.append(Word(text, now, end))
            now = end + draw(st.floats(0, 1))
        now = max(now, words[-1].end or 0)
        lines.append(Line(" ".join(word.text for word in words), begin, words[-1].end, words=tuple(words)))
    return Alignment(tuple(lines))


@given(alignments())
def test_starts_of_words_come_back_within_half_a_millisecond(alignment: Alignment) -> None:
    if all(len(one.words) == 1 for one in alignment.lines):
        return  # such are lines, whose words have no times
    back = from_marks(to_marks(alignment, "word"))
    assert [word.text for word in back.words] == [word.text for word in alignment.words]
    for before, after in zip(alignment.words, back.words, strict=True):
        assert before.start is not None
        assert after.start is not None
        assert math.isclose(before.start, after.start, abs_tol=0.00051)


@given(alignments(), st.sampled_from(["line", "word", "syllable"]))
def test_the_second_trip_changes_nothing(alignment: Alignment, level: str) -> None:
    marks = to_marks(alignment, level)  # type: ignore[arg-type]
    assert to_marks(from_marks(marks), level) == marks  # type: ignore[arg-type]
    assert all(before[0] <= after[0] for before, after in pairwise(marks))


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, LONGEST), st.text("ab \n\r\0\x85", max_size=5)), max_size=8))
def test_any_marks_are_an_alignment(marks: list[tuple[int, str]]) -> None:
    alignment = from_marks(tuple(marks))
    letters = sorted(letter for _, text in marks for letter in text if letter.isalpha())
    assert sorted(letter for one in alignment.lines for letter in one.text if letter.isalpha()) == letters
