"""`karalign batch`: a whole library aligned, and again from where it was stopped."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plugin.formats import KaraokeTag, Level, RenderOptions, by_name
from plugin.layout import Layout, layout_options
from plugin.library.course import Course, Redo
from plugin.library.find import Found, Wish, check_formats, find
from plugin.library.journal import Journal, Run
from plugin.library.manifest import is_manifest
from plugin.library.places import is_url
from plugin.library.report import JOURNAL, PAGE, LibraryReport
from plugin.library.work import Item, Outcome, Settings
from plugin.report import count
from plugin.sources import encoding_option
from plugin.tags.change import Manner
from plugin.tags.players import PLAYERS, recipe_for
from plugin.targets import Target, finish_options, try_folder
from plugin.terminal import counting_bar, on_terminal

if TYPE_CHECKING:
    from plugin.library.engine import Engine

FAILED, LOW_CONFIDENCE = 1, 3  # exit codes
_DEVICES = re.compile(r"cpu|cuda(:\d+)?(,cuda:\d+)*")


def _formats(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG001
    return check_formats([name.strip() for names in value for name in names.split(",")])


def _devices(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    if not _DEVICES.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not cpu, cuda, or cuda:0,cuda:1 and so on", ctx, param)
    return () if value == "cpu" else tuple(dict.fromkeys(value.split(",")))


@click.command()
@click.argument("names", metavar="FOLDER|MANIFEST|SONG...", nargs=-1, required=True)
@click.option(
    "-w", "--write", metavar="FORMATS", multiple=True, callback=_formats,
    help="Formats to write, by their names in `karalign formats`, with commas between.",
)  # fmt: skip
@click.option("--out", metavar="DIR", help="Write there, in folders as the songs are in.  [default: beside the songs]")
@click.option("--overwrite", is_flag=True, help="Also replace files that were there before.")
@click.option("--embed", is_flag=True, help="Put the lyrics into the tags of the songs, as `karalign embed`.")
@click.option("--for", "player", type=click.Choice(sorted(PLAYERS)), help="Embed what this player reads.")
@click.option("--no-backup", is_flag=True, help="Don't keep songs that change as SONG.bak.")
@click.option("--keep-time", is_flag=True, help="Keep the time of the last change of songs.")
@click.option("-r", "--recursive", is_flag=True, help="Folders within folders, too.")
@finish_options
@encoding_option
@layout_options
@click.option("--model", metavar="NAME|FILE", help="Acoustic model, as for `karalign align`.  [default: cnn]")
@click.option("--exact", is_flag=True, help="The texts are sung from beginning to end, and nothing else.")
@click.option("--jobs", type=click.IntRange(1, 4096), metavar="N", help="Processes.  [default: one for each core]")
@click.option(
    "--device", "devices", default="cpu", show_default=True, callback=_devices, metavar="DEVICES",
    help="Where models run: cpu, in each process; cuda, or cuda:0,cuda:1 and so on, in one process each.",
)  # fmt: skip
@click.option(
    "--engine", "engine_name", type=click.Choice(("local", "ray")), default="local", show_default=True,
    help="What shares the work out: this machine, or a cluster of Ray.",
)  # fmt: skip
@click.option("--address", default="", metavar="ADDRESS", help="Of the cluster.  [default: Ray on this machine]")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=1800, show_default=True, metavar="S",
              help="Seconds after which a song is given up.")  # fmt: skip
@click.option(
    "--report", "folder", default="karalign-report", show_default=True, metavar="DIR",
    help="Folder for the report and the journal by which a run that was stopped goes on.",
)  # fmt: skip
@click.option("--again", "redo", flag_value="all", default="", help="Do all songs, also those that are done.")
@click.option("--failed", "redo", flag_value="failed", help="Also do those again that failed.")
@click.option(
    "--min-confidence", type=click.FloatRange(0, 1), metavar="X",
    help="A song is doubtful if a line scores below X or is not found, and the exit code 3 if one is.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="List what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report, or with --dry-run the list, as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.pass_context
def command(
    ctx: click.Context, names: tuple[str, ...], write: tuple[str, ...], out: str | None, overwrite: bool, embed: bool,
    player: str | None, no_backup: bool, keep_time: bool, recursive: bool, level: Level | None, k_tag: KaraokeTag,
    encoding: str | None, layout: Layout, model: str | None, exact: bool, jobs: int | None, devices: tuple[str, ...],
    engine_name: str, address: str, timeout: float, folder: str, redo: Redo, min_confidence: float | None,
    dry_run: bool, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Time the lyrics of a whole library to its songs.

    A FOLDER is searched for songs with a text of the same name beside them, or with lyrics in their tags; a MANIFEST
    is a list of songs (.jsonl or .csv: song, lyrics, outputs). What fails is told in the report and stops nothing.
    Stopped in any way and started again, it goes on where it was.
    """
    _check(names, write, embed, address, engine_name, bool(player or no_backup or keep_time))
    if write:
        layout.prepared([Target(name, by_name(name), RenderOptions(level, k_tag)) for name in write])
    manner = Manner(recipe_for(player, ()), backup=not no_backup, keep_time=keep_time) if embed else None
    settings = Settings(model, encoding, exact, level, k_tag, layout, manner, min_confidence)
    wish = Wish(write, out, recursive, embed, overwrite)
    place = Path(os.path.abspath(folder))  # noqa: PTH100 (links stay as they are)
    engine = _engine(engine_name, address, jobs, devices, timeout)
    with ExitStack() as opened:
        journal = opened.enter_context(_journal(place, Run.of(settings), writes=place.is_dir() and not dry_run))
        found = find(names, wish, journal.ours)
        _require_local(found, engine_name)
        if dry_run:
            _list(found, Course(found.items, settings, engine, journal, redo).pending(), as_json)
            return
        if not journal.writes:  # only now: no folder for a report of nothing
            place.mkdir(parents=True, exist_ok=True)
            journal = opened.enter_context(_journal(place, journal.run, writes=True))
        report, took = _followed(Course(found.items, settings, engine, journal, redo), found, place, quiet or as_json)
    report.write(took)
    if as_json:
        click.echo(json.dumps(report.to_dict() | took))
    else:
        for line in [*_failures(report), *([] if quiet else _totals(report, took))]:
            click.echo(line, err=True)
    if report.counts["failed"]:
        ctx.exit(FAILED)
    if min_confidence is not None and report.counts["doubtful"]:
        ctx.exit(LOW_CONFIDENCE)


def _journal(place: Path, run: Run, writes: bool) -> Journal:
    if writes:
        try_folder(place)
    return Journal(place / JOURNAL, run, writes)


def _check(
    names: Sequence[str], write: Sequence[str], embed: bool, address: str, engine_name: str, about_tags: bool
) -> None:
    if about_tags and not embed:
        raise click.UsageError("--for, --no-backup and --keep-time go with --embed")
    if address and engine_name != "ray":
        raise click.UsageError("--address goes with --engine ray")
    if not write and not embed and not any(map(is_manifest, names)):
        raise click.UsageError("one of --write FORMATS, --embed and a list with outputs is needed")


def _followed(course: Course, found: Found, place: Path, silent: bool) -> tuple[LibraryReport, dict[str, Any]]:
    """Do the work with a bar; the report, and what it took."""
    begun, pending = time.monotonic(), course.pending()
    now: list[Outcome] = []
    with counting_bar("songs", len(pending), not silent and on_terminal()) as count_one:

        def step(outcome: Outcome) -> None:
            now.append(outcome)
            count_one()

        try:
            known = course.run(pending, step)
        except (KeyboardInterrupt, SystemExit):  # or SIGTERM
            if not silent:
                click.echo(f"\n{len(now)} of {count(len(pending), 'song')} done; again, it goes on there", err=True)
            raise
    took = _took(now, len(known) - len(now), time.monotonic() - begun)
    known |= {outcome.item: outcome for outcome in found.skipped}
    return LibraryReport([known[item] for item in found.order], course.journal.run, place), took


def _took(now: Sequence[Outcome], before: int, seconds: float) -> dict[str, Any]:
    steps = {name: round(sum(getattr(one.took, name) for one in now), 3) for name in ("hearing", "aligning", "writing")}
    sound = sum(one.seconds for one in now)
    return {
        "seconds": round(seconds, 3), "songs_now": len(now), "songs_before": before,
        "songs_a_second": round(len(now) / max(seconds, 1e-3), 3),
        "times_real_time": round(sound / max(seconds, 1e-3), 2), "steps": steps,
    }  # fmt: skip


def _failures(report: LibraryReport) -> Iterator[str]:
    """A line for each song that failed."""
    for one in report.outcomes:
        if one.status == "failed":
            yield " ".join(f"{report.named(one.item.song)}: {one.why}".splitlines())


def _totals(report: LibraryReport, took: Mapping[str, Any]) -> Iterator[str]:
    counts = ", ".join(f"{number} {status}" for status, number in report.counts.items() if number)
    before = f", {took['songs_before']} of them before" if took["songs_before"] else ""
    yield f"{count(len(report.outcomes), 'song')}, {report.hours:.2f} hours of sound: {counts}{before}"
    yield f"{took['songs_a_second']:.2f} songs a second, {took['times_real_time']:.0f} times real time"
    yield f"report: {report.folder / PAGE}"


def _list(found: Found, pending: Sequence[Item], as_json: bool) -> None:
    """What would be done, a line for each song."""
    why = dict.fromkeys(found.items, "done before") | {one.item: one.why for one in found.skipped}
    for item in pending:
        del why[item]
    if as_json:
        rows = [{**asdict(item), "skipped": why.get(item)} for item in found.order]
        click.echo(json.dumps({"dry_run": True, "songs": rows}, indent=1))
        return
    for item in found.order:
        goes = ", ".join(item.outputs) or "its tags"
        what = f"skipped: {why[item]}" if item in why else f"{item.lyrics or 'lyrics in its tags, if any'} -> {goes}"
        click.echo(os.fsencode(" ".join(f"{item.song}: {what}".splitlines())))  # bytes: any name
    click.echo(f"{count(len(pending), 'song')} to do, {len(why)} skipped")


def _require_local(found: Found, engine_name: str) -> None:
    remote = next((name for item in found.items for name in _names(item) if is_url(name)), None)
    if remote and engine_name == "local":
        raise click.UsageError(f"{remote}: a URL needs --engine ray")


def _names(item: Item) -> tuple[str, ...]:
    return (item.song, item.lyrics, *item.outputs)


def _engine(name: str, address: str, jobs: int | None, devices: tuple[str, ...], timeout: float) -> Engine:
    if name == "ray":
        from plugin.library.ray import RayEngine

        kind = "cuda" if devices else "cpu"
        return RayEngine(
            address, jobs, kind, timeout=timeout, say=lambda line: click.echo(f"karalign: {line}", err=True)
        )
    from plugin.library.local import Local

    return Local(jobs or _cores(), devices, timeout)


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
