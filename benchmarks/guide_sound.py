"""Sentences that the spoken voice has not learnt, as its teacher says them, and everybody who says them anew."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from aligner_core import audio
from aligner_core.phones import base
from aligner_core.timeline import Alignment, Line, Word
from aligner_core.training.data import rows
from aligner_core.training.spoken import read_spoken, said
from aligner_core.training.vocode_data import filled
from aligner_core.tts.acoustic import PAUSE, SYMBOLS
from aligner_core.tts.script import script
from aligner_core.tts.sound import HOP, RATE, Frames, log_mel
from aligner_core.tts.synthesizer import Synthesizer

Wave = NDArray[np.float32]
QUIET = 0.3  # s before the first word of what is spoken into times
STRETCH = 0.75, 1.6  # times as long, each word for itself
OTHERS = {  # programs that speak, each with its usual American voice, and how they are told
    "espeak-ng": ("espeak-ng", "-v", "en-us", "-w", "{file}", "{text}"),
    "flite (slt)": ("flite", "-voice", "slt", "-o", "{file}", "-t", "{text}"),
}


@dataclass(frozen=True, eq=False)
class Sentence:
    """A sentence and the teacher's rendering of it.

    Args:
        key: which one.
        text, words: as written, and its words without punctuation.
        wave: float32 (samples,) at RATE.
        phones, durations: with stress and pauses, and frames of each.
        f0: (frames,), Hz, 0 where there is no pitch.
        spans: (words, 2), seconds.
    """

    key: str
    text: str
    words: tuple[str, ...]
    wave: Wave
    phones: tuple[str, ...]
    durations: tuple[int, ...]
    f0: NDArray[np.float32]
    spans: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Take:
    """One rendering of a sentence.

    Args:
        wave: float32 (samples,) at `rate` Hz.
        phones: what was to be said, without stress.
    """

    wave: Wave
    rate: int
    phones: tuple[str, ...]

    @property
    def heard(self) -> Wave:
        """At the rate of the aligner."""
        return audio.resample(torch.from_numpy(self.wave), self.rate).numpy()


def sentences(pack: Path, skip: int = 0, limit: int | None = None) -> list[Sentence]:
    """What a spoken pack holds; song is left out.

    Args:
        skip: leave out so many at the beginning.
    """
    spoken, known = read_spoken([pack]), {row["id"]: row for row in rows(pack)}
    out = []
    for at, name in enumerate(spoken.ids):
        row = known[name.split("/", 1)[1]]
        a, b = spoken.frame_at[at : at + 2].tolist()
        first, last = spoken.phone_at[at : at + 2].tolist()
        phones = tuple(SYMBOLS[i] for i in spoken.phones[first:last].tolist())
        durations = tuple(spoken.durations[first:last].tolist())
        wave = spoken.wave[a * HOP : b * HOP].numpy().astype(np.float32) / np.float32(32768)
        if not row.get("sung"):
            places = [phone.word for phone in said(row["seg"])]
            spans = word_spans(places, phones, durations, len(row["words"]))
            f0 = spoken.f0[a:b].numpy()
            out.append(Sentence(name, row["text"], tuple(row["words"]), wave, phones, durations, f0, spans))
    return out[skip:][:limit]


def word_spans(
    words: Sequence[int], phones: Sequence[str], durations: Sequence[int], count: int
) -> NDArray[np.float64]:
    """Seconds at which words begin and end, (count, 2).

    Args:
        words: to which of them each phone belongs, pauses left out.
        phones, durations: of all, with pauses.
    """
    edges = pairwise(accumulate(durations, initial=0))
    spans = [edge for edge, phone in zip(edges, phones, strict=True) if phone != PAUSE]
    out = np.full((count, 2), np.nan)
    for word, (start, end) in zip(words, spans, strict=True):
        out[word] = np.fmin(out[word, 0], start * HOP / RATE), end * HOP / RATE
    return out


def forced(sentence: Sentence, random: np.random.Generator) -> Alignment:
    """The words with times to be spoken into: the teacher's, each stretched or pressed at random; pauses stay."""
    now, before = QUIET, sentence.spans[0, 0]
    words = []
    for text, (start, end) in zip(sentence.words, sentence.spans, strict=True):
        now += max(start - before, 0.0)
        length = (end - start) * np.exp(random.uniform(*np.log(STRETCH)))
        words.append(Word(text, round(now, 3), round(now + length, 3)))
        now, before = now + length, end
    return Alignment((Line(" ".join(sentence.words), words[0].start, words[-1].end, words=tuple(words)),))


Speak = Callable[[Sentence], Take]


def speakers(ours: Synthesizer) -> dict[str, Speak]:
    """Who says the sentences, by name; programs that are not installed are left out."""

    def spoken(sentence: Sentence) -> Take:
        speech = ours.speak(sentence.text)
        return Take(speech.wave, speech.sample_rate, tuple(phone.text for phone in speech.alignment.phones))

    def teacher(sentence: Sentence) -> Take:
        return Take(sentence.wave, RATE, plain(sentence.phones))

    def copied(sentence: Sentence) -> Take:
        return Take(copy(ours, sentence), RATE, plain(sentence.phones))

    out: dict[str, Speak] = {"karalign": spoken, "teacher": teacher, "teacher through our vocoder": copied}
    return out | {name: _program(*command) for name, command in installed().items()}


def installed() -> dict[str, tuple[str, ...]]:
    """Those of `OTHERS` that are there."""
    return {name: command for name, command in OTHERS.items() if shutil.which(command[0])}


def _program(*command: str) -> Speak:
    def speak(sentence: Sentence) -> Take:
        return Take(*rendered(command, " ".join(sentence.words)), dictionary(sentence.text))

    return speak


def rendered(command: Sequence[str], text: str) -> tuple[Wave, int]:
    """What a program says, (samples,), and its rate; `command` as in `OTHERS`."""
    with tempfile.TemporaryDirectory() as folder:
        told = {"file": f"{folder}/out.wav", "text": text}
        subprocess.run([part.format(**told) for part in command], check=True, capture_output=True, timeout=60)
        wave, rate = soundfile.read(told["file"], dtype="float32")
    return wave, rate


def plain(phones: Sequence[str]) -> tuple[str, ...]:
    """Without stress and pauses."""
    return tuple(base(phone) for phone in phones if phone != PAUSE)


def dictionary(text: str) -> tuple[str, ...]:
    """How our own script has a text said, without stress."""
    lines = Alignment.from_text(text).lines
    return tuple(base(phone) for line in lines for word in script(line) for phone in word.phones)


def copy(ours: Synthesizer, sentence: Sentence) -> Wave:
    """The teacher's rendering, from its own mels and pitch through our vocoder."""
    f0, voiced = filled(sentence.f0)
    mel = log_mel(torch.from_numpy(sentence.wave))
    return ours.vocoder.wave(Frames(mel, torch.from_numpy(f0), torch.from_numpy(voiced))).numpy()


def in_teachers_time(ours: Synthesizer, sentence: Sentence) -> Wave:
    """Our rendering of the teacher's phones with the teacher's durations; the pitch is our own."""
    return ours.vocoder.wave(ours.voice.frames(sentence.phones, sentence.durations)).numpy()


def in_our_time(ours: Synthesizer, sentence: Sentence) -> Wave:
    """Our rendering of the teacher's phones at our own pace, pauses included."""
    frames = ours.voice.frames(sentence.phones, ours.voice.durations(sentence.phones))
    return ours.vocoder.wave(frames).numpy()


def renditions(ours: Synthesizer) -> Iterator[tuple[str, Callable[[Sentence], Wave]]]:
    """What is held against the teacher's sound, by name."""
    yield "the teacher's durations", lambda sentence: in_teachers_time(ours, sentence)
    yield "our own durations", lambda sentence: in_our_time(ours, sentence)
    yield "the teacher's mels and pitch (vocoder alone)", lambda sentence: copy(ours, sentence)
