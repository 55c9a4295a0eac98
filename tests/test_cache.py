"""What was heard is kept: the same numbers come back, and nothing that happens to the folder does any harm."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from aligner_core import WeightsError, acoustic
from aligner_core.acoustic.cnn import CnnConfig, CnnCtc
from aligner_core.cache import Cache, Facts, key

if TYPE_CHECKING:
    from conftest import Karalign

FACTS = Facts(("sil", "AA", "music"), 16000, 0.01)
Table = NDArray[np.float32]


def table(frames: int = 50, seed: int = 0) -> Table:
    return np.random.default_rng(seed).normal(-4, 2, (frames, len(FACTS.symbols))).astype(np.float32)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "kept" / "here")


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 5 * 16000), 16000)
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "tiny.pt"
    acoustic.save(CnnCtc(CnnConfig(width=8, kernels=(3,), expansion=1)), "cnn", path, {})
    return path


@pytest.fixture
def lyrics(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("lalala\n")
    return path


# entries


@pytest.mark.parametrize("frames", [1, 2, 1000])
@pytest.mark.parametrize("edges", [0, 3])
def test_what_is_kept_comes_back_bit_for_bit(cache: Cache, frames: int, edges: int) -> None:
    kept = np.concatenate([table(frames), np.full((frames, edges), 0.5, np.float32)], 1)
    kept[0, 0] = -np.inf
    cache.keep("a", kept, FACTS)
    found = cache.fetch("a")
    assert found is not None
    assert found[0].tobytes() == kept.tobytes()
    assert found[0].shape == kept.shape
    assert found[1] == FACTS


def test_what_comes_back_may_be_written_to(cache: Cache) -> None:
    cache.keep("a", table(), FACTS)
    found = cache.fetch("a")
    assert found is not None
    torch.from_numpy(found[0]).zero_()  # refuses, or warns, where memory is not the caller's
    again = cache.fetch("a")
    assert again is not None
    assert again[0].any()


def test_what_was_not_kept_is_not_there(cache: Cache) -> None:
    assert cache.fetch("a") is None
    cache.keep("a", table(), FACTS)
    assert cache.fetch("b") is None


def test_a_damaged_entry_is_not_there_wherever_the_damage_is(cache: Cache) -> None:
    cache.keep("a", table(3), FACTS)
    (path,) = cache.entries
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert cache.fetch("a") is None
    for length in (0, 1, 31, 32, 33, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert cache.fetch("a") is None
    path.write_bytes(whole)
    assert cache.fetch("a") is not None


def test_a_damaged_entry_is_written_anew(cache: Cache) -> None:
    cache.keep("a", table(), FACTS)
    cache.entries[0].write_bytes(b"junk")
    cache.keep("a", table(), FACTS)
    assert cache.fetch("a") is not None


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "one")
    cache.keep("a", table(), FACTS)
    small = Cache(tmp_path / "many", limit=3 * cache.size)
    for age, name in enumerate("cba"):
        small.keep(name, table(), FACTS)
        os.utime(small.folder / f"{name}.heard", (time.time() - 100 + age,) * 2)
    assert small.fetch("c") is not None  # the oldest, used again
    small.keep("d", table(), FACTS)
    assert {path.stem for path in small.entries} == {"a", "c", "d"}
    assert small.size <= small.limit


def test_what_is_larger_than_the_cache_pushes_nothing_out(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=2000)
    cache.keep("a", table(10), FACTS)
    cache.keep("b", table(1000), FACTS)
    assert [path.stem for path in cache.entries] == ["a"]


def test_a_folder_that_cannot_be_written_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    cache = Cache(tmp_path / "file")
    cache.keep("a", table(), FACTS)
    assert cache.fetch("a") is None
    assert (cache.entries, cache.size) == ([], 0)
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_write_that_fails_leaves_nothing_behind(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    cache.keep("a", table(), FACTS)
    assert list(cache.folder.iterdir()) == []


def test_unfinished_files_of_dead_processes_are_swept_up(cache: Cache) -> None:
    cache.folder.mkdir(parents=True)
    for name, age in (("old.part", 10**6), ("new.part", 10), ("old.txt", 10**6)):
        (cache.folder / name).touch()
        os.utime(cache.folder / name, (time.time() - age,) * 2)
    cache.keep("a", table(), FACTS)
    assert {path.name for path in cache.folder.iterdir()} == {"new.part", "old.txt", "a.heard"}


def test_clearing_takes_the_entries_and_nothing_else(cache: Cache) -> None:
    cache.keep("a", table(), FACTS)
    (cache.folder / "mine.txt").touch()
    cache.clear()
    assert [path.name for path in cache.folder.iterdir()] == ["mine.txt"]


WRITE = """
import sys
from pathlib import Path
import numpy as np
from aligner_core.cache import Cache, Facts
cache, seed = Cache(Path(sys.argv[1]), limit=20000), int(sys.argv[2])
for _ in range(100):
    for name in ("shared", f"own-{seed}"):
        cache.keep(name, np.full((400, 3), seed, np.float32), Facts(("sil", "AA", "music"), 16000, 0.01))
"""


def test_processes_that_write_at_once_never_show_half_an_entry(tmp_path: Path) -> None:
    cache, seen = Cache(tmp_path, limit=20000), 0
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, tmp_path, str(seed)]) for seed in (1, 2)]
    while any(writer.poll() is None for writer in writers):
        if (cache.folder / "shared.heard").exists():
            found = cache.fetch("shared")
            assert found is None or len(np.unique(found[0])) == 1
            seen += found is not None
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen > 0
    assert cache.size <= 20000


# keys


def test_the_key_follows_every_content_and_no_name(tmp_path: Path) -> None:
    def named(sound: bytes, model: bytes, device: str, name: str = "a") -> str | None:
        (tmp_path / name).write_bytes(sound)
        (tmp_path / "model").write_bytes(model)
        return key(tmp_path / name, tmp_path / "model", device)

    plain = named(b"sound", b"model", "cpu")
    assert plain == named(b"sound", b"model", "cpu", "another name")
    assert named(b"sound", b"model", "cuda:0") == named(b"sound", b"model", "cuda:1")
    others = [(b"sounds", b"model", "cpu"), (b"sound", b"models", "cpu"), (b"sound", b"model", "cuda")]
    assert len({plain, *(named(*other) for other in others)}) == 4


def test_there_is_no_key_to_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert key(tmp_path / "none", tmp_path / "a", "cpu") is None
    assert key(tmp_path / "a", tmp_path / "none", "cpu") is None


def test_another_version_does_not_find_the_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()
    before = key(tmp_path / "a", tmp_path / "a", "cpu")
    for name, value in (("VERSION", 10**6), ("__version__", "0.0.0-other")):
        with monkeypatch.context() as patch:
            patch.setattr(f"aligner_core.cache.{name}", value)
            assert key(tmp_path / "a", tmp_path / "a", "cpu") != before


def test_the_place_is_the_system_s_unless_one_is_named(monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> None:
    assert Cache().folder == cache_folder
    monkeypatch.delenv("KARALIGN_CACHE")
    assert Cache().folder.name == "karalign"
    assert Cache().folder.is_absolute()


# a model that need not be there


def test_a_deferred_model_tells_what_it_was_told_and_hears_as_the_checkpoint_does(checkpoint: Path) -> None:
    model = acoustic.load(checkpoint)
    deferred = acoustic.Deferred(FACTS.symbols, 16000, 0.01, checkpoint)
    assert isinstance(deferred, acoustic.AcousticModel)
    assert deferred.symbols == FACTS.symbols
    wave = torch.randn(8000)
    assert torch.equal(deferred.log_probs(wave), model.log_probs(wave))
    assert torch.allclose(deferred.log_probs_of([wave[:999], wave[999:]]), model.log_probs(wave), atol=1e-5)
    with pytest.raises(WeightsError, match="no such checkpoint"):
        acoustic.Deferred((), 16000, 0.01, "none.pt").log_probs(wave)


# the command line


class Counted:
    """Counts how often models are loaded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from aligner_core import Aligner

        self.count, load = 0, Aligner.load

        def counting(*arguments: Any) -> Aligner:
            self.count += 1
            return load(*arguments)

        monkeypatch.setattr(Aligner, "load", counting)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.fixture
def plain_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network without training hears nothing: the words are timed evenly, by what was heard."""
    from aligner_core import Aligner, Alignment, Line, Word

    def timed(self: Aligner, log_probs: Table, lyrics: Alignment, *_: object) -> Alignment:
        assert self.model.frame_seconds == 0.01
        end = len(log_probs) / 100
        score = float(np.exp(log_probs)[:, len(self.model.symbols) // 2].mean())
        return Alignment(tuple(Line(x.text, 0.0, end, score, (Word(x.text, 0.0, end, score),)) for x in lyrics.lines))

    monkeypatch.setattr(Aligner, "align_heard", timed)


@pytest.mark.usefixtures("plain_search")
@pytest.mark.parametrize("runtime", ["torch", "auto"])
def test_a_second_text_needs_no_model_and_comes_out_as_without_the_cache(
    karalign: Karalign, sound: Path, lyrics: Path, checkpoint: Path, tmp_path: Path, loads: Counted, runtime: str
) -> None:
    outs = [tmp_path / f"{name}.json" for name in ("first", "second", "anew")]
    run = ("align", sound, lyrics, "--model", checkpoint, "--runtime", runtime)
    assert karalign(*run, "-o", outs[0]).code == 0
    assert loads.count == 1
    verbose = karalign(*run, "-v", "-o", outs[1])
    assert (verbose.code, loads.count) == (0, 1)
    assert "found in the cache" in verbose.err
    assert karalign(*run, "--no-cache", "-o", outs[2]).code == 0
    assert loads.count == 2
    assert len({out.read_bytes() for out in outs}) == 1


@pytest.mark.usefixtures("plain_search")
def test_another_sound_or_model_is_heard(
    karalign: Karalign, sound: Path, lyrics: Path, checkpoint: Path, tmp_path: Path, loads: Counted
) -> None:
    run = ("align", sound, lyrics, "--model", checkpoint, "-o", tmp_path / "out.json")
    assert karalign(*run).code == 0
    soundfile.write(sound, np.random.default_rng(1).normal(0, 0.1, 5 * 16000), 16000)
    assert karalign(*run).code == 0
    acoustic.save(CnnCtc(CnnConfig(width=8, kernels=(5,), expansion=1)), "cnn", checkpoint, {})
    assert karalign(*run).code == 0
    assert loads.count == 3


@pytest.mark.usefixtures("plain_search")
def test_without_the_cache_nothing_is_kept(
    karalign: Karalign, sound: Path, lyrics: Path, checkpoint: Path, tmp_path: Path, cache_folder: Path
) -> None:
    run = ("align", sound, lyrics, "--model", checkpoint, "-o", tmp_path / "out.json")
    assert karalign(*run, "--no-cache").code == 0
    assert list(cache_folder.iterdir()) == []
    assert karalign(*run).code == 0
    assert [path.suffix for path in cache_folder.iterdir()] == [".heard"]


@pytest.mark.usefixtures("plain_search")
def test_a_cache_that_cannot_be_written_says_nothing(
    karalign: Karalign, sound: Path, lyrics: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KARALIGN_CACHE", str(tmp_path / "file"))
    got = karalign("align", sound, lyrics, "--model", checkpoint, "-q", "-o", tmp_path / "out.json")
    assert (got.code, got.err) == (0, "")
