"""`karalign strip`: songs without the lyrics in their tags."""

from __future__ import annotations

import click

from plugin.tags.base import TagError
from plugin.tags.batch import Running, batch_options, run, tell
from plugin.tags.change import Manner, strip
from plugin.tags.pairs import songs


@click.command()
@click.argument("names", metavar="SONG...", nargs=-1, required=True)
@batch_options
@click.pass_context
def command(
    ctx: click.Context, names: tuple[str, ...], recursive: bool, dry_run: bool, no_backup: bool, keep_time: bool,
    jobs: int, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Take all lyrics out of the tags of songs, and nothing else.

    SONG may be a folder: all songs in it. The old file stays as SONG.bak.
    """
    how = Running(recursive, dry_run, not no_backup, keep_time, jobs, as_json, quiet)
    manner = Manner(backup=not no_backup, keep_time=keep_time, dry_run=dry_run)
    found = songs(names, recursive)
    if not found:
        raise TagError("there is no song", ", ".join(names))
    ctx.exit(tell(run(found, lambda pair: strip(pair.song, manner), how), how))
