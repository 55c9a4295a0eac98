"""JSON: all that is known, nothing lost. `parse(render(a)) == a`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, NoReturn

from aligner_core.errors import AlignmentError
from aligner_core.timeline import Alignment, Line

from .base import DEFAULTS, LEVELS, Format, FormatError, RenderOptions

_BELOW = ("lines", "words", "syllables", "phones")  # what the lists at depth 0, 1, 2, 3 are called
_SURROGATE = re.compile("[\ud800-\udfff]")


class Json(Format):
    """The dictionary of `Alignment.to_dict`: times in seconds or null, all levels, scores."""

    name = "json"
    extensions = (".json",)
    step = 0.0
    levels = LEVELS
    default = "phone"

    def parse(self, text: str) -> Alignment:
        """Read what `render` wrote; the place in an error is the line, or the path to the value."""
        try:
            data = json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            raise FormatError(f"not JSON: {error.msg}", f"{error.lineno}") from error
        except (RecursionError, ValueError) as error:  # ValueError: an integer of thousands of digits
            raise FormatError(f"not JSON: {error}", "1") from error
        if not isinstance(data, dict) or not isinstance(data.get("lines"), list):
            raise FormatError("no timed text: an object with a list of lines is needed", "1")
        _check(data, "", 0)
        return _build(data)

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:  # noqa: ARG002
        """All lines and all levels, whatever level is asked for."""
        text = json.dumps(alignment.to_dict(), ensure_ascii=False, indent=1)
        # Half of a pair, from a file name that is not UTF-8: legal in JSON as an escape, but not in UTF-8.
        return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _check(node: Any, place: str, depth: int) -> None:
    """See that a value at this place has the shape of a span, and all that is in it."""
    if not isinstance(node, dict):
        raise FormatError("an object is needed", place)
    if depth and not isinstance(node.get("text"), str):
        raise FormatError("a text is needed", f"{place}.text")
    for key in ("start", "end", "score") if depth else ():
        _check_number(node.get(key), f"{place}.{key}")
    if depth == 1 and node.get("number") is not None and not _is_count(node["number"]):
        raise FormatError("a whole number from 1 is needed", f"{place}.number")
    if not depth and not isinstance(node.get("audio"), str | None):
        raise FormatError("a file name or null is needed", "audio")
    if depth == len(_BELOW):
        return
    key = _BELOW[depth]
    children = node.get(key, [])
    inner = f"{place}.{key}".lstrip(".")
    if not isinstance(children, list):
        raise FormatError("a list is needed", inner)
    for i, child in enumerate(children):
        _check(child, f"{inner}[{i}]", depth + 1)


def _check_number(value: Any, place: str) -> None:
    # A bool is an int to Python; an int of 400 digits is finite but cannot be compared with seconds.
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9):
        raise FormatError("a number or null is needed", place)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 10**9


def _build(data: dict[str, Any]) -> Alignment:
    place = "version"
    lines: list[Line] = []
    try:
        alignment = Alignment.from_dict({**data, "lines": []})
        for i, line in enumerate(data["lines"]):
            place = f"lines[{i}]"
            lines += Alignment.from_dict({**data, "lines": [line]}).lines
    except AlignmentError as error:
        raise FormatError(error.what, place, error.hint) from error
    return replace(alignment, lines=tuple(lines))
