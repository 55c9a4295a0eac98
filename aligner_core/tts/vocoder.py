"""Vocoders: what they promise, the table of them, and their checkpoints.

To add one: a module here with a class that fulfils `Vocoder`, and one line in `VOCODERS`. One with weights takes one
frozen dataclass of sizes, names it as `config_type`, and its checkpoint describes itself.
"""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from aligner_core.errors import WeightsError

from .sound import Frames

VOCODERS: dict[str, str] = {
    "neural": "aligner_core.tts.source_filter:SourceFilter",
    "griffin-lim": "aligner_core.tts.griffin_lim:GriffinLim",
}
WITHOUT_WEIGHTS = frozenset({"griffin-lim"})
FORMAT = 1  # of checkpoint files


@runtime_checkable
class Vocoder(Protocol):
    """Frames to sound."""

    def wave(self, frames: Frames) -> Tensor:
        """Float32 (frames * HOP,) at RATE, on the CPU, about within -1 to 1; the same for the same frames."""


def load(name: str = "neural", device: str = "cpu") -> Vocoder:
    """A vocoder, ready to use.

    Args:
        name: one of `VOCODERS`, or the file of a checkpoint.
        device: cpu, cuda or cuda:N.

    Raises:
        WeightsError: the checkpoint is missing, damaged or not one of ours, or the device is not there.
    """
    if name in WITHOUT_WEIGHTS:
        return cast(Vocoder, _class(name)())
    path = _released() if name in VOCODERS else Path(name)
    try:
        return cast(Vocoder, build(read(path), str(path)).eval().to(device))
    except (RuntimeError, AssertionError) as error:  # torch reports an unknown or absent device by either
        raise WeightsError(str(error).splitlines()[0], f"device {device}", "cpu, cuda or cuda:N") from error


def read(path: Path) -> dict[str, Any]:
    """The raw checkpoint: {"format", "vocoder", "config", "state", "card"}.

    Raises:
        WeightsError: as in `load`.
    """
    if not path.is_file():
        raise WeightsError("there is no such vocoder", str(path), f"a file, or one of {', '.join(VOCODERS)}")
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # there is nothing that a damaged file may not raise
        raise WeightsError("damaged, or not a checkpoint", str(path), "install the package again") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("vocoder") not in VOCODERS:
        raise WeightsError("not a vocoder of this version", str(path), f"format {FORMAT}, {', '.join(VOCODERS)}")
    return data


def build(data: dict[str, Any], where: str) -> nn.Module:
    """A raw checkpoint to its network, in float32.

    Raises:
        WeightsError: they do not fit.
    """
    network = _class(data["vocoder"])
    try:
        config = network.config_type(**{k: tuple(v) if isinstance(v, list) else v for k, v in data["config"].items()})
        model: nn.Module = network(config)
        model.load_state_dict({name: weight.float() for name, weight in data["state"].items()})
    except (RuntimeError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"does not fit its network: {str(error).splitlines()[0]}", where) from error
    return model


def save(model: nn.Module, name: str, path: Path, card: dict[str, Any]) -> None:
    """Write a self-describing checkpoint with float16 weights, in one step.

    Args:
        name: of the class in `VOCODERS`.
        card: plain data on how the model was made: data, licences, figures.
    """
    config = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(cast(Any, model).config).items()}
    state = {name: weight.detach().half().cpu().contiguous() for name, weight in model.state_dict().items()}
    part = path.with_suffix(".part")
    torch.save({"format": FORMAT, "vocoder": name, "config": config, "state": state, "card": card}, part)
    part.replace(path)


def _class(name: str) -> Any:
    module, attribute = VOCODERS[name].split(":")
    return getattr(import_module(module), attribute)


def _released() -> Path:
    from aligner_core.weights import VOCODER, weights_path

    return weights_path(VOCODER)
