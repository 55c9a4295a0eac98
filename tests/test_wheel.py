"""The wheel holds what a user needs and nothing else, and works where it is unpacked."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path, PurePosixPath

import pytest

WEIGHTS = "aligner_core/weights/"
LARGEST = 16 * 2**20  # bytes of one checkpoint


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (path,) = folder.glob("karalign-*.whl")
    return zipfile.ZipFile(path)


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = (entry for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def test_it_holds_the_two_packages_and_their_metadata_only(wheel: zipfile.ZipFile) -> None:
    tops = {PurePosixPath(name).parts[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"aligner_core", "plugin"}


def test_it_holds_every_tracked_file_of_the_packages(wheel: zipfile.ZipFile, root: Path) -> None:
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = subprocess.run(
        ["git", "ls-files", "aligner_core", "plugin"], cwd=root, check=True, capture_output=True, text=True
    )
    assert set(tracked.stdout.splitlines()) <= set(wheel.namelist())


def test_it_holds_no_tests_caches_or_audio(wheel: zipfile.ZipFile) -> None:
    unwanted = {".pyc", ".wav", ".mp3", ".ogg", ".flac"}
    assert [n for n in wheel.namelist() if PurePosixPath(n).suffix in unwanted or "test" in PurePosixPath(n).name] == []


def test_both_packages_are_marked_as_typed(wheel: zipfile.ZipFile) -> None:
    assert {"aligner_core/py.typed", "plugin/py.typed"} <= set(wheel.namelist())


def test_the_macros_for_aegisub_are_in(wheel: zipfile.ZipFile) -> None:
    lua = {name.removeprefix("plugin/aegisub/") for name in wheel.namelist() if name.endswith(".lua")}
    assert lua == {"autoload/karalign.Timing.lua", "include/karalign/host.lua", "include/karalign/job.lua"}


def test_every_checkpoint_is_in_and_has_its_checksum(wheel: zipfile.ZipFile) -> None:
    rows = [line.split() for line in wheel.read(WEIGHTS + "SHA256SUMS").decode().splitlines()]
    assert rows, "no checkpoint is released"
    for checksum, name in rows:
        data = wheel.read(WEIGHTS + name)
        assert hashlib.sha256(data).hexdigest() == checksum
        assert len(data) < LARGEST


def test_the_licence_and_the_entry_point_are_in(wheel: zipfile.ZipFile, root: Path) -> None:
    assert metadata(wheel, "licenses/LICENSE") == (root / "LICENSE").read_text()
    assert "karalign = plugin.cli:main" in metadata(wheel, "entry_points.txt")


def test_tools_for_tests_and_training_are_no_requirement_of_a_user(wheel: zipfile.ZipFile) -> None:
    requirements = message_from_string(metadata(wheel, "METADATA")).get_all("Requires-Dist", [])
    needed = {r.split(">")[0] for r in requirements if "extra ==" not in r}
    assert needed & {"pytest", "mir_eval", "mir-eval", "scipy", "matplotlib", "tensorboard", "mypy", "ruff"} == set()
    assert needed >= {"click", "torch", "soundfile"}


def test_it_works_where_it_is_unpacked(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    (tmp_path / "song.txt").write_text("Amazing grace\n")
    code = (
        "import plugin, aligner_core.weights as w; print(plugin.__file__, w.__file__)\n"
        "plugin.save(plugin.load('song.txt'), 'song.json')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert all(Path(file).is_relative_to(tmp_path / "site") for file in done.stdout.split())
    assert (tmp_path / "song.json").is_file()
