"""Translations: not looked for in the sound, shown with the line that is sung."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from plugin import load
from plugin.beside import put_back, set_apart
from plugin.formats import by_name

if TYPE_CHECKING:
    from conftest import Karalign, Listener

TEXT = "[00:01.00]Hallo Welt\n[00:01.00]Hello world\n[00:05.00]zwei\n[00:05.00]two\n[00:09.00]\n"


def test_translations_have_no_words_to_look_for_and_come_back_with_the_times_of_their_lines() -> None:
    text = by_name("lrc").parse(TEXT)
    assert [word.text for word in set_apart(text).words] == ["Hallo", "Welt", "zwei"]
    assert put_back(set_apart(text)) == text


def test_align_gives_translations_the_times_of_what_is_sung(
    karalign: Karalign, listener: Listener, song: Path, tmp_path: Path
) -> None:
    (tmp_path / "old.lrc").write_text(TEXT, "utf-8")
    assert karalign("align", song, tmp_path / "old.lrc", "-o", tmp_path / "new.lrc", "--level", "line").code == 0
    new = load(tmp_path / "new.lrc")
    assert [(line.text, line.start, line.extra.get("role")) for line in new.lines] == [
        ("Hallo Welt", 0.0, None),
        ("Hello world", 0.0, "translation"),
        ("zwei", 1.0, None),
        ("two", 1.0, "translation"),
    ]
