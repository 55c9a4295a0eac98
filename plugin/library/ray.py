"""Many songs on many machines: Ray places the workers, starts them again and tries their songs again; we hand out.

A worker holds one model and does one song at a time, so a song that kills its worker takes no other song with it.
Whatever is wrong with a song is in its outcome; Ray tries again only what died.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from aligner_core._version import __version__
from aligner_core.errors import AlignerError

from . import carry
from .cluster import ClusterError, connected
from .places import is_url
from .work import Hearer, Item, Outcome, Own, Settings

TRIES = 3  # of a song whose worker dies
PATIENCE = 30.0  # seconds that songs in work are given when all is to stop

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
        share: of a GPU, for each worker on one.
        load: what hears, by the settings and the device, in each worker.
        say: hears of workers that cannot be used.
    """

    address: str = ""
    jobs: int | None = None
    device: str = "cpu"
    share: float = 0.25
    load: Load = Own.load
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
            make = ray.remote(**self._needs())(Worker).remote
            count = min(self.jobs or self._room(ray), len(items))
            workers = [make(_placed(settings), self.device, self.load) for _ in range(count)]
            yield from _Handing(ray, workers, self.say).out(items)

    def _needs(self) -> dict[str, Any]:
        """What one worker takes, and how often Ray tries."""
        gpus = {"num_gpus": self.share} if self.device == "cuda" else {}
        return {"num_cpus": 1, **gpus, "max_restarts": -1, "max_task_retries": TRIES - 1}

    def _room(self, ray: Any) -> int:
        """How many workers fit into the cluster.

        Raises:
            ClusterError: none.
        """
        there = ray.cluster_resources()
        room = int(there.get("CPU", 0))
        if self.device == "cuda":
            room = min(room, int(there.get("GPU", 0) / self.share))
        if room < 1:
            raise ClusterError("no machine has room for a worker", self.address, "--jobs N waits for machines")
        return room


class Worker:
    """One process somewhere: the model that it holds, and what it does with it."""

    def __init__(self, settings: Settings, device: str, load: Load) -> None:
        self.settings, self.device, self.load = settings, device, load

    @cached_property
    def hearer(self) -> Hearer:
        """The model, loaded once; again by a worker that was started again."""
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

    def __init__(self, ray: Any, workers: Sequence[Any], say: Say) -> None:
        self.ray, self.workers, self.say = ray, workers, say
        self.starting = {worker.ready.remote(): worker for worker in workers}
        self.busy: dict[Any, tuple[Any, Item]] = {}

    def out(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """One outcome for every item.

        Raises:
            AlignerError: no worker can be used.
        """
        waiting, left = iter(items), len(items)
        try:
            while left:
                (ref,), _ = self.ray.wait([*self.busy, *self.starting], num_returns=1)
                if ref in self.starting:
                    self._started(ref, waiting)
                else:
                    worker, item = self.busy.pop(ref)
                    outcome, alive = _outcome(self.ray, ref, item)
                    if alive:
                        self._next(worker, waiting)
                    else:
                        self.starting[worker.ready.remote()] = worker
                    left -= 1
                    yield outcome
        finally:
            self._end()

    def _started(self, ref: Any, waiting: Iterator[Item]) -> None:
        worker = self.starting.pop(ref)
        try:
            _require_ready(self.ray, ref)
        except AlignerError as error:
            if not self.starting and not self.busy:
                raise
            self.say(f"one worker less: {error}")
        else:
            self._next(worker, waiting)

    def _next(self, worker: Any, waiting: Iterator[Item]) -> None:
        if (item := next(waiting, None)) is not None:
            self.busy[worker.do.remote(_absolute(item))] = worker, item
        else:
            self.ray.kill(worker)  # its place may be the only one for a worker that has to start again elsewhere

    def _end(self) -> None:
        """What is under way ends by itself, if it does so soon: then nothing half-written is left behind."""
        try:
            if self.busy:
                self.ray.wait(list(self.busy), num_returns=len(self.busy), timeout=PATIENCE)
        finally:
            for worker in self.workers:
                with suppress(Exception):  # the cluster may be what has gone
                    self.ray.kill(worker)


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
        raise ClusterError(f"a worker cannot start: {_why(error)}", hint="is karalign installed there?") from error
    if version != __version__:
        raise ClusterError(f"a worker has karalign {version}, and this is {__version__}", hint="install the same")


def _outcome(ray: Any, ref: Any, item: Item) -> tuple[Outcome, bool]:
    """What became of an item, and whether its worker lives."""
    from ray.exceptions import RayError, RayTaskError

    try:
        return replace(ray.get(ref), item=item), True
    except RayTaskError as error:
        return Outcome(item, "failed", f"unexpected: {_why(error)}"), True
    except RayError:
        return Outcome(item, "failed", f"its worker died {TRIES} times"), False


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
