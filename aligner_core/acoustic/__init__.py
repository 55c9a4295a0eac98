"""Acoustic models: what they promise, the table of them, and their checkpoints.

To add one: a module here with a class that fulfils `AcousticModel` (what looks at log-mels need only be `Windowed`),
takes one frozen dataclass of sizes and names it as `config_type`; one line in `BACKENDS`. Its checkpoint then describes
itself: backend, sizes, weights, card.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from aligner_core.errors import WeightsError

BACKENDS: dict[str, str] = {
    "cnn": "aligner_core.acoustic.cnn:CnnCtc",
    "zhang2017": "aligner_core.acoustic.zhang2017:Zhang2017",
    "blstm": "aligner_core.acoustic.blstm:Blstm",
}
FORMAT = 1  # of checkpoint files
DEFAULT = "cnn.pt"


@runtime_checkable
class AcousticModel(Protocol):
    """Sound to the probability of each symbol in each frame; `symbols[0]` is silence."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the columns."""

    @property
    def sample_rate(self) -> int:
        """Hz of the wave."""

    @property
    def frame_seconds(self) -> float:
        """Seconds from frame to frame; frame t is centred on t * frame_seconds."""

    def log_probs(self, wave: Tensor, progress: Callable[[float], None] | None = None) -> Tensor:
        """(samples,) -> natural logarithms (frames, symbols), on the CPU; `progress` hears the share done.

        A model that hears edges adds a column for the log-odds of each kind: a word starts here, a word ends here, one
        phone of a word follows another; what lies between two frames counts for both, the nearer one more.
        """

    def log_probs_of(self, blocks: Iterable[Tensor], progress: Callable[[float], None] | None = None) -> Tensor:
        """The same for sound in blocks; all of them are taken before anything else is done, `progress` included."""


@dataclasses.dataclass(frozen=True)
class Deferred:
    """An `AcousticModel` whose facts are known already: its checkpoint is loaded when there is something to hear.

    Args:
        source, device: as for `load`.
    """

    symbols: tuple[str, ...]
    sample_rate: int
    frame_seconds: float
    source: str | Path | None = None
    device: str = "cpu"

    def log_probs(self, wave: Tensor, progress: Callable[[float], None] | None = None) -> Tensor:
        """See `AcousticModel`."""
        return load(self.source, self.device).log_probs(wave, progress)

    def log_probs_of(self, blocks: Iterable[Tensor], progress: Callable[[float], None] | None = None) -> Tensor:
        """See `AcousticModel`."""
        return load(self.source, self.device).log_probs_of(blocks, progress)


def checkpoint(source: str | Path | None = None) -> Path:
    """Where the checkpoint lies that `load` would read, whether it is there or not."""
    from aligner_core.weights import FOLDER

    return FOLDER / DEFAULT if source is None else Path(source)


def load(source: str | Path | None = None, device: str = "cpu") -> AcousticModel:
    """The model of a checkpoint file, ready to use; without `source`, the released one.

    Raises:
        WeightsError: the file is missing, damaged, or not a checkpoint of ours, or the device is not there.
    """
    path = _released(DEFAULT) if source is None else Path(source)
    try:
        model = build(read(path), str(path)).eval().to(device)
    except (RuntimeError, AssertionError) as error:  # torch reports an unknown or absent device by either
        raise WeightsError(str(error).splitlines()[0], f"device {device}", "cpu, cuda or cuda:N") from error
    return cast(AcousticModel, model)


def read(path: Path) -> dict[str, Any]:
    """The raw checkpoint: {"format", "backend", "config", "state", "card"}.

    Raises:
        WeightsError: as in `load`.
    """
    if not path.is_file():
        raise WeightsError("there is no such checkpoint", str(path))
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise WeightsError("damaged, or not a checkpoint", str(path), "install the package again") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("backend") not in BACKENDS:
        raise WeightsError("not a checkpoint of this version", str(path), f"format {FORMAT}, {', '.join(BACKENDS)}")
    return data


def build(data: dict[str, Any], where: str) -> nn.Module:
    """A raw checkpoint to its network, in float32."""
    module, name = BACKENDS[data["backend"]].split(":")
    network = getattr(import_module(module), name)
    try:
        config = network.config_type(**{k: tuple(v) if isinstance(v, list) else v for k, v in data["config"].items()})
        model: nn.Module = network(config)
        model.load_state_dict({name: weight.float() for name, weight in data["state"].items()})
    except (RuntimeError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"does not fit its network: {str(error).splitlines()[0]}", where) from error
    return model


def save(model: nn.Module, backend: str, path: Path, card: dict[str, Any]) -> None:
    """Write a self-describing checkpoint with float16 weights.

    Args:
        card: plain data on how the model was made: data, licences, figures.
    """
    config = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(cast(Any, model).config).items()}
    state = {name: weight.detach().half().cpu().contiguous() for name, weight in model.state_dict().items()}
    torch.save({"format": FORMAT, "backend": backend, "config": config, "state": state, "card": card}, path)


def _released(name: str) -> Path:
    from aligner_core.weights import weights_path

    return weights_path(name)
