"""Whether a score tells how far a time can be trusted, and the constants that make it so.

    python -m benchmarks.confidence measure [--only PACK] [--out FILE]
    python -m benchmarks.confidence fit --voices PACK.zip --music MUSIC.zip

`measure` writes docs/confidence.json and .png and a table of docs/engine.md; with --only or --out all but the JSON stay
as they are. `fit` prints `CONFIDENCE` of aligner_core/costs.py, from sound that the network has not seen: rendered
voices (ids that begin with m are sung, with s spoken) and recordings held out of training, with music and without.
"""

from __future__ import annotations

import argparse
import io
import math
import random
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import soundfile
import torch

from aligner_core import Aligner, confidence
from aligner_core.anchors import WHOLE, choose
from aligner_core.errors import AlignmentError
from aligner_core.parts import in_pieces
from aligner_core.text import mark
from aligner_core.timeline import Alignment, Line, enclosing
from aligner_core.training.align import split
from aligner_core.training.data import manifest
from benchmarks import concat, damage, engine_page, packs, report
from benchmarks.calibration import Bools, Floats, Scored, draw, figures, logistic, table
from benchmarks.concat import Ear, Recording
from benchmarks.edits import Case, Material

JSON = engine_page.DOCS / "confidence.json"
PICTURE = engine_page.DOCS / "confidence.png"
NEAR = 0.3  # seconds
ROW, IN_A_ROW = 8, 20  # words of a line of speech; utterances of a recording
FOREIGN = "foreign verse in the text"
DAMAGES = {"songs": 3}  # foreign verses tried in each recording; one in others

SHORT_ROW, CHAIN = 6, (10, 13)  # to fit with: words of a line; utterances of a recording
GAP, LEAD = (0.1, 8.0), (2.0, 15.0)  # seconds between utterances, and before the first
ROUNDS = 4  # in which the sung utterances are put together anew
SUNG_OVER = (-6.0, 6.0)  # decibels of the voice above the music
SPOKEN_OVER = (math.inf, math.inf, 0.0, 6.0)  # of one recording after the other
READ_OVER = (math.inf, 8.0, 4.0, 0.0, -3.0)


@dataclass(frozen=True)
class Told:
    """A line that was found: its score and those of its words, and how many seconds its times are off.

    Args:
        start: of the line; infinite where it is not sung at all.
        words: score and error of the start of each.
    """

    score: float
    start: float
    words: tuple[tuple[float, float], ...]

    @property
    def mean(self) -> float:
        """Seconds that its words are off on average."""
        return sum(error for _, error in self.words) / len(self.words)


@dataclass(frozen=True, eq=False)
class Example:
    """A line to learn from: features of the line and of each of its words (words, features), and what was right."""

    line: Floats
    words: Floats
    right: bool
    words_right: Bools


def by_definition(told: Sequence[Told]) -> dict[str, Scored]:
    """The scores of lines under what can be called right, and of words."""
    scores = np.array([one.score for one in told])
    start, mean = (np.array(errors) <= NEAR for errors in ([x.start for x in told], [x.mean for x in told]))
    words = np.array([word for one in told for word in one.words])
    lines = {"line start": start, "mean of words": mean, "both": start & mean}
    known = {name: Scored(scores, right) for name, right in lines.items()}
    return known | {"words": Scored(words[:, 0], words[:, 1] <= NEAR)}


def told_of(case: Case, estimate: Alignment) -> Iterator[Told]:
    """What was said of each line found; one that nobody sings there is off by any measure."""
    sung = [line for line in case.written if line.timed]
    partners = damage.matched(case, estimate.lines).lines
    right = {id(found): line for line, found in zip(sung, partners, strict=True) if found}
    for found in estimate.lines:
        if found.timed and found.score is not None:
            yield _told(found, right.get(id(found)))


def _told(found: Line, right: Line | None) -> Told:
    truth = [word.start for word in right.words] if right else [None] * len(found.words)
    pairs = zip(found.words, truth, strict=True)
    words = tuple((word.score, _apart(word.start, start)) for word, start in pairs if word.score is not None)
    return Told(found.score or 0.0, _apart(found.start, right.start if right else None), words)


def _apart(found: float | None, right: float | None) -> float:
    return math.inf if found is None or right is None else abs(found - right)


def rows(lines: Iterable[Line], words: int) -> tuple[Line, ...]:
    """Lines cut into equal parts of about so many words."""
    out = []
    for line in lines:
        parts = max(1, round(len(line.words) / words))
        cuts = [round(at * len(line.words) / parts) for at in range(parts + 1)]
        for first, last in pairwise(cuts):
            mine = line.words[first:last]
            out.append(Line(" ".join(word.text for word in mine), *enclosing(mine), words=mine))
    return tuple(out)


def recordings(root: Path) -> dict[str, list[Recording]]:
    """The packs to measure on: songs, and speech in a row."""
    voices = root / "eval" / "synth-held-out-voices.zip"
    return {
        "songs": concat.songs(root),
        "librispeech": _in_a_row("librispeech", packs.read(root / "eval" / "librispeech-aligned-5652.zip")),
        "spoken": _in_a_row("spoken", packs.read(voices, "s")),
        "sung": _in_a_row("sung", packs.read(voices, "m")),
    }


def _in_a_row(name: str, items: Iterable[packs.Item]) -> list[Recording]:
    known = list(items)
    parts = [known[at : at + IN_A_ROW] for at in range(0, len(known), IN_A_ROW)]
    joined = [concat.joined(f"{name} {at}", part, math.inf) for at, part in enumerate(parts)]
    return [replace(one, lines=rows(one.lines, ROW)) for one in joined]


def measured(aligner: Aligner, ear: Ear, pack: str, recorded: Sequence[Recording]) -> dict[str, list[Told]]:
    """What was said of the lines of a pack as it is, and with a foreign verse in each of its texts."""
    materials = []
    for at, one in enumerate(recorded):
        own = {line.text for line in one.lines}
        materials.append(Material((), one, [line for line in recorded[at - 1].lines if line.text not in own]))
    out: dict[str, list[Told]] = {pack: [], f"{pack}, {FOREIGN}": []}
    for case, log_probs in damage.plan(ear, recorded, materials, [FOREIGN], DAMAGES.get(pack, 1)):
        lyrics = Alignment(tuple(concat.untimed(line) for line in case.written))
        try:
            estimate = aligner.align_heard(log_probs, lyrics)
        except AlignmentError as error:
            print(f"* {case.key}, {case.kind}: {error}")
            continue
        out[f"{pack}, {FOREIGN}" if case.kind == FOREIGN else pack] += told_of(case, estimate)
    return out


def measure(options: argparse.Namespace, aligner: Aligner, ear: Ear, by: Mapping[str, str]) -> None:
    """Measure, print, write and draw."""
    told: dict[str, list[Told]] = {}
    for pack, recorded in recordings(packs.data_root(options.data)).items():
        if options.only in pack:
            told |= measured(aligner, ear, pack, recorded)
            print(f"{pack}: {len(told[pack])} lines", flush=True)
    clean = [one for pack, some in told.items() if FOREIGN not in pack for one in some]
    pools = {"all": clean, f"all, {FOREIGN}": list(chain.from_iterable(told.values()))}
    found = {
        pack: {kind: figures(scored) for kind, scored in by_definition(some).items()}
        for pack, some in (told | pools).items()
    }
    print(table(found))
    if options.out or not options.only:
        engine_page.write(options.out or JSON, {"by": by, "packs": found})
    if not options.out and not options.only:
        draw(found["all"], PICTURE)
        engine_page.put("confidence", table(found))


def chained(
    key: str, items: Sequence[packs.Item], music: Sequence[concat.Wave], over: float, generator: random.Random
) -> Recording:
    """Utterances with gaps of any length, `over` decibels louder than the music under all of it.

    Args:
        over: infinite where there is no music.
    """
    rate, at = packs.SAMPLE_RATE, generator.uniform(*LEAD)
    parts: list[tuple[int, concat.Wave]] = []
    lines: list[Line] = []
    for item in items:
        parts.append((round(at * rate), item.wave))
        lines += item.reference.shifted(round(at * rate) / rate).lines
        at += item.seconds + math.exp(generator.uniform(*map(math.log, GAP)))
    wave = np.zeros(round((at + generator.uniform(*GAP)) * rate), np.float32)
    for begin, part in parts:
        wave[begin : begin + len(part)] = part
    if over < math.inf:
        under = _enough(music, len(wave), generator)
        power = float((np.concatenate([part for _, part in parts]) ** 2).mean() / (under**2).mean())
        wave += under * np.float32(math.sqrt(power) * 10 ** (-over / 20))
    return Recording(key, wave / np.abs(wave).max(), rows(lines, SHORT_ROW))


def _enough(music: Sequence[concat.Wave], samples: int, generator: random.Random) -> concat.Wave:
    parts: list[concat.Wave] = []
    while sum(map(len, parts)) < samples:
        parts.append(generator.choice(music))
    return np.concatenate(parts)[:samples]


def lessons(voices: Path, music: Path, root: Path) -> Iterator[Recording]:
    """All that is fitted on."""
    generator = random.Random(1)
    mixed = partial(chained, music=_tracks(music), generator=generator)
    sung, spoken = (list(packs.read(voices, start)) for start in "ms")
    parts = [part for _ in range(ROUNDS) for part in _chains(sung, generator)]
    for at, (part, over) in enumerate(zip(parts, np.linspace(*SUNG_OVER, len(parts)), strict=True)):
        yield mixed(f"sung {at}", part, over=float(over))
    for at, part in enumerate(_chains(spoken, generator)):
        yield mixed(f"spoken {at}", part, over=SPOKEN_OVER[at % len(SPOKEN_OVER)])
    read = list(_held_out(root / "speech" / "librispeech-aligned.zip"))
    for at, over in enumerate(READ_OVER):
        yield mixed(f"read {at}", generator.sample(read, len(read)), over=over)


def _chains(items: Sequence[packs.Item], generator: random.Random) -> list[list[packs.Item]]:
    """All of them, shuffled, so many at a time; the last few that are no chain are left out."""
    left, out = generator.sample(items, len(items)), []
    while len(left) >= CHAIN[0]:
        count = min(generator.randint(*CHAIN), len(left))
        out.append(left[:count])
        left = left[count:]
    return out


def _held_out(pack: Path) -> Iterator[packs.Item]:
    """Those recordings of the first pack of aligner_core/training/cnn.toml that were not learnt from."""
    keys = {entry.row["id"] for entry in split(manifest([pack]))[1]}
    return (item for item in packs.read(pack) if item.key in keys)


def _tracks(music: Path) -> list[concat.Wave]:
    with zipfile.ZipFile(music) as pack:
        names = sorted(name for name in pack.namelist() if name.endswith(".ogg"))
        return [soundfile.read(io.BytesIO(pack.read(name)), dtype="float32")[0] for name in names]


def examples(aligner: Aligner, log_probs: torch.Tensor, lines: Sequence[Line]) -> Iterator[Example]:
    """The lines that are found of these, none of which is missing."""
    lyrics = mark(Alignment(tuple(map(concat.untimed, lines))))
    whole = choose(WHOLE, lyrics, len(log_probs) * aligner.model.frame_seconds)
    heard = aligner._heard(log_probs.numpy(), lyrics, whole)
    sung = in_pieces(heard, (), whole)
    groups = (confidence._shaken(heard.search, heard.scores, sung, at) for at in range(0, len(sung), confidence.GROUP))
    for one, moved in zip(sung, chain.from_iterable(groups), strict=True):
        first = heard.search.tokens(one.line).start
        words = confidence.word_features(one, moved, heard.scores, heard.voice)
        begins = confidence.first_visits(one).items()
        starts = {token - first: one.visits[at].start * heard.frame for token, at in begins}
        yield _example(lines[one.line], starts, words)


def _example(line: Line, starts: Mapping[int, float], words: Floats) -> Example:
    errors = np.array([_apart(start, line.words[at].start) for at, start in starts.items()])
    begin = _apart(next(iter(starts.values())), line.start)
    features = confidence.line_features(words)
    of_words = np.array([(*word, *features) for word in words])
    return Example(features, of_words, bool(max(begin, errors.mean()) <= NEAR), errors <= NEAR)


def fit(options: argparse.Namespace, aligner: Aligner, ear: Ear) -> None:
    """Gather, fit and print."""
    found: list[Example] = []
    for one in lessons(options.voices, options.music, packs.data_root(options.data)):
        mine = list(examples(aligner, ear.heard(one.wave), one.lines))
        wrong = sum(not example.right for example in mine)
        print(
            f"{one.key}: {one.frames / 100:.0f} s, {len(one.lines)} lines, {len(mine)} found, {wrong} off", flush=True
        )
        found += mine
    lines = _fitted(np.array([x.line for x in found]), np.array([x.right for x in found]), "lines", rising=True)
    of_words = np.concatenate([x.words for x in found])
    words = _fitted(of_words, np.concatenate([x.words_right for x in found]), "words", rising=False)
    print(f"    of_line={lines},\n    of_word={words},")


def _fitted(features: Floats, right: Bools, name: str, rising: bool) -> tuple[float, ...]:
    weights = logistic(features, right, rising)
    scored = Scored(1 / (1 + np.exp(-weights[0] - features @ weights[1:])), right)
    own = figures(scored)
    print(f"{len(right)} {name}, off {own['off']:.3f}, area {own['area']:.3f}, ECE {own['calibration_error']:.3f}")
    return tuple(round(float(weight), 2) for weight in weights)


def main() -> None:
    """The command line."""
    options = _options()
    torch.set_num_threads(1)
    aligner, by = Aligner.load(options.model), report.made_by(options.model)
    ear = Ear(aligner.model, by["sha256"])
    if options.what == "fit":
        fit(options, aligner, ear)
    else:
        measure(options, aligner, ear, by)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--model", type=Path, help="checkpoint; the released one without it")
    common.add_argument("--data", type=Path, help="folder of the packs")
    commands = parser.add_subparsers(dest="what", required=True)
    told = commands.add_parser("measure", parents=[common], help="how well the scores tell right from wrong")
    told.add_argument("--only", default="", help="part of the names of the packs wanted")
    told.add_argument("--out", type=Path, help="write the figures there, and no picture")
    made = commands.add_parser("fit", parents=[common], help="the constants of the scores")
    made.add_argument("--voices", type=Path, required=True, help="pack of rendered voices")
    made.add_argument("--music", type=Path, required=True, help="pack of music without a voice")
    return parser.parse_args()


if __name__ == "__main__":
    main()
