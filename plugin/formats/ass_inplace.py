r"""A script with new times: every byte as it was but the times of the lines that were found, and their karaoke tags.

Tags keep their place and kind; their durations are counted anew. A pause that has no tag gets one, `{\k30}`. Lines that
tell karaoke by `\kt`, counted from their start, keep their tags. Lines without tags get some only where a level is
asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from aligner_core.timeline import Alignment, Line

from .ass import Event, Mark, blocks, centis, clock, events, line_of, marks, tags
from .base import KaraokeTag, Level, RenderOptions, rows_and_ends
from .moving import by_line, moved, with_margins
from .pieces import Piece, cut

_ABSOLUTE = re.compile(r"\\kt")
_HIDDEN = re.compile(r"\\p[1-9]")
_SHOWN = re.compile(r"\\[Nnh\u2060]|[^\\]|\\", re.DOTALL)  # one character of text each

Edit = tuple[int, int, str]  # a part of a text, and what stands there then


def retimed(text: str, alignment: Alignment, options: RenderOptions) -> str:
    """The script with the times of `alignment`.

    Raises:
        FormatError: it is no script, or the alignment is of another text.
    """
    known = [(event, line) for event in events(text) if (line := line_of(event)).text]
    new = by_line(Alignment(tuple(line for _, line in known)), alignment)
    parts = rows_and_ends(text)
    for at, line in new.items():
        event, old = known[at]
        if _times(old) != _times(line):
            parts[2 * event.row] = _edited(parts[2 * event.row], _edits(event, old, line, options))
    return "".join(parts)


def _times(line: Line) -> list[tuple[float | None, float | None]]:
    spans = (line, *line.words, *(part for word in line.words for part in word.syllables))
    return [(span.start, span.end) for span in spans]


def _edits(event: Event, old: Line, new: Line, options: RenderOptions) -> Iterator[Edit]:
    cuts = marks(event.start, event.text)
    tagged = [mark for mark in cuts if mark.at]
    inside: Iterable[Edit] = ()
    if tagged:
        groups = list(_highlights(cuts))
        pieces = [Piece("".join(mark.text for mark in group), *_seconds(group[0], group[-1])) for group in groups]
        new = with_margins(pieces, old, new)
        if not _ABSOLUTE.search(event.text):
            timed = [group for group in groups if group[0].at]
            times = [time for group, span in zip(timed, moved(pieces, old, new), strict=True)
                     for time in _shared(group, *span)]  # fmt: skip
            inside = _durations(event.text, tagged, times, new)
    elif options.level and options.level != "line":
        inside = _new_tags(event.text, new, options.level, options.tag)
    yield from _clock(event, "start", event.start, new.start or 0.0)
    yield from _clock(event, "end", event.end, new.end or 0.0)
    first, _ = event.fields["text"]
    yield from ((first + a, first + b, with_) for a, b, with_ in inside)


def _highlights(cuts: Sequence[Mark]) -> Iterator[list[Mark]]:
    """Each mark with those that are further highlights of the same text (`#|`)."""
    group: list[Mark] = []
    for mark in cuts:
        if group and not (mark.joined and group[0].at):
            yield group
            group = []
        group.append(mark)
    yield group


def _shared(group: Sequence[Mark], start: float, end: float) -> Iterator[tuple[float, float]]:
    """The time of a text among its highlights as they shared it, seconds."""
    lengths = [(mark.end or 0) - (mark.start or 0) for mark in group]
    edges = [sum(lengths[:at]) / (sum(lengths) or 1) for at in range(len(group))]
    return pairwise([*(start + (end - start) * edge for edge in edges), end])


def _seconds(first: Mark, last: Mark) -> tuple[float | None, float | None]:
    return (None, None) if first.start is None or last.end is None else (first.start / 1000, last.end / 1000)


def _clock(event: Event, name: str, ms: int, seconds: float) -> Iterator[Edit]:
    if centis(seconds) * 10 != ms:
        first, last = event.fields[name]
        yield first, last, clock(seconds)


def _durations(text: str, tagged: Sequence[Mark], times: Sequence[tuple[float, float]], line: Line) -> list[Edit]:
    """New numbers for the tags, in centiseconds, and tags for pauses that have none."""
    out: list[Edit] = []
    now = centis(line.start or 0.0)
    for at, (mark, (start, end)) in enumerate(zip(tagged, times, strict=True)):
        assert mark.at is not None
        begin, stop = centis(start), centis(end)
        if not mark.text.strip() and not mark.joined:  # a pause, to where the next tag begins
            stop = centis(times[at + 1][0] if at + 1 < len(times) else line.end or end)
        elif begin > now:
            out.append(_pause(text, mark.at[0], begin - now, [other.at for other in tagged[:at] if other.at]))
            now = begin
        out.append((*mark.at, str(max(0, stop - now))))
        now = max(now, stop)
    rest = centis(line.end or 0.0) - now
    if rest > 0:
        out.append((len(text), len(text), rf"{{\k{rest}}}"))
    return out


def _pause(text: str, number: int, duration: int, before: Sequence[tuple[int, int]]) -> Edit:
    """A tag for a pause, in a block before that of the tag whose number stands at `number`."""
    block = text.rindex("{", 0, number)
    if any(at > block for at, _ in before):  # not the first tag of its block
        block = text.rindex("\\", 0, number)
        return block, block, rf"\k{duration}"
    return block, block, rf"{{\k{duration}}}"


def _new_tags(text: str, line: Line, level: Level, tag: KaraokeTag) -> Iterator[Edit]:
    """Tags for a line that has none."""
    if not any(word.timed for word in line.words):
        return
    places = list(_places(text))
    shown = "".join(character for _, character in places)
    at = len(shown) - len(shown.lstrip())
    pieces = cut(replace(line, text=shown.strip()), level)
    *before, rest = tags(line.start or 0.0, line.end or 0.0, pieces, tag)
    for piece, lead in zip(pieces, before, strict=True):
        if lead:
            yield places[at][0], places[at][0], lead
        at += len(piece.text)
    if rest:
        yield len(text), len(text), rest


def _places(text: str) -> Iterator[tuple[int, str]]:
    """Where each character that is shown stands in the text of an event, drawings aside."""
    done, hidden = 0, False
    for first, last in [*blocks(text), (len(text), len(text))]:
        if not hidden:
            for found in _SHOWN.finditer(text, done, first):
                yield (
                    found.start(),
                    "\n" if found[0] in (r"\N", r"\n") else "\u00a0" if found[0] == r"\h" else found[0][:1],
                )
        done = last
        hidden = bool(_HIDDEN.search(text, first, last)) or (hidden and r"\p0" not in text[first:last])


def _edited(row: str, edits: Iterator[Edit]) -> str:
    for first, last, with_ in sorted(edits, key=lambda edit: edit[:2], reverse=True):
        kept = row[first:last]
        head, tail = kept[: len(kept) - len(kept.lstrip())], kept[len(kept.rstrip()) :] if kept.strip() else ""
        row = row[:first] + head + with_ + tail + row[last:]
    return row
