"""Many songs one after the other, some at once; one that fails never stops the rest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import click

from aligner_core.errors import AlignerError
from plugin.report import count
from plugin.terminal import counting_bar, on_terminal

from .change import Changed
from .pairs import Pair
from .swap import flush, sweep

Status = Literal["changed", "unchanged", "skipped", "failed"]
VERSION = 1  # of the JSON report
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Outcome:
    """What became of one song, without the lyrics themselves: a library has many.

    Args:
        tag: version of its tag, before.
        written, removed, kept: names of frames and fields with lyrics.
        backup: the file that the old song is in.
        error: what is wrong, for one that failed; why, for one that was skipped.
    """

    pair: Pair
    status: Status
    tag: str = ""
    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    backup: Path | None = None
    error: str = ""

    @classmethod
    def of(cls, pair: Pair, done: Changed) -> Self:
        """That of a song that did not fail."""
        status: Status = "changed" if done.gone or done.new else "unchanged"
        written, removed, kept = (tuple(one.slot for one in each) for each in (done.new, done.gone, done.kept))
        return cls(pair, status, done.version, written, removed, kept, done.backup)

    def to_dict(self) -> dict[str, Any]:
        """The JSON of it; null where there is none."""
        return {
            "song": str(self.pair.song),
            "text": str(self.pair.text) if self.pair.text else None,
            "status": self.status,
            "error": self.error or None,
            "tag": self.tag or None,
            "written": list(self.written),
            "removed": list(self.removed),
            "kept": list(self.kept),
            "backup": str(self.backup) if self.backup else None,
        }

    def told(self, dry_run: bool) -> str:
        """A line for people."""
        if self.status != "changed":
            return f"{self.pair.song}: {self.error or 'as it should be'}"
        gone = [slot for slot in self.removed if slot not in self.written]
        parts = [
            f"{'would write' if dry_run else 'wrote'} {', '.join(self.written)}" if self.written else "",
            f"{'would remove' if dry_run else 'removed'} {', '.join(gone)}" if gone else "",
            f"from {self.pair.text.name}" if self.pair.text else "",
            f"kept {', '.join(self.kept)}" if self.kept else "",
            f"backup {self.backup.name}" if self.backup else "",
        ]
        return f"{self.pair.song}: {'; '.join(filter(None, parts))}"


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
    shown = not how.quiet and not how.as_json and on_terminal()
    outcomes: list[Outcome] = []
    with (
        counting_bar("songs", len(pairs), shown) as step,
        closing(_outcomes(pairs, work, how.jobs)) as coming,  # an interrupt must not leave the rest in the queue
    ):
        for outcome in coming:
            outcomes.append(outcome)
            step()
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


def _outcomes(pairs: Sequence[Pair], work: Callable[[Pair], Changed], jobs: int) -> Generator[Outcome, None, None]:
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
    return Outcome.of(pair, done)
