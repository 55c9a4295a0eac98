"""Processes that work: started, given tasks, watched, replaced, ended. One of them that dies takes nothing with it."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from aligner_core.errors import AlignerError

from .hands import LOADED

STARTS = 3  # of processes in a row that may die before one of them is ready
PATIENCE = 5.0  # seconds to end in, when told
TIMEOUT = "timeout"  # why one that did not answer in time is dead
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # of libraries, read when they are loaded


class CrewError(AlignerError):
    """Processes that cannot be had."""


@dataclass(eq=False)
class Member:
    """One process.

    Args:
        tasks: what it was given and has not answered.
        deadline: until when it has to answer, None: it has time.
    """

    process: BaseProcess
    pipe: Connection
    ready: bool = False
    tasks: list[Any] = field(default_factory=list)
    answered: int = 0
    deadline: float | None = None


@dataclass(frozen=True)
class Answer:
    """What came from a member: an answer, or None: it is dead, and `why`; `lost` is what it had been given."""

    member: Member
    content: Any
    lost: tuple[Any, ...] = ()
    why: str = ""


class Crew:
    """Processes of one kind, as many as there are in `args`.

    Args:
        target: what runs in each: its end of the pipe comes first, then its `args`. The first answer means: ready; an
            AlignerError means that there is no use in trying.
        timeout: seconds for a task.
        recycle: tasks after which a process is replaced by a fresh one.
    """

    def __init__(
        self, target: Callable[..., None], args: Sequence[tuple[Any, ...]], timeout: float | None, recycle: int
    ) -> None:
        self.target, self.timeout, self.recycle, self.deaths = target, timeout, recycle, 0
        self.args: dict[Member, tuple[Any, ...]] = {}
        for each in args:
            self._start(each)

    @property
    def members(self) -> list[Member]:
        """All of them."""
        return list(self.args)

    def give(self, member: Member, task: Any) -> None:
        """A task for one; that it is dead is seen when it is asked for its answer."""
        member.tasks.append(task)
        if self.timeout is not None and member.deadline is None:
            member.deadline = time.monotonic() + self.timeout
        with suppress(OSError):
            member.pipe.send(task)

    def take(self, member: Member) -> Answer:
        """What a member says, first that it is ready.

        Raises:
            AlignerError: it says that it cannot be, or too many died before they were.
        """
        try:
            content = member.pipe.recv()
        except (EOFError, OSError):
            return self._dead(member)
        if isinstance(content, AlignerError):
            raise content
        if member.ready:
            member.answered += 1
        else:
            member.ready, self.deaths = True, 0
        return Answer(member, content)

    def done(self, member: Member, task: Any) -> None:
        """A task of a member needs no answer any more; the others have as long as they had at first."""
        member.tasks.remove(task)
        late = self.timeout is not None and member.tasks
        member.deadline = time.monotonic() + (self.timeout or 0) if late else None

    def late(self) -> Iterator[Answer]:
        """Those that did not answer in time, which are dead now."""
        now = time.monotonic()
        for member in [one for one in self.members if one.deadline is not None and one.deadline < now]:
            member.process.kill()
            answer = self._dead(member)
            yield Answer(member, None, answer.lost, TIMEOUT)

    def refresh(self, member: Member) -> None:
        """Replace one that has nothing to do and has done enough."""
        if member.answered >= self.recycle and not member.tasks:
            _end(member, time.monotonic() + PATIENCE)
            self._start(self.args.pop(member))

    def end(self, at_once: bool) -> None:
        """End all. Who is told to do it `at_once` takes back what it is writing."""
        until = time.monotonic() + PATIENCE
        for member in self.members:
            if at_once:
                member.process.terminate()
            member.pipe.close()
        for member in self.members:
            _end(member, until)
        self.args.clear()

    def _start(self, args: tuple[Any, ...]) -> None:
        ours, theirs = multiprocessing.Pipe()
        with _few_threads():
            process = _context().Process(target=self.target, args=(theirs, *args), daemon=True)
            process.start()
        theirs.close()
        self.args[Member(process, ours)] = args

    def _dead(self, member: Member) -> Answer:
        member.process.join(PATIENCE)
        code = member.process.exitcode or 0
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        _end(member)
        self.deaths += not member.ready
        if self.deaths >= STARTS:
            raise CrewError(f"processes die as they start: {why}", hint="is there memory for so many? try less --jobs")
        self._start(self.args.pop(member))
        return Answer(member, None, tuple(member.tasks), why)


def answers(crews: Sequence[Crew]) -> Iterator[tuple[Crew, Answer]]:
    """Wait until there is something to be told, and tell it.

    Raises:
        AlignerError: as `Crew.take`.
    """
    owners = {member.pipe: (crew, member) for crew in crews for member in crew.members}
    deadlines = [member.deadline for _, member in owners.values() if member.deadline is not None]
    until = max(0.0, min(deadlines) - time.monotonic()) + 0.01 if deadlines else None
    for pipe in wait(list(owners), until):
        assert isinstance(pipe, Connection)
        crew, member = owners[pipe]
        yield crew, crew.take(member)
    for crew in crews:
        for answer in crew.late():
            yield crew, answer


def _end(member: Member, until: float = 0.0) -> None:
    """Wait for one until then, at most; without its pipe it ends when it has answered."""
    member.pipe.close()
    member.process.join(max(0.0, until - time.monotonic()))
    if member.process.is_alive():
        member.process.kill()
        member.process.join()


def _context() -> Any:
    """Where the system can, processes are made of one that has loaded everything, and share its memory."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    return context


@contextmanager
def _few_threads() -> Iterator[None]:
    """Libraries that are loaded by processes started now use one thread: there is a process for each core."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
