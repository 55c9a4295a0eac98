"""TTML, as Apple Music has it: a `<p>` for each line, a `<span>` for each word or syllable.

    <p begin="00:00:12.000" end="00:00:13.100" ttm:agent="v1"><span begin=... end=...>When</span> <span ...

White space between spans is text; spans without any between are syllables of one word. Background voices,
translations and romanisations are spans with a role inside the `<p>` of their line. Times are counted from the
beginning in files that mention iTunes, as all players of lyrics take them, and from the parent in others, as the
standard says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from aligner_core.timeline import Alignment, Line

from .base import DEFAULTS, Format, Level, RenderOptions, timed_lines
from .pieces import Piece, cut
from .times import clock
from .ttml_reader import ROLES, read

_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML cannot hold


class Ttml(Format):
    """TTML with word times."""

    name = "ttml"
    extensions = (".ttml", ".dfxp")
    step = 0.001
    levels = ("line", "word", "syllable")
    default = "word"
    keeps = frozenset({"voice", "role", "section", "title", "language"})

    def parse(self, text: str) -> Alignment:
        """Read every `<p>` as a line, and what has a role in it as lines of their own after it."""
        return read(text)

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:
        """Write a `<p>` for each timed line, in a `<div>` for each section."""
        level = self.level_for(options)
        lines = [replace(line, words=()) if level == "line" else line for _, _, line in timed_lines(alignment)]
        voices = dict.fromkeys(line.extra["voice"] for line in lines if "voice" in line.extra)
        agents = {voice: f"v{number}" for number, voice in enumerate(voices, 1)}
        return "\n".join([*_head(alignment, agents, level), *_divs(_hosted(lines), agents, level), "</body></tt>", ""])


def _head(alignment: Alignment, agents: dict[str, str], level: Level) -> Iterator[str]:
    extra = alignment.extra
    language = f" xml:lang={_quoted(extra['language'])}" if "language" in extra else ""
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttm="http://www.w3.org/ns/ttml#metadata"'
        ' xmlns:itunes="http://music.apple.com/lyric-ttml-internal"'
        f' itunes:timing="{"Line" if level == "line" else "Word"}"{language}>'
    )
    yield "<head><metadata>"
    if "title" in extra:
        yield f"<ttm:title>{_escaped(extra['title'])}</ttm:title>"
    for voice, key in agents.items():
        name = "" if voice == key else f'<ttm:name type="full">{_escaped(voice)}</ttm:name>'
        yield f'<ttm:agent type="person" xml:id="{key}">{name}</ttm:agent>'
    yield "</metadata></head>"
    yield "<body>"


def _hosted(lines: Sequence[Line]) -> list[list[Line]]:
    """Each line with those after it that have a role beside it."""
    groups: list[list[Line]] = []
    for line in lines:
        if groups and line.extra.get("role") in ROLES.values():
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _divs(groups: Sequence[Sequence[Line]], agents: dict[str, str], level: Level) -> Iterator[str]:
    section: str | None = None
    for group in groups:
        here = group[0].extra.get("section", "")
        if here != section:
            yield from [] if section is None else ["</div>"]
            yield f"<div itunes:song-part={_quoted(here)}>" if here else "<div>"
            section = here
        yield _paragraph(group, agents, level)
    yield "</div>"


def _paragraph(group: Sequence[Line], agents: dict[str, str], level: Level) -> str:
    line = group[0]
    agent = agents.get(line.extra.get("voice", ""))
    told = f' ttm:agent="{agent}"' if agent else ""
    names = {role: name for name, role in ROLES.items()}
    inner = []
    for one in group:
        role, spans = names.get(one.extra.get("role", "")), _spans(one, level)
        language = f" xml:lang={_quoted(one.extra['language'])}" if "language" in one.extra else ""
        inner.append(f'<span ttm:role="{role}"{_times(one)}{language}>{spans}</span>' if role else spans)
    return f"<p{_times(line)}{told}>{''.join(inner)}</p>"


def _spans(line: Line, level: Level) -> str:
    out = []
    for piece in cut(line, level):
        body = piece.text.rstrip()
        untimed = piece.start is None
        out.append(_escaped(piece.text) if untimed else f"<span{_times(piece)}>{_escaped(body)}</span>")
        out.append("" if untimed else _escaped(piece.text[len(body) :]))
    return "".join(out)


def _times(span: Line | Piece) -> str:
    return f' begin="{clock(span.start or 0.0)}" end="{clock(span.end or 0.0)}"'


def _escaped(text: str) -> str:
    from xml.sax.saxutils import escape  # brings urllib

    rows = escape(_fit(text.replace("\r\n", "\n"))).replace("\r", "&#13;")
    return rows.replace("\n", "<br/>")


def _quoted(text: str) -> str:
    from xml.sax.saxutils import quoteattr

    return quoteattr(_fit(text))


def _fit(text: str) -> str:
    return _UNFIT.sub(lambda found: " " if found[0].isspace() else "\ufffd", text)
