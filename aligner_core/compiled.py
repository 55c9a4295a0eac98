"""How loops are compiled: by numba when they are first called, and from then on read from its cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

Longs = NDArray[np.int64]
P = ParamSpec("P")
R = TypeVar("R")

_UNWRAPPED: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def entry(function: Callable[P, R]) -> Callable[P, R]:
    """An entry: compiled by numba when first called, and from then on read from its cache."""
    fast: Callable[P, R]
    try:
        fast = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder that the cache could be in: compiled anew each time
        fast = numba.njit(nogil=True)(function)
    return fast


def part(function: Callable[P, R]) -> Callable[P, R]:
    """A part of an entry, compiled and cached with it; Python cannot call it, which saves half the compiler's time."""
    fast: Callable[P, R] = numba.njit(**_UNWRAPPED)(function)
    return fast
