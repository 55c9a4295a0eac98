"""The real Aegisub, worked with the keyboard: what is asked for changes, in one step, and nothing else ever does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import desk
import pytest
from desk import Desk, Editor, until

from plugin.aegisub.places import INSTALLED, SOURCE, program

pytestmark = pytest.mark.timeout(400)

HEAD = """\
[Script Info]
Title: Amazing Grace
ScriptType: v4.00+
PlayResX: 640
PlayResY: 360
WrapStyle: 0
{garbage}
[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,DejaVu Sans,20,&H00FFFFFF,&H000000FF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,2,2,2,10,10,10,1
Style: Übersetzung,DejaVu Sans,16,&H00FFFFFF,&H000000FF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,2,2,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
OTHERS = (
    "Comment: 0,0:00:00.00,0:00:05.00,Default,,0,0,0,template syl noblank,{\\t($start,$end,\\1c&HFF&)}",
    "Comment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,a note",
    "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,fx,{\\k20}grace",
)
EXTRA = "\n[Aegisub Extradata]\nData: 1,somebody,ekept\n"
KARAOKE = re.compile(r"\{\\(?:kf|k)(\d+)\}")
NEAR = 0.4  # s; the held "I" of the third line is heard a third of a second early


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The desk, with the macros installed as a user does it."""
    if absent := desk.missing():
        pytest.skip(f"not installed: {', '.join(absent)}")
    table = Desk(tmp_path_factory.mktemp("desk"))
    with table.screen():
        command = [program(), "aegisub", "install", "--dir", str(table.place)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        table.env["KARALIGN_CACHE"] = str(table.folder / "cache")
        table.env["PYTHONPATH"] = str(Path(__file__).parents[1])
        yield table


@pytest.fixture(scope="module")
def truth(root: Path) -> list[tuple[str, float, float]]:
    """Text, start and end of each line that is sung."""
    lines = json.loads((root / "examples" / "amazing-grace.truth.json").read_text("utf-8"))["lines"]
    return [(line["text"], line["start"], line["end"]) for line in lines if line["start"] is not None]


@pytest.fixture(scope="module")
def song(root: Path) -> Path:
    return root / "examples" / "amazing-grace.mp3"


def clock(seconds: float) -> str:
    hundredths = round(seconds * 100)
    return f"{hundredths // 360000}:{hundredths // 6000 % 60:02}:{hundredths // 100 % 60:02}.{hundredths % 100:02}"


def row(text: str, start: float = 0.0, end: float = 5.0, effect: str = "") -> str:
    return f"Dialogue: 0,{clock(start)},{clock(end)},Default,Ann,0,0,0,{effect},{text}"


def written(table: Desk, rows: Sequence[str], garbage: str = "") -> Path:
    """A script in a new folder."""
    folder = table.folder / f"{time.monotonic_ns()}"
    folder.mkdir()
    script = folder / "grace.ass"
    script.write_text(HEAD.format(garbage=garbage) + "\n".join([*rows, *OTHERS]) + "\n" + EXTRA, encoding="utf-8-sig")
    return script


def events(script: str) -> list[str]:
    return re.findall(r"^(?:Dialogue|Comment): .*$", script, re.MULTILINE)


def starts(script: str) -> list[float]:
    rows = [re.split("[:,]", event)[2:5] for event in events(script) if event.startswith("Dialogue")]
    return [float(hours) * 3600 + float(minutes) * 60 + float(seconds) for hours, minutes, seconds in rows]


def timeless(script: str) -> str:
    """Without the times of dialogue that is no effect."""
    return re.sub(r"^(Dialogue: 0),[^,]*,[^,]*(,(?:[^,]*,){5},)", r"\1\2", script, flags=re.MULTILINE)


def near(found: Sequence[float], truth: Sequence[tuple[str, float, float]]) -> bool:
    return all(abs(start - known[1]) < NEAR for start, known in zip(found, truth, strict=False))


def both(editor: Editor, macro: str, answers: int = 0) -> tuple[str, str]:
    """The script saved after a macro on all lines, and after one undo."""
    editor.press("subtitle/select/all", macro)
    for _ in range(answers):
        until("a dialog", lambda: len(editor.dialogs()) > 1, 120)
        editor.desk.xdotool("key", "Return")
    until("the macro", lambda: editor.modified and not editor.dialogs(), 120)
    after = editor.saved().decode("utf-8-sig")
    editor.press("edit/undo")
    until("the undo", lambda: editor.modified)
    return after, editor.saved().decode("utf-8-sig")


def picture(table: Desk, name: str) -> None:
    """Kept where `KARALIGN_PICTURES` says."""
    if folder := os.environ.get("KARALIGN_PICTURES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        table.picture(Path(folder, name))


def test_a_cancel_leaves_all_as_it_was_and_ends_the_run(table: Desk, song: Path) -> None:
    script, pid = written(table, [row("Amazing grace!")]), table.folder / "pid"
    before = script.read_bytes()
    slow = table.folder / "slow karalign"
    slow.write_text(f"#!/bin/sh\necho $$ >'{pid}.part'; mv '{pid}.part' '{pid}'; exec '{program()}' \"$@\"\n")
    slow.chmod(0o755)
    facts = (table.place / INSTALLED).read_text()
    (table.place / INSTALLED).write_text(f"program\t{slow}\n")
    try:
        with table.open(script, song) as editor:
            editor.press("subtitle/select/all", "Time selected lines")
            until("the window of the progress", editor.dialogs)
            until("the run", pid.exists)
            until("its window", editor.dialogs)
            picture(table, "aegisub-progress.png")
            table.xdotool("key", "Escape")
            until("the end of the macro", lambda: not editor.dialogs())
            until("the end of the run", lambda: not Path(f"/proc/{pid.read_text().strip()}").exists())
            assert not editor.modified
    finally:
        (table.place / INSTALLED).write_text(facts)
    assert script.read_bytes() == before


def test_selected_lines_get_their_times(table: Desk, song: Path, truth: list[tuple[str, float, float]]) -> None:
    rows = [row("{\\i1}{=1}" + text if at == 1 else "{\\i1}" + text) for at, (text, _, _) in enumerate(truth)]
    script = written(table, rows)
    with table.open(script, song) as editor:
        after, undone = both(editor, "Time selected lines")
    assert near(starts(after), truth)
    assert len(starts(after)) == len(truth) + 1
    assert timeless(after) == timeless(undone)
    assert events(after)[len(truth) :] == list(OTHERS)
    assert set(starts(undone)[: len(truth)]) == {0.0}


def test_karaoke_is_written_into_lines(table: Desk, song: Path, truth: list[tuple[str, float, float]]) -> None:
    script = written(table, [row("{\\b1}" + text, start, end) for text, start, end in truth])
    with table.open(script, song) as editor:
        editor.press("subtitle/select/all", "Karaoke: syllables")
        until("the macro", lambda: editor.modified and not editor.dialogs(), 120)
        picture(table, "aegisub-karaoke.png")
        after = editor.saved().decode("utf-8-sig")
        editor.press("edit/undo")
        until("the undo", lambda: editor.modified)
        undone = editor.saved().decode("utf-8-sig")
    assert events(undone) == events(script.read_text("utf-8-sig"))
    kept = [KARAOKE.sub("", event) for event in events(after)[: len(truth)]]
    assert kept == events(undone)[: len(truth)]
    assert events(after)[len(truth) :] == list(OTHERS)
    for event, (_, start, end) in zip(events(after), truth, strict=False):
        spans = [int(span) for span in KARAOKE.findall(event)]
        assert len(spans) > 5
        assert abs(sum(spans) - 100 * (end - start)) <= 1


def test_a_file_that_is_late_is_made_right(table: Desk, song: Path, truth: list[tuple[str, float, float]]) -> None:
    script = written(table, [row(text, start + 2, end + 2) for text, start, end in truth])
    with table.open(script, song) as editor:
        after, undone = both(editor, "Re-time whole file")
    assert near(starts(after), truth)
    assert timeless(after) == timeless(undone)
    assert near([start - 2 for start in starts(undone)], truth)


def test_doubtful_lines_are_marked(table: Desk, song: Path, truth: list[tuple[str, float, float]]) -> None:
    late = [{2: -0.2, 3: 2.0}.get(at, 0.0) for at in range(len(truth))]  # the third line is heard early
    script = written(
        table, [row(text, start + more, end + more) for (text, start, end), more in zip(truth, late, strict=True)]
    )
    with table.open(script, song) as editor:
        after, undone = both(editor, "Check timing", answers=1)
    changed = [at for at, pair in enumerate(zip(events(after), events(undone), strict=True)) if pair[0] != pair[1]]
    assert changed == [3]
    assert re.search(r",karalign: heard [12]\.\d s earlier \(\d+%\),", events(after)[3])


def test_karaoke_is_removed(table: Desk, song: Path, truth: list[tuple[str, float, float]]) -> None:
    script = written(table, [row(f"{{\\k30}}{{\\b1\\kf50}}{text}", start, end) for text, start, end in truth])
    with table.open(script, song) as editor:
        after, undone = both(editor, "Remove karaoke")
    assert after == re.sub(r"\{\\k30\}\{\\b1\\kf50\}", r"{\\b1}", undone)
    assert after != undone


@pytest.fixture
def said(table: Desk) -> Iterator[Path]:
    """A file in which there is a row for each dialog."""
    heard, script = (
        table.folder / f"heard-{time.monotonic_ns()}",
        table.place / "automation/autoload/karalign.Timing.lua",
    )
    real = SOURCE / "autoload" / "karalign.Timing.lua"
    listener = (Path(__file__).parent / "lua" / "listen.lua").read_text("utf-8")
    script.write_text(listener.replace('"HEARD"', f'"{heard}"') + real.read_text("utf-8"), encoding="utf-8")
    facts = (table.place / INSTALLED).read_text()
    yield heard
    script.write_bytes(real.read_bytes())
    (table.place / INSTALLED).write_text(facts)


def told(table: Desk, said: Path, script: Path, sound: Path | None) -> str:
    """What the one dialog says that a run ends with; the script stays as it is."""
    before = script.read_bytes()
    with table.open(script, sound) as editor:
        editor.press("subtitle/select/all", "Time selected lines")
        until("a dialog", lambda: len(editor.dialogs()) > 1)
        picture(table, "aegisub-message.png")
        table.xdotool("key", "Return")
        until("the end of the macro", lambda: not editor.dialogs())
        assert not editor.modified
    assert script.read_bytes() == before
    (message,) = said.read_text("utf-8").splitlines()
    return message


def test_a_missing_karalign_is_one_sentence(table: Desk, said: Path, song: Path) -> None:
    (table.place / INSTALLED).write_text("program\t/nowhere/karalign\n")
    message = told(table, said, written(table, [row("Amazing grace!")]), song)
    assert message == (
        "karalign was not found as /nowhere/karalign: run `karalign aegisub install` in a terminal,"
        " or name it in the settings."
    )


def test_a_missing_sound_is_one_sentence(table: Desk, said: Path) -> None:
    script = written(table, [row("Amazing grace!")], "\n[Aegisub Project Garbage]\nAudio File: gone.wav\n")
    message = told(table, said, script, None)
    assert re.fullmatch(r"\S*gone\.wav: there is no such file.*\.", message)


def test_a_failing_run_is_one_sentence(table: Desk, said: Path) -> None:
    script = written(table, [row("Amazing grace!")], "\n[Aegisub Project Garbage]\nAudio File: noise.wav\n")
    (script.parent / "noise.wav").write_text("no sound at all")
    message = told(table, said, script, None)
    assert re.fullmatch(r"\S*noise\.wav: .+\.", message)
