"""Graphs say what they were asked to say, and refuse what contradicts itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligner_core.errors import AlignmentError
from aligner_core.graph import MAX_PREDECESSORS, NEVER, Graph, GraphBuilder


def sentences(graph: Graph) -> list[list[int]]:
    """The symbols of every way through a graph."""
    found = []

    def follow(state: int, before: list[int]) -> None:
        said = [*before, int(graph.symbols[state])]
        if graph.final[state] != NEVER:
            found.append(said)
        for target in range(state + 1, len(graph)):
            arcs = graph.sources[graph.offsets[target] : graph.offsets[target + 1]]
            for _ in range(int((arcs == state).sum())):
                follow(target, said)

    for state in np.flatnonzero(graph.initial != NEVER).tolist():
        follow(state, [])
    return sorted(found)


@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_a_chain_says_every_choice_of_its_optional_states_once(optional: list[bool]) -> None:
    expected: list[list[int]] = [[]]
    for symbol, skippable in enumerate(optional):
        expected = [[*row, symbol] for row in expected] + (expected if skippable else [])
    graph = Graph.chain(range(len(optional)), 1, optional)
    assert sentences(graph) == sorted(row for row in expected if row)


@given(st.lists(st.integers(1, 2), max_size=4))
def test_ctc_says_the_targets_with_blanks_between_where_they_must_be(targets: list[int]) -> None:
    spoken = sentences(Graph.ctc(targets))
    assert all([symbol for symbol in row if symbol] == targets for row in spoken)
    assert all(a != b for row in spoken for a, b in itertools.pairwise(row))
    repeats = sum(a == b for a, b in itertools.pairwise(targets))
    free = len(targets) + 1 - repeats if targets else 0  # the others are optional
    assert len(spoken) == len({tuple(row) for row in spoken}) == 2**free


def test_ctc_takes_another_blank() -> None:
    assert Graph.ctc([0, 1], blank=5).symbols.tolist() == [5, 0, 5, 1, 5]


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=9))
def test_a_chain_needs_the_frames_of_what_may_not_be_left_out(states: list[tuple[int, bool]]) -> None:
    frames, optional = [f for f, _ in states], [o for _, o in states]
    needed = sum(f for f, o in states if not o) or min(frames)
    assert Graph.chain([0] * len(states), frames, optional).frames_needed == needed


def test_a_diamond_needs_its_shorter_side() -> None:
    builder = GraphBuilder()
    first = builder.state(0, 2, initial=0)
    sides = [builder.state(1, frames, [(first, 0)]) for frames in (5, 3)]
    builder.end(builder.state(2, 4, [(side, -1) for side in sides]))
    graph = builder.build()
    assert graph.frames_needed == 2 + 3 + 4
    assert (len(graph), sentences(graph)) == (4, [[0, 1, 2], [0, 1, 2]])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.booleans(), st.integers(1, 9))
def test_a_row_is_states_each_of_which_follows_the_one_before_it(symbols: list[int], early: bool, frames: int) -> None:
    rows, singles = GraphBuilder(), GraphBuilder()
    for builder in (rows, singles):
        builder.state(0, 2, initial=0)
        builder.state(1, predecessors=[(0, -3)])
    initial = -7 if early else None
    last = rows.row(symbols, frames, [(1, -1), (0, -5)], initial)
    at = singles.state(symbols[0], frames, [(1, -1), (0, -5)], initial)
    for symbol in symbols[1:]:
        at = singles.state(symbol, frames, [(at, 0)])
    assert last == at
    for builder in (rows, singles):
        builder.end(builder.state(3, predecessors=[(at, 0)]))
    one, other = rows.build(), singles.build()
    names = ("symbols", "min_frames", "offsets", "sources", "costs", "initial", "final")
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_a_graph_is_a_frozen_copy() -> None:
    symbols = np.array([3], np.int32)
    graph = Graph(symbols, *arrays(symbols=None))
    symbols[0] = 4
    assert graph.symbols.tolist() == [3]
    with pytest.raises(ValueError, match="read-only"):
        graph.symbols[0] = 5


def arrays(**changes: Any) -> list[Any]:
    """The arrays of a chain of one state with some changed or, if None, left out."""
    plain = {
        "symbols": [0],
        "min_frames": [1],
        "offsets": [0, 0],
        "sources": [],
        "costs": [],
        "initial": [0],
        "final": [0],
    }
    return [np.array(value, np.int32) for value in {**plain, **changes}.values() if value is not None]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_frames": [1, 1]}, r"1 states and 0 arcs has min_frames \(2,\)"),
        ({"costs": [1]}, r"1 states and 0 arcs has costs \(1,\)"),
        ({"symbols": [], "min_frames": [], "offsets": [0], "initial": [], "final": []}, "a graph without states"),
        ({"symbols": [-1]}, "symbol -1 in a graph"),
        ({"min_frames": [0]}, "a minimum duration out of range"),
        ({"min_frames": [1025]}, "a minimum duration out of range"),
        ({"initial": [2**30 + 1]}, "a score in initial is out of range"),
        ({"final": [-(2**30) - 1]}, "a score in final is out of range"),
        ({"offsets": [0, 1], "sources": [0], "costs": [NEVER]}, "a score in costs is out of range"),
        ({"offsets": [0, 1]}, "the offsets of a graph do not count its arcs"),
        ({"offsets": [1, 0]}, "the offsets of a graph do not count its arcs"),
        ({"offsets": [0, 1], "sources": [0], "costs": [0]}, "an arc that does not lead forward"),
        ({"offsets": [0, 1], "sources": [-1], "costs": [0]}, "an arc that does not lead forward"),
        ({"initial": [NEVER]}, "no way through the graph"),
        ({"final": [NEVER]}, "no way through the graph"),
    ],
)
def test_arrays_that_contradict_each_other_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        Graph(*arrays(**changes))


def fan(predecessors: int) -> Graph:
    """A state that many others lead to."""
    builder = GraphBuilder()
    sources = [(builder.state(0, initial=0), 0) for _ in range(predecessors)]
    builder.end(builder.state(1, predecessors=sources))
    return builder.build()


def test_as_many_predecessors_as_a_back_pointer_can_tell_apart() -> None:
    assert len(fan(MAX_PREDECESSORS)) == MAX_PREDECESSORS + 1
    with pytest.raises(AlignmentError, match="a state with 255 predecessors"):
        fan(MAX_PREDECESSORS + 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Graph.chain([0, 1], [1]), "2 symbols, 1 minimum durations, 2 marks"),
        (lambda: Graph.chain([0, 1], 1, [True]), "2 symbols, 2 minimum durations, 1 marks"),
        (lambda: Graph.chain([]), "a graph without states"),
        (lambda: Graph.chain([2**31]), "does not fit into 32 bits"),
        (lambda: Graph.ctc([-(2**31) - 1]), "does not fit into 32 bits"),
    ],
)
def test_builders_tell_what_is_wrong(make: Callable[[], Graph], message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        make()
