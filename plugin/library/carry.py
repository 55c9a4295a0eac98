"""An item whose files are in stores: fetched to this machine, done, and what came of it put back."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from .places import back_up, fetch, is_url, name_of, put
from .work import Hearer, Item, Outcome, Settings, guarded
from .work import do as do_here


def do(item: Item, settings: Settings, hearer: Hearer) -> Outcome:
    """As `work.do`, where any of the item's paths may be a URL."""
    if not any(is_url(name) for name in (item.song, item.lyrics, *item.outputs)):
        return do_here(item, settings, hearer)
    return guarded(item, lambda: _carried(item, settings, hearer))


def _carried(item: Item, settings: Settings, hearer: Hearer) -> Outcome:
    with TemporaryDirectory(prefix="karalign-") as folder:
        here = _fetched(item, Path(folder))
        before = _digest(here.song)
        own_backup = settings.embed and is_url(item.song)
        manner = replace(settings.embed, backup=False) if settings.embed and own_backup else settings.embed
        outcome = do_here(here, replace(settings, embed=manner), hearer)
        if outcome.status in ("done", "doubtful"):
            for url, file in zip(item.outputs, here.outputs, strict=True):
                if is_url(url):
                    put(Path(file), url)
            if own_backup and _digest(here.song) != before:
                _replace(item.song, Path(here.song), settings)
        return replace(outcome, item=item)


def _fetched(item: Item, folder: Path) -> Item:
    """The same item with files of this machine; each in a folder of its own, as two may have one name."""
    lyrics = _near(item.lyrics, folder / "lyrics")  # the small one first: it may be missing
    outputs = [
        str(_made(folder / str(number)) / name_of(name)) if is_url(name) else name
        for number, name in enumerate(item.outputs)
    ]
    return Item(_near(item.song, folder / "song"), lyrics, tuple(outputs))


def _near(name: str, folder: Path) -> str:
    return str(fetch(name, _made(folder))) if is_url(name) else name


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _replace(url: str, song: Path, settings: Settings) -> None:
    if settings.embed and settings.embed.backup:
        back_up(url)
    put(song, url)


def _digest(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
