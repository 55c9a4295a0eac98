"""Graphs as hypothesis draws them, for all that looks for paths."""

from __future__ import annotations

from hypothesis import strategies as st

from aligner_core.graph import MAX_SCORE, Graph, GraphBuilder

SYMBOLS = 3
SMALL = st.integers(-3, 2)  # few values: many ties
SCORES = st.one_of(SMALL, st.sampled_from([-MAX_SCORE, MAX_SCORE]))


@st.composite
def graphs(
    draw: st.DrawFn,
    states: int = 8,
    arcs: int = 3,
    scores: st.SearchStrategy[int] = SCORES,
    costs: st.SearchStrategy[int] | None = None,
) -> Graph:
    """Any graph: states skipped, side by side, unreachable, of any least duration.

    Args:
        arcs: into a state, at most.
        costs: of arcs, if they are not as other scores.
    """
    builder = GraphBuilder()
    for state in range(draw(st.integers(1, states))):
        before = draw(st.lists(st.integers(0, state - 1), max_size=arcs)) if state else []
        initial = draw(st.none() | scores) if before else draw(scores)
        into = [(source, draw(scores if costs is None else costs)) for source in before]
        builder.state(draw(st.integers(0, SYMBOLS - 1)), draw(st.integers(1, 4)), into, initial)
        if draw(st.booleans()):
            builder.end(state, draw(scores))
    builder.end(0)
    return builder.build()
