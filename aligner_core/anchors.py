"""What a person knows beforehand: where words begin, and which part of a text is to be timed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .errors import AlignmentError
from .text import readings
from .timeline import Alignment, Line, Word, enclosing


@dataclass(frozen=True, slots=True, order=True)
class Anchor:
    """A word whose time is known.

    Args:
        line, word: which word of which line of the text, from 1.
        start: seconds; it begins exactly there.
        end: seconds, or None: not known. A word with both is not looked for in the sound.
    """

    line: int
    word: int
    start: float
    end: float | None = None

    def __str__(self) -> str:
        word = f", word {self.word}," if self.word > 1 else ""
        return f"line {self.line}{word} is fixed at {clock(self.start)}"


@dataclass(frozen=True, slots=True)
class Part:
    """Of a text and its sound, what is to be timed.

    Args:
        lines: the first and the last line, from 1; None: those that belong to the seconds.
        start, end: seconds; None: what the times of the neighbouring lines leave.
    """

    lines: tuple[int, int] | None = None
    start: float | None = None
    end: float | None = None


WHOLE = Part()


@dataclass(frozen=True, slots=True)
class Chosen:
    """A part made out in a text.

    Args:
        lines: indices of the lines to be timed.
        beside: of other lines that may be heard there too.
        start, end: seconds in which they are looked for.
    """

    lines: frozenset[int]
    beside: frozenset[int]
    start: float
    end: float


def kept_times(lyrics: Alignment) -> list[Anchor]:
    """The times that a marked text has already, each as an anchor.

    Of a line whose words have no times only the start is known. So is it of a word that lasts until the next time and
    has words without a time after it: they must be somewhere.
    """
    rows = [(at, *place) for at, line in enumerate(lyrics.lines) for place in _places(line)]
    out: list[Anchor] = []
    after: float | None = None  # when the next known word begins
    follower = -1  # the line of an untimed word right behind
    for at, number, word, start in reversed(rows):
        if start is None:
            follower = at
            continue
        end = word.end if word.start is not None else None
        if follower == at or (follower > at and end is not None and after is not None and after <= end):
            end = None
        out.append(Anchor(at + 1, number, start, end))
        after, follower = start, -1
    return out[::-1]


def _places(line: Line) -> Iterator[tuple[int, Word, float | None]]:
    """Number, word and start, where known, of each word that sounds or has a time."""
    if line.kind != "lyrics":
        return
    sounding = [(at, word) for at, word in enumerate(line.words, 1) if word.timed or readings(word.text)]
    by_word = any(word.timed for _, word in sounding)
    for nth, (at, word) in enumerate(sounding):
        first = line.start if nth == 0 and not by_word and line.duration else None
        yield at, word, word.start if by_word else first


def checked(anchors: Sequence[Anchor], lyrics: Alignment, seconds: float) -> list[Anchor]:
    """The anchors in the order of the text, each one once.

    Args:
        lyrics: marked.
        seconds: length of the sound.

    Raises:
        AlignmentError: a word is not there or makes no sound, or the times contradict each other or the sound.
    """
    out = sorted(set(anchors))
    for anchor in out:
        _check(anchor, lyrics, seconds)
    for before, after in pairwise(out):
        late = before.start if before.end is None else before.end
        same = (before.line, before.word) == (after.line, after.word)
        if same or after.start < late or after.start == before.start:
            raise AlignmentError(f"{before}{_until(before)}, and {after}", hint="times that rise with the text")
    return out


def _until(anchor: Anchor) -> str:
    return "" if anchor.end is None else f" to {clock(anchor.end)}"


def _check(anchor: Anchor, lyrics: Alignment, seconds: float) -> None:
    if not 1 <= anchor.line <= len(lyrics.lines):
        raise AlignmentError(f"there is no line {anchor.line}", hint=f"the text has {len(lyrics.lines)}")
    line = lyrics.lines[anchor.line - 1]
    if not 1 <= anchor.word <= len(line.words):
        what = f"line {anchor.line} has no word {anchor.word}"
        raise AlignmentError(what, hint=f"{line.text.strip()!r} has {len(line.words)}")
    word = line.words[anchor.word - 1]
    if anchor.end is None and not readings(word.text):
        raise AlignmentError(f"{anchor}, but {word.text!r} makes no sound")
    if not 0 <= anchor.start < seconds or (anchor.end is not None and anchor.end < anchor.start):
        raise AlignmentError(f"{anchor}{_until(anchor)}, and the sound lasts from 0:00.000 to {clock(seconds)}")


def choose(part: Part, lyrics: Alignment, seconds: float) -> Chosen:
    """Make a part out in a text.

    Lines without a time, and the line before where the end of its words is not known, may be heard there too.

    Args:
        lyrics: marked.
        seconds: length of the sound.

    Raises:
        AlignmentError: there are no such lines, or no such seconds.
    """
    if part == WHOLE:
        return Chosen(frozenset(range(len(lyrics.lines))), frozenset(), 0.0, seconds)
    if part.lines is not None:
        _check_lines(part.lines, len(lyrics.lines))
        wanted = range(part.lines[0] - 1, part.lines[1])
        if part.start is None and part.end is None:
            return _between(wanted, lyrics, seconds)
    start, end = part.start or 0.0, seconds if part.end is None else min(part.end, seconds)
    if start >= end:
        raise AlignmentError(f"nothing lies between {clock(start)} and {clock(end)}", hint="a start before the end")
    lines = frozenset(wanted if part.lines is not None else _inside(lyrics, start, end))
    if not any(lyrics.lines[at].kind == "lyrics" for at in lines):
        raise AlignmentError(f"no line of the text lies between {clock(start)} and {clock(end)}")
    return Chosen(lines, frozenset(), start, end)


def _check_lines(lines: tuple[int, int], count: int) -> None:
    first, last = lines
    if not 1 <= first <= last <= count:
        raise AlignmentError(f"there are no lines {first} to {last}", hint=f"the text has {count}")


def _between(wanted: range, lyrics: Alignment, seconds: float) -> Chosen:
    """Lines between the times of their neighbours."""
    before = next((at for at in reversed(range(wanted.start)) if lyrics.lines[at].duration), None)
    after = next((at for at in range(wanted.stop, len(lyrics.lines)) if lyrics.lines[at].duration), None)
    start, beside = 0.0, set(range(wanted.start)) | set(range(wanted.stop, len(lyrics.lines)))
    if before is not None:
        line = lyrics.lines[before]
        _, said = enclosing(line.words)
        start = said if said is not None else line.start or 0.0
        beside -= set(range(before + 1 if said is not None else before))
    end = seconds if after is None else min(lyrics.lines[after].start or 0.0, seconds)
    beside -= set() if after is None else set(range(after, len(lyrics.lines)))
    if start >= end:
        what = f"the lines beside {wanted.start + 1} to {wanted.stop} leave no time between {clock(start)} and "
        raise AlignmentError(what + clock(end), hint="say from when to when")
    return Chosen(frozenset(wanted), frozenset(beside), start, end)


def _inside(lyrics: Alignment, start: float, end: float) -> Iterator[int]:
    """Lines whose times lie between start and end, and lines without a time that may."""
    count = len(lyrics.lines)
    starts = [line.start if line.duration else None for line in lyrics.lines]
    for at, line in enumerate(lyrics.lines):
        known = starts[at]
        if known is not None:
            _, said = enclosing(line.words)
            inside = start <= known < end and (said or known) <= end
        else:
            before = next((begin for begin in reversed(starts[:at]) if begin is not None), 0.0)
            after = next((begin for begin in starts[at + 1 : count] if begin is not None), end)
            inside = before <= end and after >= start
        if inside:
            yield at


def clock(seconds: float) -> str:
    """Seconds as `m:ss.mmm`: 62.345 is `1:02.345`, and infinity `the end`."""
    if math.isinf(seconds):
        return "the end"
    millis = round(seconds * 1000)
    return f"{millis // 60_000}:{millis // 1000 % 60:02}.{millis % 1000:03}"
