"""What is known beforehand comes from the command line to the aligner, and is looked at before any work begins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aligner_core.anchors import WHOLE, Anchor, Part

if TYPE_CHECKING:
    from conftest import Karalign, Listener, Refuse


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), [False, [], WHOLE]),
        (("--exact",), [True, [], WHOLE]),
        (("--lines", "2-4"), [False, [], Part((2, 4))]),
        (("--lines", "2"), [False, [], Part((2, 2))]),
        (("--from", "1.5", "--to", "0:10.25"), [False, [], Part(None, 1.5, 10.25)]),
        (("--lines", "4", "--to", "1:00:00"), [False, [], Part((4, 4), None, 3600.0)]),
    ],
)
def test_hints_are_handed_on(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path,
    options: tuple[str, ...], told: list[Any],
) -> None:  # fmt: skip
    assert karalign("align", song, lyrics, *options, "-o", tmp_path / "out.lrc").code == 0
    assert listener.told == told


def test_anchors_are_read_from_json(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path
) -> None:
    anchors = tmp_path / "fixed.json"
    anchors.write_text('[{"line": 4, "word": 2, "time": "0:08.125"}, {"line": 2, "time": 1.5, "end": "2"}]')
    assert karalign("align", song, lyrics, "--anchors", anchors, "-o", tmp_path / "out.lrc").code == 0
    assert sorted(listener.told[1]) == [Anchor(2, 1, 1.5, 2.0), Anchor(4, 2, 8.125)]


def test_times_of_the_text_are_kept_on_request_and_anchors_go_before_them(
    karalign: Karalign, listener: Listener, song: Path, tmp_path: Path
) -> None:
    half, anchors = tmp_path / "half.lrc", tmp_path / "fixed.json"
    half.write_text("[00:01.00]Amazing grace\nhow sweet\n[00:05.00]the sound\n")
    anchors.write_text('[{"line": 3, "time": 6}]')
    assert karalign("align", song, half, "-o", tmp_path / "out.lrc").code == 0
    assert karalign("align", song, half, "--keep-times", "-o", tmp_path / "out.lrc").code == 0
    run = ("align", song, half, "--keep-times", "--anchors", anchors, "-o", tmp_path / "out.lrc")
    assert karalign(*run).code == 0
    assert [sorted(x) for x in listener.told if isinstance(x, list)] == [
        [], [Anchor(1, 1, 1.0), Anchor(3, 1, 5.0)], [Anchor(1, 1, 1.0), Anchor(3, 1, 6.0)]
    ]  # fmt: skip


def test_trust_makes_the_times_of_the_text_right(
    karalign: Karalign, listener: Listener, song: Path, timed: Path, tmp_path: Path
) -> None:
    assert karalign("align", song, timed, "--trust", "0.5", "-o", tmp_path / "out.lrc").code == 0
    assert listener.told[:2] == [False, 0.5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "fixed.json: a list of times is needed"),
        ("[", "fixed.json: not JSON"),
        ("[3]", r"fixed.json: [0]: no fixed time"),
        ('[{"line": 2, "time": 1, "wrod": 2}]', "[0]: no fixed time (line and time, and word and end if wanted)"),
        ('[{"line": 2, "time": 1}, {"line": "3", "time": 1}]', "[1]: '3' is no number of a line"),
        ('[{"line": 2, "time": "1:2:3:4"}]', "[0]: '1:2:3:4' is no time (m:ss.mmm or seconds)"),
        ('[{"line": 2, "time": -1}]', "[0]: -1 is no time"),
        ('[{"line": 2, "time": true}]', "[0]: True is no time"),
        ('[{"line": 9, "time": 1}]', "fixed.json: there is no line 9 (the text has 4)"),
        ('[{"line": 1, "time": 1}]', "fixed.json: line 1 has no word 1 ('[Verse 1]' has 0)"),
        (
            '[{"line": 2, "time": 3}, {"line": 4, "time": 2}]',
            "line 2 is fixed at 0:03.000, and line 4 is fixed at 0:02",
        ),
    ],
)
def test_bad_anchors_are_told_in_a_line_before_a_model_is_loaded(
    refuse: Refuse, listener: Listener, song: Path, lyrics: Path, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "fixed.json").write_text(content)
    told = refuse("align", song, lyrics, "--anchors", tmp_path / "fixed.json", "-o", tmp_path / "out.lrc")
    assert message in told
    assert listener.asked == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--lines", "3-9"), "there are no lines 3 to 9 (the text has 4)"),
        (("--from", "9", "--to", "8"), "nothing lies between 0:09.000 and 0:08.000"),
        (("--lines", "3", "--to", "8"), "no line of the text lies between"),
        (("--trust", "0.5"), "has no times that could be trusted (leave out --trust)"),
    ],
)
def test_hints_that_do_not_fit_the_text_are_told_in_a_line_before_a_model_is_loaded(
    refuse: Refuse, listener: Listener, song: Path, lyrics: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    told = refuse("align", song, lyrics, *options, "-o", tmp_path / "out.lrc")
    assert f"karalign: {lyrics}: {message}" in told
    assert listener.asked == []


def test_the_report_is_about_the_lines_that_were_asked_for(
    karalign: Karalign, listener: Listener, song: Path, lyrics: Path, tmp_path: Path
) -> None:
    listener.lost = frozenset(["that", "saved", "a", "wretch", "like", "me"])
    run = ("align", song, lyrics, "-o", tmp_path / "out.lrc", "--min-confidence", "0")
    assert "not heard: line 4  that saved" in karalign(*run).err
    assert karalign(*run, "--lines", "2").code == 0
    got = karalign(*run, "--lines", "4")
    assert (got.code, "nothing of the text was found" in got.err) == (1, True)
