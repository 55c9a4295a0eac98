"""Repeats of MusicXML: measures are played in the order that musicians play them, each pass with its own verse."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core.errors import LyricsError
from aligner_core.tts.laying import Tune
from plugin.melodies import musicxml
from plugin.melodies.repeats import Signs, order
from plugin.melodies.wish import Wish

BEATS = 4  # quarters of each measure, one note each
QUARTER = 0.5  # s, at the tempo that holds where none is told
FORWARD = '<barline location="left"><repeat direction="forward"/></barline>'
BACK = '<barline location="right"><repeat direction="backward"{times}/></barline>'
DRAWN = {
    "segno": "<direction><direction-type><segno/></direction-type></direction>",
    "coda": "<direction><direction-type><coda/></direction-type></direction>",
}
NAMES = "abcdefghijkl"


def parsed(row: str) -> list[Signs]:
    """Signs of a song such as "a |: b [1 c :| [2 d": measures are letters."""
    out: list[Signs] = []
    forward, under = False, frozenset[int]()
    for sign_ in row.split():
        if sign_ == "|:":
            forward = True
        elif sign_.startswith("["):
            under = frozenset(map(int, sign_[1:].split(",")))
        elif sign_ == "]":
            under = frozenset()
        elif sign_.startswith(":|"):
            out[-1] = with_signs(out[-1], times=int(sign_[2:] or 2))
        elif sign_ in NAMES:
            out.append(Signs(forward=forward, endings=under))
            forward = False
        else:
            out[-1] = with_signs(out[-1], **{sign_: True})
    return out


def with_signs(one: Signs, **more: object) -> Signs:
    values = {name: getattr(one, name) for name in Signs.__dataclass_fields__}
    return Signs(**(values | more))


def played(row: str) -> str:
    return "".join(NAMES[one.measure] for one in order(parsed(row)))


@pytest.mark.parametrize(
    ("row", "sounds"),
    [
        ("a b c", "abc"),
        ("a b :| c", "ababc"),
        ("a |: b :| c", "abbc"),
        ("a |: b :|3 c", "abbbc"),
        ("|: a :| |: b :| c", "aabbc"),
        ("a :| b :| c", "aabbc"),
        ("a |: b [1 c :| [2 d ] e", "abcbde"),
        ("a |: b [1 c d :| [2 e f ] b", "abcdbefg"),
        ("a [1,2 b :| [3 c ] d", "ababacd"),
        ("a [1 b :| [2 c :| [3 d", "abacad"),
        ("a [1 b :| ] c", "abac"),
        ("a [1 b :| [2 c ] d |: e [1 f :| [2 g", "abacdefeg"),
        ("a fine b dacapo", "aba"),
        ("a b fine c dacapo", "abcab"),
        ("a b segno c fine d dalsegno", "abcdbc"),
        ("a b tocoda c dacapo d coda", "abcabd"),
        ("a b segno c tocoda d dalsegno e coda f", "abcdbcef"),
        ("a b :| c fine d dacapo", "ababcdabc"),
        ("a [1 b :| [2 c ] d fine e dacapo", "abacdeacd"),
        ("a |: b :| dacapo", "abbab"),
    ],
)
def test_measures_are_played_in_the_order_of_musicians(row: str, sounds: str) -> None:
    assert played(row) == sounds


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("|: a |: b :| c :|", "within repeats"),
        ("a b dalsegno", "contradict"),
        ("a tocoda b dacapo", "contradict"),
        ("a segno b segno c dalsegno", "contradict"),
        ("a dacapo b dacapo", "contradict"),
        ("a [2 b :| [3 c", "contradict"),
        ("a [1 b [2 c", "contradict"),
        ("a [1,2 b :| [2,3 c", "contradict"),
        ("a [2 b :| [1 c", "contradict"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_in_one_line(row: str, what: str) -> None:
    with pytest.raises(LyricsError, match=what) as told:
        order(parsed(row))
    assert "\n" not in str(told.value)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=1, max_size=6))
def test_sections_are_played_as_often_as_is_told(sections: list[tuple[int, int]]) -> None:
    row = [Signs(forward=at == 0 and times > 1, times=times * (at == length - 1 and times > 1))
           for length, times in sections for at in range(length)]  # fmt: skip
    expected: list[int] = []
    at = 0
    for length, times in sections:
        expected += list(range(at, at + length)) * times
        at += length
    found = order(row)
    assert [one.measure for one in found] == expected
    turns = [[one.turn for one in found if one.measure == measure] for measure in range(at)]
    assert turns == [list(range(1, times + 1)) for length, times in sections for _ in range(length)]


signs_of_any_kind = st.builds(
    Signs, forward=st.booleans(), times=st.sampled_from([0, 0, 0, 2, 3]),
    endings=st.sampled_from([frozenset[int](), frozenset[int](), frozenset({1}), frozenset({2}), frozenset({1, 2})]),
    segno=st.booleans(), coda=st.booleans(), tocoda=st.booleans(), fine=st.booleans(), dacapo=st.booleans(),
    dalsegno=st.booleans(),
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(signs_of_any_kind, max_size=8))
def test_any_signs_come_to_an_end_or_are_refused(row: list[Signs]) -> None:
    try:
        found = order(row)
    except LyricsError:
        return
    assert all(0 <= one.measure < len(row) and one.turn >= 1 for one in found)
    assert len(found) <= 2 * 3 * len(row) + len(row)


def note(step: str, lyrics: Sequence[tuple[str, str]] = ()) -> str:
    under = "".join(
        f'<lyric number="{number}"><syllabic>single</syllabic><text>{text}</text></lyric>' for number, text in lyrics
    )
    pitch = f"<pitch><step>{step}</step><octave>4</octave></pitch>"
    return f"<note>{pitch}<duration>1</duration>{under}</note>"


def sound(name: str) -> str:
    return f'<direction><sound {name}="yes"/></direction>'


def song(*measures: str, divisions: str = "1") -> bytes:
    """A part with a measure for each."""
    head = f"<attributes><divisions>{divisions}</divisions></attributes>"
    rows = "".join(f'<measure number="{n}">{head * (n == 1)}{one}</measure>' for n, one in enumerate(measures, 1))
    listed = '<part-list><score-part id="P1"><part-name>V</part-name></score-part></part-list>'
    return f'<score-partwise>{listed}<part id="P1">{rows}</part></score-partwise>'.encode()


def read(*measures: str) -> Tune:
    return musicxml.read(song(*measures), Wish())


def heard(tune: Tune) -> list[str]:
    assert tune.lyrics is not None
    return [word.text for word in tune.lyrics.words]


@given(st.integers(1, 4), st.integers(1, 5), st.integers(2, 4))
def test_what_is_repeated_sounds_so_often_and_lasts_so_long(before: int, inside: int, times: int) -> None:
    measures = [note("C") * BEATS] * before + [note("D") * BEATS] * inside + [note("E") * BEATS]
    measures[before] = FORWARD + measures[before]
    measures[before + inside - 1] += BACK.format(times=f' times="{times}"')
    tune = read(*measures)
    quarters = BEATS * (before + inside * times + 1)
    assert [one.midi for one in tune.notes] == [60] * BEATS * before + [62] * BEATS * inside * times + [64] * BEATS
    assert [one.start for one in tune.notes] == pytest.approx([at * QUARTER for at in range(quarters)])
    assert tune.notes[-1].end == pytest.approx(quarters * QUARTER)
    assert f"repeats are sung: {before + inside * times + 1} measures, {before + inside + 1} are written" in tune.says


def test_each_pass_has_its_own_verse_and_its_own_ending() -> None:
    first = note("C", [("1", "sun"), ("2", "moon")]) + note("D", [("1", "is"), ("2", "was")])
    one = '<barline location="left"><ending number="1" type="start"/></barline>' + note("E", [("1", "up")])
    one += '<barline location="right"><ending number="1" type="stop"/><repeat direction="backward"/></barline>'
    two = '<barline location="left"><ending number="2" type="start"/></barline>' + note("F", [("1", "down")])
    two += '<barline location="right"><ending number="2" type="discontinue"/></barline>'
    tune = read(first, one, two, note("G", [("1", "now")]))
    assert heard(tune) == ["sun", "is", "up", "moon", "was", "down", "now"]
    assert [one.midi for one in tune.notes] == [60, 62, 64, 60, 62, 65, 67]
    assert not any("verses" in says for says in tune.says)


def test_a_chorus_with_one_verse_is_sung_anew_in_each_pass() -> None:
    tune = read(note("C", [("1", "la")]) + note("D", [("1", "lo")]) + BACK.format(times=""))
    assert heard(tune) == ["la", "lo"] * 2


def test_a_syllable_held_in_the_second_verse_is_not_that_of_the_first() -> None:
    tune = read(note("C", [("1", "a"), ("2", "oh")]) + note("D", [("1", "b")]) + BACK.format(times=""))
    assert heard(tune) == ["a", "b", "oh"]


def test_of_three_verses_and_two_passes_two_are_told() -> None:
    tune = read(note("C", [("1", "a"), ("2", "b"), ("3", "c")]) + BACK.format(times=""))
    assert heard(tune) == ["a", "b"]
    assert "of 3 verses under the notes 2 are sung" in tune.says


def test_numbers_of_verses_may_be_names() -> None:
    tune = read(note("C", [("part1verse1", "a"), ("part1verse2", "b")]) + BACK.format(times=""))
    assert heard(tune) == ["a", "b"]


def test_drawn_signs_and_jumps_are_followed_to_the_coda() -> None:
    there, back = DRAWN["segno"] + note("D") + sound("tocoda"), note("E") + sound("dalsegno")
    tune = read(note("C"), there, back, DRAWN["coda"] + note("F"))
    assert [one.midi for one in tune.notes] == [60, 62, 64, 62, 65]


def test_a_jump_back_brings_the_tempo_and_the_divisions_of_its_place() -> None:
    quick = '<direction><sound tempo="240"/></direction><attributes><divisions>2</divisions></attributes>'
    tune = read(note("C"), quick + note("D") * 2 + BACK.format(times=""))
    assert [one.start for one in tune.notes] == pytest.approx([0, 0.5, 0.625, 0.75, 1.25, 1.375])


def test_repeats_of_one_part_hold_for_all() -> None:
    data = song(note("C") + BACK.format(times=""), note("D"))
    silent = "<measure number='1'>" + note("A", [("1", "la")]) + "</measure>" + "<measure/>"
    data = data.replace(b"</score-partwise>", f'<part id="P2">{silent}</part></score-partwise>'.encode())
    assert [one.midi for one in musicxml.read(data, Wish()).notes] == [69, 69]


@pytest.mark.parametrize(
    ("sign", "what"),
    [
        ('<barline location="middle"><repeat direction="backward"/></barline>', "inside measures"),
        ('<barline location="left"><ending number="" type="start"/></barline>', "without a number"),
        (BACK.format(times=' times="0"'), "damaged"),
        (BACK.format(times=' times="100000"'), "damaged"),
        (sound("dalsegno"), "contradict"),
    ],
)
def test_signs_that_cannot_be_followed_are_told(sign: str, what: str) -> None:
    with pytest.raises(LyricsError, match=re.escape(what)):
        read(note("C") + sign)


def test_repeats_without_end_are_refused(tmp_path: Path) -> None:
    many = 1100
    measures = ["<note><rest/><duration>1</duration></note>" + BACK.format(times=' times="99"')] * many
    with pytest.raises(LyricsError, match="too many measures"):
        read(*measures)
