"""Pictures of the page for docs/page.md: python -m benchmarks.page_pictures

The example song is aligned with lyrics in which one line is not sung and one is wrong, so that there is something to
doubt. Needs Chromium and playwright.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SONG = ROOT / "examples" / "amazing-grace.mp3"
PICTURES = ROOT / "docs" / "pictures"
WIDE, PHONE = {"width": 1280, "height": 1080}, {"width": 390, "height": 1480}


def lyrics() -> str:
    """The words of the song, one line changed and one too many."""
    text = (ROOT / "examples" / "amazing-grace.txt").read_text("utf-8")
    wrong = text.replace("Was blind, but now I see.", "Was deaf, but yesterday I heard.")
    return wrong.rstrip() + "\nThrough many dangers, toils and snares\n"


def run(*arguments: str | Path) -> None:
    """A karalign command."""
    subprocess.run([str(Path(sys.executable).with_name("karalign")), *map(str, arguments)], cwd=ROOT, check=True)


def press(page: Any, keys: str) -> None:
    """Keys, one after the other, and a moment for the picture."""
    for key in keys.split():
        page.keyboard.press(key)
    page.evaluate("document.getElementById('audio').pause()")
    page.wait_for_timeout(700)


def light(page: Any) -> None:
    """The worst doubt."""
    press(page, "n n")
    page.evaluate("document.getElementById('audio').currentTime = 36.2")


def dark(page: Any) -> None:
    """Karaoke, in the middle of a line."""
    page.evaluate("document.getElementById('audio').currentTime = 18.4")
    press(page, "v")


def zoomed(page: Any) -> None:
    """Words, syllables and sounds, and one syllable picked."""
    page.evaluate("document.getElementById('audio').currentTime = 8.4")
    press(page, "ArrowRight Shift+ArrowRight Shift+ArrowRight + + + +")


def phone(page: Any) -> None:
    """On a small screen."""
    page.evaluate("document.getElementById('audio').currentTime = 16.4")
    press(page, "ArrowRight k")


LOOKS: dict[str, tuple[str, dict[str, int], str, Callable[[Any], None]]] = {
    "page-light": ("page", WIDE, "light", light), "page-dark": ("page", {"width": 1280, "height": 720}, "dark", dark),
    "page-zoomed": ("page", {"width": 1280, "height": 620}, "dark", zoomed),
    "page-phone": ("page", PHONE, "light", phone), "page-compared": ("compared", WIDE, "light", light),
}  # fmt: skip


def main() -> None:
    """Write all pictures."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name)
        (folder / "lyrics.txt").write_text(lyrics(), "utf-8")
        timed, truth = folder / "timed.json", ROOT / "examples" / "amazing-grace.truth.json"
        run("align", SONG, folder / "lyrics.txt", "-o", timed, "--show", folder / "page.html")
        run("show", SONG, timed, "-o", folder / "compared.html", "--against", truth)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for picture, (stem, size, scheme, act) in LOOKS.items():
            options: Any = {"viewport": size, "color_scheme": scheme}
            page = browser.new_page(**options)
            page.goto((folder / f"{stem}.html").as_uri())
            page.wait_for_selector("html[data-ready]", state="attached")
            act(page)
            page.wait_for_timeout(300)
            page.screenshot(path=PICTURES / f"{picture}.png")
            page.close()


if __name__ == "__main__":
    main()
