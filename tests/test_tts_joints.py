"""Where words meet: what the voice is told and what is heard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from speaking import babbler
from torch import Tensor

from aligner_core.timeline import Alignment, Line, Word
from aligner_core.tts.joints import LEAD, STOP_LEAD, heard, told
from aligner_core.tts.sound import Frames
from aligner_core.tts.synthesizer import Synthesizer

ROWS = st.lists(st.tuples(st.sampled_from(["T", "S", "AE1", "M"]), st.integers(1, 40), st.booleans()), min_size=1)


@given(ROWS)
def test_nothing_gets_lost_between_words_and_every_sound_keeps_half_of_its_length(
    row: list[tuple[str, int, bool]],
) -> None:
    phones, frames = [phone for phone, _, _ in row], [length for _, length, _ in row]
    joints = [at for at, (_, _, first) in enumerate(row) if at and first]
    for way in (told, heard):
        out = way(phones, frames, joints)
        assert sum(out) == sum(frames)
        assert min(out) >= 1


@given(ROWS)
def test_long_sounds_are_told_what_is_heard_of_them(row: list[tuple[str, int, bool]]) -> None:
    phones, frames = [phone for phone, _, _ in row], [length + 4 * STOP_LEAD for _, length, _ in row]
    joints = [at for at, (_, _, first) in enumerate(row) if at and first]
    assert told(phones, heard(phones, frames, joints), joints) == frames


def test_stops_begin_earlier_than_other_sounds_and_nothing_moves_within_words() -> None:
    assert told(["AA1", "S", "AA1", "T"], [20, 20, 20, 20], [1, 3]) == [20 - LEAD, 20 + LEAD, 20 - STOP_LEAD, 25]
    assert told(["AA1", "T"], [20, 20], []) == [20, 20]


def spoken(speaker: Synthesizer, gap: float) -> tuple[list[str], list[int], Alignment]:
    """The sounds and frames that the voice is told for two words with such a gap between them, and what was said."""
    told_: list[tuple[list[str], list[int]]] = []
    frames = speaker.voice.frames
    words = (Word("see", 0.5, 0.9), Word("tea", 0.9 + gap, 1.3 + gap))
    text = Alignment((Line("see tea", 0.5, 1.3 + gap, words=words),))

    def frames_told(phones: Sequence[str], durations: Sequence[int], melody: Tensor | None = None) -> Frames:
        told_.append((list(phones), list(durations)))
        return frames(phones, durations, melody=melody)

    speaker.voice.frames = frames_told  # type: ignore[method-assign, assignment]
    alignment = speaker.speak(text).alignment
    (row,) = told_
    return *row, alignment


def test_a_word_that_follows_another_is_told_earlier_and_its_time_stays() -> None:
    phones, frames, alignment = spoken(babbler(), 0.0)
    start = 35 + np.cumsum([0, *frames])[phones.index("T")]  # the passage begins 15 frames before the word
    assert start == 90 - STOP_LEAD
    assert [word.start for word in alignment.words] == [0.5, 0.9]


def test_a_word_after_a_pause_begins_in_its_time() -> None:
    phones, frames, _ = spoken(babbler(), 0.12)
    assert 35 + np.cumsum([0, *frames])[phones.index("T")] == 102
