"""The real Aegisub on a screen that nobody sees, worked with the keyboard."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

AEGISUB = "aegisub-3.2"
NEEDED = (AEGISUB, "Xvfb", "openbox", "xdotool", "import", "convert", "gcc")
PATIENCE = 60.0  # seconds: the machine may be busy
# wxWidgets 3.2 stops 3.2.2 with a dialog about a flag of a sizer; this is how a program says that it does not mind.
NO_ASSERT = "void _ZN5wxApp15OnAssertFailureEPKwiS1_S1_S1_(void) {}\n"
CONFIG = {
    "App": {"First Start": False, "Language": "en_US", "Auto": {"Check For Updates": False, "Load Linked Files": 0}}
}
MACRO = "automation/lua/{}/karalign/{}"
KEYS = {
    "Time selected lines": "F2", "Karaoke: syllables": "F3", "Re-time whole file": "F4", "Check timing": "F5",
    "Remove karaoke": "F8", "Settings": "F9",
}  # fmt: skip
COMMANDS = {"edit/undo": "F6", "subtitle/select/all": "F7", "subtitle/save": "F11", "app/exit": "F12"}


def missing() -> list[str]:
    """The programs that are not installed."""
    return [name for name in NEEDED if not shutil.which(name)]


def until(what: str, true: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for something; it is an error if it does not happen."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.05)


@dataclass
class Desk:
    """A screen with a window manager, and a home in which Aegisub has its folder.

    Args:
        folder: for all of it.
        script: stem of the macro file that the keys are for.
    """

    folder: Path
    script: str = "karalign.Timing"
    env: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> Path:
        """Aegisub's folder."""
        return self.folder / "home" / ".aegisub"

    @contextmanager
    def screen(self) -> Iterator[None]:
        """While this lasts, the screen is there and Aegisub knows the keys."""
        self.place.mkdir(parents=True)
        (self.place / "config.json").write_text(json.dumps(CONFIG))
        (self.folder / "noassert.c").write_text(NO_ASSERT)
        library = self.folder / "noassert.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, self.folder / "noassert.c"], check=True)
        read, write = os.pipe()
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"],
            pass_fds=[write], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as pipe:
            display = ":" + pipe.readline().strip()
        self.env = {
            **{name: value for name, value in os.environ.items() if name != "WAYLAND_DISPLAY"},
            "HOME": str(self.folder / "home"), "DISPLAY": display, "LD_PRELOAD": str(library), "GDK_BACKEND": "x11",
            "NO_AT_BRIDGE": "1", "WXSUPPRESS_SIZER_FLAGS_CHECK": "1",
        }  # fmt: skip
        manager = subprocess.Popen(["openbox"], env=self.plain, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._learn_keys()
            yield
        finally:
            _end(manager)
            _end(server)

    @property
    def plain(self) -> dict[str, str]:
        """The environment without what only Aegisub needs."""
        return {name: value for name, value in self.env.items() if name != "LD_PRELOAD"}

    def _learn_keys(self) -> None:
        """Let Aegisub write its table of keys, for it cannot read a part of one; then change that."""
        table = self.place / "hotkey.json"
        with self._started():
            until("the table of keys", lambda: table.exists() and table.stat().st_size)
            until("its end", lambda: _is_json(table))
        keys = json.loads(table.read_text())
        ours = {**COMMANDS, **{MACRO.format(self.script, name): key for name, key in KEYS.items()}}
        for known in keys.values():
            for name in list(known):
                known[name] = [key for key in known[name] if key not in ours.values()]
        keys["Default"].update({name: [key] for name, key in ours.items()})
        table.write_text(json.dumps(keys))

    @contextmanager
    def _started(self, *files: Path, **env: str) -> Iterator[None]:
        with (self.folder / "aegisub.log").open("ab") as log:
            process = subprocess.Popen(
                [AEGISUB, *files], env={**self.env, **env}, stdout=log, stderr=log, cwd=self.folder
            )
        try:
            yield
        finally:
            _end(process)

    @contextmanager
    def open(self, script: Path, sound: Path | None = None, **env: str) -> Iterator[Editor]:
        """Aegisub with a script and its sound, ready for keys."""
        files = [script] if sound is None else [script, sound]
        with self._started(*files, **env):
            editor = Editor(self, script)
            until("the main window", lambda: editor.main)
            self.xdotool("windowactivate", "--sync", editor.main)
            yield editor

    def xdotool(self, *words: str) -> str:
        """What xdotool says; "" where it fails, as a search without a result does."""
        done = subprocess.run(
            ["xdotool", *words], check=False, env=self.plain, capture_output=True, text=True, timeout=PATIENCE
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    def windows(self) -> dict[str, str]:
        """The titles of all visible windows, by their numbers."""
        numbers = self.xdotool("search", "--onlyvisible", "--name", ".+").split()
        titles = {number: self.xdotool("getwindowname", number) for number in numbers}
        return {number: title for number, title in titles.items() if title}

    def picture(self, path: Path) -> None:
        """The screen as a PNG of few colours."""
        subprocess.run(["import", "-window", "root", "-colors", "64", path], env=self.plain, check=True)


@dataclass
class Editor:
    """An Aegisub at work on a script."""

    desk: Desk
    script: Path

    @property
    def main(self) -> str:
        """The number of its main window; "" before there is one."""
        found = self.desk.xdotool("search", "--onlyvisible", "--name", self.script.name.replace(".", r"\."))
        return found.split()[0] if found else ""

    @property
    def modified(self) -> bool:
        """Whether it has changes that are not saved."""
        return self.desk.xdotool("getwindowname", self.main).startswith("* ")

    def press(self, *names: str) -> None:
        """Press the keys of commands and macros, in the main window."""
        for name in names:
            self.desk.xdotool("windowfocus", "--sync", self.main)
            time.sleep(0.2)
            self.desk.xdotool("key", {**KEYS, **COMMANDS}[name])
            time.sleep(0.3)

    def dialogs(self) -> dict[str, str]:
        """The titles of its other windows, by number."""
        main = self.main
        return {number: title for number, title in self.desk.windows().items() if number != main and title != AEGISUB}

    def saved(self) -> bytes:
        """What is in the script after saving."""
        before = self.script.stat().st_mtime_ns
        self.press("subtitle/save")
        until("the saved script", lambda: self.script.stat().st_mtime_ns != before and not self.modified)
        return self.script.read_bytes()


def _is_json(path: Path) -> bool:
    with suppress(ValueError):
        return bool(json.loads(path.read_text()))
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
