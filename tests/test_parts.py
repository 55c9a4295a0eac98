"""Times that are known beforehand are kept, and what is not to be timed stays as it was."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from singing import by_line, hears, sung

from aligner_core import Aligner, Alignment, AlignmentError, Line, Word
from aligner_core.acoustic import Deferred
from aligner_core.acoustic.cnn import SYMBOLS
from aligner_core.anchors import Anchor, Part, clock, kept_times
from aligner_core.text import mark
from aligner_core.timeline import untimed_line

LINES = (
    "amazing grace how sweet",
    "the sound that saved",
    "a wretch like me",
    "we walk along the river",
    "and count the silver stars",
    "tomorrow brings another song",
)
TEXT = "\n".join(LINES)


def aligner(exact: bool = False) -> Aligner:
    return Aligner(Deferred(SYMBOLS, 16000, 0.01), exact)


def starts(alignment: Alignment) -> list[float | None]:
    return [word.start for word in alignment.words]


def near(found: Alignment, right: Alignment) -> bool:
    """All words where they should be, to a frame or two."""
    pairs = zip(starts(found), starts(right), strict=True)
    return all(a is not None and b is not None and abs(a - b) <= 0.021 for a, b in pairs)


FRAMES, RIGHT = sung(LINES)
HEARD = hears(FRAMES)
UNTIMED = Alignment.from_text(TEXT)


def test_every_line_gets_its_number_in_the_text() -> None:
    found = aligner().align_heard(HEARD, Alignment.from_text("[Verse]\n\n" + TEXT))
    assert [line.number for line in found.lines] == list(range(1, 9))


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_right_anchors_change_nothing_but_make_their_times_exact(data: st.DataObject) -> None:
    places = [(at, nth) for at, line in enumerate(LINES, 1) for nth in range(1, len(line.split()) + 1)]
    chosen = data.draw(st.lists(st.sampled_from(places), unique=True, max_size=6))
    off = data.draw(st.integers(-4, 4)) / 1000
    anchors = []
    for at, nth in chosen:
        start = RIGHT.lines[at - 1].words[nth - 1].start
        assert start is not None
        anchors.append(Anchor(at, nth, round(start + off, 3)))
    found = aligner().align_heard(HEARD, UNTIMED, anchors)
    assert near(found, RIGHT)
    for anchor in anchors:
        word = found.lines[anchor.line - 1].words[anchor.word - 1]
        assert word.start == anchor.start
        assert word.syllables[0].phones[0].start == anchor.start


@pytest.mark.parametrize("exact", [False, True])
def test_a_wrong_anchor_is_kept_and_the_words_before_end_by_then(exact: bool) -> None:
    right = RIGHT.lines[2].words[1].start
    assert right is not None
    found = aligner(exact).align_heard(HEARD, UNTIMED, [Anchor(3, 2, right + 0.437)])
    line = found.lines[2]
    assert line.words[1].start == right + 0.437
    assert line.words[0].end is not None
    assert line.words[0].end <= right + 0.437
    others = [starts(Alignment((x,))) for x in found.lines[:2] + found.lines[4:]]
    assert others == [starts(Alignment((x,))) for x in aligner(exact).align_heard(HEARD, UNTIMED).lines[:2]
                      + aligner(exact).align_heard(HEARD, UNTIMED).lines[4:]]  # fmt: skip


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_nothing_crosses_a_known_time_whatever_edges_are_heard(seed: int, exact: bool) -> None:
    edges = 4 * torch.randn(len(HEARD), 3, generator=torch.Generator().manual_seed(seed))
    word, other = RIGHT.lines[2].words[1], RIGHT.lines[4].words[2]
    assert word.start is not None
    assert other.start is not None
    assert other.end is not None
    anchors = [Anchor(3, 2, word.start + 0.003), Anchor(5, 3, other.start + 0.004, other.end - 0.004)]
    found = aligner(exact).align_heard(torch.cat([HEARD, edges], 1), UNTIMED, anchors)
    assert found.lines[2].words[1].start == word.start + 0.003
    assert (found.lines[4].words[2].start, found.lines[4].words[2].end) == (other.start + 0.004, other.end - 0.004)
    times = [(x.start, x.end) for x in found.words if x.start is not None and x.end is not None]
    assert len(times) == len(list(found.words))
    assert all(start < end for start, end in times)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(times))
    assert found != aligner(exact).align_heard(HEARD, UNTIMED, anchors)


def test_a_line_that_is_fixed_where_nobody_sings_keeps_its_time() -> None:
    heard = torch.cat([HEARD, hears([0] * 400, sure=0.999)])
    start = len(HEARD) / 100 + 1.0005
    found = aligner().align_heard(heard, Alignment.from_text(TEXT + "\nnobody says this"), [Anchor(7, 1, start)])
    assert found.lines[6].start == start
    assert near(Alignment(found.lines[:6]), RIGHT)


def test_a_word_with_start_and_end_is_taken_as_it_is() -> None:
    kept = Anchor(2, 2, 3.1234, 3.2345)
    word = aligner().align_heard(HEARD, UNTIMED, [kept]).lines[1].words[1]
    assert word == Word("sound", 3.1234, 3.2345)


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ([Anchor(1, 1, 5.0), Anchor(2, 1, 4.0)], "line 1 is fixed at 0:05.000, and line 2 is fixed at 0:04.000"),
        ([Anchor(1, 2, 5.0), Anchor(1, 3, 5.0)], "line 1, word 2, is fixed at 0:05.000, and line 1, word 3, is fixed"),
        ([Anchor(1, 1, 5.0), Anchor(1, 1, 6.0)], "line 1 is fixed at 0:05.000, and line 1 is fixed at 0:06.000"),
        ([Anchor(1, 1, 5.0, 7.0), Anchor(2, 1, 6.0)], "fixed at 0:05.000 to 0:07.000, and line 2 is fixed"),
        ([Anchor(1, 1, 99.0)], "line 1 is fixed at 1:39.000, and the sound lasts"),
        ([Anchor(9, 1, 1.0)], "there is no line 9 .the text has 6."),
        ([Anchor(1, 9, 1.0)], "line 1 has no word 9 "),
        ([Anchor(1, 1, 5.0), Anchor(2, 1, 5.1)], "line 1 has no room from 0:05.000 to 0:05.100"),
    ],
)
def test_anchors_that_contradict_each_other_or_the_sound_are_named(anchors: list[Anchor], message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        aligner().align_heard(HEARD, UNTIMED, anchors)


def test_an_anchor_on_what_makes_no_sound_is_told() -> None:
    with pytest.raises(AlignmentError, match="'-' makes no sound"):
        aligner().align_heard(HEARD, Alignment.from_text("- amazing grace"), [Anchor(1, 1, 1.0)])


# times that a file has already


@given(st.sets(st.integers(0, len(LINES) - 1)), st.booleans(), st.booleans())
@settings(max_examples=20, deadline=None)
def test_lines_with_times_keep_them_and_the_others_are_found(timed: set[int], words: bool, exact: bool) -> None:
    source = RIGHT if words else by_line(RIGHT)
    given_ = Alignment(tuple(x if at in timed else untimed_line(x.text) for at, x in enumerate(source.lines)))
    found = aligner(exact).align_heard(HEARD, given_, kept_times(mark(given_)))
    assert near(found, RIGHT)
    for at in timed:
        assert found.lines[at].start == RIGHT.lines[at].start
        if words:
            assert found.lines[at] == replace(RIGHT.lines[at], number=at + 1)


def test_of_a_line_whose_words_have_no_times_only_the_start_is_fixed() -> None:
    assert kept_times(by_line(RIGHT))[1] == Anchor(2, 1, RIGHT.lines[1].start or 0.0)


def test_a_word_that_lasts_until_the_next_time_leaves_room_for_what_is_between() -> None:
    words = (Word("so", 1.0, 2.0), Word("it", 2.0, 9.0))
    lines = (
        Line("so it", 1.0, 9.0, words=words),
        untimed_line("goes"),
        Line("on", 9.0, 9.5, words=(Word("on", 9, 9.5),)),
    )
    assert kept_times(Alignment(lines)) == [Anchor(1, 1, 1.0, 2.0), Anchor(1, 2, 2.0), Anchor(3, 1, 9, 9.5)]
    assert kept_times(Alignment((lines[0], lines[2])))[1] == Anchor(1, 2, 2.0, 9.0)


def test_words_behind_a_known_one_without_times_are_given_room() -> None:
    words = (Word("so", 1.0, 3.0), Word("it"), Word("goes", 3.5, 4.0))
    assert kept_times(Alignment((Line("so it goes", 1.0, 4.0, words=words),)))[0] == Anchor(1, 1, 1.0)


def test_a_line_of_no_duration_has_no_time_to_keep() -> None:
    assert kept_times(Alignment((Line("so it goes", 0.0, 0.0),))) == []


# parts


@given(st.integers(1, 6), st.integers(1, 6), st.booleans(), st.booleans())
@settings(max_examples=20, deadline=None)
def test_lines_are_timed_between_their_neighbours_and_all_others_left_alone(
    one: int, other: int, words: bool, exact: bool
) -> None:
    first, last = sorted((one, other))
    source = RIGHT if words else by_line(RIGHT)
    wrong = [x if not first <= at <= last else Alignment((x,)).shifted(0.7).lines[0]
             for at, x in enumerate(source.lines, 1)]  # fmt: skip
    found = aligner(exact).align_heard(HEARD, Alignment(tuple(wrong)), part=Part((first, last)))
    inside = slice(first - 1, last)
    assert near(Alignment(found.lines[inside]), Alignment(RIGHT.lines[inside]))
    for at, line in enumerate(found.lines, 1):
        assert first <= at <= last or line == replace(source.lines[at - 1], number=at)


def test_lines_of_a_text_without_times_are_looked_for_in_the_whole_sound() -> None:
    found = aligner().align_heard(HEARD, UNTIMED, part=Part((3, 4)))
    assert [line.timed for line in found.lines] == [False, False, True, True, False, False]
    assert near(Alignment(found.lines[2:4]), Alignment(RIGHT.lines[2:4]))


def test_a_text_without_times_lies_within_the_part_of_the_sound() -> None:
    begin, end = RIGHT.lines[2].start or 0, RIGHT.lines[3].end or 0
    found = aligner(exact=True).align_heard(
        HEARD, Alignment.from_text("\n".join(LINES[2:4])), part=Part(start=begin - 0.2, end=end + 0.2)
    )
    assert near(found, Alignment(RIGHT.lines[2:4]))


def test_lines_whose_times_lie_within_the_part_of_the_sound_are_timed_anew() -> None:
    given_ = by_line(RIGHT)
    begin, end = RIGHT.lines[2].start or 0, RIGHT.lines[3].end or 0
    found = aligner().align_heard(HEARD, given_, part=Part(start=begin - 0.2, end=end + 0.2))
    assert [bool(x.words[0].timed) for x in found.lines] == [False, False, True, True, False, False]
    assert near(Alignment(found.lines[2:4]), Alignment(RIGHT.lines[2:4]))


def test_lines_and_seconds_together_are_both_obeyed() -> None:
    frames, right = sung((LINES[0], LINES[1], LINES[0]))
    heard = hears(frames)
    begin = (right.lines[2].start or 0) - 0.3
    found = aligner().align_heard(heard, Alignment.from_text("\n".join(LINES[:2])), part=Part((1, 1), start=begin))
    assert found.lines[0].start == pytest.approx(right.lines[2].start, abs=0.02)
    assert not found.lines[1].timed


def test_without_a_part_times_in_the_text_are_not_looked_at() -> None:
    late = RIGHT.shifted(1000.0)
    early = Alignment(tuple(replace(line, start=0.0, end=0.0, words=()) for line in RIGHT.lines))
    for given_ in (late, early):
        assert near(aligner().align_heard(HEARD, given_), RIGHT)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Part((5, 7)), "there are no lines 5 to 7 .the text has 6."),
        (Part((4, 3)), "there are no lines 4 to 3"),
        (Part(start=3.0, end=2.0), "nothing lies between 0:03.000 and 0:02.000"),
        (Part(start=999.0), "nothing lies between"),
        (Part(end=0.1), "no line of the text lies between 0:00.000 and 0:00.100"),
    ],
)
def test_a_part_that_is_not_there_is_told(part: Part, message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        aligner().align_heard(HEARD, RIGHT, part=part)


def test_neighbours_that_leave_no_time_are_told() -> None:
    wrong = itertools.starmap(lambda at, x: Alignment((x,)).shifted(-at).lines[0], enumerate(RIGHT.lines))
    reverse = Alignment(tuple(RIGHT.lines[5 - at] if at in (1, 3) else x for at, x in enumerate(wrong)))
    with pytest.raises(AlignmentError, match="the lines beside 3 to 3 leave no time"):
        aligner().align_heard(HEARD, reverse, part=Part((3, 3)))


def test_a_clock_shows_milliseconds() -> None:
    assert [clock(x) for x in (0, 62.345, 3599.9999)] == ["0:00.000", "1:02.345", "60:00.000"]
