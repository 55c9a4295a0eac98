"""Sound, text and time: an acoustic model, its alignment with a text, and the timed tree that comes out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .errors import AlignerError, AlignmentError, AudioError, LyricsError, WeightsError
from .timeline import Alignment, Line, Phone, Syllable, Word

if TYPE_CHECKING:
    from .align import Aligner

__all__ = [
    "Aligner",
    "AlignerError",
    "Alignment",
    "AlignmentError",
    "AudioError",
    "Line",
    "LyricsError",
    "Phone",
    "Syllable",
    "WeightsError",
    "Word",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Fetch `Aligner` when it is first used: it needs torch, and reading a subtitle does not."""
    if name == "Aligner":
        return import_module(".align", __name__).Aligner
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
