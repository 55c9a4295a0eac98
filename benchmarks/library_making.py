"""A library for `benchmarks.library`: short songs of many kinds, one in twenty of them broken or odd in some way."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from aligner_core.timeline import Alignment, Line, Word, enclosing
from benchmarks.packs import SAMPLE_RATE, read
from plugin import save
from plugin.tags.change import Manner, embed
from plugin.tags.players import WAYS

KINDS = ("mp3", "ogg", "flac", "wav")
TEXTS = ("txt", "lrc", "srt", "tags")
LENGTH = 12.0  # seconds of a piece, at most
IN_A_LINE = 6  # words
ODD = 20  # one song in so many
NAMES = (
    "Été à la plage", "日本の歌", "two  spaces ", "line\nend", "<script>alert(1)</script>", "-dash",
    "quoted \" and ' & more",
    "100%", "a" * 200, "semi;colon, comma", "\u202eright to left", "file:colon",
)  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """A few seconds of a recording with their words."""

    wave: NDArray[np.float32]
    text: Alignment


def pieces(data: Path) -> Iterator[Piece]:
    """Sung by people, rendered (spoken and sung), and read, in turn; no more than there are."""
    packs = ("songs", "synth-held-out-voices", "librispeech-aligned-5652")
    yield from _in_turn([_pieces(data / "eval" / f"{name}.zip") for name in packs])


def make(folder: Path, data: Path, count: int, seed: int = 0) -> dict[str, str]:
    """Fill a folder with so many songs; the odd ones' kinds by their paths in it."""
    chance, found = random.Random(seed), list(pieces(data))
    odd, kinds = dict[str, str](), itertools.cycle(sorted(OTHERS))
    for at in range(count):
        place = folder / f"artist {at % 37:02}" / f"album {at % 5}"
        place.mkdir(parents=True, exist_ok=True)
        piece = found[at % len(found)]
        kind = next(kinds) if at % ODD == ODD // 2 else ""
        path = place / f"{at:05}.{KINDS[at % len(KINDS)]}"
        if kind:
            path = OTHERS[kind](path, piece, found[(at + len(found) // 2) % len(found)], chance)
            odd[path.relative_to(folder).as_posix()] = kind
        else:
            usual(path, piece, TEXTS[(at // len(KINDS)) % len(TEXTS)])
    return odd


def usual(path: Path, piece: Piece, text: str = "txt") -> Path:
    """A song with its lyrics."""
    sound(path, piece.wave)
    if text == "tags" and path.suffix != ".wav":
        embed(path, _plain(piece.text), Manner(WAYS["uslt"], backup=False))
    elif text in ("lrc", "srt"):
        save(piece.text, path.with_suffix(f".{text}"))
    else:
        path.with_suffix(".txt").write_text(words(piece.text), "utf-8")
    return path


def sound(path: Path, wave: NDArray[np.float32]) -> None:
    """A file of the kind that its name says."""
    soundfile.write(path, np.clip(wave, -1, 1), SAMPLE_RATE)


def words(text: Alignment) -> str:
    """The lyrics."""
    return "".join(f"{line.text}\n" for line in text.lines)


def _plain(text: Alignment) -> Alignment:
    return Alignment(tuple(Line(line.text, words=tuple(Word(word.text) for word in line.words)) for line in text.lines))


def _pieces(pack: Path) -> Iterator[Piece]:
    for item in read(pack):
        timed = [word for line in item.reference.lines for word in line.words if word.start is not None]
        lines: list[Line] = []
        begin = 0.0
        for start in range(0, len(timed), IN_A_LINE):
            line = timed[start : start + IN_A_LINE]
            if lines and (line[-1].end or 0) - begin > LENGTH:
                yield _piece(item.wave, lines, begin)
                lines = []
            begin = begin if lines else max(0.0, (line[0].start or 0) - 0.3)
            lines.append(Line(" ".join(word.text for word in line), *enclosing(line), words=tuple(map(_bare, line))))
        if lines:
            yield _piece(item.wave, lines, begin)


def _bare(word: Word) -> Word:
    return Word(word.text, word.start, word.end)


def _piece(wave: NDArray[np.float32], lines: Sequence[Line], begin: float) -> Piece:
    end = (lines[-1].end or 0) + 0.3
    text = Alignment(tuple(lines)).shifted(-begin)
    return Piece(wave[round(begin * SAMPLE_RATE) : round(end * SAMPLE_RATE)], text)


def _in_turn(many: Sequence[Iterator[Piece]]) -> Iterator[Piece]:
    left = list(many)
    while left:
        for one in list(left):
            if piece := next(one, None):
                yield piece
            else:
                left.remove(one)


def _cut(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    usual(path, piece)
    os.truncate(path, int(path.stat().st_size * chance.uniform(0.02, 0.7)))
    return path


def _empty(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    usual(path, piece)
    path.write_bytes(b"")
    return path


def _no_sound(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    usual(path, piece)
    path.write_bytes(chance.randbytes(5000))
    return path


def _silent(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    return usual(path, replace(piece, wave=np.zeros_like(piece.wave)))


def _wrong_text(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    return usual(path, replace(piece, text=other.text))


def _much_text(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    usual(path, piece)
    path.with_suffix(".txt").write_text(words(other.text) * 40, "utf-8")
    return path


def _encoded(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    usual(path, piece)
    text = f"Café, naïve \u201cécoute\u201d\n{words(piece.text)}"
    path.with_suffix(".txt").write_bytes(text.encode(chance.choice(["cp1252", "utf-16", "utf-8-sig"])))
    return path


def _unmarked(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    usual(path, piece)
    path.with_suffix(".txt").write_bytes(words(piece.text).encode("utf-16-le"))
    return path


def _no_text(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    sound(path, piece.wave)
    return path


def _binary_text(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    sound(path, piece.wave)
    path.with_suffix(".txt").write_bytes(chance.randbytes(3000))
    return path


def _headings(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    sound(path, piece.wave)
    path.with_suffix(".txt").write_text("[Instrumental]\n\n", "utf-8")
    return path


def _folder(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    inside = path.with_suffix(".mp3")
    inside.mkdir()
    return usual(inside / "song.flac", piece)


def _dangling(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    usual(path, piece)
    path.unlink()
    path.symlink_to("nowhere")
    return path


def _linked(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    usual(path, piece)
    path.with_stem(f"{path.stem} again").symlink_to(path.name)
    return path


def _copied(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    usual(path, piece)
    usual(path.with_stem(f"{path.stem} copy"), piece)
    return path


def _named(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    return usual(path.with_stem(f"{chance.choice(NAMES)} {path.stem}"), piece, chance.choice(TEXTS))


def _two_texts(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    save(piece.text, path.with_suffix(".srt"))
    return usual(path, piece)


def _tiny(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    return usual(path, replace(piece, wave=piece.wave[:80]))


def _protected(path: Path, piece: Piece, other: Piece, chance: random.Random) -> Path:  # noqa: ARG001
    usual(path, piece)
    path.chmod(0)
    return path


OTHERS: dict[str, Callable[[Path, Piece, Piece, random.Random], Path]] = {
    "cut off": _cut,
    "empty": _empty,
    "no sound file": _no_sound,
    "silent": _silent,
    "the text of another": _wrong_text,
    "far too much text": _much_text,
    "text in another encoding": _encoded,
    "text in UTF-16 without a mark": _unmarked,
    "no lyrics": _no_text,
    "binary text": _binary_text,
    "headings only": _headings,
    "in a folder named like a song": _folder,
    "link to nowhere": _dangling,
    "linked twice": _linked,
    "copied": _copied,
    "odd name": _named,
    "two texts": _two_texts,
    "5 ms long": _tiny,
    "may not be read": _protected,
}
