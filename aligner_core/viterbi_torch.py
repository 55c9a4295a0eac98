"""The batched kernel behind `viterbi.viterbi_batch`: all utterances and states at once, one frame after the other.

A cell is one 64-bit integer, its score times 256 plus a byte that says how it was reached: `STAYED`, or `STAYED` - k
along the k-th arc (k = 1 at the start). The maximum of such integers breaks ties as the specification does, whatever
the device, and the byte is the back-pointer. What depends on a frame's emissions alone is made ready for `CHUNK` frames
in one go, so that a frame costs eight small kernels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .errors import AlignmentError
from .graph import NEVER, Graph
from .viterbi import LIMIT, UNITS_PER_NAT, UNREACHABLE, Path

CHUNK = 32  # frames
STAYED = 255
CLOSED = -(2**60)  # added to what would enter a state after an utterance's end: worse than any sum of scores


def quantize(log_probs: Tensor) -> Tensor:
    """`viterbi.quantize` for a tensor of any shape, on its device.

    Raises:
        AlignmentError: a score is not a number.
    """
    if bool(log_probs.isnan().any()):
        raise AlignmentError("the acoustic model gave something that is not a number")
    scores = log_probs.detach().to(torch.promote_types(log_probs.dtype, torch.float32))
    limit = LIMIT / UNITS_PER_NAT
    return (scores.clamp(-limit, limit) * UNITS_PER_NAT).round().int()


def best_paths(
    emissions: Tensor, lengths: Sequence[int], graphs: Sequence[Graph], device: torch.device | str, memory: int
) -> list[Path]:
    """`viterbi.viterbi_batch` after its checks."""
    paths: dict[int, Path] = {}
    for group in _groups(lengths, graphs, memory):
        chosen = emissions[group, : max(lengths[i] for i in group)].to(device)
        found = _align(chosen, [lengths[i] for i in group], [graphs[i] for i in group])
        paths.update(zip(group, found, strict=True))
    return [paths[i] for i in range(len(lengths))]


class _Nets(NamedTuple):
    """B graphs of at most S states and A arcs into a state, padded, and ready for packed scores."""

    symbols: Tensor  # int64 (B, S)
    frames: Tensor  # int64 (B, S) minimum durations
    sources: Tensor  # int64 (A, B, S); S, a state that is never reached, where there is no such arc
    costs: Tensor  # int64 (A, B, S) packed, with the byte of the arc
    initial: Tensor  # int64 (B, S) packed
    final: NDArray[np.int64]  # (B, S)


def _groups(lengths: Sequence[int], graphs: Sequence[Graph], memory: int) -> Iterator[list[int]]:
    """Indices of utterances of like length that fit into `memory` together."""
    group: list[int] = []
    states = width = 0
    for i in sorted(range(len(lengths)), key=lambda i: (lengths[i], len(graphs[i]), i)):
        states, width = max(states, len(graphs[i])), max(width, _footprint(lengths[i], graphs[i]))
        if group and (len(group) + 1) * states * width > memory:
            yield group
            group, states, width = [], len(graphs[i]), _footprint(lengths[i], graphs[i])
        group.append(i)
    if group:
        yield group


def _footprint(length: int, graph: Graph) -> int:
    """Bytes a state takes: its back-pointers, and its part of the tables below."""
    depth, arcs = int(graph.min_frames.max()), int(np.diff(graph.offsets).max())
    return length + 4 * depth * arcs + 24 * arcs + 32 * (CHUNK + depth)


def _align(emissions: Tensor, lengths: Sequence[int], graphs: Sequence[Graph]) -> list[Path]:
    nets = _nets(graphs, emissions.device)
    limits = torch.tensor(lengths, device=emissions.device)
    back, scores = _advance(emissions, limits, nets)
    ends = np.where(nets.final == UNREACHABLE, UNREACHABLE, scores + nets.final)
    states = ends.argmax(1)
    visits = _retrace(back, torch.from_numpy(states).to(emissions.device), nets)
    paths = []
    for b, (graph, length) in enumerate(zip(graphs, lengths, strict=True)):
        frames = np.flatnonzero(visits[:, b] >= 0)
        visited = visits[frames, b]
        starts = (frames + 1 - graph.min_frames[visited]).astype(np.int32)
        paths.append(Path(visited, starts, length, int(ends[b, states[b]])))
    return paths


def _nets(graphs: Sequence[Graph], device: torch.device) -> _Nets:
    count, states = len(graphs), max(len(graph) for graph in graphs)
    arcs = max(1, *(int(np.diff(graph.offsets).max()) for graph in graphs))
    symbols, frames = np.zeros((count, states), np.int64), np.ones((count, states), np.int64)
    initial, final = (np.full((count, states), UNREACHABLE, np.int64) for _ in range(2))
    sources, costs = np.full((arcs, count, states), states, np.int64), np.zeros((arcs, count, states), np.int64)
    for b, graph in enumerate(graphs):
        n, degrees = len(graph), np.diff(graph.offsets)
        symbols[b, :n], frames[b, :n] = graph.symbols, graph.min_frames
        initial[b, :n] = np.where(graph.initial == NEVER, UNREACHABLE, graph.initial.astype(np.int64) * 256)
        final[b, :n] = np.where(graph.final == NEVER, UNREACHABLE, graph.final.astype(np.int64))
        targets = np.repeat(np.arange(n), degrees)
        order = np.arange(len(graph.sources)) - graph.offsets[targets]
        sources[order, b, targets], costs[order, b, targets] = graph.sources, graph.costs
    costs = costs * 256 + (STAYED - 1 - np.arange(arcs))[:, None, None]
    initial[initial != UNREACHABLE] += STAYED - 1
    arrays = (symbols, frames, sources, costs, initial)
    columns, least, origins, packed, starts = (torch.from_numpy(array).to(device) for array in arrays)
    return _Nets(columns, least, origins, packed, starts, final)


def _advance(emissions: Tensor, limits: Tensor, nets: _Nets) -> tuple[Tensor, NDArray[np.int64]]:
    """Back-pointers uint8 (T, B, S), and the scores (B, S) of the last frames, int64."""
    count, states = nets.symbols.shape
    total, depth = emissions.shape[1], int(nets.frames.max())
    ring = torch.full((depth, count, states + 1), UNREACHABLE, device=emissions.device)
    back = torch.empty((total, count, states), dtype=torch.uint8, device=emissions.device)
    lookups = [_lookup(nets, depth, phase) for phase in range(depth)]
    last = ring[-1, :, :states]
    for t, (stay, run) in enumerate(_chunks(emissions, limits, nets, depth)):
        row = ring[t % depth, :, :states]
        enter = ring.view(-1)[lookups[t % depth]].add_(nets.costs).amax(0)
        if t < depth:
            enter = torch.where(nets.frames == t + 1, nets.initial, enter)
        best = torch.maximum(enter.add_(run), last + stay)
        back[t] = best  # its lowest byte
        torch.bitwise_and(best, -256, out=row)
        last = row
    return back, (last >> 8).cpu().numpy()


def _lookup(nets: _Nets, depth: int, phase: int) -> Tensor:
    """int32 (A, B, S): where in the ring the score is from which each arc leaves, in frames t = phase modulo depth."""
    count, states = nets.symbols.shape
    utterances = torch.arange(count, device=nets.symbols.device)[:, None]
    rows = (phase - nets.frames) % depth
    return ((rows * count + utterances) * (states + 1) + nets.sources).int()


def _chunks(emissions: Tensor, limits: Tensor, nets: _Nets, depth: int) -> Iterator[tuple[Tensor, Tensor]]:
    """For each frame, packed (B, S): the emission of staying, and the summed emissions of a least visit up to it."""
    count, total, symbols = emissions.shape
    device = emissions.device
    steps = torch.arange(CHUNK, device=device)[:, None, None]
    begins = steps + (depth + 1 - nets.frames)
    columns = nets.symbols.expand(CHUNK + depth + 1, -1, -1)
    for t in range(0, total, CHUNK):
        # frames t - depth .. t + CHUNK - 1, zero outside the utterances
        window = torch.zeros((CHUNK + depth + 1, count, symbols), dtype=torch.int64, device=device)
        low, high = max(0, t - depth), min(t + CHUNK, total)
        part = emissions[:, low:high].transpose(0, 1)
        inside = torch.arange(low, high, device=device)[:, None] < limits
        window[low - t + depth + 1 : high - t + depth + 1] = part * inside[:, :, None]
        sums = window.cumsum(0).gather(2, columns)
        upto = sums[depth + 1 :]
        stay = (upto - sums[depth:-1]) * 256 + STAYED
        run = (upto - sums.gather(0, begins)) * 256
        run += (steps + t >= limits[:, None]) * CLOSED
        yield from zip(stay[: total - t], run[: total - t], strict=True)


def _retrace(back: Tensor, state: Tensor, nets: _Nets) -> NDArray[np.int32]:
    """int32 (T, B): the state that a visit is to, in the frame that completes its minimum duration; -1 elsewhere."""
    total, count, states = back.shape
    visits = torch.empty((total, count), dtype=torch.int32, device=back.device)
    sources, frames = nets.sources.clamp(max=states - 1).view(-1), nets.frames.view(-1)
    rows = torch.arange(count, device=back.device) * states
    here = torch.full_like(state, total - 1)  # the frame in which each path has got to
    for t in range(total - 1, -1, -1):
        cell = rows + state
        arc = STAYED - 1 - back[t].view(-1)[cell].long()
        current = here == t
        entered = current & (arc >= 0)
        visits[t] = torch.where(entered, state, -1)
        here = torch.where(entered, t - frames[cell], here - (current & ~entered).long())
        state = torch.where(entered, sources[arc.clamp(min=0) * (count * states) + cell], state)
    return visits.cpu().numpy()
