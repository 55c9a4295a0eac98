"""What is to be taken of a file of notes."""

from __future__ import annotations

from dataclasses import dataclass

MOST_BYTES = 16 << 20


@dataclass(frozen=True)
class Wish:
    """What is to be taken of a file.

    Args:
        track: which track or part, from 1; None: the likeliest one.
        starts: seconds at which syllables of the lyrics begin, if a text of its own tells them.
    """

    track: int | None = None
    starts: tuple[float, ...] = ()
