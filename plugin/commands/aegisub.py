"""`karalign aegisub`: the macros put into Aegisub, taken out again, and looked after."""

from __future__ import annotations

from pathlib import Path

import click


def _folder(ctx: click.Context, param: click.Parameter, value: str | None) -> Path:  # noqa: ARG001
    from plugin.aegisub.places import folder

    return folder(value)


_DIR = click.option(
    "--dir", "place", metavar="FOLDER", callback=_folder,
    help="Aegisub's folder, in which `automation` lies.  [default: the user's own]",
)  # fmt: skip


@click.group()
def command() -> None:
    """Time lines and syllables from within Aegisub: install, uninstall or look at its karalign macros."""


@command.command()
@_DIR
def install(place: Path) -> None:
    """Put the macros into Aegisub's folder, or bring them up to date."""
    from plugin.aegisub import places

    for path in places.install(place):
        click.echo(f"wrote {path}")
    click.echo("start Aegisub again: the macros are in its menu Automation", err=True)


@command.command()
@_DIR
def uninstall(place: Path) -> None:
    """Take the macros out of Aegisub's folder; settings stay."""
    from plugin.aegisub import places

    for path in places.uninstall(place):
        click.echo(f"removed {path}")


@command.command()
@_DIR
@click.pass_context
def status(ctx: click.Context, place: Path) -> None:
    """Tell what is in Aegisub's folder; ends with code 1 if anything is missing or of another version."""
    from plugin.aegisub import places

    found = places.status(place)
    for what, paths in (("current", found.current), ("other version", found.old), ("missing", found.absent)):
        for path in paths:
            click.echo(f"{what:<15}{path}")
    click.echo(f"{'program':<15}{found.program or 'not told: run karalign aegisub install'}")
    if not found.complete:
        ctx.exit(1)


@command.command()
@click.argument("url")
def feed(url: str) -> None:
    """Print a feed for DependencyControl, for macros that are published under URL."""
    from plugin.aegisub import places

    click.echo(places.feed(url), nl=False)
