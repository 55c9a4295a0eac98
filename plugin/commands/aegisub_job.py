"""`karalign aegisub-job`: what the macros in Aegisub start."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("job")
def command(job: str) -> None:
    """Do what a macro in Aegisub asks for in the file JOB, and write JOB.result.

    Nobody need call this by hand: `karalign aegisub install` brings the macros.
    """
    from plugin.aegisub.work import work

    work(Path(job))
