"""Speech laid into given times: what is timed is kept, what is not stays within what is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner_core.timeline import Alignment, Line, Phone, Syllable, Word
from aligner_core.tts.fitting import FASTEST, HELD, SLOWEST, Fit, Placed, Timing, Unit, fit, fit_line, shares, timing
from aligner_core.tts.script import Said, divided, of_phones, script
from plugin.formats import by_name

PHONES = ("HH", "AH0", "L", "OW1", "S", "T", "R", "IY1", "M", "ER0")
STEP = 0.01  # seconds


@st.composite
def units(draw: st.DrawFn, most: int = 12) -> tuple[Unit, ...]:
    words = sorted(draw(st.lists(st.integers(0, 3), min_size=1, max_size=most)))
    return tuple(
        Unit(word, draw(st.sampled_from(PHONES)), draw(st.floats(1, 30)), draw(st.sampled_from([0.0, 0.0, 22.0])))
        for word in words
    )


@st.composite
def texts(draw: st.DrawFn) -> tuple[tuple[Line, ...], tuple[tuple[Said, ...], ...]]:
    """Lines one after another, timed by line, by word, in part or not at all, with their words as said."""
    now, lines, said = 0.0, [], []
    for _ in range(draw(st.integers(1, 5))):
        names = draw(
            st.lists(st.sampled_from(["Amazing", "grace,", "how", "sweet", "the", "sound!"]), min_size=1, max_size=6)
        )
        bare = Line(" ".join(names), words=tuple(map(Word, names)))
        now += draw(st.floats(0, 2))
        edges = sorted(draw(st.lists(st.floats(0, 4), min_size=2 * len(names), max_size=2 * len(names))))
        kind = draw(st.sampled_from(["line", "words", "some", "none"]))
        spans = [(now + a, now + b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        timed = [kind == "words" or (kind == "some" and draw(st.booleans())) for _ in names]
        words = tuple(
            Word(name, *span) if there else Word(name) for name, span, there in zip(names, spans, timed, strict=True)
        )
        lines.append(bare if kind == "none" else Line(bare.text, spans[0][0], spans[-1][1], words=words))
        said.append(script(lines[-1]))
        now = spans[-1][1] if kind != "none" else now
    return tuple(lines), tuple(said)


def timings_of(lines: Sequence[Line], said: Sequence[Sequence[Said]], frames: float = 8.0) -> list[Timing]:
    return [
        timing(line, words, [frames] * sum(len(word.phones) for word in words))
        for line, words in zip(lines, said, strict=True)
    ]


def ends(placed: Sequence[Placed]) -> int:
    return placed[-1].start + placed[-1].frames


@given(units(), st.integers(0, 400))
def test_shares_add_up_and_every_sound_has_its_frame(row: tuple[Unit, ...], more: int) -> None:
    total = len(row) + more
    lengths = shares([unit.phone for unit in row], [unit.frames for unit in row], total)
    assert sum(lengths) == total
    assert min(lengths) >= 1


def test_consonants_stay_near_their_length_and_the_vowel_is_held() -> None:
    lengths = shares(["S", "T", "IY1", "M"], [9.0, 6.0, 12.0, 7.0], 340)
    assert lengths[2] > 300
    assert all(length <= 1.5 * natural for length, natural in zip(lengths[:2] + lengths[3:], [9, 6, 7], strict=True))


def test_consonants_leave_the_vowel_its_half_where_there_is_little_time() -> None:
    lengths = shares(["S", "T", "R", "IY1"], [9.0, 6.0, 6.0, 12.0], 14)
    assert lengths[3] >= 5
    assert sum(lengths) == 14


@given(texts(), st.booleans())
def test_sounds_never_overlap_and_all_have_a_frame(
    text: tuple[tuple[Line, ...], tuple[tuple[Said, ...], ...]], stretch: bool
) -> None:
    timings = timings_of(*text)
    fitted = fit(timings, stretch=stretch)
    assert len(fitted.lines) == len(timings)
    for row in fitted.lines:
        assert all(one.frames >= 1 and one.start >= 0 for one in row)
        assert [one.unit for one in row] == sorted({one.unit for one in row})
    sounds = sorted((one.start, one.frames) for row in fitted.lines for one in row)
    assert all(a + length <= b for (a, length), (b, _) in pairwise(sounds))


@given(texts(), st.booleans(), st.integers(0, 1500))
def test_no_line_runs_into_the_next(
    text: tuple[tuple[Line, ...], tuple[tuple[Said, ...], ...]], stretch: bool, begin: int
) -> None:
    timings = timings_of(*text)
    rows = sorted((row[0].start, ends(row)) for row in fit(timings, begin, stretch).lines if row)
    assert all(end <= start for (_, end), (start, _) in pairwise(rows))


@given(texts())
def test_words_begin_where_the_file_says_and_end_there_too(
    text: tuple[tuple[Line, ...], tuple[tuple[Said, ...], ...]],
) -> None:
    lines, said = text
    timings = timings_of(lines, said)
    fitted = fit(timings)
    for line, known, row in zip(lines, timings, fitted.lines, strict=True):
        spoken = {word: [one for one in row if known.units[one.unit].word == word] for word in range(len(line.words))}
        for at, word in enumerate(line.words):
            if word.start is None or word.end is None or not spoken[at]:
                continue
            assert abs(spoken[at][0].start * STEP - word.start) <= STEP / 2 + 1e-9
            whole = len(spoken[at]) == sum(unit.word == at for unit in known.units)
            last = at == len(line.words) - 1
            if whole and word.duration > 0.3 and not last:
                assert abs(ends(spoken[at]) * STEP - word.end) <= STEP / 2 + 1e-9


@given(units(), st.integers(0, 50), st.integers(1, 600))
def test_a_line_that_is_held_long_is_not_drawled(row: tuple[Unit, ...], start: int, length: int) -> None:
    line = Timing(row, start, start + length)
    placed = fit_line(line)
    natural = max(line.natural, len(row))
    assert ends(placed) - start <= max(round(natural * SLOWEST) + 1, 1)
    assert ends(placed) - start <= max(length, natural / FASTEST + 1, len(row))


@given(units(), st.integers(0, 50), st.integers(0, 600))
def test_a_line_that_is_stretched_fills_its_time(row: tuple[Unit, ...], start: int, more: int) -> None:
    line = Timing(row, start, start + len(row) + round(line_length(row)) + more)
    placed = fit_line(line, stretch=True)
    assert [one.unit for one in placed] == list(range(len(row)))
    assert ends(placed) == line.end


def line_length(row: Sequence[Unit]) -> float:
    return sum(unit.frames + unit.pause for unit in row)


@given(units(), st.integers(1, 300))
def test_a_limit_is_a_limit(row: tuple[Unit, ...], limit: int) -> None:
    placed = fit_line(Timing(row, 0, 1000), limit)
    assert ends(placed) <= limit
    assert len(placed) == min(len(row), limit)


def test_pauses_go_before_sounds_get_shorter() -> None:
    row = (Unit(0, "AH0", 20.0, 40.0), Unit(1, "OW1", 20.0))
    assert fit_line(Timing(row, 100, 140)) == (Placed(0, 100, 20), Placed(1, 120, 20))
    assert fit_line(Timing(row, 100, 160)) == (Placed(0, 100, 20), Placed(1, 140, 20))


def test_where_there_is_no_room_vowels_are_said() -> None:
    row = tuple(Unit(0, phone, 8.0) for phone in ("S", "T", "R", "IY1", "T"))
    assert [one.unit for one in fit_line(Timing(row, 10, 12), 12)] == [0, 3]
    assert [one.unit for one in fit_line(Timing(row, 10, 11), 11)] == [3]


def test_a_word_too_short_for_its_sounds_goes_on_into_the_gap_after_it() -> None:
    row = tuple(Unit(word, phone, 8.0) for word, phone in [(0, "S"), (0, "T"), (0, "IY1"), (1, "AH0")])
    placed = fit_line(Timing(row, 0, 60, {0: 10, 3: 40}, {3: 11, 4: 60}))
    assert placed[:3] == (Placed(0, 10, 1), Placed(1, 11, 1), Placed(2, 12, 1))
    assert placed[3] == Placed(3, 40, 20)


def test_the_last_word_of_a_line_is_not_held_until_the_next_line() -> None:
    row = (Unit(0, "AH0", 8.0),)
    words_only = Timing(row, 0, 2000, {0: 0}, {1: 2000}, words_only=True)
    assert fit_line(words_only) == (Placed(0, 0, HELD),)
    assert fit_line(words_only, stretch=True) == (Placed(0, 0, 2000),)
    assert fit_line(Timing(row, 0, 2000, {0: 0}, {1: 2000})) == (Placed(0, 0, 2000),)


def test_words_without_time_fill_what_others_leave() -> None:
    row = tuple(Unit(word, "AH0", 10.0) for word in range(4))
    placed = fit_line(Timing(row, 0, 200, {0: 0, 3: 100}, {1: 20, 4: 120}))
    assert [(one.start, one.frames) for one in placed] == [(0, 20), (20, 13), (33, 12), (100, 20)]


def test_lines_that_begin_together_are_said_once_and_told() -> None:
    row = (Unit(0, "AH0", 10.0),)
    fitted = fit([Timing(row, 5, 50), Timing(row, 5, 50), Timing(row, 60, 90)])
    assert [len(one) for one in fitted.lines] == [1, 0, 1]
    assert fitted.notes == ("line 2 is not said: it begins together with another",)


def test_a_line_without_time_is_said_in_the_gap_or_told() -> None:
    row = (Unit(0, "AH0", 50.0),)
    bare = Timing(row)
    wide = fit([Timing(row, 0, 50), bare, Timing(row, 300, 350)])
    assert wide.lines[1] == (Placed(0, 90, 50),)
    narrow = fit([Timing(row, 0, 50), bare, Timing(row, 120, 170)])
    assert narrow.lines[1] == ()
    assert "no room" in narrow.notes[0]
    assert fit([Timing(row, 0, 50), bare]).lines[1] == (Placed(0, 90, 50),)


def test_a_text_without_times_is_said_line_after_line() -> None:
    row = (Unit(0, "AH0", 20.0, 22.0), Unit(1, "OW1", 20.0))
    assert fit([Timing(row), Timing(), Timing(row)], 7) == Fit(
        ((Placed(0, 7, 20), Placed(1, 49, 20)), (), (Placed(0, 109, 20), Placed(1, 151, 20)))
    )


def test_words_that_get_no_frame_and_haste_are_told() -> None:
    row = tuple(Unit(at, "AH0", 20.0) for at in range(3))
    assert fit([Timing(row, 0, 2), Timing(row, 2, 100)]).notes == ("line 1: there is no time for 1 of its words",)
    assert fit([Timing(row, 0, 10), Timing(row, 10, 100)]).notes == ("line 1 is said 6.0 times as fast as usual",)


def test_syllables_and_sounds_are_kept() -> None:
    sounds = (Phone("L", 1.2, 1.31), Phone("OW", 1.31, 2.0))
    word = Word("Hello", 1.0, 2.0, syllables=(Syllable("Hel", 1.0, 1.2), Syllable("lo", 1.2, 2.0, phones=sounds)))
    line = Line("Hello", 1.0, 2.0, words=(word,))
    (said,) = script(line)
    placed = fit_line(timing(line, [said], [6.0, 6.0, 6.0, 12.0]))
    assert said.phones == ("HH", "AH0", "L", "OW1")
    assert [one.start for one in placed] == [100, placed[1].start, 120, 131]
    assert ends(placed) == 200


def test_a_melisma_is_held_by_the_syllable_before_it() -> None:
    parts = (Syllable("ah", 1.0, 1.5), Syllable("~", 1.5, 2.5))
    line = Line("ah~", 1.0, 2.5, words=(Word("ah~", 1.0, 2.5, syllables=parts),))
    assert fit_line(timing(line, script(line), [8.0])) == (Placed(0, 100, 150),)


def test_times_of_every_format_are_kept() -> None:
    words = (Word("Amazing", 1.0, 1.8), Word("grace", 2.0, 2.7))
    alignment = Alignment((Line("Amazing grace", 1.0, 2.7, words=words),))
    for name in ("lrc", "ass", "json", "ttml", "vtt"):
        form = by_name(name)
        (line,) = form.parse(form.render(alignment)).lines
        said = script(line)
        placed = fit_line(timing(line, said, [8.0] * 10))
        assert placed[0].start == 100
        if form.default != "line":
            assert placed[len(said[0].phones)].start == 200


@given(st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=5), st.data())
def test_divided_words_keep_all_sounds(texts: list[str], data: st.DataObject) -> None:
    letters = "".join(texts)
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(letters) - 1)), max_size=3)))
    edges = [0, *(cut for cut in cuts if cut < len(letters)), len(letters)]
    pieces = tuple((letters[a:b], ("AH0",) * data.draw(st.integers(1, 3))) for a, b in pairwise(edges))
    parts = divided(pieces, texts)
    assert [text for text, _ in parts] == texts
    assert [p for _, sounds in parts for p in sounds] == [p for _, sounds in pieces for p in sounds]


def test_cuts_that_are_the_same_part_the_same_sounds() -> None:
    pieces = (("Hel", ("HH", "AH0")), ("lo", ("L", "OW1")))
    assert divided(pieces, ["Hel", "lo"]) == pieces
    assert divided(pieces, ["Hello"]) == (("Hello", ("HH", "AH0", "L", "OW1")),)


@pytest.mark.parametrize(
    ("text", "pauses"),
    [
        ("Oh, yes. And no", [22, 40, 0, 0]),
        ("Mr. Smith said: go", [0, 0, 22, 0]),
        ("wait - go", [22, 0, 0]),
        ('He said "stop." Why?', [0, 0, 40, 0]),
        ("U.S. troops", [0, 0]),
    ],
)
def test_punctuation_makes_pauses(text: str, pauses: list[int]) -> None:
    (line,) = Alignment.from_text(text).lines
    assert [word.pause for word in script(line)] == pauses


def test_nobody_speaks_on_without_breath() -> None:
    (line,) = Alignment.from_text(" ".join(["la"] * 60)).lines
    assert [at for at, word in enumerate(script(line)) if word.pause] == [24, 49]


def test_figures_strange_words_and_signs_are_said_or_silent() -> None:
    (line,) = Alignment.from_text("43 zxqwv 😀 你好 Ke$ha").lines
    said = [word.phones for word in script(line)]
    assert said[0] == ("F", "AO1", "R", "T", "IY0", "TH", "R", "IY1")
    assert said[1][:2] == ("Z", "IY1")
    assert said[2:4] == [(), ()]
    assert said[4]


def test_the_pronunciation_that_a_file_tells_is_said() -> None:
    def read(*names: str) -> Word:
        return Word("read", syllables=(Syllable("read", phones=tuple(map(Phone, names))),))

    for names, said in ((("R", "IY", "D"), "IY1"), (("R", "EH", "D"), "EH1"), (("B",), "EH1")):
        words = script(Line("read", words=(read(*names),)))
        if names != ("B",):
            assert words[0].phones[1] == said
        assert len(words[0].phones) == 3


def test_sounds_that_are_told_become_words() -> None:
    said = of_phones(["sil", "HH", "AH0", "L", "OW", "sil", "AY1"])
    assert [word.phones for word in said] == [("HH", "AH0", "L", "OW1"), ("AY1",)]


def test_a_gap_that_belongs_to_the_next_line_is_not_used() -> None:
    row = tuple(Unit(word, phone, 8.0) for word, phone in [(0, "S"), (0, "T"), (0, "IY1"), (1, "AH0")])
    placed = fit_line(Timing(row, 0, 60, {0: 10, 3: 40}, {3: 11, 4: 60}), limit=12)
    assert [(one.unit, one.start, one.frames) for one in placed] == [(0, 10, 1), (2, 11, 1)]


def test_a_word_that_begins_with_a_silent_syllable_leaves_the_one_before_it_alone() -> None:
    parts = (Syllable("~", 2.0, 2.3), Syllable("ah", 2.3, 3.0))
    words = (Word("oh", 1.0, 1.5), Word("~ah", 2.0, 3.0, syllables=parts))
    line = Line("oh ~ah", 1.0, 3.0, words=words)
    placed = fit_line(timing(line, script(line), [8.0, 8.0]))
    assert placed[0] == Placed(0, 100, 50)
    assert ends(placed) == 300


def test_a_word_whose_end_is_not_known_lasts_as_long_as_usual() -> None:
    line = Line("oh oh", 1.0, 2.5, words=(Word("oh", 1.0, 1.0), Word("oh", 2.0, 2.5)))
    placed = fit_line(timing(line, script(line), [20.0, 20.0]))
    assert placed == (Placed(0, 100, 25), Placed(1, 200, 50))


def test_the_edges_of_a_word_go_before_those_of_its_syllables() -> None:
    parts = (Syllable("Hel", 1.1, 1.4), Syllable("lo", 1.4, 1.8))
    line = Line("Hello", 1.0, 2.0, words=(Word("Hello", 1.0, 2.0, syllables=parts),))
    placed = fit_line(timing(line, script(line), [8.0] * 4))
    assert (placed[0].start, placed[2].start, ends(placed)) == (100, 140, 200)
