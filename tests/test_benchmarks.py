"""What the benchmarks of re-timing and of length take for right is right."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core.graph import Graph
from aligner_core.timeline import Alignment, Line, Word
from aligner_core.viterbi import quantize, viterbi
from benchmarks.concat import FRAME, FRAMES_PER_SECOND, Recording, edges
from benchmarks.planted import FRAMES, WORDS, log_probs, planted
from benchmarks.retime import CHANGES, OFFSET, RATE, changed, right, subtitles

SECONDS = 200
changes = st.sampled_from(CHANGES)
seeds = st.integers(0, 10_000)


def recording(count: int = 30) -> Recording:
    """Lines of 4 s and breaks of 2 s, each line of one word more than the one before, up to 30."""
    lines = []
    for at in range(count):
        step = 4 / (at + 1)
        words = tuple(Word(f"w{at}", 2 + 6 * at + step * k, 2 + 6 * at + step * (k + 1)) for k in range(at + 1))
        lines.append(Line(" ".join(word.text for word in words), words[0].start, words[-1].end, words=words))
    wave = np.zeros(SECONDS * FRAME * FRAMES_PER_SECOND, np.float32)
    return Recording("talk", wave, tuple(lines))


TALK = subtitles(recording(), random.Random(0))
TRACKS = [Recording("music", np.zeros(90 * FRAME * FRAMES_PER_SECOND, np.float32), ())]


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_subtitles_keep_all_words_and_their_times_in_rows_of_twelve_or_fewer(seed: int) -> None:
    cut = subtitles(recording(), random.Random(seed))
    assert Alignment(cut.lines).words == Alignment(recording().lines).words
    assert max(len(line.words) for line in cut.lines) <= 12
    assert all(len(line.words) >= 3 for line in cut.lines[2:])


@settings(deadline=None, max_examples=30)
@given(changes, seeds)
def test_the_truth_of_every_change_has_all_its_lines_right(change: object, seed: int) -> None:
    case, timed = changed(next(one for one in CHANGES if one is change), TALK, TRACKS, seed)
    assert [line.text for line in timed.lines] == [line.text for line in case.written]
    assert right(case, Alignment(case.written)) == sum(line.timed for line in case.written) > 0
    length = sum(piece.last - piece.first for piece in case.pieces) / FRAMES_PER_SECOND
    assert all(edges(line)[1] <= length + 1e-6 for line in case.written if line.timed)


def difference(name: str, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Given start minus true one of each line in the sound that was not moved to before the beginning."""
    change = next(one for one in CHANGES if one.name == name)
    case, timed = changed(change, TALK, TRACKS, seed)
    pairs = [(edges(a)[0], edges(b)[0]) for a, b in zip(timed.lines, case.written, strict=True) if b.timed]
    return np.array([a - b for a, b in pairs if a > 0])


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_each_change_moves_the_times_as_it_says(seed: int) -> None:
    assert not difference("as they were", seed).any()
    offsets = difference("offset up to 30 s", seed)
    assert np.ptp(offsets) == pytest.approx(0, abs=1e-9)
    assert abs(offsets[0]) <= OFFSET
    intro = difference("an intro of 20-60 s added", seed)
    assert np.ptp(intro) == pytest.approx(0, abs=1e-9)
    assert -60 <= intro[0] <= -20
    scene = difference("a scene of 30-60 s cut", seed).round(6)
    assert len(set(scene)) <= 2
    assert scene.min() >= 0
    assert 20 <= scene.max() <= 70
    partly = np.abs(difference("a fifth of the lines off by 1-5 s", seed))
    assert (partly > 0.5).mean() == pytest.approx(0.2, abs=0.05)
    assert partly.max() <= 5 + 1e-9


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_another_rate_stretches_all_times_alike(seed: int) -> None:
    change = next(one for one in CHANGES if one.name.startswith("rate"))
    case, timed = changed(change, TALK, TRACKS, seed)
    ratios = {round(edges(a)[0] / edges(b)[0], 9) for a, b in zip(timed.lines, case.written, strict=True)}
    assert ratios in ({round(RATE, 9)}, {round(1 / RATE, 9)})


@settings(deadline=None, max_examples=2)
@given(st.integers(1, 2))
def test_what_is_planted_is_the_best_path_of_its_emissions(minutes: int) -> None:
    text = planted(minutes)
    assert len(text.words) == len(text.firsts) == minutes * WORDS
    emissions = quantize(np.concatenate(list(log_probs(text, minutes))))
    assert len(emissions) == minutes * FRAMES
    path = viterbi(emissions, Graph.ctc(text.phones))
    at = dict(zip(path.states.tolist(), path.starts.tolist(), strict=True))
    off = [abs(at[2 * number + 1] - start) for number, start in enumerate(text.starts)]
    assert np.mean(np.array(off) <= 1) > 0.98
