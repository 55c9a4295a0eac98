"""Speed as ratios: everybody does the same work in turn, round after round in one process, and is held against us.

Counted is the processor's time of this process and of the programs that it starts, so that others on the machine
matter little; every round begins with somebody else.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any

from aligner_core.timeline import Alignment
from benchmarks import packs, peers_warping
from benchmarks.accuracy import PACKS
from benchmarks.peers_accuracy import align_item, made
from benchmarks.peers_table import OURS, PEERS

Work = Callable[[], object]
CASES = {"librispeech": 4, "songs": 1}  # packs, and how many of their recordings are aligned
ROUNDS = {"librispeech": 9, "songs": 3}
MOST_LOST = 0.5  # of the words: who loses more has not done the work


def processor() -> float:
    """Seconds that processors have worked for this process and for those of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def in_turn(works: Mapping[str, Work], rounds: int, clock: Callable[[], float] = processor) -> dict[str, list[float]]:
    """Seconds of each work in each round, after one round that does not count."""
    names = list(works)
    spent: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            begin = clock()
            works[name]()
            if number:
                spent[name].append(clock() - begin)
    return spent


def against(spent: Mapping[str, Sequence[float]], base: str) -> dict[str, dict[str, float]]:
    """How many times as long as `base` each took, round by round: median, quartiles, least and most."""
    return {name: spread([a / b for a, b in zip(times, spent[base], strict=True)]) for name, times in spent.items()}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, quartiles, least and most of one value or more."""
    low, middle, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
    return {"median": middle, "low": low, "high": high, "least": min(values), "most": max(values)}


def aligning(root: Path, quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Ratios of whole alignments, models loaded: {pack: {"seconds", "rounds", "ratios", "lost"}}."""
    out: dict[str, Any] = {}
    for name, count in CASES.items():
        pack = next(pack for pack in PACKS if pack.name == name)
        items = list(packs.read(root / pack.file, pack.start, 1 if quick else count))
        works, lost = workers(items)
        rounds = 2 if quick else ROUNDS[name]
        ratios = against(in_turn(works, rounds), OURS)
        out[name] = {
            "seconds": sum(item.seconds for item in items),
            "rounds": rounds,
            "ratios": ratios,
            "lost": lost,
        }
        say(f"{name}: " + ", ".join(f"{peer} {one['median']:.2f}" for peer, one in ratios.items()))
    return out


def workers(items: Sequence[packs.Item]) -> tuple[dict[str, Work], list[str]]:
    """What each aligner has to do, and who loses too many words to be timed."""
    works: dict[str, Work] = {}
    lost: list[str] = []
    for peer in PEERS:
        if not peer.timed or peer.look().absent:
            continue
        work = _aligned(peer.name, items)
        words = [word for one in work() for word in one.words]
        if sum(not word.timed for word in words) <= MOST_LOST * len(words):
            works[peer.name] = work
        else:
            lost.append(peer.name)
    return works, lost


def _aligned(name: str, items: Sequence[packs.Item]) -> Callable[[], list[Alignment]]:
    made(name)

    def run() -> list[Alignment]:
        peers_warping.said.cache_clear()  # what is said once is said again each time
        return [align_item(name, item).estimate for item in items]

    return run
