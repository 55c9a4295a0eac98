"""Train the attention aligner: `python -m aligner_core.training.attend CONFIG.toml --data FOLDER --out FOLDER`.

It learns to spell the phones of crops, told what came before, and is never told when they are said. Attention that is
nowhere yet learns slowly: crops begin short and grow, the listener learns by CTC besides (Kim et al. 2017,
arXiv 1609.06773), and at first attention is drawn to the diagonal (Tachibana et al. 2017, arXiv 1710.08969). A run that
was cut off goes on from OUT/state.pt; a run that is done does nothing.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aligner_core import acoustic, checkpoints
from aligner_core.acoustic.las import BOUNDARY, Las, in_frames, spans
from aligner_core.audio import FRAME_SECONDS, log_mel, normalise
from aligner_core.ctc import prior_ctc_loss

from .align import Sounds
from .augment import CROP_FRAMES, Mixer
from .data import IGNORE, Corpus, Utterance
from .losses import begun, spoken
from .plan import Plan, read_plan
from .runs import STATE, descend, follow, run_options, state_of

FIRST_FRAMES = 200  # of a crop at first; it has all CROP_FRAMES from GROWN on
GROWN = 0.4  # share of the run
GUIDED = 0.3  # share of the run after which nothing draws attention to the diagonal any more
LISTENING = 0.5  # weight of the CTC of the listener
WIDTH = 0.3  # of the diagonal, as a share of the crop
MEASURED = 40  # recordings, each up to CROP_FRAMES
LIMITS_MS = (50, 100, 300)


class Trainer:
    """Holds what a run consists of; `run` carries it on.

    Args:
        plan: what to do; of objectives and edges it uses nothing.
        sounds: what to learn from.
        out: folder for state, logs and the checkpoint.
    """

    def __init__(self, plan: Plan, sounds: Sounds, out: Path, device: torch.device) -> None:
        self.plan, self.out, self.device = plan, out, device
        torch.manual_seed(plan.seed)
        corpus = Corpus(sounds.share(plan.share), device)
        packs = [utterance.key.split("/")[0] for utterance in corpus.utterances]
        weights = torch.tensor([plan.weights.get(pack, 1.0) for pack in packs], device=device)
        self.mixer = Mixer(corpus, sounds.music[0], plan.recipe, plan.seed, weights)
        self.kept = [u for u in sounds.kept if u.labels is not None and (u.labels > 0).any()][:MEASURED]
        self.model = cast(Las, plan.network().to(device))
        self.average = copy.deepcopy(self.model).eval().requires_grad_(requires_grad=False)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), plan.learning_rate, (0.9, 0.98), weight_decay=plan.weight_decay, fused=True
        )
        self.step, self.done = 0, 0.0
        self.history: list[dict[str, float]] = []
        self._resume()

    def run(self, seconds: float = float("inf"), *, anneal: bool = False) -> bool:
        """Train until the plan is fulfilled or the time is over; whether it is fulfilled.

        Args:
            anneal: let the learning rate fall with the time, so that a run that is short of it ends well.
        """
        from torch.utils.tensorboard import SummaryWriter

        begin, before, log = time.monotonic(), self.done, SummaryWriter(str(self.out / "log"))
        losses: list[Tensor] = []
        while self.done < 1 and (spent := (time.monotonic() - begin) / seconds) < 1:
            share = before + (1 - before) * spent if anneal else 0.0
            self.done = max(self.step / self.plan.steps, share)
            losses.append(self.train_step())
            self.step += 1
            self.done = max(self.done, self.step / self.plan.steps)
            if self.step % self.plan.measure_every == 0 or self.done >= 1:
                self._measure(log, losses, begin)
        self.done = 1.0 if anneal else self.done
        if losses:
            self._measure(log, losses, begin)
        log.close()
        return self.done >= 1

    def train_step(self) -> Tensor:
        """Learn from one batch; its loss, ()."""
        for group in self.optimiser.param_groups:
            warmth = min((self.step + 1) / self.plan.warm_up, 1.0)
            group["lr"] = self.plan.learning_rate * warmth * self.plan.rate(self.done)
        loss = self._loss()
        descend(self.optimiser, self.model.parameters(), loss)
        follow(self.average, self.model, self.plan.average, self.step)
        return loss.detach()

    def _loss(self) -> Tensor:
        """Cross-entropy of the tokens, and how far attention is from the diagonal as long as that counts."""
        frames = FIRST_FRAMES + round((CROP_FRAMES - FIRST_FRAMES) * min(self.done / GROWN, 1.0))
        batch = self.mixer.batch(self.plan.crops)
        features, labels = batch.features[:, :frames], batch.labels[:, :frames]
        known = (labels != IGNORE).all(1)
        tokens, lengths = spoken(labels.masked_fill(~known[:, None], 0).long())
        self.model.train()
        heard = self.model.listener(features)
        logits, weights = self.model.spell(heard, tokens)
        right = wanted(tokens, lengths, known)
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), right.flatten(), ignore_index=IGNORE, label_smoothing=self.plan.smoothing,
            reduction="sum",
        ) / (right != IGNORE).sum().clamp(min=1)  # fmt: skip
        loss = loss + LISTENING * listening(self.model.sounds(heard), tokens, lengths * known)
        guide = max(1 - self.done / GUIDED, 0.0)
        return loss + guide * off_diagonal(weights, lengths) if guide else loss

    def _measure(self, log: object, losses: list[Tensor], begin: float) -> None:
        """Tell how it goes, save, and forget the losses."""
        figures = {"loss": float(torch.stack(losses).mean()) if losses else 0.0, "seconds": time.monotonic() - begin}
        losses.clear()
        figures |= measured(self.average, self.kept)
        self.history.append({"step": self.step} | {k: round(v, 4) for k, v in figures.items()})
        print(json.dumps(self.history[-1]), flush=True)  # noqa: T201
        for name, value in figures.items():
            log.add_scalar(name, value, self.step)  # type: ignore[attr-defined]
        self.save()

    def save(self) -> None:
        """Write OUT/state.pt, to go on from, and OUT/BACKEND.pt, to use."""
        self.out.mkdir(parents=True, exist_ok=True)
        state = {
            "step": self.step,
            "done": self.done,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": self.mixer.dice.random.get_state(),
            "history": self.history,
        }
        checkpoints.write(state, self.out / STATE)
        card = {"plan": json.dumps(asdict(self.plan)), "step": self.step}
        acoustic.save(self.average, self.plan.backend, self.out / f"{self.plan.backend}.pt", card)
        (self.out / "history.json").write_text(json.dumps(self.history, indent=1), encoding="utf-8")

    def _resume(self) -> None:
        state = state_of(self.out, self.device)
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.mixer.dice.random.set_state(state["random"].cpu())
        self.step, self.done, self.history = state["step"], state["done"], state["history"]


def wanted(tokens: Tensor, lengths: Tensor, known: Tensor) -> Tensor:
    """Tokens (batch, n) of these lengths with the boundary after the last, and `IGNORE` after that and in what is not
    known (batch,): (batch, n + 1)."""
    place = torch.arange(tokens.shape[1] + 1, device=tokens.device)
    out = nn.functional.pad(tokens, (0, 1)).masked_fill(place == lengths[:, None], BOUNDARY)
    return out.masked_fill((place > lengths[:, None]) | ~known[:, None], IGNORE)


def listening(logits: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
    """CTC of what each unit says (batch, units, tokens), a mean over the tokens; none of them, none of a crop."""
    plain = torch.zeros(logits.shape[2], device=logits.device)
    units = torch.full_like(lengths, logits.shape[1])
    losses = prior_ctc_loss(
        logits.transpose(0, 1), plain, tokens, units, lengths, scale=0.0, reduction="none", zero_infinity=True
    )
    return (losses * (lengths > 0)).sum() / lengths.sum().clamp(min=1)


def off_diagonal(weights: Tensor, lengths: Tensor) -> Tensor:
    """Share of the attention (batch, n, units) that lies off the diagonal, a mean over the tokens, ()."""
    place = torch.arange(weights.shape[1], device=weights.device)
    row = (place / lengths[:, None].clamp(min=1))[..., None]
    column = torch.arange(weights.shape[2], device=weights.device) / weights.shape[2]
    far = 1 - (-((row - column) ** 2) / (2 * WIDTH**2)).exp()
    inside = (place < lengths[:, None])[..., None]
    return (weights * far * inside).sum() / inside.sum().clamp(min=1)


@torch.inference_mode()
def measured(model: Las, utterances: Sequence[Utterance]) -> dict[str, float]:
    """How many starts of phones are right within so many ms, the bias in s, and how many tokens are guessed."""
    late, right, count = [], 0.0, 0
    device = next(model.parameters()).device
    for utterance in utterances:
        labels = torch.from_numpy(np.asarray(utterance.labels)[:CROP_FRAMES]).long()
        tokens, _ = spoken(labels.clamp(min=0)[None])
        features = normalise(log_mel(torch.from_numpy(utterance.wave).to(device).float() / 32768))[: len(labels)]
        logits, weights = model(features[None], tokens.to(device))
        right += float((logits[0, :-1].argmax(-1).cpu() == tokens[0]).sum())
        count += tokens.shape[1]
        found = spans(in_frames(weights[0, :-1], model.unit, len(features)).double().cpu().numpy())
        late.append((found[:, 0] - starts(labels)) * FRAME_SECONDS)
    errors = np.concatenate(late) if late else np.array([np.inf])
    shares = {f"within_{ms}": float((np.abs(errors) <= ms / 1000 + 1e-9).mean()) for ms in LIMITS_MS}
    return shares | {"bias": float(np.median(errors)), "tokens": right / max(count, 1)}


def starts(labels: Tensor) -> NDArray[np.int64]:
    """The frames at which the phones of `spoken` begin, in frame labels (frames,)."""
    return np.flatnonzero(begun(labels).numpy())


def main() -> None:
    """The command line."""
    parser = run_options(__doc__)
    parser.add_argument("--limit", type=int, help="utterances of each pack")
    given = parser.parse_args()
    plan = read_plan(given.config)
    plan = replace(plan, steps=given.steps or plan.steps)
    begin = time.monotonic()
    torch.set_float32_matmul_precision("high")
    device = torch.device(given.device)
    sounds = Sounds.of(plan, given.data, device, given.limit)
    trainer = Trainer(plan, sounds, given.out, device)
    print(f"{len(sounds.taught)} utterances read in {time.monotonic() - begin:.0f} s")  # noqa: T201
    trainer.run(given.seconds - (time.monotonic() - begin), anneal=given.anneal)


if __name__ == "__main__":
    main()
