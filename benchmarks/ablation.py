"""What each ingredient of training is worth, and whether size or data is short: many small networks, trained alike.

    python -m benchmarks.ablation PART --data PACKS --out FOLDER [--seconds 40] [--device cuda]

PART is `ingredients`, `scaling`, or names of variants. Each network gets the same time or, with --steps, the same
steps; FOLDER/NAME.pt is what it became, FOLDER/NAME.json how it got there. Measure them with `benchmarks.acoustics`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from aligner_core.training.align import Sounds, Trainer
from aligner_core.training.parallel import Team
from aligner_core.training.plan import Plan, read_plan

PLAN = Path("aligner_core/training/cnn_small.toml")
SIZES = {
    "small": {"width": 96, "kernels": (9, 15, 21, 31), "expansion": 2, "edge_width": 48},
    "middle": {"width": 176, "kernels": (9, 9, 15, 21, 31, 31, 15), "expansion": 3, "edge_width": 96},
    "large": {
        "width": 288,
        "kernels": (9, 9, 15, 15, 21, 21, 31, 31, 31, 21, 21, 15, 9),
        "expansion": 3,
        "edge_width": 160,
    },
}
SHARES = {"ninth": 1 / 9, "third": 1 / 3, "all": 1.0}
Change = Callable[[Plan], Plan]


def recipe(**changes: float) -> Change:
    """A plan with another recipe."""
    return lambda plan: replace(plan, recipe=replace(plan.recipe, **changes))  # type: ignore[arg-type]


def without(*packs: str) -> Change:
    """A plan without the voices of the packs that begin like this."""
    return lambda plan: replace(plan, voices=tuple(v for v in plan.voices if not v.split("/")[-1].startswith(packs)))


def sized(size: str, share: str) -> Change:
    """A plan for a network of this size and this part of the recordings."""
    return lambda plan: replace(plan, model=SIZES[size], share=SHARES[share])


def chained(plan: Plan, frame_steps: int = 0) -> Plan:
    """A plan for ASG, whose network has transitions."""
    return replace(plan, objective="asg", frame_steps=frame_steps, model=dict(plan.model) | {"chained": True})


INGREDIENTS: dict[str, Change] = {
    "everything": lambda plan: plan,
    "no music mixed in": recipe(music=0.0, quiet=0.0, backing=0.0),
    "no class for music": lambda plan: replace(plan, music_class=False),
    "no held vowels": recipe(sing=0.0),
    "no rooms, choirs, drive": recipe(drive=0.0, clip=0.0, double=0.0, choir=0.0, reverb=0.0, whisper=0.0),
    "no tone, codecs, noise": recipe(tone=0.0, band=0.0, codec=0.0, press=0.0, noise=0.0, breath=0.0),
    "no masks": recipe(masks=0),
    "no real voices made to sing": without("voices-"),
    "no rendered voices": without("synth-"),
    "no speech without times": without("librispeech-clean", "librispeech-3", "kathleen"),
    "no smoothing, no dropout": lambda plan: replace(plan, smoothing=0.0, model=dict(plan.model) | {"dropout": 0.0}),
    "CTC instead of frames": lambda plan: replace(plan, objective="ctc"),
    "CTC with priors, after frames": lambda plan: replace(plan, objective="prior_ctc", frame_steps=300),
    "ASG instead of frames": chained,
    "ASG, after frames": lambda plan: chained(plan, frame_steps=300),
}
SCALING: dict[str, Change] = {
    f"{size}, {share}": sized(size, share) for size in SIZES for share in SHARES if (size, share) != ("middle", "all")
}
PARTS = {"ingredients": INGREDIENTS, "scaling": SCALING}


def main() -> None:
    """Train what was asked for, one after the other; what is there already is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="+", help="ingredients, scaling, or names")
    parser.add_argument("--plan", type=Path, default=PLAN)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for each network")
    parser.add_argument("--steps", type=int, help="instead of the plan's")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--limit", type=int, help="utterances of each pack")
    given = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    plan = read_plan(given.plan)
    plan = replace(plan, steps=given.steps or plan.steps)
    known = INGREDIENTS | SCALING
    names = [name for part in given.part for name in PARTS.get(part, {part: known.get(part)})]
    device = torch.device(given.device)
    sounds = Sounds.of(plan, given.data, device, given.limit)
    for name in names:
        train(name, known[name](plan), sounds, given.data, given.out, Team(given.device), given.seconds)


def train(name: str, plan: Plan, sounds: Sounds, data: Path, out: Path, team: Team, seconds: float) -> None:
    """One network, unless it is there."""
    file = out / f"{key(name)}.pt"
    if file.exists():
        return
    begin = time.monotonic()
    packs = tuple(Path(v).stem for v in plan.voices)
    mine = replace(sounds, taught=[u for u in sounds.taught if u.key.split("/")[0] in packs])
    folder = out / key(name)
    trainer = Trainer(replace(plan, measure_every=10**9), mine, data, folder, team)
    trainer.run(seconds, anneal=seconds < float("inf"))
    (folder / "cnn.pt").replace(file)
    facts = {"name": name, "steps": trainer.step, "seconds": time.monotonic() - begin, "history": trainer.history}
    file.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")
    shutil.rmtree(folder)


def key(name: str) -> str:
    """A name as a file's."""
    return name.replace(",", "").replace(" ", "-")


if __name__ == "__main__":
    main()
