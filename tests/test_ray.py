"""Many songs on Ray, on one machine with several workers: what dies is tried again, what is wrong is told, once."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from obedient import Obedient, heard, library

from aligner_core.errors import WeightsError
from plugin.library.cluster import ClusterError
from plugin.library.ray import RayEngine
from plugin.library.work import Item, Outcome, Settings, do

pytest.importorskip("ray", reason="needs Ray: pip install karalign[cluster]")

JOBS = 2
GOOD = {f"song{number}": "sleep 0.05" for number in range(8)}
ENGINE = RayEngine(jobs=JOBS, load=Obedient.load)


@pytest.fixture(scope="module", autouse=True)
def _ray_here() -> Iterator[None]:
    """One Ray for all tests of this file; it believes in four processors and two GPUs."""
    import ray

    from plugin.library.cluster import STORE

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray keeps a token in the home folder
        patch.setenv("RAY_worker_niceness", "0")  # on a busy machine they would wait for everybody else
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # workers unpickle `Obedient`
        ray.init(
            address="local", num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False,
            logging_level=logging.ERROR, object_store_memory=STORE,
        )  # fmt: skip
        yield
        ray.shutdown()


def alone(items: list[Item], folder: Path) -> dict[str, Outcome]:
    """What this process alone makes of the items, with outputs in another folder, by the names of the songs."""
    hearer = Obedient.load(Settings())
    moved = [replace(item, outputs=tuple(str(folder / Path(name).name) for name in item.outputs)) for item in items]
    outcomes = [do(there, Settings(), hearer) for there in moved]
    return {item.song: replace(outcome, item=item) for item, outcome in zip(items, outcomes, strict=True)}


@dataclass(frozen=True)
class Ran:
    """A run with songs of all kinds."""

    folder: Path
    items: list[Item]
    outcomes: list[Outcome]

    def require_same(self) -> None:
        """But for those that died, outcomes and written bytes are those of one process alone."""
        living = [item for item in self.items if Path(item.song).stem != "killer"]
        got = {outcome.item.song: outcome for outcome in self.outcomes if outcome.item in living}
        assert got == alone(living, self.folder / "alone")
        assert tree(self.folder / "alone") == tree(self.folder / "out")

    @property
    def begun(self) -> list[tuple[str, int]]:
        """Names of songs and processes on Ray, in the order of time."""
        rows = heard(self.folder / "in")
        return [(Path(name).stem, process) for name, process, _ in rows if process != os.getpid()]

    @property
    def times(self) -> Counter[str]:
        """How often each song was begun on Ray."""
        return Counter(name for name, _ in self.begun)


def tree(folder: Path) -> dict[str, bytes]:
    """All files in a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Good songs, bad ones, one that kills its worker whenever it is heard, and one that does so once."""
    folder = tmp_path_factory.mktemp("mixed")
    orders = {"first": "good", "killer": "die", "bad": "bad", "once": "die-once", "odd": "odd", **GOOD}
    items = [*library(folder / "in", orders, folder / "out"), Item(f"{folder}/in/gone.mp3", f"{folder}/in/gone.txt")]
    return Ran(folder, items, list(ENGINE.run(items, Settings())))


def test_several_workers_do_every_song_and_write_the_same_bytes_as_one_process(mixed: Ran) -> None:
    assert {outcome.item.song for outcome in mixed.outcomes} == {item.song for item in mixed.items}
    assert len(mixed.outcomes) == len(mixed.items)
    assert len({process for _, process in mixed.begun}) >= JOBS
    mixed.require_same()


def test_a_song_that_kills_its_worker_is_tried_three_times_and_then_fails(mixed: Ran) -> None:
    (killer,) = (outcome for outcome in mixed.outcomes if outcome.item.song.endswith("killer.mp3"))
    assert (killer.status, killer.why) == ("failed", "its worker died 3 times")
    assert (mixed.times["killer"], mixed.times["once"]) == (3, 2)


def test_what_is_wrong_with_a_song_is_told_and_not_tried_again(mixed: Ran) -> None:
    failed = {Path(outcome.item.song).stem for outcome in mixed.outcomes if outcome.status == "failed"}
    assert failed == {"killer", "bad", "odd", "gone"}
    assert (mixed.times["bad"], mixed.times["odd"], mixed.times["gone"]) == (1, 1, 0)


def test_a_worker_killed_in_the_middle_loses_no_song_and_changes_no_byte(tmp_path: Path) -> None:
    items = library(tmp_path / "in", dict.fromkeys(GOOD, "sleep 0.3"), tmp_path / "out")
    killed: list[int] = []

    def kill() -> None:
        while not killed:
            time.sleep(0.02)
            if (tmp_path / "in/heard.log").exists() and len(rows := heard(tmp_path / "in")) > JOBS:
                killed.append(rows[-1][1])
                os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    ran = Ran(tmp_path, items, list(ENGINE.run(items, Settings())))
    killer.join()
    assert sorted(ran.times.values()) == [1] * (len(items) - 1) + [2]  # only what was under way was begun again
    ran.require_same()


def test_no_song_is_begun_that_nobody_waits_for_and_those_under_way_are_ended(tmp_path: Path) -> None:
    items = library(tmp_path / "in", dict.fromkeys(GOOD, "sleep 0.3"), tmp_path / "out")
    with closing(ENGINE.run(items, Settings())) as coming:
        next(coming)
        time.sleep(1)
        begun = {name for name, _, _ in heard(tmp_path / "in")}
        assert len(begun) <= 1 + JOBS
    time.sleep(0.5)
    assert {name for name, _, _ in heard(tmp_path / "in")} == begun
    begun_items = [item for item in items if Path(item.song).name in begun]
    alone(begun_items, tmp_path / "alone")
    assert tree(tmp_path / "out") == tree(tmp_path / "alone")


def test_there_is_a_worker_for_each_processor_and_they_share_the_gpus(tmp_path: Path) -> None:
    items = library(tmp_path, dict.fromkeys(GOOD, "sleep 1"))
    list(replace(ENGINE, jobs=None, device="cuda").run(items, Settings()))
    gpus = {process: gpu for _, process, gpu in heard(tmp_path)}
    assert sorted(gpus.values()) == ["0", "0", "1", "1"]


def test_workers_are_replaced_after_so_many_songs(tmp_path: Path) -> None:
    outcomes = list(replace(ENGINE, jobs=1, recycle=3).run(library(tmp_path, GOOD), Settings()))
    assert [outcome.status for outcome in outcomes] == ["done"] * len(GOOD)
    assert sorted(Counter(process for _, process, _ in heard(tmp_path)).values()) == [2, 3, 3]


def test_a_song_that_takes_too_long_is_given_up_and_the_others_are_done(tmp_path: Path) -> None:
    items = library(tmp_path, {"long": "sleep 1000", **GOOD})
    got = {Path(outcome.item.song).stem: outcome for outcome in replace(ENGINE, timeout=3).run(items, Settings())}
    assert (got["long"].status, got["long"].why) == ("failed", "took longer than 3 s")
    assert [outcome.status for name, outcome in got.items() if name != "long"] == ["done"] * len(GOOD)
    assert [name for name, _, _ in heard(tmp_path)].count("long.mp3") == 1


def test_paths_from_here_are_found_by_workers_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library(tmp_path, {"song": "good"})
    monkeypatch.chdir(tmp_path)
    item = Item("song.mp3", "song.txt", ("out/song.lrc",))
    (got,) = ENGINE.run([item], Settings())  # one item needs one worker
    assert (got.item, got.status) == (item, "done")
    assert (tmp_path / "out/song.lrc").stat().st_size == got.written[0]


def test_a_model_that_cannot_be_loaded_is_told_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none: there is no such model"):
        list(ENGINE.run(library(tmp_path, GOOD), Settings(model="none")))
    assert not (tmp_path / "heard.log").exists()


def test_a_model_that_kills_who_loads_it_is_told_and_not_loaded_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugin.library.ray.TRIES", 2)  # saves the time of one
    with pytest.raises(ClusterError, match=r"^a worker cannot start: .+ \(is karalign installed there\?\)$"):
        list(replace(ENGINE, jobs=1).run(library(tmp_path, GOOD), Settings(model="deadly")))


def test_a_worker_that_cannot_load_the_model_is_told_of_and_the_others_do_all(tmp_path: Path) -> None:
    said: list[str] = []
    items = library(tmp_path / "in", GOOD)
    outcomes = list(replace(ENGINE, say=said.append).run(items, Settings(model=f"only {tmp_path}/first")))
    assert [outcome.status for outcome in outcomes] == ["done"] * len(items)
    assert said == ["one worker less: first: is in use"]


def test_a_worker_with_another_karalign_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugin.library.ray.__version__", "0.0.1")
    with pytest.raises(ClusterError, match=r"^a worker has karalign .+, and this is 0.0.1 \(install the same\)$"):
        list(replace(ENGINE, jobs=1).run(library(tmp_path, GOOD), Settings()))


def test_nothing_to_do_is_done_at_once() -> None:
    assert list(ENGINE.run([], Settings())) == []


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9"])
def test_an_address_where_nobody_answers_is_told_soon_and_in_one_line(tmp_path: Path, address: str) -> None:
    begin = time.monotonic()
    with pytest.raises(ClusterError, match=rf"^{address}: nobody answers \(start Ray there: ray start --head\)$"):
        next(replace(ENGINE, address=address).run(library(tmp_path, GOOD), Settings()))
    assert time.monotonic() - begin < 8


@pytest.mark.parametrize("address", ["here", "http://127.0.0.1:9", "127.0.0.1:", "1:2:3"])
def test_what_is_no_address_is_told(tmp_path: Path, address: str) -> None:
    with pytest.raises(ClusterError, match=r"is no address of a cluster \(auto, HOST:PORT or ray://HOST:PORT\)$"):
        next(replace(ENGINE, address=address).run(library(tmp_path, GOOD), Settings()))


def test_a_numbered_gpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"--device cuda:1 \(cpu or cuda"):
        next(replace(ENGINE, device="cuda:1").run(library(tmp_path, GOOD), Settings()))


def test_a_cluster_without_room_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"no machine has room for a worker \(--jobs N waits for machines\)"):
        next(replace(ENGINE, jobs=None, device="cuda", share=3.0).run(library(tmp_path, GOOD), Settings()))


def test_without_ray_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"Ray is not installed \(pip install karalign\[cluster\]\)$"):
        next(ENGINE.run(library(tmp_path, GOOD), Settings()))
