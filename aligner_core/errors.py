"""What can go wrong for a user, each told in one line: where, what, and what would work."""

from __future__ import annotations


class AlignerError(Exception):
    """Base of every error that is the input's fault; anything else is a bug and keeps its traceback.

    Args:
        what: the mistake, in a few words.
        where: file, file:line or option it was found in.
        hint: what would work.
    """

    def __init__(self, what: str, where: str = "", hint: str = "") -> None:
        super().__init__(what, where, hint)  # all in args: the exception survives pickling between processes
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.what}{advice}"


class AudioError(AlignerError):
    """The sound cannot be read, or there is none."""


class LyricsError(AlignerError):
    """The text cannot be read, or holds nothing that could be sung or spoken."""


class AlignmentError(AlignerError):
    """The text cannot be laid on the sound, or a timeline contradicts itself."""


class WeightsError(AlignerError):
    """A checkpoint is missing, damaged, or not one of ours."""
