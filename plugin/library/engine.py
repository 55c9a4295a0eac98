"""What does many items: one interface, whether on this machine or on many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from .work import Item, Outcome, Settings


class Engine(Protocol):
    """Does items, in whatever order it likes, and tells each as soon as it is done."""

    def run(self, items: Sequence[Item], settings: Settings) -> Iterator[Outcome]:
        """One outcome for every item; closing the iterator stops the work.

        Raises:
            AlignerError: nothing can be done at all, as the model cannot be loaded.
        """
