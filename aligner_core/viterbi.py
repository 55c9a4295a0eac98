"""Forced alignment: the best path through a `Graph`, exact, with a least duration for every visit.

Scores are integers, so the slow specification, the fast CPU kernel, the one for many noises and the batched GPU version
agree bit for bit, in whatever blocks they work. With V[t, s] the best score of a path that at frame t has been in state
s for `n` frames or more, n = min_frames[s], and e[t, s] the emission of the state's symbol:

    V[t, s] = max(V[t - 1, s] + e[t, s],  max over arcs p -> s of V[t - n, p] + cost  +  e[t - n + 1 .. t, s] summed)

(or `initial[s]` in the place of the arcs where t - n = -1). Equal scores: staying comes before entering, then the arc
listed first; of equally good last states the lowest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import AlignmentError
from .graph import NEVER, Graph

if TYPE_CHECKING:
    import torch

UNITS_PER_NAT = 1024  # 2^-10 nat: the quantum is far below what a network's log-probabilities are worth
LIMIT = 2**20  # units, 1024 nats a frame: 10 hours at 100 frames/s sum to 2^42, and float32 holds it exactly
UNREACHABLE = -(2**62)  # a score no sum of possible ones comes near


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """What was said when.

    Args:
        states: int32 (n,), the visited states in order.
        starts: int32 (n,), the first frame of each visit; the first is 0.
        frames: how many frames the path covers.
        score: sum of emissions and costs, in the unit of `quantize`.
    """

    states: NDArray[np.int32]
    starts: NDArray[np.int32]
    frames: int
    score: int

    @property
    def ends(self) -> NDArray[np.int32]:
        """int32 (n,), the frame after the last of each visit: the start of the next."""
        return np.append(self.starts[1:], np.int32(self.frames))


def quantize(log_probs: NDArray[np.floating[Any]]) -> NDArray[np.int32]:
    """Log-probabilities or other scores in nats, rounded to units of 2^-10 nat and cut at +-1024 nats.

    Args:
        log_probs: (frames, symbols); -inf becomes the floor.

    Raises:
        AlignmentError: a score is not a number.
    """
    if np.isnan(log_probs).any():
        frame = int(np.isnan(log_probs).any(axis=-1).argmax())
        raise AlignmentError(f"the acoustic model gave no number in frame {frame}")
    limit = LIMIT / UNITS_PER_NAT
    scores = np.clip(log_probs, -limit, limit, dtype=np.result_type(log_probs, np.float32))  # too much for a float16
    scores *= UNITS_PER_NAT
    return np.asarray(np.rint(scores, out=scores), dtype=np.int32)


def viterbi(emissions: NDArray[np.signedinteger[Any]], graph: Graph, block: int | None = None) -> Path:
    """The best path, on one CPU core, in memory far below frames times states.

    Args:
        emissions: integers (frames, symbols), from `quantize`.
        graph: what may be said.
        block: frames between checkpoints; by default what balances memory. The path does not depend on it.

    Raises:
        AlignmentError: the text needs more frames than there are, or a symbol has no column.
    """
    from .viterbi_cpu import best_path

    check_input(emissions.shape, graph)
    return best_path(np.ascontiguousarray(emissions, dtype=np.int32), graph, block)


def viterbi_noisy(
    emissions: NDArray[np.signedinteger[Any]], noise: NDArray[np.int32], lasts: int, graph: Graph
) -> list[Path]:
    """The best path under each of some noises, on one CPU core: `viterbi` of `noisy`, many at once.

    Args:
        emissions: as `viterbi`.
        noise: (noises, rows, symbols).
        lasts: frames that a row of the noise is for; the last one may be for fewer.
        graph: as `viterbi`.

    Raises:
        AlignmentError: as `viterbi`, or the noise is for another sound.
    """
    from .viterbi_noise import best_paths

    check_input(emissions.shape, graph)
    shape = (-(-len(emissions) // lasts), emissions.shape[1])
    if noise.shape[1:] != shape:
        raise AlignmentError(f"noise of shape {noise.shape}", hint=f"(noises, {shape[0]}, {shape[1]})")
    return best_paths(emissions, noise, lasts, graph)


def noisy(emissions: NDArray[np.signedinteger[Any]], noise: NDArray[np.int32], lasts: int) -> NDArray[np.int32]:
    """Emissions (frames, symbols) and noise (rows, symbols) added up; each row for `lasts` frames."""
    return np.asarray(np.repeat(noise, lasts, axis=0)[: len(emissions)] + emissions, np.int32)


def viterbi_batch(
    emissions: torch.Tensor,
    lengths: Sequence[int],
    graphs: Sequence[Graph],
    device: torch.device | str = "cpu",
    memory: int | None = None,
) -> list[Path]:
    """The best path of each of many utterances: at once on a GPU, else one by one on the CPU. The paths of `viterbi`.

    Args:
        emissions: int32 (utterances, frames, symbols), from `viterbi_torch.quantize`, padded with anything.
        lengths: frames of each utterance.
        graphs: what may be said in each.
        device: where to compute: a CUDA device, if Triton is there to compile for it; on any other the CPU does it.
        memory: bytes of the GPU to use, about, by default most of what is free; a byte a state and frame goes to
            back-pointers, and utterances that do not fit in together take turns.

    Raises:
        AlignmentError: an utterance needs more frames than it has (the message names it), or counts differ.
    """
    if not len(emissions) == len(lengths) == len(graphs):
        raise AlignmentError(f"{len(emissions)} utterances, {len(lengths)} lengths and {len(graphs)} graphs")
    for i, (length, graph) in enumerate(zip(lengths, graphs, strict=True)):
        if not 0 < length <= emissions.shape[1]:
            raise AlignmentError(f"a length of {length} in {emissions.shape[1]} frames", f"utterance {i}")
        check_input((length, *emissions.shape[2:]), graph, f"utterance {i}")
    if str(device).startswith("cuda") and find_spec("triton"):
        from .viterbi_torch import best_paths

        return best_paths(emissions, lengths, graphs, device, memory)
    rows = zip(emissions.cpu().numpy(), lengths, graphs, strict=True)
    return [viterbi(row[:length], graph) for row, length, graph in rows]


def viterbi_slow(emissions: NDArray[np.int32], graph: Graph) -> Path:
    """The specification of `viterbi`: the same path by the recursion as it is written, for tests."""
    check_input(emissions.shape, graph)
    scores, back = _slow_table(emissions.astype(np.int64), graph)
    last = np.where(graph.final == NEVER, UNREACHABLE, scores[-1] + graph.final)
    state = int(last.argmax())
    score, t = int(last[state]), len(emissions) - 1
    visits: list[tuple[int, int]] = []
    while t >= 0:
        while back[t, state] == 0:
            t -= 1
        start = t - int(graph.min_frames[state]) + 1
        visits.append((state, start))
        if start > 0:
            state = int(graph.sources[graph.offsets[state] + back[t, state] - 1])
        t = start - 1
    states, starts = zip(*reversed(visits), strict=True)
    return Path(np.array(states, np.int32), np.array(starts, np.int32), len(emissions), score)


def check_input(shape: tuple[int, ...], graph: Graph, where: str = "") -> None:
    """Whether emissions of this shape (frames, symbols) can be aligned with the graph.

    Raises:
        AlignmentError: they cannot; says how many frames are needed and how many there are.
    """
    if len(shape) != 2:
        raise AlignmentError(f"emissions of shape {shape}", where, "(frames, symbols)")
    if graph.symbols.max() >= shape[1]:
        raise AlignmentError(f"symbol {graph.symbols.max()} in emissions of {shape[1]} symbols", where)
    needed = graph.frames_needed
    if needed > shape[0]:
        raise AlignmentError(f"the text needs {needed} frames or more and the sound has {shape[0]}", where)


def _slow_table(emissions: NDArray[np.int64], graph: Graph) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """V of the module's docstring, and how each cell was reached: 0 stayed, k along the k-th arc (1 at the start)."""
    frames, states = len(emissions), len(graph)
    scores = np.full((frames, states), UNREACHABLE, np.int64)
    back = np.zeros((frames, states), np.int32)
    for t in range(frames):
        for s in range(states):
            emission = emissions[:, graph.symbols[s]]
            before = t - int(graph.min_frames[s])
            if t > 0:
                scores[t, s] = scores[t - 1, s] + emission[t]
            for k, (source, cost) in enumerate(_ways_in(graph, s, before), start=1):
                base = cost if before == -1 else scores[before, source] + cost
                score = base + emission[before + 1 : t + 1].sum()
                if score > scores[t, s]:
                    scores[t, s], back[t, s] = score, k
    return scores, back


def _ways_in(graph: Graph, state: int, before: int) -> list[tuple[int, int]]:
    """(source, cost) of each way to enter a state after the frame `before`; from nowhere (-1) at the start."""
    if before < -1:
        return []
    if before == -1:
        return [(-1, int(graph.initial[state]))] if graph.initial[state] != NEVER else []
    arcs = slice(int(graph.offsets[state]), int(graph.offsets[state + 1]))
    return list(zip(graph.sources[arcs].tolist(), graph.costs[arcs].tolist(), strict=True))
