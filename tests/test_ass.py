"""ASS: what is written, and what is found in the wild. pysubs2 is the second reader."""

from __future__ import annotations

import re

import pysubs2
import pytest

from aligner_core.timeline import Alignment, Line, Syllable, Word, untimed_line
from plugin.formats import FormatError, KaraokeTag, Level, RenderOptions, by_name

ASS = by_name("ass")
Times = tuple[str, float | None, float | None]

AMAZING = Word(
    "Amazing",
    12.304,
    13.0,
    syllables=(Syllable("A", 12.304, 12.4), Syllable("maz", 12.4, 12.7), Syllable("ing", 12.75, 13.0)),
)
SONG = Alignment(
    (
        untimed_line("[Verse]", "heading"),
        Line(" Amazing grace - ", 12.004, 15.0, words=(AMAZING, Word("grace", 13.25, 14.5), Word("-"))),
        Line(
            "Oh how\nsweet", 14.0, 3661.996, words=(Word("Oh"), Word("how", 14.0, 15.5), Word("sweet", 15.5, 3661.996))
        ),
        untimed_line("never found"),
        Line("the sound", 3662.0, 3663.0, words=(Word("the"), Word("sound"))),
    )
)


def events(text: str) -> list[str]:
    return text.partition("Effect, Text\n")[2].splitlines()


@pytest.mark.parametrize(
    ("level", "first", "second"),
    [
        ("line", "Amazing grace -", r"Oh how\Nsweet"),
        (
            "word",
            r"{\k30}{\kf70}Amazing {\k25}{\kf125}grace -{\k50}",
            r"Oh {\kf150}how\N{\kf364650}sweet",
        ),
        (
            "syllable",
            r"{\k30}{\kf10}A{\kf30}maz{\k5}{\kf25}ing {\k25}{\kf125}grace -{\k50}",
            r"Oh {\kf150}how\N{\kf364650}sweet",
        ),
    ],
)
def test_a_song_is_written_so(level: Level, first: str, second: str) -> None:
    assert events(ASS.render(SONG, RenderOptions(level))) == [
        f"Dialogue: 0,0:00:12.00,0:00:15.00,Default,,0,0,0,,{first}",
        f"Dialogue: 0,0:00:14.00,1:01:02.00,Default,,0,0,0,,{second}",
        "Dialogue: 0,1:01:02.00,1:01:03.00,Default,,0,0,0,,the sound",
    ]


@pytest.mark.parametrize("tag", ["k", "kf", "ko"])
def test_the_karaoke_tag_can_be_chosen(tag: KaraokeTag) -> None:
    assert rf"{{\{tag}125}}grace" in ASS.render(SONG, RenderOptions(tag=tag))


@pytest.mark.parametrize("level", ["word", "syllable"])
def test_the_tags_of_a_line_add_up_to_its_duration(level: Level) -> None:
    script = pysubs2.SSAFile.from_string(ASS.render(SONG, RenderOptions(level)), format_="ass")
    for event in script.events[:2]:
        assert sum(map(int, re.findall(r"\\kf?(\d+)", event.text))) * 10 == event.duration


def test_pysubs2_reads_what_is_written() -> None:
    script = pysubs2.SSAFile.from_string(ASS.render(SONG))
    assert [(event.start, event.end, event.plaintext.rstrip()) for event in script.events] == [
        (12000, 15000, "Amazing grace -"),
        (14000, 3662000, "Oh how\nsweet"),
        (3662000, 3663000, "the sound"),
    ]
    assert script.info["PlayResX"] == "1920"
    assert script.styles["Default"].outline == 5
    assert {event.style for event in script.events} <= set(script.styles)


@pytest.mark.parametrize("text", [r"a {b} c\Nd \h\n", "{unclosed", r"\k50 x\{y"])
def test_markup_in_lyrics_is_shown_and_not_obeyed(text: str) -> None:
    words = tuple(Word(word, 1.0 + i, 2.0 + i) for i, word in enumerate(text.split()))
    alignment = Alignment((Line(text, 1.0, 2.0 + len(words), words=words),))
    rendered = ASS.render(alignment)
    (event,) = pysubs2.SSAFile.from_string(rendered, format_="ass").events
    shown = text.replace("{", "｛").replace("}", "｝")
    assert event.plaintext.replace("\u2060", "") == shown
    assert [line.text for line in ASS.parse(rendered).lines] == [shown]


def test_a_strange_line_end_does_not_end_the_row() -> None:
    text = ASS.render(Alignment((Line("a\u2028b\x85c\rd", 1.0, 2.0),)))
    assert events(text) == [r"Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,a b c\Nd"]


def dialogue(text: str, times: str = "0:00:01.00,0:00:05.00", kind: str = "Dialogue", effect: str = "") -> str:
    return f"{kind}: 0,{times},Default,,0,0,0,{effect},{text}\n"


def words_of(text: str) -> list[Times]:
    return [(word.text, word.start, word.end) for word in ASS.parse(dialogue(text)).words]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(r"{\k100}one {\kf50}two", [("one", 1.0, 2.0), ("two", 2.0, 2.5)], id="k, kf"),
        pytest.param(r"{\K100}one{\ko50} two", [("one", 1.0, 2.0), ("two", 2.0, 2.5)], id="K, ko, space in front"),
        pytest.param(r"{\k50}{\k100}one {\k25}{\k50}two", [("one", 1.5, 2.5), ("two", 2.75, 3.25)], id="pauses"),
        pytest.param(r"{\an8\k50\k100\b1}one {\i1}two", [("one", 1.5, 2.5), ("two", None, None)], id="two in a block"),
        pytest.param(
            r"{\k}one {\k1.5}two {\k.}x", [("one", 1.0, 2.0), ("two", 2.0, 2.015), ("x", 2.015, 3.015)], id="odd"
        ),
        pytest.param(r"{\kt200\k50}one", [("one", 3.0, 3.5)], id="kt"),
        pytest.param(r"first {\k100}one", [("first", None, None), ("one", 1.0, 2.0)], id="text before the first tag"),
        pytest.param(
            r"{\k300}one {\k300}two {\k1}x", [("one", 1.0, 4.0), ("two", 4.0, 5.0), ("x", 5.0, 5.0)], id="too long"
        ),
        pytest.param(
            r"{\pos(1,2)\fnKaraoke}one {note}two", [("one", None, None), ("two", None, None)], id="no karaoke"
        ),
        pytest.param(r"{\p1}m 0 0 l 1 1{\p0}{\k100}one", [("one", 1.0, 2.0)], id="drawing"),
        pytest.param(
            r"{\k100}one\Ntwo\hx {\k50}a, b{c",
            [("one", 1.0, 2.0), ("two", None, None), ("x", None, None), ("a,", 2.0, 2.5), ("b{c", None, None)],
            id="escapes, commas, open brace",
        ),
    ],
)
def test_karaoke_tags_are_read_as_times(text: str, words: list[Times]) -> None:
    assert words_of(text) == words


def test_syllables_are_what_has_no_space_between() -> None:
    words = ASS.parse(dialogue(r"{\k50}a{\k50}ma{\k50}zing {\k50}grace")).words
    assert [[(s.text, s.start) for s in word.syllables] for word in words] == [
        [("a", 1.0), ("ma", 1.5), ("zing", 2.0)],
        [("grace", 2.5)],
    ]


AEGISUB = r"""[Script Info]
; Script generated by Aegisub 3.4.0
ScriptType: v4.00+

[Aegisub Project Garbage]
Audio File: song.wav

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: broken,,not a size,&Hzz

[Fonts]
fontname: x.ttf
!!!uuencoded,,Dialogue

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:00.00,Default,,0,0,0,template syl,{\fad(10,10)}
Comment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,Karaoke,{\k40}source {\k60}line
Comment: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,a note
Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,FX,{\move(1,2,3,4)}source
Dialogue: 0,0:00:05.00,0:00:04.00,Default,Ann,0,0,0,,Spoken, simply
Dialogue: 0,-0:00:05.00,0:00:04.00,Default,,0,0,0,,{\p1}m 0 0
"""


def test_template_output_and_comments_are_left_out_but_karaoke_sources_are_read() -> None:
    lines = ASS.parse(AEGISUB.replace("\n", "\r\n")).lines
    assert [(line.text, line.start, line.end) for line in lines] == [
        ("source line", 1.0, 2.0),
        ("Spoken, simply", 5.0, 5.0),
    ]
    assert [word.start for word in lines[0].words] == [1.0, 1.4]


def test_ssa_and_reordered_fields_are_read() -> None:
    ssa = "[Events]\nFormat: Marked, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    assert ASS.parse(ssa + "Dialogue: Marked=0,0:00:01.00,0:00:02.00,*Default,,0,0,0,,Hi").lines[0].text == "Hi"
    short = ASS.parse("[Events]\nFormat: End, Start, Text\nDialogue: 0:00:02.00,0:00:01.00,Hi, you").lines[0]
    assert (short.text, short.start, short.end) == ("Hi, you", 1.0, 2.0)


@pytest.mark.parametrize("row", ["Dialogue: 0,0:00:01.00", "Dialogue: 0,0:00:01.00,x,D,,0,0,0,,Hi", "Comment:"])
def test_a_damaged_event_is_told_with_its_line(row: str) -> None:
    with pytest.raises(FormatError, match=r"is no time \(H:MM:SS\.cc\)") as caught:
        ASS.parse(f"[Events]\n{dialogue('Hi')}{row}\n")
    assert caught.value.where == "3"
