"""SubRip: what is written, and what is found in the wild. pysubs2 is the second reader."""

from __future__ import annotations

import pysubs2
import pytest

from aligner_core.timeline import Alignment, Line, Word, untimed_line
from plugin.formats import FormatError, RenderOptions, by_name

SRT = by_name("srt")
Times = tuple[str, float | None, float | None]
ONE = "1\n00:00:01,000 --> 00:00:02,000\n"
TWO = "2\n00:00:03,000 --> 00:00:04,000\n"

SONG = Alignment(
    (
        untimed_line("[Verse]", "heading"),
        Line("Amazing grace", 12.0044, 14.5, words=(Word("Amazing", 12.0044, 13.0), Word("grace", 13.25, 14.5))),
        Line(
            "- how\nsweet",
            3661.0,
            3662.9996,
            words=(Word("-"), Word("how", 3661.0, 3661.5), Word("sweet", 3661.5, 3662.0)),
        ),
        untimed_line("never found"),
    )
)
BY_LINE = """\
1
00:00:12,004 --> 00:00:14,500
Amazing grace

2
01:01:01,000 --> 01:01:03,000
- how
sweet
"""
BY_WORD = """\
1
00:00:12,004 --> 00:00:13,000
Amazing

2
00:00:13,250 --> 00:00:14,500
grace

3
01:01:01,000 --> 01:01:01,500
- how

4
01:01:01,500 --> 01:01:02,000
sweet
"""


def test_a_song_is_written_so() -> None:
    assert SRT.render(SONG) == BY_LINE
    assert SRT.render(SONG, RenderOptions("word")) == BY_WORD


def test_pysubs2_reads_what_is_written() -> None:
    events = pysubs2.SSAFile.from_string(SRT.render(SONG), format_="srt").events
    assert [(event.start, event.end, event.plaintext) for event in events] == [
        (12004, 14500, "Amazing grace"),
        (3661000, 3663000, "- how\nsweet"),
    ]


def test_a_line_without_found_words_is_one_cue() -> None:
    alignment = Alignment((Line("not one", 1.0, 2.0, words=(Word("not"), Word("one"))),))
    assert SRT.render(alignment, RenderOptions("word")) == "1\n00:00:01,000 --> 00:00:02,000\nnot one\n"


def test_blank_rows_of_a_line_are_not_written() -> None:
    assert SRT.render(Alignment((Line("a\n\n \nb", 1.0, 2.0),))).endswith(",000\na\nb\n")


@pytest.mark.parametrize(
    ("text", "cues"),
    [
        pytest.param("\ufeff" + ONE.replace("\n", "\r\n") + "Hi\r\n", [("Hi", 1.0, 2.0)], id="BOM and CRLF"),
        pytest.param(ONE.replace("\n", "\r") + "Hi\r", [("Hi", 1.0, 2.0)], id="CR"),
        pytest.param("00:00:01,000 --> 00:00:02,000\nHi", [("Hi", 1.0, 2.0)], id="no number"),
        pytest.param("7\n0:0:1.5-->0:0:2.25\nHi", [("Hi", 1.5, 2.25)], id="dots, no spaces, few digits"),
        pytest.param("1\n00:01 --> 01:02,5\nHi", [("Hi", 1.0, 62.5)], id="no hours, no fraction"),
        pytest.param(ONE[:-1] + " X1:10 X2:20 Y1:1 Y2:2\nHi", [("Hi", 1.0, 2.0)], id="coordinates"),
        pytest.param("1\n00:00:03,000 --> 00:00:02,000\nHi", [("Hi", 3.0, 3.0)], id="end before start"),
        pytest.param("1\n-00:00:03,000 --> 00:00:02,000\nHi", [("Hi", 0.0, 2.0)], id="negative"),
        pytest.param(
            "2\n00:00:05,000 --> 00:00:06,000\nB\n1\n00:00:01,000 --> 00:00:02,000\nA",
            [("B", 5.0, 6.0), ("A", 1.0, 2.0)],
            id="no blank row, wrong order",
        ),
        pytest.param(
            ONE + "1984\n\n" + TWO + "7",
            [("1984", 1.0, 2.0), ("7", 3.0, 4.0)],
            id="text of digits",
        ),
        pytest.param(ONE + "One\n\ntwo\n\n", [("One\ntwo", 1.0, 2.0)], id="blank row inside"),
        pytest.param(
            ONE + '{\\an8}<i>Hi</i> <font color="#fff">you</font> <3 {x} <v Ann>!</v>',
            [("Hi you <3 {x} !", 1.0, 2.0)],
            id="tags",
        ),
        pytest.param(ONE + "<i></i>\n\n" + TWO + "B", [("B", 3.0, 4.0)], id="empty cue"),
        pytest.param("WEBVTT\n\n00:01.000 --> 00:02.000\nHi", [("Hi", 1.0, 2.0)], id="WebVTT by mistake"),
        pytest.param(ONE + "a --> b", [("a --> b", 1.0, 2.0)], id="arrow in the text"),
    ],
)
def test_cues_are_read_as_lines(text: str, cues: list[Times]) -> None:
    assert [(line.text, line.start, line.end) for line in SRT.parse(text).lines] == cues


def test_only_a_cue_of_one_word_times_the_word() -> None:
    assert SRT.parse(ONE + "Hi\n\n" + TWO + "Hi you").words == (Word("Hi", 1.0, 2.0), Word("Hi"), Word("you"))


@pytest.mark.parametrize("row", ["00:00:01,000 --> 00:00:aa", "1:2:3 --> ", "00:00:01,000 --> 00:00:02:03:04"])
def test_a_damaged_time_row_is_told_with_its_line(row: str) -> None:
    with pytest.raises(FormatError, match=r"is no time row \(HH:MM:SS,mmm --> HH:MM:SS,mmm\)") as caught:
        SRT.parse(f"{ONE}Hi\n\n2\n{row}\nHi")
    assert caught.value.where == "6"
