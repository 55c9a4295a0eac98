"""Steps a second: sound that stays on the GPU, against sound decoded and mixed by the processor's cores beside it.

    python -m benchmarks.training_speed CONFIG.toml --data PACKS [--seconds 15] [--workers N]

The same network learns from the same recipe in both, in one run. The second way is what a data loader usually does:
worker processes pick recordings, decode and mix them, and hand over batches.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from aligner_core.training.align import Sounds, Trainer, split
from aligner_core.training.augment import Batch, Mixer
from aligner_core.training.data import Corpus, Entry, decode, manifest
from aligner_core.training.effects import Recipe
from aligner_core.training.parallel import Team
from aligner_core.training.plan import Plan, read_plan

WARM_UP = 10  # steps before the clock starts
PICKED = 96  # recordings decoded for a batch; a batch is drawn from them


class Decoding(IterableDataset[Batch]):
    """Batches made by the processor: recordings are drawn, decoded, and mixed for each."""

    def __init__(self, entries: Sequence[Entry], music: Tensor, recipe: Recipe, crops: int) -> None:
        self.entries, self.music, self.recipe, self.crops = entries, music, recipe, crops

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        random = torch.Generator().manual_seed(worker.id if worker else 0)
        torch.set_num_threads(1)
        while True:
            picks = torch.randperm(len(self.entries), generator=random)[:PICKED].tolist()
            corpus = Corpus(
                decode(sorted((self.entries[i] for i in picks), key=lambda e: e.path), 1), torch.device("cpu")
            )
            yield Mixer(corpus, self.music, self.recipe, picks[0]).batch(self.crops)


def steps_a_second(trainer: Trainer, batches: Iterator[Batch], seconds: float) -> float:
    """How fast a trainer learns from these batches."""
    trainer.mixer = _Given(batches, trainer.device)  # type: ignore[assignment]
    done, begin = 0, 0.0
    while not begin or time.monotonic() - begin < seconds:
        loss = trainer.train_step()
        done += 1
        if done == WARM_UP:
            float(loss)  # waits for the device
            begin = time.monotonic()
    float(loss)
    return (done - WARM_UP) / (time.monotonic() - begin)


class _Given:
    """In the place of a `Mixer`."""

    def __init__(self, batches: Iterator[Batch], device: torch.device) -> None:
        self.batches, self.device = batches, device

    def batch(self, size: int) -> Batch:  # noqa: ARG002 - as a mixer's
        return Batch(*(part.to(self.device, non_blocking=True) for part in next(self.batches)))


def measured(plan: Plan, data: Path, device: str, seconds: float, workers: int, limit: int | None) -> dict[str, Any]:
    """Both ways, one after the other."""
    team = Team(device)
    sounds = Sounds.of(plan, data, team.device, limit)
    trainer = Trainer(plan, sounds, data, Path("nowhere"), team)
    mixer = trainer.mixer
    resident = steps_a_second(trainer, (mixer.batch(plan.crops) for _ in iter(int, 1)), seconds)
    entries = split(manifest([data / pack for pack in plan.voices], limit))[0]
    music = sounds.music[0].cpu()
    loader = DataLoader(Decoding(entries, music, plan.recipe, plan.crops), None, num_workers=workers, pin_memory=False)
    decoded = steps_a_second(trainer, iter(loader), seconds)
    return {
        "device": torch.cuda.get_device_name(team.device) if team.device.type == "cuda" else "cpu",
        "cores": os.cpu_count(),
        "workers": workers,
        "crops": plan.crops,
        "resident": resident,
        "decoded": decoded,
        "times": resident / decoded,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    torch.multiprocessing.set_sharing_strategy("file_system")
    found = measured(read_plan(given.config), given.data, given.device, given.seconds, given.workers, given.limit)
    print(json.dumps(found, indent=1))
    if given.json:
        given.json.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
