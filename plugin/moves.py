"""Times moved on their way from one file to another: shifted, stretched, taken to another rate of frames."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from aligner_core.timeline import Alignment

from .formats import ass, times
from .formats.base import rows_and_ends

if TYPE_CHECKING:
    from fractions import Fraction

_TIME = re.compile(r"([+-]?[0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s)?")
_EVENT = re.compile(r"(\s*(?:Dialogue|Comment)\s*:[^,]*,\s*)([0-9:.]+)(\s*,\s*)([0-9:.]+)(?=\s*,)", re.IGNORECASE)
_CUE = re.compile(r"(\s*)([0-9:]+,[0-9]{3})(\s*-->\s*)([0-9:]+,[0-9]{3})(?![0-9])")
_CLOCK = re.compile(r"([0-9]{1,3}):([0-9]{1,2}):([0-9]{1,2})[.,]([0-9]{1,3})")
_NTSC = {"23.976": 24, "23.98": 24, "29.97": 30, "47.952": 48, "59.94": 60, "119.88": 120}  # by 1000/1001


@dataclass(frozen=True, slots=True)
class Move:
    """From old times to new ones.

    Args:
        stretch: what times are multiplied by, before any shift.
        shift: seconds later.
    """

    stretch: float = 1.0
    shift: float = 0.0

    def of(self, alignment: Alignment) -> Alignment:
        """The alignment with the new times; what would begin before 0 begins at 0.

        Raises:
            AlignmentError: the numbers are not finite, or the factor is not positive.
        """
        return alignment.stretched(self.stretch).shifted(self.shift)

    def along(self, old: str, new: str) -> str:
        """A script or SRT whose lines have moved, with the rest of it moved along: comments, effects, drawings.

        Args:
            old, new: the file before and after; rows that are the same are those whose times are not read.
        """
        rows, before = rows_and_ends(new), rows_and_ends(old)
        if self == Move() or len(rows) != len(before):
            return new
        return "".join(
            self._moved(row) if at % 2 == 0 and row == was else row
            for at, (row, was) in enumerate(zip(rows, before, strict=True))
        )

    def _moved(self, row: str) -> str:
        for pattern, clock in ((_EVENT, ass.clock), (_CUE, functools.partial(times.clock, point=","))):
            found = pattern.match(row)
            clocks = [_CLOCK.fullmatch(found[at]) for at in (2, 4)] if found else []
            if found and clocks[0] and clocks[1]:
                start, end = (clock(self._second(one)) for one in clocks if one)
                return f"{found[1]}{start}{found[3]}{end}{row[found.end() :]}"
        return row

    def _second(self, clock: re.Match[str]) -> float:
        hours, minutes, whole, fraction = clock.groups()
        at = (int(hours) * 60 + int(minutes)) * 60 + float(f"{whole}.{fraction}")
        return max(0.0, at * self.stretch + self.shift)


def frame_rate(text: str) -> Fraction:
    """Frames a second: "25", "30000/1001"; "23.976" and the like are what they stand for, 24000/1001.

    Raises:
        ValueError: it is none.
    """
    from fractions import Fraction

    exact = Fraction(_NTSC[text] * 1000, 1001) if text in _NTSC else Fraction(text)
    if not 1 <= exact <= 1000:
        raise ValueError(f"{text} frames a second")
    return exact


def seconds(text: str) -> float:
    """The seconds of "1.5", "1.5s" or "-300ms".

    Raises:
        ValueError: it is none of these.
    """
    found = _TIME.fullmatch(text.strip())
    return (float(found[1]) / 1000 if found[2] == "ms" else float(found[1])) if found else float(text)


def move_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options --shift, --stretch and --fps, which the command gets together as its argument `move`."""

    @functools.wraps(command)
    def with_move(*args: Any, shift: float, stretch: float, fps: Fraction | int, **others: Any) -> Any:
        return command(*args, move=Move(float(stretch * fps), shift), **others)

    for option in (
        click.option(
            "--fps", callback=_fps, metavar="FROM:TO",
            help="The times are for FROM frames a second, and are wanted for TO: 25:23.976.",
        ),
        click.option(
            "--stretch", type=float, default=1.0, metavar="K", help="Multiply all times by K, before any shift."
        ),
        click.option(
            "--shift", callback=_shift, default="0", metavar="S", help="All times later by S: 1.2, 1.2s or -300ms."
        ),
    ):  # fmt: skip
        with_move = option(with_move)
    return with_move


def _fps(ctx: click.Context, param: click.Parameter, value: str | None) -> Fraction | int:
    if value is None:
        return 1
    try:
        before, after = map(frame_rate, value.split(":"))
    except (ValueError, ZeroDivisionError) as error:
        raise click.BadParameter(f"{value!r} is not FROM:TO, such as 25:23.976", ctx, param) from error
    return before / after


def _shift(ctx: click.Context, param: click.Parameter, value: str) -> float:
    try:
        return seconds(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no time such as 1.2, 1.2s or -300ms", ctx, param) from error
