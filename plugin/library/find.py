"""What is to be done: songs in folders and lists, their lyrics, and names for what is written."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path

from aligner_core.errors import AlignerError
from plugin.formats import by_name
from plugin.tags import SUFFIXES
from plugin.tags.pairs import Folders
from plugin.tags.pairs import songs as songs_in

from . import places
from .manifest import ENDINGS, absolute, is_manifest, load
from .work import Item, Outcome

SOUNDS = (*SUFFIXES, ".wav", ".aif", ".aiff", ".aac", ".wma", ".mka", ".webm", ".mp4", ".mkv", ".mov", ".avi")
TWICE = "its file is there twice, and is changed once"
INFIX = ".karalign"  # before the ending of an output whose own name is that of the lyrics


class FindError(AlignerError):
    """A name that is no song, folder or list."""


@dataclass(frozen=True)
class Wish:
    """What is to be found and written.

    Args:
        write: names of formats.
        out: folder for what is written, None: beside each song.
        embed: whether lyrics go into songs.
        overwrite: whether files that are there, and not from here, may be replaced.
    """

    write: tuple[str, ...] = ()
    out: str | None = None
    recursive: bool = False
    embed: bool = False
    overwrite: bool = False


@dataclass
class Found:
    """What there is to do, and what is not to be done, and why.

    Args:
        order: all songs, as the report has them.
    """

    items: list[Item] = field(default_factory=list)
    skipped: list[Outcome] = field(default_factory=list)
    order: list[Item] = field(default_factory=list)

    def add(self, item: Item, why_not: str) -> None:
        """One more."""
        self.order.append(item)
        if why_not:
            self.skipped.append(Outcome(item, "skipped", why_not))
        else:
            self.items.append(item)


def find(names: Sequence[str], wish: Wish, ours: Collection[str] = ()) -> Found:
    """All songs of these names, in their order, each once.

    Args:
        ours: files that were written by us: they are no lyrics, and may be replaced.

    Raises:
        AlignerError: a name is none of those, a list is wrong, or there is no song at all.
    """
    found, shelves = Found(), places.Shelves(ours)
    each = dict(_each(names, wish, ours, shelves))
    taken = {name for item in each for name in (item.song, item.lyrics, *item.outputs)}
    changed: set[str] = set()
    for item, root in each.items():
        named = item if item.outputs else replace(item, outputs=tuple(_outputs(item, root, wish, taken)))
        if not named.outputs and not wish.embed:
            what = "nothing is to be written for it"
            raise FindError(what, item.song, "--write lrc, --embed, or outputs in the list")
        taken.update(named.outputs)
        there = [output for output in named.outputs if _in_the_way(output, wish, ours, shelves)]
        why_not = f"{Path(there[0]).name} is there already, and not from here (--overwrite)" if there else ""
        if wish.embed and not why_not:
            file = item.song if places.is_url(item.song) else os.path.realpath(item.song)
            why_not = TWICE if file in changed else ""
            changed.add(file)
        found.add(named, why_not)
    if not found.order:
        raise FindError("there is no song", ", ".join(names), "-r looks into folders within folders")
    return found


def _each(
    names: Sequence[str], wish: Wish, ours: Collection[str], shelves: places.Shelves
) -> Iterator[tuple[Item, str]]:
    """Items, and the folders that --out mirrors."""
    folders = Folders(ours)
    for name in names:
        if places.is_url(name):
            yield from _in_store(name, wish, ours, shelves)
        elif is_manifest(name) and not Path(name).is_dir():
            for item in load(name):
                yield _completed(item, folders, shelves), _split(absolute(name))[0]
        else:
            path = Path(absolute(name))
            _require_song(path, name)
            for pair in songs_in([str(path)], wish.recursive, SOUNDS if wish.write else SUFFIXES):
                yield _paired(pair.song, folders), str(path if path.is_dir() else path.parent)


def _in_store(url: str, wish: Wish, ours: Collection[str], shelves: places.Shelves) -> Iterator[tuple[Item, str]]:
    if places.is_folder(url):
        for song, text in places.songs(url, wish.recursive, SOUNDS, ours):
            yield Item(song, text), places.whole(url)
    else:
        yield Item(url, shelves.beside(url)), _split(url)[0]


def _require_song(path: Path, name: str) -> None:
    if not os.path.lexists(path):
        raise FindError("there is no such file", name)
    if not path.is_dir() and not path.name.lower().endswith(SOUNDS):
        raise FindError("is neither a folder nor a song nor a list", name, f"lists end in {', '.join(ENDINGS)}")


def _completed(item: Item, folders: Folders, shelves: places.Shelves) -> Item:
    """An item of a list, with the text beside it if it names none."""
    if item.lyrics:
        return item
    if places.is_url(item.song):
        return replace(item, lyrics=shelves.beside(item.song))
    return replace(_paired(Path(item.song), folders), outputs=item.outputs)


def _paired(song: Path, folders: Folders) -> Item:
    text = folders.beside(song)
    return Item(str(song), str(text) if text else "")


def _outputs(item: Item, root: str, wish: Wish, taken: Collection[str]) -> Iterator[str]:
    """A name for each format: the song's, or with more in it where that is an input, or another song's output."""
    folder, name = _split(item.song)
    if wish.out:
        inside = folder[len(root) :].strip("/" + os.sep) if f"{folder}/".startswith(f"{root}/") else ""
        out = wish.out.rstrip("/") if places.is_url(wish.out) else absolute(wish.out)
        folder = _joined(out, inside) if inside else out
    stem = Path(name).stem
    for form in wish.write:
        ending = by_name(form).extensions[0]
        stems = chain((stem, stem + INFIX, name), (f"{name}{INFIX * more}" for more in count(1)))
        names = (_joined(folder, f"{one}{ending}") for one in stems)
        yield next(one for one in names if one not in taken)


def _split(name: str) -> tuple[str, str]:
    """Folder and name of a path or URL."""
    return (name.rpartition("/")[0], name.rpartition("/")[2]) if places.is_url(name) else os.path.split(name)


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if places.is_url(folder) else str(Path(folder, name))


def _in_the_way(output: str, wish: Wish, ours: Collection[str], shelves: places.Shelves) -> bool:
    if wish.overwrite or output in ours:
        return False
    return shelves.has(output) if places.is_url(output) else os.path.lexists(output)


def check_formats(names: Sequence[str]) -> tuple[str, ...]:
    """The names of formats, each once.

    Raises:
        FormatError: one is unknown.
    """
    return tuple(dict.fromkeys(by_name(name).name for name in names))
