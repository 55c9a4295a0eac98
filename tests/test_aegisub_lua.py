"""The macros under every Lua that an Aegisub may have, against a stub of its programming interface."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from plugin.aegisub.places import SOURCE, scripts

LUA = Path(__file__).parent / "lua"
TESTS = re.findall(r"^function tests\.(\w+)\(", (LUA / "spec.lua").read_text(encoding="utf-8"), re.MULTILINE)


def interpreter(name: str) -> str:
    if not (found := shutil.which(name)):
        pytest.skip(f"{name} is not installed")
    return found


RUNS = [("luajit", "3.2"), ("luajit", "3.4"), ("lua5.1", "3.2"), ("lua5.4", "3.4")]  # and the habits of which Aegisub


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize(("lua", "version"), RUNS)
def test_what_the_macros_promise(lua: str, version: str, name: str, tmp_path: Path) -> None:
    command: list[str | Path] = [interpreter(lua), LUA / "spec.lua", SOURCE, tmp_path, version, name]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout == "good\n", done.stderr


def test_the_tests_see_a_name_that_is_not_quoted(tmp_path: Path) -> None:
    broken = tmp_path / "scripts"
    shutil.copytree(SOURCE, broken)
    talk = broken / "include" / "karalign" / "host.lua"
    talk.write_text(talk.read_text(encoding="utf-8").replace("'\\\\''", "'"), encoding="utf-8")
    hostile = "names_with_any_character_reach_the_program"
    command: list[str | Path] = [interpreter("lua5.1"), LUA / "spec.lua", broken, tmp_path, "3.2", hostile]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout == ""


def test_nothing_of_a_script_is_an_error_for_the_user() -> None:
    for script in scripts():
        assert not re.search(r"\berror\(|\bassert\(", (SOURCE / script).read_text(encoding="utf-8"))
