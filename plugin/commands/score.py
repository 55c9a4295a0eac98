"""`karalign score`: how far one alignment is from another that is known to be right."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("estimate", metavar="EST")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(reference: str, estimate: str, as_json: bool) -> None:
    """Compare the word times in EST with the right ones in REF, each in any format."""
    from aligner_core.metrics import score
    from plugin import load

    figures = score(load(reference), load(estimate))
    if as_json:
        click.echo(json.dumps(figures.to_dict(), ensure_ascii=False, indent=2))
    else:
        click.echo(str(figures))
