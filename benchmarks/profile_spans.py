"""Where the seconds of one run of `karalign` go: the run itself, with a clock in front of what takes long.

    python -c "from benchmarks.profile_spans import main; main()" BEGUN OUT align song.mp3 ...

Times are exclusive: what is loaded or called within a part counts for itself, so all parts add up to the whole. Only
the main thread is followed; what others do while it waits for them is in the part that waits.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REST, STARTS, OURS = "the rest", "Python starts", "import: ours and Python's"
HEAVY = ("torch", "torchaudio", "onnxruntime", "numba", "numpy", "soundfile", "click")
CALLS = {  # what is called, by its module: the part that its time belongs to
    ("plugin.sources", "read_source"): "lyrics read",
    ("aligner_core.align", "Aligner.load"): "model loaded",
    ("aligner_core.align", "Aligner.table"): "network",
    ("aligner_core.logmel", "Mels.__init__"): "log-mels",
    ("aligner_core.logmel", "Mels.normalised"): "log-mels",
    ("aligner_core.cache", "key"): "cache",
    ("aligner_core.cache", "Cache.fetch"): "cache",
    ("aligner_core.cache", "Cache.keep"): "cache",
    ("aligner_core.tree", "token"): "pronunciations",
    ("aligner_core.evidence", "voice_probability"): "scores weighed",
    ("aligner_core.evidence", "weighed"): "scores weighed",
    ("aligner_core.lattice", "lattice"): "graph",
    ("aligner_core.lattice", "passage"): "graph",
    ("numba.core.dispatcher", "Dispatcher.compile"): "kernels read or compiled",
    ("aligner_core.viterbi", "viterbi"): "Viterbi",
    ("aligner_core.confidence", "trusted"): "confidence",
    ("aligner_core.edges", "sharpened"): "edges",
    ("aligner_core.tree", "Tree.timed"): "tree",
    ("plugin.layout", "Layout.write"): "written",
}
GENERATORS = {
    ("aligner_core.streaming", "_decoded"): "decoded",
    ("aligner_core.logmel", "log_mel_blocks"): "log-mels",
    ("aligner_core.audio", "log_mel_blocks"): "log-mels",
}


class Clock:
    """Seconds on the wall and of the processor, by part; the part last entered has what passes.

    Args:
        now: the seconds of both.
    """

    def __init__(self, now: Callable[[], tuple[float, float]]) -> None:
        self.now, self.parts, self.spent = now, [REST], dict[str, list[float]]()
        self.last, self.thread = now(), threading.get_ident()

    def run(self, part: str, work: Callable[[], Any]) -> Any:
        """What the work gives; its time goes to the part."""
        if threading.get_ident() != self.thread:
            return work()
        self._passed()
        self.parts.append(part)
        try:
            return work()
        finally:
            self._passed()
            self.parts.pop()

    def _passed(self) -> None:
        now = self.now()
        spent = self.spent.setdefault(self.parts[-1], [0.0, 0.0])
        for at, (before, after) in enumerate(zip(self.last, now, strict=True)):
            spent[at] += after - before
        self.last = now

    def total(self) -> dict[str, list[float]]:
        """All of it until now."""
        self._passed()
        return self.spent

    def call(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with its time taken."""

        @functools.wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
            return self.run(part, lambda: function(*arguments, **options))

        return timed

    def generator(self, part: str, function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """The generator with the time taken that it needs, not that of whoever asks."""

        @functools.wraps(function)
        def timed(*arguments: Any, **options: Any) -> Iterator[Any]:
            inner, end = function(*arguments, **options), object()
            while (item := self.run(part, lambda: next(inner, end))) is not end:
                yield item

        return timed

    def importing(self, name: str) -> str:
        """The part that the import of a module belongs to: that of the heavy package that asks for it, if one does."""
        if self.parts[-1].startswith("import: ") and self.parts[-1] != OURS:
            return self.parts[-1]
        root = name.partition(".")[0]
        return f"import: {root}" if root in HEAVY else OURS


def follow(clock: Clock) -> None:
    """Take the time of all imports from now on, and of all calls in the tables."""
    machinery: Any = importlib._bootstrap  # which import statements ask, too
    load = machinery._find_and_load

    def timed(name: str, import_: Any) -> Any:
        new = name not in sys.modules
        module = clock.run(clock.importing(name), lambda: load(name, import_))
        if new:
            _put_clocks(clock, name)
        return module

    machinery._find_and_load = timed


def _put_clocks(clock: Clock, module: str) -> None:
    for table, kind in ((CALLS, clock.call), (GENERATORS, clock.generator)):
        for (home, path), part in table.items():
            if home == module:
                *above, name = path.split(".")
                owner = functools.reduce(getattr, above, sys.modules[module])
                plain = vars(owner)[name]
                of_class = isinstance(plain, classmethod)
                timed = kind(part, plain.__func__ if of_class else plain)
                setattr(owner, name, classmethod(timed) if of_class else timed)


def main() -> None:
    """Run `karalign` with the arguments after the first two: when this was started, and where the times go."""
    clock = Clock(lambda: (time.monotonic(), time.process_time()))
    begun, out = float(sys.argv[1]), Path(sys.argv[2])
    clock.spent[STARTS] = [clock.last[0] - begun, clock.last[1]]
    sys.argv[1:] = sys.argv[3:]
    follow(clock)
    atexit.register(_write, clock, out)  # however it ends
    from plugin.cli import main as karalign

    karalign()


def _write(clock: Clock, out: Path) -> None:
    out.write_text(json.dumps({"ended": time.monotonic(), "spent": clock.total()}), encoding="utf-8")
