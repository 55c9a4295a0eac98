"""When lines are shown, which is earlier and longer than they are sung; the times of their words never change.

Each voice is looked at by itself: its lines never come to overlap where they did not before. In ASS the time between
the start of a line and its first syllable is a tag without text, so karaoke stays on the beat.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aligner_core.errors import AlignerError
from aligner_core.timeline import Alignment


@dataclass(frozen=True, slots=True)
class Display:
    """How long lines are shown, seconds.

    Args:
        lead_in: a line comes that much before it is sung.
        min_show: a line stays that long at least.
        close_gaps: a line stays until the next one comes, if that is sooner than this: no flicker.

    Raises:
        AlignerError: below 0, or no number.
    """

    lead_in: float = 0.0
    min_show: float = 0.0
    close_gaps: float = 0.0

    def __post_init__(self) -> None:
        if not all(0 <= seconds < math.inf for seconds in (self.lead_in, self.min_show, self.close_gaps)):
            raise AlignerError("seconds of display must be 0 or more")


Times = dict[int, tuple[float, float]]  # start and end, seconds, by the index of the line


def shown(alignment: Alignment, display: Display) -> Alignment:
    """The alignment with the times at which each line is on the screen.

    No line comes later or goes earlier than before, and none before 0. Where there is too little room between two lines
    of a voice, the first one's shortest time goes before the second one's lead-in.
    """
    tracks: dict[tuple[str, str], list[list[int]]] = {}
    sung = [(line.start, line.end or 0.0, at) for at, line in enumerate(alignment.lines)
            if line.start is not None and line.kind == "lyrics"]  # fmt: skip
    times: Times = {at: (start, end) for start, end, at in sung}
    for start, _, at in sorted(sung):
        extra = alignment.lines[at].extra
        rows = tracks.setdefault((extra.get("voice", ""), extra.get("role", "")), [])
        free = next((row for row in rows if times[row[-1]][1] <= start), None)
        if free is None:
            rows.append(free := [])
        free.append(at)
    for rows in tracks.values():
        for row in rows:
            _lengthen(row, times, display)
    return replace(alignment, lines=tuple(
        replace(line, start=times[at][0], end=times[at][1]) if at in times else line
        for at, line in enumerate(alignment.lines)))  # fmt: skip


def _lengthen(row: Sequence[int], times: Times, display: Display) -> None:
    """Args: row: lines one after another, none of which overlap."""
    before = 0.0  # when the line before is gone
    for number, at in enumerate(row):
        start, end = times[at]
        room = times[row[number + 1]][0] if number + 1 < len(row) else math.inf
        start = max(before, start - display.lead_in)
        end = max(end, min(start + display.min_show, room))
        start = max(before, min(start, end - display.min_show))  # where the time after it did not do
        if number and 0 < start - before < display.close_gaps:
            times[row[number - 1]] = times[row[number - 1]][0], start
        times[at] = start, end
        before = end
