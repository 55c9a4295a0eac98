"""Train the spoken voice: `python -m aligner_core.training.speak CONFIG.toml --data FOLDER --out FOLDER`.

First the acoustic model on recordings with known phones, frames and pitch (`training.spoken`); its average over the
last steps then gets batch statistics without dropout; on what its encoder gives, the duration model is trained alone.
OUT/voice.pt can be used from the first measurement on. A run that was cut off goes on from OUT/state.pt; a run that is
done does nothing.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aligner_core import checkpoints
from aligner_core.phones import VOWELS, base
from aligner_core.tts.acoustic import SYMBOLS, Acoustic, AcousticConfig, Spoken, most_pieces
from aligner_core.tts.blocks import restart_statistics
from aligner_core.tts.durations import DurationConfig, Durations
from aligner_core.tts.voice import Voice

from .runs import STATE, descend, follow, mel_picture, run_options, state_of
from .speak_plan import SpeakPlan, read_speak_plan
from .spoken import read_spoken
from .spoken_batches import Batch, Batches, Bucket, Lines, in_turn, told_at_random, told_true
from .spoken_losses import acoustic_loss, duration_loss, figures, mean_over, speech_phones

STATISTICS = 200  # batches, at most, of which the averaged network gets its batch statistics
ROOM = 4  # of so many phones one may be cut into a piece more


@dataclass
class Stage:
    """A part of the run: which step it is at, of how many, and what share of it is over."""

    name: str
    steps: int
    step: int = 0
    done: float = 0.0


class Trainer:
    """Holds what a run consists of; `run` carries it on.

    Args:
        plan: what to do.
        lines: what to learn from.
        out: folder for state, logs and the voice.
    """

    def __init__(self, plan: SpeakPlan, lines: Lines, out: Path) -> None:
        self.plan, self.lines, self.out, self.device = plan, lines, out, lines.device
        torch.manual_seed(plan.seed)
        self.model = Acoustic(AcousticConfig(**plan.acoustic)).to(self.device)
        self.durations = Durations(DurationConfig(inputs=self.model.config.width, **plan.durations)).to(self.device)
        lines.give_scales(self.model, self.durations)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(requires_grad=False)
        self.optimisers = [_optimiser(network, plan) for network in (self.model, self.durations)]
        self.batches = Batches(lines, lines.buckets(lines.taught or lines.kept, plan.frames), plan.seed)
        self.kept = lines.buckets(lines.kept, plan.frames, 4)
        vowels = [base(name) in VOWELS for name in SYMBOLS]
        self.vowels = torch.tensor(vowels, device=self.device)
        self.stages = [Stage("acoustic", plan.steps), Stage("durations", plan.duration_steps)]
        self.settled = False
        self.history: list[dict[str, Any]] = []
        self._resume()

    def run(self, seconds: float = float("inf"), *, anneal: bool = False) -> bool:
        """Train until the plan is fulfilled or the time is over; whether it is fulfilled.

        Args:
            anneal: let the learning rate fall with the time, so that a run that is short of it ends well.
        """
        if self.stages[1].done >= 1:
            return True
        from torch.utils.tensorboard import SummaryWriter

        begin, log = time.monotonic(), SummaryWriter(str(self.out / "log"))
        first = seconds * (1 - self.plan.share)
        whole = self._stage(self.stages[0], self.acoustic_step, begin, begin, first, log, anneal=anneal)
        if whole and not self.settled:
            self.settle()
        now = time.monotonic()
        if whole:
            left = max(seconds - (now - begin), seconds * self.plan.share / 2)  # whatever came between
            whole = self._stage(self.stages[1], self.duration_step, begin, now, left, log, anneal=anneal)
        self.save()
        log.close()
        return whole

    def _stage(
        self, stage: Stage, step: Callable[[int, float], Tensor], began: float, begin: float, seconds: float, log: Any,
        *, anneal: bool,
    ) -> bool:  # fmt: skip
        """Carry on a part of the run, and measure now and then; whether it is over."""
        losses: list[Tensor] = []
        while stage.done < 1:
            spent = (time.monotonic() - begin) / max(seconds, 1e-9)
            stage.done = max(stage.step / stage.steps, min(spent, 1.0) if anneal else 0.0)
            if spent >= 1 or stage.done >= 1:
                break
            losses.append(step(stage.step, stage.done))
            stage.step += 1
            if stage.step % self.plan.measure_every == 0 and stage.step < stage.steps:
                self._measure(stage, losses, began, log)
        if losses:
            self._measure(stage, losses, began, log)
        return stage.done >= 1

    def acoustic_step(self, step: int, done: float) -> Tensor:
        """Teach the acoustic model one batch; its loss, ()."""
        torch.manual_seed(self.plan.seed * 1_000_003 + step)  # so that a run that was cut off goes on alike
        batch, bucket = self.batches(step)
        told = told_at_random(batch, self.plan.forget, self.plan.follow)
        dice = torch.rand(batch.phones.shape, device=self.device)
        extra = ((dice < self.plan.cut) & self.vowels[batch.phones]).long()
        self.model.train()
        with self._autocast():
            spoken = self.model(batch.phones, batch.durations, told, bucket.frames, extra, _pieces(bucket))
        loss = acoustic_loss(spoken, batch, self.plan.weights)
        self._descend(0, loss, step, done)
        follow(self.average, self.model, self.plan.average, step)
        return loss.detach()

    def duration_step(self, step: int, done: float) -> Tensor:
        """Teach the duration model one batch; its loss, ()."""
        torch.manual_seed(self.plan.seed * 1_000_033 + step)
        batch, _ = self.batches(step)
        self.durations.train()
        guess = self._guess_durations(batch)
        loss = duration_loss(guess, batch, self.durations)
        self._descend(1, loss, step, done)
        return loss.detach()

    def _guess_durations(self, batch: Batch) -> Tensor:
        with self._autocast(), torch.no_grad():
            encoded = self.average.encode(batch.phones, batch.durations > 0)
        return self.durations(encoded.float(), batch.lengths)  # type: ignore[no-any-return]

    def _descend(self, which: int, loss: Tensor, step: int, done: float) -> None:
        optimiser = self.optimisers[which]
        for group in optimiser.param_groups:
            group["lr"] = self.plan.rate(step, done)
        descend(optimiser, optimiser.param_groups[0]["params"], loss)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")

    @torch.no_grad()
    def settle(self) -> None:
        """Give the averaged network batch statistics of its own, without dropout, as it will be used."""
        restart_statistics(self.average)
        for batch, bucket in islice(in_turn(self.lines, self.batches.buckets[::-1]), STATISTICS):
            self._spoken(self.average, batch, bucket, follow=False)
            self._spoken(self.average, batch, bucket, follow=True)
        self.average.eval()
        self.settled = True

    def _spoken(self, model: Acoustic, batch: Batch, bucket: Bucket, *, follow: bool) -> Spoken:
        told = told_true(batch, follow=follow)
        with self._autocast():
            return model(  # type: ignore[no-any-return]
                batch.phones, batch.durations, told, bucket.frames, pieces=_pieces(bucket)
            )  # fmt: skip

    def _measure(self, stage: Stage, losses: list[Tensor], begin: float, log: Any) -> None:
        """Tell how it goes, and forget the losses."""
        row: dict[str, Any] = {"stage": stage.name, "step": stage.step, "seconds": round(time.monotonic() - begin, 1)}
        row["loss"] = float(torch.stack(losses).mean())
        losses.clear()
        if not self.settled:
            for mine, theirs in zip(self.average.buffers(), self.model.buffers(), strict=True):
                mine.copy_(theirs)
        row |= self.measured()
        self.history.append({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})
        print(json.dumps(self.history[-1]), flush=True)  # noqa: T201
        for name, value in row.items():
            if isinstance(value, float):
                log.add_scalar(f"{stage.name}/{name}", value, stage.step)
        log.add_image(f"{stage.name}/mel", self.picture(), stage.step)
        self.save()

    @torch.no_grad()
    def measured(self) -> dict[str, float]:
        """The averaged networks on the recordings kept out; see `figures`, and with pitch and energy guessed
        (`free_`), and the mean error of a phone's length in ms."""
        self.average.eval()
        self.durations.eval()
        sums: dict[str, list[Tensor]] = {}
        for batch, bucket in in_turn(self.lines, self.kept):
            true = told_true(batch)
            spoken = self._spoken(self.average, batch, bucket, follow=False)
            guessed = true._replace(prosody=torch.where(batch.sung[:, None, None], true.prosody, spoken.prosody))
            with self._autocast():
                free = self.average(batch.phones, batch.durations, guessed, bucket.frames, pieces=_pieces(bucket))
            found = figures(spoken, batch, self.average)
            found |= {f"free_{name}": pair for name, pair in figures(free, batch, self.average).items()}
            mask = speech_phones(batch)
            frames = self.durations.frames(batch.phones, self._guess_durations(batch).float())
            found["length"] = 10 * ((frames - batch.durations).abs() * mask).sum(), mask.sum()
            found["prosody"] = mean_over((spoken.prosody - batch.prosody).square(), mask) * mask.sum(), mask.sum()
            for name, (total, count) in found.items():
                sums.setdefault(name, []).append(torch.stack([total.float(), count.float()]))
        both = {name: torch.stack(pairs).sum(0).tolist() for name, pairs in sums.items()}
        return {name: total / max(count, 1.0) for name, (total, count) in both.items()}

    @torch.no_grad()
    def picture(self) -> Tensor:
        """The log-mel of a recording kept out above that of the voice, low notes below: (1, rows, frames), 0..1."""
        bucket = self.kept[-1]
        batch = self.lines.batch(torch.tensor(bucket.members[:1]), bucket.frames, bucket.phones)
        spoken = self._spoken(self.average, batch, bucket, follow=False)
        both = torch.stack([batch.mel[0], spoken.mel[0]])[:, : int(batch.durations[0].sum())]
        return mel_picture(both * self.average.mel_deviation + self.average.mel_mean)

    def voice(self) -> Voice:
        """The averaged networks as they are now."""
        low, high = self.lines.frames.min(), self.lines.frames.max()
        card = {
            "plan": json.dumps(asdict(self.plan)),
            "recordings": len(self.lines.taught),
            "minutes": round(int(self.lines.frames.sum()) / 6000, 1),
            "frames": [int(low), int(high)],
            "held_out": self.history[-1] if self.history else {},
        }
        return Voice(copy.deepcopy(self.average).cpu(), copy.deepcopy(self.durations).cpu(), card)

    def save(self) -> None:
        """Write OUT/state.pt, to go on from, OUT/voice.pt, to use, and OUT/history.json."""
        self.out.mkdir(parents=True, exist_ok=True)
        state = {
            "stages": [asdict(stage) for stage in self.stages],
            "settled": self.settled,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "durations": self.durations.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "history": self.history,
        }
        checkpoints.write(state, self.out / STATE)
        self.voice().save(self.out / "voice.pt")
        (self.out / "history.json").write_text(json.dumps(self.history, indent=1), encoding="utf-8")

    def _resume(self) -> None:
        state = state_of(self.out, self.device)
        if state is None:
            return
        for stage, found in zip(self.stages, state["stages"], strict=True):
            stage.step = found["step"]
            stage.done = found["done"]
        self.settled, self.history = state["settled"], state["history"]
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.durations.load_state_dict(state["durations"])
        for optimiser, found in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(found)


def _optimiser(network: nn.Module, plan: SpeakPlan) -> torch.optim.AdamW:
    weights = list(network.parameters())
    return torch.optim.AdamW(weights, plan.learning_rate, (0.9, 0.98), weight_decay=plan.weight_decay, fused=True)


def _pieces(bucket: Bucket) -> int:
    return most_pieces(bucket.frames, bucket.phones, bucket.phones // ROOM)


def main() -> None:
    """The command line."""
    parser = run_options(__doc__)
    given = parser.parse_args()
    plan = read_speak_plan(given.config)
    plan = replace(plan, steps=given.steps or plan.steps)
    begin = time.monotonic()
    torch.set_float32_matmul_precision("high")
    lines = Lines(read_spoken([given.data / pack for pack in plan.packs], torch.device(given.device)))
    trainer = Trainer(plan, lines, given.out)
    size = sum(w.numel() for w in [*trainer.model.parameters(), *trainer.durations.parameters()])
    read = time.monotonic() - begin
    print(f"{len(lines.taught)} recordings read in {read:.0f} s, {size / 1e6:.2f} million weights", flush=True)  # noqa: T201
    trainer.run(given.seconds - read, anneal=given.anneal)


if __name__ == "__main__":
    main()
