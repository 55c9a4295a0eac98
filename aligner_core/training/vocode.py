"""Train the vocoder: `python -m aligner_core.training.vocode CONFIG.toml --data FOLDER --out FOLDER`.

It makes random pieces of spoken packs from their mels and pitch. First the energy distance of their spectra, then an
adversary beside it. Pieces are played at other speeds too, so that one voice of a narrow range teaches all notes. A run
that was cut off goes on from OUT/state.pt; a run that is done does nothing.
"""

from __future__ import annotations

import copy
import json
import math
import time
import tomllib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from aligner_core import checkpoints
from aligner_core.tts.sound import RATE, Frames, log_mel
from aligner_core.tts.source import phases
from aligner_core.tts.source_filter import SourceFilter, SourceFilterConfig, hiss, tone
from aligner_core.tts.vocoder import save

from .adversary import Discriminator, discriminator_loss, generator_losses
from .runs import STATE, descend, follow, mel_picture, run_options, state_of
from .spectral import distances, drawn, energy_distance, views
from .vocode_data import Piece, Recording, Voices, read_recordings, split

MEASURED = (256, 512, 1024, 2048)  # samples, the windows that held-out sound is measured with
LISTENED = 4  # recordings of those that are measured that one may listen to
MOST_MEASURED = 12  # recordings
GAIN = math.log(10) / 20 * 6  # nepers, of 6 dB: as much louder or softer are pieces played
RESUMED = ("model", "average", "adversary", "optimiser", "against")
ASTRAY = 0.02  # octaves, deviation of the pitch that the network is told (not of the pulses)


@dataclass(frozen=True)
class VocodePlan:
    """A training run; every field may stand in the configuration file.

    Args:
        packs: spoken packs, relative to the data folder.
        steps: of the whole run.
        batch, frames: pieces of a batch, and frames of a piece.
        average: how much of the average weights is kept at each step.
        held_out: every so many-th recording is kept for measuring.
        higher: semitones by which pieces are played higher; one of them for half of each batch.
        blur: share of the pieces whose mel is smoothed.
        noise: most deviation of what is added to the mel, nepers.
        repel: share of the energy distance's second term.
        adversary_from: share of the run after which the adversary joins; 1: never.
        adversary_width: channels of its widest layers.
        adversary_rate: its learning rate, which doesn't fall: it begins when the run is half over.
        adversary_weight, feature_weight: of its verdict and its features in the loss.
        model: sizes of the network.
    """

    packs: tuple[str, ...]
    steps: int
    seed: int = 1
    batch: int = 32
    frames: int = 130
    learning_rate: float = 1e-3
    warm_up: int = 200
    average: float = 0.999
    measure_every: int = 1000
    held_out: int = 50
    higher: tuple[float, ...] = ()
    blur: float = 0.5
    noise: float = 0.12
    repel: float = 1.0
    adversary_from: float = 1.0
    adversary_width: int = 128
    adversary_rate: float = 3e-4
    adversary_weight: float = 0.1
    feature_weight: float = 0.3
    model: dict[str, Any] = field(default_factory=dict)

    def rate(self, done: float) -> float:
        """Share of the peak learning rate when so much of the run is over: a cosine down to 2 %."""
        return 0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))


def read_vocode_plan(path: Path) -> VocodePlan:
    """From TOML; unknown names are a TypeError."""
    plan = VocodePlan(**checkpoints.tuples(tomllib.loads(path.read_text(encoding="utf-8"))))
    SourceFilterConfig(**plan.model)
    return plan


class Trainer:
    """Holds what a run consists of; `run` carries it on.

    Args:
        plan: what to do.
        recordings: what to learn from, and to be measured with.
        out: folder for state, logs and the checkpoint.
        device: where.
    """

    def __init__(self, plan: VocodePlan, recordings: list[Recording], out: Path, device: torch.device) -> None:
        self.plan, self.out, self.device = plan, out, device
        torch.manual_seed(plan.seed)
        taught, kept = split(recordings, plan.held_out)
        self.kept = kept[:MOST_MEASURED]
        self.voices = Voices(taught, device)
        self.random = torch.Generator(device).manual_seed(plan.seed)
        self.dice = torch.Generator().manual_seed(plan.seed)  # on the CPU, which needn't wait for what it throws
        self.model = SourceFilter(SourceFilterConfig(**plan.model)).to(device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(requires_grad=False)
        self.adversary = Discriminator(plan.adversary_width).to(device)
        fused = device.type == "cuda"
        self.optimiser = torch.optim.AdamW(self.model.parameters(), plan.learning_rate, (0.9, 0.98), fused=fused)
        self.against = torch.optim.AdamW(self.adversary.parameters(), plan.adversary_rate, (0.8, 0.99), fused=fused)
        self.step, self.done = 0, 0.0
        self.history: list[dict[str, float]] = []
        self._resume()

    def run(self, seconds: float = math.inf, *, anneal: bool = False) -> bool:
        """Train until the plan is fulfilled or the time is over; whether it is fulfilled.

        Args:
            anneal: let the learning rate fall with the time, and the adversary join by it.
        """
        from torch.utils.tensorboard import SummaryWriter

        begin, before, log = time.monotonic(), self.done, SummaryWriter(str(self.out / "log"))
        losses: list[dict[str, Tensor]] = []
        while self.done < 1 and (spent := (time.monotonic() - begin) / seconds) < 1:
            by_time = before + (1 - before) * spent if anneal else 0.0
            self.done = max(self.step / self.plan.steps, by_time)
            losses.append(self.train_step())
            self.step += 1
            self.done = max(self.done, self.step / self.plan.steps)
            if self.step % self.plan.measure_every == 0:
                self._measure(log, losses, begin)
        if losses:
            self._measure(log, losses, begin)
        if anneal and self.step:
            self.done = 1.0
        self.save()
        log.close()
        return self.done >= 1

    def train_step(self) -> dict[str, Tensor]:
        """Learn from one batch; its losses, () each."""
        plan = self.plan
        for group in self.optimiser.param_groups:
            group["lr"] = plan.learning_rate * min((self.step + 1) / plan.warm_up, 1.0) * plan.rate(self.done)
        piece = self.piece()
        one, other = self.tries(piece)
        sizes = drawn(self.dice)
        losses = {"distance": energy_distance(piece.wave, one, other, sizes, plan.repel)}
        total = losses["distance"]
        if self.done >= plan.adversary_from:
            losses["adversary"] = self._adversary_step(piece.wave, one.detach())
            losses["verdict"], losses["features"] = self._opposed(piece.wave, one)
            total = total + plan.adversary_weight * losses["verdict"] + plan.feature_weight * losses["features"]
        descend(self.optimiser, self.model.parameters(), total)
        follow(self.average, self.model, plan.average, self.step)
        return {name: loss.detach() for name, loss in losses.items()}

    def _adversary_step(self, recorded: Tensor, made: Tensor) -> Tensor:
        with self._half():
            heard = self.adversary(torch.cat([recorded, made]))
        loss = discriminator_loss(*_halves(heard))
        descend(self.against, self.adversary.parameters(), loss)
        return loss

    def _opposed(self, recorded: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
        """What the adversary thinks of what was made."""
        self.adversary.requires_grad_(requires_grad=False)
        with self._half():
            heard = self.adversary(torch.cat([recorded, made]))
        self.adversary.requires_grad_()
        return generator_losses(*_halves(heard))

    def _half(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")

    def piece(self) -> Piece:
        """A batch: half of it as it was recorded, half at another pitch; louder or softer."""
        plan, parts = self.plan, []
        changed = plan.batch // 2 if plan.higher else 0
        parts.append(self.voices.pieces(plan.batch - changed, plan.frames, 1.0, self.random))
        if changed:
            which = int(torch.randint(len(plan.higher), (), generator=self.dice))
            parts.append(self.voices.pieces(changed, plan.frames, 2 ** (plan.higher[which] / 12), self.random))
        wave, f0, voiced = (torch.cat(both) for both in zip(*parts, strict=True))
        gain = (GAIN * (2 * self._uniform(plan.batch, 1) - 1)).exp()
        return Piece(wave * gain, f0, voiced)

    def tries(self, piece: Piece) -> tuple[Tensor, Tensor]:
        """Two attempts at a batch, with the same filters, other noise and pulses at another time."""
        batch, frames = piece.f0.shape
        told = piece.f0 * 2 ** (ASTRAY * self._normal(batch, frames))
        with self._half():
            filters = self.model(self.spoilt(log_mel(piece.wave)), told, piece.voiced)
        begin, made = phases(piece.f0), []
        for _ in range(2):
            turned = begin + self._uniform(batch, 1)
            made.append(tone(filters, piece.f0, piece.voiced, turned) + hiss(filters, self._normal(*piece.wave.shape)))
        return made[0], made[1]

    def spoilt(self, mel: Tensor) -> Tensor:
        """Mels as an acoustic model makes them: partly smoothed, and not quite right; (batch, frames, MELS)."""
        batch, frames, mels = mel.shape
        smooth = F.avg_pool2d(mel[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
        share = self._uniform(batch, 1, 1) * (self._uniform(batch, 1, 1) < self.plan.blur)
        coarse = self._normal(batch, 1, -(-frames // 4), -(-mels // 4))
        wrong = F.interpolate(coarse, (frames, mels), mode="bilinear")[:, 0] + 0.5 * self._normal(batch, frames, mels)
        return mel + share * (smooth - mel) + self.plan.noise * self._uniform(batch, 1, 1) * wrong

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.random, device=self.device)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.random, device=self.device)

    def _measure(self, log: Any, losses: list[dict[str, Tensor]], begin: float) -> None:
        """Tell how it goes, and forget the losses."""
        names = dict.fromkeys(name for loss in losses for name in loss)
        means = {n: float(torch.stack([loss[n] for loss in losses if n in loss]).mean()) for n in names}
        losses.clear()
        figures = means | self.measured(log) | {"seconds": time.monotonic() - begin}
        self.history.append({"step": self.step} | {k: round(v, 4) for k, v in figures.items()})
        print(json.dumps(self.history[-1]), flush=True)  # noqa: T201
        for name, value in figures.items():
            log.add_scalar(name, value, self.step)
        self.save()

    def measured(self, log: Any) -> dict[str, float]:
        """How far held-out recordings are from what is made of their mels; some of both go to the log."""
        spectral, mel = [], []
        for at, recording in enumerate(self.kept):
            frames = recording.frames()
            truth, made = torch.from_numpy(recording.wave).float() / 32768, self.average.wave(frames)
            right, ours = (views(wave[None].to(self.device), MEASURED) for wave in (truth, made))
            spectral.append(float(distances(ours, right, right)))
            mel.append(float((log_mel(made) - frames.mel).abs().mean()))
            if at < LISTENED:
                self._show(log, at, truth, made, frames)
        return {"held_out": sum(spectral) / len(spectral), "held_out_mel": sum(mel) / len(mel)}

    def _show(self, log: Any, at: int, truth: Tensor, made: Tensor, frames: Frames) -> None:
        log.add_audio(f"made/{at}", made.clamp(-1, 1), self.step, RATE)
        log.add_image(f"mel/{at}", mel_picture(torch.stack([frames.mel, log_mel(made)])), self.step)
        if self.step <= self.plan.measure_every:
            log.add_audio(f"recorded/{at}", truth, self.step, RATE)

    def save(self) -> None:
        """Write OUT/state.pt, to go on from, and OUT/vocoder.pt, to use."""
        self.out.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {name: getattr(self, name).state_dict() for name in RESUMED}
        state |= {"step": self.step, "done": self.done, "history": self.history}
        state |= {"random": self.random.get_state(), "dice": self.dice.get_state()}
        checkpoints.write(state, self.out / STATE)
        card = {"plan": json.dumps(asdict(self.plan)), "step": self.step} | (self.history[-1] if self.history else {})
        save(self.average, "neural", self.out / "vocoder.pt", card)
        (self.out / "history.json").write_text(json.dumps(self.history, indent=1), encoding="utf-8")

    def _resume(self) -> None:
        state = state_of(self.out, self.device)
        if state is None:
            return
        for name in RESUMED:
            getattr(self, name).load_state_dict(state[name])
        self.step, self.done, self.history = state["step"], state["done"], state["history"]
        self.random.set_state(state["random"].cpu())
        self.dice.set_state(state["dice"].cpu())


def _halves(heard: list[list[Tensor]]) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """What was heard of the first half of a batch, and of the second."""
    both = [[layer.chunk(2) for layer in layers] for layers in heard]
    return [[a for a, _ in layers] for layers in both], [[b for _, b in layers] for layers in both]


def main() -> None:
    """The command line."""
    parser = run_options(__doc__)
    given = parser.parse_args()
    plan = read_vocode_plan(given.config)
    plan = replace(plan, steps=given.steps or plan.steps)
    begin = time.monotonic()
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True  # all batches are of one shape
    recordings = read_recordings([given.data / pack for pack in plan.packs])
    trainer = Trainer(plan, recordings, given.out, torch.device(given.device))
    print(f"{len(recordings)} recordings read in {time.monotonic() - begin:.0f} s")  # noqa: T201
    trainer.run(given.seconds - (time.monotonic() - begin), anneal=given.anneal)


if __name__ == "__main__":
    main()
