"""What of a file comes back when it is read and written again in its own format, by us and by libraries of others.

Two judges. Marks: all times, as milliseconds, and all words in the text of the file, markup included; which of them
are in the new one, whoever reads it. Facts: the lines, their times, the words' times and what is told besides, as our
own reader finds them, so what it does not see counts for nobody.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from aligner_core.timeline import Alignment
from benchmarks.formats import song
from benchmarks.peers_speed import Work, against, in_turn
from plugin.formats import Format, FormatError, RenderOptions, by_name, for_text

OURS, IN_PLACE = "karalign", "karalign --in-place"
GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
FILES = {  # of tests/golden, and who knows their format besides us
    "browser.vtt": "pysubs2",
    "furigana.ass": "pysubs2",
    "apple.ttml": "pysubs2",
    "broadcast.ttml": "pysubs2",
    "mixed.lrc": "pylrc",
    "timetag.lrc": "pylrc",
}
BIG = {"srt": "pysubs2", "ass": "pysubs2", "vtt": "pysubs2", "lrc": "pylrc"}
LINES, QUICK, ROUNDS = 5000, 500, 9
TIME = re.compile(r"(?:(\d+):)?(\d+):(\d+)(?:[.,:](\d{1,3}))?")
KINDS = ("lines", "line times", "word times", "besides")
Change = Callable[[str], str]


def measured(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """{"versions", "absent", "files": {file: {who: shares}}, "lines", "speed": {format: ratios}, "rounds"}."""
    there = {name: found for name in ("pysubs2", "pylrc") if (found := _version(name))}
    files = {name: returned(name, peer) for name, peer in FILES.items() if peer in there}
    lines, rounds = (QUICK, 3) if quick else (LINES, ROUNDS)
    speed = {form: _speed(form, peer, lines, rounds) for form, peer in BIG.items() if peer in there}
    for form, ratios in speed.items():
        say(f"{form}: {BIG[form]} {ratios[BIG[form]]['median']:.2f} times our time")
    absent = sorted({*FILES.values()} - set(there))
    return {"versions": there, "absent": absent, "files": files, "lines": lines, "speed": speed, "rounds": rounds}


def returned(name: str, peer: str) -> dict[str, dict[str, Any]]:
    """The shares of a golden file that come back, by who reads and writes it, or the "problem"."""
    text = (GOLDEN / name).read_text("utf-8")
    form = for_text(name, text)
    out: dict[str, dict[str, Any]] = {}
    for who in (OURS, *((IN_PLACE,) if form.in_place else ()), peer):
        try:
            new = change(who, form.name)(text)
        except (FormatError, NotImplementedError) as error:  # the latter is what pysubs2 raises
            out[who] = {"problem": str(error)}
            continue
        out[who] = {"marks": share(marks(text), marks(new)), **facts_kept(form.name, text, new)}
    return out


def change(who: str, form: str) -> Change:
    """Reads a text in this format and writes it again."""
    if who == "pysubs2":
        return lambda text: _pysubs2(text, form)
    if who == "pylrc":
        return _pylrc
    known = by_name(form)
    if who == IN_PLACE:
        return lambda text: _in_place(text, known)
    return lambda text: known.render(known.parse(text), RenderOptions(known.levels[-1]))


def _in_place(text: str, known: Format) -> str:
    """A file whose times are put back into it.

    Raises:
        FormatError: there are lines in it that stand for several.
    """
    lines = tuple(replace(line, number=at + 1) for at, line in enumerate(known.parse(text).lines))
    new = known.retimed(text, Alignment(lines))
    if new is None:
        raise FormatError("not in place")
    return new


def _pysubs2(text: str, form: str) -> str:
    from pysubs2 import SSAFile

    return SSAFile.from_string(text, format_=form).to_string(form)


def _pylrc(text: str) -> str:
    import pylrc

    return str(pylrc.parse(text).toLRC())


def marks(text: str) -> Counter[str]:
    """The times in a text, in milliseconds, and the words in all the rest of it."""
    times = Counter(f"{_milliseconds(found)} ms" for found in TIME.finditer(text))
    return times + Counter(re.findall(r"\w+", TIME.sub(" ", text)))


def _milliseconds(found: re.Match[str]) -> int:
    hours, minutes, seconds, part = (group or "0" for group in found.groups())
    return 1000 * (3600 * int(hours) + 60 * int(minutes) + int(seconds)) + int(part.ljust(3, "0"))


def share(old: Counter[Any], new: Counter[Any]) -> float | None:
    """How much of the old is in the new; None of nothing."""
    return (old & new).total() / old.total() if old else None


def facts_kept(form: str, old: str, new: str) -> dict[str, float | None]:
    """The share of each kind of facts that came back; nothing did if the new text cannot be read."""
    known = by_name(form)
    before = Counter(facts(known.parse(old)))
    try:
        after = Counter(facts(known.parse(new)))
    except FormatError:
        after = Counter()
    return {kind: share(*(of_kind(kind, found) for found in (before, after))) for kind in KINDS}


def of_kind(kind: str, found: Counter[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    """The facts of one kind."""
    return Counter({fact: count for fact, count in found.items() if fact[0] == kind})


def facts(alignment: Alignment) -> Iterator[tuple[Any, ...]]:
    """What a file tells, times in hundredths of a second: (kind, ...)."""
    for key, value in alignment.extra.items():
        yield "besides", key, value
    for line in alignment.lines:
        yield "lines", line.text
        for key, value in line.extra.items():
            yield "besides", line.text, key, value
        if line.start is not None and line.end is not None:
            yield "line times", line.text, round(100 * line.start), round(100 * line.end)
    for word in alignment.words:
        if word.start is not None and word.end is not None:
            yield "word times", word.text, round(100 * word.start), round(100 * word.end)
    for syllable in alignment.syllables:
        for key, value in syllable.extra.items():
            yield "besides", syllable.text, key, value


def _speed(form: str, peer: str, lines: int, rounds: int) -> dict[str, dict[str, float]]:
    known = by_name(form)
    plain = RenderOptions("line")
    text = known.render(song(lines), plain)
    theirs = change(peer, form)
    works: dict[str, Work] = {OURS: lambda: known.render(known.parse(text), plain), peer: lambda: theirs(text)}
    return against(in_turn(works, rounds), OURS)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
