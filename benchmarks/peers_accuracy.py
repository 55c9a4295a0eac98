"""How near each aligner's times are, on the same recordings; what was measured once is kept until something changes."""

from __future__ import annotations

import json
import multiprocessing
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from benchmarks import accuracy, packs, peers, peers_cache, peers_table
from benchmarks.accuracy import PACKS, Aligned, Engine, Pack, aligned
from benchmarks.peers_table import OURS, PEERS, Peer, There

CORE = "*.py acoustic/*.py"  # of aligner_core: what our own figures depend on
EVERY = {"spoken": 4, "sung": 3}  # of the rendered recordings, each so manyth: all voices alike
QUICK = {"librispeech": 20, "songs": 5, "spoken": 40, "sung": 40}  # each so manyth in a quick run
SHARES = (25, 50, 100, 300)  # ms


@dataclass(frozen=True)
class Plan:
    """What is measured, and by how many processes."""

    root: Path
    quick: bool
    workers: int


def measured(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Figures by pack and aligner: {pack: {"title", "recordings", "by": {aligner: figures}}}."""
    there = {peer: found for peer in PEERS if not (found := peer.look()).absent}
    out = {}
    with ProcessPoolExecutor(plan.workers, multiprocessing.get_context("spawn"), _one_thread) as pool:
        for pack in PACKS:
            keys, by = chosen(plan, pack), {}
            for peer, found in there.items():
                by[peer.name] = kept(plan, pool, pack, peer, found, keys)
                say(line(pack.name, peer.name, by[peer.name]))
            out[pack.name] = {"title": pack.title, "recordings": len(keys), "by": by}
    return out


def chosen(plan: Plan, pack: Pack) -> list[str]:
    """The ids of the recordings that are taken of a pack."""
    with zipfile.ZipFile(plan.root / pack.file) as archive:
        rows = archive.read("manifest.jsonl").decode().splitlines()
    keys = [key for row in rows if (key := str(json.loads(row)["id"])).startswith(pack.start)]
    return keys[:: QUICK[pack.name] if plan.quick else EVERY.get(pack.name, 1)]


def kept(plan: Plan, pool: Executor, pack: Pack, peer: Peer, found: There, keys: Sequence[str]) -> dict[str, Any]:
    """The figures of one aligner on one pack: those of an earlier run if nothing has changed since."""
    source = peers_cache.code(packs, peers, *peer.code, core=CORE if peer.name.startswith(OURS) else "")
    about = [peer.name, found.version, pack.name, str((plan.root / pack.file).stat().st_size), *keys, source]
    run = partial(align, plan, pool, pack, peer.name, keys)
    return peers_cache.kept(f"{pack.name}-{peer.name}", about, lambda: brief(accuracy.figures(pack, peer.name, run())))


def align(plan: Plan, pool: Executor, pack: Pack, name: str, keys: Sequence[str]) -> list[Aligned]:
    """The recordings through one aligner, several at a time."""
    wanted = set(keys)
    items = (item for item in packs.read(plan.root / pack.file, pack.start) if item.key in wanted)
    return list(pool.map(partial(align_item, name), items))


def align_item(name: str, item: packs.Item) -> Aligned:
    """One recording through one aligner; what it refuses has no times."""
    return aligned(made(name), item)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)  # a process a core


@cache
def made(name: str) -> Engine:
    """An aligner, loaded once a process."""
    return peers_table.by_name(name).make()


def brief(figures: dict[str, Any]) -> dict[str, Any]:
    """What is told of a pack: word starts as they are, and with the aligner's own bias taken off; and its ends."""
    pooled, corrected = figures["pooled"], figures["without_bias"]
    return {
        "words": pooled["words"],
        "lost": pooled["missing"] / pooled["words"],
        "start": edge(pooled["onset"]),
        "start_without_bias": edge(corrected["onset"]),
        "end": edge(pooled["offset"]),
        "end_without_bias": edge(corrected["offset"]),
        "means": figures["means"],
        "problems": sum(bool(item["problem"]) for item in figures["items"]),
    }


def edge(found: dict[str, Any]) -> dict[str, Any]:
    """Shares within limits, bias, mean and median."""
    shares = {f"within_{ms}": found[f"within_{ms}ms"] for ms in SHARES}
    return shares | {key: found[key] for key in ("bias", "mean", "median")}


def line(pack: str, name: str, found: dict[str, Any]) -> str:
    """One line to follow a run by."""
    start = found["start_without_bias"]
    shares = ", ".join(f"{ms} ms {100 * start[f'within_{ms}']:.1f} %" for ms in SHARES)
    return f"{pack:<12} {name:<26} lost {100 * found['lost']:.1f} %; without bias {shares}"


def roll() -> Iterator[dict[str, str]]:
    """Who is there, and who is not."""
    for peer in PEERS:
        found = peer.look()
        yield {"name": peer.name, "how": peer.how, "version": found.version, "absent": found.absent}
