"""Train the acoustic model: `python -m aligner_core.training.align CONFIG.toml --data FOLDER --out FOLDER`.

Frame cross-entropy on what has times; what has only text is labelled by the model itself every now and then
(expectation-maximisation with one best path) and learnt from like the rest. A run that was cut off goes on from
OUT/state.pt; a run that is done does nothing.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
import tomllib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from aligner_core import acoustic
from aligner_core.acoustic.cnn import SYMBOLS, CnnConfig, CnnCtc

from .augment import CROP_FRAMES, Mixer, Recipe
from .data import IGNORE, Corpus, music_power, read_packs
from .held_out import HeldOut
from .realign import realign

HELD_OUT_EVERY = 50  # utterances, and HELD_OUT_MUSIC pieces, are kept for measuring
HELD_OUT_MUSIC = 2


@dataclass(frozen=True)
class Plan:
    """A training run; every field may stand in the configuration file.

    Args:
        voices, music: packs, relative to the data folder.
        steps: of the whole run; the learning rate falls over the last `decay` of them.
        crops: a batch, of CROP_FRAMES each.
        realign: steps at which voices without times are labelled again.
        start: checkpoint, relative to the data folder, whose weights to begin with.
        model: sizes of the network.
        recipe: augmentation.
    """

    voices: tuple[str, ...]
    music: tuple[str, ...]
    steps: int
    seed: int = 1
    crops: int = 56
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    warm_up: int = 500
    decay: float = 0.35
    average: float = 0.9993
    smoothing: float = 0.05
    realign: tuple[int, ...] = ()
    measure_every: int = 2000
    start: str = ""
    model: CnnConfig = field(default_factory=CnnConfig)
    recipe: Recipe = field(default_factory=Recipe)


def read_plan(path: Path) -> Plan:
    """A Plan from TOML; unknown names are an error."""
    values = _tuples(tomllib.loads(path.read_text(encoding="utf-8")))
    model, recipe = CnnConfig(**values.pop("model", {})), Recipe(**values.pop("recipe", {}))
    return Plan(model=model, recipe=recipe, **values)


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _tuples(v) for k, v in value.items()}
    return tuple(value) if isinstance(value, list) else value


class Trainer:
    """Holds what a run consists of; `run` carries it on.

    Args:
        plan: what to do.
        data: folder of the packs.
        out: folder for state, logs and the checkpoint.
        limit: utterances of each pack, to try things out.
    """

    def __init__(self, plan: Plan, data: Path, out: Path, device: torch.device, limit: int | None = None) -> None:
        self.plan, self.out, self.device = plan, out, device
        torch.manual_seed(plan.seed)
        voices = [u for u in read_packs([data / p for p in plan.voices], limit=limit) if u.words and all(u.words)]
        music = read_packs([data / p for p in plan.music])
        self.corpus = Corpus([u for i, u in enumerate(voices) if i % HELD_OUT_EVERY], device)
        self.mixer = Mixer(self.corpus, music_power(music[:-HELD_OUT_MUSIC], device), plan.recipe, plan.seed)
        kept = [u for i, u in enumerate(voices) if i % HELD_OUT_EVERY == 0]
        self.held_out = HeldOut(kept, music_power(music[-HELD_OUT_MUSIC:], device), device)
        self.untimed = [i for i, u in enumerate(self.corpus.utterances) if u.labels is None]
        self.model = CnnCtc(plan.model).to(device)
        if plan.start:
            begun = acoustic.build(acoustic.read(data / plan.start), plan.start)
            self.model.load_state_dict(begun.state_dict())
        self.average = copy.deepcopy(self.model).eval().requires_grad_(requires_grad=False)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), plan.learning_rate, (0.9, 0.98), weight_decay=plan.weight_decay, fused=True
        )
        self.step = 0
        self.history: list[dict[str, float]] = []
        self._resume()

    def run(self, seconds: float) -> bool:
        """Train until the plan is fulfilled or the time is over; whether it is fulfilled."""
        from torch.utils.tensorboard import SummaryWriter

        begin, log = time.monotonic(), SummaryWriter(str(self.out / "log"))
        losses: list[Tensor] = []
        while self.step < self.plan.steps and time.monotonic() - begin < seconds:
            if self.step in self.plan.realign:
                share = realign(self.average, self.corpus, self.untimed)
                self._report(log, {"realigned": share, "seconds": time.monotonic() - begin})
            losses.append(self._train_step())
            self.step += 1
            if self.step % 100 == 0:
                log.add_scalar("loss", float(torch.stack(losses).mean()), self.step)
            if self.step % self.plan.measure_every == 0 or self.step == self.plan.steps:
                mean = float(torch.stack(losses).mean())
                self._report(log, {"loss": mean, "seconds": time.monotonic() - begin} | self.held_out(self.average))
                log.add_image("posteriors", self.held_out.picture(self.average), self.step)
                losses.clear()
        log.close()
        self.save()
        return self.step >= self.plan.steps

    def _train_step(self) -> Tensor:
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.learning_rate * _rate(self.plan, self.step)
        features, labels = self.mixer.batch(self.plan.crops)
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = self.model(features)
        loss = nn.functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORE, label_smoothing=self.plan.smoothing
        )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        keep = min(self.plan.average, (1 + self.step) / (10 + self.step))  # the first steps are not worth much
        update = get_ema_multi_avg_fn(keep)  # type: ignore[no-untyped-call]
        update(list(self.average.parameters()), [w.detach() for w in self.model.parameters()], self.step)
        return loss.detach()

    def _report(self, log: Any, figures: dict[str, float]) -> None:
        self.history.append({"step": self.step} | {k: round(v, 4) for k, v in figures.items()})
        print(json.dumps(self.history[-1]), flush=True)  # noqa: T201
        for name, value in figures.items():
            log.add_scalar(name, value, self.step)

    def save(self) -> None:
        """Write OUT/state.pt, to go on from, and OUT/cnn.pt, to use."""
        self.out.mkdir(parents=True, exist_ok=True)
        state = {
            "plan": json.dumps(asdict(replace(self.plan, steps=0))),
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "labels": self.corpus.labels,
            "labelled": self.corpus.labelled,
            "random": self.mixer.random.get_state(),
            "history": self.history,
        }
        part = self.out / "state.part"
        torch.save(state, part)
        part.replace(self.out / "state.pt")
        card = {"plan": json.dumps(asdict(self.plan)), "step": self.step, "symbols": len(SYMBOLS)}
        acoustic.save(self.average, "cnn", self.out / "cnn.pt", card)
        (self.out / "history.json").write_text(json.dumps(self.history, indent=1), encoding="utf-8")

    def _resume(self) -> None:
        path = self.out / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.history = state["step"], state["history"]
        self.corpus.labels, self.corpus.labelled = state["labels"], state["labelled"]
        self.mixer.random.set_state(state["random"].cpu())


def _rate(plan: Plan, step: int) -> float:
    """Share of the peak learning rate: a ramp up, a plateau, a straight line down to 2 %."""
    left = (plan.steps - step) / max(plan.decay * plan.steps, 1)
    return min((step + 1) / plan.warm_up, 1.0, max(left, 0.02))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop and save after this time")
    parser.add_argument("--steps", type=int, help="instead of the plan's")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--limit", type=int, help="utterances of each pack")
    given = parser.parse_args()
    plan = read_plan(given.config)
    plan = replace(plan, steps=given.steps or plan.steps)
    begin = time.monotonic()
    trainer = Trainer(plan, given.data, given.out, torch.device(given.device), given.limit)
    print(f"{len(trainer.corpus.utterances)} utterances read in {time.monotonic() - begin:.0f} s, {CROP_FRAMES=}")  # noqa: T201
    trainer.run(given.seconds - (time.monotonic() - begin))


if __name__ == "__main__":
    main()
