"""Many songs on many machines: Ray places workers and tells when one dies; songs are handed out one by one.

A worker holds one model and does one song at a time, so a song that kills its worker takes no other song with it.
Whatever is wrong with a song is in its outcome; only a song whose worker died is begun again, by the next that is free.
Ray could begin it again by itself (`max_task_retries`), but where a whole machine has gone it uses up all its tries
within a second, on an address where nobody is; and it would wait for one machine where another is free.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from aligner_core._version import __version__
from aligner_core.errors import AlignerError

from . import carry
from .cluster import ClusterError, connected
from .local import RECYCLE
from .places import is_url
from .work import Hearer, Item, Outcome, Own, Settings

TRIES = 3  # of a song whose worker dies
PATIENCE = 30.0  # seconds that songs in work are given when all is to stop

_FINEST = 1e-4  # of a GPU, that Ray tells apart
_USUAL = 1 / 16  # of a GPU, where none is there yet

Load = Callable[[Settings, str], Hearer]
Say = Callable[[str], None]


@dataclass(frozen=True)
class RayEngine:
    """Does items on Ray.

    Args:
        address: of a cluster, "auto", "HOST:PORT" or "ray://HOST:PORT"; empty: Ray is started on this machine, and
            stopped again. Where this process is connected to one already, that one is used.
        jobs: workers; None: as many as there is room for when it starts.
        device: "cpu", or "cuda": Ray says which.
        share: of a GPU, for each worker on one; None: so much that there is a worker for each processor beside it, as
            most of the work is not the GPU's.
        timeout: seconds that an item may take; None: as long as it likes.
        load: what hears, by the settings and the device, in each worker.
        recycle: items after which a worker is replaced.
        say: hears of workers that cannot be used.
    """

    address: str = ""
    jobs: int | None = None
    device: str = "cpu"
    share: float | None = None
    timeout: float | None = None
    load: Load = Own.load
    recycle: int = RECYCLE
    say: Say = lambda _: None

    def run(self, items: Sequence[Item], settings: Settings) -> Generator[Outcome, None, None]:
        """See `Engine`; closed early, it gives the songs in work `PATIENCE` to end.

        Raises:
            ClusterError: Ray is not installed, nobody answers at the address, or no worker can be used.
            AlignerError: as `load`.
        """
        if self.device not in ("cpu", "cuda"):
            raise ClusterError(f"--device {self.device}", hint="cpu or cuda: Ray says which GPU each worker gets")
        with connected(self.address, self.jobs) as ray:
            needs = self._needs(ray.cluster_resources())
            make = partial(ray.remote(**needs)(Worker).remote, _placed(settings), self.device, self.load)
            jobs = self.jobs or self._room(ray.cluster_resources(), needs)
            yield from _Handing(self, ray, make, items).out(jobs)

    def _needs(self, there: Mapping[str, float]) -> dict[str, float]:
        """What one worker takes of what is there."""
        if self.device == "cpu":
            return {"num_cpus": 1, "num_gpus": 0}
        share = self.share or min(1.0, there.get("GPU", 0) / there.get("CPU", 1)) or _USUAL
        return {"num_cpus": 1, "num_gpus": math.floor(share / _FINEST) * _FINEST or _FINEST}

    def _room(self, there: Mapping[str, float], needs: Mapping[str, float]) -> int:
        """How many workers fit into the cluster.

        Raises:
            ClusterError: none.
        """
        names = {"num_cpus": "CPU", "num_gpus": "GPU"}
        room = min(int(there.get(names[kind], 0) / need) for kind, need in needs.items() if need)
        if room < 1:
            raise ClusterError("no machine has room for a worker", self.address, "--jobs N waits for machines")
        return room


class Worker:
    """One process somewhere: the model that it holds, and what it does with it."""

    def __init__(self, settings: Settings, device: str, load: Load) -> None:
        self.settings, self.device, self.load = settings, device, load

    @cached_property
    def hearer(self) -> Hearer:
        """The model, loaded once."""
        return self.load(self.settings, self.device)

    def ready(self) -> str:
        """Load the model; the version of karalign over there.

        Raises:
            AlignerError: as the function that loads.
        """
        _ = self.hearer
        return __version__

    def do(self, item: Item) -> Outcome:
        """One item."""
        return carry.do(item, self.settings, self.hearer)


class _Handing:
    """Items given to workers as they become free: as many are under way as there are workers, and no more."""

    def __init__(self, how: RayEngine, ray: Any, make: Callable[[], Any], items: Sequence[Item]) -> None:
        self.how, self.ray, self.make = how, ray, make
        self.left = len(items)
        self.fresh = map(_Song, items)
        self.again: list[_Song] = []
        self.starting: dict[Any, tuple[Any, int]] = {}  # workers, and how often one in their place has died so far
        self.busy: dict[Any, tuple[Any, _Song]] = {}
        self.given: Counter[Any] = Counter()  # items to each worker

    def out(self, jobs: int) -> Iterator[Outcome]:
        """One outcome for every item, by so many workers.

        Raises:
            AlignerError: no worker can be used.
        """
        try:
            for _ in range(min(jobs, self.left)):
                self._start(0)
            while self.left:
                refs, _ = self.ray.wait([*self.busy, *self.starting], num_returns=1, timeout=self._time_left())
                if refs and refs[0] in self.starting:
                    self._started(refs[0])
                elif outcome := self._done(refs[0]) if refs else self._overdue():
                    self.left -= 1
                    yield outcome
        finally:
            self._end()

    def _start(self, deaths: int) -> None:
        worker = self.make()
        self.starting[worker.ready.remote()] = worker, deaths

    def _started(self, ref: Any) -> None:
        worker, deaths = self.starting.pop(ref)
        try:
            _require_ready(self.ray, ref)
        except AlignerError as error:
            self._kill(worker)
            if isinstance(error, _DeadError) and deaths + 1 < TRIES:
                self._start(deaths + 1)
            elif self.starting or self.busy:
                self.how.say(f"one worker less: {error}")
            else:
                raise
        else:
            self._next(worker)

    def _next(self, worker: Any) -> None:
        if self.given[worker] >= self.how.recycle:
            self._kill(worker)
            self._start(0)
        elif song := self.again.pop() if self.again else next(self.fresh, None):
            self.given[worker] += 1
            self.busy[worker.do.remote(_absolute(song.item))] = worker, replace(song, begun=time.monotonic())
        else:
            self._kill(worker)  # its room may be the only one for a worker that has to start elsewhere

    def _done(self, ref: Any) -> Outcome | None:
        """What became of an item; None: its worker died, and it is to be begun again."""
        from ray.exceptions import RayError, RayTaskError

        worker, song = self.busy.pop(ref)
        try:
            outcome: Outcome = replace(self.ray.get(ref), item=song.item)
        except RayTaskError as error:
            outcome = Outcome(song.item, "failed", f"unexpected: {_why(error)}")
        except RayError:
            self._kill(worker)  # it may only be out of reach
            self._start(0)
            if song.deaths + 1 < TRIES:
                self.again.append(replace(song, deaths=song.deaths + 1))
                return None
            return Outcome(song.item, "failed", f"its worker died {TRIES} times")
        self._next(worker)
        return outcome

    def _time_left(self) -> float | None:
        """Seconds until the first item has had its time; the oldest comes first."""
        if self.how.timeout is None or not self.busy:
            return self.how.timeout
        _, oldest = next(iter(self.busy.values()))
        return max(0.0, oldest.begun + self.how.timeout - time.monotonic())

    def _overdue(self) -> Outcome | None:
        """The oldest item given up, if it has had its time; its worker may hang, so another takes its place."""
        if not self.busy or self._time_left():
            return None
        worker, song = self.busy.pop(next(iter(self.busy)))
        self._kill(worker)
        self._start(0)
        return Outcome(song.item, "failed", f"took longer than {self.how.timeout:g} s")

    def _end(self) -> None:
        """What is under way ends by itself, if it does so soon: then nothing half-written is left behind."""
        try:
            if self.busy:
                self.ray.wait(list(self.busy), num_returns=len(self.busy), timeout=PATIENCE)
        finally:
            for worker, _ in (*self.busy.values(), *self.starting.values()):
                self._kill(worker)

    def _kill(self, worker: Any) -> None:
        del self.given[worker]
        with suppress(Exception):  # it, or the cluster, may be gone already
            self.ray.kill(worker)


@dataclass(frozen=True)
class _Song:
    """An item on its way.

    Args:
        deaths: of workers that had it.
        begun: when it was handed out, by the clock of this process.
    """

    item: Item
    deaths: int = 0
    begun: float = 0.0


class _DeadError(ClusterError):
    """A worker that died while it started, which another in its place may not."""


def _require_ready(ray: Any, ref: Any) -> None:
    """See that a worker has its model and is of this version.

    Raises:
        AlignerError: it has not, or is not.
    """
    from ray.exceptions import RayError

    try:
        version = ray.get(ref)
    except RayError as error:
        if isinstance(cause := _cause(error), AlignerError):
            raise cause from error
        raise _DeadError(f"a worker cannot start: {_why(error)}", hint="is karalign installed there?") from error
    if version != __version__:
        raise ClusterError(f"a worker has karalign {version}, and this is {__version__}", hint="install the same")


def _cause(error: Exception) -> Exception | None:
    """What was raised in the worker; None: it died."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else None


def _why(error: Exception) -> str:
    """One line: what was raised, or the last that Ray tells of a death."""
    if cause := _cause(error):
        return f"{type(cause).__name__}: {' '.join(str(cause).split())}"
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


def _absolute(item: Item) -> Item:
    """The same item for a process with another working folder."""
    return Item(_path(item.song), _path(item.lyrics), tuple(_path(name) for name in item.outputs))


def _placed(settings: Settings) -> Settings:
    """The same settings for a process with another working folder; a model may be a file or a name."""
    model = settings.model
    return replace(settings, model=_path(model)) if model and Path(model).exists() else settings


def _path(name: str) -> str:
    return name if not name or is_url(name) else str(Path(name).absolute())
