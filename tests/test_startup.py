"""What a run of `karalign align` loads: PyTorch only where a network runs on it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aligner_core import Aligner
from aligner_core.acoustic.runtimes import Runtime
from aligner_core.cache import Cache, Facts
from plugin.hearing import Source

pytest.importorskip("onnxruntime", reason="needs onnxruntime, which karalign[light] brings")

TORCHES = {"torch", "torchaudio", "triton"}
RUN = """
import sys
from plugin.cli import cli
try:
    cli(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
print(code, *{name.partition(".")[0] for name in sys.modules})
"""
Run = Callable[..., set[str]]


@pytest.fixture
def example_song(root: Path) -> Path:
    return root / "examples" / "amazing-grace.mp3"


@pytest.fixture
def run(example_song: Path) -> Run:
    """Aligns the example in a fresh interpreter; gives the packages that it has loaded."""

    def aligned(out: Path, *options: str) -> set[str]:
        command: list[str | Path] = ["align", example_song, example_song.with_suffix(".txt"), "-o", out, "-q", *options]
        done = subprocess.run([sys.executable, "-c", RUN, *command], capture_output=True, text=True, check=True)
        code, *names = done.stdout.split()
        assert (code, done.stderr) == ("0", "")
        return set(names)

    return aligned


def kept(song: Path, runtime: Runtime) -> None:
    """What was heard in a song goes into the cache, as if this runtime had heard it."""
    model = Aligner.load(runtime="light")
    place = Source(str(song), None, "cpu", separate=False, cached=True, runtime=runtime).key("")
    assert place is not None
    facts = Facts(model.model.symbols, model.model.sample_rate, model.model.frame_seconds)
    Cache().keep(place, model.table(song), facts)


def test_the_light_runtime_takes_no_torch_and_the_cache_neither_torch_nor_it(run: Run, tmp_path: Path) -> None:
    outs = [tmp_path / f"{name}.json" for name in ("anew", "first", "again")]
    assert run(outs[0], "--runtime", "light", "--no-cache") & (TORCHES | {"onnxruntime"}) == {"onnxruntime"}
    assert run(outs[1], "--runtime", "light") & TORCHES == set()
    assert run(outs[2], "--runtime", "light") & (TORCHES | {"onnxruntime", "soundfile"}) == set()
    assert len({out.read_bytes() for out in outs}) == 1


def test_what_torch_has_heard_before_is_aligned_without_it(run: Run, tmp_path: Path, example_song: Path) -> None:
    kept(example_song, "torch")
    assert run(tmp_path / "a.json", "--runtime", "torch") & (TORCHES | {"onnxruntime"}) == set()


def test_times_made_right_take_no_torch_either(run: Run, tmp_path: Path, example_song: Path) -> None:
    kept(example_song, "auto")
    assert run(tmp_path / "a.lrc") & TORCHES == set()
    code = RUN.replace("sys.argv[1:]", repr(
        ["align", str(example_song), str(tmp_path / "a.lrc"), "--trust", "0.5", "-o", str(tmp_path / "b.lrc"), "-q"]
    ))  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "0"
    assert set(done.stdout.split()) & TORCHES == set()


def test_the_runtimes_do_not_share_what_they_heard(example_song: Path) -> None:
    keys = {
        runtime: Source(str(example_song), None, "cpu", separate=False, cached=True, runtime=runtime).key("")
        for runtime in ("auto", "torch", "light")
    }
    assert keys["auto"] == keys["light"] != keys["torch"]
    assert None not in keys.values()


@pytest.mark.parametrize(
    "module", ["align", "streaming", "logmel", "spool", "evidence", "edges", "acoustic", "acoustic.light", "cache"]
)
def test_what_aligns_is_imported_without_torch(module: str) -> None:
    code = f"import sys, aligner_core.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = {name.partition(".")[0] for name in done.stdout.split()}
    assert names & (TORCHES | {"onnxruntime", "numba"}) == set()


LEAVE = """
import atexit, sys, threading
{before}
atexit.register(print, "tidied up")
sys.argv = ["karalign", {option!r}]
from plugin.cli import main
main()
"""


@pytest.mark.parametrize(
    "before", ["", "import torch", "import torch; threading.Timer(0.2, print, ['thread']).start()"]
)
@pytest.mark.parametrize(("option", "code"), [("--version", 0), ("--nonsense", 2)])
def test_whatever_is_loaded_the_end_is_the_same(before: str, option: str, code: int) -> None:
    program = LEAVE.format(before=before, option=option)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == code
    assert lines[-1] == "tidied up"
    assert ("thread" in lines) == ("Timer" in before)
    assert (lines[0].startswith("karalign, version "), "No such option" in done.stderr) == (code == 0, code == 2)
