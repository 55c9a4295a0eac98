"""How far a time can be trusted: whether it stays where it is when the evidence is shaken.

The path with the best score is one of many. What the sound says is disturbed a few times by noise that lasts a few
frames, and the best path of each is asked where a word begins (perturb and MAP: Papandreou and Yuille 2011). A word
that stays is well placed; one that wanders is not. Together with how well its sounds fit, that is turned into the
probability that a time is right, by logistic regression on songs and speech that the network was not trained on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from .costs import CONFIDENCE
from .errors import AlignmentError
from .evidence import Lasting, Scores, leads, shares
from .lattice import lattice
from .search import Search, Sung, Trust
from .threads import allowed
from .viterbi import UNITS_PER_NAT, viterbi_noisy

GROUP, BESIDE = 4, 1  # lines asked about at a time, and lines to either side that may move with them
AROUND = 300  # frames before and after these lines that they may move into
SHAKES = 12
NOISE, LASTS = 2.5, 8  # nats, standard deviation; frames
AGAIN = 0.3  # trust that a line sung again must have
FITS = 0.28  # songs with the text of another come to 0.23 at most, songs with their own to 0.39 or more
FITS_SPELLED = 0.08  # of letters; planted ones, up to half of them wrong: 0.05 at most, 0.085 or more
FEW = 5  # lines too few to tell whether they belong to a sound
NEAR = 30  # frames: a word that moves no farther stays
WORST = -5.0  # nats a frame; a sound that fits worse is not worse

Voice = NDArray[np.float32]
Features = NDArray[np.float64]


def trusted(search: Search, scores: Scores, voice: Voice, sung: Sequence[Sung]) -> list[Sung]:
    """The same lines with the probability that their times are right within 0.3 s.

    Args:
        scores: that the lines were found in.
        voice: (frames,) probability of any phone.
        sung: in order of time.
    """
    ask = partial(_shaken, search, scores, sung)
    with ThreadPoolExecutor(_threads()) as pool:  # the kernels let other threads run
        moved = chain.from_iterable(pool.map(ask, range(0, len(sung), GROUP)))
        return [replace(one, trust=_trust(one, m, scores, voice)) for one, m in zip(sung, moved, strict=True)]


def _threads() -> int:
    """A few, or as many as libraries may use: with a process for each core, more would only get in the way."""
    return min(4, allowed() or os.cpu_count() or 1)


def believed(sung: Sequence[Sung]) -> list[Sung]:
    """Without lines that seem to be sung once more than in their best place, if that is unlikely."""
    best: dict[int, float] = {}
    for one in sung:
        best[one.line] = max(best.get(one.line, 0.0), _line_trust(one))
    return [one for one in sung if _line_trust(one) >= min(best[one.line], AGAIN)]


def require_fit(search: Search, voice: Voice, sung: Sequence[Sung]) -> None:
    """Refuse a text that does not belong to the sound; with few lines nobody can tell.

    What counts is the share of the lines that were found, or the share of the voice that they make up, each line by its
    trust: one is large for a part of a sound, the other for a part of a text.

    Raises:
        AlignmentError: both are small.
    """
    lines = sum(any(line) for line in search.lines)
    if search.freedom is None or lines < FEW:
        return
    trust = [_line_trust(one) for one in sung]
    heard = [float(sum(voice[v.start : v.end].sum() for v in one.visits)) for one in sung]
    of_voice = sum(t * h for t, h in zip(trust, heard, strict=True)) / max(float(voice.sum()), 1e-6)
    if max(sum(trust) / lines, of_voice) < (FITS_SPELLED if search.columns.spelled else FITS):
        what = f"the text does not belong to the sound: of {lines} lines {len(sung)} may be heard, and those badly"
        raise AlignmentError(what, hint="the text of this recording, or exact alignment (--exact)")


def _line_trust(sung: Sung) -> float:
    return sung.trust.line if sung.trust else 1.0


def _shaken(search: Search, scores: Scores, sung: Sequence[Sung], begin: int) -> list[dict[int, list[int]]]:
    """For each line of the group from `begin`: the frames in which each token starts under noise."""
    low, high = max(0, begin - BESIDE), min(len(sung), begin + GROUP + BESIDE)
    first = max(sung[low].start - AROUND, sung[low - 1].end if low else 0)
    last = min(sung[high - 1].end + AROUND, sung[high].start if high < len(sung) else len(scores))
    last = max(last, *(one.end for one in sung[low:high]))  # a line may end after the next one begins
    first = min(first, *(one.start for one in sung[low:high]))
    found = lattice([search.lines[one.line] for one in sung[low:high]], search.columns, search.least, search.freedom)
    tokens = [(at, token) for at, one in enumerate(sung[low:high], low) for token in search.tokens(one.line)]
    out: list[dict[int, list[int]]] = [{} for _ in sung[begin : begin + GROUP]]
    noise = _noise(last - first, scores.shape[1], begin)
    for path in viterbi_noisy(scores[first:last], noise, LASTS, found.graph):
        for number, frame in found.starts(path).items():
            at, token = tokens[number]
            if begin <= at < begin + GROUP:
                out[at - begin].setdefault(token, []).append(first + frame)
    return out


def _noise(frames: int, symbols: int, seed: int) -> NDArray[np.int32]:
    """(SHAKES, rows, symbols), a row for each `LASTS` frames."""
    size = (SHAKES, -(-frames // LASTS), symbols)
    shaking = np.random.default_rng(seed).standard_normal(size, np.float32) * (NOISE * UNITS_PER_NAT)
    return np.asarray(np.rint(shaking, out=shaking), np.int32)


def _trust(sung: Sung, moved: Mapping[int, Sequence[int]], scores: Scores, voice: Voice) -> Trust:
    words = word_features(sung, moved, scores, voice)
    line = line_features(words)
    rows = zip(first_visits(sung), words.tolist(), strict=True)
    trusts = {token: round(CONFIDENCE.word((*row, *line.tolist())), 4) for token, row in rows}
    return Trust(round(CONFIDENCE.line(line), 4), trusts)


def first_visits(sung: Sung) -> dict[int, int]:
    """Which visit is the first of each token."""
    firsts: dict[int, int] = {}
    for at, visit in enumerate(sung.visits):
        firsts.setdefault(visit.token, at)
    return firsts


def word_features(sung: Sung, moved: Mapping[int, Sequence[int]], scores: Scores, voice: Voice) -> Features:
    """(words, 3), of each word of a line: the share of shakes in which it stays, how well its sounds fit, and the
    worst of them.

    Args:
        moved: the frames where each token started under noise, as often as it was found.
    """
    firsts = first_visits(sung)
    begins = [*firsts.values(), len(sung.visits)]  # the visits of a word follow each other
    stays = [
        sum(abs(frame - sung.visits[at].start) <= NEAR for frame in moved.get(token, ())) / SHAKES
        for token, at in firsts.items()
    ]
    said = Lasting.of(sung.visits)
    fits = np.add.reduceat(shares(said, scores, voice), begins[:-1]) / np.diff(begins)
    worst = np.minimum.reduceat(leads(said, scores), begins[:-1])
    return np.stack([stays, fits, np.maximum(worst, WORST)], 1)


def line_features(words: Features) -> Features:
    """Of a line: the means over its words, the share of shakes in which the least steady one stays, its first word."""
    return np.concatenate([words.mean(0), [words[:, 0].min()], words[0]])
