"""Vocoders on recordings that they have not learnt from: `python -m benchmarks.vocoders PACK.zip [--neural FILE] ...`.

Copies: sound to mel and pitch and back, against the recording: spectra, pitch, PESQ and STOI where those are installed,
and speed, all in one run. Notes: the same mels sung on one note with vibrato (by WORLD, for consistent mels), and how
much of it is lost or off by more than 50 cents. WORLD itself, which is told more than a mel, is the ceiling.
Writes OUT.json and OUT.png.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyworld
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner_core.training.spectral import distances, magnitude, views
from aligner_core.training.spoken import pitches
from aligner_core.training.vocode import MEASURED
from aligner_core.training.vocode_data import Recording, filled, read_recordings, split
from aligner_core.tts import vocoder
from aligner_core.tts.sound import HOP, RATE, Frames, log_mel

NOTES = (110.0, 165.0, 220.0, 330.0, 440.0, 523.0, 659.0, 880.0)  # Hz
VIBRATO = 5.5, 50.0  # Hz, cents
TRACKED = 60.0, 1200.0  # Hz between which pitch is looked for
OFF = 50.0  # cents
SHOWN = 2.5  # s of the picture
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Told:
    """A recording and what vocoders are told of it.

    Args:
        wave: float64 (frames * HOP,).
        f0: (frames,), Hz without gaps; voiced: (frames,), whether there is a pitch.
    """

    wave: Floats
    f0: Floats
    voiced: NDArray[np.bool_]

    @classmethod
    def of(cls, recording: Recording) -> Told:
        """What a spoken pack knows."""
        f0, voiced = filled(recording.f0)
        return cls(recording.wave / 32768, f0.astype(np.float64), voiced > 0.5)

    @property
    def frames(self) -> Frames:
        """For ours."""
        mel = log_mel(torch.from_numpy(self.wave).float())
        return Frames(mel, torch.from_numpy(self.f0).float(), torch.from_numpy(self.voiced).float())


Make = Callable[[Told], Tensor]  # (frames * HOP,)


def world(told: Told, f0: Floats | None = None) -> Tensor:
    """The recording through WORLD at its own pitch or another; every other of its frames is in the middle of ours."""
    at = np.arange(2 * len(told.f0) + 1) * HOP / RATE / 2
    middles = (np.arange(len(told.f0)) + 0.5) * HOP / RATE
    own = np.where(np.interp(at, middles, told.voiced.astype(float)) > 0.5, np.interp(at, middles, told.f0), 0.0)
    envelope = pyworld.cheaptrick(told.wave, own, at, RATE)
    noise = pyworld.d4c(told.wave, own, at, RATE)
    sung = own if f0 is None else np.where(own > 0, np.interp(at, middles, f0), 0.0)
    made = pyworld.synthesize(sung, envelope, noise, RATE, 1000 * HOP / RATE / 2)
    return torch.from_numpy(np.pad(made, (0, HOP))[: len(told.wave)]).float()


def copies(makers: dict[str, Make], tolds: Sequence[Told]) -> dict[str, dict[str, float]]:
    """Means over the recordings of all that is measured, by the vocoder's name."""
    found = {}
    for name, make in makers.items():
        make(tolds[0])  # what is made once is not counted
        rows = []
        for told in tolds:
            begin = time.perf_counter()
            made = make(told)
            took = time.perf_counter() - begin
            rows.append(compared(told, made) | {"times_real_time": len(told.wave) / RATE / took})
        found[name] = {key: round(float(np.nanmean([row[key] for row in rows])), 4) for key in rows[0]}
        print(name, json.dumps(found[name]), flush=True)
    return found


def compared(told: Told, made: Tensor) -> dict[str, float]:
    """How far a copy is from its recording."""
    truth = torch.from_numpy(told.wave).float()
    right, ours = views(truth[None], MEASURED), views(made[None], MEASURED)
    figures = {
        "spectra": float(distances(ours, right, right)),
        "mel_nepers": float((log_mel(made) - log_mel(truth)).abs().mean()),
        "log_spectral_db": _log_spectral(truth, made),
        "unrest": unrest(made, told.voiced) / unrest(truth, told.voiced),
    }
    heard = tracked(told.wave)
    return (
        figures | sung(heard, heard > 0, tracked(made.double().numpy())) | _opinions(told.wave, made.double().numpy())
    )


def _log_spectral(truth: Tensor, made: Tensor) -> float:
    """Root of the mean square over frequency, mean over time where the sound is within 60 dB of its loudest; in dB."""
    one, other = (20 * (magnitude(w[None], 1024)[0] + 1e-5).log10() for w in (truth, made))
    heard = one.amax(0) > one.max() - 60
    return float((one - other).square().mean(0).sqrt()[heard].mean())


def unrest(wave: Tensor, voiced: NDArray[np.bool_]) -> float:
    """Mean change of the spectrum above 4 kHz between frames where the voice sounds, in nepers: little in a buzz."""
    spectrum = magnitude(wave[None], 4 * HOP)[0, 4 * HOP // 6 :]  # a column is a frame, but for those at the ends
    change = (spectrum + 1e-5).log().diff(dim=1).abs()
    inside = torch.from_numpy(voiced[1:-1] & voiced[2:])[: change.shape[1]]
    return float(change[:, : len(inside)][:, inside].mean())


def sung(wanted: Floats, voiced: NDArray[np.bool_], heard: Floats) -> dict[str, float]:
    """How well a pitch was kept; `wanted` and `heard` (frames,) in Hz."""
    count = min(len(wanted), len(heard))
    wanted, voiced, heard = wanted[:count], voiced[:count], heard[:count]
    both = voiced & (heard > 0)
    cents = 1200 * np.abs(np.log2(heard[both] / wanted[both])) if both.any() else np.array([math.nan])
    return {
        "cents_median": float(np.median(cents)),
        "off_share": float((cents > OFF).mean()),
        "lost_share": float((voiced & (heard <= 0)).sum() / max(voiced.sum(), 1)),
        "voicing_error": float((voiced != (heard > 0)).mean()),
    }


def tracked(wave: Floats, within: tuple[float, float] = TRACKED) -> Floats:
    """Hz in the middle of each frame, 0 where there is no pitch, by WORLD's Harvest between two pitches in Hz."""
    return pitches(wave, len(wave) // HOP, within).astype(np.float64)


def _opinions(truth: Floats, made: Floats) -> dict[str, float]:
    """PESQ (wide band) and STOI, where they are installed."""
    try:
        from pesq import pesq  # type: ignore[import-not-found, import-untyped, unused-ignore]
        from pystoi import stoi  # type: ignore[import-not-found, import-untyped, unused-ignore]
        from scipy.signal import resample_poly
    except ImportError:
        return {}
    one, other = (resample_poly(wave, 2, 3) for wave in (truth, made))
    return {"pesq": float(pesq(16000, one, other, "wb")), "stoi": float(stoi(truth, made, RATE))}


def notes(
    makers: dict[str, Make], tolds: Sequence[Told], pitches: Sequence[float] = NOTES
) -> dict[str, dict[str, dict[str, float]]]:
    """By the vocoder's name and the note in Hz: how well it is held where the recordings are voiced."""
    found: dict[str, dict[str, dict[str, float]]] = {name: {} for name in makers}
    for hertz in pitches:
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in makers}
        for told in tolds:
            f0 = note(hertz, len(told.f0))
            singing = world(told, f0)
            as_told = Told(singing.double().numpy(), f0, told.voiced)
            for name, make in makers.items():
                made = singing if make is world else make(as_told)
                rows[name].append(sung(f0, told.voiced, tracked(made.double().numpy())))
        for name, mine in rows.items():
            found[name][f"{hertz:.0f}"] = {key: round(float(np.nanmean([r[key] for r in mine])), 4) for key in mine[0]}
            print(f"{hertz:.0f} Hz {name}", json.dumps(found[name][f"{hertz:.0f}"]), flush=True)
    return found


def note(hertz: float, frames: int) -> Floats:
    """(frames,) in Hz, with vibrato."""
    seconds = (np.arange(frames) + 0.5) * HOP / RATE
    rate, depth = VIBRATO
    wave: Floats = hertz * 2 ** (depth / 1200 * np.sin(2 * np.pi * rate * seconds))
    return wave


def draw(makers: dict[str, Make], told: Told, out: Path) -> None:
    """Spectrograms of the recording and its copies, one above the other."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    waves = {"recording": torch.from_numpy(told.wave).float()} | {name: make(told) for name, make in makers.items()}
    figure, rows = pyplot.subplots(len(waves), 1, figsize=(11, 2.6 * len(waves)), sharex=True)
    for axes, (name, wave) in zip(rows, waves.items(), strict=True):
        shown = 20 * (magnitude(wave[None, : int(SHOWN * RATE)], 1024)[0] + 1e-5).log10()
        axes.imshow(shown.numpy(), origin="lower", aspect="auto", extent=(0, SHOWN, 0, RATE / 2000), cmap="magma",
                    vmin=-70, vmax=0)  # fmt: skip
        axes.set(ylabel="kHz", title=name)
    rows[-1].set(xlabel="seconds")
    figure.tight_layout()
    figure.savefig(out, dpi=70)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packs", type=Path, nargs="+")
    parser.add_argument("--neural", type=Path, nargs="*", default=[], help="checkpoints instead of the released one")
    parser.add_argument("--every", type=int, default=50, help="as `held_out` in the training's plan")
    parser.add_argument("--count", type=int, default=10, help="recordings")
    parser.add_argument("--out", type=Path, default=Path("bench-out/vocoders"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    tolds = [Told.of(recording) for recording in split(read_recordings(given.packs), given.every)[1][: given.count]]
    names = {str(path): path.stem for path in given.neural} or {"neural": "neural"}
    ours = {shown: vocoder.load(name) for name, shown in (names | {"griffin-lim": "griffin-lim"}).items()}
    makers: dict[str, Make] = {name: lambda told, one=one: one.wave(told.frames) for name, one in ours.items()}  # type: ignore[misc]
    makers["world"] = world
    results: dict[str, Any] = {
        "recordings": len(tolds),
        "copies": copies(makers, tolds),
        "notes": notes(makers, tolds[:3]),
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    draw(makers, tolds[0], given.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
