"""Pitches and furigana stay with the letters they belong to when a text is timed anew."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_align import Hears, say

from aligner_core import Aligner
from aligner_core.extra import Extra
from aligner_core.recut import recut
from aligner_core.timeline import Alignment, Line, Phone, Syllable, Word


def written(*texts: str, at: float = 50.0) -> Word:
    """A word of syllables of a second each, with their numbers as pitches."""
    parts = [Syllable(text, at + i, at + i + 1, extra=Extra.of({"pitch": str(i + 1)})) for i, text in enumerate(texts)]
    return Word("".join(texts), at, at + len(texts), syllables=tuple(parts))


def found(*parts: tuple[str, float, float, tuple[float, ...]]) -> Word:
    """A word of syllables: text, start, end and the places of their phones' edges between, seconds."""
    made = []
    for text, start, end, inner in parts:
        phones = tuple(Phone("AH", a, b) for a, b in pairwise((start, *inner, end)))
        made.append(Syllable(text, start, end, phones=phones))
    return Word("".join(p[0] for p in parts), parts[0][1], parts[-1][2], 0.5, tuple(made))


def told(word: Word) -> list[tuple[str, float | None, float | None, str | None]]:
    return [(part.text, part.start, part.end, part.extra.get("pitch")) for part in word.syllables]


def test_the_same_cuts_have_the_new_times_and_the_old_pitches() -> None:
    new = recut(written("A", "maz", "ing"), found(("A", 1, 2, ()), ("maz", 2.5, 3, (2.75,)), ("ing", 3, 4, ())))
    assert told(new) == [("A", 1, 2, "1"), ("maz", 2.5, 3, "2"), ("ing", 3, 4, "3")]
    assert [len(part.phones) for part in new.syllables] == [1, 2, 1]
    assert new.score == 0.5


def test_a_cut_that_was_not_heard_lies_between_two_phones() -> None:
    new = recut(written("ama", "zing"), found(("a", 1, 2, ()), ("mazing", 2, 8, (2.5, 4.5, 7))))
    assert told(new) == [("ama", 1, 4.5, "1"), ("zing", 4.5, 8, "2")]
    assert [len(part.phones) for part in new.syllables] == [3, 2]


def test_where_there_are_no_phones_the_letters_tell() -> None:
    assert told(recut(written("ab", "cd"), Word("abcd", 1.0, 3.0))) == [("ab", 1, 2, "1"), ("cd", 2, 3, "2")]


def test_syllables_that_tell_nothing_are_those_that_were_heard() -> None:
    heard = found(("ab", 1, 2, ()), ("c", 2, 3, ()))
    plain = Word("abc", 1.0, 2.0, syllables=(Syllable("a", 1.0, 1.5), Syllable("bc", 1.5, 2.0)))
    assert recut(plain, heard) is heard


def test_a_word_that_was_not_found_gets_no_time() -> None:
    assert not recut(written("ab", "c"), Word("abc")).timed


lengths = st.lists(st.integers(1, 4), min_size=1, max_size=6)


@given(ours=lengths, theirs=lengths, gaps=st.lists(st.floats(0, 2), min_size=40, max_size=40))
def test_any_cuts_fit_into_any_others(ours: list[int], theirs: list[int], gaps: list[float]) -> None:
    length = min(sum(ours), sum(theirs))

    def texts(sizes: list[int]) -> list[str]:
        edges = sorted({min(sum(sizes[:i]), length) for i in range(len(sizes))} | {0, length})
        return ["abcdefghijklmnopqrstuvwxyz"[a:b] for a, b in pairwise(edges)]

    parts, now, left = [], 1.0, iter(gaps)
    for text in texts(theirs):
        start = now + next(left)
        inner = start + next(left)
        now = inner + next(left)
        parts.append((text, start, now, (inner,)))
    heard, old = found(*parts), written(*texts(ours))
    new = recut(old, heard)
    assert [(part.text, part.extra) for part in new.syllables] == [(part.text, part.extra) for part in old.syllables]
    assert (new.start, new.end) == (heard.start, heard.end)
    assert new.syllables[0].start == pytest.approx(heard.start)
    assert new.syllables[-1].end == pytest.approx(heard.end)
    assert all(part.timed for part in new.syllables)


def test_a_song_that_is_aligned_anew_keeps_its_pitches() -> None:
    planted = Hears([("sil", 50), *say("amazing"), ("sil", 40)])
    song = Alignment((Line("amazing", 50, 53, words=(written("am", "azi", "ng"),)),))
    wave = np.zeros(160 * (len(planted.table) - 1), np.float32)
    (word,) = Aligner(planted).align_wave(wave, 16000, song).words
    assert [(part.text, part.extra.get("pitch")) for part in word.syllables] == [("am", "1"), ("azi", "2"), ("ng", "3")]
    assert word.start == pytest.approx(0.5, abs=0.02)
    assert sum(len(part.phones) for part in word.syllables) == len(say("amazing"))
