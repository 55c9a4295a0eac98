"""A list of songs, their lyrics and what is to be written: JSON, an object a line, or CSV with a header."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aligner_core.errors import AlignerError
from plugin.files import decoded
from plugin.formats import FormatError, for_path

from .places import is_url
from .work import Item

ENDINGS = (".jsonl", ".ndjson", ".csv")
KEYS = ("song", "lyrics", "outputs")
BETWEEN = ";"  # outputs in a cell of CSV


class ManifestError(AlignerError):
    """A list that cannot be read; `where` is `file:row`."""


def is_manifest(name: str) -> bool:
    """Whether the name is one of a list of songs."""
    return name.lower().endswith(ENDINGS)


def load(path: str) -> list[Item]:
    """The items of a list; paths in it begin at its folder, unless they are absolute or URLs.

    Raises:
        LyricsError: it is no text.
        ManifestError: it cannot be read, a row is none, or writes what another one writes, or one of its own inputs.
    """
    text = decoded(_bytes(path), path).text
    rows = _cells(text, path) if path.lower().endswith(".csv") else _objects(text, path)
    items, writers, inputs = [], dict[str, int](), dict[str, int]()
    for row, data in rows:
        item = _item(data, Path(path).parent, f"{path}:{row}")
        for output in item.outputs:
            if (other := writers.setdefault(output, row)) != row:
                raise ManifestError(f"writes {output}, as row {other} does", f"{path}:{row}")
        inputs |= dict.fromkeys((item.song, item.lyrics), row)
        items.append(item)
    for output in writers.keys() & inputs.keys():
        what = f"writes {output}, which is an input of row {inputs[output]}"
        raise ManifestError(what, f"{path}:{writers[output]}", "choose another name")
    if not items:
        raise ManifestError("there is no song in it", path)
    return items


def absolute(name: str, folder: Path = Path()) -> str:
    """A path from its folder, in full and without "..", links as they are; a URL as it is."""
    return name if is_url(name) else os.path.abspath(folder / name)  # noqa: PTH100 (`resolve` follows links)


def _bytes(path: str) -> bytes:
    """All of a file, of any size: a list of a million songs is longer than any lyrics may be."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ManifestError("there is no such file", path) from error
    except OSError as error:
        raise ManifestError(f"cannot be read: {error.strerror}", path) from error


def _objects(text: str, path: str) -> Iterator[tuple[int, Any]]:
    for row, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield row, json.loads(line)
            except (RecursionError, ValueError) as error:
                raise ManifestError(f"not JSON: {error}", f"{path}:{row}") from error


def _cells(text: str, path: str) -> Iterator[tuple[int, Any]]:
    table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in table:
            row = table.line_num
            if None in cells or None in cells.values():
                count = len(table.fieldnames or ())
                raise ManifestError(f"not {count} cells, as in the header", f"{path}:{row}")
            outputs = [name.strip() for name in cells.get("outputs", "").split(BETWEEN) if name.strip()]
            yield row, {key: value for key, value in cells.items() if value} | ({"outputs": outputs} if outputs else {})
    except csv.Error as error:
        raise ManifestError(f"not CSV: {error}", f"{path}:{table.reader.line_num}") from error


def _item(data: Any, folder: Path, where: str) -> Item:
    if not isinstance(data, dict):
        raise ManifestError("not an object", where, '{"song": "a.mp3", "lyrics": "a.txt", "outputs": ["a.lrc"]}')
    if unknown := [key for key in data if key not in KEYS]:
        raise ManifestError(f"{unknown[0]!r} is unknown", where, f"one of {', '.join(KEYS)}")
    outputs = data.get("outputs", [])
    names = [data.get("song"), data.get("lyrics", ""), *(outputs if isinstance(outputs, list) else [None])]
    if not all(isinstance(name, str) for name in names) or not names[0]:
        raise ManifestError("song and lyrics are names, outputs a list of names, and song must be there", where)
    if any("\0" in name for name in names):
        raise ManifestError("a name holds a zero byte", where)
    song, lyrics, *written = (absolute(name, folder) if name else "" for name in names)
    for output in written:
        try:
            for_path(output)
        except FormatError as error:
            raise ManifestError(error.what, where, error.hint) from error
    return Item(song, lyrics, tuple(written))
