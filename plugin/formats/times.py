"""Times as cues have them: `00:00:01,000 --> 00:00:02,000`, and what people make of that."""

from __future__ import annotations

import re

from .base import FormatError

TIME = r"(-?)(?:([0-9]{1,4}):)?([0-9]{1,4}):([0-9]{1,2})(?:[.,]([0-9]{1,3}))?"
_TIMING = re.compile(rf"\s*{TIME}\s*--?>\s*{TIME}(?![0-9:])")
_LIKE_TIMING = re.compile(r"\s*-?[0-9].*-->")


def timing(row: str, number: int) -> re.Match[str] | None:
    """A row of two times, groups 1-5 and 6-10 the parts of them, or None: it is another row.

    Raises:
        FormatError: it looks like one, but its times are none; `number` is that of the row, from 0.
    """
    found = _TIMING.match(row)
    if not found and _LIKE_TIMING.match(row):
        raise FormatError(f"{row.strip()!r} is no time row", str(number + 1), "HH:MM:SS,mmm --> HH:MM:SS,mmm")
    return found


def span(found: re.Match[str]) -> tuple[float, float]:
    """Start and end in seconds; no time is below 0, and none ends before it starts."""
    fields = found.groups(default="")
    start, end = seconds(*fields[:5]), seconds(*fields[5:10])
    return start, max(start, end)


def seconds(sign: str, hours: str, minutes: str, whole: str, fraction: str) -> float:
    """From the groups of `TIME`; the digits of the fraction are decimal, whatever their number."""
    total = (int(hours or 0) * 60 + int(minutes)) * 60 + int(whole)
    return 0.0 if sign else (total * 1000 + int(fraction.ljust(3, "0"))) / 1000


def clock(at: float, point: str = ".") -> str:
    """`HH:MM:SS.mmm`, or with another point."""
    minutes, millis = divmod(round(at * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{millis // 1000:02}{point}{millis % 1000:03}"
