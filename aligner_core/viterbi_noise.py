"""The CPU side of `viterbi.viterbi_noisy`: lays the graph out once, and weaves the noises for the compiled loops."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import FAR, NEVER, Graph
from .noise_kernels import ARCS, FINAL, FIRST, FRAMES, LAST, NOISES, NOWHERE, PLACE, ROW, SLOT, Web, noisy_paths
from .viterbi import Path, noisy
from .viterbi_cpu import best_path, lay_out
from .viterbi_kernels import Net

MEMORY = 2**23  # bytes, for each thread: enough for nine of ten groups of lines of a song


def best_paths(emissions: NDArray[Any], noise: NDArray[np.int32], lasts: int, graph: Graph) -> list[Path]:
    """`viterbi.viterbi_noisy` after its checks; one by one where all at once would take too much memory."""
    used, net = lay_out(graph, len(emissions))
    web = _web(net)
    if _bytes(web, net.width) > MEMORY or not _fits(emissions, noise, graph):
        return [best_path(noisy(emissions, one, lasts), graph, None) for one in noise]
    rows = np.ascontiguousarray(emissions[:, used].T, np.int32)
    found: list[Path] = []
    for first in range(0, len(noise), NOISES):
        some = noise[first : first + NOISES]
        woven = np.zeros((len(used), noise.shape[1], NOISES), np.int32)
        woven[..., : len(some)] = some[..., used].transpose(2, 1, 0)
        visits, told = np.empty((len(some), len(graph), 2), np.int32), np.tile([0, 0, NOWHERE], (len(some), 1))
        noisy_paths(rows, woven, lasts, web, _room(web, net.width + 1, len(used) + 1), visits, told)
        for path, (count, _, score) in zip(visits, told.tolist(), strict=True):
            states, starts = path[:count][::-1].T
            found.append(Path(states - np.int32(1), starts.copy(), len(emissions), score))
    return found


def _web(net: Net) -> Web:
    """The graph with one state more, where paths come from: it lasts until the first frame, and its symbol scores 0.

    Back-pointers are kept of whole blocks in which a state can be, state after state; a place is that of frame 0.
    """
    first, last = net.first // FRAMES, net.last // FRAMES
    ends = np.cumsum(np.maximum(last + 1 - first, 0)) * FRAMES
    places = np.concatenate([[0], ends[:-1]]) - first * FRAMES
    starts = net.initial != NEVER
    offsets = net.offsets + np.concatenate([[0], np.cumsum(starts)])
    of_states = (net.slots, net.columns, net.frames, offsets[:-1], net.final, net.first, net.last, places)
    states = np.zeros((len(net.slots) + 2, len(of_states)), np.int64)
    states[0, [SLOT, ROW, FINAL, FIRST, LAST]] = net.width, net.columns.max() + 1, NEVER, FAR, FAR
    states[1:-1] = np.stack(of_states, 1)
    states[-1, [ARCS, PLACE]] = offsets[-1], ends[-1]
    sources = np.insert(net.sources + 1, net.offsets[1:][starts], 0)
    costs = np.insert(net.costs, net.offsets[1:][starts], net.initial[starts])
    arcs = np.stack([states[sources, SLOT], states[sources, ROW], costs, sources], 1)
    return Web(states, arcs, net.depth)


def _room(web: Web, width: int, symbols: int) -> tuple[NDArray[Any], ...]:
    """What `noisy_paths` works in: columns, running sums, the emissions and the noise of one symbol and a row of zeros,
    what of the columns lies before a block, back-pointers."""
    behind, block = web.depth * NOISES, FRAMES * NOISES
    carry = np.full((len(web.states) - 1, behind), NOWHERE, np.int32)
    carry[0, -NOISES:] = 0
    return (
        np.empty((width, behind + block), np.int32),
        np.zeros((symbols, behind + block + NOISES), np.int32),
        np.zeros((3, block), np.int32),
        carry,
        np.empty(web.states[-1, PLACE] * NOISES, np.uint8),
    )


def _bytes(web: Web, width: int) -> int:
    """Of back-pointers, and of what lies before a block: the most of `_room`."""
    return NOISES * (int(web.states[-1, PLACE]) + 4 * web.depth * (len(web.states) + width))


def _fits(emissions: NDArray[Any], noise: NDArray[np.int32], graph: Graph) -> bool:
    """Whether 32 bits hold what a path can come to, twice, below `NOWHERE`, and no path comes near that."""
    frame = _highest(emissions) + _highest(noise)
    ends = sum(_highest(scores[scores != NEVER]) for scores in (graph.initial, graph.final))
    return frame * len(emissions) + ends + int(np.abs(graph.costs.astype(np.int64)).sum()) < -NOWHERE // 2


def _highest(values: NDArray[Any]) -> int:
    return max(int(values.max(initial=0)), -int(values.min(initial=0)))
