"""What computes: PyTorch, which runs every network everywhere, or ONNX Runtime (`light`), which starts in no time."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from aligner_core.errors import WeightsError
from aligner_core.weights import checkpoint

from . import FORMAT

Runtime = Literal["auto", "torch", "light"]
RUNTIMES: tuple[Runtime, ...] = ("auto", "torch", "light")
PACKAGE = "onnxruntime"


def runs_light(runtime: Runtime, model: str | Path | None, device: str) -> bool:
    """Whether `light.Light` is to be taken: it was asked for, or with "auto" it is there and can do what is asked.

    Args:
        model, device: as for `acoustic.load`.

    Raises:
        WeightsError: it was asked for, and is not installed or not for this device.
    """
    if runtime != "light":
        return runtime == "auto" and device == "cpu" and find_spec(PACKAGE) is not None and _known(checkpoint(model))
    if device != "cpu":
        raise WeightsError("the light runtime works on the CPU", f"device {device}", "--runtime torch")
    if not find_spec(PACKAGE):
        raise WeightsError(f"{PACKAGE} is not installed", "light runtime", "pip install 'karalign[light]'")
    return True


def light_enough(data: Any) -> bool:
    """Whether `light.Light` knows the network of a raw checkpoint: `cnn` without transitions."""
    if not isinstance(data, dict) or (data.get("format"), data.get("backend")) != (FORMAT, "cnn"):
        return False
    sizes = data.get("config")
    return isinstance(sizes, dict) and not sizes.get("chained")


def _known(path: Path) -> bool:
    from .archive import read

    try:
        return light_enough(read(path, tensors=False))
    except WeightsError:  # whoever loads it tells
        return False
