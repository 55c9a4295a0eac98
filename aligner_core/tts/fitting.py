"""Speech laid into given times: how many frames each sound of a line gets, and when it begins.

Times are taken to whole frames, edge by edge, so nothing drifts. What a file times is kept: words, syllables and sounds
begin and end there. What it does not time is spoken at its own pace where there is room, faster where there is not. No
line runs into the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

from aligner_core.timeline import Line, Span

from .durations import rounded
from .script import STOP, Said
from .sound import HOP, RATE

SLOWEST = 1.25  # times its own length, the most that speech is stretched for a line that lasts longer
FASTEST = 2.0  # times as fast: rather than that, a line lasts longer than it should, if nothing follows
TIGHT = 1.15  # times as fast, the most for a line without time that is to fit between others
HELD = 300  # frames, the longest that the last word of a line is held if nothing finer than the word is timed
CONSONANTS = 1.3  # times their own length, the most that consonants grow
SHARE = 0.5  # of a span, the most for consonants if there is a vowel


class Unit(NamedTuple):
    """A sound of a line.

    Args:
        word: which of the line's words it belongs to.
        phone: with stress.
        frames: that it lasts of itself.
        pause: frames of silence after it, likewise.
    """

    word: int
    phone: str
    frames: float
    pause: float = 0.0


class Placed(NamedTuple):
    """When a sound of a line is said: which unit, its first frame, and how many."""

    unit: int
    start: int
    frames: int


@dataclass(frozen=True)
class Timing:
    """What is known of a line, in frames from the beginning of the sound.

    Args:
        units: its sounds; none: it is not said.
        start, end: of the line; without a start it is said where there is room.
        begins: when units begin.
        ends: when what lies before a unit ends.
        words_only: whether nothing finer than words is timed.
    """

    units: tuple[Unit, ...] = ()
    start: int | None = None
    end: int | None = None
    begins: Mapping[int, int] = field(default_factory=dict)
    ends: Mapping[int, int] = field(default_factory=dict)
    words_only: bool = False

    @property
    def begin(self) -> int | None:
        """When its first sound is said."""
        return self.begins.get(0, self.start)

    @property
    def natural(self) -> float:
        """Frames that it lasts of itself."""
        return sum(unit.frames + unit.pause for unit in self.units) - (self.units[-1].pause if self.units else 0.0)


@dataclass(frozen=True)
class Fit:
    """Where everything is said.

    Args:
        lines: the sounds of each line, in order of time; a sound without room is left out.
        notes: what the user should know.
    """

    lines: tuple[tuple[Placed, ...], ...]
    notes: tuple[str, ...] = ()


def frame(seconds: float) -> int:
    """The nearest edge of a frame."""
    return round(seconds * RATE / HOP)


def timing(line: Line, said: Sequence[Said], natural: Sequence[float]) -> Timing:
    """What a line of text tells of its times.

    Args:
        said: its words.
        natural: frames that each of their sounds lasts of itself, in one row.
    """
    units: list[Unit] = []
    begins: dict[int, int] = {}
    ends: dict[int, int] = {}
    for at, (word, spoken) in enumerate(zip(line.words, said, strict=True)):
        first = len(units)
        for phone in spoken.phones:
            units.append(Unit(at, phone, natural[len(units)]))
        if spoken.phones:
            units[-1] = units[-1]._replace(pause=float(spoken.pause))
            _pin(word, first, len(units), begins, ends)
            _pin_syllables(word, spoken, first, begins, ends)
    words_only = not any(part.timed for word in line.words for part in word.syllables)
    start, end = (None if at is None else frame(at) for at in (line.start, line.end))
    return Timing(tuple(units), start, end, begins, ends, words_only)


def _pin_syllables(word: Span, said: Said, at: int, begins: dict[int, int], ends: dict[int, int]) -> None:
    parts = [part for part in word.children if part.text]
    if len(parts) != len(said.syllables):
        return
    first = at
    for part, (_, sounds) in zip(parts, said.syllables, strict=True):
        if sounds:
            _pin(part, at, at + len(sounds), begins, ends)
            if len(part.children) == len(sounds):
                for place, phone in enumerate(part.children, at):
                    _pin(phone, place, place + 1, begins, ends)
        elif part.end is not None and at > first and at in ends:  # a melisma: what is before it is held on
            ends[at] = max(ends[at], frame(part.end))
        at += len(sounds)


def _pin(span: Span, first: int, last: int, begins: dict[int, int], ends: dict[int, int]) -> None:
    """Keep the times of a span; those of what it lies in, at the same place, go before its own."""
    if span.start is not None and span.end is not None:
        begins.setdefault(first, frame(span.start))
        if span.end > span.start:
            ends.setdefault(last, frame(span.end))


def fit(timings: Sequence[Timing], begin: int = 0, stretch: bool = False) -> Fit:
    """Lay all lines of a text into their times.

    Args:
        begin: frame at which what comes before any time may begin.
        stretch: a line that is timed as a whole fills its time, however slowly it is said then.
    """
    begins = {at: line.begin for at, line in enumerate(timings) if line.units and line.begin is not None}
    order = sorted(begins, key=lambda at: (begins[at], at))
    first = {begins[at]: at for at in reversed(order)}  # of those that begin together
    lines: dict[int, tuple[Placed, ...]] = {}
    notes: list[str] = []
    starts = sorted(first)
    for at, limit in zip(map(first.__getitem__, starts), [*starts[1:], None], strict=False):
        lines[at] = fit_line(timings[at], limit, stretch)
        notes += _notes(at, timings[at], lines[at])
    notes += [f"line {at + 1} is not said: it begins together with another" for at in order if at not in lines]
    notes += _between(timings, lines, begin)
    return Fit(tuple(lines.get(at, ()) for at in range(len(timings))), tuple(notes))


def fit_line(timing: Timing, limit: int | None = None, stretch: bool = False) -> tuple[Placed, ...]:
    """Lay one line into its time.

    Args:
        limit: frame at which the next line begins.
        stretch: see `fit`.
    """
    units, cuts = timing.units, sorted({0, len(timing.units), *timing.begins, *timing.ends})
    now = timing.start if timing.start is not None else timing.begins.get(0, 0)
    out: list[Placed] = []
    for a, b in pairwise(cuts):
        begin = _within(timing.begins.get(a, now), now, limit)
        piece = _Stretch(units[a:b], begin, *_edges(timing, a, b, begin, limit, stretch))
        placed = piece.exact() if piece.hard else piece.loose(stretch)
        out += [one._replace(unit=one.unit + a) for one in placed]
        now = max(begin, out[-1].start + out[-1].frames) if placed else begin
    return tuple(out)


def _edges(
    timing: Timing, a: int, b: int, begin: int, limit: int | None, stretch: bool
) -> tuple[int | None, int | None, bool]:
    """When the units a:b should end, when they must, and whether they may neither end sooner nor later."""
    last = b == len(timing.units)
    most = limit if last else timing.begins.get(b, timing.ends.get(b))
    if not last and limit is not None and most is not None:
        most = min(most, limit)
    if b in timing.ends:
        end = timing.ends[b]
        if last and timing.words_only and end == timing.end and not stretch:  # maybe it only lasts until the next line
            end = min(end, begin + HELD)
        return _within(end, begin, limit), most, True
    if not last and timing.units[a].word == timing.units[b].word:
        return _within(timing.begins[b], begin, limit), most, True
    end_of_line = timing.end if timing.end is not None and timing.end > begin else limit
    wanted = end_of_line if last else timing.begins[b]
    return None if wanted is None else _within(wanted, begin, limit), most, False


class _Stretch(NamedTuple):
    """Units between two edges.

    Args:
        end: frame at which they should end, None: when they are said.
        most: frame at which they must, None: never.
        hard: nothing but their sounds fills the time.
    """

    units: tuple[Unit, ...]
    begin: int
    end: int | None
    most: int | None
    hard: bool

    def exact(self) -> list[Placed]:
        """Fill the time from begin to end; where it is too short for a frame each, it is made longer if it can be."""
        assert self.end is not None
        room = self.end - self.begin
        if room < len(self.units):
            room = max(room, len(self.units) if self.most is None else min(len(self.units), self.most - self.begin))
        return self._spoken(room, 0)

    def loose(self, stretch: bool) -> list[Placed]:
        """Speak from begin on, and be done by the end."""
        speech = max(round(sum(unit.frames for unit in self.units)), len(self.units))
        pauses = round(sum(unit.pause for unit in self.units[:-1]))
        if self.end is None:
            return self._spoken(speech, pauses)
        room, quick = self.end - self.begin, round(speech / FASTEST)
        if room < quick:
            room = quick if self.most is None else max(room, min(quick, self.most - self.begin))
        natural = speech + pauses
        total = room if stretch else min(room, round(natural * SLOWEST))
        silent = round(pauses * total / natural) if total >= natural else max(0, total - speech)
        return self._spoken(total - silent, silent)

    def _spoken(self, speech: int, silence: int) -> list[Placed]:
        """So many frames of sounds with so many frames of pauses between them."""
        kept = _kept(self.units, speech)
        lengths = shares([self.units[at].phone for at in kept], [self.units[at].frames for at in kept], speech)
        pauses = [self.units[at].pause if at != kept[-1] else 0.0 for at in kept]
        scale = silence / sum(pauses) if sum(pauses) else 0.0
        waits = [round(at * scale) for at in accumulate(pauses)]
        ends = list(accumulate(lengths))
        starts = [self.begin + end + wait for end, wait in zip([0, *ends], [0, *waits], strict=False)]
        return [Placed(at, start, length) for at, start, length in zip(kept, starts, lengths, strict=False)]


def shares(phones: Sequence[str], natural: Sequence[float], total: int) -> list[int]:
    """Frames of sounds that last `total` together: consonants near their own length, vowels take the rest.

    Raises:
        AlignmentError: there are more sounds than frames.
    """
    if not phones:
        return []
    vowel = [phone[-1].isdigit() for phone in phones]
    slow, quick = (sum(n for n, v in zip(natural, vowel, strict=True) if v == kind) for kind in (True, False))
    if slow <= 0 or quick <= 0:
        return rounded(phones, natural, total)
    ratio = total / (slow + quick)
    wanted = quick * (min(ratio**0.5, CONSONANTS) if ratio > 1 else ratio**0.7)
    consonants = min(wanted, max(SHARE * total, quick * min(ratio, 1.0)))
    factors = {True: (total - consonants) / slow, False: consonants / quick}
    return rounded(phones, [n * factors[v] for n, v in zip(natural, vowel, strict=True)], total)


def _kept(units: Sequence[Unit], room: int) -> list[int]:
    """Which units are said if each needs a frame: where there are too few, vowels go before consonants."""
    order = sorted(range(len(units)), key=lambda at: (not units[at].phone[-1].isdigit(), at))
    return sorted(order[: max(room, 0)])


def _between(timings: Sequence[Timing], lines: dict[int, tuple[Placed, ...]], begin: int) -> list[str]:
    """Say lines without time where there is room for them; gives what is to be told of those where there is none."""
    notes = []
    spans = sorted((placed[0].start, placed[-1].start + placed[-1].frames) for placed in lines.values() if placed)
    now, first = next((end for start, end in spans if start <= begin < end), begin), True
    for at, timing in enumerate(timings):
        if placed := lines.get(at):
            now, first = max(now, placed[-1].start + placed[-1].frames), False
        elif timing.units and timing.begin is None:
            start = now if first else now + STOP
            end = next((other - STOP for other, _ in spans if other >= now), None)
            if end is not None and end - start < timing.natural / TIGHT:
                notes.append(f"line {at + 1} has no time, and there is no room for it: it is not said")
                continue
            pressed = end if end is not None and end - start < timing.natural else None
            lines[at] = tuple(_Stretch(timing.units, start, pressed, end, False).loose(stretch=False))
            now, first = lines[at][-1].start + lines[at][-1].frames, False
    return notes


def _notes(at: int, timing: Timing, placed: Sequence[Placed]) -> list[str]:
    """What is to be told of a line that has a time."""
    lost = len({unit.word for unit in timing.units} - {timing.units[one.unit].word for one in placed})
    if lost:
        return [f"line {at + 1}: there is no time for {lost} of its words"]
    spoken = sum(one.frames for one in placed)
    quick = sum(timing.units[one.unit].frames for one in placed) / max(spoken, 1)
    return [f"line {at + 1} is said {quick:.1f} times as fast as usual"] if quick > FASTEST else []


def _within(at: int, least: int, most: int | None) -> int:
    return max(least, at) if most is None else max(least, min(at, most))
