"""A million songs: hours, machines, money, storage and network, from what was measured on single machines.

    python -m benchmarks.scale

reads docs/cluster-*.json (benchmarks.cluster) and docs/library.json (benchmarks.library), and fills the block of
docs/scale.md. What was not measured stands in `Assumed` and `RENTED`, and on the page beside what follows from it.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import engine_page
from benchmarks.report import table

Figures = Mapping[str, Any]

PAGE = engine_page.DOCS / "scale.md"
HOUR, DAY = 3600, 24
DRIVER_GROWS = "first_process_grows_mb_a_thousand"


@dataclass(frozen=True)
class Assumed:
    """What is not measured.

    Args:
        date: of the prices.
        songs: how many.
        seconds: of a song.
        kbit: of its file, for each second.
        deadline: hours in which all is to be done.
        boot: seconds until a machine that was asked for can work.
        taken: how often in an hour a spot machine is taken away.
        store, get, put: dollars for a GB and month, for a thousand reads, for a thousand writes or listings.
        in_a_listing: names in one answer of a store.
    """

    date: str = "2026-11-22"
    songs: int = 1_000_000
    seconds: float = 240.0
    kbit: float = 256.0
    deadline: float = 24.0
    boot: float = 180.0
    taken: float = 0.1
    store: float = 0.023
    get: float = 0.0004
    put: float = 0.005
    in_a_listing: int = 1000


@dataclass(frozen=True)
class Rented:
    """A kind of machine: its processors, and dollars an hour, for good and until it is taken away."""

    name: str
    device: str
    cores: int
    price: float
    spot: float


RENTED = (
    Rented("16 processors", "cpu", 16, 0.70, 0.28),
    Rented("one H100 and 16 processors", "cuda", 16, 3.00, 1.50),
)


@dataclass(frozen=True)
class Plan:
    """What all songs come to on machines of one kind.

    Args:
        rate: songs a second of one machine.
        hours: of machines, without and with what is lost when spot machines are taken away.
        machines: that meet the deadline.
        mbit: that one machine reads each second.
        held: machines that one program can hand songs to; None: not measured.
    """

    rented: Rented
    rate: float
    hours: float
    spot_hours: float
    machines: int
    mbit: float
    held: int | None

    @property
    def cost(self) -> float:
        """Dollars."""
        return self.hours * self.rented.price

    @property
    def spot_cost(self) -> float:
        """Dollars."""
        return self.spot_hours * self.rented.spot


def plan(figures: Figures, rented: Rented, assumed: Assumed) -> Plan:
    """For a machine on which `benchmarks.cluster` measured, with as many workers as it has processors."""
    longer = assumed.seconds / figures["seconds_a_song"]
    rate = figures["songs_a_second"] / longer * rented.cores / figures["jobs"]
    hours = assumed.songs / rate / HOUR
    half_a_song = rented.cores / rate / 2  # of each worker's song, on average
    lost = assumed.boot + figures["first_after"][figures["engine"]] + half_a_song
    handed = figures.get("handed_out_a_second")
    return Plan(
        rented,
        rate,
        hours,
        hours * (1 + assumed.taken * lost / HOUR),
        math.ceil(hours / assumed.deadline),
        rate * file_bytes(assumed) * 8 / 1e6,
        int(handed / rate) if handed else None,
    )


def file_bytes(assumed: Assumed) -> float:
    """Of one song."""
    return assumed.seconds * assumed.kbit * 1000 / 8


def storage(figures: Figures, assumed: Assumed) -> dict[str, float]:
    """What goes over the network, and what the store asks for it: bytes, requests and dollars."""
    written = figures["written_a_song"] * assumed.seconds / figures["seconds_a_song"] * assumed.songs
    reads, listed = 2 * assumed.songs, math.ceil(2 * assumed.songs / assumed.in_a_listing)
    return {
        "read": file_bytes(assumed) * assumed.songs,
        "written": written,
        "reads": reads,
        "writes": assumed.songs + listed,
        "requests_cost": reads / 1000 * assumed.get + (assumed.songs + listed) / 1000 * assumed.put,
        "month_cost": written / 1e9 * assumed.store,
        "journal": figures["journal_a_song"] * assumed.songs,
    }


def section(found: Sequence[Figures], library: Figures, assumed: Assumed = Assumed()) -> str:
    """All of it, in Markdown."""
    by_device = {figures["device"]: figures for figures in found}
    rows = [(by_device[one.device], one) for one in RENTED if one.device in by_device]
    plans = [plan(figures, one, assumed) for figures, one in rows]
    missing = [one.name for one in RENTED if one.device not in by_device]
    parts = [measured(found), hours(plans, assumed), kept(storage(found[0], assumed), plans, library, assumed)]
    if missing:
        parts.append(f"Not measured yet: {', '.join(missing)} (`python -m benchmarks.cluster`).\n")
    return "\n".join(parts)


def measured(found: Sequence[Figures]) -> str:
    """What was measured on one machine each."""
    head = ("device", "processes", "seconds of a song", "done by", "songs a second", "against the local engine",
            "first song after", "handed out a second")  # fmt: skip
    rows = []
    for one in found:
        ratio = one["against_local"][one["engine"]]
        handed = one.get("handed_out_a_second")
        rows.append((
            one["device"], one["jobs"], f"{one['seconds_a_song']:.0f}", one["engine"], f"{one['songs_a_second']:.2f}",
            f"{ratio['median']:.2f} ({ratio['lowest']:.2f} to {ratio['highest']:.2f})",
            f"{one['first_after'][one['engine']]:.0f} s", f"{handed:.0f}" if handed else "",
        ))  # fmt: skip
    return f"**Measured**, on one machine each (`python -m benchmarks.cluster`).\n\n{table(head, rows)}\n"


def hours(plans: Sequence[Plan], assumed: Assumed) -> str:
    """Time and money."""
    head = ("machine", "$ an hour, spot", "songs a second", "machine hours", f"machines for {assumed.deadline:g} h",
            "$", "$ with spot machines", "reads, Mbit/s")  # fmt: skip
    rows = [
        (one.rented.name, f"{one.rented.price:.2f}, {one.rented.spot:.2f}", f"{one.rate:.2f}", f"{one.hours:.0f}",
         one.machines, f"{one.cost:.0f}", f"{one.spot_cost:.0f}", f"{one.mbit:.0f}")
        for one in plans
    ]  # fmt: skip
    return (
        f"**{assumed.songs:,} songs** of {assumed.seconds:.0f} s. Assumed: prices of {assumed.date}, which are round"
        f" figures and nobody's offer; work in proportion to length and to processors; a spot machine is taken away"
        f" {assumed.taken:g} times an hour, and the next one works {assumed.boot:.0f} s later.\n\n{table(head, rows)}\n"
    )


def kept(sizes: Mapping[str, float], plans: Sequence[Plan], library: Figures, assumed: Assumed) -> str:
    """Storage, network, and the one program that hands out."""
    lines = [
        f"* Read: {sizes['read'] / 1e12:.1f} TB at {assumed.kbit:.0f} kbit/s, {sizes['reads']:,} requests. Written:"
        f" {sizes['written'] / 1e9:.1f} GB, {sizes['writes']:,} requests, listings among them. Requests cost"
        f" ${sizes['requests_cost']:.0f}, what is written ${sizes['month_cost']:.2f} a month (${assumed.get} and"
        f" ${assumed.put} a thousand, ${assumed.store} a GB). Machines are in the store's own region: elsewhere"
        " traffic costs more than everything else.",
        f"* The journal grows to {sizes['journal'] / 1e9:.1f} GB, on the disk of the program that hands out.",
    ]
    if memory := library.get("memory"):
        lines.append(f"* That program grows by {memory[DRIVER_GROWS] * assumed.songs / 1e6:.1f} GB.")
    if held := [f"{one.held} machines with {one.rented.name}" for one in plans if one.held]:
        lines.append(f"* It can keep {' or '.join(held)} busy; more songs are several runs, each with its own journal.")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Fill the block of the page."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    found = [engine_page.read(path) for path in sorted(engine_page.DOCS.glob("cluster-*.json"))]
    if not found:
        raise SystemExit("docs/cluster-*.json: nothing is measured yet (python -m benchmarks.cluster)")
    engine_page.put("scale", section(found, engine_page.read(engine_page.DOCS / "library.json")), PAGE)


if __name__ == "__main__":
    main()
