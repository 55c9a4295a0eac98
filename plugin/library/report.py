"""What became of a library, as JSON: the same bytes whenever and however often a run was stopped on the way.

Paths in it begin at its own folder, so that it may be moved with the songs. Times that the work took are elsewhere.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugin.files import write_atomic

from .journal import Run
from .places import is_url
from .work import STATUSES, Outcome

VERSION = 1
REPORT, PAGE, JOURNAL, TIMES = "report.json", "report.html", "journal.jsonl", "times.json"  # in the folder of a report


@dataclass(frozen=True)
class LibraryReport:
    """All outcomes in the order of the songs.

    Args:
        folder: of the report.
    """

    outcomes: Sequence[Outcome]
    run: Run
    folder: Path

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each status."""
        found = Counter(outcome.status for outcome in self.outcomes)
        return {status: found[status] for status in STATUSES}

    @property
    def hours(self) -> float:
        """Of sound that was heard."""
        return round(sum(outcome.seconds for outcome in self.outcomes) / 3600, 4)

    def to_dict(self) -> dict[str, Any]:
        """The JSON report; times in seconds, null where not known."""
        return {
            "version": VERSION,
            "karalign": self.run.karalign,
            "checkpoint": self.run.checkpoint,
            "counts": self.counts,
            "hours": self.hours,
            "songs": [self._row(outcome) for outcome in self.outcomes],
        }

    def write(self, took: dict[str, Any]) -> None:
        """The report as JSON and as a page, and in a file of its own what the work took.

        Raises:
            FileError: the disk does not take it.
        """
        from .page import page

        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / TIMES, _json(took))
        write_atomic(self.folder / REPORT, _json(self.to_dict()))
        write_atomic(self.folder / PAGE, page(self).encode("utf-8", "backslashreplace"))

    def named(self, path: str) -> str:
        """A path from the folder of the report, where there is one."""
        if not path or is_url(path):
            return path
        try:
            return Path(os.path.relpath(path, self.folder)).as_posix()
        except ValueError:  # another drive
            return path

    def _row(self, outcome: Outcome) -> dict[str, Any]:
        row = outcome.to_dict()
        item = row.pop("item")
        row["doubts"] = [{"line": doubt.pop("number"), **doubt} for doubt in row["doubts"]]
        names = {key: [self.named(one) for one in item["outputs"]] if key == "outputs" else self.named(item[key])
                 for key in item}  # fmt: skip
        return names | row


def _json(data: dict[str, Any]) -> bytes:
    return f"{json.dumps(data, indent=1)}\n".encode()
