"""The ways in which a text and a sound may differ, done to a recording whose times are known.

Each kind is a function from a recording to the pieces of its new sound and the lines of its new text, a line of the
recording by its number, a foreign one as itself. `damaged` puts both together and keeps account of what is sung where.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aligner_core.timeline import Line
from benchmarks.concat import FRAMES_PER_SECOND, Piece, Recording, Sung, spliced_lines, untimed

VERSE, CHORUS = (4, 8), (2, 4)  # lines
MUSIC = (30, 90)  # seconds
SPEECH_BEFORE, CUT_OFF = 60.0, 30.0  # seconds
TRIES = 12  # places looked at, of which the one with the longest breaks around it is taken


@dataclass(frozen=True, eq=False)
class Material:
    """What recordings are damaged with: music without a voice, what other voices say, the text of another song."""

    music: Sequence[Recording]
    speech: Recording
    text: Sequence[Line]

    @property
    def sources(self) -> dict[str, Recording]:
        """All that pieces may be taken from."""
        return {one.key: one for one in (*self.music, self.speech)}


@dataclass(frozen=True)
class Case:
    """A damaged recording and what is right about it.

    Args:
        pieces: its sound.
        written: the lines of its text, timed where they are sung.
        numbers: of each written line in the recording; -1 for a foreign one.
        extra: lines that are sung more often than written, in the order of time.
    """

    kind: str
    key: str
    pieces: tuple[Piece, ...]
    written: tuple[Line, ...]
    numbers: tuple[int, ...]
    extra: tuple[Line, ...]


Text = Sequence[int | Line]
Change = tuple[Sequence[Piece], Text]
Edit = Callable[[Recording, Material, random.Random], Change]


def damaged(kind: str, recording: Recording, material: Material, seed: int = 0) -> Case:
    """The recording with this kind of damage, of `KINDS`; the same seed, the same damage."""
    generator = random.Random(f"{kind} {recording.key} {seed}")
    pieces, text = KINDS[kind](recording, material, generator)
    sources = {**material.sources, recording.key: recording}
    sung = [one for one in spliced_lines(pieces, sources) if one.source == recording.key]
    written, left = _told(recording, text, sung)
    numbers = tuple(entry if isinstance(entry, int) else -1 for entry in text)
    return Case(kind, recording.key, tuple(pieces), written, numbers, left)


def _told(recording: Recording, text: Text, sung: Sequence[Sung]) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """The written lines with the times of their singing, first come first served, and what is sung beyond them.

    A line that another has the same words as may be sung in its place where its own singing is gone.
    """
    waiting: dict[int, list[Line]] = {}
    for one in sung:
        waiting.setdefault(one.number, []).append(one.line)
    written: list[Line] = []
    for entry in text:
        if isinstance(entry, int):
            mine = waiting.get(entry, [])
            written.append(mine.pop(0) if mine else untimed(recording.lines[entry]))
        else:
            written.append(untimed(entry))
    wanted = {line.text for line in written}
    extra = [line for lines in waiting.values() for line in lines if line.text in wanted]
    return tuple(written), tuple(sorted(extra, key=lambda line: line.start or 0.0))


def clean(recording: Recording, material: Material, generator: random.Random) -> Change:
    """Nothing is changed."""
    del material, generator
    return _whole(recording), _all(recording)


def line_lost(recording: Recording, material: Material, generator: random.Random) -> Change:
    """The text lacks a line."""
    del material
    first = generator.randrange(len(recording.lines))
    return _whole(recording), _without(recording, first, first + 1)


def verse_lost(recording: Recording, material: Material, generator: random.Random) -> Change:
    """The text lacks a verse."""
    del material
    return _whole(recording), _without(recording, *_block(recording, VERSE, generator))


def verses_swapped(recording: Recording, material: Material, generator: random.Random) -> Change:
    """Two verses have changed places in the text."""
    del material
    half = len(recording.lines) // 2
    first, last = _block(recording, VERSE, generator, 0, half)
    after, end = _block(recording, VERSE, generator, half)
    text = _all(recording)
    return _whole(recording), [*text[:first], *text[after:end], *text[last:after], *text[first:last], *text[end:]]


def chorus_written_again(recording: Recording, material: Material, generator: random.Random) -> Change:
    """The text has some lines once more than they are sung."""
    del material
    first, last = _block(recording, CHORUS, generator)
    text = _all(recording)
    return _whole(recording), [*text[:last], *text[first:last], *text[last:]]


def chorus_sung_again(recording: Recording, material: Material, generator: random.Random) -> Change:
    """Some lines are sung once more than written: their sound is there again, at a later break."""
    del material
    first, last = _block(recording, CHORUS, generator)
    begin, end = recording.block(first, last)
    later = _break(recording, generator, last)
    place = end if later == last else recording.middle(later)
    own = recording.key
    pieces = [Piece(own, 0, place), Piece(own, begin, end), Piece(own, place, recording.frames)]
    return _kept(pieces), _all(recording)


def foreign_verse(recording: Recording, material: Material, generator: random.Random) -> Change:
    """The text has a verse of another."""
    count = generator.randint(*VERSE)
    begin = generator.randrange(len(material.text) - count)
    at = generator.randrange(1, len(recording.lines))
    text = _all(recording)
    return _whole(recording), [*text[:at], *material.text[begin : begin + count], *text[at:]]


def music_inserted(recording: Recording, material: Material, generator: random.Random) -> Change:
    """Music without a voice is put into a break."""
    frames = round(generator.uniform(*MUSIC) * FRAMES_PER_SECOND)
    track = generator.choice([one for one in material.music if one.frames >= frames])
    begin = generator.randint(0, track.frames - frames)
    place, own = recording.middle(_break(recording, generator, 1)), recording.key
    inserted = Piece(track.key, begin, begin + frames)
    return _kept([Piece(own, 0, place), inserted, Piece(own, place, recording.frames)]), _all(recording)


def speech_before(recording: Recording, material: Material, generator: random.Random) -> Change:
    """Somebody speaks before it begins."""
    speech, frames = material.speech, round(SPEECH_BEFORE * FRAMES_PER_SECOND)
    begins = [middle for line in range(len(speech.lines)) if (middle := speech.middle(line)) + frames <= speech.frames]
    begin = generator.choice(begins)
    return [Piece(speech.key, begin, begin + frames), *_whole(recording)], _all(recording)


def start_cut(recording: Recording, material: Material, generator: random.Random) -> Change:
    """The sound lacks its first half minute."""
    del material, generator
    return [Piece(recording.key, _between(recording, CUT_OFF), recording.frames)], _all(recording)


def end_cut(recording: Recording, material: Material, generator: random.Random) -> Change:
    """The sound lacks its last half minute."""
    del material, generator
    last = _between(recording, recording.frames / FRAMES_PER_SECOND - CUT_OFF)
    return [Piece(recording.key, 0, last)], _all(recording)


def line_cut(recording: Recording, material: Material, generator: random.Random) -> Change:
    """The sound lacks a line."""
    del material
    first = generator.randrange(len(recording.lines))
    return _cut(recording, first, first + 1), _all(recording)


def verse_cut(recording: Recording, material: Material, generator: random.Random) -> Change:
    """The sound lacks a verse."""
    del material
    return _cut(recording, *_block(recording, VERSE, generator)), _all(recording)


def another_text(recording: Recording, material: Material, generator: random.Random) -> Change:
    """The text is that of another."""
    del generator
    return _whole(recording), material.text


KINDS: Mapping[str, Edit] = {
    "clean": clean,
    "line missing in the text": line_lost,
    "verse missing in the text": verse_lost,
    "two verses of the text swapped": verses_swapped,
    "chorus written once more than sung": chorus_written_again,
    "chorus sung once more than written": chorus_sung_again,
    "foreign verse in the text": foreign_verse,
    "30-90 s of music inserted": music_inserted,
    "60 s of speech before": speech_before,
    "first 30 s cut off": start_cut,
    "last 30 s cut off": end_cut,
    "line cut out of the sound": line_cut,
    "verse cut out of the sound": verse_cut,
    "text of another": another_text,
}


def _whole(recording: Recording) -> list[Piece]:
    return [Piece(recording.key, 0, recording.frames)]


def _all(recording: Recording) -> list[int]:
    return list(range(len(recording.lines)))


def _without(recording: Recording, first: int, last: int) -> list[int]:
    text = _all(recording)
    return [*text[:first], *text[last:]]


def _cut(recording: Recording, first: int, last: int) -> list[Piece]:
    begin, end = recording.block(first, last)
    return _kept([Piece(recording.key, 0, begin), Piece(recording.key, end, recording.frames)])


def _kept(pieces: Sequence[Piece]) -> list[Piece]:
    return [piece for piece in pieces if piece.last > piece.first]


def _block(
    recording: Recording, size: tuple[int, int], generator: random.Random, first: int = 0, last: int | None = None
) -> tuple[int, int]:
    """First line and line after the last of a block within lines first..last-1, with long breaks around it."""
    last = len(recording.lines) if last is None else last
    found = []
    for _ in range(TRIES):
        count = min(generator.randint(*size), last - first)
        begin = generator.randint(first, last - count)
        found.append((_pause(recording, begin) + _pause(recording, begin + count), begin, begin + count))
    _, begin, end = max(found)
    return begin, end


def _break(recording: Recording, generator: random.Random, first: int) -> int:
    """A line from `first` on with a long break before it; the number of lines where the last break is meant."""
    return max(
        (generator.randint(first, len(recording.lines)) for _ in range(TRIES)), key=lambda at: _pause(recording, at)
    )


def _pause(recording: Recording, line: int) -> float:
    """Seconds of the break before a line, no more than count for it to be a long one."""
    begin, end = recording.gap(line)
    return min(end - begin, 5.0)


def _between(recording: Recording, seconds: float) -> int:
    """The frame at this time, or where a line lasts then, the nearest in the middle of a break."""
    frame = round(seconds * FRAMES_PER_SECOND)
    breaks = range(len(recording.lines) + 1)
    if any(recording.gap(line)[0] <= seconds <= recording.gap(line)[1] for line in breaks):
        return frame
    return min((recording.middle(line) for line in breaks), key=lambda middle: abs(middle - frame))
