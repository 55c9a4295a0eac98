"""When each sound of a sung line begins: vowels on the beat, consonants in the time before it.

A note begins with its vowel, as singers and listeners have it; what stands before the vowel is taken from the rest or
the note before. Consonants keep the length that they have in speech, but never more than half of the time between two
vowels. The vowel takes all else, over all its notes; a diphthong glides at its end. What has no vowel is carried by a
sound that can be held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from aligner_core.phones import SONORANTS, VOWELS, base
from aligner_core.syllables import syllabify

from .durations import least
from .fitting import frame
from .score import Note, SungLine, shared
from .stretching import HISSES

LEGATO = 15  # frames; a shorter gap between notes is no rest
CONSONANTS = 0.5  # of the time between two vowels, at most
PLOSIVE = 30  # frames that a sound without pitch which has to carry a note is held, at most


class Sounding(NamedTuple):
    """A sound of a sung line.

    Args:
        syllable: which of the line's.
        place: which of the syllable's phones.
        phone: with stress.
        start, frames: when.
        carries: whether it carries the note.
    """

    syllable: int
    place: int
    phone: str
    start: int
    frames: int
    carries: bool = False

    @property
    def end(self) -> int:
        """The first frame after it."""
        return self.start + self.frames


@dataclass(frozen=True)
class _Beat:
    """What one vowel needs: the frames in which its notes begin and end, and the sounds around it by place in their
    syllable, each with the frames that it lasts of itself."""

    syllable: int
    start: int
    end: int
    onset: tuple[tuple[int, str, float], ...]
    vowel: tuple[int, str, float]
    coda: tuple[tuple[int, str, float], ...]


def beats(line: SungLine, natural: Sequence[Sequence[float]], floor: int = 0) -> list[Sounding]:
    """Lay the sounds of a line on its notes, in order of time; one for which there is no room is left out.

    Args:
        natural: frames that each phone of each syllable lasts in speech.
        floor: frame before which nothing may begin.
    """
    row = _apart([beat for at, one in enumerate(line.syllables) if one.notes and one.phones
                  for beat in _beats(at, one.phones, one.notes, natural[at])], floor)  # fmt: skip
    out: list[Sounding] = []
    for at, beat in enumerate(row):
        room = beat.start - floor if at == 0 else 0
        out += _before(beat, room) if at == 0 else []
        out += _sung(beat, row[at + 1] if at + 1 < len(row) else None)
    return out


def _beats(syllable: int, phones: Sequence[str], notes: Sequence[Note], natural: Sequence[float]) -> Iterator[_Beat]:
    """A syllable as it is written may have several vowels: then these share its notes."""
    parts = syllabify(phones)
    at = 0
    for part, mine in zip(parts, shared(notes, len(parts)), strict=True):
        sounds = [(place, phones[place], natural[place]) for place in range(at, at + len(part))]
        at += len(part)
        if mine:
            carrier = _carrier(part)
            start = frame(mine[0].start)
            end = max(frame(mine[-1].end), start + 1)
            yield _Beat(
                syllable, start, end, tuple(sounds[:carrier]), sounds[carrier], tuple(sounds[carrier + 1 :])
            )  # fmt: skip


def _carrier(phones: Sequence[str]) -> int:
    """Which of the sounds carries the note: the vowel, or what comes nearest to one."""

    def merit(at: int) -> tuple[int, float]:
        name = base(phones[at])
        kind = 3 if name in VOWELS else 2 if name in SONORANTS else 1 if name in HISSES else 0
        return kind, -abs(at - (len(phones) - 1) / 2)

    return max(range(len(phones)), key=merit)


def _apart(row: Sequence[_Beat], floor: int) -> list[_Beat]:
    """A frame or more for each vowel."""
    out: list[_Beat] = []
    for beat in row:
        start = max(beat.start, out[-1].start + 1 if out else floor)
        out.append(replace(beat, start=start, end=max(beat.end, start + 1)))
    return out


def _before(beat: _Beat, room: int) -> list[Sounding]:
    lengths = pressed([(phone, frames) for _, phone, frames in beat.onset], room, last=True)
    start = beat.start - sum(lengths)
    return list(_row(beat.syllable, beat.onset, lengths, start))


def _sung(beat: _Beat, after: _Beat | None) -> list[Sounding]:
    """The vowel, what closes it, and what opens the next syllable."""
    onset = after.onset if after else ()
    limit = after.start if after else beat.end
    legato = limit - beat.end <= LEGATO
    end = limit if legato else beat.end
    coda = [(phone, frames) for _, phone, frames in beat.coda]
    opening = [(phone, frames) for _, phone, frames in onset]
    if legato:
        closed, opened = _both(coda, opening, limit - beat.start)
        end -= sum(opened)
    else:
        closed = pressed(coda, int(CONSONANTS * (end - beat.start)), last=False)
        opened = pressed(opening, limit - end, last=True)
        if limit - end - sum(opened) < LEGATO // 2:  # no rest is left
            end = limit - sum(opened)
    vowel = end - beat.start - sum(closed)
    out = [*_held(beat, vowel), *_row(beat.syllable, beat.coda, closed, beat.start + vowel)]
    return out + (list(_row(after.syllable, onset, opened, limit - sum(opened))) if after else [])


def _both(
    coda: Sequence[tuple[str, float]], onset: Sequence[tuple[str, float]], room: int
) -> tuple[list[int], list[int]]:
    """Lengths of what closes a syllable and what opens the next within half of the time between their vowels."""
    most = int(CONSONANTS * room)
    lengths = pressed([*coda, *onset], most, last=True)
    return lengths[: len(coda)], lengths[len(coda) :]


def pressed(sounds: Sequence[tuple[str, float]], most: int, last: bool) -> list[int]:
    """Whole frames for these sounds, `most` in all; where each cannot get one, those furthest from the vowel go.

    Args:
        last: the vowel comes after them.
    """
    wanted = [max(round(frames), least(phone)) for phone, frames in sounds]
    if sum(wanted) <= most:
        return wanted
    if len(sounds) >= most:
        zeros, ones = [0] * (len(sounds) - max(most, 0)), [1] * min(max(most, 0), len(sounds))
        return [*zeros, *ones] if last else [*ones, *zeros]
    spare = most - len(sounds)
    above = sum(wanted) - len(sounds)
    shares = [1 + (one - 1) * spare // max(above, 1) for one in wanted]
    for at in sorted(range(len(shares)), key=lambda at: shares[at] - wanted[at])[: most - sum(shares)]:
        shares[at] += 1
    return shares


def _row(
    syllable: int, sounds: Sequence[tuple[int, str, float]], lengths: Sequence[int], at: int
) -> Iterator[Sounding]:
    for (place, phone, _), frames in zip(sounds, lengths, strict=True):
        if frames > 0:
            yield Sounding(syllable, place, phone, at, frames)
        at += frames


def _held(beat: _Beat, frames: int) -> Iterator[Sounding]:
    """The sound that carries the note, in its parts."""
    place, phone, natural = beat.vowel
    name = base(phone)
    most = frames if name in VOWELS or name in SONORANTS else PLOSIVE if name in HISSES else max(round(natural), 1)
    yield Sounding(beat.syllable, place, phone, beat.start, min(frames, most), carries=True)


def rests(sounds: Sequence[Sounding]) -> Iterator[tuple[int, int]]:
    """Where nothing sounds between sounds: first frame, and the one after the last."""
    for one, other in pairwise(sounds):
        if other.start > one.end:
            yield one.end, other.start
