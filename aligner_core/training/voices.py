"""Makes new recordings with phone times out of recordings that have them: real voices sing, whisper, shout, in choirs.

Run `python -m aligner_core.training.voices PACK... --out OUT.zip --minutes 55 --seed 1`. Recordings without `seg` take
theirs from NAME.labels.jsonl beside their pack (see label.py); a row says by "edges" whether the times of its source
were known and not only found by a model.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import soundfile

from aligner_core.audio import SAMPLE_RATE

from .data import labels_beside, rows, sound
from .singer import Manner, Score, Style, breath, compose, spoken_pitch, sung_pitch
from .vocoder import STEP, Floats, Segment, Timbre, Voice, analyse, settled, synthesize, tidy

KINDS: dict[str, tuple[float, Style]] = {  # share of the recordings, and how
    "sung": (2.5, Style((0.22, 0.8), breath=0.3)),
    "high": (2.0, Style((0.25, 0.9), (10.0, 15.0), formants=(1.0, 1.15))),
    "fast": (4.0, Style((0.12, 0.19), slide=(0.02, 0.04), others=(0.55, 0.9), rest=0.2)),
    "melisma": (1.5, Style((0.5, 1.2), several=0.6, slide=(0.03, 0.07))),
    "choir": (1.5, Style((0.3, 1.0), (-4.0, 6.0), vibrato=0.4, voices=(3, 6))),
    "duet": (2.0, Style((0.22, 0.8), (-2.0, 5.0), voices=(2, 2))),
    "whispered": (1.5, Style(None, vowels=(0.9, 1.4), formants=(1.0, 1.12), tilt=(2.0, 5.0), voiced=(-9.0, -4.0))),
    "shouted": (
        1.5,
        Style(None, (5.0, 12.0), vowels=(1.0, 1.6), formants=(1.0, 1.1), noise=(0.4, 0.9), tilt=(2.0, 4.5),
              voiced=(3.0, 8.0), drive=(1.5, 5.0)),
    ),
    "breaths": (1.0, Style((0.2, 0.8), rest=0.9, breath=1.0)),
}  # fmt: skip
SCORE = 0.6  # least of every word for labels made by the model
PHRASE = (2.0, 8.0)  # s; what is sung of a longer recording, so that more speakers are heard
PARTS = 0.15  # s; a shorter pause does not part phrases
BREATHES = 0.35  # s; no breath fits into a shorter rest
LATE = 0.03  # s; most that a voice of a choir is behind
CHORD = (0, 0, 0, 2, 4, 7, -7)  # degrees above the melody in a choir
PACKING = 0.945  # about 20 kbit/s
AHEAD = 4  # recordings in work for each worker


Row = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A recording to make others of; `exact` says whether its times were known."""

    pack: Path
    row: Row
    seg: list[list[object]]
    exact: bool


@dataclass(frozen=True)
class Order:
    """One recording to be made."""

    source: Source
    kind: str
    seed: str


@dataclass(frozen=True)
class Performance:
    """What was made: the wave (samples,) at SAMPLE_RATE, its segments, and the score they were sung by."""

    wave: Floats
    segments: list[Segment]
    score: Score


def find(packs: Iterable[Path]) -> list[Source]:
    """Recordings that can be used: spoken, with segments of their own or with good ones beside the pack."""
    found = []
    for pack in packs:
        labels = labels_beside(pack)
        for row in rows(pack):
            made = labels.get(row["id"], {"seg": [], "score": 0.0})
            seg = row.get("seg") or (made["seg"] if made["score"] >= SCORE else [])
            if seg and not row.get("notes") and _sayable(seg):
                found.append(Source(pack, row, seg, "seg" in row))
    return found


def _sayable(seg: Sequence[Sequence[object]]) -> bool:
    try:
        return bool(tidy(seg))
    except ValueError:
        return False


def orders(found: Sequence[Source], kinds: Sequence[str], rendered: float, seed: int) -> Iterator[Order]:
    """Without end: each source once before any comes again, `rendered` of the sound from rendered voices."""
    random = Random(seed)
    families = [[s for s in found if ("voice" in s.row) == own] for own in (True, False)]
    mean = [sum(min(s.row["dur"], PHRASE[1]) for s in family) / max(len(family), 1) for family in families]
    weights = [w / m if m else 0.0 for w, m in zip((rendered, 1 - rendered), mean, strict=True)]
    piles: list[list[Source]] = [[], []]
    number = 0
    while any(weights):
        which = random.choices((0, 1), weights)[0]
        piles[which] = piles[which] or random.sample(families[which], len(families[which]))
        kind = random.choices(kinds, [KINDS[k][0] for k in kinds])[0]
        yield Order(piles[which].pop(), kind, f"{seed}/{number}")
        number += 1


def phrase(segments: Sequence[Segment], random: Random) -> list[Segment]:
    """Some of the words, from pause to pause; all where no such part lasts between the two `PHRASE`."""
    pauses = [i for i, s in enumerate(segments) if s.word < 0 and (s.length > PARTS or i in {0, len(segments) - 1})]
    lengths = {(a, b): segments[b].start - segments[a].end for a in pauses for b in pauses if a < b}
    fitting = [part for part, length in lengths.items() if PHRASE[0] <= length <= PHRASE[1]]
    a, b = random.choice(fitting) if fitting else (0, len(segments) - 1)
    return list(segments[a : b + 1])


def perform(wave: Floats, segments: Sequence[Segment], style: Style, random: Random) -> Performance:
    """A recording (samples,) at SAMPLE_RATE made into another."""
    voice = analyse(wave, segments)
    score = compose(segments, voice, style, random)
    moved = score.time.moved(segments)
    rests = [s for s in moved if s.word < 0 and s.length > BREATHES and random.random() < style.breath]
    made = np.zeros(int(score.seconds * SAMPLE_RATE))
    for number in range(random.randint(*style.voices)):
        part = _part(voice, score, style, random, number, [] if number else rests)[: len(made)]
        made[: len(part)] += part
    return Performance(_levelled(made, style, random), moved, score)


def _part(voice: Voice, score: Score, style: Style, random: Random, number: int, rests: Sequence[Segment]) -> Floats:
    """One singer: number 0 leads, the others are a little behind, drift, differ in timbre and may sing in harmony."""
    times = STEP * np.arange(int(score.seconds / STEP) + 1, dtype=np.float64)
    behind = np.zeros_like(times) if not number else _behind(times, random)
    at = score.time.back(np.maximum(times - behind, 0))
    manner = Manner.draw(style, random, random.gauss(0, 0.12) if number else 0.0)
    if score.tones:
        pitch = sung_pitch(score, times - behind, manner, random, _above(style, number, random))
    else:
        pitch = spoken_pitch(voice, at, random.uniform(*style.lift), random.uniform(1.0, 1.4)) * bool(style.drive[1])
    formants = random.choice((0.84, 0.9, 1.1, 1.17)) if number else random.uniform(*style.formants)
    draws = [random.uniform(*r) for r in (style.noise, style.tilt, style.voiced)]
    air = breath(voice, rests, len(times), random) if rests else None
    gain = 10 ** (-random.uniform(0, 6) / 20) if number else 1.0
    return synthesize(voice, at, pitch, Timbre(formants, *draws), air) * gain


def _behind(times: Floats, random: Random) -> Floats:
    """Seconds, 0..LATE."""
    phase, speed = random.uniform(0, 6.3), random.uniform(0.5, 2.0)
    wander: Floats = random.uniform(0.005, LATE - 0.005) + 0.005 * np.sin(phase + speed * times)
    return wander


def _above(style: Style, number: int, random: Random) -> int:
    """Degrees from the melody to this singer's."""
    if not number:
        return 0
    return random.choice((2, 2, -2)) if style.voices[1] == 2 else random.choice(CHORD)


def _levelled(wave: Floats, style: Style, random: Random) -> Floats:
    """Driven if that is the style, at some level."""
    wave = wave / max(float(np.abs(wave).max()), 1e-6)
    drive = random.uniform(*style.drive)
    wave = np.tanh(drive * wave) / np.tanh(drive) if drive else wave
    return wave * random.uniform(0.4, 0.9)


def make(order: Order) -> tuple[bytes, Row]:
    """The Ogg Opus file and the manifest line of an order, without its id."""
    source, random = order.source, Random(order.seed)
    wave, rate = sound(source.pack, source.row["id"])
    if rate != SAMPLE_RATE:
        raise ValueError(f"packs hold {SAMPLE_RATE} Hz, not {rate}")
    part = phrase(tidy(source.seg), random)
    first, begin = min(s.word for s in part if s.word >= 0), part[0].start
    text = " ".join(source.row["text"].split()[first : 1 + max(s.word for s in part)])
    part = [Segment(max(s.word - first, -1), s.phone, s.start - begin, s.end - begin) for s in part]
    inside = slice(round(begin * SAMPLE_RATE), round((begin + part[-1].end) * SAMPLE_RATE))
    heard = wave[inside].astype(np.float64)
    part = part if source.exact else settled(heard, part)
    made = perform(heard, part, KINDS[order.kind][1], random)
    packed = io.BytesIO()
    soundfile.write(packed, made.wave, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=PACKING)
    seg = [[s.word, s.phone, round(s.start, 4), round(s.end, 4)] for s in made.segments]
    notes = [[round(tone.start, 3), round(made.score.pitch(tone), 2)] for tone in made.score.tones]
    kept: Row = {name: source.row[name] for name in ("speaker", "voice") if name in source.row}
    row: Row = {"text": text, "dur": round(len(made.wave) / SAMPLE_RATE, 4), "kind": order.kind, **kept}
    row |= {"of": f"{source.pack.stem}/{source.row['id']}", "source": source.row.get("source", "rendered")}
    row |= {"license": source.row.get("license", "Apache-2.0"), "edges": source.exact, "seg": seg, "notes": notes}
    return numbered(packed.getvalue(), zlib.crc32(order.seed.encode())), row


def numbered(ogg: bytes, serial: int) -> bytes:
    """An Ogg stream with this serial number instead of a random one, so that the same sound has the same bytes.

    The checksum (RFC 3533) runs from the high bit down and zlib's from the low bit up: the bits are turned round.
    """
    turned = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))
    pages, at = bytearray(), 0
    while at < len(ogg):
        table = ogg[at + 27 : at + 27 + ogg[at + 26]]
        end = at + 27 + len(table) + sum(table)
        page = ogg[at : at + 14] + serial.to_bytes(4, "little") + ogg[at + 18 : at + 22] + bytes(4) + ogg[at + 26 : end]
        crc = zlib.crc32(page.translate(turned), 0xFFFFFFFF) ^ 0xFFFFFFFF
        pages += page[:22] + crc.to_bytes(4, "big").translate(turned) + page[26:]
        at = end
    return bytes(pages)


def write_pack(out: Path, wanted: Iterator[Order], minutes: float, workers: int = 1) -> None:
    """Makes recordings into a pack at `out`, which appears when it is whole, until they last that long."""
    written: list[Row] = []
    unfinished = out.with_name(f"{out.name}.part")
    try:
        with zipfile.ZipFile(unfinished, "w") as pack, get_context("spawn").Pool(workers) as pool:
            seconds = 0.0
            while seconds < minutes * 60 and (batch := list(islice(wanted, AHEAD * workers))):
                for order, (ogg, row) in zip(batch, pool.imap(make, batch), strict=True):
                    if seconds < minutes * 60:
                        seconds += row["dur"]
                        written.append({"id": f"v{order.seed.replace('/', '-')}", **row})
                        pack.writestr(zipfile.ZipInfo(f"{written[-1]['id']}.ogg"), ogg)
            manifest = zipfile.ZipInfo("manifest.jsonl")
            pack.writestr(manifest, "\n".join(json.dumps(row) for row in written), zipfile.ZIP_DEFLATED)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def main() -> None:
    """Reads the options and writes the pack."""
    parser = argparse.ArgumentParser(description="Make singing, choirs, whispers and shouts out of recordings.")
    parser.add_argument("packs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--rendered", type=float, default=0.25, help="share of the sound from rendered voices")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    found = find(options.packs)
    wanted = orders(found, options.kinds, options.rendered, options.seed)
    write_pack(options.out, wanted, options.minutes, options.workers)


if __name__ == "__main__":
    main()
