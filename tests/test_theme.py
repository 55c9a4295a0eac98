"""Themes: read, refused in one line that names the key, and made into styles."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core.errors import AlignerError
from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Word
from plugin import save
from plugin.display import Display
from plugin.formats import by_name
from plugin.theme import Look, Theme, Themed, ThemeError, built_in, load_theme, parse

if TYPE_CHECKING:
    from conftest import Karalign, Refuse

quick = settings(max_examples=40)
COLOURS = st.from_regex(r"\A#[0-9A-F]{6}([0-9A-F]{2})?\Z")
MARGINS = st.integers(0, 9999)
LOOKS = st.builds(
    Look, st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters=","), min_size=1,
                  max_size=20), st.floats(1, 2000), st.booleans(), st.booleans(), COLOURS, COLOURS, COLOURS, COLOURS,
    st.floats(0, 100), st.floats(0, 100), st.integers(1, 9), MARGINS, MARGINS, MARGINS,
)  # fmt: skip
SHOW = st.floats(0, 60)
THEMES = st.builds(
    Theme, st.tuples(st.integers(16, 16384), st.integers(16, 16384)), LOOKS, st.lists(LOOKS, max_size=3).map(tuple),
    st.builds(Display, SHOW, SHOW, SHOW),
)  # fmt: skip


def sung(voice: str, start: float, text: str = "la") -> Line:
    return Line(text, start, start + 1, words=(Word(text, start, start + 1),), extra=Extra.of({"voice": voice}))


@quick
@given(THEMES)
def test_a_theme_written_and_read_is_the_same(theme: Theme) -> None:
    assert parse(theme.to_toml(), "x") == theme


@quick
@given(st.text() | st.builds(str.format, st.just("[text]\n{} = {}"), st.sampled_from(["size", "font", "x"]), st.text()))
def test_any_text_is_a_theme_or_an_error_of_one(text: str) -> None:
    with suppress(ThemeError):
        assert parse(text, "x") == parse(parse(text, "x").to_toml(), "x")


@quick
@given(THEMES, st.lists(st.sampled_from(["", "Ann", "Ben", "Cem"]), min_size=1, max_size=6))
def test_times_and_words_are_those_of_plain_ass(theme: Theme, voices: list[str]) -> None:
    song = Alignment(tuple(sung(voice, float(at)) for at, voice in enumerate(voices)))
    form = Themed(theme)
    assert form.parse(form.render(song)) == by_name("ass").parse(by_name("ass").render(song))


@pytest.mark.parametrize("name", built_in())
def test_the_themes_that_come_along_can_be_read(name: str) -> None:
    assert load_theme(name).to_toml()


def test_classic_is_what_is_written_without_a_theme() -> None:
    plain = by_name("ass").render(Alignment((sung("", 1),)))
    classic = Themed(replace(load_theme("classic"), singers=())).render(Alignment((sung("", 1),)))
    assert classic.replace("&H80000000", "") == plain.replace("&H80000000", "")


def test_each_voice_gets_a_style_in_the_order_of_their_entries_and_round_again() -> None:
    theme = Theme(singers=(Look(sung="#112233"), Look(sung="#44556680")))
    script = Themed(theme).render(
        Alignment((sung("Ben", 1), sung("", 2), sung("Ann", 3), sung("C", 4), sung("Ben", 5)))
    )
    styles = re.findall(r"^Dialogue: 0,[^,]*,[^,]*,([^,]*),", script, re.MULTILINE)
    assert styles == ["Singer 1", "Default", "Singer 2", "Singer 1", "Singer 1"]
    assert "Style: Singer 1,Arial,84,&H00332211," in script
    assert "Style: Singer 2,Arial,84,&H7F665544," in script


def test_a_singer_is_the_text_but_for_what_differs() -> None:
    theme = parse('resolution = [640, 360]\n[text]\nsize = 20\n[[singer]]\nsung = "#FF0000"', "x")
    assert theme.singers == (replace(theme.text, sung="#FF0000"),)
    assert (theme.text.size, theme.resolution) == (20, (640, 360))


@pytest.mark.parametrize(
    ("text", "where", "hint"),
    [
        ("[text]\nsize = 'big'", "x: text.size", "a number from 1 to 2000"),
        ("[text]\nsize = true", "x: text.size", "a number"),
        ("[text]\ncoming = 'red'", "x: text.coming", "#RRGGBB"),
        ("[text]\nalignment = 10", "x: text.alignment", "number block"),
        ("[text]\nfont = 'A,B'", "x: text.font", "without commas"),
        ("[text]\ncolour = '#000000'", "x: text.colour", "one of font"),
        ("[[singer]]\n[[singer]]\nmargin-left = -1", "x: singer 2.margin-left", "0 to 9999"),
        ("[singer]\nsize = 3", "x: singer", "[[singer]]"),
        ("text = 3", "x: text", "[text]"),
        ("resolution = [1, 2]", "x: resolution", "[1920, 1080]"),
        ("[show]\nlead-in = nan", "x: show.lead-in", "0 to 60"),
        ("fonts = 3", "x: fonts", "one of resolution"),
        ("size = ", "x", ""),
    ],
)
def test_mistakes_are_told_with_the_name_of_the_key(text: str, where: str, hint: str) -> None:
    with pytest.raises(ThemeError) as caught:
        parse(text, "x")
    assert caught.value.where == where
    assert hint in caught.value.hint


def test_a_theme_that_is_not_there_is_one_line(refuse: Refuse, timed: Path, tmp_path: Path) -> None:
    assert "one of classic, film, stage" in refuse("convert", timed, "-o", tmp_path / "o.ass", "--theme", "opera")
    assert "no such file" in refuse("convert", timed, "-o", tmp_path / "o.ass", "--theme", tmp_path / "o.toml")


def test_the_theme_tells_when_lines_are_shown_unless_an_option_does(karalign: Karalign, tmp_path: Path) -> None:
    save(Alignment((sung("", 5),)), tmp_path / "song.json")
    for options, start in (((), "0:00:04.00"), (("--lead-in", "2"), "0:00:03.00")):
        out = tmp_path / "o.ass"
        assert karalign("convert", tmp_path / "song.json", "-o", out, "--theme", "stage", *options).code == 0
        assert f"Dialogue: 0,{start}," in out.read_text()


def test_the_help_names_all_themes(karalign: Karalign) -> None:
    told = " ".join(karalign("convert", "--help").out.split())
    assert f"{', '.join(built_in())}, or a TOML file" in told


def test_errors_of_themes_are_errors_of_the_input() -> None:
    assert issubclass(ThemeError, AlignerError)


def test_the_page_about_themes_shows_every_key_with_its_usual_value(root: Path) -> None:
    page = (root / "docs" / "subtitles.md").read_text("utf-8")
    shown = page.split("```toml\n")[1].split("```")[0]
    assert parse(shown, "x").text == Look()
    table = shown.split("[text]")[1].split("[[")[0]
    assert {row.split(" =")[0] for row in table.splitlines() if "=" in row} == {
        field.name.replace("_", "-") for field in fields(Look)
    }


def test_the_page_names_every_option(root: Path, karalign: Karalign) -> None:
    page = (root / "docs" / "subtitles.md").read_text("utf-8")
    told = karalign("convert", "--help").out + karalign("ass-preview", "--help").out
    missing = {option for option in re.findall(r"--[a-z-]+", told) if option not in page}
    assert missing <= {"--level", "--k-tag", "--no-clobber", "--help", "--output", "--quiet"}
    assert all(Path(root, "docs", link).exists() for link in re.findall(r"\]\((pictures/[^)]+)\)", page))
