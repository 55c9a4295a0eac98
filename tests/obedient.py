"""A hearer without a model for tests of engines: songs are text files, and say themselves what becomes of them.

A song is a line of orders: `sleep 0.5`, `bad`, `odd`, `die`, `die-once` (its worker, by a signal that nobody catches).
Which process heard which song stands in `heard.log` beside it.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aligner_core.errors import AudioError, WeightsError
from aligner_core.timeline import Alignment, Line, Word
from plugin.library.work import Item, Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aligner_core.align import Aligner

FRAME = 0.01


@dataclass(frozen=True)
class Model:
    """The part of a model that is asked for."""

    frame_seconds: float = FRAME


@dataclass(frozen=True)
class Even:
    """In the place of an aligner: half a second for every word."""

    model: Model = Model()

    def align_heard(self, _: object, lyrics: Alignment) -> Alignment:
        """The lyrics with times."""
        at, lines = 0.0, []
        for line in lyrics.lines:
            words = tuple(Word(w.text, at + i / 2, at + i / 2 + 0.5, 0.9) for i, w in enumerate(line.words))
            lines.append(self._timed(line, words))
            at += len(words) / 2
        return replace(lyrics, lines=tuple(lines))

    @staticmethod
    def _timed(line: Line, words: tuple[Word, ...]) -> Line:
        return replace(line, words=words, start=words[0].start, end=words[-1].end, score=0.9) if words else line


@dataclass(frozen=True)
class Obedient:
    """Does what a song says."""

    aligner: Aligner

    @classmethod
    def load(cls, settings: Settings, _: str = "cpu") -> Self:
        """A hearer, unless the model is "none"; "deadly" kills who loads it, "only FILE" can be loaded once."""
        match (settings.model or "").split():
            case ["none"]:
                raise WeightsError("there is no such model", "none")
            case ["deadly"]:
                os.kill(os.getpid(), signal.SIGKILL)
            case ["only", path]:
                _require_first(Path(path))
        aligner: Any = Even()
        return cls(aligner)

    def hear(self, song: str, text: Alignment) -> NDArray[np.float32]:  # noqa: ARG002 (a Hearer)
        """Ten seconds."""
        path = Path(song)
        with (path.parent / "heard.log").open("a") as log:
            log.write(f"{path.name} {os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')}\n")
        _obey(path, path.read_text(encoding="latin-1").split())
        heard: Any = range(1001)
        return heard  # type: ignore[no-any-return]


def _require_first(path: Path) -> None:
    try:
        path.touch(exist_ok=False)
    except FileExistsError as error:
        raise WeightsError("is in use", path.name) from error


def _obey(path: Path, orders: list[str]) -> None:
    match orders:
        case ["sleep", seconds]:
            time.sleep(float(seconds))
        case ["bad"]:
            raise AudioError("is no sound", str(path))
        case ["odd"]:
            raise ZeroDivisionError("by zero")
        case ["die"]:
            os.kill(os.getpid(), signal.SIGKILL)
        case ["die-once"]:
            path.write_text("good")
            os.kill(os.getpid(), signal.SIGKILL)


def heard(folder: Path) -> list[tuple[str, int, str]]:
    """Which song was heard by which process on which GPU, in the order of time."""
    rows = (line.split() for line in (folder / "heard.log").read_text().splitlines())
    return [(name, int(process), gpu) for name, process, gpu in rows]


def library(folder: Path, orders: dict[str, str], out: Path | str | None = None) -> list[Item]:
    """Songs of these names with these orders, each with lyrics of its own, and what is to be written for them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, order in orders.items():
        (folder / f"{name}.mp3").write_text(order)
        (folder / f"{name}.txt").write_text(f"The song of {name}\nis not very long\n")
    to = out or folder
    return [
        Item(f"{folder}/{name}.mp3", f"{folder}/{name}.txt", (f"{to}/{name}.lrc", f"{to}/{name}.json"))
        for name in orders
    ]
