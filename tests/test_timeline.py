"""The timed tree, where no other test looks at it."""

from __future__ import annotations

from aligner_core.timeline import Alignment, Line


def test_a_line_sung_again_is_written_once_where_it_was_found_best() -> None:
    one, two = Line("a", 1.0, 2.0, 0.4, number=1), Line("b", 2.0, 3.0, 0.9, number=2)
    again = Line("a", 5.0, 6.0, 0.8, number=1)
    assert Alignment((one, two, again)).as_written().lines == (again, two)
    assert Alignment((two, one)).as_written().lines == (one, two)


def test_lines_without_numbers_are_all_kept() -> None:
    unnumbered = Alignment((Line("a"), Line("a")))
    assert unnumbered.as_written() == unnumbered
