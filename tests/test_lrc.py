"""LRC: what is written, and what is found in the wild."""

from __future__ import annotations

import pytest

from aligner_core.timeline import Alignment, Line, Syllable, Word, untimed_line
from plugin.formats import Level, RenderOptions, by_name

LRC = by_name("lrc")
Times = tuple[str, float | None, float | None]

AMAZING = Word(
    "Amazing",
    12.004,
    13.0,
    syllables=(Syllable("A", 12.004, 12.3), Syllable("maz", 12.3, 12.7), Syllable("ing", 12.7, 13.0)),
)
SONG = Alignment(
    (
        untimed_line("[Verse 1]", "heading"),
        Line("Amazing grace -", 12.004, 14.5, words=(AMAZING, Word("grace", 13.25, 14.5), Word("-"))),
        untimed_line(""),
        Line("Oh how sweet", 14.5, 17.0, words=(Word("Oh"), Word("how", 15.0, 15.5), Word("sweet", 15.5, 16.996))),
        untimed_line("never found"),
        Line("the sound", 3661.0, 3662.0, words=(Word("the"), Word("sound"))),
    )
)


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (
            "line",
            "[00:12.00]Amazing grace -\n[00:14.50]Oh how sweet\n[00:17.00]\n[61:01.00]the sound\n[61:02.00]\n",
        ),
        (
            "word",
            "[00:12.00]<00:12.00>Amazing<00:13.00> <00:13.25>grace -<00:14.50>\n"
            "[00:14.50]<00:15.00>Oh <00:15.00>how <00:15.50>sweet<00:17.00>\n"
            "[00:17.00]\n"
            "[61:01.00]the sound<61:02.00>\n"
            "[61:02.00]\n",
        ),
        (
            "syllable",
            "[00:12.00]<00:12.00>A<00:12.30>maz<00:12.70>ing<00:13.00> <00:13.25>grace -<00:14.50>\n"
            "[00:14.50]<00:15.00>Oh <00:15.00>how <00:15.50>sweet<00:17.00>\n"
            "[00:17.00]\n"
            "[61:01.00]the sound<61:02.00>\n"
            "[61:02.00]\n",
        ),
    ],
)
def test_a_song_is_written_so(level: Level, text: str) -> None:
    assert LRC.render(SONG, RenderOptions(level)) == text


def test_hours_are_written_only_where_minutes_would_have_three_digits() -> None:
    lines = (Line("a", 99 * 60 + 59.99, 5999.994), Line("b", 5999.996, 6001.0))
    assert LRC.render(Alignment(lines), RenderOptions("line")) == "[99:59.99]a\n[01:40:00.00]b\n[01:40:01.00]\n"


@pytest.mark.parametrize(("seconds", "written"), [(4.0, False), (4.01, True)])
def test_only_a_pause_of_more_than_four_seconds_clears_the_text(seconds: float, written: bool) -> None:
    text = LRC.render(Alignment((Line("a", 1.0, 2.0), Line("b", 2 + seconds, 9.0))), RenderOptions("line"))
    assert ("[00:02.00]\n" in text) == written


def test_a_line_end_inside_a_line_becomes_a_space() -> None:
    text = LRC.render(Alignment((Line("one\r\ntwo\u2028three", 1.0, 2.0),)))
    assert text == "[00:01.00]one two three\n[00:02.00]\n"


def test_the_pause_is_counted_from_the_last_voice_to_stop() -> None:
    lines = (Line("long", 1.0, 9.0), Line("short", 2.0, 3.0), Line("next", 12.0, 13.0))
    rows = LRC.render(Alignment(lines), RenderOptions("line")).splitlines()
    assert rows == ["[00:01.00]long", "[00:02.00]short", "[00:12.00]next", "[00:13.00]"]


def lines_of(text: str) -> list[Times]:
    return [(line.text, line.start, line.end) for line in LRC.parse(text).lines]


def words_of(text: str) -> list[Times]:
    return [(word.text, word.start, word.end) for word in LRC.parse(text).words]


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("[1:02]", 62.0),
        ("[01:02]", 62.0),
        ("[01:02.5]", 62.5),
        ("[01:02.05]", 62.05),
        ("[01:02.005]", 62.005),
        ("[01:02,50]", 62.5),
        ("[100:02.50]", 6002.5),
        ("[01:40:02.50]", 6002.5),
    ],
)
def test_the_fraction_of_a_stamp_is_decimal_and_hours_may_stand_before(stamp: str, seconds: float) -> None:
    assert lines_of(f"{stamp}x\n[200:00.00]")[0] == ("x", seconds, 12000.0)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param(
            "[00:12.00][00:30.00]chorus\n[00:20.00]verse\n[00:40.00]",
            [("chorus", 12.0, 20.0), ("verse", 20.0, 30.0), ("chorus", 30.0, 40.0)],
            id="repeated stamps",
        ),
        pytest.param(
            "[00:01.00]Hallo\n[00:01.00]Hello\n[00:03.00]Ende\n[00:04.00]",
            [("Hallo", 1.0, 3.0), ("Hello", 1.0, 3.0), ("Ende", 3.0, 4.0)],
            id="translation lines",
        ),
        pytest.param(
            "[00:01.00]a\n[00:03.00]\n[00:09.00]b\n[00:10.00]", [("a", 1.0, 3.0), ("b", 9.0, 10.0)], id="clear"
        ),
        pytest.param("[00:01.00]a\n[00:03.00] <00:03.00> <00:04.00>", [("a", 1.0, 3.0)], id="stamps without a word"),
        pytest.param("[00:01.00]a\n[00:03.00]  last ", [("a", 1.0, 3.0), ("last", 3.0, 8.0)], id="open end"),
        pytest.param("[offset:500]\n[00:02.00]a\n[00:04.00]", [("a", 1.5, 3.5)], id="positive offset is earlier"),
        pytest.param("[offset: -500]\n[00:02.00]a\n[00:04.00]", [("a", 2.5, 4.5)], id="space in the offset"),
        pytest.param("[offset:+9000]\n[00:02.00]a\n[00:10.00]", [("a", 0.0, 1.0)], id="nothing before zero"),
        pytest.param("[offset: ]\n[00:02.00]a\n[00:04.00]", [("a", 2.0, 4.0)], id="empty offset"),
        pytest.param(
            "[ti:Song]\n[ar: A, B]\n[length:03:10]\n[by:]\n[00:02.00]a\n[00:04.00]", [("a", 2.0, 4.0)], id="ID tags"
        ),
        pytest.param(
            "\ufeff[00:01.00]a\r\n\r\n\ufeff[00:02.00]b\r[00:03.00]", [("a", 1.0, 2.0), ("b", 2.0, 3.0)], id="BOM, CRLF"
        ),
        pytest.param(
            "# by me\n[00:01.00]a\n(no stamp)\n[00:02.00]\n",
            [("# by me", None, None), ("a", 1.0, 2.0), ("(no stamp)", None, None)],
            id="rows without a stamp",
        ),
        pytest.param("[00:01.00]v1: a\n[00:02.00]v2:b\n[00:03.00]", [("a", 1.0, 2.0), ("b", 2.0, 3.0)], id="singers"),
        pytest.param("Just lyrics\n[Chorus]", [("Just lyrics", None, None), ("[Chorus]", None, None)], id="no stamps"),
        pytest.param("[00:01.00][Chorus]\n[00:02.00]", [("[Chorus]", 1.0, 2.0)], id="heading with a stamp"),
    ],
)
def test_lines_are_read_with_their_times(text: str, lines: list[Times]) -> None:
    assert lines_of(text) == lines


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            "[00:00.00] <00:00.04> When <00:00.16> the <00:00.82> truth <00:01.29>",
            [("When", 0.04, 0.16), ("the", 0.16, 0.82), ("truth", 0.82, 1.29)],
            id="decorative spaces",
        ),
        pytest.param(
            "[00:01.00]<00:01.00>When <00:01.30>the\n[00:02.00]",
            [("When", 1.0, 1.3), ("the", 1.3, 2.0)],
            id="no end stamp",
        ),
        pytest.param(
            "[00:01.00]When <00:01.30>the<00:01.90>", [("When", 1.0, 1.3), ("the", 1.3, 1.9)], id="first stamp left out"
        ),
        pytest.param(
            "[00:01.00][00:11.00]<00:01.20>Hi <00:01.50>you<00:02.00>",
            [("Hi", 1.2, 1.5), ("you", 1.5, 2.0), ("Hi", 11.2, 11.5), ("you", 11.5, 12.0)],
            id="repeated with words",
        ),
        pytest.param(
            "[offset:200]\n[00:01.00]<00:01.20>Hi <00:01.50>you<00:02.00>",
            [("Hi", 1.0, 1.3), ("you", 1.3, 1.8)],
            id="offset of words",
        ),
        pytest.param(
            "[00:01.00]<00:01.00>Hi there <00:01.50>you<00:02.00>",
            [("Hi", 1.0, 1.5), ("there", None, None), ("you", 1.5, 2.0)],
            id="two words at one stamp",
        ),
        pytest.param(
            "[00:01.00]<00:02.00>back <00:01.50>wards<00:02.50>",
            [("back", None, None), ("wards", 1.5, 2.5)],
            id="stamps out of order",
        ),
        pytest.param(
            "[00:01.00]<00:01.00>late <00:03.50>word\n[00:02.00]x\n[00:05.00]",
            [("late", 1.0, 3.5), ("word", 3.5, 3.5), ("x", None, None)],
            id="overlap",
        ),
        pytest.param(
            "[00:01.00]<00:01.00>Hi<00:02.00>\n[bg: <00:02.00>ooh <00:02.50>ah<00:03.00>]",
            [("Hi", 1.0, 2.0), ("ooh", 2.0, 2.5), ("ah", 2.5, 3.0)],
            id="background voice",
        ),
        pytest.param(
            "[00:01.00]only line times<00:02.00>",
            [("only", None, None), ("line", None, None), ("times", None, None)],
            id="end stamp of a line",
        ),
    ],
)
def test_words_are_read_with_their_times(text: str, words: list[Times]) -> None:
    assert words_of(text) == words


def test_a_pause_after_the_only_text_does_not_time_it() -> None:
    assert words_of("[00:01.00]only line<00:01.50> <00:02.00>") == [("only", None, None), ("line", None, None)]


def test_old_karaoke_files_have_square_stamps_inside_the_line() -> None:
    (word,) = LRC.parse("[00:00.00]幻[00:00.66]想[00:01.33]的[00:02.00]").words
    assert [(s.text, s.start, s.end) for s in word.syllables] == [
        ("幻", 0.0, 0.66),
        ("想", 0.66, 1.33),
        ("的", 1.33, 2.0),
    ]


def test_text_without_white_space_between_stamps_is_one_word_of_syllables() -> None:
    line = LRC.parse(LRC.render(SONG, RenderOptions("syllable"))).lines[0]
    assert [s.text for s in line.words[0].syllables] == ["A", "maz", "ing"]
    assert [s.text for s in line.words[1].syllables] == ["grace"]  # the file tells syllables: this word has one
    assert line.words[2] == Word("-")


def test_words_of_a_file_without_syllables_have_none() -> None:
    assert LRC.parse(LRC.render(SONG, RenderOptions("word"))).syllables == ()


def test_comments_come_as_comments() -> None:
    assert [line.kind for line in LRC.parse("#hush\n[00:01.00]a").lines] == ["comment", "lyrics"]


def test_half_timed_lyrics_have_the_lines_without_a_stamp_in_their_place_and_untimed() -> None:
    found = LRC.parse("first\n[00:10.00]second\nthird\nfourth\n[00:20.00]fifth\nsixth\n")
    assert [line.text for line in found.lines] == ["first", "second", "third", "fourth", "fifth", "sixth"]
    assert [line.start for line in found.lines] == [None, 10.0, None, None, 20.0, None]


def test_lyrics_timed_by_line_stay_simple_lrc() -> None:
    simple = "[00:01.00]Hallo Welt\n[00:03.00]zwei\n[00:08.00]\n"
    assert LRC.render(LRC.parse(simple)) == simple
    assert LRC.render(LRC.parse(simple), RenderOptions("word")) == (
        "[00:01.00]Hallo Welt<00:03.00>\n[00:03.00]zwei<00:08.00>\n[00:08.00]\n"
    )


@pytest.mark.parametrize("row", ["# by hand", "[#: by hand]"])
def test_a_comment_is_not_sung(row: str) -> None:
    assert [line.kind for line in LRC.parse(f"{row}\n[00:01.00]Hallo\n").lines] == ["comment", "lyrics"]
