"""Plain lyrics: no times; every character and every blank line is kept."""

from __future__ import annotations

from aligner_core.timeline import Alignment, untimed_line

from .base import DEFAULTS, Format, RenderOptions, refuse_foreign, refuse_long, split_rows


class Txt(Format):
    """Plain lyrics, a line a row."""

    name = "txt"
    extensions = (".txt",)
    step = 0.0
    levels = ()

    def parse(self, text: str) -> Alignment:
        """Untimed lyrics. Timed text under the name of plain lyrics is refused: its stamps would be taken for words."""
        refuse_foreign(text, self.name)
        refuse_long(text)
        return Alignment(tuple(map(untimed_line, split_rows(text))))

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:  # noqa: ARG002
        """All lines, headings, blank lines and comments included."""
        return "".join(f"{line.text}\n" for line in alignment.lines)
