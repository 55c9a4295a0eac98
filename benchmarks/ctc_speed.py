"""How fast the losses are beside PyTorch's CTC, forwards and backwards, and that they agree before anything is timed.

    python -m benchmarks.ctc_speed [--device cuda] [--batch 16 --frames 1000 --symbols 40 --labels 100]

Prints a table, writes bench-out/ctc-speed-DEVICE.json, and the table into docs/ctc.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from aligner_core.asg import asg_loss, asg_loss_by_definition
from aligner_core.ctc import ctc_loss, ctc_loss_by_definition, prior_ctc_loss
from benchmarks.engine_page import DOCS, put

OUT = Path(__file__).resolve().parents[1] / "bench-out"
TIMES = {"cpu": 3, "cuda": 20}
Loss = Callable[[Tensor], Tensor]


def main() -> None:
    """Check, time and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    for name, size in (("batch", 16), ("frames", 1000), ("symbols", 40), ("labels", 100)):
        parser.add_argument(f"--{name}", type=int, default=size)
    given = parser.parse_args()
    logits, losses = cases(given)
    figures = {"logits": list(logits.shape), "labels": given.labels, "machine": machine(given.device)}
    figures["difference"] = agreement(logits, losses)
    print(json.dumps(figures))
    seconds = {name: timed(logits, loss, given.device) for name, loss in losses.items()}
    OUT.mkdir(exist_ok=True)
    text = json.dumps(figures | {"seconds": seconds}, indent=1)
    (OUT / f"ctc-speed-{given.device}.json").write_text(text, encoding="utf-8")
    print(table(figures["machine"], logits, given.labels, seconds))
    put(f"speed {given.device}", table(figures["machine"], logits, given.labels, seconds), DOCS / "ctc.md")


def table(where: str, logits: Tensor, labels: int, seconds: dict[str, float]) -> str:
    """Markdown."""
    frames, batch, symbols = logits.shape
    rows = [f"{where}; {batch} x {frames} frames x {symbols} symbols, {labels} labels:", ""]
    rows += ["| loss and gradient | time | beside PyTorch's CTC |", "|---|---|---|"]
    first = seconds["PyTorch CTC"]
    return "\n".join(rows + [f"| {name} | {1000 * x:.1f} ms | {x / first:.2f} |" for name, x in seconds.items()])


def cases(given: argparse.Namespace) -> tuple[Tensor, dict[str, Loss]]:
    """Scores, and every loss as a function of them."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(given.frames, given.batch, given.symbols, generator=generator).to(given.device)
    targets = torch.randint(1, given.symbols, (given.batch, given.labels), generator=generator).to(given.device)
    frames = torch.full((given.batch,), given.frames, device=given.device)
    labels = torch.full((given.batch,), given.labels, device=given.device)
    transitions = torch.randn(given.symbols, given.symbols, generator=generator).to(given.device).requires_grad_()
    prior = torch.full((given.symbols,), -1.0, device=given.device)
    rest = (targets, frames, labels)
    return logits, {
        "PyTorch CTC": lambda x: F.ctc_loss(x.log_softmax(-1), *rest, reduction="sum"),
        "CTC": lambda x: ctc_loss(x.log_softmax(-1), *rest, reduction="sum"),
        "CTC by autograd": lambda x: ctc_loss_by_definition(x.log_softmax(-1), *rest, reduction="sum"),
        "CTC with priors": lambda x: prior_ctc_loss(x, prior, *rest, reduction="sum"),
        "ASG": lambda x: asg_loss(x, transitions, *rest, reduction="sum"),
        "ASG by autograd": lambda x: asg_loss_by_definition(x, transitions, *rest, reduction="sum"),
    }


def agreement(logits: Tensor, losses: dict[str, Loss]) -> dict[str, float]:
    """How far apart values, as a share, and gradients are: of our CTC and PyTorch's, of ASG and its definition.

    Raises:
        RuntimeError: further than rounding explains.
    """
    found = {}
    for pair in (("PyTorch CTC", "CTC"), ("ASG by autograd", "ASG")):
        (right, slope), (mine, my_slope) = (_graded(logits, losses[name]) for name in pair)
        found[f"{pair[1]} value"] = float((right - mine).abs() / right.abs())
        found[f"{pair[1]} gradient"] = float((slope - my_slope).abs().max())
    if max(found.values()) > 0.05:
        raise RuntimeError(f"the losses disagree: {found}")
    return found


def _graded(logits: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
    x = logits.clone().requires_grad_()
    value = loss(x)
    value.backward()  # type: ignore[no-untyped-call]
    return value.detach(), x.grad if x.grad is not None else torch.zeros_like(x)


def timed(logits: Tensor, loss: Loss, device: str) -> float:
    """Seconds of a loss and its gradient, a median, after one run that does not count."""
    spent = []
    for _ in range(TIMES[device.split(":", maxsplit=1)[0]] + 1):
        begin = time.perf_counter()
        _graded(logits, loss)
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        spent.append(time.perf_counter() - begin)
    return median(spent[1:])


def machine(device: str) -> str:
    """What it ran on."""
    name = torch.cuda.get_device_name() if device.startswith("cuda") else platform.machine()
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


if __name__ == "__main__":
    main()
