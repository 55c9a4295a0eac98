"""The report says what became of every line, and nothing that is not so."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner_core.timeline import Alignment, Line, Word, untimed_line
from plugin.report import Report, clock, count, table


def sung(text: str, start: float, score: float | None, *, until: int | None = None) -> Line:
    """A line whose words last a second each; those from number `until` on were not found."""
    words = [
        Word(word, start + i, start + i + 1, score) if until is None or i < until else Word(word)
        for i, word in enumerate(text.split())
    ]
    return Line(text, start, start + len(words), score, tuple(words))


GOOD, WEAK, PARTLY, LOST = (
    sung("amazing grace", 1.0, 0.9),
    sung("how sweet - the sound", 62.34, 0.2, until=2),
    sung("I once was lost", 70.0, 0.9, until=3),
    untimed_line("but now am found"),
)
HEADING, BLANK = Line("[Chorus] ", kind="heading"), untimed_line("")


def report(*lines: Line, threshold: float = 0.3, seconds: float = 2.0, sound: float = 120.0) -> Report:
    return Report(Alignment(lines, "song.mp3"), ["a.lrc", "b.ass"], seconds, sound, threshold)


def test_doubtful_are_the_lines_that_were_not_found_in_full_or_score_low() -> None:
    doubts = report(HEADING, GOOD, BLANK, WEAK, PARTLY, LOST).doubts
    assert [doubt.number for doubt in doubts] == [4, 5, 6]
    assert [doubt.start for doubt in doubts] == [62.34, 70.0, None]


def test_a_line_at_the_threshold_is_not_doubtful_and_one_below_is() -> None:
    assert report(GOOD, threshold=0.9).doubts == ()
    assert len(report(GOOD, threshold=0.9001).doubts) == 1


def test_a_line_without_a_score_is_not_doubtful() -> None:
    assert report(sung("spoken", 0.0, None), threshold=1.0).doubts == ()


def test_what_makes_no_sound_is_not_missed() -> None:
    dash = Line("well - no", 0.0, 2.0, 0.9, (Word("well", 0.0, 1.0), Word("-"), Word("no", 1.0, 2.0)))
    assert (report(dash).timed_words, report(dash).missing_words, report(dash).doubts) == (2, 0, ())


def test_words_are_counted_once_as_timed_or_missing() -> None:
    got = report(GOOD, WEAK, PARTLY, LOST)
    assert (got.timed_words, got.missing_words) == (2 + 2 + 3, 2 + 1 + 4)


def test_the_text_names_files_counts_headings_doubts_and_pace() -> None:
    rows = str(report(HEADING, GOOD, WEAK, LOST)).splitlines()
    assert rows == [
        "wrote a.lrc, b.ass",
        "4 words timed, 6 not found",
        "left out of the sound: [Chorus]",
        "not heard: line 4  but now am found",
        "1 doubtful line (not found in full, or score below 0.3):",
        "  line 3       1:02.3  0.20  how sweet - the sound",
        "2.0 s for 2:00.0 of sound, 60.0 times real time",
    ]


def test_the_text_is_three_rows_where_all_is_well() -> None:
    assert len(str(report(GOOD, BLANK)).splitlines()) == 3


def test_standard_output_is_called_by_its_name() -> None:
    assert str(Report(Alignment((GOOD,)), ["-"], 1.0, 1.0)).startswith("wrote standard output\n")


def test_the_dictionary_is_json_and_says_the_same_as_the_text() -> None:
    got = json.loads(json.dumps(report(HEADING, GOOD, LOST).to_dict()))
    assert got == {
        "version": 1, "audio": "song.mp3", "outputs": ["a.lrc", "b.ass"], "words": {"timed": 2, "missing": 4},
        "headings": ["[Chorus]"], "threshold": 0.3, "seconds": 2.0, "audio_seconds": 120.0,
        "doubtful": [{"line": 3, "text": "but now am found", "start": None, "score": None}],
        "not_heard": [{"line": 3, "text": "but now am found"}], "sung_again": [],
    }  # fmt: skip


def test_lines_are_named_by_their_number_in_the_text_also_when_others_were_sung_again() -> None:
    numbered = [replace(line, number=number) for line, number in ((GOOD, 3), (WEAK, 4), (GOOD, 3), (LOST, 5))]
    got = report(*numbered)
    assert [doubt.number for doubt in got.doubts] == [4, 5]
    assert [(one.number, one.start) for one in got.again] == [(3, 1.0)]
    assert "sung again: line 3 at 0:01.0  amazing grace" in str(got).splitlines()
    assert got.to_dict()["sung_again"] == [{"line": 3, "text": "amazing grace", "start": 1.0}]


def test_only_lines_that_were_asked_for_are_counted_and_named() -> None:
    got = Report(Alignment((HEADING, GOOD, WEAK, LOST)), ["a.lrc"], 1.0, 1.0, 0.3, asked={2, 3})
    assert (got.timed_words, got.missing_words, got.headings) == (4, 2, ())
    assert [doubt.number for doubt in got.doubts] == [3]


@given(st.integers(0, 10**6))
def test_a_clock_shows_tenths_and_never_sixty_seconds(tenths: int) -> None:
    minutes, seconds = clock(tenths / 10).split(":")
    assert float(seconds) < 60
    assert round((60 * int(minutes) + float(seconds)) * 10) == tenths


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00.0"), (59.97, "1:00.0"), (62.34, "1:02.3"), (3600, "60:00.0")])
def test_a_clock_rounds(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_one_is_singular() -> None:
    assert [count(n, "word") for n in (0, 1, 2)] == ["0 words", "1 word", "2 words"]


def test_a_table_lines_its_columns_up() -> None:
    assert table(("a", "b"), [("long cell", "x"), ("", "y")]) == "a          b\nlong cell  x\n           y"
