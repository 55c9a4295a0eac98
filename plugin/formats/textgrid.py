"""Praat's TextGrid: a tier of intervals for each level, long or short form.

The intervals of a tier fill it from end to end, so lines that overlap are written to further tiers ("lines 2",
"words 2"), and what lasts no time is not written. Voices are tiers of their own, named as the Montreal Forced Aligner
names them ("Ann - words"). The lines tier has the full text of a line; words without a time are found there only.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace

from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Phone, Span, Syllable, Word

from .base import DEFAULTS, LEVELS, Format, FormatError, RenderOptions, timed_lines
from .fitting import Shelf, fitted, runs

_TOKEN = re.compile(  # the number in "intervals [12]:" is none
    r'"([^"]*(?:""[^"]*)*)"|<(exists|absent)>|(?<![\w."\[])(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![\w."])|(")'
)
_LEVEL = {"line": "line", "utterance": "line", "sentence": "line", "word": "word", "syllable": "syllable",
          "syll": "syllable", "phone": "phone", "phoneme": "phone", "segment": "phone"}  # fmt: skip
_NAME = re.compile(rf"(?:(.*?)\s*-\s*)?({'|'.join(_LEVEL)})s?(?:\s+([0-9]+))?", re.IGNORECASE)
_SILENT = frozenset({"sil", "sp", "spn", "<eps>", "<sil>", "#"})  # of words and phones, as aligners write them
_LARGEST = 1e9  # seconds


@dataclass(frozen=True, slots=True)
class _Tier:
    name: str
    spans: tuple[tuple[float, float, str], ...]


class TextGrid(Format):
    """Praat's tiers."""

    name = "textgrid"
    extensions = (".textgrid",)
    step = 0.0
    levels = LEVELS
    default = "phone"
    shortest = 1e-9
    sparse = False
    keeps = frozenset({"voice"})

    def parse(self, text: str) -> Alignment:
        """Read the tiers of lines, words, syllables and phones; a file with other names: its first tier as lines."""
        tiers = list(_tiers(text))
        lines = [line for group in _groups(tiers) for line in _lines(group)]
        return Alignment(tuple(sorted(lines, key=lambda line: line.start or 0.0)))

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:
        """Write the long form; times are exact."""
        levels = LEVELS[: LEVELS.index(self.level_for(options)) + 1]
        lines = [line for start, end, line in timed_lines(alignment) if end > start]
        if not lines:
            raise FormatError("no line lasts any time")
        last = max(line.end or 0.0 for line in lines)
        tiers = [tier for name, group in _apart(lines) for tier in _written(name, group, levels)]
        head = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {last!r}"]
        rows = [*head, "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
        for number, tier in enumerate(tiers, 1):
            rows += _tier_rows(number, tier, last)
        return "\n".join([*rows, ""])


def _apart(lines: Sequence[Line]) -> Iterator[tuple[str, list[Line]]]:
    """Lines of one voice that don't overlap, with what tells them from the others: "", "Ann", "2", "Ann 2"."""
    groups: dict[str, list[list[Line]]] = {}
    for line in lines:
        tracks = groups.setdefault(" ".join(line.extra.get("voice", "").split()), [])
        free = next((track for track in tracks if (track[-1].end or 0.0) <= (line.start or 0.0)), None)
        if free is None:
            tracks.append(free := [])
        free.append(line)
    for voice, tracks in groups.items():
        for number, track in enumerate(tracks, 1):
            yield f"{voice} - %s" * bool(voice) + "%s" * (not voice) + f" {number}" * (number > 1), track


def _written(name: str, lines: Sequence[Line], levels: Sequence[str]) -> Iterator[_Tier]:
    spans: list[Span] = list(lines)
    for level in levels:
        found = [(span.start, span.end, span.text.strip()) for span in spans if span.timed]
        if not found:
            return
        yield _Tier(name.replace("%s", f"{level}s"), tuple(
            (a, b, text) for a, b, text in found if a is not None and b is not None and b > a and text))  # fmt: skip
        spans = [child for span in spans for child in span.children]


def _tier_rows(number: int, tier: _Tier, last: float) -> Iterator[str]:
    spans = []
    now = 0.0
    for start, end, text in tier.spans:
        spans += [(now, start, "")] if start > now else []
        spans.append((start, end, text))
        now = end
    spans += [(now, last, "")] if last > now else []
    yield f"    item [{number}]:"
    yield '        class = "IntervalTier"'
    yield f"        name = {_quoted(tier.name)}"
    yield "        xmin = 0"
    yield f"        xmax = {last!r}"
    yield f"        intervals: size = {len(spans)}"
    for at, (start, end, text) in enumerate(spans, 1):
        yield f"        intervals [{at}]:"
        yield f"            xmin = {start!r}"
        yield f"            xmax = {end!r}"
        yield f"            text = {_quoted(text)}"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


class _Tokens:
    """Texts and numbers of a file, all else (names of fields, in the long form) passed over."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found = iter(_TOKEN.finditer(text))
        self.at = 0

    def next(self) -> re.Match[str]:
        """The next text or number."""
        found = next(self.found, None)
        if found is None or found[4]:
            self.at = len(self.text) if found is None else found.start()
            raise self.error("the file ends too soon" if found is None else "a text is not closed")
        self.at = found.start()
        return found

    def string(self) -> str:
        """The next, which must be a text."""
        if (found := self.next())[1] is None:
            raise self.error(f"{found[0]} is no text")
        return found[1].replace('""', '"')

    def number(self) -> float:
        """The next, which must be a number."""
        if (found := self.next())[3] is None:
            raise self.error(f"{found[0][:40]} is no number")
        if not abs(value := float(found[3])) < _LARGEST:
            raise self.error(f"{found[0][:40]} is out of range")
        return value

    def error(self, what: str) -> FormatError:
        """With the row of the last token."""
        return FormatError(" ".join(what.split()), str(self.text.count("\n", 0, self.at) + 1), "is it a TextGrid?")


def _tiers(text: str) -> Iterator[_Tier]:
    tokens = _Tokens(text.replace("\r\n", "\n").replace("\r", "\n"))
    if not tokens.string().startswith("ooTextFile") or tokens.string() != "TextGrid":
        raise tokens.error("the first rows do not tell a TextGrid")
    tokens.number(), tokens.number()
    if tokens.next()[2] != "exists":
        return
    for _ in range(int(tokens.number())):
        kind, name = tokens.string(), tokens.string()
        tokens.number(), tokens.number()
        count = int(tokens.number())
        points = kind == "TextTier"
        yield _Tier(name, tuple(_span(tokens, points) for _ in range(count)))


def _span(tokens: _Tokens, point: bool) -> tuple[float, float, str]:
    start = max(0.0, tokens.number())
    return start, start if point else max(start, tokens.number()), tokens.string()


def _groups(tiers: Sequence[_Tier]) -> Iterator[tuple[str, dict[str, _Tier]]]:
    """The tiers that belong together, by level, and whose voice they are."""
    groups: dict[tuple[str, str], dict[str, _Tier]] = {}
    for tier in tiers:
        if found := _NAME.fullmatch(tier.name.strip()):
            groups.setdefault((found[1] or "", found[3] or ""), {}).setdefault(_LEVEL[found[2].lower()], tier)
    if not groups and tiers:
        groups["", ""] = {"line": tiers[0]}
    for (voice, _), group in groups.items():
        yield voice, group


def _lines(group: tuple[str, dict[str, _Tier]]) -> Iterator[Line]:
    voice, tiers = group
    phones = [Phone(text, a, b) for a, b, text in _spoken(tiers.get("phone"), _SILENT)]
    shelf = Shelf(phones)
    syllables = [Syllable(text, a, b, phones=shelf.within(a, b)) for a, b, text in _spoken(tiers.get("syllable"))]
    below = Shelf(syllables), Shelf(phones)
    rows = _spoken(tiers.get("line"))
    silent = frozenset[str]() if rows else _SILENT  # lines tell whether "sp" is a word
    words = [_word(text, a, b, *below) for a, b, text in _spoken(tiers.get("word"), silent)]
    if not rows and words:
        rows = [
            (group[0].start or 0.0, max(word.end or 0.0 for word in group), " ".join(word.text for word in group))
            for group in runs(words)
        ]
    said = Shelf(words)
    for start, end, text in rows:
        line = Line(text, start, end, words=fitted(text, said.within(start, end)))
        yield replace(line, extra=Extra.of({"voice": voice}))


def _spoken(tier: _Tier | None, silent: Container[str] = ()) -> list[tuple[float, float, str]]:
    """What is said in a tier, by time, without white space around it."""
    spans = [(a, b, text.strip()) for a, b, text in (tier.spans if tier else ())]
    return sorted(
        ((a, b, text) for a, b, text in spans if text and text.lower() not in silent), key=lambda span: span[0]
    )


def _word(text: str, start: float, end: float, syllables: Shelf[Syllable], phones: Shelf[Phone]) -> Word:
    text = "".join(text.split())
    parts = syllables.within(start, end)
    if parts and "".join(part.text for part in parts) == text:
        return Word(text, start, end, syllables=parts)
    inside = phones.within(start, end)
    return Word(text, start, end, syllables=(Syllable(text, start, end, phones=inside),) if inside else ())
