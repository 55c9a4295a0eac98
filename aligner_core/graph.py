"""What may be said: states in the order of the text, and the arcs that lead from one to another.

A path starts in a state with an `initial` score, stays in each state it visits for `min_frames` frames or more, leaves
along an arc, and ends in a state with a `final` score. Arcs only go forward, so a later state never comes first.
Scores are integers in the unit of `viterbi.quantize`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import AlignmentError

Ints = NDArray[np.int32]

NEVER = int(np.iinfo(np.int32).min)  # as initial or final score: a path may not start or end here
MAX_SCORE = 2**30  # of an arc, a start or an end: exact 64-bit sums over any text
MAX_MIN_FRAMES = 1024  # ten seconds of 10 ms frames
MAX_PREDECESSORS = 254  # back-pointers are bytes: one value means "stayed", the rest number the arcs
FAR = 2**40  # frames, more than any sound has


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A checked, read-only graph of S states and E arcs; use `chain`, `ctc` or `GraphBuilder` to make one.

    Args:
        symbols: int32 (S,), the column of the emissions that scores each state.
        min_frames: int32 (S,), the least number of frames one visit lasts, 1..1024.
        offsets: int32 (S + 1,), the arcs into state s are `offsets[s]:offsets[s + 1]`.
        sources: int32 (E,), the state each arc comes from, always below the state it leads to.
        costs: int32 (E,), score added when the arc is taken, usually <= 0.
        initial: int32 (S,), score of starting in a state, or `NEVER`.
        final: int32 (S,), score of ending in a state, or `NEVER`.

    `frames_needed` is the least number of frames in which the text can be said.

    Raises:
        AlignmentError: the arrays contradict each other, or no path leads from a start to an end.
    """

    symbols: Ints
    min_frames: Ints
    offsets: Ints
    sources: Ints
    costs: Ints
    initial: Ints
    final: Ints
    frames_needed: int = field(init=False)

    def __post_init__(self) -> None:
        for name in ("symbols", "min_frames", "offsets", "sources", "costs", "initial", "final"):
            array = np.array(getattr(self, name), dtype=np.int32)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        _check_shapes(self)
        _check_values(self)
        _check_arcs(self)
        object.__setattr__(self, "frames_needed", _frames_needed(self))
        if self.frames_needed >= FAR:
            raise AlignmentError("no way through the graph from a start to an end")

    @classmethod
    def chain(
        cls, symbols: Sequence[int], min_frames: Sequence[int] | int = 1, optional: Sequence[bool] | None = None
    ) -> Graph:
        """States one after another; those marked optional (silence between words) may be left out.

        Args:
            symbols: the emission column of each state.
            min_frames: of each state, or one number for all.
            optional: whether each state may be left out; by default none may.
        """
        count = len(symbols)
        frames = [min_frames] * count if isinstance(min_frames, int) else list(min_frames)
        skippable = [False] * count if optional is None else list(optional)
        if not len(frames) == len(skippable) == count:
            raise AlignmentError(f"{count} symbols, {len(frames)} minimum durations, {len(skippable)} marks")
        builder = GraphBuilder()
        starts = len(_reach(range(count), skippable))
        for state in range(count):
            before = _reach(range(state - 1, -1, -1), skippable)
            arcs = [(source, 0) for source in before]
            builder.state(symbols[state], frames[state], arcs, initial=0 if state < starts else None)
        for state in _reach(range(count - 1, -1, -1), skippable):
            builder.end(state)
        return builder.build()

    @classmethod
    def ctc(cls, targets: Sequence[int], blank: int = 0) -> Graph:
        """The topology of Graves 2006: blanks around and between the labels, optional unless a label repeats."""
        builder = GraphBuilder()
        builder.state(blank, initial=0)
        for i, label in enumerate(targets):
            last = 2 * i  # the blank before this label
            skip = [(last - 1, 0)] if i and targets[i - 1] != label else []
            builder.state(label, predecessors=[(last, 0), *skip], initial=0 if i == 0 else None)
            builder.state(blank, predecessors=[(last + 1, 0)])
        for state in range(2 * len(targets), max(2 * len(targets) - 2, -1), -1):
            builder.end(state)
        return builder.build()

    def __len__(self) -> int:
        return len(self.symbols)


class GraphBuilder:
    """Makes a `Graph` state by state; a state's number is the order in which it was added."""

    def __init__(self) -> None:
        self._symbols: list[int] = []
        self._min_frames: list[int] = []
        self._offsets: list[int] = [0]
        self._sources: list[int] = []
        self._costs: list[int] = []
        self._initial: list[int] = []
        self._final: list[int] = []

    def state(
        self,
        symbol: int,
        min_frames: int = 1,
        predecessors: Sequence[tuple[int, int]] = (),
        initial: int | None = None,
    ) -> int:
        """Add a state and return its number.

        Args:
            symbol: its emission column.
            min_frames: the least number of frames one visit lasts.
            predecessors: (state, cost) of each arc into it; of equally good arcs the first listed wins.
            initial: score of starting here; None where no path may start.
        """
        return self.row([symbol], min_frames, predecessors, initial)

    def row(
        self,
        symbols: Sequence[int],
        min_frames: int = 1,
        predecessors: Sequence[tuple[int, int]] = (),
        initial: int | None = None,
    ) -> int:
        """Add one state or more, each of which follows the one before it, and return the number of the last.

        Args:
            As `state`; `predecessors` and `initial` are those of the first.
        """
        first, inner = len(self._symbols), len(symbols) - 1
        self._symbols += symbols
        self._min_frames += [min_frames] * len(symbols)
        self._sources += [source for source, _ in predecessors]
        self._costs += [cost for _, cost in predecessors]
        arcs = len(self._sources)
        self._offsets += range(arcs, arcs + len(symbols))
        self._sources += range(first, first + inner)
        self._costs += [0] * inner
        self._initial += [NEVER if initial is None else initial, *[NEVER] * inner]
        self._final += [NEVER] * len(symbols)
        return first + inner

    def end(self, state: int, score: int = 0) -> None:
        """Allow paths to end in `state`."""
        self._final[state] = score

    def build(self) -> Graph:
        """The graph of all states added so far.

        Raises:
            AlignmentError: as `Graph`, or a number beyond 32 bits.
        """
        fields = (self._symbols, self._min_frames, self._offsets, self._sources, self._costs)
        return Graph(*(_int32(field) for field in (*fields, self._initial, self._final)))


def _int32(values: ArrayLike) -> Ints:
    wide = np.asarray(values, dtype=np.int64)
    if wide.size and (wide.max() > np.iinfo(np.int32).max or wide.min() < NEVER):
        raise AlignmentError("a number in the graph does not fit into 32 bits")
    return wide.astype(np.int32)


def _reach(states: Sequence[int], skippable: Sequence[bool]) -> list[int]:
    """The first of `states` and each further one, as long as all before it may be left out."""
    reached = []
    for state in states:
        reached.append(state)
        if not skippable[state]:
            break
    return reached


def _check_shapes(graph: Graph) -> None:
    states, arcs = len(graph.symbols), len(graph.sources)
    expected = {"min_frames": states, "offsets": states + 1, "costs": arcs, "initial": states, "final": states}
    for name, size in expected.items():
        if getattr(graph, name).shape != (size,):
            raise AlignmentError(f"graph of {states} states and {arcs} arcs has {name} {getattr(graph, name).shape}")
    if not states:
        raise AlignmentError("a graph without states")


def _check_values(graph: Graph) -> None:
    if graph.symbols.min() < 0:
        raise AlignmentError(f"symbol {graph.symbols.min()} in a graph", hint="0 or more")
    if graph.min_frames.min() < 1 or graph.min_frames.max() > MAX_MIN_FRAMES:
        raise AlignmentError("a minimum duration out of range", hint=f"1 to {MAX_MIN_FRAMES} frames")
    for name, allowed in (("costs", None), ("initial", NEVER), ("final", NEVER)):
        scores = getattr(graph, name).astype(np.int64)
        if ((np.abs(scores) > MAX_SCORE) & (scores != allowed)).any():
            raise AlignmentError(f"a score in {name} is out of range", hint="up to 2**30 units, one million nats")


def _check_arcs(graph: Graph) -> None:
    counts = np.diff(graph.offsets)
    if graph.offsets[0] != 0 or graph.offsets[-1] != len(graph.sources) or (counts < 0).any():
        raise AlignmentError("the offsets of a graph do not count its arcs")
    if counts.max() > MAX_PREDECESSORS:
        raise AlignmentError(f"a state with {counts.max()} predecessors", hint=f"at most {MAX_PREDECESSORS}")
    targets = np.repeat(np.arange(len(counts)), counts)
    if (graph.sources < 0).any() or (graph.sources >= targets).any():
        raise AlignmentError("an arc that does not lead forward")


def _frames_needed(graph: Graph) -> int:
    from .graph_kernels import reachable  # brings numba

    arrays = (graph.min_frames, graph.offsets, graph.sources, graph.initial, graph.final)
    first, _ = reachable(*(array.astype(np.int64) for array in arrays))
    return int(first[graph.final != NEVER].min(initial=FAR)) + 1
