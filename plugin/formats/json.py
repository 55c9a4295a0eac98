"""JSON: all that is known, nothing lost. `parse(render(a)) == a`. Reads the segments of whisper and its kin too."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, NoReturn

from aligner_core.errors import AlignmentError
from aligner_core.timeline import VERSION, Alignment, Line, Word, enclosing

from .base import DEFAULTS, LEVELS, Format, FormatError, RenderOptions
from .fitting import Shelf, fitted

_BELOW = ("lines", "words", "syllables", "phones")  # what the lists at depth 0, 1, 2, 3 are called
_SURROGATE = re.compile("[\ud800-\udfff]")


class Json(Format):
    """The dictionary of `Alignment.to_dict`: times in seconds or null, all levels, scores."""

    name = "json"
    extensions = (".json",)
    step = 0.0
    levels = LEVELS
    default = "phone"

    def losses(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> tuple[str, ...]:  # noqa: ARG002
        """Nothing."""
        return ()

    def parse(self, text: str) -> Alignment:
        """Read what `render` wrote; the place in an error is the line, or the path to the value."""
        try:
            data = json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            raise FormatError(f"not JSON: {error.msg}", f"{error.lineno}") from error
        except (RecursionError, ValueError) as error:  # ValueError: an integer of thousands of digits
            raise FormatError(f"not JSON: {error}", "1") from error
        if isinstance(data, dict) and isinstance(data.get("segments"), list) and "lines" not in data:
            data = _from_segments(data["segments"])
        if not isinstance(data, dict) or not isinstance(data.get("lines"), list):
            raise FormatError("no timed text: an object with a list of lines is needed", "1")
        _check(data, "", 0)
        return _build(data)

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:  # noqa: ARG002
        """All lines and all levels, whatever level is asked for."""
        text = json.dumps(alignment.to_dict(), ensure_ascii=False, indent=1)
        # Half of a pair, from a file name that is not UTF-8: legal in JSON as an escape, but not in UTF-8.
        return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def _from_segments(segments: list[Any]) -> dict[str, Any]:
    """Our form of `{"segments": [{"start", "end", "text", "words": [{"word", "start", "end", "score"}]}]}`."""
    lines = []
    for at, segment in enumerate(segments):
        place = f"segments[{at}]"
        _check({**segment, "words": []} if isinstance(segment, dict) else segment, place, 1)
        words = segment.get("words") or []
        if not isinstance(words, list) or not all(isinstance(word, dict) for word in words):
            raise FormatError("a list of objects is needed", f"{place}.words")
        lines.append(_from_segment(segment, [_from_word(word, f"{place}.words[{i}]") for i, word in enumerate(words)]))
    return {"version": VERSION, "audio": None, "lines": lines}


def _from_segment(segment: dict[str, Any], words: list[Word]) -> dict[str, Any]:
    text, (first, last) = segment["text"].strip(), enclosing(words)
    start, end = segment.get("start"), segment.get("end")
    if start is None or end is None:
        start, end = first, last
    else:
        start, end = max(0.0, start), max(0.0, start, end)
    timed = Shelf([word for word in words if word.timed]).within(start, end) if start is not None and end else ()
    (line,) = Alignment((Line(text, start, end, words=fitted(text, timed)),)).to_dict()["lines"]
    found: dict[str, Any] = line
    return found


def _from_word(word: dict[str, Any], place: str) -> Word:
    text = word.get("word", word.get("text"))
    if not isinstance(text, str):
        raise FormatError("a text is needed", f"{place}.word")
    start, end, score = word.get("start"), word.get("end"), word.get("score", word.get("probability"))
    for key, value in (("start", start), ("end", end), ("score", score)):
        _check_number(value, f"{place}.{key}")
    if start is None or end is None or not 0 <= start <= end:
        start = end = None
    return Word(text.strip(), start, end, None if score is None else min(max(score, 0.0), 1.0))


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
