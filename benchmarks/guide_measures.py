"""How far a spoken sentence is from the teacher's: cepstra, voicing and pitch; and what recognisers hear in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyworld
from numba import njit
from numpy.typing import NDArray

from aligner_core.acoustic import AcousticModel
from aligner_core.audio import SAMPLE_RATE
from aligner_core.evidence import phone_names
from aligner_core.metrics import phone_error_rate
from aligner_core.recognise import greedy, voices
from aligner_core.tts.sound import HOP, RATE
from benchmarks.guide_sound import Sentence, Take, Wave
from benchmarks.vocoders import tracked

ORDER = 24  # coefficients; the first, which is loudness, does not count
WARP = 0.466  # all-pass that makes 24 kHz nearly mel
GRID = 256  # points of the warped frequency axis
LOUD = 40.0  # dB below the loudest frame within which a frame is compared
PITCHES = (100.0, 500.0)  # Hz, those of the voice; wider, Harvest takes creaks for low notes
SHORTEST = 2  # frames; what is shorter our own model did not hear
ROOM = 3200  # samples of silence around what PocketSphinx hears
LOUDEST = 0.7  # of it
Floats = NDArray[np.float64]


class Sound(NamedTuple):
    """What is compared, of each frame of 10 ms: mel-cepstra (frames, ORDER), loudness in dB, and pitch in Hz or 0."""

    cepstra: Floats
    loudness: Floats
    f0: Floats

    @property
    def loud(self) -> NDArray[np.bool_]:
        """(frames,), whether it is loud enough to be compared."""
        return self.loudness > self.loudness.max() - LOUD


def analysed(wave: Wave) -> Sound:
    """A wave (samples,) at RATE: WORLD's pitch (Harvest) and envelope (CheapTrick), as mel-cepstra."""
    double = np.ascontiguousarray(wave, np.float64)
    f0 = np.ascontiguousarray(tracked(double, PITCHES))
    at = (np.arange(len(f0)) + 0.5) * HOP / RATE
    envelope = pyworld.cheaptrick(double, f0, at, RATE)
    cepstra = mel_cepstra(0.5 * np.log(np.maximum(envelope, 1e-14)))
    return Sound(cepstra, 10 * np.log10(envelope.mean(1) + 1e-14), f0)


def mel_cepstra(log_amplitude: Floats) -> Floats:
    """Cosine series of log-amplitudes (frames, bins) over the warped frequency axis: (frames, ORDER) from 1 on."""
    bins = np.linspace(0, np.pi, log_amplitude.shape[1])
    warped = bins + 2 * np.arctan2(WARP * np.sin(bins), 1 - WARP * np.cos(bins))
    points = (np.arange(GRID) + 0.5) * np.pi / GRID
    basis = np.cos(np.outer(points, np.arange(1, ORDER + 1))) * 2 / GRID
    even = np.stack([np.interp(points, warped, row) for row in log_amplitude])
    series: Floats = even @ basis
    return series


def distortion(one: Floats, other: Floats) -> Floats:
    """dB between mel-cepstra (frames, ORDER), frame by frame (Kubichek 1993)."""
    found: Floats = 10 / np.log(10) * np.sqrt(2 * np.square(one - other).sum(-1))
    return found


def warped(one: Floats, other: Floats) -> NDArray[np.int64]:
    """Pairs of frames (pairs, 2) of two sounds along the path of least distance (dynamic time warping)."""
    far = distortion(one[:, None], other[None])
    return np.array(_path(far), np.int64)[::-1]


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _path(far: Floats) -> list[tuple[int, int]]:
    rows, columns = far.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(rows):
        for j in range(columns):
            total[i + 1, j + 1] = far[i, j] + min(total[i, j], total[i, j + 1], total[i + 1, j])
    i, j = rows - 1, columns - 1
    out = [(i, j)]
    while i > 0 or j > 0:
        both, up = total[i, j], total[i, j + 1]
        if both <= up and both <= total[i + 1, j]:
            i, j = i - 1, j - 1
        elif up <= total[i + 1, j]:
            i -= 1
        else:
            j -= 1
        out.append((i, j))
    return out


def compared(teacher: Sound, ours: Sound) -> dict[str, Floats]:
    """Of the pairs of loud frames of a sentence: "mcd" (pairs,) in dB, "voiced" (pairs, 2), and "pitch" (voiced, 2),
    log Hz where both have one."""
    mine, other = np.flatnonzero(teacher.loud), np.flatnonzero(ours.loud)
    pairs = warped(teacher.cepstra[mine], ours.cepstra[other])
    left, right = mine[pairs[:, 0]], other[pairs[:, 1]]
    f0 = np.stack([teacher.f0[left], ours.f0[right]], 1)
    both = (f0 > 0).all(1)
    return {
        "mcd": distortion(teacher.cepstra[left], ours.cepstra[right]),
        "voiced": (f0 > 0).astype(np.float64),
        "pitch": np.log(f0[both]),
    }


def summed(rows: Sequence[dict[str, Floats]]) -> dict[str, float]:
    """Means over sentences of the distortion; over all frames of voicing and pitch, the latter as it is and with the
    mean of each sentence taken off."""
    voiced = np.concatenate([row["voiced"] for row in rows])
    pitch = np.concatenate([row["pitch"] for row in rows])
    moves = np.concatenate([row["pitch"] - row["pitch"].mean(0) for row in rows if len(row["pitch"])])
    return {
        "mcd_db": float(np.mean([row["mcd"].mean() for row in rows])),
        "voicing_error": float((voiced[:, 0] != voiced[:, 1]).mean()),
        "f0_correlation": correlation(pitch),
        "f0_correlation_within": correlation(moves),
        "f0_deviation_ratio": float(moves[:, 1].std() / moves[:, 0].std()),
        "cents_median": float(np.median(1200 / np.log(2) * np.abs(pitch[:, 0] - pitch[:, 1]))),
    }


def correlation(pairs: Floats) -> float:
    """Of (pairs, 2); 0 where one of them does not change."""
    steady = len(pairs) < 2 or bool((pairs.std(0) < 1e-9).any())
    return 0.0 if steady else float(np.corrcoef(pairs.T)[0, 1])


def against(told: Sequence[Sentence], makers: dict[str, Callable[[Sentence], Wave]]) -> dict[str, dict[str, float]]:
    """All of that for sentences, by the name of what makes sound of them."""
    rows: dict[str, list[dict[str, Floats]]] = {name: [] for name in makers}
    for sentence in told:
        teacher = analysed(sentence.wave)
        for name, make in makers.items():
            rows[name].append(compared(teacher, analysed(make(sentence))))
    return {name: summed(mine) for name, mine in rows.items()}


class Writer:
    """PocketSphinx with the English model of its wheel, which writes down what it hears."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder: Any = Decoder(samprate=float(SAMPLE_RATE), loglevel="FATAL")

    def __call__(self, wave: Wave) -> str:
        """The words in a wave (samples,) at SAMPLE_RATE, however loud it is."""
        scaled = wave * (LOUDEST / max(float(np.abs(wave).max(initial=0.0)), 1e-6))
        sound = (np.pad(scaled, ROOM) * 32767).astype("<i2").tobytes()
        self._decoder.start_utt()
        self._decoder.process_raw(sound, full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return found.hypstr if found else ""


def phone_errors(model: AcousticModel, takes: Iterable[Take]) -> float:
    """Share of the phones that our own aligner's network hears wrong, without knowing the text."""
    import torch

    names = ("", *phone_names(model.symbols))
    said, heard = [], []
    for take in takes:
        scores = voices(model.log_probs(torch.from_numpy(take.heard)), model.symbols)
        heard.append([names[at] for at in greedy(scores, SHORTEST)])
        said.append(take.phones)
    return phone_error_rate(said, heard)
