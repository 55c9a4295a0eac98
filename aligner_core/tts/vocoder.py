"""Vocoders: what they promise, the table of them, and their checkpoints.

To add one: a module here with a class that fulfils `Vocoder`, and one line in `VOCODERS`. One with weights takes one
frozen dataclass of sizes, names it as `config_type`, and its checkpoint describes itself.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from torch import Tensor, nn

from aligner_core import checkpoints
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
    return cast(Vocoder, checkpoints.placed(build(read(path), str(path)), device))


def read(path: Path) -> dict[str, Any]:
    """The raw checkpoint: {"format", "vocoder", "config", "state", "card"}.

    Raises:
        WeightsError: as in `load`.
    """
    if not path.is_file():
        raise WeightsError("there is no such vocoder", str(path), f"a file, or one of {', '.join(VOCODERS)}")
    data = checkpoints.read(path, "vocoder")
    if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("vocoder") not in VOCODERS:
        raise WeightsError("not a vocoder of this version", str(path), f"format {FORMAT}, {', '.join(VOCODERS)}")
    return data


def build(data: dict[str, Any], where: str) -> nn.Module:
    """A raw checkpoint to its network, in float32.

    Raises:
        WeightsError: they do not fit.
    """
    return checkpoints.built(_class(data["vocoder"]), data, where)


def save(model: nn.Module, name: str, path: Path, card: dict[str, Any]) -> None:
    """Write a self-describing checkpoint with float16 weights, in one step.

    Args:
        name: of the class in `VOCODERS`.
        card: plain data on how the model was made: data, licences, figures.
    """
    checkpoints.write({"format": FORMAT, "vocoder": name} | checkpoints.described(model) | {"card": card}, path)


def _class(name: str) -> Any:
    module, attribute = VOCODERS[name].split(":")
    return getattr(import_module(module), attribute)


def _released() -> Path:
    from aligner_core.weights import VOCODER, weights_path

    return weights_path(VOCODER)
