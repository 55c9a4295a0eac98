"""Many songs one after the other, some at once; one that fails never stops the rest."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import click

from aligner_core.errors import AlignerError
from plugin.report import count

from .base import Entry
from .change import Changed
from .pairs import Pair
from .swap import flush, sweep

Status = Literal["changed", "unchanged", "skipped", "failed"]
VERSION = 1  # of the JSON report
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Outcome:
    """What became of one song.

    Args:
        error: what is wrong, for one that failed; why, for one that was skipped.
    """

    pair: Pair
    status: Status
    changed: Changed | None = None
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The JSON of it; null where there is none."""
        done = self.changed
        return {
            "song": str(self.pair.song),
            "text": str(self.pair.text) if self.pair.text else None,
            "status": self.status,
            "error": self.error or None,
            "tag": done.version if done else None,
            "written": _slots(done.new) if done else [],
            "removed": _slots(done.gone) if done else [],
            "kept": _slots(done.kept) if done else [],
            "backup": str(done.backup) if done and done.backup else None,
        }

    def told(self, dry_run: bool) -> str:
        """A line for people."""
        if self.changed is None or self.status != "changed":
            return f"{self.pair.song}: {self.error or 'as it should be'}"
        done, would = self.changed, "would write" if dry_run else "wrote"
        parts = [f"{would} {', '.join(_slots(done.new))}"] if done.new else []
        if gone := [slot for slot in _slots(done.gone) if slot not in _slots(done.new)]:
            parts.append(f"{'would remove' if dry_run else 'removed'} {', '.join(gone)}")
        if self.pair.text:
            parts.append(f"from {self.pair.text.name}")
        if done.kept:
            parts.append(f"kept {', '.join(_slots(done.kept))}")
        if done.backup:
            parts.append(f"backup {done.backup.name}")
        return f"{self.pair.song}: {'; '.join(parts)}"


@dataclass(frozen=True)
class Running:
    """How a batch runs: what `batch_options` ask for."""

    recursive: bool
    dry_run: bool
    backup: bool
    keep_time: bool
    jobs: int
    as_json: bool
    quiet: bool


def batch_options(command: _F) -> _F:
    """The options of all commands that change songs."""
    for option in (
        click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
        click.option("--json", "as_json", is_flag=True, help="Print the report as JSON."),
        click.option("--jobs", type=click.IntRange(1, 64), default=4, show_default=True, help="Songs at a time."),
        click.option("--keep-time", is_flag=True, help="Keep the time of the last change; libraries may miss it then."),
        click.option("--no-backup", is_flag=True, help="Don't keep the old file as SONG.bak."),
        click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing."),
        click.option("-r", "--recursive", is_flag=True, help="Folders within folders, too."),
    ):
        command = option(command)
    return command


def run(pairs: Sequence[Pair], work: Callable[[Pair], Changed], how: Running) -> list[Outcome]:
    """Do the work for each pair, and tell what became of it, in their order.

    Raises:
        KeyboardInterrupt: after the songs that were being written are done.
    """
    folders = set() if how.dry_run else {pair.song.resolve().parent for pair in pairs}
    for folder in folders:
        sweep(folder)
    shown = not how.quiet and not how.as_json and sys.stderr is not None and sys.stderr.isatty()
    outcomes: list[Outcome] = []
    with click.progressbar(length=len(pairs), file=sys.stderr, hidden=not shown) as bar:
        for outcome in _outcomes(pairs, work, how.jobs):
            outcomes.append(outcome)
            bar.update(1)
    for folder in folders:
        flush(folder)
    return outcomes


def tell(outcomes: Sequence[Outcome], how: Running) -> int:
    """Print the report; the exit code."""
    counts = Counter(outcome.status for outcome in outcomes)
    if how.as_json:
        songs = [outcome.to_dict() for outcome in outcomes]
        report = {"version": VERSION, "dry_run": how.dry_run, "counts": dict(sorted(counts.items())), "songs": songs}
        click.echo(json.dumps(report, ensure_ascii=True, indent=1))
    for outcome in outcomes:
        if outcome.status == "failed":
            click.echo(f"karalign: {outcome.error}", err=True)
        elif not how.quiet and not how.as_json:
            click.echo(outcome.told(how.dry_run))
    if len(outcomes) > 1 and not how.quiet and not how.as_json:
        parts = (f"{counts[status]} {status}" for status in ("changed", "unchanged", "skipped", "failed"))
        click.echo(f"{count(len(outcomes), 'song')}: {', '.join(part for part in parts if part[0] != '0')}")
    return int(counts["failed"] > 0)


def _outcomes(pairs: Sequence[Pair], work: Callable[[Pair], Changed], jobs: int) -> Iterator[Outcome]:
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(_one, pair, work) for pair in pairs]
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _one(pair: Pair, work: Callable[[Pair], Changed]) -> Outcome:
    if pair.skip:
        return Outcome(pair, "skipped", error=pair.skip)
    try:
        done = work(pair)
    except AlignerError as error:
        return Outcome(pair, "failed", error=" ".join(str(error).splitlines()))
    except OSError as error:
        return Outcome(pair, "failed", error=f"{pair.song}: {error.strerror or error}")
    return Outcome(pair, "changed" if done.gone or done.new else "unchanged", done)


def _slots(entries: Sequence[Entry]) -> list[str]:
    return [entry.slot for entry in entries]
