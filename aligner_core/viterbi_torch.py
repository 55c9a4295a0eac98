"""The GPU side of `viterbi.viterbi_batch`: lays the graphs out, says which utterances go together, runs the kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .errors import AlignmentError
from .graph import Graph
from .viterbi import LIMIT, UNITS_PER_NAT, UNREACHABLE, Path

ARCS = 4  # looked up together: `viterbi_triton.GROUP`
SHARE = 0.7  # of the free memory of a GPU


class Shape(NamedTuple):
    """How the work is cut: states of a tile, a power of two; the warps that share one; frames to a launch, about."""

    tile: int = 512
    warps: int = 8
    frames: int = 512

    def chunk(self, tiles: int) -> int:
        """Frames of a chunk: less where there are many tiles, as the ring has to hold a chunk of each."""
        return max(min(self.frames, 16), self.frames // tiles)


SHAPE = Shape()


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
    emissions: Tensor,
    lengths: Sequence[int],
    graphs: Sequence[Graph],
    device: torch.device | str,
    memory: int | None,
    shape: Shape = SHAPE,
) -> list[Path]:
    """`viterbi.viterbi_batch` after its checks."""
    device = torch.empty(0, device=device).device  # "cuda" gets its number
    paths: dict[int, Path] = {}
    for group in _groups(lengths, graphs, memory or _room(device), shape):
        chosen, rows = emissions, group
        if emissions.device != device:
            longest = max(lengths[i] for i in group)
            chosen, rows = emissions[group, :longest].to(device), list(range(len(group)))
        if chosen.dtype != torch.int32 or chosen.stride(2) != 1:
            chosen = chosen.int().contiguous()
        nets = _nets([graphs[i] for i in group], [lengths[i] for i in group], shape)
        with torch.cuda.device(chosen.get_device()):  # where Triton launches; -1 is none
            found = _align(chosen, rows, nets, shape)
        paths.update(zip(group, found, strict=True))
    return [paths[i] for i in range(len(lengths))]


def _room(device: torch.device) -> int:
    """Bytes to use on a GPU: what is free, and what torch holds without need."""
    free = torch.cuda.mem_get_info(device)[0]
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(SHARE * (free + unused))


def _groups(lengths: Sequence[int], graphs: Sequence[Graph], memory: int, shape: Shape) -> Iterator[list[int]]:
    """Indices of utterances of like length that fit into `memory` together."""
    group: list[int] = []
    cells = states = most = depth = 0
    for i in sorted(range(len(lengths)), key=lambda i: (lengths[i], len(graphs[i]), i)):
        count, least = len(graphs[i]), int(graphs[i].min_frames.max())
        rows = _rows(max(most, count), max(depth, least), shape)
        if group and cells + count * lengths[i] + 8 * rows * (states + count) > memory:
            yield group
            group, cells, states, most, depth = [], 0, 0, 0, 0
        group.append(i)
        cells, states = cells + count * lengths[i], states + count
        most, depth = max(most, count), max(depth, least)
    if group:
        yield group


def _rows(states: int, depth: int, shape: Shape) -> int:
    """Rows of the ring: a chunk of each tile, and what the last one looks back to."""
    tiles = -(-states // shape.tile)
    return tiles * shape.chunk(tiles) + depth


class _Nets(NamedTuple):
    """Graphs one after the other, as the kernels want them; their states number N in all."""

    lengths: NDArray[np.int64]  # frames of each utterance
    counts: NDArray[np.int64]  # states of each
    rows: int
    symbols: NDArray[np.int32]  # (N,)
    least: NDArray[np.int32]  # (N,)
    initial: NDArray[np.int32]  # (N,)
    final: NDArray[np.int32]  # (N,)
    tiles: NDArray[np.int64]  # (tiles of all, 2): where the arcs of a tile begin, and how many there are for each state
    arcs: NDArray[np.int64]  # source << 32 | cost


def _nets(graphs: Sequence[Graph], lengths: Sequence[int], shape: Shape) -> _Nets:
    counts = np.array([len(graph) for graph in graphs])
    least = np.concatenate([graph.min_frames for graph in graphs])
    tiles, arcs = _arcs(graphs, counts, shape)
    return _Nets(
        lengths=np.array(lengths, np.int64),
        counts=counts,
        rows=_rows(int(counts.max()), int(least.max()), shape),
        symbols=np.concatenate([graph.symbols for graph in graphs]),
        least=least,
        initial=np.concatenate([graph.initial for graph in graphs]),
        final=np.concatenate([graph.final for graph in graphs]),
        tiles=tiles,
        arcs=arcs,
    )


def _arcs(
    graphs: Sequence[Graph], counts: NDArray[np.int64], shape: Shape
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`tiles` and `arcs`: as many places for each state of a tile as any of them needs, the k-th arcs side by side."""
    states = np.concatenate([np.arange(count) for count in counts])
    blocks = -(-counts // shape.tile)
    tile = np.repeat(_before(blocks), counts) + states // shape.tile
    degrees = np.concatenate([np.diff(graph.offsets) for graph in graphs])
    most = np.zeros(int(blocks.sum()), np.int64)
    np.maximum.at(most, tile, degrees)
    most = -(-np.maximum(most, 1) // ARCS) * ARCS
    begins = _before(most * shape.tile)
    padding = np.repeat(np.repeat(counts, blocks), most * shape.tile) << 32
    number = np.arange(int(degrees.sum())) - np.repeat(_before(degrees), degrees)
    slots = np.repeat(begins[tile] + states % shape.tile, degrees) + number * shape.tile
    sources = np.concatenate([graph.sources for graph in graphs]).astype(np.int64)
    costs = np.concatenate([graph.costs for graph in graphs]).astype(np.int64)
    padding[slots] = sources << 32 | costs & 0xFFFFFFFF
    return np.stack([begins, most], axis=1), padding


def _align(emissions: Tensor, rows: Sequence[int], nets: _Nets, shape: Shape) -> list[Path]:
    """The paths of the utterances in these rows of the emissions."""
    visits, ends = _launch(emissions, rows, nets, shape)
    steps, results = visits.cpu().numpy(), ends.cpu().numpy()
    paths = []
    places = zip(_before(nets.counts), nets.lengths, results, strict=True)
    for first, length, (number, score) in places:
        states, starts = steps[first : first + number][::-1].T
        paths.append(Path(states.copy(), starts.copy(), int(length), int(score)))
    return paths


def _launch(emissions: Tensor, rows: Sequence[int], nets: _Nets, shape: Shape) -> tuple[Tensor, Tensor]:
    """Visits (N, 2), state and first frame, the last first; and of each utterance their number, and the score."""
    from .viterbi_triton import advance, retrace

    device = emissions.device
    arrays = (_places(emissions, rows, nets, shape), nets.symbols, nets.least, nets.tiles, nets.arcs)
    places, symbols, least, layout, arcs = (torch.from_numpy(array).to(device) for array in arrays)
    initial, final = torch.from_numpy(nets.initial).to(device), torch.from_numpy(nets.final).to(device)
    carry = torch.tensor([UNREACHABLE, 0, 0], device=device).repeat(len(symbols), 1)
    ring = torch.full((nets.rows * (len(symbols) + len(rows)),), UNREACHABLE, device=device)
    back = torch.empty(int(nets.lengths @ nets.counts), dtype=torch.uint8, device=device)
    tiles = -(-int(nets.counts.max()) // shape.tile)
    frames = shape.chunk(tiles)
    chunks = -(-int(nets.lengths.max()) // frames)
    tables = (emissions, places, symbols, least, layout, arcs, initial, carry, ring, back, nets.rows)
    for diagonal in range(chunks + tiles - 1):
        low, high = max(0, diagonal - chunks + 1), min(diagonal, tiles - 1)
        grid = (len(rows), high - low + 1)
        advance[grid](*tables, diagonal, low, frames, span=shape.tile, num_warps=shape.warps)
    visits = torch.empty((len(symbols), 2), dtype=torch.int32, device=device)
    ends = torch.empty((len(rows), 2), dtype=torch.int64, device=device)
    retrace[(len(rows),)](places, least, layout, arcs, final, carry, back, visits, ends, span=shape.tile, num_warps=1)
    return visits, ends


def _places(emissions: Tensor, rows: Sequence[int], nets: _Nets, shape: Shape) -> NDArray[np.int64]:
    """Where in memory each utterance has what, in the order of the fields in `viterbi_triton`."""
    fields = (
        np.full(len(rows), emissions.stride(1)),
        np.array(rows) * emissions.stride(0),
        _before(nets.counts),
        _before(-(-nets.counts // shape.tile)),
        _before((nets.counts + 1) * nets.rows),
        _before(nets.counts * nets.lengths),
        nets.lengths,
        nets.counts,
    )
    return np.stack(fields, axis=1).astype(np.int64)


def _before(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of these begins when they lie one after the other."""
    return sizes.cumsum() - sizes
