"""What an alignment came to, told after the work: as text on the terminal, as JSON for programs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from aligner_core.timeline import Alignment, Line, Word

VERSION = 1  # of the JSON report
DOUBTFUL = 0.3  # score below which a line is named when the user gave no threshold: one line in fourteen of real songs


@dataclass(frozen=True)
class Doubt:
    """A line that should be looked at: `number` counts from 1; start in seconds and score are None where not found."""

    number: int
    text: str
    start: float | None
    score: float | None

    def __str__(self) -> str:
        place = "not heard" if self.start is None else clock(self.start)
        score = "" if self.score is None else f"{self.score:.2f}"
        return f"  line {self.number:<4} {place:>9}  {score:>4}  {self.text.strip()}"


@dataclass(frozen=True)
class Report:
    """The outcome of one `karalign align`.

    Args:
        alignment: what was found.
        outputs: files written.
        seconds: time the work took.
        audio_seconds: length of the sound.
        threshold: lines with a lower score are doubtful.
        asked: the numbers of the lines that were to be timed, None: all.
    """

    alignment: Alignment
    outputs: Sequence[str]
    seconds: float
    audio_seconds: float
    threshold: float = DOUBTFUL
    asked: Collection[int] | None = None

    @property
    def lines(self) -> tuple[tuple[int, Line], ...]:
        """The lines that were to be timed, with their numbers in the text."""
        numbered = [(line.number or at, line) for at, line in enumerate(self.alignment.lines, start=1)]
        return tuple((number, line) for number, line in numbered if self.asked is None or number in self.asked)

    @property
    def timed_words(self) -> int:
        """Number of words with a time."""
        return sum(word.timed for _, line in self.lines for word in line.words)

    @property
    def missing_words(self) -> int:
        """Number of words that were not found; what makes no sound, such as a dash, is not missed."""
        return sum(missing(word) for _, line in self.lines for word in line.words)

    @property
    def headings(self) -> tuple[str, ...]:
        """Lines left out of the sound."""
        return tuple(line.text.strip() for _, line in self.lines if line.kind == "heading")

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """Lines of lyrics that were not found or score below the threshold."""
        return tuple(_named(number, line) for number, line in self.lines if self._doubtful(line))

    @property
    def not_heard(self) -> tuple[Doubt, ...]:
        """Those of them that have no time at all."""
        return tuple(doubt for doubt in self.doubts if doubt.start is None)

    @property
    def again(self) -> tuple[Doubt, ...]:
        """Where lines were sung more often than they are written: each time but the one in their place."""
        in_place = {id(line) for line in self.alignment.as_written().lines}
        return tuple(_named(number, line) for number, line in self.lines if id(line) not in in_place)

    def _doubtful(self, line: Line) -> bool:
        if line.kind != "lyrics":
            return False
        if any(missing(word) for word in line.words):
            return True
        return line.score is not None and line.score < self.threshold

    def to_dict(self) -> dict[str, Any]:
        """The JSON report; times in seconds, null where not known."""
        return {
            "version": VERSION,
            "audio": self.alignment.audio,
            "outputs": list(self.outputs),
            "words": {"timed": self.timed_words, "missing": self.missing_words},
            "headings": list(self.headings),
            "threshold": self.threshold,
            "doubtful": [{"line": d.number, "text": d.text, "start": d.start, "score": d.score} for d in self.doubts],
            "not_heard": [{"line": d.number, "text": d.text} for d in self.not_heard],
            "sung_again": [{"line": d.number, "text": d.text, "start": d.start} for d in self.again],
            "seconds": round(self.seconds, 3),
            "audio_seconds": round(self.audio_seconds, 3),
        }

    def __str__(self) -> str:
        missed = f", {self.missing_words} not found" if self.missing_words else ""
        written = ", ".join("standard output" if name == "-" else name for name in self.outputs)
        rows = [f"wrote {written}", f"{count(self.timed_words, 'word')} timed{missed}"]
        if self.headings:
            rows.append(f"left out of the sound: {', '.join(self.headings)}")
        rows += [f"not heard: line {doubt.number}  {doubt.text.strip()}" for doubt in self.not_heard]
        rows += [f"sung again: line {one.number} at {clock(one.start or 0)}  {one.text.strip()}" for one in self.again]
        if heard := [doubt for doubt in self.doubts if doubt.start is not None]:
            lines = count(len(heard), "doubtful line")
            rows.append(f"{lines} (not found in full, or score below {self.threshold:g}):")
            rows += map(str, heard)
        speed = self.audio_seconds / self.seconds
        rows.append(f"{self.seconds:.1f} s for {clock(self.audio_seconds)} of sound, {speed:.1f} times real time")
        return "\n".join(rows)


def _named(number: int, line: Line) -> Doubt:
    return Doubt(number, line.text, line.start, line.score)


def missing(word: Word) -> bool:
    """Whether a word that can sound has no time."""
    return not word.timed and any(character.isalnum() for character in word.text)


def count(number: int, noun: str) -> str:
    """`1 word`, `2 words`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def clock(seconds: float) -> str:
    """Seconds as `m:ss.t`: 62.34 is `1:02.3`."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"


def beyond(alignment: Alignment, seconds: float, sound: str) -> str:
    """What to say of lines that begin after a sound of so many seconds is over; "" if none does."""
    late = [line.start for line in alignment.lines if line.start is not None and line.start > seconds]
    if not late:
        return ""
    ends = f"{sound} ends at {clock(seconds)}, the last line begins at {clock(max(late))}"
    return f"{count(len(late), 'line')} after the end of the sound: {ends}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two spaces between, header first."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    return "\n".join(line.rstrip() for line in lines)
