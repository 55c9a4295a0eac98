"""What the profile takes for time spent adds up, and its page says which bars are met."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import profile_page
from benchmarks.profile_spans import CALLS, GENERATORS, OURS, REST, Clock
from benchmarks.speed import Run

Work = tuple[str, float, list[Any]]
works: st.SearchStrategy[list[Work]] = st.recursive(
    st.just([]),
    lambda inner: st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), inner), max_size=3),
    max_leaves=12,
)


class Time:
    """A clock that goes when it is told to; the processor works twice as long."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> tuple[float, float]:
        return self.at, 2 * self.at


@given(works)
def test_every_second_belongs_to_the_innermost_part(work: list[Work]) -> None:
    time, expected = Time(), dict[str, float]()
    clock = Clock(time)

    def do(works: list[Work]) -> None:
        for part, seconds, inner in works:
            clock.run(part, lambda seconds=seconds, inner=inner: spend(seconds, inner))  # type: ignore[misc]
            expected[part] = expected.get(part, 0.0) + seconds

    def spend(seconds: float, inner: list[Work]) -> None:
        time.at += seconds
        do(inner)

    do(work)
    time.at += 5
    total = clock.total()
    assert total.pop(REST) == [5, 10]
    assert total == {part: [seconds, 2 * seconds] for part, seconds in expected.items()}


def test_a_generator_has_the_time_that_it_needs_and_not_that_of_whoever_asks() -> None:
    time = Time()
    clock = Clock(time)

    def blocks() -> Iterator[int]:
        for at in range(3):
            time.at += 10
            yield at

    for _ in clock.generator("decoded", blocks)():
        time.at += 1
    assert clock.total() == {"decoded": [30, 60], REST: [3, 6]}


def test_an_error_leaves_the_clock_where_it_was() -> None:
    clock = Clock(Time())
    with pytest.raises(ZeroDivisionError):
        clock.run("part", lambda: 1 / 0)
    assert clock.parts == [REST]


def test_other_threads_belong_to_the_part_that_waits_for_them() -> None:
    time = Time()
    clock = Clock(time)

    def wait() -> None:
        time.at += 1
        thread = Thread(target=lambda: clock.run("elsewhere", lambda: setattr(time, "at", time.at + 1)))
        thread.start()
        thread.join()

    clock.run("waiting", wait)
    assert clock.total()["waiting"] == [2, 4]
    assert "elsewhere" not in clock.total()


@pytest.mark.parametrize(
    ("name", "within", "part"),
    [
        ("numba.core", REST, "import: numba"),
        ("scipy.linalg", "import: numba", "import: numba"),
        ("aligner_core.align", REST, OURS),
        ("numpy", OURS, "import: numpy"),
        ("json", "network", OURS),
    ],
)
def test_an_import_belongs_to_the_heavy_package_that_asks_for_it(name: str, within: str, part: str) -> None:
    clock = Clock(Time())
    assert clock.run(within, lambda: clock.importing(name)) == part


FOLLOW = """
import functools, importlib, sys
from benchmarks.profile_spans import CALLS, GENERATORS, Clock, follow
follow(Clock(lambda: (0.0, 0.0)))
for module, path in [*CALLS, *GENERATORS]:
    owner = importlib.import_module(module)
    *above, name = path.split(".")
    function = vars(functools.reduce(getattr, above, owner))[name]
    assert hasattr(getattr(function, "__func__", function), "__wrapped__"), (module, path)
"""


def test_everything_that_is_followed_is_there(root: Path) -> None:
    assert len(CALLS) + len(GENERATORS) > 20
    subprocess.run([sys.executable, "-c", FOLLOW], check=True, cwd=root)


def way(wall: float, most: float | None, memory: float = 100.0) -> dict[str, Any]:
    parts = {"import: torch": [wall / 2, wall], "network": [wall / 2, wall], "edges": [0.001, 0.001]}
    bars = {"wall": most, "memory": 800.0}
    return {"runs": 2, "wall": wall, "least": wall, "most": wall, "walls": [wall, wall], "cpu": 2 * wall,
            "memory": memory, "at_most": bars, "parts": parts}  # fmt: skip


FIGURES: dict[str, Any] = {
    "song": "a song, 240 s, 9 words",
    "by": {"karalign": "1", "python": "3", "torch": "2", "machine": "2 cores"},
    "imports": {"PyTorch": {"wall": 1.9, "cpu": 2.0, "memory": 640.0}},
    "ways": {"light": way(3.0, 6.0), "torch": way(6.0, 5.0, 900.0), "heard before": way(1.0, 2.5)},
}


def test_the_page_says_which_bars_are_missed_and_how_far_apart_the_runtimes_are() -> None:
    page = profile_page.section(FIGURES)
    assert "Bars that are missed: torch: 6 s, at most 5; torch: 900 MB, at most 800." in page
    assert "PyTorch takes 2.00 times as long as the light runtime (2.00 to 2.00)" in page
    assert "| parts below 0.02 s | 0.00 (0.00) | 0.00 (0.00) | 0.00 (0.00) |" in page
    assert "| network | 1.50 (3.00) | 3.00 (6.00) | 0.50 (1.00) |" in page


def test_what_is_met_is_not_missed() -> None:
    assert profile_page.misses({"light": way(3.0, 3.0), "first of all": way(30.0, None)}) == []


def test_figures_are_medians_of_runs_and_parts() -> None:
    from benchmarks.profile import Measured, Way

    runs = [Run(wall, 2 * wall, 10 * wall) for wall in (3.0, 1.0, 2.0)]
    spent = [{"a": [1.0, 1.0], "b": [2.0, 2.0]}, {"b": [4.0, 4.0]}, {"a": [3.0, 3.0], "b": [3.0, 0.0]}]
    found = Measured(runs, spent).figures(Way(()))
    assert (found["wall"], found["least"], found["most"], found["cpu"], found["memory"]) == (2.0, 1.0, 3.0, 4.0, 30.0)
    assert found["parts"] == {"b": [3.0, 2.0], "a": [1.0, 1.0]}
    assert list(found["parts"]) == ["b", "a"]


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    from benchmarks.profile_picture import draw

    draw(FIGURES, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
