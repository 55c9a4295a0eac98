"""Songs and texts in stores: found as in folders, fetched, and put back whole or not at all."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obedient import Obedient, library
from songs import ID3V1, SOUND, common, tag
from stores import object_store

from aligner_core.errors import AlignerError
from plugin.library import carry, work
from plugin.library.places import PlaceError, Shelves, back_up, fetch, is_folder, is_url, name_of, put, songs, whole
from plugin.library.work import Item, Settings
from plugin.tags.change import Manner
from plugin.tags.pairs import pairs

fsspec = pytest.importorskip("fsspec", reason="needs fsspec: pip install karalign[cluster]")

NAMES = st.sampled_from(("a", "b", ".h", "ä b", "a.b", "100%", "a#1", "q?"))
ENDINGS = st.sampled_from((".mp3", ".MP3", ".flac", ".txt", ".lrc", ".LRC", ".json", ".jpg", ""))
HEARER = Obedient.load(Settings())
STORES = ("memory", "file", "s3")


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty folder in a store of each kind."""
    if request.param == "s3":
        with object_store() as bucket:
            yield f"{bucket}/deep"
    elif request.param == "file":
        (tmp_path / "store").mkdir()
        yield (tmp_path / "store").as_uri()
    else:
        memory = fsspec.filesystem("memory")
        yield "memory:///deep"
        memory.store.clear()
        memory.pseudo_dirs[:] = [""]


def content(url: str) -> dict[str, bytes]:
    """Everything below a URL, hidden files too, by names from there."""
    place, path = fsspec.core.url_to_fs(url)
    place.invalidate_cache()
    found = {name: bytes(place.cat_file(name)) for name in place.find(path)}
    return {name[len(path.rstrip("/")) + 1 :]: data for name, data in found.items()}


def upload(folder: Path, url: str) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            put(path, f"{url}/{path.relative_to(folder).as_posix()}")


@pytest.mark.parametrize(
    "name",
    [
        "s3://bucket/a.mp3",
        "memory://a",
        "file:///a b.mp3",
        "zip::s3://a.zip",
        "abfss://a@b/c",
        "simplecache::zip://a.mp3::s3://b/c.zip",
    ],
)
def test_urls_are_told_from_paths(name: str) -> None:
    assert is_url(name)


@pytest.mark.parametrize(
    "name", ["a.mp3", "/a/b.mp3", "C:\\a.mp3", "C://a.mp3", "", "a:b.mp3", "./s3://a", "12://a", "ab::c.mp3"]
)
def test_paths_are_told_from_urls(name: str) -> None:
    assert not is_url(name)


@given(tree=st.lists(st.tuples(st.lists(NAMES, max_size=2), NAMES, ENDINGS), max_size=12), recursive=st.booleans())
def test_a_folder_of_a_store_holds_the_songs_and_texts_of_the_same_folder_here(
    tree: list[tuple[list[str], str, str]], recursive: bool
) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place, "root")
        root.mkdir()
        for folders, stem, ending in tree:
            path = Path(root, *(f"{folder}.d" for folder in folders), stem + ending)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(stem)
        here = [(str(pair.song), str(pair.text or "")) for pair in pairs([str(root)], recursive)]
        url = f"file://{root}"
        assert songs(url, recursive) == [(f"file://{song}", f"file://{text}" if text else "") for song, text in here]
        shelves = Shelves()
        assert [shelves.beside(song) for song, _ in songs(url, recursive)] == [t for _, t in songs(url, recursive)]


def test_every_kind_of_store_lists_alike(store: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("b.mp3", "b.txt", "b.lrc", "a.flac", "deep/c.ogg", "deep/c.json", ".hid/d.mp3", ".e.mp3", "notes.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    upload(root, store)
    assert songs(store, recursive=False) == [(f"{store}/a.flac", ""), (f"{store}/b.mp3", f"{store}/b.lrc")]
    deep = (f"{store}/deep/c.ogg", f"{store}/deep/c.json")
    assert songs(f"{store}/", recursive=True) == [*songs(store, recursive=False), deep]
    assert songs(store, recursive=False, endings=(".flac",)) == [(f"{store}/a.flac", "")]
    assert whole(f"{store}/") == store
    assert (is_folder(store), is_folder(f"{store}/b.mp3")) == (True, False)


def test_a_folder_of_a_store_is_looked_at_once(store: str, tmp_path: Path) -> None:
    for name in ("b.mp3", "b.txt", "b.lrc"):
        (tmp_path / name).write_text(name)
        put(tmp_path / name, f"{store}/{name}")
    shelves = Shelves(but={f"{store}/b.lrc"})
    assert shelves.beside(f"{store}/b.mp3") == f"{store}/b.txt"
    assert shelves.beside(f"{store}/a.flac") == ""
    assert shelves.has(f"{store}/b.lrc")
    put(tmp_path / "b.mp3", f"{store}/late.mp3")
    assert not shelves.has(f"{store}/late.mp3")
    assert Shelves().has(f"{store}/late.mp3")
    assert not shelves.has(f"{store}/no folder/b.lrc")
    assert songs(store, recursive=False, but={f"{store}/b.lrc"})[0] == (f"{store}/b.mp3", f"{store}/b.txt")


def test_what_was_put_is_fetched_and_put_again_replaces_it(store: str, tmp_path: Path) -> None:
    for data in (b"first", b"", bytes(range(256)) * 4096):
        file = tmp_path / "file"
        file.write_bytes(data)
        put(file, f"{store}/new/ä 1.bin")
        copy = fetch(f"{store}/new/ä 1.bin", tmp_path)
        assert (copy.name, copy.read_bytes()) == ("ä 1.bin", data)
        assert content(store) == {"new/ä 1.bin": data}


def test_a_put_that_fails_leaves_what_was_there_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.local import LocalFileSystem

    file, target = tmp_path / "file", tmp_path / "store" / "target"
    target.parent.mkdir()
    file.write_text("new")
    target.write_text("old")

    def full(self: LocalFileSystem, source: str, to: str) -> None:
        Path(to).write_text("ne")
        assert target.read_text() == "old"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LocalFileSystem, "put_file", full)
    with pytest.raises(PlaceError, match=r"target: cannot be written: No space left on device$"):
        put(file, target.as_uri())
    assert [path.read_text() for path in target.parent.iterdir()] == ["old"]


def test_backups_never_replace_each_other(store: str, tmp_path: Path) -> None:
    for number, backup in enumerate(("song.mp3.bak", "song.mp3.bak.1", "song.mp3.bak.2")):
        (tmp_path / "song").write_text(str(number))
        put(tmp_path / "song", f"{store}/song.mp3")
        assert back_up(f"{store}/song.mp3") == f"{store}/{backup}"
        assert content(store)[backup] == str(number).encode()


def test_a_file_that_is_not_there_is_told(store: str, tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match=r"gone.mp3: there is no such file$"):
        fetch(f"{store}/gone.mp3", tmp_path)
    assert not is_folder(f"{store}/gone")


def test_stores_that_nobody_knows_and_packages_that_are_missing_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PlaceError, match=r"^nowhere://a: .+ \(such as s3://bucket/songs\)$"):
        fetch("nowhere://a", tmp_path)
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(PlaceError, match=r"^gs://a/b: .*gcsfs"):
        fetch("gs://a/b", tmp_path)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(PlaceError, match=r"^s3://a: a URL needs fsspec \(pip install karalign\[cluster\]\)$"):
        fetch("s3://a", tmp_path)


def moved(item: Item, url: str) -> Item:
    """The same in a store, flat."""
    outputs = tuple(f"{url}/{name_of(name)}" for name in item.outputs)
    return Item(f"{url}/{name_of(item.song)}", f"{url}/{name_of(item.lyrics)}", outputs)


def test_an_item_in_a_store_comes_to_the_same_as_one_here(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (item,) = library(tmp_path / "here", {"song": "good"})
    upload(tmp_path / "here", store)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    there = carry.do(moved(item, store), Settings(), HEARER)
    here = work.do(item, Settings(), HEARER)
    assert here.status == "done"
    assert replace(there, item=item) == here
    assert there.item == moved(item, store)
    (tmp_path / "here/heard.log").unlink()
    assert content(store) == content((tmp_path / "here").as_uri())
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize("order", ["bad", "odd"])
def test_an_item_that_fails_puts_nothing(store: str, tmp_path: Path, order: str) -> None:
    (item,) = library(tmp_path / "here", {"song": order})
    upload(tmp_path / "here", store)
    before = content(store)
    there = carry.do(moved(item, store), Settings(), HEARER)
    assert replace(there, item=item) == work.do(item, Settings(), HEARER)
    assert there.status == "failed"
    assert content(store) == before


def test_a_song_in_a_store_gets_its_tags_once_and_keeps_the_old_file(store: str, tmp_path: Path) -> None:
    library(tmp_path / "here", {"song": ""})
    (tmp_path / "here/song.mp3").write_bytes(tag(3, *common(3)) + SOUND + ID3V1)
    upload(tmp_path / "here", store)
    before, settings = content(store)["song.mp3"], Settings(embed=Manner())
    item = Item(f"{tmp_path}/here/song.mp3", f"{tmp_path}/here/song.txt")
    for _ in range(2):
        there = carry.do(moved(item, store), settings, HEARER)
        here = work.do(item, settings, HEARER)
        assert (there.status, there.embedded) == ("done", here.embedded)
        assert replace(there, item=item) == here
    (tmp_path / "here/heard.log").unlink()
    assert content(store) == content((tmp_path / "here").as_uri())
    assert content(store)["song.mp3.bak"] == before != content(store)["song.mp3"]


def test_names_here_and_in_stores_may_be_mixed(tmp_path: Path) -> None:
    (item,) = library(tmp_path, {"song": "good"})
    mixed = replace(item, lyrics=Path(item.lyrics).as_uri(), outputs=(f"{tmp_path}/a.lrc", f"file://{tmp_path}/b.lrc"))
    outcome = carry.do(mixed, Settings(), HEARER)
    assert outcome.item == mixed
    assert (tmp_path / "a.lrc").read_bytes() == (tmp_path / "b.lrc").read_bytes()
    assert outcome.written == ((tmp_path / "a.lrc").stat().st_size,) * 2


def test_a_text_that_is_missing_is_told_before_the_song_is_fetched(tmp_path: Path) -> None:
    outcome = carry.do(Item("nowhere://song.mp3", f"file://{tmp_path}/gone.txt"), Settings(), HEARER)
    assert (outcome.status, outcome.why) == ("failed", "gone.txt: there is no such file")
    assert issubclass(PlaceError, AlignerError)
