"""What a person may tell `karalign align` beforehand: known times, a part, how far old times can be trusted."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from aligner_core.errors import AlignmentError, LyricsError

from .files import read_text
from .formats import FormatError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from aligner_core.align import Aligner
    from aligner_core.anchors import Anchor, Part
    from aligner_core.timeline import Alignment

FIXED = "json:fixed"  # the extra of a line that tells which of its words, from 1, were set by hand
_CLOCK = re.compile(r"(?:(?:([0-9]{1,3}):)?([0-9]{1,3}):)?([0-9]{1,6}(?:\.[0-9]{1,9})?)")
_LINES = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")


@dataclass(frozen=True)
class Hints:
    """The options of `hint_options`.

    Args:
        exact: sound and text do not differ.
        trust: in the times of the text, None: they are not looked at.
        keep_times: they are right.
        anchors: name of a file of times.
        part: what is to be timed.
    """

    exact: bool
    trust: float | None
    keep_times: bool
    anchors: str | None
    part: Part

    def check(self, text: Alignment, lyrics: str) -> frozenset[int]:
        """See before any work begins that text and hints agree; gives the numbers of the lines that are asked for.

        Raises:
            AlignerError: they do not, or the file of anchors is none.
        """
        from aligner_core.anchors import checked, choose
        from aligner_core.text import mark

        if self.trust is not None and not text.timed:
            raise LyricsError("has no times that could be trusted", lyrics, "leave out --trust")
        marked = mark(text)
        try:
            checked(self.known(text), marked, math.inf)
        except AlignmentError as error:
            raise AlignmentError(error.what, self.anchors or lyrics, error.hint) from error
        try:
            return frozenset(at + 1 for at in choose(self.part, marked, math.inf).lines)
        except AlignmentError as error:
            raise AlignmentError(error.what, lyrics, error.hint) from error

    def known(self, text: Alignment) -> list[Anchor]:
        """The words whose times are known: those that were set by hand in a page, and those that the options tell.

        Raises:
            FormatError, LyricsError: the file of anchors is none.
        """
        from aligner_core.anchors import kept_times
        from aligner_core.text import mark

        marked = mark(text)
        fixed = _read(self.anchors) if self.anchors else []
        kept = kept_times(marked) if self.keep_times else []
        if self.keep_times and not kept:
            raise LyricsError("no line has a time that could be kept", hint="a file with times")
        for more in (list(_by_hand(marked)), kept):  # the file goes before a hand, and that before the other times
            said = {(anchor.line, anchor.word) for anchor in fixed}
            fixed += [anchor for anchor in more if (anchor.line, anchor.word) not in said]
        return fixed

    def aligned(self, aligner: Aligner, heard: ArrayLike, text: Alignment) -> Alignment:
        """The text with times, (frames, symbols) heard.

        Raises:
            AlignerError: as `Aligner.align_heard` and `Aligner.retime`.
        """
        if self.trust is not None:
            return aligner.retime(heard, text, self.trust)
        return aligner.align_heard(heard, text, self.known(text), self.part)


def _by_hand(text: Alignment) -> Iterator[Anchor]:
    """Each word that a line says was set by hand: "1 3" are its first and its third word."""
    from aligner_core.anchors import Anchor

    for number, line in enumerate(text.lines, 1):
        fixed = line.extra.get(FIXED, "").split()
        for at, word in enumerate(line.words, 1):
            if str(at) in fixed and word.start is not None:
                yield Anchor(number, at, word.start, word.end)


def hint_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that the command gets together as its argument `hints`."""

    @functools.wraps(command)
    def with_hints(
        *args: Any, exact: bool, trust: float | None, keep_times: bool, anchors: str | None,
        lines: tuple[int, int] | None, from_: float | None, to: float | None, **others: Any,
    ) -> Any:  # fmt: skip
        from aligner_core.anchors import Part

        part = Part(lines, from_, to)
        if trust is not None and (keep_times or anchors or part != Part()):
            raise click.UsageError(
                "--trust times all lines: it goes with no --keep-times, --anchors, --lines, --from, --to"
            )
        return command(*args, hints=Hints(exact, trust, keep_times, anchors, part), **others)

    for option in reversed(_OPTIONS):
        with_hints = option(with_hints)
    return with_hints


def seconds(time: str) -> float:
    """Seconds of "62.345", "1:02.345" or "1:01:02.345".

    Raises:
        ValueError: it is none of these.
    """
    if not (found := _CLOCK.fullmatch(time.strip())):
        raise ValueError(f"{time!r} is no time")
    hours, minutes, rest = found.groups(default="0")
    return round(int(hours) * 3600 + int(minutes) * 60 + float(rest), 9)


def clock_time(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """The seconds of an option."""
    try:
        return None if value is None else seconds(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}; m:ss.mmm or seconds", ctx, param) from error


def line_range(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """The first and the last line that an option names."""
    if value is None:
        return None
    if not (found := _LINES.fullmatch(value)):
        raise click.BadParameter(f"{value!r} is not like 12-20 or 12", ctx, param)
    return int(found[1]), int(found[2] or found[1])


_OPTIONS = (
    click.option("--exact", is_flag=True, help="The text is sung from its beginning to its end, and nothing else."),
    click.option(
        "--trust", type=click.FloatRange(0, 1), metavar="X",
        help="Make the times in LYRICS right: 0 goes by the sound alone, 1 by these times, corrected as a whole.",
    ),
    click.option("--keep-times", is_flag=True, help="Times in LYRICS are right; find only those that are missing."),
    click.option("--anchors", metavar="FILE", help='Right times: [{"line": 12, "word": 3, "time": "1:02.345"}, ...].'),
    click.option(
        "--lines", metavar="A-B", callback=line_range, help="Time these lines only; the others stay as they are."
    ),
    click.option("--from", "from_", metavar="TIME", callback=clock_time, help="Time only what is sung after m:ss.mmm."),
    click.option("--to", metavar="TIME", callback=clock_time, help="Time only what is sung before m:ss.mmm."),
)  # fmt: skip


def _read(path: str) -> list[Anchor]:
    try:
        data = json.loads(read_text(path).text)
    except (RecursionError, ValueError) as error:
        raise FormatError(f"not JSON: {error}", path) from error
    if not isinstance(data, list):
        raise FormatError("a list of times is needed", path, '[{"line": 12, "word": 3, "time": "1:02.345"}]')
    return [_anchor(entry, f"{path}: [{at}]") for at, entry in enumerate(data)]


def _anchor(entry: Any, where: str) -> Anchor:
    from aligner_core.anchors import Anchor

    if not isinstance(entry, dict) or not {"line", "time"} <= set(entry) <= {"line", "word", "time", "end"}:
        raise FormatError("no fixed time", where, "line and time, and word and end if wanted")
    for key in ("line", "word"):
        if not isinstance(entry.get(key, 1), int) or isinstance(entry.get(key, 1), bool):
            raise FormatError(f"{entry[key]!r} is no number of a {key}", where, "a whole number from 1")
    end = None if entry.get("end") is None else _moment(entry["end"], where)
    return Anchor(entry["line"], entry.get("word", 1), _moment(entry["time"], where), end)


def _moment(value: Any, where: str) -> float:
    if isinstance(value, str):
        try:
            return seconds(value)
        except ValueError as error:
            raise FormatError(str(error), where, "m:ss.mmm or seconds") from error
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise FormatError(f"{value!r} is no time", where, "m:ss.mmm or seconds")
    return float(value)
