"""Speech of one voice to train the spoken voice with: `python -m aligner_core.training.spoken PACK.zip ...`.

A spoken pack is a zip of ID.ogg at 24 kHz and a manifest.jsonl with `seg`, where the phones carry stress. The times in
it are coarse, so the released aligner's network times the phones anew, pauses optional between words; PACK.spoken.pt
beside the pack then holds phones, their frames and the pitch, for all recordings in which that went well. Song is
marked with `"sung": true`. Training reads both with `read_spoken`; it needs neither the aligner nor a pitch tracker.
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, pairwise, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner_core import checkpoints
from aligner_core.errors import AudioError
from aligner_core.phones import VOWELS, base
from aligner_core.tts.acoustic import PAUSE, SYMBOLS
from aligner_core.tts.sound import HOP, RATE

from .data import decoded, rows

if TYPE_CHECKING:
    from aligner_core.acoustic import AcousticModel

SHORTEST_PAUSE = 10  # frames; what is shorter belongs to the sounds beside it
CLOSURES = frozenset("P T K B D G CH JH".split())  # noqa: SIM905 - they begin with silence
LEAST = 2  # frames of a phone
PITCHES = (80.0, 800.0)  # Hz between which a voice is looked for
ASTRAY = 0.25  # s between the times of the manifest and ours; a recording in which more phones than a
ASTRAY_SHARE = 0.05  # share of all are so far off is left out
SUNG = 0.8  # share of its vowels that song must have a pitch in
KIND = "spoken labels"
LAG = 0.05  # s by which the times of the manifest are late
SLACK = 0.12  # s besides, by which they may be wrong; beyond,
AWAY = 2.0  # nats are taken off for each frame


class Labels(NamedTuple):
    """One recording: phones with "sil", frames of each, Hz of each frame (0 where there is no pitch)."""

    phones: list[str]
    durations: list[int]
    f0: NDArray[np.float32]


@dataclass(frozen=True)
class Recordings:
    """Recordings as flat tensors; recording i has phones `phone_at[i]:phone_at[i + 1]`, and so on.

    Args:
        ids: their names, with that of their pack.
        wave: int16 (all samples,) at RATE, HOP for each frame.
        phones, durations: int64 (all phones,), indices into `SYMBOLS`, and frames.
        f0: float32 (all frames,), Hz, 0 where there is no pitch.
        phone_at, frame_at: int64 (recordings + 1,), on the CPU.
        sung: bool (recordings,), on the CPU.
    """

    ids: tuple[str, ...]
    wave: Tensor
    phones: Tensor
    durations: Tensor
    f0: Tensor
    phone_at: Tensor
    frame_at: Tensor
    sung: Tensor


class GivenPhone(NamedTuple):
    """A phone as the manifest has it: its word, its name with stress, and coarse times in s."""

    word: int
    phone: str
    start: float
    end: float


def said(seg: Sequence[Sequence[Any]]) -> list[GivenPhone]:
    """The phones of a manifest's row, without pauses."""
    return [GivenPhone(int(word), str(phone), float(a), float(b)) for word, phone, a, b in seg if word >= 0]


def timed(model: AcousticModel, wave: NDArray[np.float32], phones: Sequence[GivenPhone]) -> list[tuple[float, float]]:
    """Seconds at which each of these phones begins and ends, by the model's best path; [] if they do not fit.

    Args:
        wave: (samples,) at RATE.
    """
    from aligner_core.audio import resample
    from aligner_core.edges import refine
    from aligner_core.graph import Graph
    from aligner_core.lattice import Visit
    from aligner_core.viterbi import viterbi

    heard = model.log_probs(resample(torch.from_numpy(wave), RATE, model.sample_rate))
    count = len(model.symbols)
    states = _states(phones)
    rests = [state is None for state in states]
    graph = Graph.chain(range(len(states)), [1 if rest else LEAST for rest in rests], rests)
    if graph.frames_needed > len(heard):
        return []
    path = viterbi(_scores(model, heard[:, :count], states), graph)
    visited = zip(path.states.tolist(), path.starts.tolist(), path.ends.tolist(), strict=True)
    visits = [Visit(state.word, 0, 0, 0, s, a, b) for s, a, b in visited if (state := states[s])]
    spans = refine(visits, heard[:, count:]) if heard.shape[1] > count else [(v.start, v.end) for v in visits]
    return [(a * model.frame_seconds, b * model.frame_seconds) for a, b in spans]


def _states(phones: Sequence[GivenPhone]) -> list[GivenPhone | None]:
    """The phones in order, with a rest (None) before, after, and between words."""
    out: list[GivenPhone | None] = [None]
    for _, word in groupby(phones, key=lambda phone: phone.word):
        out += [*word, None]
    return out


def _scores(model: AcousticModel, heard: Tensor, states: Sequence[GivenPhone | None]) -> NDArray[np.int32]:
    """What each state is worth in each frame, (frames, states): less where its phone is far from where it should be,
    which holds together what is sung, as networks know long vowels less well."""
    from aligner_core.costs import Decoding
    from aligner_core.evidence import columns, weighed
    from aligner_core.lattice import REST
    from aligner_core.viterbi import UNITS_PER_NAT

    places = columns(model.symbols).phones
    weights = weighed(heard, model.symbols, Decoding(pause=0.0))
    out = weights[:, [places[base(state.phone)] if state else REST for state in states]].astype(np.int32)
    time = np.arange(len(out)) * model.frame_seconds
    for at, state in enumerate(states):
        if state:
            away = (time < state.start - LAG - SLACK) | (time > state.end - LAG + SLACK)
            out[away, at] -= round(AWAY * UNITS_PER_NAT)
    return out


def in_frames(phones: Sequence[str], times: Sequence[tuple[float, float]], frames: int) -> tuple[list[str], list[int]]:
    """Phones and pauses with whole frames that fill the recording; a short pause goes to the sounds beside it.

    Args:
        times: s, of each phone.
        frames: of the recording.
    """
    names: list[str] = []
    starts: list[int] = []
    spans = [(round(a * RATE / HOP), round(b * RATE / HOP)) for a, b in times]
    for at, (phone, (heard, _)) in enumerate(zip(phones, spans, strict=True)):
        before, start = spans[at - 1][1] if at else 0, heard
        if heard - before >= SHORTEST_PAUSE or (at == 0 and heard > 0):
            names.append(PAUSE)
            starts.append(before)
        elif at and heard > before:  # a stop begins with its closure; else each takes half
            start = before if base(phone) in CLOSURES else (before + heard) // 2
        names.append(phone)
        starts.append(start)
    if spans and frames - spans[-1][1] > 0:
        names, starts = [*names, PAUSE], [*starts, spans[-1][1]]
    return names, _apart(starts, frames)


def _apart(starts: Sequence[int], frames: int) -> list[int]:
    """Lengths from starts: the first is 0, and each lasts a frame or more if all fit."""
    left = len(starts)
    out = [0]
    for at, start in enumerate(starts[1:], start=1):
        out.append(min(max(start, out[-1] + 1), frames - (left - at)))
    return [b - a for a, b in pairwise([*out, frames])]


def pitches(
    wave: NDArray[np.floating[Any]], frames: int, between: tuple[float, float] = PITCHES
) -> NDArray[np.float32]:
    """Hz in the middle of each frame (frames,), 0 where there is no pitch; WORLD's Harvest (Morise 2017).

    Args:
        wave: (samples,) at RATE.
        between: Hz that are looked for.
    """
    import pyworld

    step = 1000 * HOP / RATE / 2  # ms; every other value lies in the middle of a frame
    low, high = between
    found, _ = pyworld.harvest(wave.astype(np.float64), RATE, f0_floor=low, f0_ceil=high, frame_period=step)
    middle = np.asarray(found[1::2][:frames], np.float32)
    return np.pad(middle, (0, frames - len(middle)))


def labelled(model: AcousticModel, row: dict[str, Any], wave: NDArray[np.float32]) -> Labels | None:
    """The labels of one recording; None if the sound is not what its row says."""
    phones = said(row["seg"])
    times = timed(model, wave, phones)
    frames = len(wave) // HOP
    far = sum(abs(start - phone.start) > ASTRAY for (start, _), phone in zip(times, phones, strict=bool(times)))
    if not times or far > ASTRAY_SHARE * len(phones) or 2 * len(phones) > frames:
        return None
    names, durations = in_frames([phone.phone for phone in phones], times, frames)
    labels = Labels(names, durations, pitches(wave, frames))
    return None if row.get("sung") and sounding(labels) < SUNG else labels


def sounding(labels: Labels) -> float:
    """Share of the frames of vowels that have a pitch: a voice made to sing beyond what it can do whispers."""
    vowel = np.repeat([base(name) in VOWELS for name in labels.phones], labels.durations)
    return float((labels.f0[vowel] > 0).mean()) if vowel.any() else 0.0


def prepare(pack: Path, workers: int = 2) -> tuple[int, int]:
    """Write PACK.spoken.pt; how many recordings it holds, and how many there are."""
    found = rows(pack)
    with ProcessPoolExecutor(workers, initializer=_one_thread) as pool:
        made = list(pool.map(_labelled, [(pack, row) for row in found], chunksize=4))
    good = [(row, labels) for row, labels in zip(found, made, strict=True) if labels]
    write_labels(pack, good)
    return len(good), len(found)


def write_labels(pack: Path, good: Sequence[tuple[dict[str, Any], Labels]]) -> None:
    """Write PACK.spoken.pt: rows of the manifest and what is known of them."""
    index = {name: at for at, name in enumerate(SYMBOLS)}
    data = {
        "kind": KIND,
        "symbols": list(SYMBOLS),
        "ids": [row["id"] for row, _ in good],
        "sung": torch.tensor([bool(row.get("sung")) for row, _ in good], dtype=torch.bool),
        "phones": _flat([[index[name] for name in labels.phones] for _, labels in good]),
        "durations": _flat([labels.durations for _, labels in good]),
        "f0": torch.from_numpy(np.concatenate([np.zeros(0, np.float32), *(labels.f0 for _, labels in good)])),
        "phone_at": _offsets(len(labels.phones) for _, labels in good),
        "frame_at": _offsets(len(labels.f0) for _, labels in good),
    }
    checkpoints.write(data, beside(pack))


def beside(pack: Path) -> Path:
    """Where the labels of a pack lie."""
    return pack.with_suffix(".spoken.pt")


def _flat(lists: Iterable[Sequence[int]]) -> Tensor:
    return torch.tensor([value for values in lists for value in values], dtype=torch.int16)


def _offsets(lengths: Iterable[int]) -> Tensor:
    return torch.tensor([0, *np.cumsum(list(lengths)).tolist()], dtype=torch.int64)


def _one_thread() -> None:
    torch.set_num_threads(1)


def _labelled(work: tuple[Path, dict[str, Any]]) -> Labels | None:
    from aligner_core import acoustic

    global _model  # noqa: PLW0603 - one a process
    _model = _model or acoustic.load()
    pack, row = work
    with zipfile.ZipFile(pack) as opened:
        wave = decoded(opened.read(f"{row['id']}.ogg"), f"{pack}: {row['id']}", RATE)
    return labelled(_model, row, wave.astype(np.float32) / np.float32(32768))


_model: Any = None


def read_spoken(packs: Iterable[Path], device: torch.device | str = "cpu", workers: int = 16) -> Recordings:
    """All labelled recordings of these packs, decoded with threads; flat tensors on the device.

    Raises:
        AudioError: a sound has another length than its labels, or another rate.
    """
    parts = [_read(pack, workers) for pack in packs]
    at = [torch.zeros(1, dtype=torch.int64)], [torch.zeros(1, dtype=torch.int64)]
    for _, _, data in parts:
        for list_, name in zip(at, ("phone_at", "frame_at"), strict=True):
            list_.append(data[name][1:] + list_[-1][-1])
    flat = {name: torch.cat([data[name] for _, _, data in parts]) for name in ("phones", "durations", "f0", "sung")}
    return Recordings(
        tuple(name for ids, _, _ in parts for name in ids),
        torch.from_numpy(np.concatenate([wave for _, waves, _ in parts for wave in waves])).to(device),
        flat["phones"].long().to(device), flat["durations"].long().to(device), flat["f0"].to(device),
        torch.cat(at[0]), torch.cat(at[1]), flat["sung"],
    )  # fmt: skip


def _read(pack: Path, workers: int) -> tuple[list[str], list[NDArray[np.int16]], dict[str, Any]]:
    data = cast(dict[str, Any], torch.load(beside(pack), weights_only=True))
    if tuple(data["symbols"]) != SYMBOLS:
        raise AudioError("labels of another version", str(beside(pack)), "prepare the pack again")
    with zipfile.ZipFile(pack) as opened:
        sounds = [opened.read(f"{name}.ogg") for name in data["ids"]]
    with ThreadPoolExecutor(workers) as pool:
        waves = list(pool.map(decoded, sounds, (f"{pack}: {name}" for name in data["ids"]), repeat(RATE)))
    cut = []
    for name, wave, frames in zip(data["ids"], waves, data["frame_at"].diff().tolist(), strict=True):
        if len(wave) // HOP != frames:
            raise AudioError(f"{len(wave) // HOP} frames, labels of {frames}", f"{pack}: {name}")
        cut.append(wave[: frames * HOP])
    return [f"{pack.stem}/{name}" for name in data["ids"]], cut, data


def prepared(packs: Iterable[Path], workers: int) -> Iterator[str]:
    """Prepare each pack that is not yet; what came of it."""
    for pack in packs:
        if beside(pack).exists():
            yield f"{pack}: done before"
            continue
        good, all_ = prepare(pack, workers)
        yield f"{pack}: {good} of {all_} recordings"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packs", type=Path, nargs="+")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    for line in prepared(given.packs, given.workers):
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
