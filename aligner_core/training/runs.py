"""What the training programs have in common: their options, a step, the averaged network, going on, pictures."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

STATE = "state.pt"  # in the folder of a run: all that it takes to go on
STEEPEST = 1.0  # norm of a gradient
SILENT, LOUD = -10.0, 1.5  # log-mels that are black and white in a picture


def run_options(description: str | None) -> argparse.ArgumentParser:
    """CONFIG, --data, --out, --seconds, --anneal, --steps and --device."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop and save after this time")
    parser.add_argument("--anneal", action="store_true", help="let the learning rate fall with the time")
    parser.add_argument("--steps", type=int, help="instead of the plan's")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser


def descend(optimiser: torch.optim.Optimizer, weights: Iterable[Tensor], loss: Tensor) -> None:
    """One step of the optimiser down the clipped gradient of the loss."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(weights, STEEPEST)
    optimiser.step()


def state_of(out: Path, device: torch.device) -> dict[str, Any] | None:
    """What a run left in its folder to go on from; None if there is nothing."""
    path = out / STATE
    return torch.load(path, map_location=device, weights_only=True) if path.exists() else None


def follow(average: nn.Module, network: nn.Module, keep: float, step: int) -> None:
    """Move the averaged weights towards those of the network, an exponential moving average.

    Args:
        keep: share of the average that stays, less in the first steps: they are not worth much.
        step: counted from 0.
    """
    update = get_ema_multi_avg_fn(min(keep, (1 + step) / (10 + step)))  # type: ignore[no-untyped-call]
    update(list(average.parameters()), [weight.detach() for weight in network.parameters()], step)


def mel_picture(mels: Tensor) -> Tensor:
    """Log-mels of a voice (n, frames, MELS), the first above, low bands below: one grey picture (1, rows, frames),
    0 to 1."""
    rows = mels.transpose(1, 2).flip(1).flatten(0, 1)
    return ((rows - SILENT) / (LOUD - SILENT)).clamp(0, 1)[None].cpu()
