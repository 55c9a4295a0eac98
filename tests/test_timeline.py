"""The timed tree, where no other test looks at it."""

from __future__ import annotations

import pytest

from aligner_core.errors import AlignmentError
from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Syllable, Word


def test_a_line_sung_again_is_written_once_where_it_was_found_best() -> None:
    one, two = Line("a", 1.0, 2.0, 0.4, number=1), Line("b", 2.0, 3.0, 0.9, number=2)
    again = Line("a", 5.0, 6.0, 0.8, number=1)
    assert Alignment((one, two, again)).as_written().lines == (again, two)
    assert Alignment((two, one)).as_written().lines == (one, two)


def test_lines_without_numbers_are_all_kept() -> None:
    unnumbered = Alignment((Line("a"), Line("a")))
    assert unnumbered.as_written() == unnumbered


def test_what_is_told_besides_is_frozen_sorted_and_survives_the_dictionary() -> None:
    extra = Extra.of({"voice": "Ann", "role": "", "id": "L1"})
    assert (dict(extra), extra.get("role"), len(extra)) == ({"id": "L1", "voice": "Ann"}, None, 2)
    assert extra == Extra((("voice", "Ann"), ("id", "L1")))
    assert hash(extra) == hash(Extra.of({"id": "L1", "voice": "Ann"}))
    syllable = Syllable("la", 1.0, 2.0, extra=Extra.of({"pitch": "7"}))
    line = Line("la", 1.0, 2.0, words=(Word("la", 1.0, 2.0, syllables=(syllable,)),), extra=extra)
    alignment = Alignment((line,), None, Extra.of({"title": "Song"}))
    assert Alignment.from_dict(alignment.to_dict()) == alignment
    assert "extra" not in Alignment((Line("la"),)).to_dict()


@pytest.mark.parametrize("extra", [{"voice": 1}, ["voice"], "voice"])
def test_what_is_told_besides_is_text(extra: object) -> None:
    with pytest.raises(AlignmentError):
        Alignment.from_dict({"version": 1, "lines": [], "extra": extra})
