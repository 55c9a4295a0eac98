"""What Aegisub may ask for: times of lines, karaoke, old times made right, old times judged.

The lines become a script of their own, which is read and given new times as any other ASS file is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from aligner_core.errors import AlignmentError, LyricsError
from aligner_core.timeline import Alignment, Line, Word
from plugin.formats import KaraokeTag, Level, RenderOptions
from plugin.formats.ass import Ass, clock, events, line_of

from .job import Job, JobLine, Outcome

if TYPE_CHECKING:
    from aligner_core.align import Aligner
    from aligner_core.anchors import Part
    from aligner_core.evidence import Table

SAME = 0.3  # seconds between two times that the scores count as the same
JUST = 0.001  # seconds: less than a script can tell


@dataclass(frozen=True)
class Sheet:
    """The lines of a job as a script, and as the aligner sees them."""

    lines: tuple[JobLine, ...]

    @cached_property
    def script(self) -> str:
        """A row for each line."""
        return "".join(
            f"Dialogue: 0,{clock(line.start / 1000)},{clock(max(line.start, line.end) / 1000)},,,0,0,0,,{line.text}\n"
            for line in self.lines
        )

    @cached_property
    def text(self) -> Alignment:
        """The lines that have a text, with the times they have."""
        return Ass().parse(self.script)

    @cached_property
    def shown(self) -> tuple[JobLine, ...]:
        """Where each line of `text` is from."""
        return tuple(self.lines[event.row] for event in events(self.script) if line_of(event).text)

    def changed(self, timed: Alignment, options: RenderOptions) -> tuple[JobLine, ...]:
        """The lines that `timed` gives other times or tags, in multiples of 10 ms."""
        new = events(Ass().retimed(self.script, timed, options))
        pairs = ((self.lines[event.row], event) for event in new)
        out = (replace(line, start=event.start, end=event.end, text=event.text) for line, event in pairs)
        return tuple(line for line, old in zip(out, self.lines, strict=True) if line != old)

    def missing(self, timed: Alignment) -> tuple[str, ...]:
        """Keys of the lines with something to sing that have no time in `timed`."""
        found = {line.number for line in timed.lines if line.timed or line.kind != "lyrics"}
        return tuple(line.key for number, line in enumerate(self.shown, 1) if number not in found)


Task = Callable[["Aligner", "Table", Job, Sheet], Outcome]


def run(job: Job, hear: Callable[[str, Alignment], tuple[Aligner, Table]]) -> Outcome:
    """Do a job.

    Args:
        hear: what is heard in a sound file, and the aligner to work with it.

    Raises:
        AlignerError: as `Aligner.align_heard`, or the job makes no sense.
    """
    if job.task not in TASKS:
        raise LyricsError(f"{job.task!r} is no task", hint=", ".join(TASKS))
    sheet = Sheet(job.lines)
    if not sheet.lines or not sheet.text.lines:
        raise LyricsError("no line has a text", hint="select lines that are sung or said")
    return TASKS[job.task](*hear(job.audio, sheet.text), job, sheet)


def _lines(aligner: Aligner, heard: Table, job: Job, sheet: Sheet) -> Outcome:
    """New times for lines, and for the karaoke that is in them."""
    timed = _found(aligner, heard, job, sheet)
    return Outcome(sheet.changed(timed, RenderOptions("line")), missing=sheet.missing(timed))


def _syllables(aligner: Aligner, heard: Table, job: Job, sheet: Sheet) -> Outcome:
    """A karaoke tag for each syllable or word; tags that are there get new durations."""
    level, tag = job.options.get("level", "syllable"), job.options.get("tag", "kf")
    options = RenderOptions(cast(Level, level), cast(KaraokeTag, tag))
    if job.options.get("keep_times", "1") == "1":
        timed = _within(aligner, heard, sheet.text)
    else:
        timed = _found(aligner, heard, job, sheet)
    return Outcome(sheet.changed(timed, options), missing=sheet.missing(timed))


def _retime(aligner: Aligner, heard: Table, job: Job, sheet: Sheet) -> Outcome:
    """Old times made right; lines of scenes that are gone stay where they were."""
    timed = aligner.retime(heard, sheet.text, _number(job.options, "trust", 0.5)).as_written()
    return Outcome(sheet.changed(timed, RenderOptions("line")), missing=sheet.missing(timed))


def _check(aligner: Aligner, heard: Table, job: Job, sheet: Sheet) -> Outcome:
    """The lines whose times are less likely right than the threshold."""
    threshold = _number(job.options, "threshold", 0.5)
    found: dict[int, list[Line]] = {number: [] for number in range(1, len(sheet.shown) + 1)}
    for line in aligner.align_heard(heard, _bare(sheet.text)).lines:
        if line.kind != "lyrics":
            found.pop(line.number or 0, None)
        elif line.timed:
            found[line.number or 0].append(line)
    marks = {}
    for number, places in found.items():
        marks[sheet.shown[number - 1].key] = _doubt(sheet.text.lines[number - 1], places, threshold)
    return Outcome(marks=marks)


TASKS: Mapping[str, Task] = {"lines": _lines, "syllables": _syllables, "retime": _retime, "check": _check}


def _found(aligner: Aligner, heard: Table, job: Job, sheet: Sheet) -> Alignment:
    """Where lines are heard, with lead-ins and lead-outs."""
    part = _part(job, sheet, len(heard) * aligner.model.frame_seconds)
    timed = aligner.align_heard(heard, _bare(sheet.text), (), part).as_written()
    if not any(line.timed for line in timed.lines):
        raise AlignmentError("none of these lines is heard", job.audio, "is it the right sound?")
    lead, tail = (_number(job.options, name, 0) / 1000 for name in ("lead_in", "lead_out"))
    return replace(timed, lines=tuple(_with_leads(timed.lines, lead, tail)))


def _part(job: Job, sheet: Sheet, length: float) -> Part:
    from aligner_core.anchors import WHOLE, Part

    if job.options.get("where", "all") != "near":
        return WHOLE
    margin = _number(job.options, "margin", 10_000) / 1000
    start = min(line.start for line in sheet.shown) / 1000 - margin
    end = max(line.end for line in sheet.shown) / 1000 + margin
    return Part((1, len(sheet.shown)), max(0.0, start), min(length, end))


def _with_leads(lines: Sequence[Line], lead: float, tail: float) -> Iterable[Line]:
    """Lines that begin a little before their words and end after them, where their neighbours leave room."""
    order = [at for at, line in enumerate(lines) if line.timed]
    starts, ends = ({at: getattr(lines[at], name) for at in order} for name in ("start", "end"))
    first, last = dict(starts), dict(ends)
    for at in order:
        first[at], last[at] = max(0.0, starts[at] - lead), ends[at] + tail
    for a, b in pairwise(sorted(order, key=starts.__getitem__)):
        last[a] = min(last[a], max(ends[a], starts[b] - lead))
        first[b] = max(first[b], min(starts[b], last[a]))
    return (replace(line, start=first[at], end=last[at]) if at in first else line for at, line in enumerate(lines))


def _within(aligner: Aligner, heard: Table, text: Alignment) -> Alignment:
    """Each line in its own time, which it keeps: only what is in it is looked for, and all of it is said."""
    from aligner_core import Aligner

    exact = Aligner(aligner.model, exact=True)
    lines = (_inside(exact, heard, line) for line in text.lines)
    return replace(text, lines=tuple(replace(line, number=at) for at, line in enumerate(lines, 1)))


def _inside(aligner: Aligner, heard: Table, line: Line) -> Line:
    start, end, frame = line.start or 0.0, line.end or 0.0, aligner.model.frame_seconds
    bare = _bare(Alignment((line,)))
    try:
        timed = aligner.align_heard(heard[round(start / frame) : round(end / frame) + 1], bare)
    except (AlignmentError, LyricsError):  # too short, silent, or a heading
        return bare.lines[0]
    # Whoever retimes a line that begins with its words takes a lead-in to be wanted: these times are to stay.
    low, high = start + JUST, max(start + JUST, end - JUST)
    (new,) = timed.shifted(start).mapped(lambda second: min(max(second, low), high)).lines
    return replace(new, start=start, end=max(end, high)) if new.timed else new


def _doubt(old: Line, places: Sequence[Line], threshold: float) -> str:
    """What is to be said of a time that is there, "" if it is likely right."""
    if not places:
        return "not heard"
    near = min(places, key=lambda line: abs(_begin(line) - _begin(old)))
    late, score = _begin(near) - _begin(old), near.score or 0.0
    if abs(late) > SAME:
        side = "later" if late > 0 else "earlier"
        return f"heard {abs(late):.1f} s {side} ({100 * score:.0f}%)"
    return f"doubtful ({100 * score:.0f}%)" if score < threshold else ""


def _begin(line: Line) -> float:
    """Seconds at which the words of a line begin: a lead-in is no mistake."""
    return next((word.start for word in line.words if word.start is not None), line.start or 0.0)


def _bare(text: Alignment) -> Alignment:
    """The text without its times."""
    lines = (
        replace(line, start=None, end=None, score=None, words=tuple(Word(word.text) for word in line.words))
        for line in text.lines
    )
    return replace(text, lines=tuple(lines))


def _number(options: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(options.get(name, default))
    except ValueError as error:
        raise LyricsError(f"{options[name]!r} is no number", f"option {name}") from error
