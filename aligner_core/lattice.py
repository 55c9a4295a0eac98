"""From words to the graph of everything that may be heard: each reading of a token, each pronunciation of a word, an
optional rest after each word, which costs more within a line than between lines, and between lines a way out of the
text: something else is heard there, and lines may be left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .costs import Freedom
from .errors import LyricsError
from .graph import Graph, GraphBuilder
from .viterbi import UNITS_PER_NAT, Path

REST = 0  # emission column of silence and music without a voice, between lines
PHRASE = 4  # words of a line after which something else may be heard
LEAPS = (1, 4, 16, 64)  # phrases that one arc leaves out: a few arcs leave out any number
Pronunciations = Sequence[Sequence[str]]  # of one spoken word, phones without stress
Readings = Sequence[Sequence[Pronunciations]]  # of one token: alternatives, each of spoken words; none = no sound
_NOWHERE = (-1, -1, -1, -1)
_STRAY = (-2, -1, -1, -1)


@dataclass(frozen=True, slots=True)
class Visit:
    """One phone of the best path.

    Args:
        token, reading, word, variant: which token, which of its readings, which word of that, which pronunciation.
        column: emission column of the phone.
        start, end: frames, end exclusive.
        exact: the same, not whole, where the edges of the sound were heard.
    """

    token: int
    reading: int
    word: int
    variant: int
    column: int
    start: int
    end: int
    exact: tuple[float, float] | None = None


@dataclass(frozen=True)
class Columns:
    """Where the emissions of a lattice are.

    Args:
        phones: column of each phone.
        pause: of rests within a line.
        other: of whatever is not in the text; None where nothing else may be heard.
        spelled: the phones are letters, as CTC has them: after each there may be a blank, which counts as a rest, and
            between two that are the same there must be one.
    """

    phones: Mapping[str, int]
    pause: int = REST
    other: int | None = None
    spelled: bool = False


@dataclass(frozen=True)
class Lattice:
    """A graph that remembers where its states come from.

    Args:
        graph: for `viterbi`.
        origin: int32 (states, 4): token, reading, word and variant of a state; negative for what is not a phone.
    """

    graph: Graph
    origin: NDArray[np.int32]

    def visits(self, path: Path) -> list[Visit]:
        """The phones of a path in time order, without the rests."""
        sounds = self.origin[path.states, 0] >= 0
        states = path.states[sounds]
        spans = zip(path.starts[sounds].tolist(), path.ends[sounds].tolist(), strict=True)
        which = zip(self.origin[states].tolist(), self.graph.symbols[states].tolist(), spans, strict=True)
        return [
            Visit(token, reading, word, variant, column, start, end)
            for (token, reading, word, variant), column, (start, end) in which
        ]

    def starts(self, path: Path) -> dict[int, int]:
        """The frame in which each token of a path begins, without those that make no sound."""
        tokens, first = np.unique(self.origin[path.states, 0], return_index=True)
        return {token: at for token, at in zip(tokens.tolist(), path.starts[first].tolist(), strict=True) if token >= 0}

    def strays(self, path: Path) -> list[tuple[int, int]]:
        """(start, end) in frames of each part of a path that is outside the text; the longest there are."""
        out: list[tuple[int, int]] = []
        for state, start, end in zip(path.states, path.starts, path.ends, strict=True):
            if self.origin[state, 0] == _STRAY[0]:
                begin = out.pop()[0] if out and out[-1][1] == start else int(start)
                out.append((begin, int(end)))
        return out


class _Builder:
    """Adds rests, words and tokens to a graph; each takes and gives the states that the next one may follow, of which
    -1 stands for the beginning."""

    def __init__(self, columns: Columns, min_frames: int, freedom: Freedom | None) -> None:
        self.columns, self.min_frames, self.freedom = columns, min_frames, freedom
        self.strays: list[int] = []
        self.graph = GraphBuilder()
        self.origin: list[tuple[int, int, int, int]] = []

    def row(
        self,
        columns: Sequence[int],
        least: int,
        before: Sequence[int],
        origin: tuple[int, int, int, int] = _NOWHERE,
        arcs: Sequence[tuple[int, int]] = (),
        initial: int | None = None,
    ) -> int:
        """States that follow each other; gives the last."""
        self.origin += [origin] * len(columns)
        free = [(source, 0) for source in before if source >= 0]
        return self.graph.row(columns, least, [*free, *arcs], 0 if -1 in before else initial)

    def rest(self, column: int, before: list[int]) -> list[int]:
        return [*before, self.row([column], 1, before)]

    def word(self, pronunciations: Pronunciations, before: list[int], where: tuple[int, int, int]) -> list[int]:
        """All pronunciations side by side."""
        exits = []
        for variant, phones in enumerate(pronunciations):
            columns = [self.columns.phones[phone] for phone in phones]
            length = 1 if self.columns.spelled else len(columns)  # of a row without anything in between
            last = before
            for at in range(0, len(columns), length or 1):
                if at:
                    last = self.blank(last, must=columns[at] == columns[at - 1])
                last = [self.row(columns[at : at + length], self.min_frames, last, (*where, variant))]
            exits += last
        return exits

    def blank(self, before: list[int], must: bool) -> list[int]:
        blank = self.row([REST], 1, before)
        return [blank] if must else [*before, blank]

    def token(self, index: int, readings: Readings, before: list[int]) -> list[int]:
        """All readings side by side, each a row of words with optional rests between them."""
        exits = []
        for number, words in enumerate(readings):
            last = before
            for at, pronunciations in enumerate(words):
                before_word = last if at == 0 else self.rest(self.columns.pause, last)
                last = self.word(pronunciations, before_word, (index, number, at))
            exits += last
        return exits

    def line(self, first: int, line: Sequence[Readings], before: list[int]) -> list[int]:
        sounding = [(first + i, readings) for i, readings in enumerate(line) if readings]
        for at, (number, readings) in enumerate(sounding):
            if at:
                between = self.gap if at % PHRASE == 0 and len(sounding) - at >= PHRASE // 2 else self.rest
                before = between(self.columns.pause, before)
            before = self.token(number, readings, before)
        return before

    def gap(self, column: int, before: list[int]) -> list[int]:
        """Nothing, a rest, or something that is not in the text, meanwhile of which phrases go by."""
        exits = self.rest(column, before)
        if self.freedom is None or self.columns.other is None:
            return exits
        stray = self.freedom.stray + (0.0 if column == REST else self.freedom.broken)
        leave = [(source, _units(stray)) for source in exits if source >= 0]
        leaps = [(self.strays[-leap], _units(self.freedom.skip * leap)) for leap in LEAPS if leap <= len(self.strays)]
        initial = _units(self.freedom.stray) if -1 in exits else None
        self.strays.append(self.row([self.columns.other], 1, [], _STRAY, [*leave, *leaps], initial))
        return [*exits, self.strays[-1]]


def require_sound(lines: Sequence[Sequence[Readings]]) -> None:
    """Refuse lines of which no token makes a sound.

    Raises:
        LyricsError: there is none.
    """
    if not any(readings for line in lines for readings in line):
        raise LyricsError("the lyrics hold nothing that could be sung or spoken")


def lattice(
    lines: Sequence[Sequence[Readings]],
    columns: Columns,
    min_frames: int,
    freedom: Freedom | None = None,
    at_once: bool = False,
    open_end: bool = False,
) -> Lattice:
    """The graph of these lines, said one after the other.

    Args:
        lines: the readings of each token of each line; tokens are numbered through.
        columns: where the emissions are.
        min_frames: least number of frames of a phone.
        freedom: what it costs to leave the text between lines, and lines out; without it the whole text is said.
        at_once: the first word begins with the first frame.
        open_end: the text may end after any line.

    Raises:
        LyricsError: no token makes a sound.
    """
    require_sound(lines)
    builder = _Builder(columns, min_frames, freedom)
    exits = [-1] if at_once else builder.gap(REST, [-1])
    ends = set(exits)
    index = 0
    for line in lines:
        if any(line):
            exits = builder.gap(REST, builder.line(index, line, exits))
            ends.update(exits)
        index += len(line)
    for state in sorted(ends - {-1}) if open_end else exits:
        builder.graph.end(state)
    return Lattice(builder.graph.build(), np.array(builder.origin, np.int32))


def passage(lines: Sequence[Sequence[Readings]], columns: Columns, min_frames: int, freedom: Freedom) -> Lattice:
    """The graph of any stretch of consecutive lines, or of something else altogether.

    Args:
        As `lattice`.
    """
    builder = _Builder(columns, min_frames, None)
    assert columns.other is not None
    builder.graph.end(builder.row([columns.other], 1, [-1], _STRAY))
    jump = _units(freedom.jump)
    index = 0
    exits: list[int] = []
    for line in lines:
        if any(line):
            enter = builder.row([columns.other], 1, [], _STRAY, initial=jump)
            exits = builder.rest(REST, builder.line(index, line, [*exits, enter]))
            away = builder.row([columns.other], 1, exits, _STRAY)
            for state in (*exits, away):
                builder.graph.end(state)
        index += len(line)
    return Lattice(builder.graph.build(), np.array(builder.origin, np.int32))


def _units(nats: float) -> int:
    return -round(nats * UNITS_PER_NAT)
