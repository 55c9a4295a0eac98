"""Where Aegisub keeps its scripts, and karalign's put there, taken away, and looked after."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aligner_core._version import __version__
from aligner_core.errors import AlignerError
from plugin.files import write_atomic

SOURCE = Path(__file__).parent
AUTOLOAD, INCLUDE = "autoload", "include"  # beside this file, and in Aegisub's folder of scripts
INSTALLED = "karalign-installed.tsv"  # what the scripts are told of this karalign
_AUTHOR = "The karalign developers"
_FEED = "0.3.0"  # version of the format of DependencyControl's feeds


class PlaceError(AlignerError):
    """Aegisub's folder is not there, or cannot be written."""


def scripts() -> Iterator[Path]:
    """The scripts, relative to `SOURCE`."""
    for folder in (AUTOLOAD, INCLUDE):
        yield from sorted(path.relative_to(SOURCE) for path in (SOURCE / folder).rglob("*.lua"))


def usual_folders(env: Mapping[str, str], system: str) -> list[Path]:
    """Where Aegisub may keep what belongs to a user.

    Args:
        env: the environment.
        system: as `sys.platform`.
    """
    home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    if system == "win32":
        return [Path(env.get("APPDATA") or home / "AppData" / "Roaming") / "Aegisub"]
    if system == "darwin":
        return [home / "Library" / "Application Support" / "Aegisub"]
    flatpak = home / ".var" / "app" / "org.aegisub.Aegisub" / "config" / "aegisub"
    return [home / ".aegisub", Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "aegisub", flatpak]


def folder(named: str | None) -> Path:
    """The folder of Aegisub that was named, or the first of the usual ones that is there.

    Raises:
        PlaceError: there is none.
    """
    usual = [Path(named)] if named else usual_folders(os.environ, sys.platform)
    for place in usual:
        if place.is_dir():
            return place
    names = " or ".join(map(str, usual))
    raise PlaceError("there is no such folder", names, "start Aegisub once, or name its folder with --dir")


@dataclass(frozen=True)
class Status:
    """What is in a folder of Aegisub.

    Args:
        current, old, absent: scripts that are there as here, otherwise, or not.
        program: that the macros start, or "".
    """

    place: Path
    current: tuple[Path, ...]
    old: tuple[Path, ...]
    absent: tuple[Path, ...]
    program: str

    @property
    def complete(self) -> bool:
        """Whether the macros are there and are those of this version."""
        return not self.old and not self.absent and bool(self.program)


def status(place: Path) -> Status:
    """Compare what is in a folder of Aegisub with what belongs there."""
    kinds: dict[str, list[Path]] = {"current": [], "old": [], "absent": []}
    for script in scripts():
        there = _target(place, script)
        same = there.is_file() and there.read_bytes() == (SOURCE / script).read_bytes()
        kinds["current" if same else "old" if there.exists() else "absent"].append(there)
    told = place / INSTALLED
    rows = told.read_text("utf-8").splitlines() if told.is_file() else []
    facts = dict(row.split("\t", 1) for row in rows if "\t" in row)
    current, old, absent = (tuple(kinds[kind]) for kind in ("current", "old", "absent"))
    return Status(place, current, old, absent, facts.get("program", ""))


def install(place: Path) -> list[Path]:
    """Put the scripts into a folder of Aegisub, and tell them where this karalign is. Gives the files written.

    Raises:
        PlaceError, FileError: a file cannot be written.
    """
    from plugin.cli import COMMANDS

    written = []
    for script in scripts():
        there = _target(place, script)
        try:
            there.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PlaceError(f"cannot be made: {error.strerror}", str(there.parent)) from error
        write_atomic(there, (SOURCE / script).read_bytes())
        written.append(there)
    facts = {"program": program(), "version": __version__, "guide": "yes" if "guide" in COMMANDS else "no"}
    write_atomic(place / INSTALLED, "".join(f"{name}\t{value}\n" for name, value in facts.items()).encode())
    return [*written, place / INSTALLED]


def uninstall(place: Path) -> list[Path]:
    """Take the scripts out of a folder of Aegisub; the user's settings stay. Gives the files removed."""
    paths = [*(_target(place, script) for script in scripts()), place / INSTALLED]
    gone = [path for path in paths if path.is_file()]
    for path in gone:
        path.unlink()
    for path in {path.parent for path in gone if path.parent.name == "karalign"}:
        if not any(path.iterdir()):
            path.rmdir()
    return gone


def program() -> str:
    """The `karalign` that belongs to this Python, else the one on the path."""
    beside = shutil.which("karalign", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("karalign")
    return str(Path(found).absolute()) if found else "karalign"


def feed(base: str) -> str:
    """The feed by which DependencyControl offers the scripts, as JSON.

    Args:
        base: address of the folder where `autoload` and `include` are published.
    """
    release = {"version": __version__, "default": True}
    modules: dict[str, Any] = {}
    macros: dict[str, Any] = {}
    for script in scripts():
        name = script.relative_to(script.parts[0]).with_suffix("").as_posix().replace("/", ".")
        digest = hashlib.sha1((SOURCE / script).read_bytes(), usedforsecurity=False).hexdigest()  # as the feed has it
        file = {"name": ".lua", "url": f"{base.rstrip('/')}/{script.as_posix()}", "sha1": digest}
        about = {"name": name, "author": _AUTHOR, "channels": {"release": release | {"files": [file]}}}
        (macros if script.parts[0] == AUTOLOAD else modules)[name] = about
    for macro in macros.values():
        needed = [{"moduleName": name, "version": __version__} for name in modules]
        macro["channels"]["release"]["requiredModules"] = needed
    head = {"dependencyControlFeedFormatVersion": _FEED, "name": "karalign", "maintainer": _AUTHOR, "baseUrl": base}
    return json.dumps(head | {"macros": macros, "modules": modules}, indent=2) + "\n"


def _target(place: Path, script: Path) -> Path:
    return place / "automation" / script
