"""Train the acoustic model: `python -m aligner_core.training.align CONFIG.toml --data FOLDER --out FOLDER`.

Frame cross-entropy on what has times; what has only text is labelled beforehand (`training.label`) or by the model
itself every now and then, expectation-maximisation with one best path; or ASG, or CTC, with label priors or not; or,
on top of a released network, that network's own opinion. A network with a head for edges learns these too, where they
are known. A run that was cut off goes on from OUT/state.pt; a run that is done does nothing. On several GPUs:
`torchrun --nproc-per-node N -m aligner_core.training.align ...`, a batch on each.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from aligner_core import acoustic, checkpoints
from aligner_core.acoustic.cnn import SYMBOLS
from aligner_core.acoustic.windows import Windowed
from aligner_core.errors import WeightsError

from .augment import CROP_FRAMES, Mixer
from .data import Corpus, Entry, Utterance, decode, manifest, music_power, read_packs
from .held_out import HeldOut
from .losses import EdgeLoss, Losses
from .parallel import Team
from .plan import Plan, read_plan
from .realign import realign
from .runs import STATE, descend, follow, run_options, state_of

HELD_OUT_EVERY = 50  # utterances, and HELD_OUT_MUSIC pieces, are kept for measuring
HELD_OUT_MUSIC = 2
ASKED_EVERY = 20  # steps after which several processes look at the clock


@dataclass(frozen=True)
class Sounds:
    """What a run learns from and is measured with, decoded; several runs may share it.

    Args:
        taught, kept: recordings.
        music: mel power (frames, MELS) to mix with, and to measure with.
    """

    taught: list[Utterance]
    kept: list[Utterance]
    music: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, plan: Plan, data: Path, device: torch.device, limit: int | None = None) -> Sounds:
        """What the plan names in the folder `data`; `limit` takes so many recordings of each pack."""
        taught, kept = split(manifest([data / p for p in plan.voices], limit))
        music = read_packs([data / p for p in plan.music])
        power = music_power(music[:-HELD_OUT_MUSIC], device), music_power(music[-HELD_OUT_MUSIC:], device)
        return cls(decode(taught), decode(kept), power)

    def share(self, share: float) -> list[Utterance]:
        """Every so many-th of the recordings that are learnt from."""
        count = max(round(share * len(self.taught)), 1)
        return [self.taught[i * len(self.taught) // count] for i in range(count)]


class Trainer:
    """Holds what a run consists of; `run` carries it on.

    Args:
        plan: what to do.
        sounds: what to learn from.
        data: folder of `plan.start`.
        out: folder for state, logs and the checkpoint.
        team: the processes, already begun.
    """

    def __init__(self, plan: Plan, sounds: Sounds, data: Path, out: Path, team: Team) -> None:
        self.plan, self.out, self.team, self.device = plan, out, team, team.device
        torch.manual_seed(plan.seed)
        self.corpus = Corpus(sounds.share(plan.share), self.device)
        self.mixer = Mixer(
            self.corpus, sounds.music[0], plan.recipe, plan.seed + 1000 * team.rank, self._weights(),
            unlabelled=plan.distil,
        )  # fmt: skip
        self.held_out = HeldOut(sounds.kept, sounds.music[1], self.device)
        self.untimed = [i for i, u in enumerate(self.corpus.utterances) if u.labels is None]
        self.model = cast(Windowed, plan.network().to(self.device))
        self.losses = Losses(self.model, plan, self._begun(data) if plan.start else None).to(self.device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(requires_grad=False)
        self.optimiser = torch.optim.AdamW(
            self._groups(), plan.learning_rate, (0.9, 0.98), weight_decay=plan.weight_decay, fused=True
        )
        self.step, self.done = 0, 0.0
        self.history: list[dict[str, float]] = []
        self._resume()
        self.judge = self._judge()

    def _begun(self, data: Path) -> Windowed | None:
        """Begin with the weights of `plan.start`; that network, if it is to teach."""
        begun = acoustic.build(acoustic.read(data / self.plan.start), self.plan.start)
        missing = self.model.load_state_dict(begun.state_dict(), strict=False)
        new = ("edges.", "transitions")
        if missing.unexpected_keys or any(not key.startswith(new) for key in missing.missing_keys):
            raise WeightsError("not the network of the plan", self.plan.start)
        teacher = begun.to(self.device).eval().requires_grad_(requires_grad=False)
        return cast(Windowed, teacher) if self.plan.distil else None

    def _weights(self) -> Tensor:
        packs = [utterance.key.split("/")[0] for utterance in self.corpus.utterances]
        return torch.tensor([self.plan.weights.get(pack, 1.0) for pack in packs], device=self.device)

    def _groups(self) -> list[dict[str, Any]]:
        """The head for edges, and the rest, which learns at a rate of its own."""
        head = [w for name, w in self.model.named_parameters() if name.startswith("edges.")]
        trunk = [w for name, w in self.model.named_parameters() if not name.startswith("edges.")]
        groups = [{"params": trunk, "share": self.plan.trunk_rate, "begins": self.plan.head_steps}]
        return [*groups, {"params": head, "share": 1.0, "begins": 0}] if head else groups

    def run(self, seconds: float = float("inf"), *, anneal: bool = False) -> bool:
        """Train until the plan is fulfilled or the time is over; whether it is fulfilled.

        Args:
            anneal: let the learning rate fall with the time, so that a run that is short of it ends well.
        """
        from torch.utils.tensorboard import SummaryWriter

        begin, log = time.monotonic(), SummaryWriter(str(self.out / "log")) if self.team.leads else None
        losses: list[Tensor] = []
        spent = 0.0
        while self.done < 1:
            if self.team.size == 1 or self.step % ASKED_EVERY == 0:
                spent = self.team.agreed((time.monotonic() - begin) / seconds)
                if spent >= 1:
                    break
            self.done = max(self.step / self.plan.steps, spent if anneal else 0.0)
            if self.step in self.plan.realign:
                share = realign(self.average, self.corpus, self.untimed)
                self._report(log, {"realigned": share, "seconds": time.monotonic() - begin})
            losses.append(self.train_step())
            self.step += 1
            self.done = max(self.done, self.step / self.plan.steps)
            if self.step == self.plan.head_steps and self.team.leads:
                self._export("head.pt")
            if self.step % 100 == 0 and log:
                log.add_scalar("loss", float(torch.stack(losses).mean()), self.step)
            if self.step % self.plan.measure_every == 0:
                self._measure(log, losses, begin)
        if losses:
            self._measure(log, losses, begin)
        if self.team.leads:
            self.save()
        return self.done >= 1

    def _measure(self, log: Any, losses: list[Tensor], begin: float) -> None:
        """Tell how it goes, and forget the losses."""
        mean = float(torch.stack(losses).mean())
        losses.clear()
        if self.team.leads:
            self._report(log, {"loss": mean, "seconds": time.monotonic() - begin} | self.held_out(self.average))
            log.add_image("posteriors", self.held_out.picture(self.average), self.step)
            self.save()

    def train_step(self) -> Tensor:
        """Learn from one batch; its loss, ()."""
        for group in self.optimiser.param_groups:
            warmth = min((self.step - group["begins"] + 1) / self.plan.warm_up, 1.0)
            group["lr"] = self.plan.learning_rate * group["share"] * warmth * self.plan.rate(self.done)
        loss = self._loss()
        descend(self.optimiser, self.model.parameters(), loss)
        follow(self.average, self.model, self.plan.average, self.step)
        return loss.detach()

    def _loss(self) -> Tensor:
        plan, batch = self.plan, self.mixer.batch(self.plan.crops)
        if self.step == plan.head_steps > 0:
            self.judge = self._judge()
        if self.step < plan.head_steps:
            loss: Tensor = self.judge(batch)
        else:
            loss = self.judge(batch, "frames" if self.step < plan.head_steps + plan.frame_steps else plan.objective)
        return loss

    def _judge(self) -> nn.Module:
        """The losses of this part of the run, wrapped for all processes."""
        alone = self.step < self.plan.head_steps
        for name, weight in self.model.named_parameters():
            weight.requires_grad_(not alone or name.startswith("edges."))
        return self.team.wrapped(EdgeLoss(cast(Any, self.model)) if alone else self.losses)

    def _report(self, log: Any, figures: dict[str, float]) -> None:
        if not self.team.leads:
            return
        self.history.append({"step": self.step} | {k: round(v, 4) for k, v in figures.items()})
        print(json.dumps(self.history[-1]), flush=True)  # noqa: T201
        for name, value in figures.items():
            log.add_scalar(name, value, self.step)

    def save(self) -> None:
        """Write OUT/state.pt, to go on from, and OUT/BACKEND.pt, to use."""
        self.out.mkdir(parents=True, exist_ok=True)
        state = {
            "plan": json.dumps(asdict(replace(self.plan, steps=0))),
            "step": self.step,
            "done": self.done,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "log_prior": self.losses.log_prior,
            "labels": self.corpus.labels,
            "labelled": self.corpus.labelled,
            "random": self.mixer.dice.random.get_state(),
            "history": self.history,
        }
        checkpoints.write(state, self.out / STATE)
        self._export(f"{self.plan.backend}.pt")
        (self.out / "history.json").write_text(json.dumps(self.history, indent=1), encoding="utf-8")

    def _export(self, name: str) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        card = {"plan": json.dumps(asdict(self.plan)), "step": self.step, "symbols": len(SYMBOLS)}
        acoustic.save(self.average, self.plan.backend, self.out / name, card)

    def _resume(self) -> None:
        state = state_of(self.out, self.device)
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.done, self.history = state["step"], state["done"], state["history"]
        self.losses.log_prior.copy_(state["log_prior"])
        self.corpus.labels, self.corpus.labelled = state["labels"], state["labelled"]
        if self.team.leads:  # the others go on with other sounds than before
            self.mixer.dice.random.set_state(state["random"].cpu())
        else:
            self.mixer.dice.random.manual_seed(self.plan.seed + 1000 * self.team.rank + self.step)


def split(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """What is learnt from, and every so many-th recording, kept for measuring by what its pack knows; only what has
    words that all sound."""
    voices = [entry for entry in entries if entry.words and all(entry.words)]
    kept = [replace(entry, beside={}) for entry in voices[::HELD_OUT_EVERY]]
    return [e for i, e in enumerate(voices) if i % HELD_OUT_EVERY], kept


def main() -> None:
    """The command line."""
    parser = run_options(__doc__)
    parser.add_argument("--limit", type=int, help="utterances of each pack")
    given = parser.parse_args()
    plan = read_plan(given.config)
    plan = replace(plan, steps=given.steps or plan.steps)
    begin = time.monotonic()
    torch.set_float32_matmul_precision("high")
    with Team(given.device) as team:
        sounds = Sounds.of(plan, given.data, team.device, given.limit)
        trainer = Trainer(plan, sounds, given.data, given.out, team)
        if team.leads:
            print(f"{len(sounds.taught)} utterances read in {time.monotonic() - begin:.0f} s, {CROP_FRAMES=}")  # noqa: T201
        trainer.run(given.seconds - (time.monotonic() - begin), anneal=given.anneal)


if __name__ == "__main__":
    main()
