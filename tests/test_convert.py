"""`karalign convert` and `karalign score`: timed text from one file to another, and against another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plugin import load
from plugin.formats import FORMATS, Format, by_name

if TYPE_CHECKING:
    from conftest import Karalign


def test_convert_stretches_before_it_shifts(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert karalign("convert", timed, "-o", out, "--shift", "-1.5", "--stretch", "2").code == 0
    assert load(out) == load(timed).stretched(2).shifted(-1.5)


def test_convert_without_changes_is_lossless_in_json(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    karalign("convert", timed, "-o", tmp_path / "out.json")
    assert (tmp_path / "out.json").read_bytes() == timed.read_bytes()


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_convert_writes_every_format_to_a_file_and_to_standard_output(
    karalign: Karalign, timed: Path, tmp_path: Path, known: Format
) -> None:
    out = tmp_path / f"out{known.extensions[0]}"
    assert karalign("convert", timed, "-o", out).code == 0
    got = karalign("convert", timed, "-o", "-", "-q", "--format", known.name.upper())
    assert (got.code, got.out, got.err) == (0, out.read_text(), "")
    assert got.out == by_name(known.name).render(load(timed))


def test_convert_says_nothing_when_all_is_well(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    got = karalign("convert", timed, "-o", tmp_path / "out.lrc")
    assert (got.code, got.out, got.err) == (0, "", "")


# score


def test_a_timeline_scores_perfectly_against_itself(karalign: Karalign, timed: Path) -> None:
    figures = json.loads(karalign("score", timed, timed, "--json").out)
    assert figures["words"] == 2
    assert figures["onset"]["mean"] == figures["offset"]["mean"] == 0


def test_score_tells_how_late_a_timeline_is(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    karalign("convert", timed, "-o", tmp_path / "late.json", "--shift", "0.25")
    got = karalign("score", timed, tmp_path / "late.json")
    assert (got.code, got.err) == (0, "")
    assert "bias +0.250 s" in got.out
    assert "300 ms 100.0%" in got.out


def test_score_refuses_two_texts_that_are_not_the_same(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("Amazing")
    got = karalign("score", timed, tmp_path / "other.txt")
    assert (got.code, got.out) == (1, "")
    assert "2 words" in got.err
