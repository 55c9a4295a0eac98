"""JSON: the shape of what is written, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aligner_core.timeline import Alignment, Line, Phone, Syllable, Word, untimed_line
from plugin.formats import FormatError, by_name

JSON = by_name("json")
SONG = Alignment(
    (
        untimed_line("[Verse]", "heading"),
        Line(
            "Oh né",
            0.1 + 0.2,
            2.0,
            0.5,
            (
                Word(
                    "Oh",
                    0.1 + 0.2,
                    1.0,
                    None,
                    (Syllable("Oh", 0.1 + 0.2, 1.0, None, (Phone("OW", 0.1 + 0.2, 1.0, 1.0),)),),
                ),
                Word("né"),
            ),
        ),
    ),
    "song.mp3",
)


def test_the_shape_is_the_documented_one() -> None:
    text = JSON.render(SONG)
    assert "né" in text
    data = json.loads(text)
    assert data["version"] == 1
    assert data["audio"] == "song.mp3"
    assert data["lines"][0] == {
        "text": "[Verse]",
        "start": None,
        "end": None,
        "score": None,
        "kind": "heading",
        "words": [],
    }
    phone = data["lines"][1]["words"][0]["syllables"][0]["phones"][0]
    assert phone == {"text": "OW", "start": 0.1 + 0.2, "end": 1.0, "score": 1.0}


def test_a_file_name_that_is_not_utf8_survives() -> None:
    alignment = Alignment(SONG.lines, "caf\udce9.mp3")
    text = JSON.render(alignment)
    assert JSON.parse(text.encode("utf-8").decode("utf-8")) == alignment


def test_what_is_not_known_may_be_left_out() -> None:
    assert JSON.parse('{"version": 1, "lines": [{"text": "a b"}]}') == Alignment((Line("a b"),))


def with_line(**changes: Any) -> str:
    return json.dumps({"version": 1, "audio": None, "lines": [{"text": "ok"}, {"text": "a b", **changes}]})


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("[1, 2]", "1", "no timed text: an object with a list of lines is needed"),
        ("null", "1", "no timed text"),
        ('{"version": 1}', "1", "no timed text"),
        ('{"lines": []}', "version", "KeyError"),
        ('{"version": 1, "audio": 5, "lines": []}', "audio", "a file name or null is needed"),
        ('{"version": 1,\n "lines": [}', "2", "not JSON: Expecting value"),
        ("[" * 100_000, "1", "not JSON: maximum recursion depth"),
        ("9" * 5000, "1", "not JSON: Exceeds the limit"),
        (with_line(start=float("nan")), "1", "not JSON: NaN is no number"),
        (with_line(start=float("inf"), end=1), "1", "not JSON: Infinity is no number"),
        (with_line(start=1.0, end=2.0).replace("2.0", "1e999"), "lines[1].end", "a number or null is needed"),
        (with_line(start=1, end=10**400), "lines[1].end", "a number or null is needed"),
        (with_line(start=True, end=2), "lines[1].start", "a number or null is needed"),
        (with_line(start="1", end=2), "lines[1].start", "a number or null is needed"),
        (with_line(score=[]), "lines[1].score", "a number or null is needed"),
        (with_line(start=1), "lines[1]", "'a b' has a start or an end but not both"),
        (with_line(start=2, end=1), "lines[1]", "'a b' runs from 2 to 1 s"),
        (with_line(text=None), "lines[1].text", "a text is needed"),
        (with_line(text="c"), "", ""),
        (with_line(kind="song"), "lines[1]", "line kind 'song' is unknown"),
        (with_line(words={"text": "a"}), "lines[1].words", "a list is needed"),
        (with_line(words=["a", "b"]), "lines[1].words[0]", "an object is needed"),
        (with_line(words=[{"text": "a"}]), "lines[1]", "the words of 'a b' do not join to it"),
        (
            with_line(words=[{"text": "a", "syllables": [{"text": "a", "phones": [{"text": 5}]}]}, {"text": "b"}]),
            "lines[1].words[0].syllables[0].phones[0].text",
            "a text is needed",
        ),
    ],
)
def test_another_shape_is_told_with_its_place(text: str, where: str, what: str) -> None:
    if not where:  # the one that is right: the table's changes alone make the others wrong
        assert JSON.parse(text).lines[1].text == "c"
        return
    with pytest.raises(FormatError) as caught:
        JSON.parse(text)
    assert caught.value.where == where
    assert what in caught.value.what
    assert "\n" not in str(caught.value)


def test_the_number_of_a_line_is_written_where_it_is_known() -> None:
    numbered = Alignment((Line("Oh", number=3), untimed_line("né")))
    assert JSON.parse(JSON.render(numbered)) == numbered
    assert ["number" in line for line in json.loads(JSON.render(numbered))["lines"]] == [True, False]


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "true", '"3"'])
def test_a_number_that_no_line_has_is_refused(number: str) -> None:
    with pytest.raises(FormatError, match="a whole number from 1 is needed"):
        JSON.parse(f'{{"version": 1, "lines": [{{"text": "Oh", "number": {number}}}]}}')
