"""Aligners that are programs, or networks to be fetched: run where they and their models are, told where not."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from aligner_core.errors import AlignmentError
from aligner_core.timeline import Alignment
from benchmarks.peers import Edges, Span, placed, spoken, timed

AENEAS = "KARALIGN_AENEAS"  # a variable: the Python that has aeneas; it needs another numpy than ours
PATIENCE = 1800  # seconds for a recording
Heard = Sequence[tuple[str, float, float]]  # words as they came out, with start and end in seconds


@dataclass(frozen=True)
class Program:
    """A command that takes a sound and a text and leaves a file with words and times.

    Args:
        command: with {audio}, {text} and {out} for files that are made, and {NAME} for variables of the environment.
        out: the name of what it leaves, "audio.json" where it chooses that itself.
        read: what it leaves, to words.
        lines: the text goes in with a line each, else all in one.
    """

    command: tuple[str, ...]
    out: str
    read: Callable[[str], Heard]
    lines: bool = False

    def align_wave(self, wave: NDArray[np.float32], rate: int, lyrics: Alignment) -> Alignment:
        """Time words.

        Shape:
            wave: (samples,)

        Raises:
            AlignmentError: the program fails; with the last it said.
        """
        words = spoken(lyrics)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            soundfile.write(place / "audio.wav", wave, rate, subtype="PCM_16")
            (place / "text.txt").write_text(self._written(lyrics, words), encoding="utf-8")
            files = {"audio": place / "audio.wav", "text": place / "text.txt", "out": place / self.out}
            command = [part.format_map({**os.environ, **files}) for part in self.command]
            run = subprocess.run(command, check=False, capture_output=True, cwd=place, timeout=PATIENCE)
            if run.returncode or not files["out"].is_file():
                told = (run.stderr or run.stdout).decode(errors="replace").split("\n")
                raise AlignmentError(
                    f"{command[0]} gave nothing", hint=next((x for x in reversed(told) if x.strip()), "")
                )
            heard = self.read(files["out"].read_text(encoding="utf-8"))
        return timed(lyrics, matched(words, heard))

    def _written(self, lyrics: Alignment, words: Sequence[str]) -> str:
        rest = iter(words)
        rows = [" ".join(word for word in (next(rest) for _ in line.words) if word) for line in lyrics.lines]
        return ("\n" if self.lines else " ").join(row for row in rows if row) + "\n"


class Mms:
    """torchaudio's MMS_FA: its network, tokenizer and aligner, as its documentation puts them together."""

    @cached_property
    def _parts(self) -> tuple[Any, Any, Any]:
        from torchaudio.pipelines import MMS_FA

        from aligner_core.weights import FOREIGN

        path = FOREIGN["mms"].path
        place = {"model_dir": str(path.parent), "file_name": path.name, "weights_only": True, "map_location": "cpu"}
        return MMS_FA.get_model(dl_kwargs=place), MMS_FA.get_tokenizer(), MMS_FA.get_aligner()

    def align_wave(self, wave: NDArray[np.float32], rate: int, lyrics: Alignment) -> Alignment:
        """As `Program.align_wave`, at 16 kHz."""
        import torch

        model, tokenizer, aligner = self._parts
        with torch.inference_mode():
            emission, _ = model(torch.from_numpy(wave)[None])
        return timed(lyrics, spelt(emission[0], len(wave) / rate, spoken(lyrics), tokenizer, aligner))


def spelt(emission: Any, seconds: float, words: Sequence[str], tokenizer: Any, aligner: Any) -> Edges:
    """The times of words by torchaudio's aligner.

    Args:
        emission: a tensor (frames, labels) of log-probabilities for so many seconds.
    """
    tokens = tokenizer([word for word in words if word])
    frame = seconds / len(emission)
    spans = [(frame * word[0].start, frame * word[-1].end) for word in aligner(emission, tokens)]
    return placed(words, spans)


def matched(words: Sequence[str], heard: Heard) -> dict[int, Span]:
    """The times of words that came out, by the places of the same words in the text."""
    found = [(spoken(Alignment.from_text(text)), start, end) for text, start, end in heard]
    theirs = [("".join(letters), start, end) for letters, start, end in found if "".join(letters)]
    blocks = difflib.SequenceMatcher(None, words, [word for word, _, _ in theirs], autojunk=False).get_matching_blocks()
    pairs = ((block.a + k, theirs[block.b + k]) for block in blocks for k in range(block.size))
    return {at: (start, end) for at, (word, start, end) in pairs if word}


def fragments(text: str) -> Heard:
    """What aeneas writes."""
    return [(" ".join(one["lines"]), float(one["begin"]), float(one["end"])) for one in json.loads(text)["fragments"]]


def segments(text: str) -> Heard:
    """What ctc-forced-aligner and Whisper's followers write: words in segments, or words as segments."""

    def rows() -> Iterator[tuple[str, float, float]]:
        for segment in json.loads(text)["segments"]:
            for word in segment.get("words") or [segment]:
                yield word.get("word", word.get("text", "")), float(word["start"]), float(word["end"])

    return list(rows())


def textgrid(text: str) -> Heard:
    """What the Montreal Forced Aligner writes."""
    from plugin.formats import by_name

    words = by_name("textgrid").parse(text).words
    return [(word.text, word.start, word.end) for word in words if word.start is not None and word.end is not None]


_LEVELS = "|".join(f"tts{level}=espeak-ng" for level in ("", "_l1", "_l2", "_l3"))
AENEAS_RUN = Program(
    (f"{{{AENEAS}}}", "-m", "aeneas.tools.execute_task", "{audio}", "{text}",
     "task_language=eng|is_text_type=mplain|os_task_file_format=json|os_task_file_levels=3", "{out}",
     f"-r={_LEVELS}|mfcc_mask_nonspeech_l3=True|safety_checks=False"),
    "out.json", fragments, lines=True,
)  # fmt: skip
STABLE_TS_RUN = Program(
    ("stable-ts", "{audio}", "--align", "{text}", "--language", "en", "--model", "base.en", "--device", "cpu",
     "--output", "{out}"),
    "out.json", segments,
)  # fmt: skip
CTC_FORCED_ALIGNER_RUN = Program(
    ("ctc-forced-aligner", "--audio_path", "{audio}", "--text_path", "{text}", "--language", "eng", "--romanize",
     "--device", "cpu"),
    "audio.json", segments,
)  # fmt: skip
MFA_RUN = Program(
    ("mfa", "align_one", "{audio}", "{text}", "english_us_arpa", "english_us_arpa", "{out}", "--clean"),
    "out.TextGrid", textgrid,
)  # fmt: skip


def program(name: str, *needed: Path) -> str:
    """Why a program cannot run: it is not there, or a file of its model; empty where all is there."""
    if not shutil.which(name):
        return f"no program {name} is installed"
    return next((f"its model is not there: {path.name}" for path in needed if not path.exists()), "")


def cached(*parts: str) -> Path:
    """A place below the folder where programs keep what they have fetched."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().joinpath(*parts)


def mfa_model(kind: str) -> Path:
    """Where the Montreal Forced Aligner keeps a model of its English."""
    root = Path(os.environ.get("MFA_ROOT_DIR") or "~/Documents/MFA").expanduser()
    return root / "pretrained_models" / kind / ("english_us_arpa" + (".zip" if kind == "acoustic" else ".dict"))
