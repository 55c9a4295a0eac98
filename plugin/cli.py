"""The `karalign` command. Each subcommand is one module of `plugin.commands`, loaded when it is asked for."""

from __future__ import annotations

import atexit
import errno
import gc
import importlib
import io
import os
import signal
import sys
import threading
import warnings
from typing import Any

import click

from aligner_core._version import __version__
from aligner_core.errors import AlignerError

COMMANDS = (
    "align", "batch", "guide", "convert", "embed", "extract", "strip", "ass-preview", "show", "video", "score",
    "activations", "formats", "aegisub", "aegisub-job", "doctor",
)  # fmt: skip
INTERRUPTED = 128 + signal.SIGINT  # exit code, as shells have it


class Failure(click.ClickException):
    """A mistake in the input, told in one line."""

    def format_message(self) -> str:
        """The message on one line, whatever line ends a file name or a library brought into it."""
        return " ".join(self.message.splitlines())

    def show(self, file: Any = None) -> None:
        """Print `karalign: where: what (hint)` on stderr."""
        click.echo(f"karalign: {self.format_message()}", file=file, err=True)


class Commands(click.Group):
    """A group that imports a command when it is first needed, and turns errors into one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names of all commands, in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of this name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"plugin.commands.{cmd_name.replace('-', '_')}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what the input or the system is to blame for becomes one line instead of a traceback."""
        try:
            return super().invoke(ctx)
        except AlignerError as error:
            raise Failure(str(error)) from error
        except OSError as error:
            if error.errno in {None, errno.EPIPE}:  # a closed pipe is click's to handle
                raise
            place = f"{error.filename}: " if error.filename else ""
            raise Failure(f"{place}{error.strerror}") from error
        except KeyboardInterrupt:
            click.echo("karalign: interrupted", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="karalign")
def cli() -> None:
    """Time lyrics to songs and subtitles to speech.

    \b
    karalign align song.mp3 lyrics.txt -o song.lrc -o song.ass
    karalign batch -r music --write lrc
    karalign guide song.lrc --over song.mp3 -o guide.mp3
    karalign convert song.json -o song.srt --level word
    karalign embed song.mp3 song.lrc
    karalign score right.lrc song.lrc

    Exit codes: 0 done; 1 bad input; 2 wrong usage; 3 done, but lines are below
    --min-confidence or were not found; 130 interrupted.
    """


def main() -> None:
    """Entry point of the `karalign` script."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they speak to programmers, and errors are told in one line
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files need not be text
    try:
        cli(prog_name="karalign")
    except SystemExit as stop:
        if "torch" in sys.modules and threading.active_count() == 1:
            _leave(stop)
        raise
    finally:
        gc.freeze()  # else Python looks at every object of PyTorch once more before it ends: half a second


def _leave(stop: SystemExit) -> None:
    """End the process, unless output is lost. The libraries of PyTorch tidy up behind themselves where they are left in
    the usual way, which takes a third of a second and more memory than hearing a song."""
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # it was closed by whoever started this
                stream.flush()
    except (OSError, ValueError):
        return  # Python tells in its own way
    if isinstance(stop.code, int):
        os._exit(stop.code)
