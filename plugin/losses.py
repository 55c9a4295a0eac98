"""What is left out when timed text goes into a format, told to whoever converts it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from aligner_core.timeline import Alignment, Line, Span, enclosing

from .formats import FORMATS, LEVELS, Format, RenderOptions
from .formats.lrc import PAUSE

_PLURALS = {"voice": "voices", "section": "sections", "pitch": "pitches", "role": "which lines are translations"}
_ON_GRID = 1e-6  # seconds


def losses(form: Format, alignment: Alignment, options: RenderOptions, step: float = 0.0) -> tuple[str, ...]:
    """What of an alignment this format will not hold, in words; scores aside, and levels finer than one asked for.

    Args:
        step: seconds, of the times where they come from, 0: exact; a step that is no coarser loses nothing.
    """
    return tuple(dict.fromkeys([*_times(form, alignment, options, step), *_besides(form, alignment, options)]))


def _times(form: Format, alignment: Alignment, options: RenderOptions, step: float) -> Iterator[str]:
    if not form.levels:
        yield from ["all times"] * alignment.timed
        return
    level = form.level_for(options)
    for lost in form.losses(alignment, options):
        finer = lost.removeprefix("times of ").removesuffix("s")
        if lost == "lines without time":
            yield lost
        elif finer in LEVELS and finer in form.levels:
            yield from [] if options.level else [f"{lost} (--level {finer} writes them)"]
        elif finer in LEVELS and (not options.level or LEVELS.index(finer) <= LEVELS.index(options.level)):
            yield lost
    sung = [line for line in alignment.lines if line.timed and line.kind == "lyrics" and line.text.strip()]
    if level in form.starts_only and any(pause != 0 and pause <= PAUSE for pause in _pauses(sung)):
        yield "the ends of lines"
    if not form.bounds and any(enclosing(line.words) not in ((None, None), (line.start, line.end)) for line in sung):
        yield "how long lines last beyond their words"
    if form.step > step and any(_off_grid(span, form.step, LEVELS.index(level)) for span in sung):
        yield f"times finer than {form.step:f}".rstrip("0") + " s"


def _pauses(lines: Sequence[Line]) -> Iterator[float]:
    """Seconds between each line and the next, below 0 where they overlap."""
    for line, after in pairwise(sorted(lines, key=lambda line: line.start or 0.0)):
        yield (after.start or 0.0) - (line.end or 0.0)


def _off_grid(span: Span, step: float, depth: int) -> bool:
    """Whether rounding to steps moves an edge of the span or of what is in it, down to `depth` levels below."""
    edges = [edge for edge in (span.start, span.end) if edge is not None]
    if any(abs(round(edge / step) * step - edge) > _ON_GRID for edge in edges):
        return True
    return depth > 0 and any(_off_grid(child, step, depth - 1) for child in span.children)


def _besides(form: Format, alignment: Alignment, options: RenderOptions) -> Iterator[str]:
    kinds = {line.kind for line in alignment.lines}
    if form.name not in ("txt", "json"):
        yield from (f"{kind}s" for kind in ("heading", "comment") if kind in kinds)
    foreign = {known.name for known in FORMATS}
    if (
        form.name == "tsv"
        and form.level_for(options) == "line"
        and any("voice" in line.extra for line in alignment.lines)
    ):
        yield _PLURALS["voice"]  # whisper's three columns
    if form.name == "lrc" and any(_sung_beside(line) for line in alignment.lines):
        yield _PLURALS["role"]  # a second line of a singer is a line of its own
    for name in form.losses(alignment, options):
        owner, _, key = name.partition(":")
        if key and owner in foreign:
            yield f"what only {owner} holds"
        elif name != "lines without time" and not name.startswith("times of "):
            yield _PLURALS.get(name, name)


def _sung_beside(line: Line) -> bool:
    return "voice" in line.extra and line.extra.get("role") in ("translation", "romanisation")
