"""A sound file heard: from the cache, where no model is loaded, or by the model, and kept then."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aligner_core.acoustic.runtimes import Runtime
    from aligner_core.align import Aligner, Progress
    from aligner_core.cache import Facts
    from aligner_core.evidence import Table
    from aligner_core.separate import Separator
    from aligner_core.timeline import Alignment

Say = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """A sound file, what hears it, whether the voice is separated first, whether what comes of it is kept, and what
    computes: see `acoustic.runtimes`."""

    name: str
    model: str | None
    device: str
    separate: bool
    cached: bool
    runtime: Runtime = "auto"

    def key(self, separator: str) -> str | None:
        """The name of its entry in the cache; None: it is to have none, or nobody knows yet."""
        from aligner_core import cache, weights
        from aligner_core.acoustic.runtimes import runs_light

        if not self.cached:
            return None
        by = "light" if runs_light(self.runtime, self.model, self.device) else self.device
        return cache.key(self.name, weights.checkpoint(self.model), by, separator)


def hear(source: Source, text: Alignment, progress: Progress | None, say: Say) -> tuple[Aligner, Table]:
    """What the model hears in the sound, log-probabilities (frames, symbols), and an aligner for it, whose own model is
    not loaded any more, or never was.

    Args:
        text: what is no text for any sound is refused before the model runs.
        say: hears of each step.

    Raises:
        AlignerError: as `Aligner.load` and `Aligner.table`.
    """
    from aligner_core import Aligner, acoustic
    from aligner_core.cache import Cache

    separator = _separator(source)
    by = separator.name if separator else ""
    if (place := source.key(by)) and (known := Cache().fetch(place)):
        say("found in the cache")
        if progress:
            progress(1.0)
        heard, facts = known
    else:
        heard, facts = _anew(source, text, progress, say, separator)
        _give_back()
        if place := place or source.key(by):  # a model that was fetched had no content before
            Cache().keep(place, heard, facts)
    return Aligner(acoustic.Deferred(**vars(facts), source=source.model, device=source.device)), heard


def _anew(
    source: Source, text: Alignment, progress: Progress | None, say: Say, separator: Separator | None
) -> tuple[Table, Facts]:
    """What the model hears, and what has to be known of it."""
    from aligner_core import Aligner, streaming
    from aligner_core.cache import Cache, Facts

    with hushed():
        streaming.stream(source.name).close()  # what is no sound is told before a model is loaded
    aligner = Aligner.load(source.model, source.device, source.runtime)
    say("model loaded")
    with _hushed_at_first(progress) as onward:
        heard = aligner.table(source.name, onward, text, separator, Cache() if source.cached else None)
    hears = aligner.model
    return heard, Facts(hears.symbols, hears.sample_rate, hears.frame_seconds)


def _give_back() -> None:
    """Memory that the network has left goes back to the system: glibc would keep it, 50 to 200 MB."""
    if sys.platform == "linux":
        import ctypes

        with suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def _separator(source: Source) -> Separator | None:
    if not source.separate:
        return None
    from aligner_core.separate import Demucs

    return Demucs(source.device)


@contextmanager
def hushed() -> Iterator[None]:
    """Nothing on standard error from C libraries: mpg123 talks of damage there, in its own words, past any handler."""
    nowhere = os.open(os.devnull, os.O_WRONLY)  # gets the number 2 where standard error is closed
    kept = os.dup(2)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _hushed_at_first(progress: Progress | None) -> Iterator[Progress]:
    """`hushed` until progress is told, which goes on to `progress`: C libraries talk while the sound is read."""
    with ExitStack() as hush:
        hush.enter_context(hushed())

        def onward(share: float) -> None:
            hush.close()
            if progress:
                progress(share)

        yield onward
