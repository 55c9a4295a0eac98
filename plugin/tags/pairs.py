"""Which text belongs to which song: by the order on the command line, or by name."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from plugin.formats import FORMATS

from . import SUFFIXES
from .base import TagError

Texts = dict[tuple[str, str], str]  # names of texts by stem and ending in small letters


@dataclass(frozen=True)
class Pair:
    """A song and its text, None: it has none beside it.

    Args:
        named: whether the song was asked for by name rather than found in a folder.
        skip: why there is nothing to do for it.
    """

    song: Path
    text: Path | None = None
    named: bool = True
    skip: str = ""


def songs(names: Iterable[str], recursive: bool, endings: tuple[str, ...] = SUFFIXES) -> list[Pair]:
    """All songs of these names and in these folders, each once, without texts.

    Args:
        endings: of songs in folders; by default those whose tags are known.

    Raises:
        TagError: a name is neither a song's nor a folder's.
    """
    found: list[Pair] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found += [Pair(song, named=False) for song in _inside(path, recursive, endings)]
        else:
            found.append(Pair(path))
    return _once(found)


def pairs(names: Sequence[str], recursive: bool) -> list[Pair]:
    """Songs and folders with the texts that are named, or else lie beside them under the same name.

    Raises:
        TagError: a text that belongs to no song, or a song with two of them.
    """
    paths = [Path(name) for name in names]
    texts = [path for path in paths if is_text(path) and not path.is_dir()]
    found = songs([str(path) for path in paths if path not in texts], recursive)
    if len(found) == 1 and len(texts) == 1:
        return [Pair(found[0].song, texts[0])]
    given: dict[Path, Path] = {}
    for text in texts:
        owner = [pair.song for pair in found if pair.song.stem == text.stem]
        if len(owner) != 1:
            raise TagError("belongs to no song that is named" if not owner else "belongs to two songs", str(text))
        if owner[0] in given:
            raise TagError("has two texts", str(owner[0]), f"{given[owner[0]].name} or {text.name}")
        given[owner[0]] = text
    folders = Folders()
    return [_paired(pair, given.get(pair.song) or folders.beside(pair.song)) for pair in found]


def is_text(path: Path) -> bool:
    """Whether the name is one of a text, timed or not."""
    return path.name.lower().endswith(_endings())


@cache
def _endings() -> tuple[str, ...]:
    """Of texts: what loses nothing, then those that hold most."""
    known = sorted(FORMATS, key=lambda known: (known.name != "json", -len(known.levels)))  # stable: as in the table
    return tuple(ending for each in known for ending in each.extensions)


def is_song(name: str, endings: tuple[str, ...] = SUFFIXES) -> bool:
    """Whether a file of this name, in a folder, is taken for a song; hidden ones are not."""
    return name.lower().endswith(endings) and not name.startswith(".")


def texts(names: Iterable[str]) -> Texts:
    """Those names in a folder that are names of texts."""
    return {
        (name[: -len(end)], end): name for name in sorted(names) for end in _endings() if name.lower().endswith(end)
    }


def text_of(stem: str, there: Texts) -> str | None:
    """The text of a song by its name without the ending: of the format that holds most; None: there is none."""
    return next((there[stem, ending] for ending in _endings() if (stem, ending) in there), None)


class Folders(dict[Path, Texts]):
    """The texts of each folder; looked at once.

    Args:
        but: paths of files that are none.
    """

    def __init__(self, but: Container[str] = ()) -> None:
        super().__init__()
        self.but = but

    def __missing__(self, folder: Path) -> Texts:
        try:
            there = os.listdir(folder)  # noqa: PTH208 (names alone are wanted)
        except OSError:  # what is wrong with the folder is told by the song in it
            there = []
        self[folder] = texts(name for name in there if str(folder / name) not in self.but)
        return self[folder]

    def beside(self, song: Path) -> Path | None:
        """The text of the same name as a song; None: there is none."""
        name = text_of(song.stem, self[song.parent])
        return song.with_name(name) if name else None


def _inside(folder: Path, recursive: bool, endings: tuple[str, ...]) -> Iterator[Path]:
    """The songs in a folder, by name; hidden files and folders are not looked at."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
        for name in sorted(files):
            if is_song(name, endings):
                yield Path(place, name)


def _paired(pair: Pair, text: Path | None) -> Pair:
    return Pair(pair.song, text, pair.named, "" if text or pair.named else "no text beside it")


def _once(found: Iterable[Pair]) -> list[Pair]:
    """Each file once, by its own name rather than that of a link to it: the text lies beside it."""
    by_file: dict[str, Pair] = {}
    for pair in found:
        before = by_file.setdefault(os.path.realpath(pair.song), pair)
        if before.song.is_symlink() and not pair.song.is_symlink():
            by_file[os.path.realpath(pair.song)] = pair
    return list(by_file.values())
