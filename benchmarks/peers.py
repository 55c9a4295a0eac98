"""Other aligners behind the method that ours has, so that all are measured the same way.

    python -m benchmarks.peers PACK.zip --out WORDS.json

writes the start and end (s) of each word that PocketSphinx hears in a pack: a second opinion for `training.label`.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aligner_core.phones import base, pronounce
from aligner_core.timeline import Alignment, Line, Word, enclosing

FRAMES_PER_SECOND = 100
Edges = dict[int, tuple[float, float]]  # start and end in seconds of each word found, by its place


class PocketSphinx:
    """PocketSphinx with the English model of its wheel; words that it does not know are pronounced as ours."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        # wider beams than its own: long sentences are lost otherwise
        self._decoder = Decoder(samprate=16000, loglevel="FATAL", beam=1e-100, pbeam=1e-100, wbeam=1e-80)

    def align_wave(self, wave: NDArray[np.float32], rate: int, lyrics: Alignment) -> Alignment:
        """Time words at 16 kHz; what was not found has no time, and all of it if the text was not found as a whole.

        Shape:
            wave: (samples,)
        """
        if rate != FRAMES_PER_SECOND * 160:
            raise ValueError(f"PocketSphinx listens at 16000 Hz, not {rate}")
        words = [re.sub(r"[^a-z']", "", word.text.lower()).strip("'") for word in lyrics.words]
        for word in {word for word in words if word and self._decoder.lookup_word(word) is None}:
            self._decoder.add_word(word, " ".join(base(phone) for phone in pronounce(word)[0]), True)
        samples = (np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes()
        return _timed(lyrics, self._edges([word for word in words if word], samples), words)

    def _edges(self, words: list[str], samples: bytes) -> Edges:
        """Two passes, words and then states; the second gives up on some recordings that the first does not."""
        decoder = self._decoder
        decoder.set_align_text(" ".join(words))
        if not self._heard(samples) or decoder.hyp() is None:
            return {}
        spans = [(s.word, s.start_frame, s.end_frame + 1) for s in decoder.seg()]
        decoder.set_alignment()
        if self._heard(samples):
            spans = [(s.name, s.start, s.start + s.duration) for s in decoder.get_alignment()]
        spoken = [(a, b) for name, a, b in spans if not name.startswith(("<", "[", "+"))]
        if len(spoken) != len(words):
            return {}
        return {at: (a / FRAMES_PER_SECOND, b / FRAMES_PER_SECOND) for at, (a, b) in enumerate(spoken)}

    def _heard(self, samples: bytes) -> bool:
        self._decoder.start_utt()
        try:
            self._decoder.process_raw(samples, full_utt=True)
            self._decoder.end_utt()
        except RuntimeError:
            return False
        return True


def _timed(lyrics: Alignment, edges: Edges, words: list[str]) -> Alignment:
    """Put the edges, which count only the words with letters, back into the text."""
    numbers = iter(range(len(words)))
    spoken = {at: k for k, at in enumerate(at for at, word in enumerate(words) if word)}
    lines: list[Line] = []
    for line in lyrics.lines:
        mine = []
        for word in line.words:
            found = edges.get(spoken.get(next(numbers), -1), (None, None))
            mine.append(Word(word.text, *found))
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
        wave = decode([entry], 1)[0].wave.astype(np.float32) / 32768
        words = peer.align_wave(wave, 160 * FRAMES_PER_SECOND, Alignment.from_text(entry.row["text"])).words
        found[entry.row["id"]] = [[word.start, word.end] if word.timed else None for word in words]
    given.out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
