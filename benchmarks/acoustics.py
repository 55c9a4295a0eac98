"""What acoustic models hear: every checkpoint on every pack, decoded alike by one plain path and without a text.

    python -m benchmarks.acoustics MODEL.pt [MODEL.pt ...] [--device cuda] [--packs songs,spoken] [--throughput]

Writes bench-out/acoustics.json after each checkpoint; `python -m benchmarks.acoustics_page` puts it into the docs.
Constants that a reading needs (how short a sound may be, what a sound costs, the bias of its word starts and ends)
are taken from sound that models learn from, never from these packs.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aligner_core import acoustic
from aligner_core.acoustic import AcousticModel
from aligner_core.acoustic.windows import Windowed
from aligner_core.audio import SAMPLE_RATE, log_mel, normalise
from aligner_core.evidence import phone_names, spells
from aligner_core.metrics import phone_error_rate
from aligner_core.recognise import beam_search, greedy, voices
from benchmarks import acoustics_page, packs
from benchmarks.accuracy import PACKS, Pack
from benchmarks.engine_page import write
from benchmarks.recordings import Floats, Recording, Way, late, paths, read, words

JSON = Path(__file__).resolve().parents[1] / "bench-out" / "acoustics.json"
TAUGHT = Pack("taught", "Read speech that models learn from", "speech/librispeech-aligned.zip")
TAUGHT_COUNT = 40  # recordings, of both speakers, for the constants
SHORTEST = (1, 2, 3)  # frames, tried for `greedy`
PENALTIES = (0.0, 1.0, 2.0, 3.0, 4.0)  # nats, tried for `beam_search`
BEAM = 8
LIMITS_MS = (25, 50, 100, 300)
ALIKE_SECONDS = 90  # of sound in which windows are held against the whole
TIMED_SECONDS, TIMES = 60, 3  # of sound heard to time it, and how often
BATCH, BATCH_SECONDS, BATCHES = 64, 30, 10  # of waves at once on a GPU


@dataclass(frozen=True)
class Reading:
    """Constants that were found on sound to learn from: see `greedy` and `beam_search`; bias in seconds of starts and
    ends of plain paths, and of refined ones."""

    shortest: int
    penalty: float
    bias: Floats
    refined_bias: Floats | None


class Heard:
    """What a model makes of the recordings of a pack."""

    def __init__(self, pack: str, recordings: Sequence[Recording], model: AcousticModel, device: str) -> None:
        self.recordings, self.model, self.device = recordings, model, device
        self.tables = [model.log_probs(recording.samples.to(device)) for recording in recordings]
        self.paths = list(paths(recordings, self.tables, model, Way.of(pack, model), device))
        self.count = len(model.symbols)
        self.edged = bool(self.tables) and self.tables[0].shape[1] > self.count

    def late(self, *, refined: bool = False) -> list[Floats]:
        """(words, 2) seconds for each recording."""
        edges = [table[:, self.count :] if refined else None for table in self.tables]
        parts = zip(self.recordings, self.paths, edges, strict=True)
        return [late(one, words(visits, self.model.frame_seconds, x)) for one, visits, x in parts]

    def scores(self) -> list[Tensor]:
        """(frames, 1 + phones) of each recording, to be read without a text."""
        return [voices(table, self.model.symbols).to(self.device) for table in self.tables]

    def error_rate(self, rows: Sequence[Sequence[int]]) -> float:
        """Of what was read, as columns of `scores`."""
        names = ("", *phone_names(self.model.symbols))
        return phone_error_rate([one.phones for one in self.recordings], [[names[at] for at in row] for row in rows])

    def blank(self) -> float:
        """Share of the frames inside words in which no phone is the likeliest symbol."""
        sounds = len(phone_names(self.model.symbols))
        quiet = total = 0
        for recording, table in zip(self.recordings, self.tables, strict=True):
            best = table[:, : self.count].argmax(-1).numpy()
            frames = np.arange(len(best)) * self.model.frame_seconds
            inside = np.zeros(len(best), bool)
            for start, end in recording.spans:
                inside[np.searchsorted(frames, start) : np.searchsorted(frames, end)] = True
            quiet += int((((best == 0) | (best > sounds)) & inside).sum())
            total += int(inside.sum())
        return quiet / max(total, 1)


def main() -> None:
    """Measure every checkpoint given."""
    options = _options()
    root = packs.data_root(options.data)
    chosen = [pack for pack in PACKS if not options.packs or pack.name in options.packs.split(",")]
    sounds = {pack.name: read(root / pack.file, pack.start, options.limit, options.workers) for pack in chosen}
    taught = read(root / TAUGHT.file, "", options.limit or TAUGHT_COUNT, options.workers, spread=True)
    figures: dict[str, Any] = {"by": _machine(options.device), "models": {}}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    for path in options.models:
        begin = time.perf_counter()
        figures["models"][path.stem] = measured(path, sounds, taught, options)
        figures["models"][path.stem]["took"] = time.perf_counter() - begin
        write(options.json, figures)
    print(acoustics_page.section([figures]))


def measured(
    path: Path, sounds: dict[str, list[Recording]], taught: Sequence[Recording], options: argparse.Namespace
) -> dict[str, Any]:
    """All figures of a checkpoint."""
    model = acoustic.load(path, options.device)
    backend, parameters = acoustic.read(path)["backend"], sum(x.numel() for x in _network(model).parameters())
    figures = {"backend": backend, "parameters": parameters, "bytes": path.stat().st_size, "packs": {}}
    figures |= timed(model, options)
    reading = fitted(Heard("taught", taught, model, options.device))
    figures["reading"] = {
        "shortest": reading.shortest, "penalty": reading.penalty, "bias": reading.bias.tolist(),
        "refined_bias": None if reading.refined_bias is None else reading.refined_bias.tolist(),
    }  # fmt: skip
    for name, recordings in sounds.items():
        figures["packs"][name] = found = pack_figures(Heard(name, recordings, model, options.device), reading)
        print(path.stem, name, json.dumps(found), flush=True)
        if isinstance(model, Windowed) and "windows" not in figures:
            figures["windows"] = difference(model, recordings)
    return figures


def fitted(heard: Heard) -> Reading:
    """The constants with which the fewest sounds are wrong, and the bias."""
    bias = _bias(heard.late())
    refined = _bias(heard.late(refined=True)) if heard.edged else None
    if spells(heard.model.symbols):
        return Reading(1, 0.0, bias, refined)
    scores = heard.scores()
    rates = {least: heard.error_rate([greedy(x, least) for x in scores]) for least in SHORTEST}
    beams = {nats: heard.error_rate(_beam(scores, nats)) for nats in PENALTIES}
    return Reading(min(rates, key=lambda k: rates[k]), min(beams, key=lambda k: beams[k]), bias, refined)


def pack_figures(heard: Heard, reading: Reading) -> dict[str, Any]:
    """All that is reported of a pack."""
    figures: dict[str, Any] = {"seconds": sum(one.seconds for one in heard.recordings), "blank": heard.blank()}
    figures |= {"path": edge_figures(heard.late(), reading.bias)}
    if heard.edged and reading.refined_bias is not None:
        figures |= {"refined": edge_figures(heard.late(refined=True), reading.refined_bias)}
    if all(one.phones for one in heard.recordings) and not spells(heard.model.symbols):
        scores = heard.scores()
        figures["per_plain"] = heard.error_rate([greedy(x) for x in scores])
        figures["per_greedy"] = heard.error_rate([greedy(x, reading.shortest) for x in scores])
        figures["per_beam"] = heard.error_rate(_beam(scores, reading.penalty))
    return figures


def edge_figures(errors: Sequence[Floats], bias: Floats) -> dict[str, Any]:
    """Of starts and of ends: over all words, the same without the bias, and means over recordings.

    Args:
        errors: (words, 2) seconds late of each recording; inf where nothing was found.
        bias: (2,) seconds.
    """
    pooled = np.concatenate(errors)
    out: dict[str, Any] = {"words": len(pooled), "missing": int(np.isinf(pooled[:, 0]).sum())}
    for column, name in enumerate(("start", "end")):
        one = [shares(each[:, column]) for each in errors]
        out[name] = shares(pooled[:, column])
        out[name]["corrected"] = shares(pooled[:, column] - bias[column])
        keys = ("within_300", "within_100", "median", "mean")
        out[name]["means"] = {key: float(np.mean([x[key] for x in one if x[key] is not None] or 0)) for key in keys}
    return out


def shares(errors: Floats) -> dict[str, Any]:
    """Shares within limits, of all words; mean and median absolute error, and bias, in seconds, of those found."""
    found = errors[np.isfinite(errors)]
    size = np.abs(found)
    out: dict[str, Any] = {f"within_{ms}": float((size <= ms / 1000 + 1e-9).sum() / len(errors)) for ms in LIMITS_MS}
    middle = (size.mean(), np.median(size), np.median(found)) if len(found) else (None, None, None)
    return out | dict(zip(("mean", "median", "bias"), (None if x is None else float(x) for x in middle), strict=True))


def timed(model: AcousticModel, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of computing for each second of sound, from the wave on, and how many times faster than real time batches
    go; medians."""
    wave = 0.1 * torch.randn(TIMED_SECONDS * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    figures: dict[str, Any] = {}
    before = torch.get_num_threads()
    for threads in (1, 2) if options.device == "cpu" else (before,):
        torch.set_num_threads(threads)
        wall, work = _seconds(lambda: model.log_probs(wave.to(options.device)), options.device, TIMES)
        figures[f"seconds_per_second_{threads}"] = wall / TIMED_SECONDS
        figures[f"processor_seconds_per_second_{threads}"] = work / TIMED_SECONDS
    torch.set_num_threads(before)
    if options.throughput and isinstance(model, Windowed):
        figures["throughput"] = throughput(model, options.device)
    return figures


@torch.inference_mode()
def throughput(model: Windowed, device: str) -> float:
    """Seconds of sound heard in a second, from waves on the device to log-probabilities there, in batches."""
    waves = 0.1 * torch.randn(BATCH, BATCH_SECONDS * SAMPLE_RATE, device=device)

    def hear() -> Tensor:
        features = normalise(log_mel(waves))
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            return model.table(features)

    return BATCH * BATCH_SECONDS / _seconds(hear, device, BATCHES)[0]


@torch.inference_mode()
def difference(model: Windowed, recordings: Sequence[Recording]) -> float:
    """Nats, at most, between what is heard in windows and in the whole: more than rounding where a reach has no end."""
    parts = torch.cat([one.samples for one in recordings])[: ALIKE_SECONDS * SAMPLE_RATE]
    device = next(model.parameters()).device
    whole = model.table(normalise(log_mel(parts.to(device)))[None])[0].cpu()
    return float((model.log_probs(parts) - whole).abs().max())


def _beam(scores: Sequence[Tensor], penalty: float) -> list[tuple[int, ...]]:
    return [found[0].labels for found in beam_search(scores, BEAM, penalty)]


def _bias(errors: Sequence[Floats]) -> Floats:
    pooled = np.concatenate(errors)
    found = pooled[np.isfinite(pooled).all(1)]
    return np.asarray(np.median(found, 0) if len(found) else np.zeros(2), np.float64)


def _seconds(work: Callable[[], object], device: str, times: int) -> tuple[float, float]:
    """How long this takes, by the clock and of the processors: medians, after one more run that does not count."""
    wall, processor = [], []
    for _ in range(times + 1):
        begin = time.perf_counter(), time.process_time()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        wall.append(time.perf_counter() - begin[0])
        processor.append(time.process_time() - begin[1])
    return median(wall[1:]), median(processor[1:])


def _network(model: AcousticModel) -> nn.Module:
    if not isinstance(model, nn.Module):
        raise TypeError(f"{type(model).__name__} is no network")
    return model


def _machine(device: str) -> dict[str, str]:
    name = torch.cuda.get_device_name() if device.startswith("cuda") else platform.machine()
    return {"device": device, "name": name, "torch": torch.__version__, "python": platform.python_version()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL.pt")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--packs", default="", help="comma-separated: " + ", ".join(pack.name for pack in PACKS))
    parser.add_argument("--limit", type=int, help="only the first recordings of each pack")
    parser.add_argument("--throughput", action="store_true", help="time batches too")
    parser.add_argument("--workers", type=int, default=4, help="threads that decode sound")
    parser.add_argument("--data", type=Path, help="folder of the packs")
    parser.add_argument("--json", type=Path, default=JSON, help="where the figures go")
    return parser.parse_args()


if __name__ == "__main__":
    main()
