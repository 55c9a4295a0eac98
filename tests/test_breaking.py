"""Prose into cues: words and order stay, limits hold, pauses count."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core.errors import AlignerError
from aligner_core.timeline import Alignment, Line, Word
from plugin import load, save
from plugin.breaking import PAUSE, Limits, best_cuts, broken, too_fast
from plugin.clauses import cut_costs, ends_sentence, width

if TYPE_CHECKING:
    from conftest import Karalign, Listener

quick = settings(max_examples=40)
WORDS = st.sampled_from(
    ["a", "the", "I", "Mr.", "rain,", "rain", "falls;", "on", "Sunday.", '"Go!"', "and", "because", "never-ending"]
) | st.text("abcé.,", min_size=1, max_size=12)


@st.composite
def prose(draw: st.DrawFn, timed: bool | None = None) -> Alignment:
    """Lines one after another, some of them without times of words, some without any."""
    lines, now = [], 1.0
    for _ in range(draw(st.integers(1, 4))):
        known = draw(st.integers(0, 3)) > 0 if timed is None else timed
        words, start = [], now
        for text in draw(st.lists(WORDS, min_size=1, max_size=25)):
            end = now + draw(st.sampled_from([0.0, 0.1, 0.3, 0.6]))
            found = known and (timed or draw(st.integers(0, 5)) > 0)
            words.append(Word(text, now, end) if found else Word(text))
            now = end + draw(st.sampled_from([0.0, 0.05, 0.4, 1.4, PAUSE, 3.0]))
        text = " ".join(word.text for word in words)
        if timed is None and draw(st.integers(0, 6)) == 0:
            lines.append(Line(text, words=tuple(Word(word.text) for word in words)))
        else:
            lines.append(Line(text, start, now, words=tuple(words)))
    return Alignment(tuple(lines))


LIMITS = st.builds(Limits, st.integers(1, 50), st.integers(1, 3), st.none() | st.floats(1, 40))


def rows(line: Line) -> list[str]:
    return line.text.split("\n")


@quick
@given(prose(), LIMITS)
def test_no_word_is_lost_changed_or_moved(text: Alignment, limits: Limits) -> None:
    assert broken(text, limits).words == text.words


@quick
@given(prose(), LIMITS)
def test_no_cue_exceeds_the_limits_unless_a_single_word_does(text: Alignment, limits: Limits) -> None:
    for cue in broken(text, limits).lines:
        if cue.timed:
            assert len(rows(cue)) <= limits.max_lines
            assert all(width(row) <= limits.max_chars or len(row.split()) == 1 for row in rows(cue))


@quick
@given(prose(timed=True), LIMITS)
def test_cues_of_timed_words_begin_with_one_and_never_cross_a_pause(text: Alignment, limits: Limits) -> None:
    cues = broken(text, limits).lines
    for cue in cues:
        assert cue.start == cue.words[0].start
        assert all((b.start or 0.0) - (a.end or 0.0) < PAUSE for a, b in pairwise(cue.words))
    assert all((a.end or 0.0) <= (b.start or 0.0) for a, b in pairwise(cues))


@quick
@given(prose(), LIMITS)
def test_cues_stand_in_order_of_time_without_overlap(text: Alignment, limits: Limits) -> None:
    cues = [cue for cue in broken(text, limits).lines if cue.timed]
    assert all((a.end or 0.0) <= (b.start or 0.0) + 1e-9 for a, b in pairwise(cues))


@quick
@given(prose(), LIMITS)
def test_a_second_time_changes_nothing_but_how_long_cues_stay(text: Alignment, limits: Limits) -> None:
    once = broken(text, limits)
    twice = broken(once, limits)
    if limits.max_cps is None and all(len(row.split()) > 1 for cue in once.lines for row in rows(cue)):
        assert [cue.text for cue in twice.lines] == [cue.text for cue in once.lines]


@quick
@given(prose(timed=True), st.integers(5, 40), st.floats(5, 30))
def test_cues_that_go_too_fast_stay_as_long_as_there_is_room(text: Alignment, chars: int, pace: float) -> None:
    limits = Limits(chars, 2, pace)
    cues = broken(text, limits).lines
    short = [cue for cue in cues if width(cue.text.replace("\n", " ")) > pace * cue.duration + 1e-6]
    assert too_fast(Alignment(cues), limits) == len(short)
    for cue, after in pairwise(cues):
        if cue in short and (after.start or 0.0) - (cue.end or 0.0) > 1e-9:
            assert (cue.end or 0.0) - (cue.words[-1].end or 0.0) >= 2.0 - 1e-9


@quick
@given(st.lists(st.floats(0, 9), min_size=1, max_size=7), st.integers(1, 4), st.floats(0, 5))
def test_the_cuts_are_the_cheapest_of_all(places: list[float], longest: int, each: float) -> None:
    def cost(first: int, last: int) -> float:
        return each + places[last - 1] + (last - first) ** 2 / 3

    def total(cuts: list[int]) -> float:
        return sum(cost(a, b) for a, b in pairwise(cuts))

    count = len(places)
    found = best_cuts(count, lambda at: (cost(at, end) for end in range(at + 1, min(at + longest, count) + 1)))
    ways = [[0, *(at for at in range(1, count) if bits >> at & 1), count] for bits in range(0, 2**count, 2)]
    allowed = [way for way in ways if all(b - a <= longest for a, b in pairwise(way))]
    assert total(found) == pytest.approx(min(map(total, allowed)))


def said(text: str, pace: float = 0.3, start: float = 1.0) -> Line:
    words = tuple(Word(word, start + pace * i, start + pace * i + pace) for i, word in enumerate(text.split()))
    return Line(text, words[0].start, words[-1].end, words=words)


def test_sentences_and_clauses_are_kept_together() -> None:
    text = said("It was the best of times, it was the worst of times. We had everything before us, we had nothing.")
    assert [cue.text for cue in broken(Alignment((text,)), Limits(28, 2)).lines] == [
        "It was the best of times,\nit was the worst of times.",
        "We had everything before us,\nwe had nothing.",
    ]


def test_titles_and_initials_end_no_sentence() -> None:
    assert all(map(ends_sentence, ["left.", "Why?", '"Go!"', "Right.)", "I.", "行く。"]))
    assert not any(map(ends_sentence, ["Mr.", "J.", "Smith,", "e.g.", "Dr.", "No,"]))
    article, comma, *_ = cut_costs(["the", "house,", "and", "then"])
    assert article > comma > 0


def test_wrapped_prose_is_one_text_but_lines_of_a_song_are_not() -> None:
    wrapped = said("the first row of a letter that is wrapped where", start=0), said("the paper ends.", start=3.1)
    song = said("Amazing grace how sweet the sound"), said("that saved a wretch like me", start=9)
    cues = broken(Alignment(wrapped), Limits(30, 2)).lines
    assert [cue.text.split()[-1] for cue in cues] == ["letter", "ends."]
    assert broken(Alignment(song), Limits(42, 2)).lines == song


def test_a_dialogue_that_fits_stays_in_its_rows() -> None:
    line = Line("- Who's there?\n- Me.", 1, 3, words=tuple(map(Word, ["-", "Who's", "there?", "-", "Me."])))
    assert broken(Alignment((line,)), Limits()).lines == (line,)


def test_words_without_time_share_what_is_left_by_their_length() -> None:
    line = Line("aaaaaaa bb cccc", 0, 8, words=tuple(map(Word, ["aaaaaaa", "bb", "cccc"])))
    assert [(cue.start, cue.end) for cue in broken(Alignment((line,)), Limits(7, 1)).lines] == [(0, 4), (4, 8)]


@pytest.mark.parametrize(("chars", "count", "pace"), [(0, 1, None), (1, 0, None), (1, 1, 0.0), (1, 1, float("inf"))])
def test_impossible_limits_are_refused(chars: int, count: int, pace: float | None) -> None:
    with pytest.raises(AlignerError, match="limits"):
        Limits(chars, count, pace)


def test_convert_and_its_options_cut_a_text_into_cues(karalign: Karalign, tmp_path: Path) -> None:
    text = Alignment((said("It was the best of times, it was the worst of times."),))
    save(text, tmp_path / "text.json")
    got = karalign(
        "convert", tmp_path / "text.json", "-o", tmp_path / "out.srt", "--max-chars", "26", "--max-cps", "30"
    )
    assert (got.code, got.out) == (0, "")
    assert load(tmp_path / "out.srt").lines[0].text == "It was the best of times,\nit was the worst of times."


def test_convert_tells_how_many_cues_cannot_be_read_in_time(karalign: Karalign, tmp_path: Path) -> None:
    save(Alignment((said("far too much is said here", 0.05), said("and again", 0.05, 1.3))), tmp_path / "text.json")
    got = karalign("convert", tmp_path / "text.json", "-o", tmp_path / "out.srt", "--max-cps", "10")
    assert f"{tmp_path / 'out.srt'}: 1 of 2 lines are gone before they can be read" in got.err


def test_align_cuts_prose_into_cues_and_shows_them_early(
    karalign: Karalign, listener: Listener, song: Path, tmp_path: Path
) -> None:
    (tmp_path / "talk.txt").write_text("We had everything before us, we had nothing before us.\n")
    outs = ("-o", tmp_path / "talk.srt", "-o", tmp_path / "talk.lrc")
    options = ("--max-chars", "28", "--max-lines", "1", "--min-show", "4", "--close-gaps", "1")
    got = karalign("align", song, tmp_path / "talk.txt", *outs, *options)
    assert got.code == 0, got.err
    cues = load(tmp_path / "talk.srt").lines
    assert [cue.text for cue in cues] == ["We had everything before us,", "we had nothing before us."]
    assert [(cue.start, cue.end) for cue in cues] == [(0, 2.5), (2.5, 6.5)]
    assert len(load(tmp_path / "talk.lrc").lines) == 1
