"""What commands that work for a while have in common: a bar on the terminal, and the device that they work on."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from aligner_core.acoustic.runtimes import RUNTIMES

_F = TypeVar("_F", bound=Callable[..., Any])
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


def on_terminal() -> bool:
    """Whether somebody sees standard error."""
    return sys.stderr is not None and sys.stderr.isatty()  # None: it was closed by whoever started this


@contextmanager
def progress_bar(label: str, shown: bool) -> Iterator[Callable[[float], None] | None]:
    """A bar that hears the share done, 0..1; None where none is shown."""
    if not shown:
        yield None
        return
    with click.progressbar(length=1000, label=label, file=sys.stderr) as bar:
        yield lambda share: bar.update(round(1000 * share) - bar.pos)


@contextmanager
def counting_bar(label: str, length: int, shown: bool) -> Iterator[Callable[[], None]]:
    """A bar with the rate and the time left, to be called for each thing done; nothing is seen unless `shown`."""
    if not shown:
        yield lambda: None
        return
    begun, done = time.monotonic(), 0

    def rate(_: object) -> str:
        return f"{done / max(time.monotonic() - begun, 0.1):.1f}/s" if done else ""

    with click.progressbar(
        length=length, label=label, show_pos=True, show_percent=True, item_show_func=rate, file=sys.stderr
    ) as bar:

        def step() -> None:
            nonlocal done
            done += 1
            bar.update(1)

        yield step


def device_option(command: _F) -> _F:
    """The option --device."""
    return click.option(
        "--device", default="cpu", show_default=True, callback=_device, metavar="DEVICE",
        help="Where the model runs: cpu, cuda, cuda:N or auto.",
    )(command)  # fmt: skip


def runtime_option(command: _F) -> _F:
    """The option --runtime."""
    return click.option(
        "--runtime", type=click.Choice(RUNTIMES), default="auto", show_default=True,
        help="What computes on the CPU: torch, or light, ONNX Runtime, which starts sooner. auto: light if it can.",
    )(command)  # fmt: skip


def chosen_device(device: str) -> str:
    """The device itself where it was "auto"."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _device(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not _DEVICE.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not one of auto, cpu, cuda, cuda:N", ctx, param)
    return value
