r"""SYLT's stamped texts and the timed tree.

A frame that is finer than a line starts each line with "\n", the first one too, and a piece within a line carries its
own leading space: so does Kid3, whose handbook describes it. Without that first "\n" every text is a line. Files by
others are read as they come: "\n" only between lines or only at their ends, or words without any.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from aligner_core.timeline import Alignment, Line, Span, Syllable, Word, enclosing
from plugin.formats import Level

from .base import Marks, TagError

PAUSE = 4.0  # seconds of silence after which the text is cleared from the screen
LAST = 5000  # ms that the last text lasts if no mark tells
LONGEST = 2**32 - 1  # ms: what a frame has room for
_BREAK = "\r\n"
_UNFIT = re.compile("[\0-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")  # what ends a text or a line, or is no character
_Pieces = list[tuple[int, str]]


def clean(text: str) -> str:
    """The text with a space for every character that would end it, or its line."""
    return _UNFIT.sub(" ", text)


def to_marks(alignment: Alignment, level: Level) -> Marks:
    """Stamped texts in the order of time; an empty one where a pause follows and at the end.

    Raises:
        TagError: no line has a time, or one is later than a frame can hold.
    """
    lines = sorted(_sung(alignment), key=lambda line: line.start or 0.0)
    if not lines:
        raise TagError("no line has a time", hint="align it with its sound first")
    units = [list(_units(line, level)) for line in lines]
    begin = "\n" if any(len(each) > 1 for each in units) else ""
    marks: _Pieces = []
    for at, (line, each) in enumerate(zip(lines, units, strict=True)):
        after = lines[at + 1].start if at + 1 < len(lines) else None
        limit = math.inf if after is None else after  # chronological, the standard asks: the line that begins wins
        marks += [(_ms(min(start, limit)), text) for start, text in [(each[0][0], begin + each[0][1]), *each[1:]]]
        if limit - (end := line.end or 0.0) > PAUSE:
            marks.append((_ms(end), begin))
    return tuple(marks)


def from_marks(marks: Marks) -> Alignment:
    """The lines that stamped texts make. A text lasts until the next; where a line is one text, its words have no time.

    A text of no length at the beginning of a line is how words without a time are written.
    """
    lines = sorted(_grouped(marks), key=lambda pieces: pieces[0][0])
    fine = any(sum(bool(text.strip()) for _, text in pieces) > 1 for pieces in lines)
    made: list[Line] = []
    for at, pieces in enumerate(lines):
        start, last = pieces[0][0], pieces[-1][0]
        end = max(lines[at + 1][0][0] if at + 1 < len(lines) else last + LAST, start)
        if not any(text.strip() for _, text in pieces):
            continue
        if fine:
            made.append(_fine_line(pieces, end))
        else:
            rows = [row.strip() for _, text in pieces for row in re.split(r"[\r\n]+", text) if row.strip()]
            made += [Line(row, start / 1000, end / 1000, words=tuple(map(Word, row.split()))) for row in rows]
    return Alignment(tuple(made))


def _sung(alignment: Alignment) -> Iterator[Line]:
    for line in alignment.lines:
        if line.kind == "lyrics" and line.text.strip() and line.start is not None:
            yield line


def _units(line: Line, level: Level) -> Iterator[tuple[float, str]]:
    """Start and text of each piece, white space in front; what has no time goes with the piece before it."""
    start, text = line.start or 0.0, ""
    if level == "line" or not line.words:
        yield start, clean(line.text.strip())
        return
    gap = ""
    for word, piece in zip(line.words, line.pieces, strict=True):
        fine = level != "word" and any(syllable.timed for syllable in word.syllables)
        parts: tuple[Span, ...] = word.syllables if fine else (word,)
        for part in parts:
            if part.start is not None:
                if text:
                    yield start, text
                start, text = (part.start, "") if text else (min(start, part.start), "")
            text += clean(gap + part.text)
            gap = ""
        gap = piece[len(piece.rstrip()) :]
    yield start, text


def _ms(seconds: float) -> int:
    ms = round(seconds * 1000)
    if ms > LONGEST:
        raise TagError(f"{seconds:.0f} s is later than a tag can hold", hint=f"at most {LONGEST // 1000} s")
    return ms


def _grouped(marks: Marks) -> list[_Pieces]:
    """The texts of each line, none empty; a line that shows nothing is one of blank texts."""
    texts = [text for _, text in marks]
    if any(text[:1] in _BREAK for text in texts if text):
        begins = [text != "" and text[0] in _BREAK for text in texts]
    elif any(text[-1] in _BREAK for text in texts if text):
        begins = [False, *(text != "" and text[-1] in _BREAK for text in texts[:-1])]
    elif _are_words(texts):
        begins = [False, *_pauses(marks)]
    else:
        begins = [True] * len(texts)
    lines: list[_Pieces] = []
    for mark, fresh in zip(marks, begins, strict=True):
        if fresh or not lines:
            lines.append([])
        lines[-1].append(mark)
    return lines


def _are_words(texts: Sequence[str]) -> bool:
    """Whether these are words and syllables of lines that nothing separates: most touch a space, and few hold one."""
    filled = [text for text in texts if text.strip()]
    touching = sum(text != text.strip() for text in filled[1:])
    several = sum(len(text.split()) > 1 for text in filled)
    return touching * 2 > len(filled) > 2 and several * 4 < len(filled)


def _pauses(marks: Marks) -> list[bool]:
    """For each text but the first, whether a pause is before it: much longer than usual, and at least a second."""
    steps = [after - before for (before, _), (after, _) in pairwise(marks)]
    longest = max(1000, 2.5 * median(steps)) if steps else 0
    return [step > longest for step in steps]


def _fine_line(pieces: _Pieces, end: int) -> Line:
    joined, times, now = "", {}, pieces[0][0]
    follows = [at for at, _ in pieces[1:]] + [end]
    for number, ((at, raw), after) in enumerate(zip(pieces, follows, strict=True)):
        text = re.sub(r"[\r\n]+", " ", raw.lstrip(_BREAK) if not joined else raw)
        begin = min(max(at, now), end)
        now = min(max(after, begin), end)
        if text.strip() and (number or now > begin or len(pieces) == 1):
            times[len(joined) + len(text) - len(text.lstrip())] = (begin / 1000, now / 1000)
        joined += text
    places = sorted(times)
    words = tuple(_word(found[0], found.start(), times, places) for found in re.finditer(r"\S+", joined))
    return Line(joined.strip(), pieces[0][0] / 1000, max(end, pieces[0][0]) / 1000, words=words)


def _word(text: str, at: int, times: dict[int, tuple[float, float]], places: Sequence[int]) -> Word:
    """A word; pieces that begin inside it are its syllables."""
    inside = places[bisect_right(places, at) : bisect_left(places, at + len(text))]
    cuts = [at, *inside, at + len(text)]
    parts = tuple(Syllable(text[a - at : b - at], *times.get(a, (None, None))) for a, b in pairwise(cuts))
    return Word(text, *enclosing(parts), syllables=parts if len(parts) > 1 else ())
