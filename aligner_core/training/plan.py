"""What a training run of the acoustic model consists of, as its configuration file says it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import nn

from aligner_core import acoustic
from aligner_core.checkpoints import tuples

from .effects import Recipe

Objective = Literal["frames", "ctc", "prior_ctc", "asg"]


@dataclass(frozen=True)
class Plan:
    """A training run; every field may stand in the configuration file.

    Args:
        voices, music: packs, relative to the data folder.
        steps: of the whole run; the learning rate falls over the last `decay` of them.
        share: of the recordings that are learnt from, evenly taken; what is held out stays the same.
        crops: a batch, of CROP_FRAMES each; for every device.
        realign: steps at which voices without times are labelled again.
        start: checkpoint, relative to the data folder, whose weights to begin with.
        head_steps: so many steps first train the head for edges alone, and leave OUT/head.pt.
        trunk_rate: learning rate of everything else as a share of the head's.
        objective: cross-entropy of frames, CTC, CTC with label priors, or ASG, for a network with transitions.
        frame_steps: so many steps first learn from frames, whatever the objective.
        prior: how far label priors are taken off.
        edge_loss: weight of the loss of the edges.
        music_class: tell music without a voice from silence.
        distil: learn from `start` where there are no labels, instead of leaving such sound out.
        weights: by a pack's name, how much oftener than by its length it is drawn.
        backend, model: the network, a name in `acoustic.BACKENDS` or `ATTENDING`, and its sizes.
        recipe: augmentation.
    """

    voices: tuple[str, ...]
    music: tuple[str, ...]
    steps: int
    seed: int = 1
    share: float = 1.0
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
    objective: Objective = "frames"
    frame_steps: int = 0
    prior: float = 0.3
    edge_loss: float = 2.0
    music_class: bool = True
    distil: bool = False
    weights: dict[str, float] = field(default_factory=dict)
    backend: str = "cnn"
    model: dict[str, Any] = field(default_factory=dict)
    recipe: Recipe = field(default_factory=Recipe)

    def rate(self, done: float) -> float:
        """Share of the peak learning rate when so much of the run is over: a plateau, then straight down to 2 %."""
        return min(1.0, max((1 - done) / max(self.decay, 1e-6), 0.02))

    def network(self) -> nn.Module:
        """The network, not trained.

        Raises:
            TypeError: its sizes have a name that it does not know.
        """
        kind = acoustic.network(self.backend)
        network: nn.Module = kind(kind.config_type(**self.model))
        return network


def read_plan(path: Path) -> Plan:
    """A Plan from TOML; unknown names are an error."""
    values = tuples(tomllib.loads(path.read_text(encoding="utf-8")))
    plan = Plan(recipe=Recipe(**values.pop("recipe", {})), **values)
    plan.network()
    return plan
