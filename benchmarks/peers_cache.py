"""Figures that do not depend on the machine, kept between runs until what they are made of changes."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import aligner_core
from benchmarks.engine_page import read, write

FOLDER = Path(__file__).resolve().parents[1] / "bench-out" / "peers"


def kept(name: str, about: Sequence[str], make: Callable[[], dict[str, Any]], folder: Path = FOLDER) -> dict[str, Any]:
    """The figures of this name that were made of the same, or new ones.

    Args:
        about: all that they depend on.
    """
    digest = hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]
    place = folder / f"{name.replace(' ', '-').replace(',', '')}-{digest}.json"
    if not place.is_file():
        found = make()
        folder.mkdir(parents=True, exist_ok=True)
        aside = place.with_suffix(".part")
        write(aside, found)
        aside.replace(place)
    return read(place)


def code(*modules: ModuleType, core: str = "") -> str:
    """A hash of the source of these modules, and of those of `aligner_core`.

    Args:
        core: which files of `aligner_core`, as patterns with spaces between, and with them the released weights.
    """
    texts = [inspect.getsource(module) for module in modules]
    if core:
        root = Path(aligner_core.__file__).parent
        texts += [path.read_text("utf-8") for path in sorted(p for pattern in core.split() for p in root.glob(pattern))]
        texts.append((root / "weights" / "SHA256SUMS").read_text("utf-8"))
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
