"""A training run of the spoken voice, as a configuration file says it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aligner_core.checkpoints import tuples
from aligner_core.tts.acoustic import AcousticConfig
from aligner_core.tts.durations import DurationConfig

from .spoken_losses import Weights


@dataclass(frozen=True)
class SpeakPlan:
    """A training run; every field may stand in the configuration file.

    Args:
        packs: spoken packs, relative to the data folder, each with its labels beside it.
        steps, duration_steps: of the acoustic model, then of the duration model.
        share: of the time for the duration model, where time decides.
        frames: of a batch, with padding.
        warm_up: steps after which the learning rate is at its peak; it then falls with their root.
        decay: share of a run over which it falls to nothing besides.
        average: how slowly the averaged network follows.
        forget, follow: see `told_at_random`.
        cut: share of vowels that are cut into a piece more than they need.
        acoustic, durations: sizes of the networks.
    """

    packs: tuple[str, ...]
    steps: int = 20000
    duration_steps: int = 4000
    share: float = 0.12
    seed: int = 1
    frames: int = 40000
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    warm_up: int = 600
    decay: float = 0.7
    average: float = 0.999
    forget: float = 0.15
    follow: float = 0.5
    cut: float = 0.1
    measure_every: int = 1000
    weights: Weights = field(default_factory=Weights)
    acoustic: dict[str, Any] = field(default_factory=dict)
    durations: dict[str, Any] = field(default_factory=dict)

    def rate(self, step: int, done: float) -> float:
        """Learning rate at a step when so much of the run is over: Noam's (arXiv 1706.03762, 5.3), and to nothing."""
        noam: float = min((step + 1) / self.warm_up, (self.warm_up / (step + 1)) ** 0.5)
        return self.learning_rate * noam * min(1.0, max((1 - done) / self.decay, 0.01))


def read_speak_plan(path: Path) -> SpeakPlan:
    """A plan from TOML; unknown names are a TypeError."""
    values = tuples(tomllib.loads(path.read_text(encoding="utf-8")))
    plan = SpeakPlan(weights=Weights(**values.pop("weights", {})), **values)
    AcousticConfig(**plan.acoustic)
    DurationConfig(**plan.durations)
    return plan
