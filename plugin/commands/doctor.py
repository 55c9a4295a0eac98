"""`karalign doctor`: whether everything that karalign needs is there."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from aligner_core._version import __version__
from aligner_core.errors import AlignerError

OLDEST = (3, 11)  # Python


@dataclass(frozen=True)
class Check:
    """One look: what was looked at, whether it is fit for use, what was seen, and what would help where it is not."""

    name: str
    ok: bool
    seen: str
    hint: str = ""
    essential: bool = True

    @property
    def failed(self) -> bool:
        """Whether karalign cannot work because of this."""
        return self.essential and not self.ok

    def __str__(self) -> str:
        mark = "ok" if self.ok else "MISSING" if self.essential else "no"
        advice = f" ({self.hint})" if self.hint and not self.ok else ""
        return f"{mark:<8} {self.name:<16} {self.seen}{advice}"


def examine(deep: bool) -> Iterator[Check]:
    """All checks; the deep ones load PyTorch and run the model, which takes seconds."""
    yield _python()
    yield from _packages()
    yield _ffmpeg()
    yield _model("acoustic model", "cnn.pt")
    yield _model("letter model", "letters.npz")
    yield from _models()
    yield replace(_package("demucs"), hint="for --separate: pip install 'karalign[separate]'", essential=False)
    yield replace(_package("onnxruntime"), hint="to start sooner: pip install 'karalign[light]'", essential=False)
    yield from _folders()
    yield _cache()
    if deep:
        yield _cuda()
        yield _trial()


@click.command()
@click.option("--deep", is_flag=True, help="Also load PyTorch, look for GPUs and run the model once: some seconds.")
@click.option("--clear-cache", is_flag=True, help="First delete what was kept of sounds heard before.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def command(ctx: click.Context, deep: bool, clear_cache: bool, as_json: bool) -> None:
    """Look for what karalign needs; end with code 1 if something essential is missing."""
    if clear_cache:
        _clear()
    checks = list(examine(deep))
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(map(str, checks)))
    ctx.exit(int(any(check.failed for check in checks)))


def _python() -> Check:
    seen = f"{platform.python_version()}, {platform.platform()}"
    return Check("Python", sys.version_info >= OLDEST, seen, "Python 3.11 or newer")


def _packages() -> Iterator[Check]:
    try:
        requirements = importlib.metadata.requires("karalign") or []
    except importlib.metadata.PackageNotFoundError:
        yield Check("karalign", False, f"{__version__}, not installed", "pip install the project")
        return
    yield Check("karalign", True, __version__)
    for requirement in requirements:
        newer = re.search(r"python_version >=? ['\"]3\.(\d+)", requirement)
        if "extra ==" not in requirement and not (newer and int(newer[1]) > sys.version_info.minor):
            yield _package(re.split(r"[^\w.-]", requirement)[0])


def _package(name: str) -> Check:
    try:
        return Check(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, "not installed", f"pip install {name}")


def _ffmpeg() -> Check:
    hint = "reinstall imageio-ffmpeg; without it wav, flac, ogg, opus and mp3 still work"
    try:
        import imageio_ffmpeg

        return Check("ffmpeg", True, imageio_ffmpeg.get_ffmpeg_exe(), essential=False)
    except (ImportError, OSError, RuntimeError) as error:
        return Check("ffmpeg", False, str(error).splitlines()[0], hint, essential=False)


def _model(name: str, file: str) -> Check:
    from aligner_core.weights import weights_path

    try:
        path = weights_path(file)
    except AlignerError as error:
        return Check(name, False, str(error))
    return Check(name, True, f"{path}, {path.stat().st_size / 2**20:.1f} MiB, checksum right")


def _models() -> Iterator[Check]:
    """The other acoustic models that `karalign align --model NAME` takes, and what `karalign guide` speaks with."""
    from aligner_core.weights import CHECKPOINT, FOREIGN, VOCODER, VOICES, released, voices

    try:
        ours = released()
    except AlignerError:  # told above
        ours = ()
    yield from (replace(_model(f"model {x}", x + CHECKPOINT), essential=False) for x in ours if x != "cnn")
    yield from (replace(_model(f"voice {x}", x + VOICES), essential=False) for x in voices())
    yield replace(_model("vocoder", VOCODER), essential=False)
    for name, known in FOREIGN.items():
        there = known.path.is_file()
        seen = f"{known.path}, {known.path.stat().st_size / 2**20:.1f} MiB" if there else "not fetched yet"
        seen = f"{seen}; {known.licence}, torchaudio's {known.bundle}"
        hint = f"--model {name} fetches {known.size}, or put {known.url} at {known.path}"
        yield Check(f"model {name}", there, seen, hint, essential=False)


def _folders() -> Iterator[Check]:
    import aligner_core

    yield _folder("temporary files", [Path(tempfile.gettempdir())], "set TMPDIR")
    # Where numba keeps compiled code: the first that can be written to; without any, every run compiles anew.
    beside = Path(aligner_core.__file__).parent / "__pycache__"
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "numba"
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    places, hint = [Path(chosen)] if chosen else [beside, own], "every run takes seconds longer; set NUMBA_CACHE_DIR"
    yield _folder("compiled code", places, hint, essential=False)


def _folder(name: str, candidates: Sequence[Path], hint: str, *, essential: bool = True) -> Check:
    for folder in candidates:
        made = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if made.is_dir() and os.access(made, os.W_OK):
            return Check(name, True, str(folder), essential=essential)
    return Check(name, False, f"cannot write to {' or '.join(map(str, candidates))}", hint, essential)


def _cache() -> Check:
    from aligner_core.cache import VARIABLE, Cache

    cache = Cache()
    found = _folder("cache", [cache.folder], f"every sound is heard anew; set {VARIABLE}", essential=False)
    kept = f"{len(cache.entries)} sounds, {cache.size / 2**20:.1f} MiB of at most {cache.limit / 2**20:.0f} MiB"
    return replace(found, seen=f"{found.seen}, {kept}") if found.ok else found


def _clear() -> None:
    from aligner_core.cache import Cache

    try:
        Cache().clear()
    except OSError as error:
        raise AlignerError(f"cannot be deleted: {error.strerror}", str(error.filename)) from error


def _cuda() -> Check:
    import torch

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return Check("CUDA", bool(names), ", ".join(names) or "none", "not needed: the CPU does", essential=False)


def _trial() -> Check:
    import torch

    from aligner_core.acoustic import load
    from aligner_core.audio import SAMPLE_RATE

    begun = time.perf_counter()
    try:
        frames = len(load().log_probs(torch.zeros(SAMPLE_RATE)))
    except AlignerError as error:
        return Check("trial", False, str(error))
    return Check("trial", True, f"1 s of silence gave {frames} frames in {time.perf_counter() - begun:.1f} s")
