"""`karalign doctor` and `karalign formats`: what is there."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch

from aligner_core import WeightsError
from aligner_core.cache import Cache, Facts
from plugin.formats import FORMATS

if TYPE_CHECKING:
    from conftest import Karalign


def test_doctor_finds_nothing_missing_here(karalign: Karalign) -> None:
    got = karalign("doctor")
    assert got.code == 0, got.out
    assert "MISSING" not in got.out


def test_doctor_names_every_requirement_with_its_version(karalign: Karalign) -> None:
    checks = {check["name"]: check for check in json.loads(karalign("doctor", "--json").out)}
    assert checks["torch"]["ok"]
    assert checks["soundfile"]["seen"] == soundfile.__version__
    assert {"Python", "karalign", "click", "ffmpeg", "acoustic model", "letter model", "compiled code"} <= set(checks)


def test_doctor_does_not_ask_for_what_only_newer_pythons_need(
    karalign: Karalign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda _: ["no-such-package>=1; python_version >= '3.99'"])
    got = karalign("doctor")
    assert got.code == 0
    assert "no-such-package" not in got.out


def test_doctor_fails_where_something_essential_is_missing(karalign: Karalign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda _: ["no-such-package>=1; python_version > '3'"])
    got = karalign("doctor")
    assert got.code == 1
    assert "MISSING  no-such-package  not installed (pip install no-such-package)" in got.out


def test_doctor_forgives_what_is_not_essential(karalign: Karalign, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", none)
    got = karalign("doctor")
    assert got.code == 0
    assert "no       ffmpeg" in got.out


def test_doctor_fails_without_a_folder_for_temporary_files(karalign: Karalign, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tempfile.gettempdir()
    monkeypatch.setattr(os, "access", lambda path, _: str(path) != folder)
    got = karalign("doctor")
    assert got.code == 1
    assert f"MISSING  temporary files  cannot write to {folder} (set TMPDIR)" in got.out


def test_doctor_names_a_folder_that_would_save_time(karalign: Karalign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/no/such/folder")
    monkeypatch.setattr(os, "access", lambda path, _: str(path) != "/")
    got = karalign("doctor")
    assert got.code == 0
    (row,) = re.findall(r"^no +compiled code .*", got.out, re.MULTILINE)
    assert "cannot write to /no/such/folder" in row
    assert row.endswith("set NUMBA_CACHE_DIR)")
    assert "ok       temporary files" in got.out


@pytest.mark.parametrize("present", [True, False])
def test_a_deep_look_runs_the_model_and_does_not_ask_for_a_gpu(
    karalign: Karalign, monkeypatch: pytest.MonkeyPatch, present: bool
) -> None:
    class Model:
        def log_probs(self, wave: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(wave) // 160, 3)

    monkeypatch.setattr("aligner_core.acoustic.load", Model)
    monkeypatch.setattr("torch.cuda.device_count", lambda: int(present))
    monkeypatch.setattr("torch.cuda.get_device_name", lambda index: f"GPU {index}")
    checks = {check["name"]: check for check in json.loads(karalign("doctor", "--deep", "--json").out)}
    assert checks["trial"]["ok"]
    assert "100 frames" in checks["trial"]["seen"]
    assert checks["CUDA"]["ok"] == present
    assert checks["CUDA"]["seen"] == ("GPU 0" if present else "none")
    assert not checks["CUDA"]["essential"]


def test_a_deep_look_tells_of_a_model_that_does_not_run(karalign: Karalign, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise WeightsError("does not fit its network", "cnn.pt")

    monkeypatch.setattr("aligner_core.acoustic.load", fail)
    got = karalign("doctor", "--deep")
    assert got.code == 1
    assert "MISSING  trial            cnn.pt: does not fit its network" in got.out


def test_doctor_tells_what_the_cache_holds_and_clears_it(karalign: Karalign, cache_folder: Path) -> None:
    table = np.zeros((2**18, 2), np.float32)
    for name in "ab":
        Cache().keep(name, table, Facts(("sil", "AA"), 16000, 0.01))
    (cache_folder / "mine.txt").touch()
    assert f"ok       cache            {cache_folder}, 2 sounds, 4.0 MiB of at most 1024 MiB" in karalign("doctor").out
    assert "0 sounds, 0.0 MiB" in karalign("doctor", "--clear-cache").out
    assert [path.name for path in cache_folder.iterdir()] == ["mine.txt"]


def test_doctor_does_without_a_cache_and_says_so(karalign: Karalign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KARALIGN_CACHE", "/no/such/folder")
    monkeypatch.setattr(os, "access", lambda path, _: str(path) != "/")
    got = karalign("doctor")
    assert got.code == 0
    (row,) = re.findall(r"^no +cache .*", got.out, re.MULTILINE)
    assert "cannot write to /no/such/folder (every sound is heard anew; set KARALIGN_CACHE)" in row


def test_a_cache_that_cannot_be_cleared_is_told(
    karalign: Karalign, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, missing_ok: bool) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (cache_folder / "a.heard").touch()
    monkeypatch.setattr("pathlib.Path.unlink", fail)
    got = karalign("doctor", "--clear-cache")
    assert got.code == 1
    assert got.err == f"karalign: {cache_folder / 'a.heard'}: cannot be deleted: Permission denied\n"


def test_formats_lists_every_format_with_its_endings(karalign: Karalign) -> None:
    rows = {row.split()[0]: row for row in karalign("formats").out.splitlines()[1:]}
    assert list(rows) == [known.name for known in FORMATS]
    assert all(ending in rows[known.name] for known in FORMATS for ending in known.extensions)
    assert "text only" in rows["txt"]
    assert "syllable" in rows["ass"]
    assert "0.01 s" in rows["ass"]
    assert "exact" in rows["json"]
