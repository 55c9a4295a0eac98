"""A job from its file to its result, watched: progress told, a cancel heeded, mistakes in one sentence."""

from __future__ import annotations

import _thread
import importlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aligner_core.errors import AlignerError, LyricsError
from plugin.files import write_atomic
from plugin.formats.ass import HEADER

from . import job as exchange
from . import tasks

if TYPE_CHECKING:
    from aligner_core.align import Aligner
    from aligner_core.evidence import Table
    from aligner_core.timeline import Alignment

LOOK = 0.05  # seconds between two looks for a cancel
HEARD = 80  # percent of the progress
GUIDE = "guide"  # the task, and the command that does it


def work(path: Path) -> None:
    """Do the job of a file and write its result.

    Raises:
        AlignerError: the sound, the lines or the job will not do; the result says so too.
        KeyboardInterrupt: the job was cancelled.
    """
    try:
        job = exchange.read(path)
        with _cancelled_by(path.with_name(path.name + exchange.CANCEL)):
            outcome = guide(job, _Ears(path).speaking) if job.task == GUIDE else tasks.run(job, _Ears(path).hear)
    except AlignerError as error:
        exchange.write_result(path, exchange.Outcome(message=_sentence(error)), 1)
        raise
    exchange.write_result(path, outcome)


def guide(job: exchange.Job, progress: Callable[[float], None]) -> exchange.Outcome:
    """Have `karalign guide` speak the lines in their times.

    Args:
        progress: hears the share done, 0..1.

    Raises:
        LyricsError: this karalign has no such command.
        AlignerError: as that command.
    """
    from plugin.cli import COMMANDS

    if GUIDE not in COMMANDS:
        raise LyricsError("this karalign makes no guide vocals", hint="a version that does")
    command = importlib.import_module(f"plugin.commands.{GUIDE}").command
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "lines.ass")
        write_atomic(script, (HEADER + tasks.Sheet(job.lines).script).encode())
        arguments = [str(script), "-o", job.options["output"]]
        notes = command.main(arguments, "karalign guide", standalone_mode=False, obj=progress)
    return exchange.Outcome(message="; ".join([f"{job.options['output']} is written", *(notes or ())]) + ".")


class _Ears:
    """Hears sounds, and tells how far a job is in its progress file."""

    def __init__(self, job: Path) -> None:
        self.progress = job.with_name(job.name + exchange.PROGRESS)
        self.told = -1

    def hear(self, sound: str, text: Alignment) -> tuple[Aligner, Table]:
        """What is heard in a sound, from the cache where it was heard before, and what aligns with it."""
        from plugin.hearing import Source, hear

        self._tell(0, "Loading")
        heard = hear(Source(sound, None, "cpu", separate=False, cached=True), text, self._heard, lambda _: None)
        self._tell(HEARD + 10, "Finding the lines")
        return heard

    def speaking(self, share: float) -> None:
        """The share, 0..1, of a guide vocal that is spoken."""
        self._tell(int(100 * share), "Speaking")

    def _heard(self, share: float) -> None:
        self._tell(int(HEARD * share), "Hearing the sound")

    def _tell(self, percent: int, what: str) -> None:
        if percent == self.told:
            return
        self.told = percent
        with self.progress.open("a", encoding="utf-8") as file:
            file.write(f"{percent}\t{what}\n")


@contextmanager
def _cancelled_by(path: Path) -> Iterator[None]:
    """The main thread is interrupted when the file is there."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK):
            if path.exists():
                _thread.interrupt_main()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _sentence(error: AlignerError) -> str:
    text = " ".join(str(error).split())
    return text if text.endswith((".", "?", "!")) else text + "."
