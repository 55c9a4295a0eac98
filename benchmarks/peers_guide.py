"""Who says a text so that a recogniser understands it, and how fast: our spoken voice, robots of others, a person.

The texts are those of the read speech, whose recordings are the person; PocketSphinx writes down what it hears, and our
own network the phones. Speed: the same texts, from text to sound, our model loaded, their programs started anew.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from aligner_core import Aligner
from aligner_core.metrics import word_error_rate
from aligner_core.tts.synthesizer import Synthesizer
from benchmarks import guide_measures, guide_sound, packs, peers_cache
from benchmarks.accuracy import PACKS
from benchmarks.guide_measures import Writer, phone_errors
from benchmarks.guide_sound import OTHERS, Take, dictionary, rendered
from benchmarks.peers_speed import against, in_turn

OURS, PERSON = "karalign", "a person (LibriSpeech)"
SPEAKERS = OTHERS | {
    "Festival (kal)": (
        "festival", "--batch", "(utt.save.wave (utt.synth (Utterance Text \"{text}\")) \"{file}\" 'riff)",
    ),
}  # fmt: skip
SENTENCES, QUICK = 26, 6
SPED, ROUNDS = 3, 9  # texts said in a row, and how often
DRAWN = 1000  # times that sentences are drawn anew for an interval
CORE = "*.py acoustic/*.py tts/*.py"  # of aligner_core: what the errors depend on
Speak = Callable[[str], Take]


def measured(root: Path, quick: bool, workers: int, say: Callable[[str], None]) -> dict[str, Any]:
    """{"sentences", "words", "versions", "absent", "by": {speaker: errors}, "speed": ratios, "rounds"}."""
    read = readings(root, QUICK if quick else SENTENCES)
    said, versions = voices(), {name: told(command[0]) for name, command in present().items()}
    source = peers_cache.code(guide_measures, guide_sound, core=CORE)
    by = {}
    with ProcessPoolExecutor(workers, get_context("spawn"), _writes) as pool:
        for name, speak in [*said.items(), (PERSON, read.__getitem__)]:
            about = [name, versions.get(name, ""), *read, source]
            by[name] = peers_cache.kept(f"guide-{name}", about, partial(heard, pool, [*read], speak))
            say(f"{name}: {100 * by[name]['wer']:.1f} % of the words wrong")
    rounds, texts = 2 if quick else ROUNDS, [*read][:SPED]
    return {
        "sentences": len(read),
        "words": sum(len(text.split()) for text in read),
        "versions": versions,
        "absent": [name for name in SPEAKERS if name not in versions],
        "by": by,
        "speed": against(in_turn({name: _saying(speak, texts) for name, speak in said.items()}, rounds), OURS),
        "rounds": rounds,
    }


def readings(root: Path, count: int) -> dict[str, Take]:
    """So many texts from all over the read speech, as a person reads them."""
    pack = next(pack for pack in PACKS if pack.name == "librispeech")
    items = list(packs.read(root / pack.file, pack.start))
    chosen = items[:: len(items) // count][:count]
    texts = [" ".join(word.text for word in item.reference.words) for item in chosen]
    return {x: Take(item.wave, packs.SAMPLE_RATE, dictionary(x)) for x, item in zip(texts, chosen, strict=True)}


def present() -> dict[str, tuple[str, ...]]:
    """The programs that are there."""
    return {name: command for name, command in SPEAKERS.items() if shutil.which(command[0])}


def told(program: str) -> str:
    """The version that a program tells, or nothing."""
    run = subprocess.run([program, "--version"], check=False, capture_output=True, text=True)
    found = re.search(r"\d+(\.\d+)+", run.stdout or run.stderr)
    return found[0] if found else ""


def voices() -> dict[str, Speak]:
    """Who speaks, by name: ours first."""
    ours = Synthesizer.load()

    def spoken(text: str) -> Take:
        speech = ours.speak(text)
        return Take(speech.wave, speech.sample_rate, tuple(phone.text for phone in speech.alignment.phones))

    def program(command: tuple[str, ...]) -> Speak:
        return lambda text: Take(*rendered(command, text), dictionary(text))

    return {OURS: spoken, **{name: program(command) for name, command in present().items()}}


def heard(pool: Executor, texts: Sequence[str], speak: Speak) -> dict[str, Any]:
    """What recognisers make of the texts as one speaker says them."""
    takes = [speak(text) for text in texts]
    written = list(pool.map(_written, [take.heard for take in takes]))
    return errors(texts, written) | {"per": phone_errors(Aligner.load().model, takes)}


def errors(texts: Sequence[str], written: Sequence[str]) -> dict[str, Any]:
    """The word error rate, and half of its 95 % interval: sentences drawn anew."""
    counts = np.array([len(text.split()) for text in texts])
    wrong = np.array([word_error_rate([a], [b]) for a, b in zip(texts, written, strict=True)]) * counts
    drawn = np.random.default_rng(0).integers(len(texts), size=(DRAWN, len(texts)))
    low, high = np.percentile(wrong[drawn].sum(1) / counts[drawn].sum(1), (2.5, 97.5))
    return {"wer": float(wrong.sum() / counts.sum()), "half_width": float(high - low) / 2}


def _saying(speak: Speak, texts: Sequence[str]) -> Callable[[], object]:
    return lambda: [speak(text) for text in texts]


_writer: Writer | None = None


def _writes() -> None:
    global _writer  # noqa: PLW0603 - one a process
    _writer = Writer()


def _written(wave: Any) -> str:
    assert _writer is not None
    return _writer(wave)
