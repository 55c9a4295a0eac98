"""`karalign embed`: lyrics into the tags of songs."""

from __future__ import annotations

import click

from plugin.formats import LEVELS, Level
from plugin.report import table
from plugin.tags import container_for
from plugin.tags.base import TagError
from plugin.tags.batch import Running, batch_options, run, tell
from plugin.tags.change import LANGUAGE, Changed, Manner, embed
from plugin.tags.pairs import Pair, pairs
from plugin.tags.players import HEADER, PLAYERS, WAYS, recipe_for, rows


def _language(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not LANGUAGE.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not three letters of ISO 639-2, such as eng, or XXX", ctx, param)
    return value


def _players(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001
    if value:
        click.echo(table(HEADER[:-1], [row[:-1] for row in rows()]))
        ctx.exit()


@click.command()
@click.argument("names", metavar="SONG... [TEXT]...", nargs=-1, required=True)
@click.option("--for", "player", type=click.Choice(sorted(PLAYERS)), help="Write what this player reads.")
@click.option(
    "--players", is_flag=True, is_eager=True, expose_value=False, callback=_players, help="List players, and exit."
)  # fmt: skip
@click.option(
    "--as", "ways", type=click.Choice(tuple(WAYS)), multiple=True,
    help="Write this; may be repeated.  [default: sylt and uslt in MP3, LRC elsewhere]",
)  # fmt: skip
@click.option("--level", type=click.Choice(LEVELS[:3]), help="The finest times in SYLT and elrc.  [default: word]")
@click.option(
    "--language", default="eng", show_default=True, callback=_language, metavar="CODE", help="Of the lyrics, for ID3."
)  # fmt: skip
@click.option("--description", default="", metavar="TEXT", help="Tells several lyrics of one ID3 tag apart.")
@click.option(
    "--id3v2-version", "version", type=click.Choice(("3", "4")), default="3", show_default=True,
    help="For files without a tag; others keep theirs.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Let plain text replace timed lyrics.")
@batch_options
@click.pass_context
def command(
    ctx: click.Context, names: tuple[str, ...], player: str | None, ways: tuple[str, ...], level: Level | None,
    language: str, description: str, version: str, force: bool, recursive: bool, dry_run: bool, no_backup: bool,
    keep_time: bool, jobs: int, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Put timed lyrics into the tags of songs: MP3, FLAC, Ogg Vorbis, Opus, M4A.

    The text of song.mp3 is the TEXT that is named, or song.json, song.lrc and so on beside it. SONG may be a folder:
    all songs in it that have such a text. What else is in a file stays as it is, and the old file stays as SONG.bak;
    what was written is read back before it takes the place of the song.
    """
    from plugin import load

    if player and ways:
        raise click.UsageError("--for and --as exclude each other")
    recipe = recipe_for(player, ways)
    how = Running(recursive, dry_run, not no_backup, keep_time, jobs, as_json, quiet)
    manner = Manner(recipe, level, language, description, int(version), force, not no_backup, keep_time, dry_run)

    def work(pair: Pair) -> Changed:
        if pair.text is None:
            container_for(pair.song)  # a song that is none is told before a text that is not there
            raise TagError("has no text beside it", str(pair.song), f"name one, or put {pair.song.stem}.lrc there")
        return embed(pair.song, load(pair.text), manner)

    found = pairs(names, recursive)
    if not found:
        raise TagError("there is no song", ", ".join(names))
    ctx.exit(tell(run(found, work, how), how))
