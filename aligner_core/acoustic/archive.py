"""Checkpoints read without PyTorch: what `torch.save` wrote of plain data and tensors, as arrays.

Such a file is a zip of a pickle, which names its tensors, and their numbers as they are. A pickle could run any
program; this reader knows the few names that plain data and tensors need, and refuses everything else.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from aligner_core.errors import WeightsError

_KINDS = {"HalfStorage": "<f2", "FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8"}


def read(path: Path, *, tensors: bool = True) -> Any:
    """The content of a checkpoint, with arrays in the place of tensors.

    Args:
        tensors: read the numbers too; otherwise None stands for every tensor, which is quick.

    Raises:
        WeightsError: it is something else, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as file:
            (pickled,) = (name for name in file.namelist() if name.endswith("/data.pkl"))
            folder = pickled.removesuffix("data.pkl")
            with file.open(pickled) as data:
                return _Reader(data, (lambda key: file.read(f"{folder}data/{key}")) if tensors else None).load()
    except Exception as error:  # there is nothing that a damaged file may not raise
        raise WeightsError("damaged, or not a checkpoint", str(path), "install the package again") from error


class _Reader(pickle.Unpickler):
    """An unpickler that knows nothing but tensors and the dictionaries that they come in.

    Args:
        content: gives the bytes of a tensor; None: they are not wanted.
    """

    def __init__(self, file: Any, content: Callable[[str], bytes] | None) -> None:
        super().__init__(file)
        self.content = content

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *given: _array(*given)  # noqa: PLW0108 (a pickle sets attributes of what it is given)
        if module == "torch" and name in _KINDS:
            return _KINDS[name]
        return _refuse(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> NDArray[Any] | None:
        """The numbers (n,) that some tensors are made of."""
        kind, key = pid[1], pid[2]
        return np.frombuffer(self.content(key), kind) if self.content else None


def _array(
    numbers: NDArray[Any] | None, offset: int, shape: Sequence[int], strides: Sequence[int], *_: object
) -> NDArray[Any] | None:
    if numbers is None:
        return None
    if list(strides) != [math.prod(shape[at + 1 :]) for at in range(len(shape))]:
        _refuse("a tensor that is not laid out row by row")
    return numbers[offset : offset + math.prod(shape)].reshape(shape)


def _refuse(what: str) -> NoReturn:
    raise pickle.UnpicklingError(f"{what} in a checkpoint")
