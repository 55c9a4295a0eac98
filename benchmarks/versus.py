"""How we stand against what people would pick instead: the same sound, the same texts, the same files, in one run.

    python -m benchmarks.versus [--quick] [--only accuracy,aligning,decoding,guide,formats] [--workers 2]

Writes docs/peers.json, docs/peers.md, two pictures and the block of the README; a run with --quick only prints, unless
--out says where to. Figures that do not depend on the machine are kept in bench-out/peers and made anew only when
what they come from has changed, so a run that was stopped goes on. Times must be taken on a machine that does nothing
else: they are ratios of runs in turn, one thread each. Who is absent is told; the variable KARALIGN_AENEAS names a
Python that has aeneas.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import engine_page, packs, peers_page

ALONE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
Say = Callable[[str], None]


def main() -> None:
    """Measure what is asked for, and write."""
    given = _options()
    os.environ.update(dict.fromkeys(ALONE, "1"))  # before anything that computes is loaded
    root, begin = packs.data_root(given.data), time.perf_counter()
    if not (root / "eval").is_dir():
        raise SystemExit(f"no packs in {root}: give --data or set KARALIGN_DATA")

    def say(text: str) -> None:
        print(f"{time.perf_counter() - begin:5.0f} s  {text}", flush=True)

    figures = measured(root, given, say)
    say("done")
    if given.out:
        engine_page.write(given.out, figures)
    if not given.quick:
        from benchmarks import peers_pictures

        peers_page.publish(figures)
        peers_pictures.draw(figures)
    elif not given.out:
        print(json.dumps(figures, indent=1, ensure_ascii=False))


def measured(root: Path, given: argparse.Namespace, say: Say) -> dict[str, Any]:
    """All figures; parts that are not asked for stay as they were."""
    import torch

    from benchmarks.peers_accuracy import roll

    torch.set_num_threads(1)
    old = {} if given.quick else engine_page.read(peers_page.JSON)
    chosen = given.only.split(",") if given.only else [*PARTS]
    figures = {"quick": given.quick, "by": machine(), "roll": list(roll())}
    for one in figures["roll"]:
        say(f"{one['name']}: {one['version'] or 'absent, ' + one['absent']}")
    for name, part in PARTS.items():
        if name in chosen:
            figures[name] = part(root, given, say)
        elif name in old:
            figures[name] = old[name]
    return figures


def _accuracy(root: Path, given: argparse.Namespace, say: Say) -> dict[str, Any]:
    from benchmarks.peers_accuracy import Plan
    from benchmarks.peers_accuracy import measured as part

    return part(Plan(root, given.quick, given.workers), say)


def _aligning(root: Path, given: argparse.Namespace, say: Say) -> dict[str, Any]:
    from benchmarks.peers_speed import aligning

    return aligning(root, given.quick, say)


def _decoding(_: Path, given: argparse.Namespace, say: Say) -> dict[str, Any]:
    from benchmarks.peers_decoding import measured as part

    return part(given.quick, say)


def _guide(root: Path, given: argparse.Namespace, say: Say) -> dict[str, Any]:
    from benchmarks.peers_guide import measured as part

    return part(root, given.quick, given.workers, say)


def _formats(_: Path, given: argparse.Namespace, say: Say) -> dict[str, Any]:
    from benchmarks.peers_formats import measured as part

    return part(given.quick, say)


PARTS = {"accuracy": _accuracy, "aligning": _aligning, "decoding": _decoding, "guide": _guide, "formats": _formats}


def machine() -> dict[str, str]:
    """What it ran on."""
    name = f"{os.cpu_count()} cores, {platform.machine()}"
    return {"machine": name, "python": platform.python_version(), "torch": version("torch")}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few recordings and rounds; docs/ and README stay")
    parser.add_argument("--only", default="", help=f"comma-separated: {', '.join(PARTS)}; the rest stays as it was")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes, where time is not measured"
    )
    parser.add_argument("--data", type=Path, help="folder of the packs")
    parser.add_argument("--out", type=Path, help="write the figures there as well")
    return parser.parse_args()


if __name__ == "__main__":
    main()
