"""How a text is read where neither spelling nor punctuation says it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from speaking import babbler

from aligner_core.timeline import Line, Word
from aligner_core.tts.script import BREATH, BREATHING, OPENING, PHRASE, script
from aligner_core.tts.synthesizer import PACE


def read(text: str) -> list[tuple[str, int]]:
    words = script(Line(text, words=tuple(map(Word, text.split()))))
    return [(word.text, word.pause) for word in words]


def test_a_long_row_of_words_has_a_pause_before_a_word_that_opens_a_phrase() -> None:
    assert [word for word, pause in read("we sat by the old river and sang a song") if pause == BREATHING] == ["river"]


def test_short_rows_have_none_and_no_pause_is_made_just_before_the_last_word() -> None:
    assert not any(pause for _, pause in read("we sat and sang"))
    assert not any(pause for _, pause in read("this is what we all sat down for"))


@given(st.lists(st.sampled_from(["song", "and", "for", "river", "sat,"]), min_size=1, max_size=80))
def test_phrases_are_at_least_six_words_and_nobody_says_more_than_a_breath(words: list[str]) -> None:
    row = read(" ".join(words))
    run = 0
    for at, (_, pause) in enumerate(row):
        run += 1
        assert run <= BREATH + 1
        if pause == BREATHING:
            assert run >= PHRASE
            assert row[at + 1][0] in OPENING or run == BREATH
        run = 0 if pause else run
    assert row[-1][1] == 0


@pytest.mark.parametrize(("word", "phones"), [("with", "W IH1 DH"), ("Been", "B IH1 N"), ("when", "W EH1 N")])
def test_words_are_said_as_the_released_voice_learnt_them(word: str, phones: str) -> None:
    (said,) = script(Line(word, words=(Word(word),)))
    assert said.phones == tuple(phones.split())


def test_a_text_is_said_as_slowly_as_the_teacher_says_it() -> None:
    speaker = babbler()
    phones = speaker.speak("sing along").alignment.phones
    own = speaker.voice.durations(["sil", "S", "IH1", "NG", "AH0", "L", "AO1", "NG", "sil"])[1:-1]
    spoken = sum(phone.end - phone.start for phone in phones if phone.start is not None and phone.end is not None)
    assert spoken == pytest.approx(sum(own) / 100 / PACE, abs=0.02)
