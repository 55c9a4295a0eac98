r"""SYLT's stamped texts and the timed tree.

A frame that is finer than a line starts each line with "\n", the first one too, and a piece within a line carries its
own leading space: so does Kid3, whose handbook describes it. Without that first "\n" every text is a line. Files by
others are read as they come: "\n" only between lines or only at their ends, or words without any.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from aligner_core.timeline import Alignment, Line, Word
from plugin.beside import is_beside, translated
from plugin.formats import FormatError, Level
from plugin.formats.base import timed_lines
from plugin.formats.lrc import LAST, PAUSE
from plugin.formats.pieces import Piece, assemble, cut

from .base import Marks, TagError

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
    try:
        lines = [line for _, _, line in timed_lines(alignment)]
    except FormatError as error:
        raise TagError(error.what, hint="align it with its sound first") from error
    units = [list(_units(line, level)) for line in lines]
    begin = "\n" if any(len(each) > 1 for each in units) else ""
    if begin and not all(map(is_beside, lines)):  # a translation would cut the words short that it is shown with
        units = [each for line, each in zip(lines, units, strict=True) if not is_beside(line)]
        lines = [line for line in lines if not is_beside(line)]
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

    A text of no length at the beginning of a line is how words without a time are written. Of lines that begin at once
    the second is a translation, as in LRC, which players make of them.
    """
    lines = sorted(_grouped(marks), key=lambda pieces: pieces[0][0])
    fine = any(sum(bool(text.strip()) for _, text in pieces) > 1 for pieces in lines)
    made: list[Line] = []
    starts = sorted({pieces[0][0] for pieces in lines})
    for pieces in lines:
        start, last = pieces[0][0], pieces[-1][0]
        after = bisect_right(starts, start)
        end = starts[after] if after < len(starts) else max(last, start) + LAST
        if not any(text.strip() for _, text in pieces):
            continue
        if fine:
            made.append(_fine_line(pieces, end))
        else:
            rows = [row.strip() for _, text in pieces for row in re.split(r"[\r\n]+", text) if row.strip()]
            made += [Line(row, start / 1000, end / 1000, words=tuple(map(Word, row.split()))) for row in rows]
    return Alignment(tuple(made if fine else translated(made)))


def _units(line: Line, level: Level) -> Iterator[tuple[float, str]]:
    """Start and text of each piece, white space in front; a first one without a time begins with the next."""
    pieces, gap = cut(line, level), ""
    first = next((piece.start for piece in pieces if piece.start is not None), line.start or 0.0)
    for piece in pieces:
        body = piece.text.rstrip()
        yield first if piece.start is None else piece.start, clean(gap + body)
        gap = piece.text[len(body) :]


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


def _fine_line(marks: _Pieces, end: int) -> Line:
    pieces: list[Piece] = []
    begun = False  # whether any text came
    for (at, raw), after in zip(marks, [*(at for at, _ in marks[1:]), end], strict=True):
        text = re.sub(r"[\r\n]+", " ", raw if begun else raw.lstrip(_BREAK))
        begun = begun or bool(text)
        untimed = not pieces and len(marks) > 1 and min(after, end) <= at
        pieces.append(Piece(text) if untimed else Piece(text, at / 1000, after / 1000))
    start = marks[0][0]
    return assemble(pieces, start / 1000, max(end, start) / 1000)
