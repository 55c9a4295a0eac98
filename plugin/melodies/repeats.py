"""In which order the measures of MusicXML are played: repeats, endings, and jumps to a sign.

As musicians do it: after D.C. or D.S. no repeat is taken, of endings only the last one is played, and Fine and To Coda
hold then only. What can be read in two ways is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import NamedTuple
from xml.etree import ElementTree as ET

from aligner_core.errors import LyricsError

MOST_TIMES = 99  # that anything is repeated
MOST_MEASURES = 100_000  # of a song, repeats written out
HINT = "write them out first: unroll repeats"


@dataclass(frozen=True, slots=True)
class Signs:
    """What stands at a measure.

    Args:
        forward: a repeat begins before it.
        times: how often what is repeated is played, where it ends after this measure; 0: it doesn't.
        endings: the passes in which the measure is played, if it stands under a bracket.
        segno, coda: it is jumped to.
        tocoda, fine, dacapo, dalsegno: what is to be done after it.
    """

    forward: bool = False
    times: int = 0
    endings: frozenset[int] = frozenset()
    segno: bool = False
    coda: bool = False
    tocoda: bool = False
    fine: bool = False
    dacapo: bool = False
    dalsegno: bool = False


class Played(NamedTuple):
    """A measure in the order of playing.

    Args:
        measure: which one, from 0.
        turn: which time it is, from 1; under a bracket that of what is before it.
        ending: whether it stands under a bracket.
    """

    measure: int
    turn: int
    ending: bool = False


def signs(parts: Sequence[Sequence[ET.Element]]) -> list[Signs]:
    """The signs at each measure, of the measures of all parts: what stands in one holds for all.

    Raises:
        LyricsError: an ending without a number, or a repeat inside a measure.
        ValueError: what should be a number is none.
    """
    rows = [_signs_of(part) for part in parts]
    count = max(map(len, rows), default=0)
    return [_united([row[at] for row in rows if at < len(row)]) for at in range(count)]


def order(row: Sequence[Signs]) -> list[Played]:
    """The measures as they are played.

    Raises:
        LyricsError: repeats are nested or contradict each other, or there is no end of them.
    """
    _check(row)
    player = _Player(row)
    while player.at < len(row):
        player.step()
        if len(player.played) > MOST_MEASURES:
            raise LyricsError("has too many measures", hint=f"at most {MOST_MEASURES}, repeats written out")
    return player.played


class _Player:
    """Who reads the measures one by one, and where they are."""

    def __init__(self, row: Sequence[Signs]) -> None:
        self.row, self.played = row, list[Played]()
        self.at = self.begin = 0  # this measure, and where the repeat begins
        self.turn = 1  # of the repeat
        self.jumped = False
        self.count: Counter[int] = Counter()

    def step(self) -> None:
        """Play a measure or pass it over, and go to the next one."""
        here = self.row[self.at]
        if here.forward and self.at != self.begin:
            self.begin, self.turn = self.at, 1
        if here.endings and (self._last() if self.jumped else self.turn) not in here.endings:
            self.at += 1
            return
        self._play(here)
        self.at = self._next(here)

    def _play(self, here: Signs) -> None:
        self.count[self.at] += 1
        turn = self.played[-1].turn if here.endings and self.played else self.count[self.at]
        self.played.append(Played(self.at, turn, bool(here.endings)))

    def _next(self, here: Signs) -> int:
        if self.jumped and here.fine:
            return len(self.row)
        if self.jumped and here.tocoda:
            return next(at for at, one in enumerate(self.row) if one.coda)
        if here.times and not self.jumped and self.turn < (self._last() if here.endings else here.times):
            self.turn += 1
            return self.begin
        if here.times or (here.endings and not self._under(self.at + 1)):
            self.begin, self.turn = self.at + 1, 1
        if (here.dacapo or here.dalsegno) and not self.jumped:
            self.jumped = True
            return 0 if here.dacapo else next(at for at, one in enumerate(self.row) if one.segno)
        return self.at + 1

    def _under(self, at: int) -> bool:
        return 0 <= at < len(self.row) and bool(self.row[at].endings)

    def _last(self) -> int:
        """The last pass of the endings around here; one more if there is but one and it leads back."""
        first = last = self.at
        while self._under(first - 1):
            first -= 1
        while self._under(last + 1):
            last += 1
        group = {one.endings for one in self.row[first : last + 1]}
        most = max(map(max, group))
        return most + (len(group) == 1 and self.row[last].times > 0)


def _check(row: Sequence[Signs]) -> None:
    is_open = False
    for one in row:
        if one.forward and is_open:
            raise LyricsError("has repeats within repeats", hint=HINT)
        is_open = (is_open or one.forward) and not one.times
    many = {name: sum(getattr(one, name) for one in row) for name in ("segno", "coda", "tocoda", "dacapo", "dalsegno")}
    jumps = many["dacapo"] + many["dalsegno"]
    lost = (many["dalsegno"] and many["segno"] != 1) or (jumps and many["tocoda"] and many["coda"] != 1)
    if jumps > 1 or many["tocoda"] > 1 or lost:
        raise LyricsError("has repeats that contradict each other", hint=HINT)
    for under, group in groupby(row, key=lambda one: bool(one.endings)):
        if under:
            _check_endings([(told, list(same)) for told, same in groupby(group, key=lambda one: one.endings)])


def _check_endings(group: Sequence[tuple[frozenset[int], Sequence[Signs]]]) -> None:
    """Each pass has one ending, and all but the last one lead back."""
    passes = [number for told, _ in group for number in told]
    back = all(row[-1].times for _, row in group[:-1]) and not any(one.times for _, row in group for one in row[:-1])
    if sorted(passes) != list(range(1, len(passes) + 1)) or not back or len(passes) not in group[-1][0]:
        raise LyricsError("has repeats that contradict each other", hint=HINT)


def _signs_of(measures: Sequence[ET.Element]) -> list[Signs]:
    out: list[Signs] = []
    under: frozenset[int] = frozenset()
    for measure in measures:
        bars = measure.findall("barline")
        endings = [one for bar in bars for one in bar.findall("ending")]
        under = next((_passes(one.get("number", "")) for one in endings if one.get("type") == "start"), under)
        repeats = [_repeat(bar) for bar in bars if bar.find("repeat") is not None]
        marks = list(measure.iter("sound"))
        told = {name: any(_true(one.get(name)) for one in marks) for name in ("tocoda", "fine", "dacapo", "dalsegno")}
        drawn = {name: any(one.find(name) is not None for one in measure.iter("direction-type"))
                 for name in ("segno", "coda")}  # fmt: skip
        named = {name: any(one.get(name) for one in marks) for name in drawn}
        out.append(Signs(
            forward=0 in repeats, times=max(repeats, default=0), endings=under, **told,
            segno=(drawn["segno"] or named["segno"]) and not told["dalsegno"],
            coda=(drawn["coda"] or named["coda"]) and not told["tocoda"],
        ))  # fmt: skip
        if any(one.get("type") in ("stop", "discontinue") for one in endings):
            under = frozenset()
    return out


def _repeat(bar: ET.Element) -> int:
    """0 where one begins, else how often it is played."""
    repeat = bar.find("repeat")
    assert repeat is not None
    forward = repeat.get("direction") == "forward"
    if bar.get("location", "right") != ("left" if forward else "right"):
        raise LyricsError("has repeats inside measures", hint=HINT)
    times = int(repeat.get("times", "2"))
    if not 1 <= times <= MOST_TIMES:
        raise ValueError(f"repeated {times} times")
    return 0 if forward else times


def _passes(text: str) -> frozenset[int]:
    """Of "1", "1, 2" or "1-3"."""
    out: set[int] = set()
    for one in re.split("[,. ]+", text.strip(" ,.")):
        edges = re.fullmatch("([0-9]{1,2})(?:-([0-9]{1,2}))?", one)
        if not edges or int(edges[1]) < 1 or int(edges[2] or edges[1]) < int(edges[1]):
            raise LyricsError("has an ending without a number", hint=HINT)
        out |= set(range(int(edges[1]), int(edges[2] or edges[1]) + 1))
    return frozenset(out)


def _true(value: str | None) -> bool:
    return value not in (None, "", "no")


def _united(row: Sequence[Signs]) -> Signs:
    """The signs of one measure in all parts."""
    values = {one.name: max((getattr(signs_, one.name) for signs_ in row), key=_weight) for one in fields(Signs)}
    return Signs(**values)


def _weight(value: object) -> int:
    return len(value) if isinstance(value, frozenset) else int(value)  # type: ignore[call-overload]
