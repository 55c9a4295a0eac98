"""The mean of two checkpoints of one network: `python -m aligner_core.training.mean A.pt B.pt -o OUT.pt [--share 0.5]`.

Where one was trained on from the other, the network half-way between often hears better than both, and loses least on
sound that neither was trained on (Wortsman et al. 2022, arXiv 2109.01903).
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from aligner_core import acoustic
from aligner_core.errors import WeightsError


def mean(first: Path, second: Path, out: Path, share: float = 0.5) -> None:
    """Write the mean of two checkpoints.

    Args:
        share: of the second, 0..1.

    Raises:
        WeightsError: one of them cannot be read, or they are not of one network.
    """
    a, b = acoustic.read(first), acoustic.read(second)
    if (a["backend"], a["config"]) != (b["backend"], b["config"]):
        raise WeightsError("not of the same network", f"{first} and {second}", "two checkpoints of one plan")
    model, other = acoustic.build(a, str(first)), acoustic.build(b, str(second)).state_dict()
    between = {name: weight.lerp(other[name], share) for name, weight in model.state_dict().items()}
    model.load_state_dict(between)
    parts = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)}
    card = {"mean_of": parts, "share": share, "first": a["card"], "second": b["card"]}
    acoustic.save(model, a["backend"], out, card)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.5, help="of the second")
    given = parser.parse_args()
    mean(given.first, given.second, given.out, given.share)


if __name__ == "__main__":
    main()
