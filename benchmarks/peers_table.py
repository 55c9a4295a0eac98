"""Everybody who aligns here, in one table: what each is, whether it is there, and how it is made."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from aligner_core import Aligner, acoustic, audio
from aligner_core._version import __version__
from aligner_core.graph import Graph
from aligner_core.recognise import voices
from aligner_core.timeline import Alignment
from aligner_core.tree import token
from aligner_core.viterbi import Path as Best
from aligner_core.viterbi import quantize, viterbi
from aligner_core.weights import FOREIGN
from benchmarks import peers_programs as programs
from benchmarks.accuracy import Engine
from benchmarks.peers import PocketSphinx, SoundSwallower, Span, timed
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
    """

    name: str
    how: str
    look: Callable[[], There]
    make: Callable[[], Engine]
    timed: bool = True


class PlainPath:
    """Our released network, read by one plain CTC path over the first pronunciation of each word, and nothing else."""

    def __init__(self) -> None:
        self._model = acoustic.load(None, "cpu")

    def align_wave(self, wave: NDArray[np.float32], rate: int, lyrics: Alignment) -> Alignment:
        """Time words; words without a sound have no time.

        Shape:
            wave: (samples,)

        Raises:
            AlignmentError: the text needs more frames than there are.
        """
        model = self._model
        table = voices(model.log_probs(audio.resample(torch.from_numpy(wave), rate)), model.symbols)
        said = [[model.symbols.index(phone) for phone in first_phones(word.text)] for word in lyrics.words]
        path = viterbi(quantize(table.numpy()), Graph.ctc([phone for word in said for phone in word]))
        return timed(lyrics, of_path(path, [len(word) for word in said], model.frame_seconds))


def first_phones(text: str) -> list[str]:
    """Of a written word, in the first of the ways to say it."""
    return [phone for words in token(text).readings[:1] for ways in words for phone in ways[0]]


def of_path(path: Best, counts: Sequence[int], frame: float) -> dict[int, Span]:
    """When each word is said on a path through `Graph.ctc`, by its place; `counts` are the labels of each."""
    edges = zip(path.states.tolist(), path.starts.tolist(), path.ends.tolist(), strict=True)
    known = {state // 2: (start, end) for state, start, end in edges if state % 2}
    out, at = {}, 0
    for place, count in enumerate(counts):
        if count:
            out[place] = known[at][0] * frame, known[at + count - 1][1] * frame
        at += count
    return out


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
    Peer("karalign, plain CTC path", "the same network, one CTC path, nothing else", ours, PlainPath),
    Peer("karalign, zhang2017", "our engine, an ancestor: CNN trained by CTC", ours, lambda: Aligner.load("zhang2017")),
    Peer("karalign, blstm", "our engine, an ancestor: BLSTM", ours, lambda: Aligner.load("blstm")),
    Peer("pocketsphinx", "HMM, model in its wheel", lambda: package("pocketsphinx"), PocketSphinx),
    Peer("soundswallower", "HMM, model in its wheel", lambda: package("soundswallower"), SoundSwallower),
    Peer("espeak-ng + DTW", "the way of aeneas, written anew", espeak, Warping),
    Peer("aeneas", "espeak-ng + DTW, three levels", aeneas, lambda: programs.AENEAS_RUN, timed=False),
    Peer("torchaudio MMS_FA", "wav2vec 2.0 with CTC", mms, programs.Mms),
    Peer("ctc-forced-aligner", "wav2vec 2.0 with CTC", ctc_forced_aligner,
         lambda: programs.CTC_FORCED_ALIGNER_RUN, timed=False),
    Peer("stable-ts", "Whisper (base.en)", stable_ts, lambda: programs.STABLE_TS_RUN, timed=False),
    Peer("MFA", "HMM of Kaldi (english_us_arpa)", mfa, lambda: programs.MFA_RUN, timed=False),
)  # fmt: skip


def by_name(name: str) -> Peer:
    """The one of this name."""
    return next(peer for peer in PEERS if peer.name == name)
