"""Old times made right: a shifted, stretched, cut or partly wrong timing, and the sound that it is meant for.

What is heard gives a map from old times to new ones (`timemap`). Where a line was heard and where the map has it are
compared, line by line; what was heard elsewhere, or not at all, is looked for once more around its place on the map.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from .confidence import require_fit, trusted
from .errors import AlignmentError
from .parts import Heard, Piece, found_in
from .search import Sung
from .timeline import Alignment, Line, Word, enclosing
from .timemap import Points, Straight, fit
from .tree import HEARD

AGREE = 0.3  # seconds between the sound and the map that nobody would call a difference
AROUND = 4.0  # seconds before and after its place on the map in which a line is looked for again
ROOM = 0.3  # seconds that a line may overlap its neighbours, as subtitles with reading time do


@dataclass(frozen=True)
class _Old:
    """The lines that have a time already.

    Args:
        index: of each in the text.
        lines: they themselves.
        maps: what becomes of their times.
    """

    index: tuple[int, ...]
    lines: tuple[Line, ...]
    maps: tuple[Straight, ...] = ()

    def start(self, at: int) -> float:
        """On the map, seconds."""
        return self.maps[at](self.lines[at].start or 0.0)

    def end(self, at: int) -> float:
        """On the map, seconds."""
        return self.maps[at](self.lines[at].end or 0.0)

    def duration(self, at: int) -> float:
        """On the map, seconds."""
        return self.maps[at].rate * self.lines[at].duration


def retimed(heard: Heard, text: Alignment, trust: float) -> Alignment:
    """The text with its times made right, the same lines in the same order.

    Args:
        text: marked, with times.
        trust: 0..1, the score that a line heard elsewhere than on the map must have: 0 goes by the sound alone, 1 by
            the map alone.

    Raises:
        AlignmentError: no line has a time.
    """
    index = tuple(at for at, line in enumerate(text.lines) if line.kind == "lyrics" and line.duration)
    if not index:
        raise AlignmentError("no line has a time that could be made right", hint="a file with times")
    if not 0 <= trust <= 1:
        raise AlignmentError(f"trust {trust} is not within 0..1")
    sung = trusted(heard.search, heard.scores, heard.voice, heard.search(heard.scores))
    require_fit(heard.search, heard.voice, sung)
    found = _occurrences(heard, text, sung)
    old = _mapped(_Old(index, tuple(text.lines[at] for at in index)), found)
    chosen = _Choice(heard, text, old, found, trust).lines()
    return replace(text, lines=_with_ends(text, chosen, old))


def _occurrences(heard: Heard, text: Alignment, sung: Sequence[Sung]) -> list[list[Line]]:
    """For each line of the text where it was heard.

    Args:
        sung: with their trust.
    """
    out: list[list[Line]] = [[] for _ in text.lines]
    for line in heard.tree().timed(text, heard.exact(sung)).lines:
        if line.timed and line.kind == "lyrics" and line.number is not None:
            out[line.number - 1].append(line)
    return out


def _mapped(old: _Old, found: Sequence[Sequence[Line]]) -> _Old:
    order = np.argsort([_start(line) for line in old.lines], kind="stable")
    points = [(at, _start(line)) for at, number in enumerate(order) for line in found[old.index[number]]]
    weight = [max((line.score or 0.0 for line in found[old.index[number]]), default=0.0) for number in order]
    maps = fit(Points(
        np.array([_start(old.lines[number]) for number in order]), np.array([at for at, _ in points], np.intp),
        np.array([new for _, new in points]), np.array(weight),
    ))  # fmt: skip
    placed = dict(zip(order.tolist(), maps, strict=True))
    return replace(old, maps=tuple(placed[at] for at in range(len(old.lines))))


class _Choice:
    """Decides for each line between the sound and the map."""

    def __init__(self, heard: Heard, text: Alignment, old: _Old, found: Sequence[Sequence[Line]], trust: float) -> None:
        self.heard, self.text, self.old, self.found, self.trust = heard, text, old, found, trust
        self.place = {index: at for at, index in enumerate(old.index)}
        self.agreed: dict[int, Line] = {}  # by line of the text
        for at, index in enumerate(old.index):
            near = min(found[index], key=lambda line: abs(_start(line) - old.start(at)), default=None)
            if near and abs(_start(near) - old.start(at)) <= AGREE:
                self.agreed[index] = near
        self.order = sorted(self.agreed)

    def lines(self) -> dict[int, Line]:
        """The lines that have a time, by their index in the text."""
        heard = self.heard
        groups = (trusted(heard.search, heard.scores, heard.voice, group) for group in self._again())
        again = _occurrences(heard, self.text, list(chain.from_iterable(groups)))
        pairs = ((at, self._line(at, [*self.found[at], *again[at]])) for at in range(len(self.text.lines)))
        return {at: line for at, line in pairs if line is not None}

    def _line(self, at: int, heard: Sequence[Line]) -> Line | None:
        agreed = self.agreed.get(at)
        if at not in self.place or self.trust == 0:
            return agreed or _best(heard if self.trust == 0 else self._fitting(at, heard))
        best = agreed or _best(self._fitting(at, heard))
        if self.trust < 1 and best and _score(best) >= self.trust:
            return best
        by_map = self._by_map(at)
        if by_map and (agreed or not best or self.trust == 1 or self._heard_at(at, by_map)):
            return _moved(self.text.lines[at], by_map, agreed, _score(best) if best else 0.0)
        return best if self.trust < 1 else None

    def _heard_at(self, at: int, straight: Straight) -> bool:
        """Whether the sound allows that a line is in its place on the map, when it was heard elsewhere."""
        line = self.text.lines[at]
        start, end = straight(_start(line)) - AGREE, straight(_end(line)) + AGREE
        tokens = self.heard.search.tokens(at)
        piece = Piece(tokens, range(self.heard.at(start), self.heard.at(end)))
        return self.heard.search.freedom is None or any(one.line == at for one in found_in(self.heard, piece))

    def _fitting(self, at: int, heard: Sequence[Line]) -> list[Line]:
        """Where a line was heard between the agreed lines before and after."""
        first, last = self._between(at)
        return [x for x in heard if _start(x) >= first - ROOM and _end(x) <= last + ROOM]

    def _beside(self, at: int) -> tuple[int | None, int | None]:
        """The agreed lines before and after."""
        place = bisect_left(self.order, at)
        after = place + (place < len(self.order) and self.order[place] == at)
        return (self.order[place - 1] if place else None, self.order[after] if after < len(self.order) else None)

    def _between(self, at: int) -> tuple[float, float]:
        """Seconds from the agreed line before to the one after."""
        before, after = self._beside(at)
        end = len(self.heard.scores) * self.heard.frame
        return (
            0.0 if before is None else _end(self.agreed[before]),
            end if after is None else _start(self.agreed[after]),
        )

    def _by_map(self, at: int) -> Straight | None:
        """The map by which a line has its place, or None: the scene that it belongs to is not in the sound.

        Between two pieces of the map it may belong to either, if that leaves it room.
        """
        maps, line = self.old.maps, self.text.lines[at]
        beside = [maps[self.place[near]] for near in self._beside(at) if near is not None]
        first, last = self._between(at) if len(set(beside)) > 1 else (0.0, len(self.heard.scores) * self.heard.frame)
        for straight in dict.fromkeys([maps[self.place[at]], *beside]):
            start, end = straight(_start(line)), straight(_end(line))
            early = start < max(0.0, first - ROOM) if at not in self.agreed else start < 0
            if not early and (at in self.agreed or end <= last + ROOM) and self._audible(start, end):
                return straight
        return None

    def _audible(self, start: float, end: float) -> bool:
        span = self.heard.voice[self.heard.at(start) : max(self.heard.at(end), self.heard.at(start) + 1)]
        return len(span) > 0 and (self.trust == 1 or float(span.mean()) >= HEARD)

    def _again(self) -> Iterator[list[Sung]]:
        """What is heard around their places on the map of lines that were not heard well where they fit."""
        if self.heard.search.freedom is None or not 0 < self.trust < 1:
            return
        last = -1
        for at in range(len(self.text.lines)):
            if at <= last or at in self.agreed:
                continue
            _, after = self._beside(at)
            last = (len(self.text.lines) if after is None else after) - 1
            group = range(at, last + 1)
            doubtful = [
                one for one in group if not any(_score(x) >= self.trust for x in self._fitting(one, self.found[one]))
            ]
            if any(one in self.place for one in doubtful):
                yield found_in(self.heard, self._piece(group))

    def _piece(self, group: range) -> Piece:
        """Of lines between two agreed ones: their words, and the frames around their places on the map."""
        places = [self.place[at] for at in group if at in self.place]
        first, last = self._between(group.start)
        first = max(first, min(self.old.start(at) for at in places) - AROUND)
        last = min(last, max(self.old.end(at) for at in places) + AROUND)
        tokens = range(self.heard.search.firsts[group.start], self.heard.search.firsts[group.stop])
        frames = range(self.heard.at(first), max(self.heard.at(last), self.heard.at(first)))
        return Piece(tokens, frames)


def _moved(line: Line, straight: Straight, agreed: Line | None, score: float) -> Line:
    """A line in its place on the map; its words where they were in it, or as they were heard there, or nowhere."""
    (out,) = Alignment((line,)).mapped(lambda seconds: max(0.0, straight(seconds))).lines
    if agreed and not any(word.timed for word in line.words):
        (heard,) = Alignment((agreed,)).shifted(_start(out) - _start(agreed)).lines
        out = replace(out, end=max(_end(out), _end(heard)), words=heard.words)
    return replace(out, score=score)


def _with_ends(text: Alignment, chosen: Mapping[int, Line], old: _Old) -> tuple[Line, ...]:
    """All lines of the text; what was shown longer than it was said still is, if that leaves the next line free."""
    starts = sorted(_start(line) for line in chosen.values())
    place = {index: at for at, index in enumerate(old.index)}
    out = []
    for at, line in enumerate(text.lines):
        timed = chosen.get(at)
        if timed is None:
            bare = replace(line, start=None, end=None, score=None, words=tuple(Word(w.text) for w in line.words))
            out.append(replace(bare, number=at + 1))
            continue
        after = bisect_right(starts, _start(timed))
        room = starts[after] if after < len(starts) else math.inf
        _, said = enclosing(timed.words)
        shown = min(_start(timed) + old.duration(place[at]) if at in place else _end(timed), room)
        out.append(replace(timed, end=max(said or _start(timed), shown), number=at + 1))
    return tuple(out)


def _best(lines: Sequence[Line]) -> Line | None:
    return max(lines, key=_score, default=None)


def _score(line: Line) -> float:
    return line.score or 0.0


def _start(line: Line) -> float:
    assert line.start is not None
    return line.start


def _end(line: Line) -> float:
    assert line.end is not None
    return line.end
