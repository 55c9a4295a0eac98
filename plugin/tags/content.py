"""What an entry says as timed text, and timed text as what an entry may hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from aligner_core.timeline import Alignment
from plugin.formats import FormatError, Level, RenderOptions, by_name

from .base import Entry, TagError
from .marks import clean, from_marks, to_marks

Content = Literal["marks", "plain", "lrc", "elrc"]
_LRC = re.compile(r"^\s*\[(?:[0-9]{1,2}:)?[0-9]{1,3}:[0-9]{1,2}(?:[.:,][0-9]{1,3})?\]", re.MULTILINE)
_RANK = {1: 0, 0: 1, 2: 2}  # of SYLT's contents: lyrics, other, transcription


def entry_of(alignment: Alignment, slot: str, content: Content, level: Level, language: str, description: str) -> Entry:
    """The entry for a slot.

    Raises:
        AlignerError: a timed one of lyrics without times.
    """
    if content == "marks":
        return Entry(slot, "", to_marks(alignment, level), language, description)
    text = _plain(alignment) if content == "plain" else _lrc(alignment, "line" if content == "lrc" else level)
    named = slot == "USLT"
    return Entry(slot, text, (), language if named else "", description if named else "")


def is_timed(entry: Entry) -> bool:
    """Whether an entry has times."""
    return bool(entry.marks) or bool(_LRC.search(entry.text))


def alignment_of(entry: Entry) -> Alignment:
    """The lyrics of an entry, with times where it has any.

    Raises:
        TagError: they look like LRC and are not.
    """
    if entry.marks:
        return from_marks(entry.marks)
    if is_timed(entry):
        try:
            return by_name("lrc").parse(entry.text)
        except FormatError as error:
            raise TagError(f"line {error.where} of {entry.slot}: {error.what}", hint=error.hint) from error
    return Alignment.from_text(entry.text)


def best(entries: Iterable[Entry]) -> Alignment | None:
    """The lyrics of the entry that knows most: times of words, else of lines, else the text; lyrics before anything
    else, then the first in the file. None: there are none.

    Raises:
        TagError: nothing but entries that cannot be read.
    """
    found: list[tuple[tuple[int, int], Alignment]] = []
    failed: TagError | None = None
    for entry in entries:
        try:
            lyrics = alignment_of(entry)
        except TagError as error:
            failed = error
            continue
        if any(line.text.strip() for line in lyrics.lines):
            found.append(((_fineness(lyrics), _RANK.get(entry.content, 3)), lyrics))
    if failed and not found:
        raise failed
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _fineness(lyrics: Alignment) -> int:
    if not lyrics.timed:
        return 2
    return 0 if any(word.timed for word in lyrics.words) else 1


def _plain(alignment: Alignment) -> str:
    """All lines but comments, each once, in the order of the text."""
    rows = [clean(line.text).rstrip() for line in alignment.as_written().lines if line.kind != "comment"]
    return "\n".join(rows).strip("\n")


def _lrc(alignment: Alignment, level: Level) -> str:
    rows = by_name("lrc").render(alignment, RenderOptions(level)).split("\n")
    return "\n".join(map(clean, rows)).rstrip("\n")
