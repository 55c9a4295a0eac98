"""Songs per second in steady state, and what would allow more: decoding alone, hearing alone, the model's operations.

    python -m benchmarks.throughput --device cuda --jobs 16 --copies 480 --out docs/throughput.json
    python -m benchmarks.throughput --page docs/throughput.json

Songs of the pack, as MP3 of 44.1 kHz in stereo, each many times over. In every round the same processes first do
nothing but decode, as here and as is usual, then all there is to do; ratios are of one round, so what else the machine
does matters less. Last, they do all without the GPU. The second command puts such figures into docs/library.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from aligner_core.errors import AlignerError
from aligner_core.resampling import resampled
from benchmarks import engine_page
from benchmarks.packs import SAMPLE_RATE, Item, data_root, read
from plugin.library.local import Local
from plugin.library.work import Item as Song
from plugin.library.work import Outcome, Settings

if TYPE_CHECKING:
    from aligner_core import Aligner
    from aligner_core.evidence import Table
    from aligner_core.timeline import Alignment

RATE = 44100  # Hz
BAR = 0.5  # of what decoding alone allows
WARM, COOL = 0.15, 0.1  # shares of the songs at the beginning and the end that do not count
SPARED = 6  # songs for each process, done without the GPU
DECODED = "decoded"


class Decoder:
    """Decodes, and that is all."""

    @property
    def aligner(self) -> Aligner:
        """There is none."""
        raise AlignerError("nothing is aligned")

    def hear(self, song: str, text: Alignment) -> Table:  # noqa: ARG002 (a Hearer)
        """Take all of a song at 16 kHz."""
        from aligner_core.streaming import stream

        for _ in stream(song):
            pass
        raise AlignerError(DECODED)


class Usual(Decoder):
    """Decodes as people do who have PyTorch: soundfile, then torchaudio's resampling."""

    def hear(self, song: str, text: Alignment) -> Table:  # noqa: ARG002 (a Hearer)
        """Take all of a song at 16 kHz."""
        import torch
        import torchaudio

        wave, rate = soundfile.read(song, dtype="float32", always_2d=True)
        torchaudio.functional.resample(torch.from_numpy(wave).mean(1), rate, SAMPLE_RATE)
        raise AlignerError(DECODED)


def decoder(settings: Settings, device: str) -> Decoder:  # noqa: ARG001 (loads a Hearer)
    """See `Local.load`."""
    return Decoder()


def usual(settings: Settings, device: str) -> Usual:  # noqa: ARG001 (loads a Hearer)
    """See `Local.load`."""
    return Usual()


@dataclass(frozen=True)
class Pace:
    """What one run came to.

    Args:
        rate: songs per second, from the first that counts to the last.
        sound: seconds of sound per second.
        took: mean seconds that a hand spent on a song, for each step.
    """

    rate: float
    sound: float
    took: dict[str, float]


def made(pack: Path, folder: Path, kind: str, count: int) -> list[tuple[Path, float]]:
    """Songs of the pack as files with their texts, and their seconds."""
    found = []
    for item in itertools.islice(read(pack), count):
        path = folder / f"{item.key}.{kind}"
        wave = np.concatenate(list(resampled([item.wave], SAMPLE_RATE, RATE)))
        soundfile.write(path, np.stack([wave, 0.9 * wave], 1), RATE)
        path.with_suffix(".txt").write_text(words(item), "utf-8")
        found.append((path, item.seconds))
    return found


def words(item: Item) -> str:
    """The lyrics of a song."""
    return "\n".join(line.text for line in item.reference.lines)


def copies(songs: Sequence[tuple[Path, float]], folder: Path, count: int) -> list[Song]:
    """So many songs: each is a file of its own name, with its own output."""
    made = []
    for at, (path, _) in zip(range(count), itertools.cycle(songs), strict=False):
        copy = folder / f"{at:05}{path.suffix}"
        os.link(path, copy)
        made.append(Song(str(copy), str(path.with_suffix(".txt")), (str(copy.with_suffix(".lrc")),)))
    return made


def steady(times: Sequence[float]) -> float:
    """Songs per second in the middle of a run, by the times at which they were done."""
    first, last = int(WARM * len(times)), int((1 - COOL) * len(times)) - 1
    return (last - first) / (times[last] - times[first])


def paced(outcomes: Iterator[Outcome], seconds: Sequence[float]) -> Pace:
    """Run through all, and look at the middle."""
    times: list[float] = []
    done: list[Outcome] = []
    for outcome in outcomes:
        times.append(time.perf_counter())
        done.append(outcome)
        if outcome.status == "failed" and outcome.why != DECODED:
            sys.exit(f"{outcome.item.song}: {outcome.why}")
    rate = steady(times)
    took = {
        name: statistics.fmean(getattr(outcome.took, name) for outcome in done)
        for name in ("hearing", "aligning", "writing")
    }
    return Pace(rate, rate * statistics.fmean(seconds), took)


def hearing_alone(device: str, waves: Sequence[Any], repeats: int) -> float:
    """Songs per second of one ear whose songs are in memory already."""
    import torch

    from aligner_core import acoustic
    from aligner_core.acoustic.together import Together

    together = Together(acoustic.load(None, device))
    tensors = [torch.from_numpy(wave) for wave in waves]
    begun = 0.0
    for at in range(repeats + 1):
        if at == 1:
            begun = time.perf_counter()
        for number, wave in enumerate(tensors):
            together.add((at, number), wave)
        heard = list(together.heard())
    together.flush()
    heard += list(together.heard())
    assert heard
    return repeats * len(tensors) / (time.perf_counter() - begun)


def limit(device: str, seconds: float) -> dict[str, float]:
    """Songs per second if the model's multiplications were all there is, at the rate of a large product of matrices."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from aligner_core import acoustic
    from aligner_core.acoustic.windows import Windowed
    from aligner_core.audio import MELS

    model = acoustic.load(None, device)
    assert isinstance(model, Windowed)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.table(torch.zeros(1, 1000, MELS, device=device))
    song = counter.get_total_flops() / 10 * seconds  # 1000 frames are 10 s
    size = 8192 if device != "cpu" else 1024
    matrix = torch.randn(size, size, device=device)
    rates = []
    for _ in range(6):
        begun = time.perf_counter()
        product = matrix
        for _ in range(4):
            product = matrix @ product
        float(product[0, 0])  # waits for the device
        rates.append(4 * 2 * size**3 / (time.perf_counter() - begun))
    peak = statistics.median(rates[1:])
    return {"flops_a_song": song, "flops_a_second": peak, "songs_a_second": peak / song}


def devices(told: str) -> tuple[str, ...]:
    """Of ears; none on the CPU."""
    return () if told == "cpu" else tuple(told.split(","))


def machine(device: str) -> str:
    """What it is measured on."""
    import torch

    gpu = torch.cuda.get_device_name(device) if device != "cpu" else "no GPU"
    return f"{gpu}, {os.cpu_count()} processors, torch {torch.__version__}"


def compared(options: argparse.Namespace, songs: Sequence[tuple[Path, float]], folder: Path) -> dict[str, Any]:
    """One round: the same processes decode, then do all."""
    items, seconds = copies(songs, folder, options.copies), [length for _, length in songs]
    alone, known = (paced(Local(options.jobs, load=load).run(items, Settings()), seconds) for load in (decoder, usual))
    whole = paced(Local(options.jobs, devices(options.device)).run(items, Settings()), seconds)
    print(f"decoding {alone.rate:.2f}/s, as usual {known.rate:.2f}/s, all {whole.rate:.2f}/s", file=sys.stderr)
    return {"decoding": vars(alone), "usual": vars(known), "all": vars(whole), "ratio": whole.rate / alone.rate}


def warmed_up(options: argparse.Namespace, songs: Sequence[tuple[Path, float]], folder: Path) -> None:
    """One song, so that what is compiled is compiled, and what does not work at all is told soon."""
    place = folder / "first"
    place.mkdir()
    begun = time.perf_counter()
    for outcome in Local(1, devices(options.device)).run(copies(songs, place, 1), Settings()):
        print(f"first song: {outcome.status} {outcome.why}, {time.perf_counter() - begun:.1f} s", file=sys.stderr)
    shutil.rmtree(place)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    pack = data_root(options.data) / "eval" / "songs.zip"
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="throughput-", dir=options.folder) as name:
        songs = made(pack, Path(name), options.kind, options.songs)
        warmed_up(options, songs, Path(name))
        for at in range(options.rounds):
            place = Path(name, str(at))
            place.mkdir()
            rounds.append(compared(options, songs, place))
            shutil.rmtree(place)
        without = paced(
            Local(options.jobs).run(copies(songs, Path(name), SPARED * options.jobs), Settings()),
            [length for _, length in songs],
        )
    ratios = sorted(one["ratio"] for one in rounds)
    seconds = statistics.fmean(length for _, length in songs)
    device = options.device.partition(",")[0]
    return {
        "machine": machine(device),
        "device": options.device,
        "jobs": options.jobs,
        "copies": options.copies,
        "kind": options.kind,
        "seconds_a_song": seconds,
        "rounds": rounds,
        "songs_a_second": statistics.median(one["all"]["rate"] for one in rounds),
        "ratio": {"median": statistics.median(ratios), "lowest": ratios[0], "highest": ratios[-1], "bar": BAR},
        "without_gpu": vars(without),
        "hearing_alone": hearing_alone(device, [item.wave for item in read(pack, "", options.songs)], options.repeats),
        "limit": limit(device, seconds),
    }


def told(found: dict[str, Any]) -> str:
    """The figures for people."""

    def row(what: str, rate: float, whole: float) -> str:
        return f"| {what} | {rate:.1f} | {rate * found['seconds_a_song']:,.0f} | {whole / rate:.0%} |"

    done, ratio = found["songs_a_second"], found["ratio"]
    rounds = found["rounds"]
    decoding, known = (statistics.median(one[name]["rate"] for one in rounds) for name in ("decoding", "usual"))
    aligning = statistics.median(one["all"]["took"]["aligning"] for one in rounds)
    rows = [
        row(f"all of it, {found['jobs']} processes and one for the GPU", done, done),
        row("the same processes, decoding alone", decoding, done),
        row("decoding as others do, with soundfile and torchaudio", known, done),
        row("the GPU's process alone, songs in memory", found["hearing_alone"], done),
        row("the model's multiplications, at the rate of a large product", found["limit"]["songs_a_second"], done),
        row("all of it without the GPU", found["without_gpu"]["rate"], done),
    ]
    return "\n".join([
        f"`python -m benchmarks.throughput`; {found['machine']}. Songs of {found['seconds_a_song'] / 60:.1f} minutes,",
        f"{found['copies']} in a run; ratios to decoding in {len(rounds)} rounds: "
        f"{ratio['lowest']:.0%} to {ratio['highest']:.0%}. Aligning takes a process {aligning:.2f} s for each;",
        f"{ratio['bar']:.0%} of decoding alone was aimed at.",
        "",
        "| | songs a second | times real time | of which all of it reaches |",
        "| --- | ---: | ---: | ---: |",
        *rows,
    ])  # fmt: skip


def main() -> None:
    """Print the figures as JSON, or put them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", help="cpu, cuda, or cuda:0,cuda:1...")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--copies", type=int, default=200, help="songs in a run")
    parser.add_argument("--songs", type=int, default=5, help="different ones")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=8, help="of hearing alone")
    parser.add_argument("--kind", choices=("mp3", "ogg", "flac"), default="mp3")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--folder", help="where the songs are put meanwhile")
    parser.add_argument("--out", type=Path, help="a file for the JSON")
    parser.add_argument("--page", type=Path, help="put such figures into docs/library.md, measure nothing")
    options = parser.parse_args()
    if options.page:
        engine_page.put("throughput", told(engine_page.read(options.page)), engine_page.DOCS / "library.md")
        return
    text = json.dumps(measured(options), indent=1)
    print(text)
    if options.out:
        options.out.write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    main()
