"""Everybody who aligns here, in one table: what each is, whether it is there, and how it is made."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from aligner_core import Aligner
from aligner_core._version import __version__
from aligner_core.weights import FOREIGN
from benchmarks import peers_plain, peers_warping
from benchmarks import peers_programs as programs
from benchmarks.accuracy import Engine
from benchmarks.peers import PocketSphinx, SoundSwallower
from benchmarks.peers_plain import PlainPath
from benchmarks.peers_warping import Warping

OURS = "karalign"


@dataclass(frozen=True)
class There:
    """Whether something can be run: its version, or why it cannot."""

    version: str = ""
    absent: str = ""


@dataclass(frozen=True)
class Peer:
    """An aligner.

    Args:
        how: what it is, in a few words.
        look: whether it is there.
        make: the aligner, ready.
        timed: it runs in this process, so its speed can be held against ours.
        code: ours that its times depend on, besides `peers`.
    """

    name: str
    how: str
    look: Callable[[], There]
    make: Callable[[], Engine]
    timed: bool = True
    code: tuple[ModuleType, ...] = ()


def package(name: str) -> There:
    """A package for Python, whose model is in it."""
    try:
        return There(version(name))
    except PackageNotFoundError:
        return There(absent=f"pip install {name}")


def ours() -> There:
    """karalign."""
    return There(__version__)


def espeak() -> There:
    """The voice of the warping aligner."""
    return _told("espeak-ng", "--version")


def aeneas() -> There:
    """aeneas, in a Python of its own, and the programs that it calls."""
    python = os.environ.get(programs.AENEAS)
    if not python:
        return There(absent=f"{programs.AENEAS} names no Python that has it")
    missing = [name for name in ("ffmpeg", "ffprobe", "espeak-ng") if not shutil.which(name)]
    if missing:
        return There(absent=f"it needs {' and '.join(missing)}")
    run = subprocess.run([python, "-c", "import aeneas; print(aeneas.__version__)"], check=False, capture_output=True)
    return There(run.stdout.decode().strip()) if not run.returncode else There(absent=f"{python} does not have it")


def mms() -> There:
    """torchaudio's network."""
    known = FOREIGN["mms"]
    there = known.path.is_file()
    return (
        package("torchaudio") if there else There(absent=f"its weights ({known.size}, {known.licence}) are not there")
    )


def of_program(name: str, distribution: str, *needed: Path) -> There:
    """A program, by why it cannot run."""
    reason = programs.program(name, *needed)
    return There(absent=reason) if reason else package(distribution)


def mfa() -> There:
    """The Montreal Forced Aligner with its English models."""
    return of_program(
        "mfa", "montreal-forced-aligner", programs.mfa_model("acoustic"), programs.mfa_model("dictionary")
    )


def ctc_forced_aligner() -> There:
    """The one with a program: another project has the name among Python's packages."""
    return of_program(
        "ctc-forced-aligner",
        "ctc-forced-aligner",
        programs.cached("huggingface", "hub", "models--MahmoudAshraf--mms-300m-1130-forced-aligner"),
    )


def stable_ts() -> There:
    """Whisper's own times, made stable."""
    return of_program("stable-ts", "stable-ts", programs.cached("whisper", "base.en.pt"))


def _told(*command: str) -> There:
    if not shutil.which(command[0]):
        return There(absent=f"no program {command[0]} is installed")
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    return There(next((word for word in run.stdout.split() if word[0].isdigit()), "there"))


PEERS = (
    Peer(OURS, "our released network and engine", ours, lambda: Aligner.load(device="cpu")),
    Peer(f"{OURS}, plain CTC path", "the same network, one CTC path alone", ours, PlainPath, code=(peers_plain,)),
    Peer(f"{OURS}, zhang2017", "our engine, an ancestor: CNN trained by CTC", ours, lambda: Aligner.load("zhang2017")),
    Peer(f"{OURS}, blstm", "our engine, an ancestor: BLSTM", ours, lambda: Aligner.load("blstm")),
    Peer("pocketsphinx", "HMM, model in its wheel", lambda: package("pocketsphinx"), PocketSphinx),
    Peer("soundswallower", "HMM, model in its wheel", lambda: package("soundswallower"), SoundSwallower),
    Peer("espeak-ng + DTW", "the way of aeneas, written anew", espeak, Warping, code=(peers_warping,)),
    Peer("aeneas", "espeak-ng + DTW, three levels", aeneas, lambda: programs.AENEAS_RUN, False, (programs,)),
    Peer("torchaudio MMS_FA", "wav2vec 2.0 with CTC", mms, programs.Mms, code=(programs,)),
    Peer("ctc-forced-aligner", "wav2vec 2.0 with CTC", ctc_forced_aligner,
         lambda: programs.CTC_FORCED_ALIGNER_RUN, False, (programs,)),
    Peer("stable-ts", "Whisper (base.en)", stable_ts, lambda: programs.STABLE_TS_RUN, False, (programs,)),
    Peer("MFA", "HMM of Kaldi (english_us_arpa)", mfa, lambda: programs.MFA_RUN, False, (programs,)),
)  # fmt: skip


def by_name(name: str) -> Peer:
    """The one of this name."""
    return next(peer for peer in PEERS if peer.name == name)
