"""`karalign aegisub-job`: what the macros in Aegisub start."""

from __future__ import annotations

import gc
from pathlib import Path

import click


@click.command()
@click.argument("job")
def command(job: str) -> None:
    """Do what a macro in Aegisub asks for in the file JOB, and write JOB.result.

    Nobody need call this by hand: `karalign aegisub install` brings the macros.
    """
    from plugin.aegisub.work import work

    gc.disable()  # somebody waits, and a twelfth of the time would go into looking for cycles in what is imported
    try:
        work(Path(job))
    finally:
        gc.enable()
