"""Acoustic models: what they promise, the table of them, and their checkpoints.

Networks of others, in `foreign`, hear letters instead of phones: that is told by their symbols.

To add one: a module here with a class that fulfils `AcousticModel` (what looks at log-mels need only be `Windowed`),
takes one frozen dataclass of sizes and names it as `config_type`; one line in `BACKENDS`. Its checkpoint then describes
itself: backend, sizes, weights, card.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from aligner_core.errors import WeightsError
from aligner_core.weights import FOREIGN, released_file, weights_path

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .las import Las

BACKENDS: dict[str, str] = {
    "cnn": "aligner_core.acoustic.cnn:CnnCtc",
    "zhang2017": "aligner_core.acoustic.zhang2017:Zhang2017",
    "blstm": "aligner_core.acoustic.blstm:Blstm",
}
ATTENDING: dict[str, str] = {  # networks that need the text to hear anything; see `load_attending`
    "las": "aligner_core.acoustic.las:Las",
}
FORMAT = 1  # of checkpoint files


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


def load(source: str | Path | None = None, device: str = "cpu") -> AcousticModel:
    """The model of a checkpoint, ready to use.

    Args:
        source: a name (`weights.names`) or a file; without it, the released model. Networks of others are fetched when
            they are not there yet.
        device: cpu, cuda or cuda:N.

    Raises:
        WeightsError: the checkpoint is missing, damaged, not one of ours or not to be had, or the device is not there.
    """
    from aligner_core import checkpoints

    model = _network(source)
    if not isinstance(model, AcousticModel):
        raise WeightsError("hears nothing without a text", str(source), "acoustic.load_attending")
    return cast(AcousticModel, checkpoints.placed(model, device))


def load_attending(path: Path, device: str = "cpu") -> Las:
    """An attention aligner, ready to use.

    Raises:
        WeightsError: as `load`, or it is an acoustic model.
    """
    from aligner_core import checkpoints

    data = read(path)
    if data["backend"] not in ATTENDING:
        raise WeightsError("not an attention aligner", str(path), "acoustic.load")
    return cast("Las", checkpoints.placed(build(data, str(path)), device))


def network(backend: str) -> Any:
    """The class of a backend of either kind."""
    module, name = (BACKENDS | ATTENDING)[backend].split(":")
    return getattr(import_module(module), name)


def read(path: Path) -> dict[str, Any]:
    """The raw checkpoint: {"format", "backend", "config", "state", "card"}.

    Raises:
        WeightsError: as in `load`.
    """
    if not path.is_file():
        from aligner_core.weights import names

        raise WeightsError("there is no such checkpoint", str(path), f"a file, or one of {', '.join(names())}")
    from aligner_core import checkpoints

    data = checkpoints.read(path)
    known = *BACKENDS, *ATTENDING
    if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("backend") not in known:
        raise WeightsError("not a checkpoint of this version", str(path), f"format {FORMAT}, {', '.join(known)}")
    return data


def build(data: dict[str, Any], where: str) -> nn.Module:
    """A raw checkpoint to its network, in float32.

    Raises:
        WeightsError: they do not fit.
    """
    from aligner_core import checkpoints

    return checkpoints.built(network(data["backend"]), data, where)


def save(model: nn.Module, backend: str, path: Path, card: dict[str, Any]) -> None:
    """Write a self-describing checkpoint with float16 weights, in one step.

    Args:
        card: plain data on how the model was made: data, licences, figures.
    """
    from aligner_core import checkpoints

    head = {"format": FORMAT, "backend": backend}
    checkpoints.write(head | checkpoints.described(model) | {"card": card}, path)


def _network(source: str | Path | None) -> nn.Module:
    if isinstance(source, str) and source in FOREIGN:
        from .foreign import fetched

        return fetched(source)
    name = released_file(source)
    path = weights_path(name) if name else Path(source or "")
    return build(read(path), str(path))
