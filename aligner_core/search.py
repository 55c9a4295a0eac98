"""Which line is sung when: the best path through the text, and passages found out of their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from .costs import Decoding, Freedom
from .evidence import doubt_held
from .lattice import Columns, Lattice, Readings, Visit, lattice, passage
from .viterbi import Path, quantize, viterbi

ROUNDS = 3  # of second thoughts about held phones
SHORTEST = 100  # frames outside the text in which a line is looked for

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

    def __call__(self, scores: Tensor) -> list[Sung]:
        """The lines heard in scores (frames, columns), in order of time; changes the scores where it doubts them."""
        found, path = self._best(scores, lattice(self.lines, self.columns, self.least, self.freedom, self.at_once))
        sung = self._grouped(found.visits(path))
        for start, end in found.strays(path):
            sung += self._elsewhere(scores, start, end)
        return sorted(sung, key=lambda one: one.start)

    def _best(self, scores: Tensor, found: Lattice) -> tuple[Lattice, Path]:
        for _ in range(ROUNDS):
            path = viterbi(quantize(scores.numpy()), found.graph)
            if not doubt_held(scores, found.visits(path), self.decoding):
                return found, path
        return found, viterbi(quantize(scores.numpy()), found.graph)

    def _elsewhere(self, scores: Tensor, start: int, end: int) -> Iterator[Sung]:
        """Passages of the text that are heard from frame `start` to `end`, where the text has nothing."""
        if self.freedom is None or end - start < SHORTEST:
            return
        found = passage(self.lines, self.columns, self.least, self.freedom)
        path = viterbi(quantize(scores[start:end].numpy()), found.graph)
        sung = self._grouped(found.visits(path))
        yield from (one.later(start) for one in sung)
        if sung:
            for first, last in found.strays(path):
                yield from self._elsewhere(scores, start + first, start + last)

    def tokens(self, line: int) -> range:
        """The numbers of a line's tokens."""
        first = sum(len(tokens) for tokens in self.lines[:line])
        return range(first, first + len(self.lines[line]))

    def _grouped(self, visits: Sequence[Visit]) -> list[Sung]:
        """The visits of one path by line."""
        line_of = [number for number, line in enumerate(self.lines) for _ in line]
        lines: dict[int, list[Visit]] = {}
        for visit in visits:
            lines.setdefault(line_of[visit.token], []).append(visit)
        return [Sung(line, tuple(mine)) for line, mine in lines.items()]
