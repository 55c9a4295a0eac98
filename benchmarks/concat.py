"""Long recordings with known times, and new ones cut from them: songs, utterances in a row, and splices.

Every cut falls on a frame of the acoustic model, so that the sound and what the model makes of it are cut alike.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from aligner_core.acoustic import AcousticModel
from aligner_core.timeline import Alignment, Line
from benchmarks import packs

FRAME = 160  # samples
FRAMES_PER_SECOND = packs.SAMPLE_RATE // FRAME
FADE = 80  # samples on either side of a joint
PAUSE = (0.2, 1.0)  # seconds between utterances
TURNS = 10  # utterances of one pack before the next pack has its turn
MARGIN = 1.0  # seconds: the most that a cut leaves of a break to the line beside it

Wave = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Recording:
    """A sound and the lines in it, all timed, in the order of time.

    Args:
        wave: float32 (samples,) at 16 kHz.
    """

    key: str
    wave: Wave
    lines: tuple[Line, ...]

    @property
    def frames(self) -> int:
        """Length of the sound."""
        return len(self.wave) // FRAME

    def gap(self, line: int) -> tuple[float, float]:
        """Start and end in seconds of the break before a line; before the line after the last: what follows it."""
        begin = edges(self.lines[line - 1])[1] if line else 0.0
        end = edges(self.lines[line])[0] if line < len(self.lines) else self.frames / FRAMES_PER_SECOND
        return begin, end

    def middle(self, line: int) -> int:
        """Frame in the middle of the break before a line."""
        return round(sum(self.gap(line)) / 2 * FRAMES_PER_SECOND)

    def block(self, first: int, last: int) -> tuple[int, int]:
        """Frames at which to cut lines first..last-1 out: in the breaks around them, near to them."""
        before = edges(self.lines[first])[0] - MARGIN
        after = edges(self.lines[last - 1])[1] + MARGIN
        begin = max(self.middle(first), round(before * FRAMES_PER_SECOND))
        return begin, min(self.middle(last), round(after * FRAMES_PER_SECOND))


@dataclass(frozen=True)
class Piece:
    """Frames first..last-1 of the recording `source`."""

    source: str
    first: int
    last: int


@dataclass(frozen=True)
class Sung:
    """A line where a splice has it, and its number in the recording it comes from."""

    source: str
    number: int
    line: Line


def edges(line: Line) -> tuple[float, float]:
    """Start and end of a line in seconds.

    Raises:
        ValueError: it has none.
    """
    if line.start is None or line.end is None:
        raise ValueError(f"{line.text!r} has no time")
    return line.start, line.end


def songs(root: Path) -> list[Recording]:
    """The songs timed by hand."""
    return [Recording(item.key, item.wave, item.reference.lines) for item in packs.read(root / "eval" / "songs.zip")]


def speech(root: Path, minutes: float) -> Recording:
    """Utterances no model was trained on in a row, a line each; beyond 50 minutes others follow."""
    heard = _turns(
        packs.read(root / "eval" / "librispeech-aligned-5652.zip"),
        packs.read(root / "eval" / "synth-held-out-voices.zip", "s"),
    )
    known = packs.read(root / "speech" / "librispeech-aligned.zip")
    return joined(f"speech of {minutes:g} minutes", _once(heard, known), minutes)


def others(root: Path) -> Recording:
    """What other voices say: foreign to all of `songs` and `speech`."""
    return joined("other voices", _once(packs.read(root / "synth" / "synth-0.zip", "s")), 60)


def music(root: Path) -> list[Recording]:
    """Instrumental tracks."""
    with zipfile.ZipFile(root / "music" / "music.zip") as pack:
        rows = [json.loads(row) for row in pack.read("manifest.jsonl").decode().splitlines()]
        sounds = [soundfile.read(io.BytesIO(pack.read(f"{row['id']}.ogg")), dtype="float32")[0] for row in rows]
    return [Recording(row["id"], sound, ()) for row, sound in zip(rows, sounds, strict=True)]


def joined(key: str, items: Iterable[packs.Item], minutes: float, pause: tuple[float, float] = PAUSE) -> Recording:
    """Items one after the other with silences of random length between them, about so many minutes of them.

    Args:
        pause: least and most seconds between two.
    """
    generator = np.random.default_rng(len(key))
    parts: list[Wave] = []
    lines: list[Line] = []
    at = 0
    for item in items:
        if at >= minutes * 60 * packs.SAMPLE_RATE:
            break
        lines += item.reference.shifted(at / packs.SAMPLE_RATE).lines
        silence = np.zeros(int(generator.uniform(*pause) * packs.SAMPLE_RATE), np.float32)
        parts += [item.wave, silence]
        at += len(item.wave) + len(silence)
    return Recording(key, np.concatenate(parts), tuple(lines))


def spliced(pieces: Sequence[Piece], sources: Mapping[str, Recording]) -> Wave:
    """The sound of the pieces, float32 (samples,): faded into each other around each joint, which moves nothing."""
    ends = list(accumulate((piece.last - piece.first for piece in pieces), initial=0))
    out = np.zeros(ends[-1] * FRAME, np.float32)
    for place, piece in zip(ends, pieces, strict=False):
        wave = sources[piece.source].wave
        first, last = piece.first * FRAME, piece.last * FRAME
        lead = FADE if place else 0
        trail = FADE if place + piece.last - piece.first < ends[-1] else 0
        part = _padded(wave, first - lead, last + trail)
        ramp = (np.arange(2 * FADE, dtype=np.float32) + 0.5) / (2 * FADE)
        if lead:
            part[: 2 * FADE] *= ramp
        if trail:
            part[-2 * FADE :] *= ramp[::-1]
        begin = place * FRAME - lead
        out[begin : begin + len(part)] += part
    return out


def spliced_lines(pieces: Sequence[Piece], sources: Mapping[str, Recording]) -> list[Sung]:
    """The lines whose middles the pieces have, at their new times."""
    out, place = [], 0
    for piece in pieces:
        for number, line in enumerate(sources[piece.source].lines):
            if piece.first <= sum(edges(line)) / 2 * FRAMES_PER_SECOND < piece.last:
                moved = Alignment((line,)).shifted((place - piece.first) / FRAMES_PER_SECOND)
                out.append(Sung(piece.source, number, moved.lines[0]))
        place += piece.last - piece.first
    return out


@dataclass(frozen=True)
class Ear:
    """What a model makes of a wave, kept on disk: KARALIGN_BENCH_CACHE or benchmarks/.cache.

    Args:
        name: what tells this model from others.
    """

    model: AcousticModel
    name: str

    def heard(self, wave: Wave) -> torch.Tensor:
        """Log-probabilities (frames, symbols)."""
        folder = Path(os.environ.get("KARALIGN_BENCH_CACHE") or Path(__file__).parent / ".cache")
        key = hashlib.sha256(self.name.encode() + wave.tobytes()).hexdigest()[:32]
        path = folder / f"{key}.npy"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            found = self.model.log_probs(torch.from_numpy(wave)).cpu().numpy()
            partial = folder / f"{key}.{os.getpid()}.part"
            with partial.open("wb") as file:
                np.save(file, found)
            partial.replace(path)
        return torch.from_numpy(np.load(path))

    def spliced(self, pieces: Sequence[Piece], sources: Mapping[str, Recording]) -> torch.Tensor:
        """What was heard in each source, cut and joined as its sound would be."""
        heard = {key: self.heard(sources[key].wave) for key in {piece.source for piece in pieces}}
        return torch.cat([heard[piece.source][piece.first : piece.last] for piece in pieces])


def _turns(*kinds: Iterator[packs.Item]) -> Iterator[packs.Item]:
    """`TURNS` items of each in turn, as long as any has some."""
    while rounds := [item for kind in kinds for _, item in zip(range(TURNS), kind, strict=False)]:
        yield from rounds


def _once(*kinds: Iterator[packs.Item]) -> Iterator[packs.Item]:
    """All items whose text was not there before."""
    seen: set[str] = set()
    for kind in kinds:
        for item in kind:
            text = item.reference.lines[0].text
            if text not in seen:
                seen.add(text)
                yield item


def _padded(wave: Wave, first: int, last: int) -> Wave:
    """Samples first..last-1, with zeros where there are none."""
    inside = wave[max(first, 0) : max(last, 0)]
    before = max(-first, 0)
    return np.pad(inside, (before, last - first - before - len(inside)))


def untimed(line: Line) -> Line:
    """The line as text only."""
    words = tuple(replace(word, start=None, end=None, syllables=()) for word in line.words)
    return replace(line, start=None, end=None, words=words)
