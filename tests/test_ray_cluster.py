"""Many songs on a Ray of one's own and on several machines, one of which goes away; and in a store of objects."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile
from obedient import Obedient, heard, library
from stores import object_store

from aligner_core import audio
from plugin.library.local import Local
from plugin.library.places import name_of, put
from plugin.library.ray import RayEngine
from plugin.library.work import Item, Settings, do

if TYPE_CHECKING:
    from conftest import Karalign

pytest.importorskip("ray", reason="needs Ray: pip install karalign[cluster]")
fsspec = pytest.importorskip("fsspec", reason="needs fsspec: pip install karalign[cluster]")

TESTS = Path(__file__).parent
NAMES = [f"song{number}" for number in range(8)]


@pytest.fixture(autouse=True)
def _for_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray keeps a token in the home folder
    monkeypatch.setenv("RAY_worker_niceness", "0")  # on a busy machine they would wait for everybody else
    monkeypatch.setenv("PYTHONPATH", str(TESTS))  # workers unpickle `Obedient`
    monkeypatch.setenv("RAY_DEDUP_LOGS_SKIP_REGEX", ".")


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def begun(folder: Path) -> list[tuple[str, int, str]]:
    return heard(folder) if (folder / "heard.log").exists() else []


def processes_of(session: int) -> list[int]:
    """Processes with this one among their ancestors' sessions, by what the kernel tells."""
    found = subprocess.run(["ps", "-o", "pid=", "-s", str(session)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


@pytest.mark.parametrize(("send", "told"), [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)])
def test_stopped_it_ends_what_it_began_says_nothing_of_ray_and_leaves_no_process(
    tmp_path: Path, send: Callable[[int, int], None], told: int
) -> None:
    items = library(tmp_path / "in", dict.fromkeys(NAMES, "sleep 0.4"))
    command = [sys.executable, str(TESTS / "ray_run.py"), str(tmp_path / "in"), str(tmp_path / "out"), "2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        until(lambda: len(begun(tmp_path / "in")) >= 3)
        send(run.pid, told)  # Ctrl-C tells all of the group, a manager of services one process
        out, err = run.communicate(timeout=60)
    assert run.returncode == (-signal.SIGINT if told == signal.SIGINT else 128 + signal.SIGTERM)
    assert err == "" or err.endswith("KeyboardInterrupt\n")
    assert all(re.fullmatch(r"song\d done", line) for line in out.splitlines())
    there = {name for name, _, _ in begun(tmp_path / "in")}
    assert {f"{path.stem}.mp3" for path in (tmp_path / "out").iterdir()} == there
    assert len(there) < len(NAMES)
    for item in items:
        if (path := tmp_path / "out" / f"{Path(item.song).stem}.lrc").exists():
            do(replace(item, outputs=(str(tmp_path / "one.lrc"),)), Settings(), Obedient.load(Settings()))
            assert path.read_bytes() == (tmp_path / "one.lrc").read_bytes()
    until(lambda: not processes_of(run.pid), 10)


@pytest.fixture
def machines() -> Iterator[Any]:
    """Two machines, as far as Ray is concerned, with one processor each, and a server for clients."""
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 2**27}
    cluster: Any = Cluster(initialize_head=True, head_node_args=small)
    cluster.other = cluster.add_node(num_cpus=1, object_store_memory=2**27)
    yield cluster
    cluster.shutdown()


def test_a_machine_that_goes_away_takes_no_song_with_it(machines: Any, tmp_path: Path) -> None:
    items = library(tmp_path / "in", dict.fromkeys(NAMES, "sleep 0.5"))

    def remove() -> None:
        until(lambda: len({process for _, process, _ in begun(tmp_path / "in")}) == 2)
        machines.remove_node(machines.other, allow_graceful=False)

    remover = threading.Thread(target=remove)
    remover.start()
    outcomes = list(RayEngine(machines.address, jobs=2, load=Obedient.load).run(items, Settings()))
    remover.join()
    assert sorted(Path(outcome.item.song).stem for outcome in outcomes) == NAMES
    assert {outcome.status for outcome in outcomes} == {"done"}
    times = Counter(name for name, _, _ in begun(tmp_path / "in"))
    assert sorted(times.values()) == [1] * (len(NAMES) - 1) + [2]


def test_songs_in_a_store_of_objects_come_to_the_same_as_songs_here(tmp_path: Path) -> None:
    items = library(tmp_path / "in", dict.fromkeys(NAMES, "good") | {"bad": "bad"}, tmp_path / "out")
    alone = [do(item, Settings(), Obedient.load(Settings())) for item in items]
    with object_store() as bucket:
        for path in (tmp_path / "in").iterdir():
            put(path, f"{bucket}/{path.name}")
        moved = {
            Item(f"{bucket}/{name_of(item.song)}", f"{bucket}/{name_of(item.lyrics)}",
                 tuple(f"{bucket}/out/{name_of(name)}" for name in item.outputs)): item
            for item in items
        }  # fmt: skip
        outcomes = list(RayEngine(jobs=2, load=Obedient.load).run(list(moved), Settings()))
        store = fsspec.filesystem("s3")
        written = {name_of(name): store.cat_file(name) for name in store.find(f"{bucket}/out")}
    back = [replace(outcome, item=moved[outcome.item]) for outcome in outcomes]
    assert sorted(back, key=lambda outcome: outcome.item.song) == sorted(alone, key=lambda outcome: outcome.item.song)
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


@pytest.fixture
def clip(root: Path, tmp_path: Path) -> Path:
    """The first line of the example, ten seconds, as a sound and a text."""
    first_line = audio.load(root / "examples/amazing-grace.mp3")[6 * audio.SAMPLE_RATE : 16 * audio.SAMPLE_RATE]
    soundfile.write(tmp_path / "clip.wav", first_line.numpy(), audio.SAMPLE_RATE)
    (tmp_path / "clip.txt").write_text("Amazing grace! How sweet the sound")
    return tmp_path / "clip.wav"


def test_a_library_in_a_store_is_done_by_command_and_what_is_done_is_not_done_again(
    karalign: Karalign, clip: Path, tmp_path: Path
) -> None:
    with object_store() as bucket:
        command = (
            *("batch", bucket, "-r", "-w", "lrc,json", "--out", f"{bucket}/out", "--engine", "ray", "--jobs", "1"),
            *("--report", tmp_path / "report", "--json"),
        )
        store = fsspec.filesystem("s3")
        for number, name in enumerate(("one/a", "one/b")):
            put(clip, f"{bucket}/{name}.wav")
            put(clip.with_suffix(".txt"), f"{bucket}/{name}.txt")
            ran = karalign(*command)
            assert (ran.code, ran.err) == (0, "")
            report = json.loads(ran.out)
            assert (report["songs_now"], report["songs_before"], report["counts"]["done"]) == (1, number, number + 1)
        store.invalidate_cache()
        written = {name.partition("/out/")[2]: store.cat_file(name) for name in store.find(f"{bucket}/out")}
    assert set(written) == {"one/a.lrc", "one/a.json", "one/b.lrc", "one/b.json"}
    assert written["one/a.lrc"] == written["one/b.lrc"]


def test_without_an_answer_the_command_says_so_in_one_line(karalign: Karalign, tmp_path: Path) -> None:
    (item,) = library(tmp_path / "in", {"song": "good"})
    command = ("batch", item.song, "-w", "lrc", "--report", tmp_path / "report", "--engine", "ray")
    told = karalign(*command, "--address", "127.0.0.1:9")
    assert (told.code, told.out) == (1, "")
    assert told.err == "karalign: 127.0.0.1:9: nobody answers (start Ray there: ray start --head)\n"


def test_the_released_model_writes_the_same_bytes_on_ray_as_in_processes_of_this_machine(
    clip: Path, tmp_path: Path
) -> None:
    items = []
    for name, text in {"all": "Amazing grace! How sweet the sound", "part": "How sweet\nthe sound"}.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
        items.append(Item(str(clip), f"{tmp_path}/{name}.txt", (f"{tmp_path}/{name}.json",)))
    on_ray = {outcome.item: outcome for outcome in RayEngine(jobs=1).run(items, Settings())}
    written = [Path(item.outputs[0]).read_bytes() for item in items]
    here = {outcome.item: outcome for outcome in Local(jobs=1).run(items, Settings())}
    assert on_ray == here
    assert [Path(item.outputs[0]).read_bytes() for item in items] == written
    assert {outcome.status for outcome in here.values()} == {"done"}
