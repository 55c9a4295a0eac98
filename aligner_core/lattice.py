"""From words to the graph of everything that may be heard: each reading of a token, each pronunciation of a word, and
an optional rest after each word, which costs more within a line than between lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import LyricsError
from .graph import Graph, GraphBuilder
from .viterbi import Path

REST = 0  # emission column of silence and music without a voice, between lines
Pronunciations = Sequence[Sequence[str]]  # of one spoken word, phones without stress
Readings = Sequence[Sequence[Pronunciations]]  # of one token: alternatives, each of spoken words; none = no sound


@dataclass(frozen=True)
class Visit:
    """One phone of the best path.

    Args:
        token, reading, word, variant: which token, which of its readings, which word of that, which pronunciation.
        column: emission column of the phone.
        start, end: frames, end exclusive.
    """

    token: int
    reading: int
    word: int
    variant: int
    column: int
    start: int
    end: int


@dataclass(frozen=True)
class Lattice:
    """A graph that remembers where its states come from.

    Args:
        graph: for `viterbi`.
        origin: int32 (states, 4): token, reading, word and variant of a state; -1 in the rows of rests.
    """

    graph: Graph
    origin: NDArray[np.int32]

    def visits(self, path: Path) -> list[Visit]:
        """The phones of a path in time order, without the rests."""
        out = []
        for state, start, end in zip(path.states, path.starts, path.ends, strict=True):
            token, reading, word, variant = (int(x) for x in self.origin[state])
            if token >= 0:
                column = int(self.graph.symbols[state])
                out.append(Visit(token, reading, word, variant, column, int(start), int(end)))
        return out


class _Builder:
    """Adds rests, words and tokens to a graph; each takes and gives the states that the next one may follow, of which
    -1 stands for the beginning."""

    def __init__(self, columns: Mapping[str, int], min_frames: int, pause: int) -> None:
        self.columns, self.min_frames, self.pause = columns, min_frames, pause
        self.graph = GraphBuilder()
        self.origin: list[tuple[int, int, int, int]] = []

    def state(self, column: int, least: int, before: Sequence[int], origin: tuple[int, int, int, int]) -> int:
        self.origin.append(origin)
        arcs = [(source, 0) for source in before if source >= 0]
        return self.graph.state(column, least, arcs, initial=0 if -1 in before else None)

    def rest(self, column: int, before: list[int]) -> list[int]:
        return [*before, self.state(column, 1, before, (-1, -1, -1, -1))]

    def word(self, pronunciations: Pronunciations, before: list[int], where: tuple[int, int, int]) -> list[int]:
        """All pronunciations side by side."""
        exits = []
        for variant, phones in enumerate(pronunciations):
            last = before
            for phone in phones:
                last = [self.state(self.columns[phone], self.min_frames, last, (*where, variant))]
            exits += last
        return exits

    def token(self, index: int, readings: Readings, before: list[int]) -> list[int]:
        """All readings side by side, each a row of words with optional rests between them."""
        exits = []
        for number, words in enumerate(readings):
            last = before
            for at, pronunciations in enumerate(words):
                last = self.word(pronunciations, last if at == 0 else self.rest(self.pause, last), (index, number, at))
            exits += last
        return exits


def require_sound(lines: Sequence[Sequence[Readings]]) -> None:
    """Refuse lines of which no token makes a sound.

    Raises:
        LyricsError: there is none.
    """
    if not any(readings for line in lines for readings in line):
        raise LyricsError("the lyrics hold nothing that could be sung or spoken")


def lattice(
    lines: Sequence[Sequence[Readings]], columns: Mapping[str, int], min_frames: int, pause: int = REST
) -> Lattice:
    """The graph of these lines, said one after the other.

    Args:
        lines: the readings of each token of each line; tokens are numbered through.
        columns: emission column of each phone.
        min_frames: least number of frames of a phone.
        pause: emission column of rests within a line.

    Raises:
        LyricsError: no token makes a sound.
    """
    require_sound(lines)
    builder = _Builder(columns, min_frames, pause)
    exits = builder.rest(REST, [-1])
    index = 0
    for line in lines:
        sounding = [(index + i, readings) for i, readings in enumerate(line) if readings]
        for number, readings in sounding:
            last = number == sounding[-1][0]
            exits = builder.rest(REST if last else pause, builder.token(number, readings, exits))
        index += len(line)
    for state in exits:
        builder.graph.end(state)
    return Lattice(builder.graph.build(), np.array(builder.origin, np.int32))
