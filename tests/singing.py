"""Lines as a network would hear them that is never wrong, for tests of what is made of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from aligner_core import Alignment, Line, Word
from aligner_core.acoustic.cnn import SYMBOLS
from aligner_core.phones import base, pronounce
from aligner_core.timeline import enclosing

PHONE, BREAK, LEAD = 8, 60, 50  # frames of a phone, after each line, and before the first


def hears(frames: Sequence[int], sure: float = 0.9) -> Tensor:
    """Log-probabilities (frames, symbols) in which these symbols are likely."""
    table = torch.full((len(frames), len(SYMBOLS)), (1 - sure) / (len(SYMBOLS) - 1))
    table[torch.arange(len(frames)), torch.tensor(frames)] = sure
    return table.log()


def sung(lines: Sequence[str]) -> tuple[list[int], Alignment]:
    """The symbols (frames,) of these lines with breaks between them, and their times."""
    frames, out = [0] * LEAD, []
    for line in lines:
        words = []
        for word in line.split():
            begin = len(frames)
            frames += [SYMBOLS.index(base(phone)) for phone in pronounce(word)[0] for _ in range(PHONE)]
            words.append(Word(word, begin / 100, len(frames) / 100))
        out.append(Line(line, *enclosing(words), words=tuple(words)))
        frames += [0] * BREAK
    return frames, Alignment(tuple(out))


def by_line(timed: Alignment) -> Alignment:
    """Without the times of words."""
    return Alignment(tuple(replace(x, words=tuple(Word(w.text) for w in x.words)) for x in timed.lines))
