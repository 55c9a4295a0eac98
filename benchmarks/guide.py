"""The spoken voice against its teacher and other speakers: `python -m benchmarks.guide --teacher PACK.zip`.

The pack holds sentences that the voice has not learnt, as its teacher says them (`aligner_core.training.spoken`).
Measured in one run: times kept, words and phones that recognisers hear, distance from the teacher, speed, odd input.
Writes bench-out/guide.json and docs/guide.json, the tables of docs/guide-vocals.md and the pictures beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from aligner_core import Aligner, Alignment
from aligner_core.errors import AlignerError
from aligner_core.metrics import word_error_rate
from aligner_core.training.spoken import prepared
from aligner_core.tts.sound import HOP, RATE
from aligner_core.tts.synthesizer import Speech, Synthesizer
from aligner_core.weights import weights_path
from benchmarks import engine_page, guide_page, guide_pictures
from benchmarks.guide_measures import Floats, Writer, against, phone_errors
from benchmarks.guide_sound import OTHERS, Sentence, Take, forced, installed, renditions, sentences, speakers

JSON = Path(__file__).resolve().parents[1] / "bench-out" / "guide.json"
MODELS = ("english.voice", "neural.vocoder")
THREADS = 2
HEARD_WORDS = 200  # sentences, at most, that PocketSphinx hears
NEAR = 40  # that are held against the teacher's sound, which takes long
SPED = 20  # sentences for the speed
SILENT = 50.0  # dB below the loudest frame
NUMBER = "four hundred words go by before anybody stops to take a breath and to look back "
ODD: tuple[tuple[str, str], ...] = (
    ("one word", "Hello."),
    ("one letter", "a"),
    ("400 words", (NUMBER * 25).strip()),
    ("the same word 30 times", "no " * 30),
    ("digits", "In 1984 it cost $5.50, or 3/4 of that on the 21st."),
    ("unknown words", "The blorfing snarglewump quizzled."),
    ("no vowels", "zxqwv brrr pst hmm"),
    ("emoji among words", "I love 🎤 music 😀!"),
    ("emoji alone", "😀🎤"),
    ("another script", "Привет, мир"),
    ("nothing", ""),
    ("punctuation alone", "... --- ?!"),
)
PHONE = ("one phone", "AA1")


def main() -> None:
    """Measure, and write the page."""
    given = _options()
    torch.set_num_threads(1)
    for line in prepared([given.teacher], 1):
        print(line, flush=True)
    told = sentences(given.teacher, given.skip, given.limit)
    begin, ours = time.perf_counter(), Synthesizer.load(given.voice or "english", given.vocoder or "neural")
    chosen = given.only.split(",") if given.only else list(PARTS)
    figures = engine_page.read(given.json) if given.only else {}
    figures |= {"sentences": len(told), "words": sum(len(one.words) for one in told), "by": _machine()}
    for name in chosen:
        figures[name] = PARTS[name](ours, told, given)
        print(name, json.dumps(figures[name]), f"{time.perf_counter() - begin:.0f} s", flush=True)
        given.json.parent.mkdir(parents=True, exist_ok=True)
        engine_page.write(given.json, figures)
    if not given.no_page:
        guide_page.publish(figures)
        guide_pictures.draw(ours, told[0])


def timing(ours: Synthesizer, told: Sequence[Sentence], given: argparse.Namespace) -> dict[str, Any]:
    """Seconds between where words were forced to begin and where the aligner hears them begin."""
    random, aligner, late, missing = np.random.default_rng(given.seed), Aligner.load(), [], 0
    for sentence in told:
        wanted = forced(sentence, random)
        speech = ours.speak(wanted)
        heard = aligner.align_wave(speech.wave, speech.sample_rate, Alignment.from_text(" ".join(sentence.words)))
        for one, other in zip(wanted.words, heard.words, strict=True):
            if one.start is None or other.start is None:
                missing += 1
            else:
                late.append(other.start - one.start)
    return edge_figures(np.array(late)) | {"missing": missing}


def edge_figures(late: Floats) -> dict[str, Any]:
    """Of errors in seconds, nothing taken off: absolute ones but for the bias."""
    size = np.abs(late)
    return {
        "words": len(late),
        "median": float(np.median(size)),
        "p95": float(np.percentile(size, 95)),
        "bias": float(np.median(late)),
        "within_25": float((size <= 0.025 + 1e-9).mean()),
        "within_80": float((size <= 0.08 + 1e-9).mean()),
    }


def heard(ours: Synthesizer, told: Sequence[Sentence], given: argparse.Namespace) -> dict[str, Any]:
    """Error rates of recognisers, by speaker."""
    aligner, part = Aligner.load(), list(told)[:HEARD_WORDS]
    out = engine_page.read(given.json).get("heard", {}).get("speakers", {}) if given.speakers else {}
    with ProcessPoolExecutor(given.workers, initializer=_writes) as pool:
        for name, speak in speakers(ours).items():
            if given.speakers and name not in given.speakers.split(","):
                continue
            takes = [speak(sentence) for sentence in part]
            texts = list(pool.map(_written, [take.heard for take in takes], chunksize=4))
            out[name] = {
                "wer": word_error_rate([" ".join(one.words) for one in part], texts),
                "wer_half_width": half_width(part, texts),
                "per": phone_errors(aligner.model, takes),
                "seconds": sum(len(take.wave) / take.rate for take in takes),
            }
            print(name, json.dumps(out[name]), flush=True)
    return {"sentences": len(part), "speakers": out, "absent": sorted(set(OTHERS) - set(installed()))}


def half_width(part: Sequence[Sentence], texts: Sequence[str]) -> float:
    """Of the 95 % interval of the word error rate: sentences drawn anew 1000 times."""
    errors = [word_error_rate([" ".join(one.words)], [text]) * len(one.words)
              for one, text in zip(part, texts, strict=True)]  # fmt: skip
    counts = np.array([len(one.words) for one in part])
    drawn = np.random.default_rng(0).integers(len(part), size=(1000, len(part)))
    rates = np.array(errors)[drawn].sum(1) / counts[drawn].sum(1)
    return float(np.subtract(*np.percentile(rates, (97.5, 2.5))) / 2)


def near(ours: Synthesizer, told: Sequence[Sentence], _: argparse.Namespace) -> dict[str, Any]:
    """Distance from the teacher's sound."""
    return {"sentences": len(told[:NEAR]), "by": against(told[:NEAR], dict(renditions(ours)))}


def speed(ours: Synthesizer, told: Sequence[Sentence], _: argparse.Namespace) -> dict[str, Any]:
    """Times real time, from text to sound, and what it takes to begin."""
    torch.set_num_threads(THREADS)
    ours.speak(told[0].text)
    ratios, work = [], []
    for sentence in told[:SPED]:
        begin = time.perf_counter(), time.process_time()
        seconds = len(ours.speak(sentence.text).wave) / RATE
        ratios.append(seconds / (time.perf_counter() - begin[0]))
        work.append(seconds / (time.process_time() - begin[1]))
    torch.set_num_threads(1)
    script = (
        "import time; a = time.perf_counter(); from aligner_core.tts.synthesizer import Synthesizer as S;"
        " b = time.perf_counter(); S.load(); print(b - a, time.perf_counter() - b)"
    )
    found = [subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
             for _ in range(3)]  # fmt: skip
    imports, loads = zip(*(map(float, line.split()) for line in found), strict=True)
    return {
        "threads": THREADS, "times_real_time": median(ratios), "least": min(ratios),
        "times_processor": median(work), "busy": os.getloadavg()[0] / (os.cpu_count() or 1),
        "import_seconds": median(imports), "load_seconds": median(loads),
        "bytes": {name: weights_path(name).stat().st_size for name in MODELS},
    }  # fmt: skip


def odd(ours: Synthesizer, _: Sequence[Sentence], __: argparse.Namespace) -> list[dict[str, Any]]:
    """What comes of input that nobody thought of."""
    model = Aligner.load().model
    out: list[dict[str, Any]] = []
    for name, text in (*ODD, PHONE):
        row: dict[str, Any] = {"name": name, "text": text}
        try:
            speech = ours.synthesize_from_phonemes([text]) if (name, text) == PHONE else ours.speak(text)
        except AlignerError as error:
            out.append(row | {"error": str(error)})
            continue
        said = tuple(phone.text for phone in speech.alignment.phones)
        row |= {"phones": len(said), "seconds": len(speech.wave) / RATE, "silence": silence(speech)}
        row |= {"run_on": run_on(speech), "notes": list(speech.notes)}
        out.append(row | {"per": phone_errors(model, [Take(speech.wave, speech.sample_rate, said)])})
    return out


def _levels(speech: Speech) -> Floats:
    frames = len(speech.wave) // HOP
    power = np.square(speech.wave[: frames * HOP].astype(np.float64)).reshape(frames, HOP).mean(1)
    return np.asarray(10 * np.log10(power + 1e-12), np.float64)


def silence(speech: Speech) -> float:
    """Share of the frames that are so much quieter than the loudest that nothing is heard."""
    level = _levels(speech)
    return float((level < level.max() - SILENT).mean())


def run_on(speech: Speech) -> float:
    """Seconds in which something is heard although nothing is said, more than 50 ms away from any sound."""
    level = _levels(speech)
    near_sound = np.zeros(len(level), bool)
    for phone in speech.alignment.phones:
        if phone.start is not None and phone.end is not None:
            near_sound[max(round(phone.start * RATE / HOP) - 5, 0) : round(phone.end * RATE / HOP) + 5] = True
    return float(((level >= level.max() - SILENT) & ~near_sound).sum() * HOP / RATE)


PARTS = {"timing": timing, "heard": heard, "near": near, "speed": speed, "odd": odd}

_writer: Writer | None = None


def _writes() -> None:
    global _writer  # noqa: PLW0603 - one a process
    torch.set_num_threads(1)
    _writer = Writer()


def _written(wave: Any) -> str:
    assert _writer is not None
    return _writer(wave)


def _machine() -> Mapping[str, str]:
    return {"name": platform.machine(), "torch": torch.__version__, "python": platform.python_version()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, required=True, metavar="PACK.zip")
    parser.add_argument("--only", default="", help=f"comma-separated: {', '.join(PARTS)}; the rest stays as it was")
    parser.add_argument(
        "--speakers", default="", help="comma-separated: only these are heard; the rest stays as it was"
    )
    parser.add_argument("--skip", type=int, default=0, help="leave out the first sentences: those of experiments")
    parser.add_argument("--limit", type=int, help="take so many sentences at most")
    parser.add_argument("--voice", help="another voice than the released one")
    parser.add_argument("--vocoder", help="another vocoder than the released one")
    parser.add_argument("--seed", type=int, default=0, help="of the times that are forced")
    parser.add_argument("--workers", type=int, default=THREADS, help="processes of PocketSphinx")
    parser.add_argument("--json", type=Path, default=JSON, help="where the figures go")
    parser.add_argument("--no-page", action="store_true", help="leave docs/ alone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
