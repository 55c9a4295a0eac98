"""CTM, of NIST, Kaldi and the Montreal Forced Aligner: `file channel start duration word [confidence]`, in seconds.

CTM knows words only. Lines are told in comments, which every reader passes over; in files without, a line ends where
nothing is said for a second, or the file or channel changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from aligner_core.extra import NOTHING, Extra
from aligner_core.timeline import Alignment, Line, Word

from .base import DEFAULTS, Format, FormatError, RenderOptions, one_row, refuse_foreign, split_rows, timed_lines
from .fitting import Shelf, fitted, runs

_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,12})?)"
_ROW = re.compile(rf"\s*(\S+)\s+(\S+)\s+(-?){_NUMBER}\s+(-?){_NUMBER}\s+(\S+)(?:\s+([0-9.eE+-]+|NA))?(?:\s+\S+)*\s*")
_LINE = re.compile(rf";; line {_NUMBER} {_NUMBER} (.*)")
_SILENT = {"<eps>", "sil", "<sil>", "spn", "@", "<s>", "</s>"}


class Ctm(Format):
    """CTM word times."""

    name = "ctm"
    extensions = (".ctm",)
    step = 0.001
    levels = ("word",)
    default = "word"
    sparse = False  # of equal words, the first has the time
    keeps = frozenset({"voice"})

    def parse(self, text: str) -> Alignment:
        """Read the words, sorted into the lines that comments tell."""
        lines: list[Line] = []  # told by a comment, their words not yet in them
        words: list[list[tuple[str, Word]]] = [[]]  # with file and channel; before any comment, then of each line
        count = 0
        for number, row in enumerate(split_rows(text.lstrip("\ufeff")), 1):
            if found := _LINE.fullmatch(row):
                start, end = float(found[1]), float(found[2])
                lines.append(Line(found[3].strip(), start, max(start, end)))
                words.append([])
            elif row.strip() and not row.lstrip().startswith(";;"):
                words[-1] += _word(row, number, text)
                count += 1
        if not count and not lines:
            raise FormatError("no row of five fields", "1", "FILE CHANNEL START DURATION WORD")
        told = [_with_words(line, part) for line, part in zip(lines, words[1:], strict=True)]
        return Alignment((*_parted(words[0]), *told))

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:  # noqa: ARG002
        """Write a row for each word that was found; the channel is the voice, or 1."""
        name = re.sub(r"\s+", "_", (alignment.audio or "").rpartition("/")[2].rpartition(".")[0]) or "sound"
        rows = []
        for start, end, line in timed_lines(alignment):
            channel = re.sub(r"\s+", "_", line.extra.get("voice", "")) or "1"
            rows.append(f";; line {start:.3f} {end:.3f} {one_row(line.text).strip()}")
            rows += [_row(name, channel, word, word.start, word.end) for word in line.words
                     if word.start is not None and word.end is not None]  # fmt: skip
        return "\n".join([*rows, ""])


def _row(name: str, channel: str, word: Word, start: float, end: float) -> str:
    """The duration is that between the rounded edges, so that the end is where it was."""
    begin, stop = round(start * 1000), round(end * 1000)
    score = "" if word.score is None else f" {word.score:.4f}"
    return f"{name} {channel} {begin / 1000:.3f} {(stop - begin) / 1000:.3f} {word.text}{score}"


def _word(row: str, number: int, text: str) -> Iterator[tuple[str, Word]]:
    if not (found := _ROW.fullmatch(row)):
        refuse_foreign(text, "ctm")
        raise FormatError(f"{row.strip()[:40]!r} is no row of CTM", str(number), "FILE CHANNEL START DURATION WORD")
    if found[7].lower() in _SILENT:
        return
    start = 0.0 if found[3] else float(found[4])
    end = round(start + (0.0 if found[5] else float(found[6])), 9)
    yield f"{found[1]} {found[2]}", Word(found[7], start, end, _score(found[8]))


def _score(text: str | None) -> float | None:
    try:
        score = float(text or "nan")
    except ValueError:
        return None
    return score if 0 <= score <= 1 else None


def _with_words(line: Line, words: Sequence[tuple[str, Word]]) -> Line:
    assert line.start is not None
    assert line.end is not None
    inside = Shelf([word for _, word in words]).within(line.start, line.end)
    extra = _voice(words[0][0]) if words else NOTHING
    return Line(line.text, line.start, line.end, words=fitted(line.text, inside), extra=extra)


def _voice(place: str) -> Extra:
    voice = place.rpartition(" ")[2]
    return NOTHING if voice in ("1", "A") else Extra.of({"voice": voice})


def _parted(words: Sequence[tuple[str, Word]]) -> Iterator[Line]:
    """Lines of words that no comment puts into one."""
    in_order = sorted(words, key=lambda item: (item[0], item[1].start or 0.0))
    for place, items in groupby(in_order, key=lambda item: item[0]):
        for group in runs(word for _, word in items):
            start, end = group[0].start or 0.0, max(word.end or 0.0 for word in group)
            text = " ".join(word.text for word in group)
            yield Line(text, start, end, words=Shelf(group).within(start, end), extra=_voice(place))
