"""Times from activation maps beside those of the best path: are they nearer to the truth?

    python -m benchmarks.activations [--model FILE] [--attention las.pt] [--packs spoken,sung,librispeech] [--limit 25]

One path through the posteriors says which phones were said; the rest starts from its phones. Figures go into
bench-out/activations.json, where those of other packs stay, and all of it into docs/activation.md. Integrated
gradients are slow on a CPU: they are taken of the first --gradients recordings of each pack, and compared with the
path on those.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from aligner_core import acoustic
from aligner_core.acoustic.cnn import CnnCtc
from aligner_core.acoustic.las import Las, spans
from aligner_core.activation import Floats, Map, Sound, inside, integrated_gradients, moved_edges, over_time
from aligner_core.audio import log_mel, normalise
from aligner_core.edges import refine
from aligner_core.lattice import Visit
from benchmarks import packs
from benchmarks.accuracy import PACKS
from benchmarks.acoustics import edge_figures
from benchmarks.engine_page import DOCS, put, write
from benchmarks.engine_page import read as load_json
from benchmarks.recordings import Recording, Way, late, paths, read

JSON = Path(__file__).resolve().parents[1] / "bench-out" / "activations.json"
PAGE = DOCS / "activation.md"
LONGEST = 20.0  # seconds of a recording that attention is tried on
STEPS = 6  # of the integral
MARGIN = 2  # frames beside a sound that count as inside it


class Heard:
    """A recording, what the model makes of it, and the sounds of its best path."""

    def __init__(self, recording: Recording, model: CnnCtc, table: Tensor, visits: Sequence[Visit]) -> None:
        self.recording, self.model, self.visits = recording, model, visits
        self.likely = table[:, : len(model.symbols)].exp().double().numpy()
        self.edges = table[:, len(model.symbols) :]
        self.sounds = [Sound(visit.column, visit.start, visit.end) for visit in visits]

    @property
    def features(self) -> Tensor:
        """Normalised log-mels (frames, MELS)."""
        return normalise(log_mel(self.recording.samples))

    @property
    def activity(self) -> Floats:
        """What each frame says for each sound, through the linear head: (sounds, frames)."""
        return self.likely.T[[sound.column for sound in self.sounds]]

    @cached_property
    def maps(self) -> list[Map]:
        """Integrated gradients of each sound."""
        return list(integrated_gradients(self.model, self.features, self.sounds, STEPS))

    def late(self, places: Floats) -> Floats:
        """(words, 2) seconds, for the begin and end (sounds, 2) of each sound in frames."""
        found: dict[int, tuple[float, float]] = {}
        for visit, (start, end) in zip(self.visits, places * self.model.frame_seconds, strict=True):
            found[visit.token] = (found.get(visit.token, (start, 0.0))[0], end)
        return late(self.recording, found)


def by_path(heard: Heard) -> Floats:
    """The best path alone."""
    return np.array([(one.start, one.end) for one in heard.sounds], float)


def by_head(heard: Heard) -> Floats:
    """The path, refined by the head for edges."""
    return np.array(refine(heard.visits, heard.edges), float)


def by_maps(heard: Heard) -> Floats:
    """The class activation maps of its sounds, in their order, alone."""
    activity = heard.activity
    return spans(activity / activity.max(1, keepdims=True).clip(1e-9))


def by_both(heard: Heard) -> Floats:
    """The path, its edges moved to where these maps rise and fall."""
    return moved_edges(heard.activity, heard.sounds)


def by_gradients(heard: Heard) -> Floats:
    """The path, its edges moved to where integrated gradients rise and fall."""
    activity = np.zeros((len(heard.sounds), len(heard.likely)))
    for row, found in zip(activity, heard.maps, strict=True):
        share = over_time(found.values).double().numpy()
        smooth = np.convolve(share, np.full(3, 1 / 3), "same")
        row[found.begin : found.begin + len(share)] = smooth / max(smooth.max(), 1e-9)
    return moved_edges(activity, heard.sounds)


WAYS: dict[str, Callable[[Heard], Floats]] = {
    "best path": by_path,
    "path and head for edges": by_head,
    "class activation alone": by_maps,
    "path and class activation": by_both,
}


def main() -> None:
    """Measure and tell."""
    options = _options()
    model = acoustic.load(options.model)
    if not isinstance(model, CnnCtc):
        raise SystemExit("activation maps need the CNN")
    attention = acoustic.load_attending(options.attention) if options.attention else None
    figures: dict[str, Any] = load_json(JSON) if JSON.exists() else {}
    for pack in PACKS:
        if pack.name in options.packs.split(","):
            recordings = read(packs.data_root(options.data) / pack.file, pack.start, options.limit, spread=True)
            figures[pack.name] = measured(pack.name, recordings, model, attention, options.gradients)
            JSON.parent.mkdir(exist_ok=True)
            write(JSON, figures)
    print(table(figures))
    put("activations", table(figures), PAGE)


def measured(
    pack: str, recordings: Sequence[Recording], model: CnnCtc, attention: Las | None, gradients: int
) -> dict[str, Any]:
    """Figures of each way on a pack."""
    tables = [model.log_probs(recording.samples) for recording in recordings]
    visits = list(paths(recordings, tables, model, Way.of(pack, model), "cpu"))
    all_heard = [Heard(*one) for one in zip(recordings, [model] * len(tables), tables, visits, strict=True) if one[3]]
    ways = WAYS if all_heard[0].edges.shape[1] else {k: v for k, v in WAYS.items() if v is not by_head}
    found = {name: figures([heard.late(way(heard)) for heard in all_heard]) for name, way in ways.items()}
    if attention is not None:
        short = [heard for heard in all_heard if heard.recording.seconds <= LONGEST]
        found["attention alone"] = figures([heard.late(attended(heard, attention)) for heard in short])
    if gradients:
        few = all_heard[:gradients]
        found["best path, of these"] = figures([heard.late(by_path(heard)) for heard in few])
        found["path and integrated gradients, of these"] = figures([heard.late(by_gradients(heard)) for heard in few])
        found["inside"] = {"share": shares(few)}
    return found


def attended(heard: Heard, attention: Las) -> Floats:
    """Where an attention aligner looks for the phones of the path, in frames."""
    phones = [heard.model.symbols[sound.column] for sound in heard.sounds]
    return attention.times(heard.recording.samples, phones) / heard.model.frame_seconds


def shares(few: Sequence[Heard]) -> dict[str, float]:
    """Means: the part of a map within its sound, the part of the map of the third sound after it there, and the part
    of the window that this is."""
    right, wrong, chance = [], [], []
    for heard in few:
        others = [*heard.sounds[3:], *heard.sounds[:3]]
        right += [inside(one, sound, MARGIN) for one, sound in zip(heard.maps, heard.sounds, strict=True)]
        wrong += [inside(one, sound, MARGIN) for one, sound in zip(heard.maps, others, strict=True)]
        spans_of = zip(heard.maps, heard.sounds, strict=True)
        chance += [(sound.end - sound.start + 2 * MARGIN) / one.values.shape[1] for one, sound in spans_of]
    return {"its own": float(np.mean(right)), "another's": float(np.mean(wrong)), "even": float(np.mean(chance))}


def figures(errors: Sequence[Floats]) -> dict[str, Any]:
    """Of starts and ends of words; see `benchmarks.acoustics.edge_figures`."""
    return edge_figures(errors, np.zeros(2))


def table(packs_figures: dict[str, Any]) -> str:
    """Markdown: of times, then of shares."""
    rows = [
        "| pack | times from | words | starts within 25, 50, 100 ms | median | bias | ends within 50 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for pack, found in packs_figures.items():
        for name, one in found.items():
            if name == "inside":
                continue
            start = one["start"]
            within = ", ".join(f"{100 * start[f'within_{ms}']:.1f}" for ms in (25, 50, 100))
            middle = f"{1000 * start['median']:.0f} ms | {1000 * start['bias']:+.0f} ms"
            rows.append(
                f"| {pack} | {name} | {one['words']} | {within} % | {middle} | {100 * one['end']['within_50']:.1f} % |"
            )
    rows += ["", "| pack | of a map, in its own sound | in another sound | if it were even |", "|---|---|---|---|"]
    for pack, found in packs_figures.items():
        if "inside" in found:
            shown = " | ".join(f"{100 * share:.0f} %" for share in found["inside"]["share"].values())
            rows.append(f"| {pack} | {shown} |")
    return "\n".join(rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="checkpoint; without it, the released one")
    parser.add_argument("--attention", type=Path, help="checkpoint of an attention aligner")
    parser.add_argument("--packs", default="spoken,sung,librispeech")
    parser.add_argument("--limit", type=int, default=25, help="recordings of each pack, from all over it")
    parser.add_argument("--gradients", type=int, default=2, help="recordings of each of which gradients are taken")
    parser.add_argument("--data", type=Path, help="folder of the packs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
