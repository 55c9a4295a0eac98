"""Other aligners behind the method that ours has, so that all are measured the same way.

    python -m benchmarks.peers PACK.zip --out WORDS.json

writes the start and end (s) of each word that PocketSphinx hears in a pack: a second opinion for `training.label`.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aligner_core.phones import base, pronounce
from aligner_core.timeline import Alignment, Line, Word, enclosing

RATE = 16000  # Hz, at which the aligners here listen
FRAMES_PER_SECOND = 100
WIDE = {"beam": 1e-100, "pbeam": 1e-100, "wbeam": 1e-80}  # of Sphinx; with its own, long sentences are lost
Span = tuple[float, float]  # start and end in seconds
Edges = Mapping[int, Span]  # of each word found, by its place in the text


class PocketSphinx:
    """PocketSphinx with the English model of its wheel; words that it does not know are pronounced as ours."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(samprate=RATE, loglevel="FATAL", **WIDE)

    def align_wave(self, wave: NDArray[np.float32], rate: int, lyrics: Alignment) -> Alignment:
        """Time words at 16 kHz; what was not found has no time, and all of it if the text was not found as a whole.

        Shape:
            wave: (samples,)
        """
        words = spoken(lyrics)
        for word in {word for word in words if word and self._decoder.lookup_word(word) is None}:
            self._decoder.add_word(word, pronounced(word), True)
        said = [word for word in words if word]
        return timed(lyrics, placed(words, self._spans(said, samples(wave, rate))))

    def _spans(self, words: list[str], sound: bytes) -> list[Span]:
        """Two passes, words and then states; the second gives up on some recordings that the first does not."""
        decoder = self._decoder
        decoder.set_align_text(" ".join(words))
        if not self._heard(sound) or decoder.hyp() is None:
            return []
        spans = [(s.word, s.start_frame, s.end_frame + 1) for s in decoder.seg()]
        decoder.set_alignment()
        if self._heard(sound):
            spans = [(s.name, s.start, s.start + s.duration) for s in decoder.get_alignment()]
        return [(a / FRAMES_PER_SECOND, b / FRAMES_PER_SECOND) for name, a, b in spans if is_word(name)]

    def _heard(self, sound: bytes) -> bool:
        self._decoder.start_utt()
        try:
            self._decoder.process_raw(sound, full_utt=True)
            self._decoder.end_utt()
        except RuntimeError:
            return False
        return True


class SoundSwallower:
    """SoundSwallower with the English model of its wheel; words that it does not know are pronounced as ours."""

    def __init__(self) -> None:
        from soundswallower import Decoder, get_model_path

        self._decoder = Decoder(hmm=str(Path(get_model_path(), "en-us")), loglevel="FATAL", **WIDE)

    def align_wave(self, wave: NDArray[np.float32], rate: int, lyrics: Alignment) -> Alignment:
        """As `PocketSphinx.align_wave`, in one pass over the words."""
        decoder, words, sound = self._decoder, spoken(lyrics), samples(wave, rate)
        for word in {word for word in words if word and decoder.lookup_word(word) is None}:
            decoder.add_word(word, pronounced(word), True)
        decoder.set_align_text(" ".join(word for word in words if word))
        try:
            decoder.start_utt()
            decoder.process_raw(sound, no_search=False, full_utt=True)
            decoder.end_utt()
            spans = [(s.start, s.start + s.duration) for s in decoder.seg if is_word(s.text)]
        except RuntimeError:  # nothing is heard in it
            spans = []
        return timed(lyrics, placed(words, spans))


def spoken(lyrics: Alignment) -> list[str]:
    """Each word as a dictionary has it; empty where it has no letters."""
    return [re.sub(r"[^a-z']", "", word.text.lower()).strip("'") for word in lyrics.words]


def pronounced(word: str) -> str:
    """Its phones without stress."""
    return " ".join(base(phone) for phone in pronounce(word)[0])


def is_word(name: str) -> bool:
    """Whether Sphinx means a word of the text by this, not a noise or a silence."""
    return not name.startswith(("<", "[", "+"))


def samples(wave: NDArray[np.float32], rate: int) -> bytes:
    """A wave (samples,) as 16-bit integers.

    Raises:
        ValueError: the rate is not `RATE`.
    """
    if rate != RATE:
        raise ValueError(f"this aligner listens at {RATE} Hz, not {rate}")
    return (np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes()


def placed(words: Sequence[str], spans: Sequence[Span]) -> Edges:
    """The spans of the words that are not empty, by their places among all; none if there are more or fewer spans."""
    places = [at for at, word in enumerate(words) if word]
    return dict(zip(places, spans, strict=True)) if len(places) == len(spans) else {}


def in_order(edges: Iterable[tuple[int, Span]]) -> dict[int, Span]:
    """Without words that begin before the one in front of them, and no word lasting into the next."""
    kept: dict[int, Span] = {}
    last = None
    for at, (start, end) in edges:
        if start < 0 or end < start or (last is not None and start < kept[last][0]):
            continue
        if last is not None:
            kept[last] = kept[last][0], min(kept[last][1], start)
        kept[at], last = (start, end), at
    return kept


def timed(lyrics: Alignment, edges: Edges) -> Alignment:
    """The text with these times of its words; all others have none."""
    known, at = in_order(sorted(edges.items())), 0
    lines: list[Line] = []
    for line in lyrics.lines:
        mine = [Word(word.text, *known.get(at + k, (None, None))) for k, word in enumerate(line.words)]
        at += len(line.words)
        start, end = enclosing(mine)
        lines.append(replace(line, start=start, end=end, words=tuple(mine)))
    return Alignment(tuple(lines))


def main() -> None:
    """The command line."""
    from aligner_core.training.data import decode, manifest

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    peer, found = PocketSphinx(), {}
    for entry in manifest([given.pack]):
        wave = decode([entry], 1)[0].wave.astype(np.float32) / np.float32(32768)
        words = peer.align_wave(wave, RATE, Alignment.from_text(entry.row["text"])).words
        found[entry.row["id"]] = [[word.start, word.end] if word.timed else None for word in words]
    given.out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
