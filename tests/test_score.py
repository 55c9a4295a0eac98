"""Scores: what is sung is in order, one note at a time, and comes back from what is told of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner_core.errors import AlignmentError, LyricsError
from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Syllable, Word
from aligner_core.tts.laying import Tune, laid, own_words
from aligner_core.tts.score import (
    SHORTEST,
    Note,
    Score,
    SungLine,
    SungSyllable,
    groups,
    has_pitches,
    scored,
    shared,
    tidy,
    told,
)

WORDS = ("love", "amazing", "hello", "the", "-", "strength", "hmm", "I", "away", "'s")
times = st.floats(0, 60).map(lambda t: round(t, 3))
notes = st.builds(
    lambda start, length, midi: Note(start, start + length, midi),
    times, st.floats(0.001, 4), st.none() | st.integers(20, 100).map(float),
)  # fmt: skip
rows = st.lists(notes, max_size=30)
texts = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=4)


def timed(lines: list[str], step: float = 0.5) -> Alignment:
    """Words one after another, each of the same length, with times of words only."""
    now, out = 1.0, []
    for text in lines:
        words = []
        for word in text.split():
            words.append(Word(word, now, now + step))
            now += step
        out.append(Line(text, words[0].start, words[-1].end, words=tuple(words)))
        now += step
    return Alignment(tuple(out))


def sung(texts: list[str], pitches: list[str]) -> Alignment:
    """A line of one-syllable words with a pitch each."""
    words = tuple(
        Word(text, float(at), at + 0.8, syllables=(Syllable(text, float(at), at + 0.8, extra=Extra.of({"pitch": p})),))
        for at, (text, p) in enumerate(zip(texts, pitches, strict=True))
    )
    return Alignment((Line(" ".join(texts), 0.0, words[-1].end, words=words),))


def one_note(start: float, end: float) -> SungSyllable:
    return SungSyllable(0, "la", (), (Note(start, end, 60),))


def in_order(score: Score) -> bool:
    return all(a.end <= b.start + 1e-9 for line in score.lines for a, b in pairwise(line.notes))


@given(rows)
def test_tidied_notes_are_one_at_a_time_and_none_is_shorter_than_it_can_be(row: list[Note]) -> None:
    out = tidy(row)
    assert all(a.end <= b.start for a, b in pairwise(out))
    assert all(b.start - a.start >= SHORTEST - 1e-9 for a, b in pairwise(out))
    assert all(note.seconds >= SHORTEST - 1e-9 for note in out)
    assert bool(out) == bool(row)


@given(rows, st.integers(0, 9))
def test_notes_are_shared_without_losing_time_or_order(row: list[Note], syllables: int) -> None:
    row = list(tidy(row))
    parts = shared(row, syllables)
    flat = [note for part in parts for note in part]
    assert len(parts) == syllables
    assert all(a.end <= b.start + 1e-9 for a, b in pairwise(flat))
    if row and syllables:
        assert sum(note.seconds for note in flat) == pytest.approx(sum(note.seconds for note in row))


@given(texts, rows)
def test_whatever_is_laid_on_a_timed_text_is_in_order(lines: list[str], row: list[Note]) -> None:
    text = timed(lines)
    sounds = any(one.phones for line in text.lines for _, mine in groups(line) for one in mine)
    if not row or not sounds:
        return
    score, _ = laid(text, Tune(tidy(row)))
    assert len(score.lines) == len(text.lines)
    assert in_order(score)
    for line, written in zip(score.lines, text.lines, strict=True):
        said = [one for _, mine in groups(written) for one in mine]
        assert [one.text for one in line.syllables] == [one.text for one in said]


@given(texts, rows)
def test_untimed_words_take_notes_in_turn(lines: list[str], row: list[Note]) -> None:
    row = list(tidy(row))
    text = Alignment.from_text("\n".join(lines))
    syllables = sum(bool(one.phones) for line in text.lines for _, mine in groups(line) for one in mine)
    if not row or not syllables:
        return
    score, says = laid(text, Tune(tuple(row)))
    assert in_order(score)
    assert [note.start for note in score.notes] == [note.start for note in row][: len(score.notes)]
    assert len(score.notes) == min(syllables, len(row))
    assert bool(says) == (syllables != len(row))


@given(st.lists(st.integers(-30, 40), min_size=1, max_size=5))
def test_notes_of_a_syllable_come_back_from_what_is_told_of_them(pitches: list[int]) -> None:
    row = tuple(Note(2 + at * 0.25, 2.25 + at * 0.25, 60.0 + pitch) for at, pitch in enumerate(pitches))
    end = row[-1].end
    text = Alignment((Line("la", 2.0, end, words=(Word("la", 2.0, end, syllables=(
        Syllable("la", 2.0, end, extra=told(row)),)),)),))  # fmt: skip
    back = scored(text).notes
    assert [note.midi for note in back] == [note.midi for note in row]
    assert [note.start for note in back] == pytest.approx([note.start for note in row], abs=2e-3)


def test_what_has_no_sound_holds_the_syllable_before_it_on() -> None:
    score = scored(sung(["so", "~", "far"], ["3", "5", "7"]))
    assert [[note.midi for note in one.notes] for one in score.lines[0].syllables if one.phones] == [[63, 65], [67]]


def test_a_rapped_syllable_has_notes_without_pitch() -> None:
    text = sung(["one", "two"], ["3", "5"])
    word = text.lines[0].words[1]
    free = replace(word.syllables[0], extra=Extra.of({"pitch": "5", "ultrastar:note": "R"}))
    line = replace(text.lines[0], words=(text.lines[0].words[0], replace(word, syllables=(free,))))
    first, second = scored(Alignment((line,))).lines[0].syllables
    assert (first.pitched, second.pitched) == (True, False)
    assert second.notes
    assert dict(told(second.notes)) == {"ultrastar:note": "R"}


def test_a_word_written_in_one_piece_shares_its_note_among_its_syllables() -> None:
    one = scored(sung(["amazing"], ["4"])).lines[0]
    assert [len(syllable.notes) for syllable in one.syllables] == [1, 1, 1]
    assert {note.midi for note in one.notes} == {64}


def test_the_note_begins_with_the_vowel_where_phones_tell() -> None:
    from aligner_core.timeline import Phone

    phones = (Phone("S", 1.0, 1.2), Phone("OW", 1.2, 2.0))
    text = Alignment((Line("so", 1.0, 2.0, words=(Word("so", 1.0, 2.0, syllables=(
        Syllable("so", 1.0, 2.0, phones=phones),)),)),))  # fmt: skip
    assert scored(text).notes[0].start == 1.2


def test_notes_of_another_file_go_to_the_words_that_sound_then() -> None:
    text = timed(["so far the"])
    tune = Tune(
        (Note(1.05, 1.4, 60), Note(1.52, 1.75, 62), Note(1.75, 1.95, 64), Note(2.05, 2.4, 65), Note(30, 31, 70))
    )
    score, says = laid(text, tune)
    assert [[note.midi for note in one.notes] for one in score.lines[0].syllables] == [[60], [62, 64], [65]]
    assert says == ("1 notes lie where nothing is sung: left out",)


def test_a_word_without_a_note_stays_on_the_one_before_and_says_so() -> None:
    score, says = laid(timed(["so far the"]), Tune((Note(1.0, 1.4, 60), Note(2.0, 2.4, 65))))
    assert [note.midi for note in score.notes] == [60, 60, 65]
    assert says == ("1 syllables have no note of their own: they stay on the one before",)


def test_a_tune_with_as_many_lines_is_laid_line_by_line() -> None:
    own = Alignment(
        tuple(line for text in (sung(["la", "la"], ["1", "2"]), sung(["la"], ["9"])) for line in text.lines)
    )
    own = Alignment((own.lines[0], own.lines[1]))
    later = own.lines[1].words[0]
    part = replace(later.syllables[0], start=5.0, end=6.0)
    later = replace(later, start=5.0, end=6.0, syllables=(part,))
    own = Alignment((own.lines[0], replace(own.lines[1], start=5.0, end=6.0, words=(later,))))
    score, says = laid(Alignment.from_text("so\nfar away"), Tune(scored(own).notes, own))
    assert [[note.midi for note in line.notes] for line in score.lines] == [[61, 62], [69, 69, 69]]
    assert len(says) == 2


def test_transposed_notes_stay_numbers_that_midi_has() -> None:
    score = scored(sung(["la", "la"], ["-50", "60"]))
    for semitones in (-60, -12, 7, 60):
        moved = score.transposed(semitones)
        for note, old in zip(moved.notes, score.notes, strict=True):
            assert note.midi is not None
            assert old.midi is not None
            assert 0 <= note.midi <= 127
            assert (note.midi - old.midi - semitones) % 12 == 0


def test_recited_words_are_all_on_one_tone() -> None:
    assert {note.midi for note in scored(timed(["so far the"])).on_one_tone(57).notes} == {57}


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Note(2.0, 2.0, 60), "runs from"),
        (lambda: Note(0.0, float("nan"), 60), "runs from"),
        (lambda: Note(0.0, 1.0, 128), "MIDI number"),
        (lambda: SungSyllable(0, "la", (), (Note(0, 1, 60), Note(0.5, 2, 60))), "notes overlap"),
        (lambda: SungLine(0, (one_note(1, 2), one_note(0, 1))), "notes overlap"),
    ],
)  # fmt: skip
def test_a_score_that_contradicts_itself_cannot_be_made(make: object, what: str) -> None:
    assert callable(make)
    with pytest.raises(AlignmentError, match=what):
        make()


def test_notes_without_words_and_words_without_notes_are_told() -> None:
    with pytest.raises(LyricsError, match="no notes"):
        laid(timed(["so"]), Tune(()))
    with pytest.raises(LyricsError, match="no words to them"):
        laid(Alignment.from_text("- -"), Tune((Note(0, 1, 60),)))
    with pytest.raises(LyricsError, match="no words"):
        own_words(Tune((Note(0, 1, 60),)))


def test_a_text_tells_whether_it_has_pitches() -> None:
    assert has_pitches(sung(["la"], ["0"]))
    assert not has_pitches(timed(["la"]))
