"""Pages in a real browser: Debian's Chromium, driven by Playwright; where it is absent tests are skipped, saying so."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

ROOT = Path(__file__).resolve().parent.parent
NPM = ROOT / "bench-out" / "npm"  # packages for tests only
READY = 20_000  # ms


def program() -> str:
    """Chromium's name, or the test is skipped."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("needs Chromium: apt-get install chromium")
    return found


@functools.cache
def npm(package: str) -> Path | None:
    """The folder of a package of npm, fetched if it is not there; None: it cannot be had."""
    folder = NPM / "node_modules" / package.split("@", maxsplit=1)[0]
    if not folder.exists() and shutil.which("npm"):
        NPM.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(NPM), package]
        try:
            subprocess.run(command, check=False, capture_output=True, timeout=90)
        except subprocess.TimeoutExpired:
            return None
    return folder if folder.exists() else None


@dataclass
class Shown:
    """A page that is open, and what the browser told of it."""

    page: Any
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector: str) -> str:
        return str(self.page.text_content(selector))

    def seek(self, second: float) -> None:
        self.page.evaluate("t => { document.getElementById('audio').currentTime = t; }", second)
        self.until("!document.getElementById('audio').seeking")

    def until(self, expression: str) -> None:
        """Wait until it holds; Playwright's own way would be stopped by the page's policy."""
        for _ in range(READY // 20):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(20)
        raise TimeoutError(expression)

    def time(self) -> float:
        return float(self.page.evaluate("document.getElementById('audio').currentTime"))

    def saved(self, form: str) -> str:
        """What the page saves in this format."""
        self.page.select_option("#format", form)
        with self.page.expect_download() as caught:
            self.page.click("#save")
        return Path(caught.value.path()).read_text("utf-8")

    def tree(self) -> Any:
        return json.loads(self.saved("json"))

    def view(self) -> tuple[float, float]:
        """The seconds that are seen."""
        self.page.wait_for_timeout(60)
        got = self.page.evaluate(
            "(({from, to}) => [from, to].map(Number))(document.getElementById('timeline').dataset)"
        )
        return got[0], got[1]

    def at(self, second: float, lane: int) -> tuple[float, float]:
        """Where on the screen a time of the picture is, so many pixels from its top."""
        box = self.page.locator("#timeline").bounding_box()
        start, end = self.view()
        return box["x"] + (second - start) / (end - start) * box["width"], box["y"] + lane

    def drag(self, begin: float, end: float, lane: int) -> None:
        """Take what is at a time in a lane, and let it go at another."""
        self.page.locator("#timeline").scroll_into_view_if_needed()
        mouse = self.page.mouse
        mouse.move(*self.at(begin, lane))
        mouse.down()
        mouse.move(*self.at((begin + end) / 2, lane))
        mouse.move(*self.at(end, lane))
        mouse.up()


class Browser:
    """Opens pages that lie in a folder."""

    def __init__(self, browser: Any, folder: Path) -> None:
        self.browser, self.folder = browser, folder

    @contextmanager
    def open(self, html: str | Path, **context: Any) -> Iterator[Shown]:
        """A page, ready; at the end it must have had no error and asked for nothing but itself and its own sound."""
        path = html if isinstance(html, Path) else self.folder / "page.html"
        if isinstance(html, str):
            path.write_text(html, "utf-8")
        inside = self.browser.new_context(**{"viewport": {"width": 1280, "height": 1000}, **context})
        shown = Shown(inside.new_page())
        shown.page.on("request", lambda request: shown.requests.append(request.url))
        shown.page.on("pageerror", lambda error: shown.errors.append(str(error)))
        shown.page.on("console", lambda said: shown.errors.append(said.text) if said.type == "error" else None)
        try:
            shown.page.goto(path.as_uri())
            shown.page.wait_for_selector("html[data-ready]", state="attached", timeout=READY)
            yield shown
            assert shown.errors == []
            assert [url for url in shown.requests if not re.match(r"file:|blob:null|data:", url)] == []
        finally:
            inside.close()


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """The browser, as long as it is needed."""
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program(), args=arguments)
        yield Browser(browser, folder)
        browser.close()
