"""The engine on this machine: processes that decode, align and write, and on GPUs one each that hears for all.

Without a GPU each process does whole songs. With GPUs a song goes through a slot: decoded into it by a hand, heard in
it by an ear, finished from it by a hand. Slots are few, so nothing piles up, and to finish comes before to decode.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .crew import TIMEOUT, Answer, Crew, Member, answers
from .ending import end_in_order, sigterm_kept
from .hands import Decode, Facts, Finish, Hear, Heard, Load, Ready, Task, Whole, listen, work
from .slots import Slots
from .work import Item, Outcome, Own, Settings

TRIES = 2  # of a song whose process dies
RECYCLE = 500  # songs after which a process is replaced: what libraries lose goes with it
AT_EAR = 6  # sounds that one ear has at a time: some to hear, some to fill the next batch
FULL = 2**31  # bytes in slots at which nothing more is decoded


@dataclass(frozen=True)
class Local:
    """Does items in processes of this machine.

    Args:
        jobs: hands.
        devices: of ears, "cuda:0" and so on; without any, each hand hears by itself.
        timeout: seconds that one step of an item may take; None: as long as it likes.
        load: what hears, by the settings and "cpu", in each hand where there are no ears.
        recycle: items after which a hand is replaced.
    """

    jobs: int = 1
    devices: tuple[str, ...] = ()
    timeout: float | None = None
    load: Load = Own.load
    recycle: int = RECYCLE

    def run(self, items: Sequence[Item], settings: Settings) -> Iterator[Outcome]:
        """See `Engine`."""
        count = min(self.jobs, len(items))
        if not count:
            return
        hands = ears = None
        with sigterm_kept(), Slots(2 * count + AT_EAR * len(self.devices) if self.devices else 0) as slots:
            end_in_order()
            try:
                load = None if self.devices else self.load
                hands = Crew(work, [(settings, load)] * count, self.timeout, self.recycle)
                ears = Crew(listen, [(settings, device) for device in self.devices], self.timeout, self.recycle * count)
                yield from _Shift(hands, ears, slots, items).outcomes()
            except BaseException:  # an interrupt, or who asked has enough
                for crew in filter(None, (ears, hands)):
                    crew.end(at_once=True)
                raise
            for crew in (hands, ears):
                crew.end(at_once=False)


@dataclass
class _Song:
    """An item on its way.

    Args:
        deaths: of processes that had it.
        slot: where its sound is.
    """

    item: Item
    deaths: int = 0
    slot: str = ""


@dataclass
class _Shift:
    """What is to be done, and by whom."""

    hands: Crew
    ears: Crew
    slots: Slots
    items: Sequence[Item]

    def __post_init__(self) -> None:
        self.todo = deque(_Song(item) for item in self.items)
        self.to_hear: deque[tuple[_Song, Hear]] = deque()
        self.to_finish: deque[tuple[_Song, Finish]] = deque()
        self.by_hand: dict[Member, _Song] = {}
        self.by_ear: dict[str, _Song] = {}
        self.facts: Facts | None = None

    def outcomes(self) -> Iterator[Outcome]:
        """One for every item."""
        left = len(self.items)
        while left:
            self._hand_out()
            for crew, answer in answers((self.hands, self.ears)):
                for outcome in self._heard(answer) if crew is self.ears else self._done(answer):
                    left -= 1
                    yield outcome

    def _hand_out(self) -> None:
        for hand in self.hands.members:
            if hand.ready and not hand.tasks:
                self.hands.refresh(hand)
        for hand in self.hands.members:
            if hand.ready and not hand.tasks and (next_ := self._next()):
                self.by_hand[hand], task = next_
                self.hands.give(hand, task)
        for ear in sorted(self.ears.members, key=lambda ear: len(ear.tasks)):
            while ear.ready and self.to_hear and self._room(ear):
                song, hear = self.to_hear.popleft()
                self.by_ear[song.slot] = song
                self.ears.give(ear, hear)

    def _next(self) -> tuple[_Song, Task] | None:
        """What a hand does next: whatever empties a slot goes first."""
        if self.to_finish:
            return self.to_finish.popleft()
        if not self.todo or (self.ears.members and (not self.slots.free or self.slots.held > FULL)):
            return None
        song = self.todo.popleft()
        if not self.ears.members:
            return song, Whole(song.item)
        song.slot = self.slots.take()
        return song, Decode(song.item, song.slot)

    def _room(self, ear: Member) -> bool:
        """Whether an ear takes the next sound; one on which an ear has died is heard alone."""
        suspect = self.to_hear[0][0].deaths or any(self.by_ear[task.slot].deaths for task in ear.tasks)
        return len(ear.tasks) < (1 if suspect else AT_EAR)

    def _done(self, answer: Answer) -> Iterator[Outcome]:
        """A hand has answered."""
        if isinstance(answer.content, Ready):
            return
        song = self.by_hand.pop(answer.member, None)
        if song is None:  # it died before it was given anything
            return
        if answer.content is None:
            yield from self._lost(song, answer.why)
            return
        self.hands.done(answer.member, answer.member.tasks[0])
        if isinstance(answer.content, int):
            self.slots.grown(song.slot, answer.content)
            self.to_hear.append((song, Hear(song.slot, answer.content)))
        else:
            self._free(song)
            yield answer.content

    def _heard(self, answer: Answer) -> Iterator[Outcome]:
        """An ear has answered."""
        if isinstance(answer.content, Ready):
            self.facts = answer.content.facts
        elif isinstance(answer.content, Heard):
            heard = answer.content
            song = self.by_ear.pop(heard.slot)
            self.ears.done(answer.member, next(task for task in answer.member.tasks if task.slot == heard.slot))
            assert self.facts
            self.to_finish.append((song, Finish(song.item, heard.slot, heard.frames, heard.width, self.facts)))
        else:
            why = f"no answer in {self.ears.timeout:g} s" if answer.why == TIMEOUT else answer.why
            for task in answer.lost:  # any of them may be to blame
                yield from self._lost(self.by_ear.pop(task.slot), why)

    def _lost(self, song: _Song, why: str) -> Iterator[Outcome]:
        """The process of a song has died: once more, unless it has had its tries or its time."""
        self._free(song)
        song.deaths += 1
        if why == TIMEOUT:
            yield Outcome(song.item, "failed", f"took longer than {self.hands.timeout:g} s")
        elif song.deaths < TRIES:
            self.todo.appendleft(song)
        else:
            yield Outcome(song.item, "failed", f"the process that worked on it died, twice: {why}")

    def _free(self, song: _Song) -> None:
        if song.slot:
            self.slots.give(song.slot)
            song.slot = ""
