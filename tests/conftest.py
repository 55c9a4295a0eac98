"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Outcome:
    """What a run of `karalign` left behind; output is caught below Python, so what C libraries print is in it."""

    code: int
    out: str
    err: str


Karalign = Callable[..., Outcome]
Refuse = Callable[..., str]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The sound packs beside the project; the test is skipped where they are absent."""
    data = ROOT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("needs the sound packs in ../shared/data")
    return data


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KARALIGN_CACHE", str(tmp_path_factory.mktemp("cache-of-fixtures")))
        yield


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where what was heard is kept while a test runs; empty before it."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("KARALIGN_CACHE", str(folder))
    return folder


@pytest.fixture
def karalign(capfd: pytest.CaptureFixture[str]) -> Karalign:
    """Runs the command line in this process: `karalign("align", audio, lyrics, "-o", out)`."""

    def run(*arguments: str | Path) -> Outcome:
        from plugin.cli import cli

        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli([str(argument) for argument in arguments], prog_name="karalign")
        assert isinstance(stop.value.code, int)
        return Outcome(stop.value.code, *capfd.readouterr())

    return run


@pytest.fixture
def refuse(karalign: Karalign, tmp_path: Path) -> Refuse:
    """Runs `karalign`, which must refuse in one line, and returns that line."""

    def run(*arguments: str | Path) -> str:
        before = tree(tmp_path)
        got = karalign(*arguments)
        assert (got.code, got.out) == (1, "")
        assert re.fullmatch(r"karalign: .+\n", got.err)
        assert tree(tmp_path) == before
        return got.err

    return run


def tree(folder: Path) -> dict[Path, bytes | None]:
    """Every path under a folder, hidden ones too, with the content of the files."""
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.fixture
def timed(tmp_path: Path) -> Path:
    """A file of two timed words."""
    from aligner_core.timeline import Alignment, Line, Word
    from plugin import save

    path = tmp_path / "timed.json"
    words = (Word("Amazing", 1.0, 2.0, 0.5), Word("grace", 2.5, 4.0, 0.25))
    save(Alignment((Line("Amazing grace", 1.0, 4.0, 0.375, words),), "song.mp3"), path)
    return path


@pytest.fixture(scope="session")
def processor_seconds() -> Callable[..., float]:
    """User and system time of a run of `karalign`: on a busy machine the clock on the wall measures the others too."""

    def run(*arguments: str, code: int = 0) -> float:
        command = [sys.executable, "-c", "from plugin.cli import main; main()", *arguments]
        before = os.times()
        assert subprocess.run(command, capture_output=True, check=False).returncode == code
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `gpu` where there is no CUDA device, and say so."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
