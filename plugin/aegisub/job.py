r"""The exchange with Aegisub: a job file in, a result file out, both rows of fields between tabs, in UTF-8.

A tab, line end or backslash in a field is written `\t`, `\n`, `\r`, `\\`; times are whole milliseconds. A job:

    karalign-job  1
    task      lines | syllables | retime | check | guide
    audio     FILE
    option    NAME  VALUE
    line      KEY  START  END  TEXT         as the script has it, tags and all

Its result, JOB.result, is there as a whole or not at all; times are multiples of 10, which every version of Aegisub
writes alike:

    karalign-result  1
    line      KEY  START  END  TEXT
    mark      KEY  WHAT                     to be shown beside the line; nothing: it is right
    missing   KEY                           not found: to be left as it is
    exit      CODE  MESSAGE                 0, or 1 and one sentence

While the job runs, rows `PERCENT  WHAT` are added to JOB.progress; a file JOB.cancel ends it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aligner_core.errors import LyricsError
from plugin.files import read_text, write_atomic

VERSION = 1
RESULT, PROGRESS, CANCEL = ".result", ".progress", ".cancel"  # after the name of the job
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_MEANT = {written: character for character, written in _ESCAPES.items()}


@dataclass(frozen=True, slots=True)
class JobLine:
    """A line of a script: `key` is Aegisub's name for it, times are ms, the text has its tags."""

    key: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Job:
    """What Aegisub wants to be done."""

    task: str
    audio: str
    options: Mapping[str, str]
    lines: tuple[JobLine, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job.

    Args:
        lines: those that have changed.
        marks: by key.
        missing: keys of lines that were not found.
        message: for the user, or "".
    """

    lines: tuple[JobLine, ...] = ()
    marks: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    message: str = ""


def read(path: Path) -> Job:
    """A job from its file.

    Raises:
        LyricsError: it is none, or damaged.
    """
    task = audio = ""
    options: dict[str, str] = {}
    lines: list[JobLine] = []
    rows = read_text(path).text.split("\n")
    if rows[0] != f"karalign-job\t{VERSION}":
        raise LyricsError("no job of this version", str(path), "install the macros again: karalign aegisub install")
    for number, row in enumerate(rows[1:], 2):
        match [_unescaped(cell) for cell in row.split("\t")]:
            case ["task", task]:
                pass
            case ["audio", audio]:
                pass
            case ["option", name, value]:
                options[name] = value
            case ["line", key, start, end, text] if _is_ms(start) and _is_ms(end):
                lines.append(JobLine(key, int(start), int(end), text))
            case [""]:
                pass
            case _:
                raise LyricsError(f"{row[:40]!r} belongs to no job", f"{path}:{number}")
    return Job(task, audio, options, tuple(lines))


def write_result(path: Path, outcome: Outcome, code: int = 0) -> None:
    """Put the result of a job beside it, all at once.

    Raises:
        FileError: it cannot be written.
    """
    rows: list[tuple[str, ...]] = [("karalign-result", str(VERSION))]
    rows += (("line", line.key, str(line.start), str(line.end), line.text) for line in outcome.lines)
    rows += (("mark", key, what) for key, what in outcome.marks.items())
    rows += (("missing", key) for key in outcome.missing)
    rows.append(("exit", str(code), outcome.message))
    text = "".join("\t".join(map(_escaped, row)) + "\n" for row in rows)
    write_atomic(path.with_name(path.name + RESULT), text.encode())


def _is_ms(cell: str) -> bool:
    return re.fullmatch(r"[0-9]{1,9}", cell) is not None


def _escaped(cell: str) -> str:
    return re.sub(r"[\\\t\n\r]", lambda found: _ESCAPES[found[0]], cell)


def _unescaped(cell: str) -> str:
    return re.sub(r"\\[\\tnr]", lambda found: _MEANT[found[0]], cell)
