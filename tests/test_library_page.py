"""The report of a library in a real Chromium: sorted, filtered, and nobody's name is taken for more than a name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="needs playwright")

from chromium import Browser, Shown, chromium

from plugin.library.journal import Run
from plugin.library.page import page
from plugin.library.report import LibraryReport
from plugin.library.work import Item, Outcome
from plugin.report import Doubt

NASTY = "<img src=x onerror=alert(1)>\"'&.mp3"
OUTCOMES = (
    Outcome(Item("/x/b.mp3", "/x/b.txt", ("/x/b.lrc",)), "done", seconds=95.0, score=0.9, written=(10,)),
    Outcome(Item("/x/a.mp3", "", ("/x/a.lrc",)), "skipped", "no lyrics"),
    Outcome(Item(f"/x/{NASTY}"), "failed", "</table><script>alert(2)</script>"),
    Outcome(Item("/x/c.mp3"), "doubtful", seconds=200.0, score=0.25, doubts=(Doubt(3, "<b>loud</b>", 1.0, 0.1),)),
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("pages")) as opened:
        yield opened


@pytest.fixture(scope="module")
def html() -> str:
    return page(LibraryReport(OUTCOMES, Run("1.0", "abc", {}), Path("/x")))


def seen(shown: Shown) -> list[str]:
    """The names of the songs that are seen, in their order."""
    names: Any = shown.page.evaluate(
        "[...document.querySelectorAll('tbody tr')].filter(row => !row.hidden).map(row => row.cells[1].textContent)"
    )
    return list(names)


def test_songs_are_sorted_by_what_is_pressed_and_the_other_way_round(browser: Browser, html: str) -> None:
    with browser.open(html) as shown:
        assert seen(shown) == ["b.mp3", "a.mp3", NASTY, "c.mp3"]
        shown.page.click("text=length")
        assert seen(shown)[-2:] == ["b.mp3", "c.mp3"]
        shown.page.click("text=length")
        assert seen(shown)[:2] == ["c.mp3", "b.mp3"]
        shown.page.click("th >> text=song")
        assert seen(shown)[-3:] == ["a.mp3", "b.mp3", "c.mp3"]


def test_songs_are_filtered_by_status_and_by_words(browser: Browser, html: str) -> None:
    with browser.open(html) as shown:
        shown.page.uncheck("input[value=done]")
        assert "b.mp3" not in seen(shown)
        shown.page.fill("input[type=search]", "LYRICS")
        assert seen(shown) == ["a.mp3"]
        assert shown.text("output") == "1 of 4"


def test_names_and_reasons_are_shown_as_they_are(browser: Browser, html: str) -> None:
    with browser.open(html) as shown:
        assert NASTY in seen(shown)
        assert "</table><script>alert(2)</script>" in shown.text("table")
        assert "<b>loud</b>" in shown.text("details")
        assert shown.page.evaluate("document.querySelectorAll('img, b').length") == 0


def test_links_lead_to_what_was_written_and_to_nothing_that_was_not(browser: Browser, html: str) -> None:
    with browser.open(html) as shown:
        links = shown.page.evaluate("[...document.links].map(link => link.textContent)")
        assert sorted(links) == sorted([NASTY, "a.mp3", "b.lrc", "b.mp3", "b.txt", "c.mp3"])


def test_ten_thousand_songs_can_be_looked_through(browser: Browser) -> None:
    many = [replace(OUTCOMES[0], item=Item(f"/x/{number}.mp3"), score=number / 10_000) for number in range(10_000)]
    with browser.open(page(LibraryReport(many, Run("1.0", "abc", {}), Path("/x")))) as shown:
        shown.page.click("th >> text=score")
        shown.page.click("th >> text=score")
        assert seen(shown)[0] == "9999.mp3"


def test_a_name_that_a_browser_would_run_is_no_link() -> None:
    nasty = "JavaScript://%0aalert(1).mp3"
    made = page(LibraryReport((Outcome(Item(nasty), "failed", "no"),), Run("1.0", "abc", {}), Path("/x")))
    assert f'href="{nasty}"' not in made
    assert nasty in made
