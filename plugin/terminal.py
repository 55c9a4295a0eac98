"""What commands that work for a while have in common: a bar on the terminal, and the device that they work on."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

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


def device_option(command: _F) -> _F:
    """The option --device."""
    return click.option(
        "--device", default="cpu", show_default=True, callback=_device, metavar="DEVICE",
        help="Where the model runs: cpu, cuda, cuda:N or auto.",
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
