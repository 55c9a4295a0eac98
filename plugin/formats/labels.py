"""Audacity labels: `start`, `end`, `text` in rows parted by tabs, seconds with six decimals.

A label track has one level: lines, words or syllables. Read again, each label is a line.
"""

from __future__ import annotations

import re

from aligner_core.timeline import Alignment, Line, Word

from .base import (
    DEFAULTS,
    Format,
    FormatError,
    RenderOptions,
    one_row,
    refuse_foreign,
    refuse_long,
    split_rows,
    timed_lines,
)
from .pieces import cut

_ROW = re.compile(r"\s*(-?)([0-9]{1,9}(?:[.,][0-9]{1,12})?)\t(-?)([0-9]{1,9}(?:[.,][0-9]{1,12})?)(?:\t(.*))?")


class Labels(Format):
    """Audacity label tracks."""

    name = "labels"
    extensions = (".labels.txt", ".labels")
    step = 1e-6
    levels = ("line", "word", "syllable")
    flat = True
    times_one_word = True

    def parse(self, text: str) -> Alignment:
        """Read the labels in the order of the file; rows of frequencies, and labels without text, are passed over."""
        refuse_long(text)
        lines = []
        for number, row in enumerate(split_rows(text.lstrip("\ufeff")), 1):
            if row.startswith("\\") or not row.strip():
                continue
            if not (found := _ROW.fullmatch(row)):
                refuse_foreign(text, self.name)
                raise FormatError(
                    f"{row.strip()[:40]!r} is no label", str(number), "START<tab>END<tab>text, in seconds"
                )
            start, end = (0.0 if found[n] else float(found[n + 1].replace(",", ".")) for n in (1, 3))  # none below 0
            if shown := (found[5] or "").strip():
                lines.append(_line(shown, start, max(start, end)))
        if not lines:
            raise FormatError("no label", "1", "START<tab>END<tab>text, in seconds")
        return Alignment(tuple(lines))

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:
        """Write a label for each line, word or syllable that was found, by time."""
        level = self.level_for(options)
        rows = []
        for start, end, line in timed_lines(alignment):
            unfound = ""  # words before the first that was found, shown with it
            for piece in cut(line, level):
                if piece.start is None or piece.end is None:
                    unfound = piece.text
                    continue
                rows.append((piece.start, piece.end, unfound + piece.text))
                unfound = ""
            rows += [(start, end, unfound)] if unfound else []
        rows.sort(key=lambda row: row[0])
        return "".join(f"{start:.6f}\t{end:.6f}\t{one_row(text).strip()}\n" for start, end, text in rows)


def _line(text: str, start: float, end: float) -> Line:
    words = text.split()
    if len(words) == 1:
        return Line(text, start, end, words=(Word(words[0], start, end),))
    return Line(text, start, end, words=tuple(map(Word, words)))
