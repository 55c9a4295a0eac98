"""What runs in the other processes of the engine on this machine: hands, which read and write, and ears, on a GPU.

All of them take one task after the other from a pipe and answer each. They end with the process that started them,
which gets by without what is loaded in the functions here.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from aligner_core.errors import AlignerError

from . import slots
from .work import Given, Hearer, Item, Outcome, Settings, do, guarded, lyrics_of

Load = Callable[[Settings, str], Hearer]

LOADED = ("aligner_core.align", "aligner_core.acoustic.cnn", "aligner_core.acoustic.together", "soundfile")
IDLE = 0.02  # seconds without a new sound after which an ear hears what it has
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Facts:
    """What hands must know of the model that ears have; see `AcousticModel`."""

    symbols: tuple[str, ...]
    sample_rate: int
    frame_seconds: float


@dataclass(frozen=True)
class Ready:
    """The first answer of each process."""

    facts: Facts | None = None


@dataclass(frozen=True)
class Whole:
    """Do an item from beginning to end. The answer is its outcome."""

    item: Item

    def done(self, hand: Hand) -> Outcome:
        """The answer."""
        return do(self.item, hand.settings, hand.hearer)


@dataclass(frozen=True)
class Decode:
    """Put the sound of an item into a slot. The answer is the number of samples, or the outcome of what fails."""

    item: Item
    slot: str

    def done(self, hand: Hand) -> int | Outcome:
        """The answer."""
        from aligner_core.streaming import stream

        count = 0

        def decoded() -> Outcome:
            nonlocal count
            lyrics_of(self.item, hand.settings)  # what has no text need not be heard
            count = slots.write(self.slot, stream(self.item.song))
            return Outcome(self.item, "done")

        outcome = guarded(self.item, decoded)
        return count if outcome.status == "done" else outcome


@dataclass(frozen=True)
class Finish:
    """Do the rest of an item whose slot holds what was heard. The answer is its outcome."""

    item: Item
    slot: str
    frames: int
    width: int
    facts: Facts

    def done(self, hand: Hand) -> Outcome:
        """The answer."""
        from aligner_core import Aligner
        from aligner_core.acoustic import Deferred

        heard = slots.read(self.slot, self.frames * self.width).reshape(self.frames, self.width)
        model = Deferred(**vars(self.facts), source=hand.settings.model)
        return do(self.item, hand.settings, Given(Aligner(model, hand.settings.exact), heard))


Task = Whole | Decode | Finish


@dataclass(frozen=True)
class Hear:
    """Replace the samples in a slot by what an ear hears in them."""

    slot: str
    samples: int


@dataclass(frozen=True)
class Heard:
    """The answer to `Hear`: the slot holds (frames, width) now."""

    slot: str
    frames: int
    width: int


@dataclass
class Hand:
    """What a hand keeps from one task to the next."""

    settings: Settings
    load: Load

    @cached_property
    def hearer(self) -> Hearer:
        """The model, loaded once."""
        return self.load(self.settings, "cpu")


def work(pipe: Connection, settings: Settings, load_hearer: Load | None) -> None:
    """Be a hand.

    Args:
        load_hearer: None: ears do the hearing.
    """
    _bound()
    hand = Hand(settings, load_hearer or _nobody)
    try:
        if load_hearer:
            _ = hand.hearer
    except AlignerError as error:
        _answer(pipe, error)
        return
    _answer(pipe, Ready())
    while task := _next(pipe):
        _answer(pipe, task.done(hand))


def listen(pipe: Connection, settings: Settings, device: str) -> None:
    """Be an ear."""
    import torch

    from aligner_core import acoustic
    from aligner_core.acoustic.together import BATCH, Together

    _bound()
    try:
        model = acoustic.load(settings.model, device)
    except AlignerError as error:
        _answer(pipe, error)
        return
    _answer(pipe, Ready(Facts(model.symbols, model.sample_rate, model.frame_seconds)))
    together = Together(model, BATCH if device.startswith("cuda") else 1)  # on a CPU, batches gain nothing
    while True:
        if pipe.poll(IDLE if together.waiting else None):
            if not (task := _next(pipe)):
                return
            together.add(task.slot, torch.from_numpy(slots.read(task.slot, task.samples)))
        else:
            together.flush()
        for slot, table in together.heard():
            slots.write(str(slot), [table.numpy()])
            _answer(pipe, Heard(str(slot), *table.shape))


def _next(pipe: Connection) -> Any:
    """The next task; None: there are no more."""
    try:
        return pipe.recv()
    except (EOFError, OSError):
        return None


def _answer(pipe: Connection, content: Any) -> None:
    """Say it, or end where nobody waits for it any more: a run may be over before all its processes have started."""
    try:
        pipe.send(content)
    except OSError:
        sys.exit()


def _bound() -> None:
    """One thread for each process; it leaves interrupts to the one that started it, and ends when told or with it."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (a handler)
    """What is being written is taken back on the way out."""
    sys.exit(128 + number)


def _nobody(settings: Settings, device: str) -> Hearer:
    raise AlignerError(f"no model on {device} for {settings.model}")
