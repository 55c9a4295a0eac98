"""What the head for edges is worth: word starts and ends of plain paths, with and without refining.

    python -m benchmarks.edges MODEL.pt [MODEL.pt ...] [--limit 5] [--fit] [--no-eval]

Measures recordings that the training kept out, and the packs of eval/. With --fit the constants of `Refining` are
searched on the former alone; the latter are for looking only.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner_core import acoustic
from aligner_core.acoustic.cnn import CnnCtc
from aligner_core.edges import Refining, refine
from aligner_core.errors import WeightsError
from aligner_core.lattice import Visit
from aligner_core.training.align import HELD_OUT_MUSIC, read_plan, split
from aligner_core.training.data import Utterance, decode, manifest, music_power
from aligner_core.training.held_out import HeldOut, errors, least_frames, spans
from aligner_core.training.realign import best_visits, heard
from benchmarks import packs

Floats = NDArray[np.float64]
EVAL = (
    ("spoken, unheard", "eval/synth-held-out-voices.zip", "s"),
    ("sung, unheard", "eval/synth-held-out-voices.zip", "m"),
    ("librispeech 5652", "eval/librispeech-aligned-5652.zip", ""),
)
CHOICES: dict[str, tuple[Any, ...]] = {
    "blur": (0.5, 0.7, 1.0, 1.4, 2.0),
    "doubt": (0.001, 0.003, 0.01, 0.03, 0.1),
    "away": tuple((x, x, x) for x in (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)),
    "reach": tuple((float(a), float(b), float(c)) for a in (2, 3, 4) for b in (6, 12, 20, 30) for c in (3, 4)),
    "least": (1.0, 1.5, 2.0),
}


@dataclass(frozen=True)
class Condition:
    """Recordings with their paths and the log-odds of their edges (frames, kinds)."""

    name: str
    group: list[Utterance]
    paths: list[list[Visit]]
    edges: list[Tensor]

    def late(self, kind: str, refining: Refining | None) -> Floats:
        """Seconds by which all words start or end too late; plain paths without `refining`."""
        if refining is None:
            return errors(kind, self.group, [spans(visits) for visits in self.paths])
        pairs = zip(self.paths, self.edges, strict=True)
        return errors(kind, self.group, [spans(v, refine(v, edges, refining)) for v, edges in pairs])


def main() -> None:
    """Measure every model given."""
    options = _options()
    root = packs.data_root(options.data)
    torch.set_num_threads(options.threads)
    for path in options.models:
        model = acoustic.load(path)
        if not isinstance(model, CnnCtc) or model.edges is None:
            raise WeightsError("has no head for edges", str(path))
        learnt = list(conditions(model, HeldOut(*_kept(root, options), torch.device("cpu"))))
        refining = fit(learnt) if options.fit else Refining()
        print(f"\n{path}  {refining}\n{HEAD}", flush=True)
        for condition in itertools.chain(learnt, _eval(model, root, options) if options.eval else ()):
            for label, how in (("path", None), ("refined", refining)):
                print(line(f"{condition.name}, {label}", condition, how), flush=True)


HEAD = (
    f"{'':36}  words |  starts: 25 ms  50 ms  mean   bias | unbiased 25 ms  50 ms  mean |"
    "  ends: 25 ms  50 ms  mean   bias"
)


def line(title: str, condition: Condition, refining: Refining | None) -> str:
    """A row of the table; mean of the absolute errors and bias, the median error, in ms."""
    start, end = (condition.late(kind, refining) for kind in ("start", "end"))
    even = start - np.median(start)
    return (
        f"{title:36} {len(start):6} |  {_shares(start)} {1000 * np.median(start):+6.1f} | {_shares(even)} |"
        f" {_shares(end)} {1000 * np.median(end):+6.1f}"
    )


def _shares(late: Floats) -> str:
    size = np.abs(late)
    found = size[np.isfinite(size)]
    return f"{100 * (size <= 0.025).mean():13.2f} {100 * (size <= 0.05).mean():6.2f} {1000 * found.mean():5.1f}"


def conditions(model: CnnCtc, held_out: HeldOut) -> Iterator[Condition]:
    """What the training kept out, heard by this model."""
    for name, group, music in held_out.conditions():
        yield _condition(name, model, group, [held_out.features(u, music=music) for u in group])


def _condition(name: str, model: CnnCtc, group: list[Utterance], features: Sequence[Tensor]) -> Condition:
    outputs = [heard(model, x) for x in features]
    paths = list(best_visits(group, [x for x, _ in outputs], least_frames(name)))
    return Condition(name, group, paths, [x for _, x in outputs if x is not None])


def _kept(root: Path, options: argparse.Namespace) -> tuple[list[Utterance], Tensor]:
    plan = read_plan(options.plan)
    kept = [entry for entry in split(manifest([root / pack for pack in plan.voices]))[1] if entry.row.get("seg")]
    groups = [list(group) for _, group in itertools.groupby(kept, key=lambda entry: entry.path)]
    music = manifest([root / "music" / "music.zip"])[-HELD_OUT_MUSIC:]
    chosen = [entry for group in groups for entry in group[: options.limit]]
    return decode(chosen, workers=1), music_power(decode(music, workers=1), torch.device("cpu"))


def _eval(model: CnnCtc, root: Path, options: argparse.Namespace) -> Iterator[Condition]:
    for name, file, begins in EVAL:
        entries = [entry for entry in manifest([root / file]) if entry.row["id"].startswith(begins)]
        group = [u for u in decode(entries[: options.limit], workers=1) if len(u.times("start")) == len(u.words)]
        bare = HeldOut(group, torch.zeros(0), torch.device("cpu"))
        yield _condition(name, model, group, [bare.features(u, music=False) for u in group])


def fit(learnt: Sequence[Condition]) -> Refining:
    """The constants that put most starts and ends of these within 25 ms, every condition counting the same; one after
    the other, twice over."""
    best = Refining()
    for name, values in list(CHOICES.items()) * 2:
        tried = [replace(best, **{name: value}) for value in values]
        worth = [sum(_worth(condition, refining) for condition in learnt) for refining in tried]
        best = tried[int(np.argmax(worth))]
        print(f"{name}: {max(worth) / len(learnt):.4f} with {getattr(best, name)}", flush=True)
    return best


def _worth(condition: Condition, refining: Refining) -> float:
    start, end = (np.abs(condition.late(kind, refining)) for kind in ("start", "end"))
    near = [(size <= limit).mean() for size in (start, start, end) for limit in (0.015, 0.025, 0.04)]
    return float(np.mean(near))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL.pt")
    parser.add_argument("--plan", type=Path, default=Path("aligner_core/training/cnn_edges.toml"))
    parser.add_argument("--limit", type=int, help="recordings of each pack")
    parser.add_argument("--fit", action="store_true", help="search the constants first")
    parser.add_argument("--eval", action=argparse.BooleanOptionalAction, default=True, help="measure eval/ too")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, help="folder of the packs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
