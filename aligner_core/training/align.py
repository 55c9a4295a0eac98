"""Train the acoustic model: `python -m aligner_core.training.align CONFIG.toml --data FOLDER --out FOLDER`.

Frame cross-entropy on what has times; what has only text is labelled by the model itself every now and then
(expectation-maximisation with one best path) and learnt from like the rest; or, on top of a released network, taught
by that network's own opinion. A network with a head for edges learns these too, where they are known. A run that was
cut off goes on from OUT/state.pt; a run that is done does nothing.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from aligner_core import acoustic
from aligner_core.acoustic.cnn import SYMBOLS, CnnConfig, CnnCtc
from aligner_core.errors import WeightsError

from .augment import CROP_FRAMES, Batch, Mixer, Recipe
from .data import IGNORE, Corpus, Entry, decode, manifest, music_power, read_packs
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
        head_steps: so many steps first train the head for edges alone, and leave OUT/head.pt.
        trunk_rate: learning rate of everything else as a share of the head's.
        edge_loss: weight of the loss of the edges.
        distil: learn from `start` where there are no labels, instead of leaving such sound out.
        weights: by a pack's name, how much oftener than by its length it is drawn.
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
    head_steps: int = 0
    trunk_rate: float = 1.0
    edge_loss: float = 2.0
    distil: bool = False
    weights: dict[str, float] = field(default_factory=dict)
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
        taught, kept = split(manifest([data / p for p in plan.voices], limit))
        music = read_packs([data / p for p in plan.music])
        self.corpus = Corpus(decode(taught), device)
        self.mixer = Mixer(
            self.corpus, music_power(music[:-HELD_OUT_MUSIC], device), plan.recipe, plan.seed, self._weights(),
            unlabelled=plan.distil,
        )  # fmt: skip
        self.held_out = HeldOut(decode(kept), music_power(music[-HELD_OUT_MUSIC:], device), device)
        self.untimed = [i for i, u in enumerate(self.corpus.utterances) if u.labels is None]
        self.model = CnnCtc(plan.model).to(device)
        self.teacher: nn.Module | None = None
        if plan.start:
            begun = acoustic.build(acoustic.read(data / plan.start), plan.start)
            missing = self.model.load_state_dict(begun.state_dict(), strict=False)
            if missing.unexpected_keys or any(not key.startswith("edges.") for key in missing.missing_keys):
                raise WeightsError("not the network of the plan", plan.start)
            self.teacher = begun.to(device).eval().requires_grad_(requires_grad=False) if plan.distil else None
        self.average = copy.deepcopy(self.model).eval().requires_grad_(requires_grad=False)
        self.optimiser = torch.optim.AdamW(
            self._groups(), plan.learning_rate, (0.9, 0.98), weight_decay=plan.weight_decay, fused=True
        )
        self.step = 0
        self.history: list[dict[str, float]] = []
        self._resume()

    def _weights(self) -> Tensor:
        packs = [utterance.key.split("/")[0] for utterance in self.corpus.utterances]
        return torch.tensor([self.plan.weights.get(pack, 1.0) for pack in packs], device=self.device)

    def _groups(self) -> list[dict[str, Any]]:
        """The head for edges, and the rest, which learns at a rate of its own."""
        head = list(self.model.edges.parameters()) if self.model.edges else []
        own = {id(parameter) for parameter in head}
        trunk = [parameter for parameter in self.model.parameters() if id(parameter) not in own]
        groups = [{"params": trunk, "share": self.plan.trunk_rate, "begins": self.plan.head_steps}]
        return [*groups, {"params": head, "share": 1.0, "begins": 0}] if head else groups

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
            if self.step == self.plan.head_steps:
                self._export("head.pt")
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
        alone = self.step < self.plan.head_steps
        for group in self.optimiser.param_groups:
            warmth = min((self.step - group["begins"] + 1) / self.plan.warm_up, 1.0)
            group["lr"] = self.plan.learning_rate * group["share"] * warmth * _rate(self.plan, self.step)
        loss = self._edge_loss_alone() if alone else self._loss()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        keep = min(self.plan.average, (1 + self.step) / (10 + self.step))  # the first steps are not worth much
        update = get_ema_multi_avg_fn(keep)  # type: ignore[no-untyped-call]
        update(list(self.average.parameters()), [w.detach() for w in self.model.parameters()], self.step)
        return loss.detach()

    def _loss(self) -> Tensor:
        batch = self.mixer.batch(self.plan.crops)
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16):
            logits, edges = self.model.hear(batch.features)
        loss = nn.functional.cross_entropy(
            logits.float().flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORE,
            label_smoothing=self.plan.smoothing,
        )  # fmt: skip
        if self.teacher is not None:
            loss = loss + self._distilled(batch, logits)
        return loss if edges is None else loss + self.plan.edge_loss * edge_loss(edges.float(), batch.edges)

    def _distilled(self, batch: Batch, logits: Tensor) -> Tensor:
        """Cross-entropy against the teacher on the frames without labels, as a mean over all frames."""
        rows = (batch.labels == IGNORE).any(1)
        unknown = batch.labels[rows] == IGNORE
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16):
            right = self.teacher(batch.features[rows]).float().softmax(-1) if self.teacher else logits
        each = -(right * logits[rows].float().log_softmax(-1)).sum(-1)
        return (each * unknown).sum() / batch.labels.numel()

    def _edge_loss_alone(self) -> Tensor:
        """The loss of the edges for a head on a network that stays as it is."""
        batch = self.mixer.batch(self.plan.crops)
        self.model.eval()
        if self.model.edges is None:
            raise ValueError("head_steps needs a network with a head for edges: model.edge_width")
        self.model.edges.train()
        with torch.autocast(self.device.type, torch.bfloat16):
            with torch.no_grad():
                embedded = self.model.embed(batch.features)
            edges = self.model.edges(batch.features, embedded)
        return edge_loss(edges.float(), batch.edges)

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
        self._export("cnn.pt")
        (self.out / "history.json").write_text(json.dumps(self.history, indent=1), encoding="utf-8")

    def _export(self, name: str) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        card = {"plan": json.dumps(asdict(self.plan)), "step": self.step, "symbols": len(SYMBOLS)}
        acoustic.save(self.average, "cnn", self.out / name, card)

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
    """Share of the peak learning rate: a plateau, then a straight line down to 2 %."""
    left = (plan.steps - step) / max(plan.decay * plan.steps, 1)
    return min(1.0, max(left, 0.02))


def edge_loss(log_odds: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of the edges of all kinds, a mean over the frames whose edges are known.

    Shape:
        both (batch, frames, kinds), targets NaN where not known -> ()
    """
    known = ~targets.isnan()
    each = nn.functional.binary_cross_entropy_with_logits(log_odds, targets.nan_to_num(0.0), reduction="none")
    return (each * known).sum() / known[..., 0].sum().clamp(min=1)


def split(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """What is learnt from, and every so many-th recording, kept for measuring; only what has words that all sound."""
    voices = [entry for entry in entries if entry.words and all(entry.words)]
    return [e for i, e in enumerate(voices) if i % HELD_OUT_EVERY], voices[::HELD_OUT_EVERY]


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
