"""The paths under many noises at once are those under one noise after the other."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from drawn_graphs import SMALL, SYMBOLS, graphs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aligner_core import viterbi_noise
from aligner_core.confidence import LASTS, SHAKES, _noise
from aligner_core.errors import AlignmentError
from aligner_core.graph import MAX_SCORE, Graph, GraphBuilder
from aligner_core.noise_kernels import FRAMES, NOISES
from aligner_core.viterbi import LIMIT, Path, noisy, viterbi, viterbi_noisy, viterbi_slow

Ints = NDArray[np.int32]
Case = tuple[Ints, Ints, int, Graph]

thorough = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


@st.composite
def cases(draw: st.DrawFn, most: int = 900, frames: int = 25) -> Case:
    """Emissions, noises, how long a row of them lasts, a graph."""
    graph = draw(graphs(scores=SMALL | st.sampled_from([-most, most])))
    total, lasts, count = draw(st.integers(1, frames)), draw(st.integers(1, 5)), draw(st.integers(0, 2 * NOISES + 1))
    assume(total >= graph.frames_needed)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.sampled_from([1, 2, 5000]))
    noise = random.integers(-spread, spread, (count, -(-total // lasts), SYMBOLS), np.int32)
    return random.integers(-3, 1, (total, SYMBOLS), np.int32), noise, lasts, graph


def same(found: list[Path], expected: list[Path]) -> bool:
    """Whether the paths are equal bit for bit."""
    told = [[(p.states.tolist(), p.starts.tolist(), p.frames, p.score) for p in paths] for paths in (found, expected)]
    types = {array.dtype for path in found for array in (path.states, path.starts)}
    return told[0] == told[1] and types <= {np.dtype(np.int32)}


def singly(find: Any, emissions: Ints, noise: Ints, lasts: int, graph: Graph) -> list[Path]:
    return [find(noisy(emissions, one, lasts), graph) for one in noise]


def drawn(seed: int, frames: int, lasts: int, count: int = SHAKES, spread: int = 3000) -> tuple[Ints, Ints]:
    """Emissions and noise."""
    random = np.random.default_rng(seed)
    noise = random.integers(-spread, spread, (count, -(-frames // lasts), SYMBOLS), np.int32)
    return random.integers(-9000, 0, (frames, SYMBOLS), np.int32), noise


def text(seed: int, words: int, longest: int = 6) -> Graph:
    """Words of two pronunciations, an optional rest around each, and arcs that leave words out."""
    random = np.random.default_rng(seed)
    builder = GraphBuilder()
    rests = [builder.state(0, 1, initial=-5)]
    before = list(rests)
    for word in range(words):
        ends = []
        for _ in range(2):
            last = before
            for phone in range(int(random.integers(1, 4))):
                least = int(random.integers(1, longest))
                arcs = [(source, -100) for source in last]
                last = [builder.state(int(random.integers(1, SYMBOLS)), least, arcs, None if word or phone else 0)]
            ends += last
        rests.append(builder.state(0, 1, [*((end, 0) for end in ends), *((rest, -700) for rest in rests[-3:])]))
        before = [rests[-1], *ends]
    for state in before:
        builder.end(state)
    return builder.build()


@thorough
@given(cases())
def test_each_path_is_the_slow_one_under_its_noise(case: Case) -> None:
    assert same(viterbi_noisy(*case), singly(viterbi_slow, *case))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(cases(MAX_SCORE))
def test_no_sum_is_too_large(case: Case) -> None:
    assert same(viterbi_noisy(*case), singly(viterbi_slow, *case))


@pytest.mark.parametrize("frames", [FRAMES - 1, FRAMES, FRAMES + 1, 1000])
@pytest.mark.parametrize("lasts", [1, 7, 8, 200])
def test_blocks_and_rows_of_noise_may_end_anywhere(frames: int, lasts: int) -> None:
    emissions, noise = drawn(frames + lasts, frames, lasts)
    graph = text(lasts, frames // 25)
    assert same(viterbi_noisy(emissions, noise, lasts, graph), singly(viterbi, emissions, noise, lasts, graph))


@pytest.mark.parametrize("seed", range(3))
def test_a_state_may_last_longer_than_a_block(seed: int) -> None:
    graph = text(seed, 6, 3 * FRAMES)
    frames = graph.frames_needed + 50 * seed
    emissions, noise = drawn(seed, frames, LASTS, 3)
    assert same(viterbi_noisy(emissions, noise, LASTS, graph), singly(viterbi, emissions, noise, LASTS, graph))


def test_the_first_state_may_last_longer_than_a_block() -> None:
    graph = Graph.chain([0, 1, 2], [3 * FRAMES, 5, 2 * FRAMES])
    emissions, noise = drawn(4, 6 * FRAMES, LASTS)
    assert same(viterbi_noisy(emissions, noise, LASTS, graph), singly(viterbi, emissions, noise, LASTS, graph))


def worst(frames: int, score: int) -> tuple[list[Path], list[Path]]:
    """The paths where all is as bad as `score`, at once and one by one."""
    emissions, noise = np.full((frames, 1), score, np.int32), np.zeros((2, -(-frames // LASTS), 1), np.int32)
    graph = Graph.chain([0] * 9, 5)
    return viterbi_noisy(emissions, noise, LASTS, graph), singly(viterbi, emissions, noise, LASTS, graph)


def refuse(*_: Any) -> None:
    raise AssertionError("all at once")


LARGEST = (2**29 - 1) // 500  # of which 500 are still done with 32 bits


@pytest.mark.parametrize(("score", "fits"), [
    (-LIMIT, True), (LIMIT, True), (LARGEST, True), (-LARGEST, True), (2**22, False), (-(2**22), False),
])  # fmt: skip
def test_sums_are_exact_up_to_where_32_bits_end_and_beyond(
    score: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, expected = worst(500, score)
    assert same(found, expected)
    assert found[0].score == score * 500
    monkeypatch.setattr(viterbi_noise, "noisy_paths", refuse)
    with pytest.raises(AssertionError, match="all at once") if fits else nullcontext():
        worst(500, score)


def test_noise_counts_for_what_32_bits_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    emissions, noise = np.full((500, 1), LARGEST, np.int32), np.full((1, 63, 1), LARGEST, np.int32)
    monkeypatch.setattr(viterbi_noise, "noisy_paths", refuse)
    assert viterbi_noisy(emissions, noise, LASTS, Graph.chain([0] * 9, 5))[0].score == 1000 * LARGEST


def test_what_takes_too_much_memory_is_done_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    emissions, noise = drawn(1, 400, LASTS)
    graph = text(1, 12)
    at_once = viterbi_noisy(emissions, noise, LASTS, graph)
    monkeypatch.setattr(viterbi_noise, "noisy_paths", refuse)
    with pytest.raises(AssertionError, match="all at once"):
        viterbi_noisy(emissions, noise, LASTS, graph)
    monkeypatch.setattr(viterbi_noise, "MEMORY", 400 * len(graph) * NOISES // 2)
    assert same(viterbi_noisy(emissions, noise, LASTS, graph), at_once)


def test_states_that_last_long_take_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viterbi_noise, "noisy_paths", refuse)
    emissions, noise = np.zeros((2600, 1), np.int32), np.zeros((1, 325, 1), np.int32)
    states = [1024, *[1] * 1500]
    assert len(viterbi_noisy(emissions, noise, LASTS, Graph.chain([0] * len(states), states))) == 1


def test_ten_minutes_of_a_large_text_take_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viterbi_noise, "noisy_paths", refuse)
    emissions, noise = np.zeros((60_000, 1), np.int32), np.zeros((1, 7500, 1), np.int32)
    assert len(viterbi_noisy(emissions, noise, LASTS, Graph.chain([0] * 300, 3))) == 1


@given(st.integers(1, 400), st.integers(1, 5), st.integers(0, 99))
def test_shakes_are_drawn_one_after_the_other(frames: int, symbols: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = -(-frames // LASTS)
    each = [np.rint(random.standard_normal((rows, symbols), np.float32) * 2560) for _ in range(SHAKES)]
    assert np.array_equal(_noise(frames, symbols, seed), np.stack(each))


def test_nothing_given_is_changed_and_a_view_is_as_good_as_its_copy() -> None:
    emissions, noise = drawn(3, 300, LASTS)
    graph = text(3, 8)
    wide, shaken = emissions[::2, ::-1].astype(np.int16), noise[:, : -(-150 // LASTS)]
    before = wide.copy(), shaken.copy()
    assert same(
        viterbi_noisy(wide, shaken, LASTS, graph), singly(viterbi, wide.astype(np.int32), shaken.copy(), LASTS, graph)
    )
    assert np.array_equal(wide, before[0])
    assert np.array_equal(shaken, before[1])


@pytest.mark.parametrize("shape", [(2, 3, 3), (2, 5, 3), (2, 4, 2)])
def test_noise_for_another_sound_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(AlignmentError, match=rf"noise of shape \({shape[0]}, {shape[1]}, {shape[2]}\)"):
        viterbi_noisy(np.zeros((30, 3), np.int32), np.zeros(shape, np.int32), LASTS, Graph.chain([0, 1, 2]))


def test_noise_is_for_a_text_that_fits() -> None:
    with pytest.raises(AlignmentError, match="the text needs 9 frames or more and the sound has 8"):
        viterbi_noisy(np.zeros((8, 3), np.int32), np.zeros((1, 1, 3), np.int32), LASTS, Graph.chain([0, 1, 2], 3))
