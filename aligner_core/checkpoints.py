"""Checkpoints as files: plain data, the sizes of a network beside its weights, so that loading one runs no program."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from .errors import WeightsError


def write(data: object, path: Path) -> None:
    """Plain data with tensors into a file, whole or not at all."""
    part = path.with_suffix(".part")
    torch.save(data, part)
    part.replace(path)


def read(path: Path, kind: str = "checkpoint") -> Any:
    """What `write` wrote, on the CPU.

    Args:
        kind: what it should be, for the message.

    Raises:
        WeightsError: it is something else, or damaged.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # there is nothing that a damaged file may not raise
        raise WeightsError(f"damaged, or not a {kind}", str(path), "install the package again") from error


def described(network: nn.Module) -> dict[str, Any]:
    """The sizes of a network with a `config`, and its weights in float16: {"config", "state"}."""
    config = dataclasses.asdict(cast(Any, network).config)
    return {
        "config": {name: list(value) if isinstance(value, tuple) else value for name, value in config.items()},
        "state": {name: weight.detach().half().cpu().contiguous() for name, weight in network.state_dict().items()},
    }


def built(kind: Any, data: dict[str, Any], where: str) -> nn.Module:
    """The network, in float32, that `described` described.

    Args:
        kind: its class, which names its sizes as `config_type`.
        where: for the message.

    Raises:
        WeightsError: they do not fit.
    """
    try:
        network: nn.Module = kind(kind.config_type(**tuples(data["config"])))
        network.load_state_dict(data["state"])  # into float32, weight by weight
    except (RuntimeError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"does not fit its network: {str(error).splitlines()[0]}", where) from error
    return network


def placed(network: nn.Module, device: str) -> nn.Module:
    """The network on a device, ready to be used.

    Raises:
        WeightsError: the device is not there.
    """
    try:
        return network.eval().to(device)
    except (RuntimeError, AssertionError) as error:  # torch reports an unknown or absent device by either
        raise WeightsError(str(error).splitlines()[0], f"device {device}", "cpu, cuda or cuda:N") from error


def tuples(value: Any) -> Any:
    """Sizes as files hold them, with tuples for lists, also within dicts."""
    if isinstance(value, dict):
        return {name: tuples(one) for name, one in value.items()}
    return tuple(value) if isinstance(value, list) else value
