"""Plain prose as subtitles: cut into cues, and cues into rows, each where it costs least.

Both cuts are shortest paths over the words. A cue costs something itself, more if it is full, short or hard to read in
its time, and what `clauses` says of the place where it ends; a pause makes a cut cheaper, and nothing is shown across a
long one. Words keep their times; one that has none is laid between its neighbours, for the edges of cues only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from aligner_core.errors import AlignerError
from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Word

from .clauses import cut_costs, ends_sentence, width

PAUSE = 1.5  # seconds between two words that never share a cue
_BRIEF = 0.8  # seconds: a cue that lasts less is hard to see
_LINGER = 2.0  # seconds that a cue may stay after its last word, to be read
_CUE, _FULL, _SENTENCE_INSIDE, _GAP_INSIDE, _TOO_BRIEF, _TOO_FAST = 3.0, 4.0, 1.0, 3.0, 5.0, 10.0  # costs
_ROW, _WIDE = 1000.0, 6.0  # a row costs more than any place to cut: as few as can be


@dataclass(frozen=True, slots=True)
class Limits:
    """What fits on the screen.

    Args:
        max_chars: characters in a row; a word that is longer has a row of its own.
        max_lines: rows in a cue.
        max_cps: characters that can be read in a second, or None: as fast as it is said.

    Raises:
        AlignerError: not positive.
    """

    max_chars: int = 42
    max_lines: int = 2
    max_cps: float | None = None

    def __post_init__(self) -> None:
        if self.max_chars < 1 or self.max_lines < 1 or not (self.max_cps is None or 0 < self.max_cps < math.inf):
            raise AlignerError("limits of cues must be more than 0")


def broken(alignment: Alignment, limits: Limits) -> Alignment:
    """The text in cues, each a line whose rows end in "\\n"; lines without time, and lines that fit, stay as they are.

    Words and their order stay. A line that is longer than a row and goes on in the next, as prose does, is one text
    with it. Rows and their number never exceed the limits, but for a word that is longer than a row.
    """
    lines = [cue for group in _groups(alignment.lines, limits) for cue in _cues(group, limits)]
    return replace(alignment, lines=tuple(_lingering(lines, limits)))


def too_fast(alignment: Alignment, limits: Limits) -> int:
    """The number of cues that are gone before they can be read."""
    pace = limits.max_cps or math.inf
    return sum(line.timed and _size(line.text) > pace * line.duration + 1e-6 for line in alignment.lines)


def _groups(lines: Sequence[Line], limits: Limits) -> Iterator[list[Line]]:
    group: list[Line] = []
    for line in lines:
        if group and not _goes_on(group[-1], line, limits):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _goes_on(line: Line, after: Line, limits: Limits) -> bool:
    """Whether a sentence was cut where the row was full."""
    if not _sung(line) or not _sung(after) or line.extra != after.extra or (after.start or 0.0) < (line.end or 0.0):
        return False
    full = width(line.text.strip()) > limits.max_chars
    return full and not ends_sentence(line.text.split()[-1]) and after.text.strip()[0].islower()


def _sung(line: Line) -> bool:
    return line.kind == "lyrics" and line.timed and bool(line.words)


def _cues(group: Sequence[Line], limits: Limits) -> Iterator[Line]:
    words = [word for line in group for word in line.words]
    if not _sung(group[0]) or (len(group) == 1 and _fits(group[0], limits)):
        yield from group
        return
    times = [edges for line in group for edges in _filled(line)]
    first, last = times[0][0], times[-1][1]
    cuts = best_cuts(len(words), _cue_costs(words, times, limits))
    extra = Extra.of({name: value for name, value in group[0].extra.items() if not name.endswith(":markup")})
    for a, b in pairwise(cuts):
        start = min(first, group[0].start or 0.0) if a == 0 else times[a][0]
        end = max(last, group[-1].end or 0.0) if b == len(words) else times[b - 1][1]
        text = _in_rows([word.text for word in words[a:b]], limits)
        yield Line(text, start, end, group[0].score, tuple(words[a:b]), extra=extra)


def _fits(line: Line, limits: Limits) -> bool:
    rows = [row.strip() for row in line.text.strip().split("\n")]
    short = len(rows) <= limits.max_lines and all(width(row) <= limits.max_chars for row in rows)
    return short and all(b[0] - a[1] < PAUSE for a, b in pairwise(_filled(line)))


def _filled(line: Line) -> list[tuple[float, float]]:
    """Start and end of each word, seconds; words without time share what is left to them by their lengths."""
    out: list[tuple[float, float]] = []
    now, waiting = line.start or 0.0, list[Word]()
    for word in [*line.words, Word("", line.end, line.end)]:
        if word.start is None or word.end is None:
            waiting.append(word)
            continue
        marks = list(accumulate((width(one.text) + 1 for one in waiting), initial=0))
        share = max(0.0, word.start - now) / (marks[-1] or 1)
        out += [(min(now + a * share, word.start), min(now + b * share, word.start)) for a, b in pairwise(marks)]
        out.append((word.start, word.end))
        now, waiting = word.end, []
    return out[:-1]


Costs = Callable[
    [int], Iterator[float]
]  # of the pieces that begin at a word: of 1 word, of 2 and so on, while they fit


def best_cuts(count: int, costs: Costs) -> list[int]:
    """Where to cut `count` words, 0 and `count` included, so that the pieces together cost least.

    Of cuts that cost the same, those with the longest pieces first.
    """
    best, before = [0.0] + [math.inf] * count, [0] * (count + 1)
    for first in range(count):
        for last, cost in zip(range(first + 1, count + 1), costs(first), strict=False):
            if best[first] + cost < best[last]:
                best[last], before[last] = best[first] + cost, first
    cuts = [count]
    while cuts[-1]:
        cuts.append(before[cuts[-1]])
    return cuts[::-1]


def _cue_costs(words: Sequence[Word], times: Sequence[tuple[float, float]], limits: Limits) -> Costs:
    texts = [word.text for word in words]
    sizes, places = list(map(width, texts)), cut_costs(texts)
    gaps = [max(0.0, b[0] - a[1]) for a, b in pairwise(times)] + [math.inf]
    inside = [_SENTENCE_INSIDE * ends_sentence(text) + _GAP_INSIDE * gap for text, gap in zip(texts, gaps, strict=True)]

    def costs(first: int) -> Iterator[float]:
        rows, row, size, crossed = 1, sizes[first], sizes[first], 0.0
        for at in range(first, len(texts)):
            if at > first:
                size += 1 + sizes[at]
                rows, row = (rows, row + 1 + sizes[at]) if row + 1 + sizes[at] <= limits.max_chars else (
                    rows + 1, sizes[at])  # fmt: skip
            if rows > limits.max_lines:
                return
            seconds = times[at][1] - times[first][0]
            readable = seconds + min(_LINGER, gaps[at])
            yield crossed + places[at] / (1 + 4 * gaps[at]) + _shape(size, seconds, readable, limits)
            if gaps[at] >= PAUSE:
                return
            crossed += inside[at]

    return costs


def _shape(size: int, seconds: float, readable: float, limits: Limits) -> float:
    """What a cue costs by itself: its fullness, squared so that equal ones are best, and how long it can be seen."""
    full = size / (limits.max_chars * limits.max_lines)
    brief = max(0.0, 1 - seconds / _BRIEF)
    haste = max(0.0, size / (limits.max_cps * max(readable, 0.04)) - 1) if limits.max_cps else 0.0
    return _CUE + _FULL * full * full + _TOO_BRIEF * brief + _TOO_FAST * min(haste, 10.0)


def _in_rows(texts: Sequence[str], limits: Limits) -> str:
    """As few rows as can be, alike in length."""
    sizes, places = list(map(width, texts)), cut_costs(texts)

    def costs(first: int) -> Iterator[float]:
        row = -1
        for at in range(first, len(texts)):
            row += 1 + sizes[at]
            if row > limits.max_chars and at > first:
                return
            yield _ROW + places[at] + _WIDE * min(row / limits.max_chars, 9.0) ** 2

    cuts = best_cuts(len(texts), costs)
    return "\n".join(" ".join(texts[a:b]) for a, b in pairwise(cuts))


def _lingering(lines: Sequence[Line], limits: Limits) -> Iterator[Line]:
    """Cues that go by too fast stay until they can be read, as long as nothing else is shown."""
    starts = sorted((line.start, at) for at, line in enumerate(lines) if line.start is not None)
    room = {at: after for (_, at), (after, _) in pairwise([*starts, (math.inf, -1)])}
    for at, line in enumerate(lines):
        if at not in room or limits.max_cps is None or line.kind != "lyrics":
            yield line
            continue
        start, end = line.start or 0.0, line.end or 0.0
        wanted = min(start + _size(line.text) / limits.max_cps, end + _LINGER)
        yield replace(line, end=max(end, min(wanted, room[at])))


def _size(text: str) -> int:
    return width(" ".join(text.split()))
