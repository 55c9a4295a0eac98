"""A run from beginning to end: what was done before is looked up, the rest is done, and each song is written down."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path
from typing import Literal

from plugin.files import sweep_parts
from plugin.tags.swap import flush, sweep

from .engine import Engine
from .journal import Journal, Marks, mark_of, marks_of
from .places import is_url
from .work import Item, Outcome, Settings

Redo = Literal["", "failed", "all"]
RECENT = 10.0  # seconds within which a file may still be written to by somebody else


@dataclass(frozen=True)
class Course:
    """What is done, by whom, and where that is written down.

    Args:
        redo: which of those that were done before are done again.
    """

    items: Sequence[Item]
    settings: Settings
    engine: Engine
    journal: Journal
    redo: Redo = ""

    def pending(self) -> list[Item]:
        """The items that are still to be done."""
        return [item for item in self.items if self._is_pending(item)]

    def run(self, pending: Sequence[Item], step: Callable[[Outcome], None]) -> dict[Item, Outcome]:
        """Do these, telling each to `step`; the outcome of every item.

        Raises:
            AlignerError: as `Engine.run`. What was done until then is in the journal, as after an interrupt.
        """
        begun, folders = time.time(), _folders(pending)
        for folder in folders:
            sweep(folder)
        before = {item: marks_of(item) for item in pending}
        sources = {self._source(item, before[item]): item for item in pending}
        self.journal.plan({item: before[item] for source, item in sources.items() if source == item})
        with closing(_generated(self.engine.run([*sources], self.settings))) as coming:
            for done in coming:
                item = sources[done.item]
                outcome = replace(done, item=item)
                self.journal.add(outcome, self._marks(item, before[item]))
                step(outcome)
        for folder in folders:
            sweep_parts(folder, max(begun, time.time() - RECENT))
            flush(folder)
        return {item: self.journal.outcomes[item][0] for item in self.items if item in self.journal.outcomes}

    def _is_pending(self, item: Item) -> bool:
        known = self.journal.known(item)
        return known is None or self.redo == "all" or (self.redo == "failed" and known.status == "failed")

    def _marks(self, item: Item, before: Marks) -> Marks:
        """Of the files that the item was done from; where it was embedded, of the song as it is now."""
        return {**before, item.song: mark_of(item.song)} if self.settings.embed else before

    def _source(self, item: Item, now: Marks) -> Item:
        """The item; where a run was killed when lyrics had just replaced those in the tags, with the old song's."""
        planned = self.journal.planned.get(item, {}).get(item.song)
        finished = self.journal.finished.get(item, {}).get(item.song)
        if item.lyrics or not self.settings.embed or planned is None or now[item.song] in (planned, finished):
            return item
        song = Path(item.song)
        olds = sorted(song.parent.glob(f"{escape(song.name)}.bak*")) if song.parent.is_dir() else []
        return replace(item, lyrics=next((str(old) for old in olds if mark_of(str(old)) == planned), ""))


def _generated(outcomes: Iterator[Outcome]) -> Generator[Outcome]:
    """The same, which can be closed."""
    yield from outcomes


def _folders(items: Collection[Item]) -> list[Path]:
    """Where files are written: links are followed."""
    names = (name for item in items for name in (item.song, *item.outputs) if not is_url(name))
    return sorted({Path(os.path.realpath(name)).parent for name in names})
