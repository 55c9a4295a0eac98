"""What is known of a graph before it meets a sound."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aligner_core.compiled import Longs
from aligner_core.graph import FAR, NEVER
from aligner_core.graph_kernels import places, reachable

Arcs = list[list[int]]  # the states before each state


@st.composite
def arcs(draw: st.DrawFn) -> Arcs:
    """Any arcs that lead forward; some twice."""
    count = draw(st.integers(1, 12))
    return [draw(st.lists(st.integers(0, s - 1), max_size=3)) if s else [] for s in range(count)]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Arcs, list[int], set[int], set[int]]:
    """Arcs, the frames of each state, and the states where a path may start and end."""
    before = draw(arcs())
    states = st.integers(0, len(before) - 1)
    frames = draw(st.lists(st.integers(1, 4), min_size=len(before), max_size=len(before)))
    return before, frames, draw(st.sets(states)), draw(st.sets(states))


def laid(before: Arcs) -> tuple[Longs, Longs]:
    """Offsets and sources."""
    sources = np.array([p for row in before for p in row], np.int64)
    return np.append(0, np.cumsum([len(row) for row in before])).astype(np.int64), sources


def scores(states: int, allowed: set[int]) -> Longs:
    return np.array([0 if s in allowed else NEVER for s in range(states)], np.int64)


@given(graphs())
def test_states_are_reached_and_left_as_early_as_any_path_does(
    graph: tuple[Arcs, list[int], set[int], set[int]],
) -> None:
    before, frames, starts, ends = graph
    after = [[s for s, row in enumerate(before) if p in row] for p in range(len(before))]

    def until(s: int) -> float:
        return frames[s] + min([0] if s in starts else [until(p) for p in before[s]], default=np.inf)

    def beyond(s: int) -> float:
        ways = [frames[n] + beyond(n) for n in after[s]]
        return min([0, *ways] if s in ends else ways, default=np.inf)

    count = len(before)
    offsets, sources = laid(before)
    first, rest = reachable(np.array(frames), offsets, sources, scores(count, starts), scores(count, ends))
    assert [f + 1 if f < FAR else np.inf for f in first.tolist()] == [until(s) for s in range(count)]
    assert [r if r < FAR else np.inf for r in rest.tolist()] == [beyond(s) for s in range(count)]


@given(arcs(), st.data())
def test_no_slot_is_written_before_its_last_reader_has_read_it(before: Arcs, data: st.DataObject) -> None:
    frames = data.draw(st.lists(st.integers(1, 9), min_size=len(before), max_size=len(before)))
    slots, rows = places(np.array(frames), *laid(before))
    holds: dict[int, int] = {}
    for s, (row, slot) in enumerate(zip(before, slots.tolist(), strict=True)):
        holds[slot] = s
        assert all(holds[slots[p]] == p for p in row)
    needed = [max([1, *(frames[s] for s, row in enumerate(before) if p in row)]) for p in range(len(before))]
    assert rows.tolist() == needed


@given(arcs())
def test_there_are_no_more_slots_than_are_needed_at_once(before: Arcs) -> None:
    slots, _ = places(np.ones(len(before), np.int64), *laid(before))
    last = [max([s, *(n for n, row in enumerate(before) if s in row)]) for s in range(len(before))]
    alive = [sum(p <= s <= last[p] for p in range(len(before))) for s in range(len(before))]
    assert slots.max() + 1 == max(alive)
