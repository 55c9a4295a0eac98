"""Edits in the page: whatever is done, what comes out is a timed text that karalign reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="needs playwright")

from chromium import chromium
from hypothesis import given, settings
from hypothesis import strategies as st
from test_formats import alignments

from aligner_core.timeline import Alignment, Line, Word
from plugin.formats import by_name
from plugin.page.bundle import script

DO = """([tree, name, more]) => {
  const lines = tree.lines.map(module_model.opened);
  return {...tree, lines: module_edit[name](lines, ...more).map(module_model.closed)}; }"""


class Edits:
    """The page's edits, alone in a browser."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def do(self, alignment: Alignment, name: str, *more: Any) -> Alignment:
        """What comes of an edit; it is read as a file is, so it must be one that karalign takes."""
        tree = self.page.evaluate(DO, [alignment.to_dict(), name, list(more)])
        return by_name("json").parse(json.dumps(tree))


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edits]:
    with chromium(tmp_path_factory.mktemp("edits")) as browser:
        page = browser.browser.new_page()
        names = "window.module_edit = module_edit; window.module_model = module_model;"
        page.evaluate(f"(() => {{ {script('edit')}\n{names} }})()")
        yield Edits(page)


def places(alignment: Alignment) -> list[tuple[int, int]]:
    return [(at, n) for at, line in enumerate(alignment.lines) for n in range(len(line.words))]


def text(*spans: tuple[str, float | None, float | None]) -> Alignment:
    """One line of words."""
    words = tuple(Word(*span) for span in spans)
    timed = [word for word in words if word.timed]
    start, end = (timed[0].start, timed[-1].end) if timed else (None, None)
    return Alignment((Line(" ".join(word.text for word in words), start, end, words=words),))


def times(alignment: Alignment) -> list[tuple[float | None, float | None]]:
    return [(word.start, word.end) for word in alignment.words]


@settings(max_examples=80)
@given(alignments(), st.data())
def test_every_edit_leaves_a_text_that_can_be_read(edits: Edits, alignment: Alignment, data: st.DataObject) -> None:
    if not (known := places(alignment)):
        return
    at, n = data.draw(st.sampled_from(known))
    place = {"line": at, "word": n}
    parts = len(alignment.lines[at].words[n].syllables)
    if parts and data.draw(st.booleans()):
        place["syllable"] = data.draw(st.integers(0, parts - 1))
    taps = sorted(data.draw(st.lists(st.floats(0, 100), max_size=8, unique=True)))
    spelling = data.draw(st.text("ab·| \u00e9<", max_size=8))
    time = data.draw(st.floats(0, 120))
    edit: list[Any] = data.draw(st.sampled_from([
        ["moveEdge", place, "start", time], ["moveEdge", place, "end", time], ["split", place], ["merge", place],
        ["respelled", place, spelling], ["tapped", at, taps], ["unsung", at], ["fixed", at, True],
    ]))  # fmt: skip
    got = edits.do(alignment, *edit)
    if edit[0] in ("moveEdge", "split", "merge", "tapped", "fixed"):
        assert [line.text for line in got.lines] == [line.text for line in alignment.lines]
    others = [line for other, line in enumerate(got.lines) if other != at]
    if edit[0] != "moveEdge":  # which a neighbour may follow
        assert others == [line for other, line in enumerate(alignment.lines) if other != at]


def test_a_word_that_touches_follows_and_one_that_does_not_is_in_the_way(edits: Edits) -> None:
    touching = text(("a", 1.0, 2.0), ("b", 2.0, 3.0), ("c", 4.0, 5.0))
    place = {"line": 0, "word": 1}
    assert times(edits.do(touching, "moveEdge", place, "start", 1.5)) == [(1.0, 1.5), (1.5, 3.0), (4.0, 5.0)]
    assert times(edits.do(touching, "moveEdge", place, "start", 0.2)) == [(1.0, 1.02), (1.02, 3.0), (4.0, 5.0)]
    assert times(edits.do(touching, "moveEdge", place, "end", 4.5)) == [(1.0, 2.0), (2.0, 4.0), (4.0, 5.0)]
    assert times(edits.do(touching, "moveEdge", place, "end", 1.0)) == [(1.0, 2.0), (2.0, 2.02), (4.0, 5.0)]


def test_what_was_set_by_hand_is_told_in_the_file(edits: Edits) -> None:
    before = text(("a", 1.0, 2.0), ("b", 2.0, 3.0), ("-", None, None))
    moved = edits.do(before, "moveEdge", {"line": 0, "word": 1}, "end", 3.5)
    assert dict(moved.lines[0].extra) == {"json:fixed": "2"}
    both = edits.do(moved, "fixed", 0, True)
    assert dict(both.lines[0].extra) == {"json:fixed": "1 2"}
    assert edits.do(both, "fixed", 0, False) == edits.do(moved, "fixed", 0, False)


def test_a_word_without_time_gets_one_between_its_neighbours(edits: Edits) -> None:
    before = text(("a", 1.0, 2.0), ("b", None, None), ("c", 4.0, 5.0))
    place = {"line": 0, "word": 1}
    assert times(edits.do(before, "moveEdge", place, "start", 3.0))[1] == (3.0, 3.3)
    assert times(edits.do(before, "moveEdge", place, "start", 0.5))[1] == (2.0, 2.3)
    assert times(edits.do(before, "moveEdge", place, "start", 9.0))[1] == (3.98, 4.0)


def test_taps_time_the_words_that_sound(edits: Edits) -> None:
    before = text(("a", None, None), ("-", None, None), ("b", 7.0, 8.0), ("c", 8.0, 9.0))
    assert times(edits.do(before, "tapped", 0, [1.0, 2.0, 3.0, 4.0])) == [(1, 2), (None, None), (2, 3), (3, 4)]
    assert times(edits.do(before, "tapped", 0, [1.0, 2.0])) == [(1, 2), (None, None), (2, 2.3), (None, None)]


@pytest.mark.parametrize(
    ("spelling", "line", "syllables"),
    [
        ("won·der·ful", "so wonderful  day", ["won", "der", "ful"]),
        ("wonderful", "so wonderful  day", []),
        ("won der", "so won der  day", []),
        ("", "so day", None),
    ],
)  # fmt: skip
def test_a_word_is_spelled_anew(edits: Edits, spelling: str, line: str, syllables: list[str] | None) -> None:
    words = (Word("so", 0.0, 1.0), Word("wunderful", 1.0, 2.8), Word("day", 3.0, 4.0))
    before = Alignment((Line("so wunderful  day", 0.0, 4.0, words=words),))
    after = edits.do(before, "respelled", {"line": 0, "word": 1}, spelling)
    assert after.lines[0].text == line
    if syllables is not None:
        assert [part.text for part in after.words[1].syllables] == syllables
        assert (after.words[1].start, after.lines[0].words[-2].end) == (1.0, 2.8)


@settings(max_examples=30)
@given(alignments())
def test_what_is_split_is_merged_again(edits: Edits, alignment: Alignment) -> None:
    for at, n in places(alignment)[:4]:
        word = alignment.lines[at].words[n]
        place = {"line": at, "word": n, "syllable": 0}
        if not word.syllables or len(word.syllables[0].text) < 2:
            continue
        halves = edits.do(alignment, "split", place)
        assert len(halves.lines[at].words[n].syllables) == len(word.syllables) + 1
        whole = edits.do(halves, "merge", place).lines[at].words[n]
        assert [part.text for part in whole.syllables] == [part.text for part in word.syllables]
        assert [(part.start, part.end) for part in whole.syllables] == [(p.start, p.end) for p in word.syllables]


def test_a_line_that_nobody_sings_keeps_its_place_and_comes_back(edits: Edits, root: Path) -> None:
    before = by_name("json").load(root / "examples" / "amazing-grace.truth.json")
    silent = edits.do(before, "unsung", 2)
    assert (silent.lines[2].kind, silent.lines[2].text, silent.lines[2].timed) == (
        "comment",
        before.lines[2].text,
        False,
    )
    again = edits.do(silent, "unsung", 2)
    assert [word.text for word in again.lines[2].words] == [word.text for word in before.lines[2].words]
    assert again.lines[2].kind == "lyrics"
