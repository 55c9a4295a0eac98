"""Which line is sung when: the best path through the text, and passages found out of their place."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from .costs import Decoding, Freedom
from .evidence import Scores, doubt_held, lead
from .lattice import Columns, Lattice, Readings, Visit, lattice, passage
from .viterbi import viterbi

ROUNDS = 3  # of second thoughts about held phones
SHORTEST = 100  # frames outside the text in which a line is looked for
LONG = 6 * 10**8  # frames times words: longer sound is searched in windows
WINDOW, MARGIN = 36_000, 6_000  # frames of a window, and of its end that is searched again
SPOKEN = 15  # frames a word: a window's worth of text, twice what is said or sung in it
PLENTY = 0.3  # share of a window; where less is text, more of the text is looked for

Lines = Sequence[Sequence[Readings]]


@dataclass(frozen=True)
class Trust:
    """How far the times of a line can be trusted, 0..1: of the line, and of the start of each token."""

    line: float
    words: Mapping[int, float]


@dataclass(frozen=True)
class Sung:
    """A line that was heard.

    Args:
        line: which one.
        visits: its phones in time order.
        sure: somebody said that it is there, whatever is heard.
        trust: how far its times can be trusted, if that was asked.
    """

    line: int
    visits: tuple[Visit, ...]
    sure: bool = False
    trust: Trust | None = None

    @property
    def start(self) -> int:
        """First frame."""
        return self.visits[0].start

    @property
    def end(self) -> int:
        """Frame after the last."""
        return self.visits[-1].end

    def later(self, frames: int, lines: int = 0, tokens: int = 0) -> Sung:
        """The same so many frames later, in a text that has so many lines and tokens more before it."""
        shifted = (
            replace(visit, token=visit.token + tokens, start=visit.start + frames, end=visit.end + frames)
            for visit in self.visits
        )
        return replace(self, line=self.line + lines, visits=tuple(shifted))


class _Found(NamedTuple):
    """What a path came to: its lines in order of time, and the frames that are outside the text."""

    sung: tuple[Sung, ...]
    strays: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Search:
    """Looks for lines in scores.

    Args:
        lines: the readings of each token of each line; tokens are numbered through.
        columns: where the scores are.
        least: frames of a phone.
        decoding: how held phones are doubted.
        freedom: what it costs that sound and text differ; None: the text is said from beginning to end.
        at_once: the first word begins with the first frame.
    """

    lines: Lines
    columns: Columns
    least: int
    decoding: Decoding
    freedom: Freedom | None
    at_once: bool = False

    def __call__(self, scores: Scores) -> list[Sung]:
        """The lines heard in these scores, in order of time; changes the scores where it doubts them."""
        long = self.freedom is not None and len(scores) * self.firsts[-1] > LONG
        main = self._in_windows(scores) if long else self._whole(scores)
        sung = list(main.sung)
        for start, end in main.strays:
            for begin in range(start, end, WINDOW):
                sung += self._elsewhere(scores, begin, min(begin + WINDOW, end))
        return sorted((one for one in sung if not self._squeezed(one, scores)), key=lambda one: one.start)

    def _squeezed(self, one: Sung, scores: Scores) -> bool:
        """Whether a line is only there because to leave it out costs more: in a hurry, and not what is heard."""
        if self.freedom is None:
            return False
        hurried = sum(visit.end - visit.start <= self.least for visit in one.visits) / len(one.visits)
        leads = np.concatenate([lead(scores[visit.start : visit.end], visit.column) for visit in one.visits])
        return hurried >= self.freedom.hurried and float(leads.mean()) < self.freedom.behind

    @cached_property
    def firsts(self) -> list[int]:
        """The number of the first token of each line, and of all tokens."""
        return list(accumulate(map(len, self.lines), initial=0))

    def tokens(self, line: int) -> range:
        """The numbers of a line's tokens."""
        return range(self.firsts[line], self.firsts[line + 1])

    def _whole(self, scores: Scores, open_end: bool = False) -> _Found:
        """The best path through all lines."""
        found = lattice(self.lines, self.columns, self.least, self.freedom, self.at_once, open_end)
        path = viterbi(scores, found.graph)
        for _ in range(ROUNDS):
            if not doubt_held(scores, found.visits(path), self.decoding):
                break
            path = viterbi(scores, found.graph)
        return _Found(tuple(self._grouped(found.visits(path))), tuple(found.strays(path)))

    def _in_windows(self, scores: Scores) -> _Found:
        """The best path, minutes at a time: of each window what lies well before its end is kept, and the next begins
        behind it. A window has more of the text than can be said in it, and all of it if little of that is heard."""
        sung: list[Sung] = []
        strays: list[tuple[int, int]] = []
        frame = line = 0
        while frame < len(scores) and line < len(self.lines):
            found = self._window(scores, frame, line)
            end = min(frame + WINDOW, len(scores))
            safe = end if end == len(scores) else end - MARGIN
            kept = [one for one in found.sung if one.end <= safe]
            after = kept[-1].end if kept else safe
            strays += [(begin, min(last, after)) for begin, last in found.strays if begin < after]
            sung += kept
            frame, line = (end if end == len(scores) else after), (kept[-1].line + 1 if kept else line)
        return _Found(tuple(sung), (*strays, (frame, len(scores))))

    def _window(self, scores: Scores, frame: int, line: int) -> _Found:
        part = scores[frame : frame + WINDOW]
        ends = frame + WINDOW >= len(scores)
        least_said = WINDOW // SPOKEN
        found, last = _Found((), ()), line
        while last < len(self.lines):
            last = max(bisect_left(self.firsts, self.firsts[line] + least_said), line + 1)
            last = min(last, len(self.lines))
            some = replace(self, lines=self.lines[line:last], at_once=self.at_once and frame == line == 0)
            if any(map(any, some.lines)):
                here = some._whole(part, open_end=last < len(self.lines) or not ends)
                sung = tuple(one.later(frame, line, self.firsts[line]) for one in here.sung)
                found = _Found(sung, tuple((frame + begin, frame + end) for begin, end in here.strays))
            if sum(one.end - one.start for one in found.sung) >= len(part) * PLENTY:
                break
            least_said *= 8
        return found

    def _elsewhere(self, scores: Scores, start: int, end: int) -> Iterator[Sung]:
        """Passages of the text that are heard from frame `start` to `end`, where the text has nothing."""
        if self.freedom is None or end - start < SHORTEST:
            return
        found = self._passage
        path = viterbi(scores[start:end], found.graph)
        sung = self._grouped(found.visits(path))
        yield from (one.later(start) for one in sung)
        if sung:
            for first, last in found.strays(path):
                yield from self._elsewhere(scores, start + first, start + last)

    @cached_property
    def _passage(self) -> Lattice:
        assert self.freedom is not None
        return passage(self.lines, self.columns, self.least, self.freedom)

    def _grouped(self, visits: Sequence[Visit]) -> list[Sung]:
        """The visits of one path by line."""
        lines: dict[int, list[Visit]] = {}
        for visit in visits:
            lines.setdefault(bisect_right(self.firsts, visit.token) - 1, []).append(visit)
        return [Sung(line, tuple(mine)) for line, mine in lines.items()]
