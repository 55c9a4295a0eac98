"""What karalign gives back to Aegisub: right times in hundredths, everything else as it was handed over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singing import hears, sung

from aligner_core import Aligner, Alignment
from aligner_core.acoustic import Deferred
from aligner_core.acoustic.cnn import SYMBOLS
from aligner_core.errors import AlignerError
from aligner_core.evidence import Table
from plugin.aegisub.job import Job, JobLine, Outcome
from plugin.aegisub.tasks import Sheet, run
from plugin.formats import RenderOptions
from plugin.formats.ass import marks

TEXTS = ["amazing grace how sweet the sound", "that saved a wretch like me", "we once were lost but now are found"]
FRAMES, TRUTH = sung(TEXTS)
HEARD = hears(FRAMES)
NEAR = 40  # ms


def ms(seconds: float | None) -> int:
    assert seconds is not None
    return round(seconds * 1000)


def right(number: int, late: int = 0, text: str | None = None) -> JobLine:
    """A line with the times that it is sung at."""
    line = TRUTH.lines[number]
    start, end = (round(ms(time) / 10) * 10 + late for time in (line.start, line.end))
    return JobLine(str(number + 7), start, end, text or TEXTS[number])


def done(task: str, lines: Sequence[JobLine], **options: object) -> Outcome:
    def hear(sound: str, _: Alignment) -> tuple[Aligner, Table]:
        assert sound == "song.wav"
        return Aligner(Deferred(tuple(SYMBOLS), 16000, 0.01)), HEARD.numpy()

    return run(Job(task, "song.wav", {name: str(value) for name, value in options.items()}, tuple(lines)), hear)


def near(got: JobLine, number: int) -> bool:
    wanted = right(number)
    return got.key == wanted.key and abs(got.start - wanted.start) <= NEAR and abs(got.end - wanted.end) <= NEAR


def untimed(*numbers: int) -> list[JobLine]:
    return [replace(right(number), start=0, end=5000) for number in numbers]


def test_lines_get_the_times_at_which_they_are_sung() -> None:
    got = done("lines", untimed(0, 1, 2)).lines
    assert [near(line, at) for at, line in enumerate(got)] == [True] * 3
    assert all(line.start % 10 == line.end % 10 == 0 for line in got)


def test_tags_and_comments_stay_in_place() -> None:
    text = r"{\i1\pos(1,2)}amazing {a comment}grace {=1}how{\b1} sweet\Nthe sound{\b0}"
    (got,) = done("lines", [replace(right(0), start=0, end=10, text=text)]).lines
    assert got.text == text
    (karaoke,) = done("syllables", [replace(got, key="7")]).lines
    assert re.sub(r"\{\\k[f]?\d+\}", "", karaoke.text) == text


def test_a_line_that_is_not_sung_is_missing_and_the_others_are_found() -> None:
    got = done("lines", [*untimed(0), JobLine("99", 0, 10, "nobody ever yodels birthdays"), *untimed(1)])
    assert got.missing == ("99",)
    assert [line.key for line in got.lines] == ["7", "8"]


def test_headings_are_neither_timed_nor_missing() -> None:
    got = done("lines", [JobLine("6", 0, 10, "[Verse 1]"), *untimed(0)])
    assert ([line.key for line in got.lines], got.missing) == (["7"], ())


def test_lines_without_a_text_are_passed_over() -> None:
    drawing = JobLine("5", 0, 10, r"{\p1}m 0 0 l 9 9{\p0}")
    got = done("lines", [drawing, *untimed(0)])
    assert ([line.key for line in got.lines], got.missing) == (["7"], ())


def test_leads_are_given_where_there_is_room() -> None:
    plain = done("lines", untimed(0, 1)).lines
    wide = done("lines", untimed(0, 1), lead_in=150, lead_out=250).lines
    assert [(b.start - a.start, b.end - a.end) for a, b in zip(plain, wide, strict=True)] == [(-150, 250)] * 2
    tight = done("lines", untimed(0, 1), lead_in=400, lead_out=5000).lines
    assert tight[0].end <= tight[1].start
    assert tight[1].start == plain[1].start - 400


def test_lines_are_looked_for_around_their_present_times_only() -> None:
    here = right(2)
    got = done("lines", [replace(here, start=here.start + 300, end=here.end + 300)], where="near", margin=500)
    assert near(got.lines[0], 2)
    with pytest.raises(AlignerError):
        done("lines", [replace(here, start=0, end=900)], where="near", margin=0)


def test_what_is_not_sung_at_all_is_refused() -> None:
    with pytest.raises(AlignerError, match=r"song|text|heard"):
        done("lines", [JobLine("1", 0, 10, "nobody ever yodels birthdays")])


@pytest.mark.parametrize("task", ["lines", "sing"])
def test_a_job_without_sense_is_refused(task: str) -> None:
    lines = [JobLine("1", 0, 10, "{only a comment}")] if task == "lines" else untimed(0)
    with pytest.raises(AlignerError, match=r"no line has a text|'sing' is no task"):
        done(task, lines)


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(AlignerError, match="option lead_in: 'x' is no number"):
        done("lines", untimed(0), lead_in="x")


def test_karaoke_fills_the_line_and_keeps_its_times() -> None:
    wide = [replace(right(at), start=right(at).start - 200, end=right(at).end + 300) for at in range(3)]
    got = done("syllables", wide, tag="k").lines
    assert [(line.start, line.end) for line in got] == [(line.start, line.end) for line in wide]
    for line, number in zip(got, range(3), strict=True):
        tagged = [mark for mark in marks(line.start, line.text) if mark.at]
        assert sum((mark.end or 0) - (mark.start or 0) for mark in tagged) == line.end - line.start
        firsts = {mark.text.strip(): mark.start for mark in tagged}
        for word in TRUTH.lines[number].words[:1]:
            first = next(start for text, start in firsts.items() if text and word.text.startswith(text))
            assert first is not None
            assert abs(first - ms(word.start)) <= NEAR


def test_karaoke_by_words_has_a_tag_a_word() -> None:
    (got,) = done("syllables", [right(0)], level="word", tag="ko").lines
    assert re.sub(r"\{\\ko?\d+\}", "", got.text) == TEXTS[0]
    assert re.findall(r"\{\\ko\d+\}([^{]*)", got.text) == re.findall(r"\S+ ?", TEXTS[0])


def test_syllables_that_a_person_cut_stay_cut_so() -> None:
    (got,) = done("syllables", [right(0, text=r"{\k1}am{\kf1}azing {\k1}grace how {\k1}sweet the sound")]).lines
    assert re.sub(r"\d+", "#", got.text).replace(r"{\k#}{", "{") == (
        r"{\k#}am{\kf#}azing {\k#}grace how {\k#}sweet the sound"
    )


def test_karaoke_again_changes_nothing() -> None:
    first = done("syllables", [right(0), right(1)]).lines
    assert done("syllables", first).lines == ()


def test_karaoke_of_lines_with_wrong_times_is_refused_or_missing() -> None:
    got = done("syllables", [JobLine("7", 0, 300, TEXTS[0])])
    assert (got.lines, got.missing) == ((), ("7",))


def test_karaoke_may_time_the_lines_too() -> None:
    got = done("syllables", untimed(0, 1), keep_times=0).lines
    assert [near(line, at) for at, line in enumerate(got)] == [True] * 2
    assert got[0].text.startswith(r"{\kf")


def test_old_times_that_are_late_are_made_right() -> None:
    got = done("retime", [right(at, late=700) for at in range(3)])
    assert [near(line, at) for at, line in enumerate(got.lines)] == [True] * 3


def test_a_check_marks_what_is_late_or_not_sung_and_nothing_else() -> None:
    got = done("check", [right(0), right(1, late=1200), JobLine("99", 8000, 9000, "nobody yodels birthdays"), right(2)])
    assert got.lines == ()
    assert (got.marks["7"], got.marks["9"], got.marks["99"]) == ("", "", "not heard")
    assert re.fullmatch(r"heard 1\.2 s earlier \(\d+%\)", got.marks["8"])


def test_a_check_names_the_confidence_below_the_threshold() -> None:
    got = done("check", [right(0), right(1), right(2)], threshold=1)
    assert all(re.fullmatch(r"doubtful \(\d+%\)|", mark) for mark in got.marks.values())


@given(
    st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**5), st.sampled_from(TEXTS)), min_size=1, max_size=5)
)
def test_a_script_of_lines_gives_the_same_lines_back(rows: list[tuple[int, int, str]]) -> None:
    lines = tuple(
        JobLine(str(at), 10 * start, 10 * (start + more), text) for at, (start, more, text) in enumerate(rows)
    )
    sheet = Sheet(lines)
    assert sheet.shown == lines
    assert sheet.changed(sheet.text, RenderOptions("line")) == ()
