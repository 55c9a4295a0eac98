"""The contract of every format, on made-up alignments: a loop over the table."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aligner_core.extra import NOTHING, Extra
from aligner_core.timeline import Alignment, Line, Phone, Span, Syllable, Word, enclosing, untimed_line
from plugin import load, save
from plugin.formats import FORMATS, LEVELS, Format, FormatError, Level, RenderOptions, by_name, for_path

TIMED = [known for known in FORMATS if known.levels]
HELD = [
    pytest.param(known, level, id=f"{known.name}-{level}")
    for known in TIMED
    for level in (known.levels if known.name != "json" else known.levels[-1:])  # it writes all levels always
]
TOLERANCE = 1e-6  # seconds, for sums of floats

# All of Unicode but markup of some format, and ":" (LRC reads "v1:" as the name of a singer).
LETTERS = st.characters(
    exclude_categories=("Cc", "Cf", "Cs", "Cn", "Z"), exclude_characters="<>[]{}\\:"
) | st.sampled_from("aeéß本ด́🎵0-'")  # fmt: skip
SPACES = st.sampled_from([" ", " ", " ", "  ", "\t", "\u00a0", "\u3000"])


def lengths(least: float) -> st.SearchStrategy[float]:
    return st.floats(least, 0.7, allow_subnormal=False) | st.sampled_from([least, 0.1, 1 / 3])


GAPS = st.sampled_from([0.0, 0.0, 0.0, 0.004, 0.25, 1 / 7])
EXTRA = st.sampled_from([NOTHING, NOTHING, Extra.of({"voice": "Ann"}), Extra.of({"voice": "v2"})])


@st.composite
def words(draw: st.DrawFn, start: float, shortest: float, least: float, sparse: bool) -> Word:
    """A word that begins at `start`, or one that was not found; with syllables and phones or not."""
    text = draw(st.text(LETTERS, min_size=1, max_size=6))
    score = draw(st.none() | st.floats(0, 1))
    if sparse and draw(st.integers(0, 4)) == 0:
        return Word(text)
    inner = sorted(draw(st.sets(st.integers(1, len(text) - 1), max_size=2))) if len(text) > 1 else []
    syllables: list[Syllable] = []
    now = start
    for a, b in zip([0, *inner], [*inner, len(text)], strict=True):
        found = not syllables or not sparse or draw(st.integers(0, 5)) > 0
        end = now + draw(lengths(shortest)) if found else now
        first, last = (now, end) if found else (None, None)
        phones = (Phone("AH", first, last),) if draw(st.booleans()) else ()
        syllables.append(Syllable(text[a:b], first, last, phones=phones))
        now, shortest = end + (draw(GAPS) if found else 0.0), least
    first, last = enclosing(syllables)
    return Word(text, first, last, score, tuple(syllables) if draw(st.booleans()) else ())


@st.composite
def lines(draw: st.DrawFn, start: float, least: float, sparse: bool) -> Line:
    """A line that begins at `start`, with odd white space, or one of the kinds that are not sung or were not found."""
    if draw(st.integers(0, 5)) == 0:
        return draw(
            st.sampled_from([untimed_line("[Chorus]", "heading"), untimed_line("  "), untimed_line("# x", "comment")])
            | st.builds(untimed_line, st.text(LETTERS, min_size=1).map(str.strip).filter(bool))
        )
    made: list[Word] = []
    now = start + draw(GAPS)
    for _ in range(draw(st.integers(1, 6))):
        # A first word that lasts no time is how LRC tells a first word that was not found.
        shortest = least if any(word.timed for word in made) else max(least, 0.02)
        made.append(draw(words(now, shortest, least, sparse)))
        now = max(now, made[-1].end or 0.0) + draw(GAPS)
    text = "".join(draw(SPACES) + word.text for word in made)[0 if draw(st.booleans()) else 1 :]
    last = max([start + 0.5, *(word.end for word in made if word.end is not None)])
    score = draw(st.none() | st.floats(0, 1))
    return Line(text, start, last + draw(GAPS), score, tuple(made), extra=draw(EXTRA))


@st.composite
def alignments(draw: st.DrawFn, least: float = 0.0, sparse: bool = True) -> Alignment:
    """Lines in the order of their starts, some overlapping, some with long pauses between; one at least is timed.

    Args:
        least: seconds that a timed span lasts.
        sparse: whether some of their words have no time.
    """
    made, start = [], draw(st.sampled_from([0.0, 0.123, 59.996, 3599.999, 6001.0]))
    for _ in range(draw(st.integers(1, 4))):
        made.append(draw(lines(start, least, sparse)))
        start = draw(st.sampled_from([start, start + 0.3, (made[-1].end or start), (made[-1].end or start) + 9]))
    if not any(line.timed for line in made):
        made.append(Line("la", start, start + 1, words=(Word("la", start, start + 1),)))
    return Alignment(tuple(made), draw(st.none() | st.text(max_size=5)))


def leaves(span: Span, depth: int) -> Iterator[Span]:
    """The timed spans `depth` levels below; where there are none, the span itself."""
    below = [child for child in span.children if child.timed] if depth else []
    if not below:
        yield span
    for child in below:
        yield from leaves(child, depth - 1)


def units(alignment: Alignment, level: Level) -> list[Span]:
    sung = sorted((x for x in alignment.lines if x.timed and x.text.strip()), key=lambda line: line.start or 0.0)
    return [unit for line in sung for unit in leaves(line, LEVELS.index(level))]


def bounded(line: Line, level: Level) -> Line:
    """The line, from its first word that has a time to its last, unless there is none."""
    if level == "line" or not any(word.timed for word in line.words):
        return line
    start, end = enclosing(line.words)
    return replace(line, start=start, end=end)


def assert_same_times(before: Alignment, after: Alignment, level: Level, form: Format, written: Level) -> None:
    if not form.bounds:
        before = replace(before, lines=tuple(bounded(line, written) for line in before.lines))
    expected, found = units(before, level), units(after, level)
    if form.flat or not form.bounds:  # they stand by time, even those of lines that overlap
        expected.sort(key=lambda unit: unit.start or 0.0)
        found.sort(key=lambda unit: unit.start or 0.0)
    if form.name == "textgrid":  # voices have tiers of their own: of lines that begin at once, the order is not known
        expected.sort(key=lambda unit: (unit.start or 0.0, unit.end or 0.0, unit.text))
        found.sort(key=lambda unit: (unit.start or 0.0, unit.end or 0.0, unit.text))
    assert len(found) == len(expected)
    late = form.step / 2 + TOLERANCE
    for old, new in zip(expected, found, strict=True):
        assert new.start == pytest.approx(old.start, abs=late)
        if form.bounds:  # else two that overlap may change places
            assert " ".join(old.text.split()) in " ".join(new.text.split())
        if form.bounds and level not in form.starts_only:
            assert new.end == pytest.approx(old.end, abs=late)
    if not form.bounds:
        assert sorted(new.end or 0.0 for new in found) == pytest.approx(
            sorted(old.end or 0.0 for old in expected), abs=late)  # fmt: skip


def fit_for(form: Format) -> st.SearchStrategy[Alignment]:
    """Alignments as the format can hold them."""
    return alignments(form.shortest, form.sparse)


slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=25)


@slow
@pytest.mark.parametrize(("form", "level"), HELD)
@given(data=st.data())
def test_every_timed_edge_comes_back_within_half_a_step(form: Format, level: Level, data: st.DataObject) -> None:
    alignment = data.draw(fit_for(form))
    parsed = form.parse(form.render(alignment, RenderOptions(level)))
    assert_same_times(alignment, parsed, level, form, level)
    if not form.flat or level == "line":  # there, each word has become a line
        assert_same_times(alignment, parsed, "line", form, level)


@slow
@pytest.mark.parametrize(("form", "level"), HELD)
@given(data=st.data())
def test_no_word_of_a_timed_line_is_lost_and_none_gains_a_time(form: Format, level: Level, data: st.DataObject) -> None:
    alignment = data.draw(fit_for(form))
    parsed = form.parse(form.render(alignment, RenderOptions(level)))
    sung = sorted((x for x in alignment.lines if x.timed), key=lambda line: line.start or 0.0)
    read = [x for x in parsed.lines if x.timed]
    wrote, had = [[word.text for line in part for word in line.words] for part in (read, sung)]
    if form.flat or not form.bounds:  # they stand by time; syllables have become words
        assert sorted("".join(wrote)) == sorted("".join(had))
    elif form.name == "textgrid":  # of lines that begin at once, the order is not known
        assert sorted(wrote) == sorted(had)
    else:
        assert wrote == had
    if level != "line" and not form.times_one_word and form.sparse:
        timed = [word.timed for line in sung for word in line.words]
        assert [word.timed for line in read for word in line.words] == timed


@slow
@pytest.mark.parametrize(("form", "level"), HELD)
@given(data=st.data())
def test_what_was_read_is_written_as_it_was(form: Format, level: Level, data: st.DataObject) -> None:
    alignment, options = data.draw(fit_for(form)), RenderOptions(level)
    text = form.render(alignment, options)
    assert form.render(alignment, options) == text
    assert form.render(form.parse(text), options) == text


@slow
@pytest.mark.parametrize(("form", "level"), HELD)
@given(alignment=alignments())
def test_any_alignment_is_written_so_that_it_can_be_read(form: Format, level: Level, alignment: Alignment) -> None:
    try:
        text = form.render(alignment, RenderOptions(level))
    except FormatError as error:
        assert "no line" in error.what  # noqa: PT017
    else:
        parsed = form.parse(text)
        assert parsed.timed
        assert form.parse(form.render(parsed, RenderOptions(level))).timed


@slow
@given(alignment=alignments())
def test_json_loses_nothing(alignment: Alignment) -> None:
    assert by_name("json").parse(by_name("json").render(alignment)) == alignment


@slow
@given(
    text=st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="[{:") | st.sampled_from("\n\t "))
)
def test_plain_lyrics_keep_every_character(text: str) -> None:
    ended = text if text.endswith("\n") or not text else text + "\n"
    assert by_name("txt").render(by_name("txt").parse(text)) == ended


TOKENS = [
    "[00:01.00]", "[1:2]", "<00:02.5>", "[01:00:00.00]", "[offset:", "-500", "]", "[bg:", "[ti:x]", "#", "\ufeff",
    "v1:", "1\n", "00:00:01,000", " --> ", "-00:00:02.5", "X1:3", "<i>", "{\\an8}", "Dialogue: 0,", "Comment: ",
    "Format: ", "0:00:01.00,", "0:00:09.00,", "Default,,0,0,0,,", "{\\k20}", "{\\kf}", "{\\kt5}", "{\\ko.}", "{\\p1}",
    "{", "}", "\\N", "[Script Info]\n", "[Events]\n", '{"version": 1, "lines": [', '{"text": "a", ', '"start": 1,',
    '"end": NaN', "]}", "null", "a", " ", "bc", "\n", "\r\n", "\r", "\n\n", "\u2028", "\x0c", "9999999999",
]  # fmt: skip


@slow
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@given(text=st.text() | st.lists(st.sampled_from(TOKENS)).map("".join))
def test_any_text_is_read_or_refused_in_one_line(form: Format, text: str) -> None:
    try:
        form.parse(text)
    except FormatError as error:
        place, message = error.where, str(error)
    else:
        place = message = "read"
    assert place
    assert "\n" not in message


@pytest.mark.parametrize(("form", "level"), HELD)
def test_sixty_syllables_do_not_drift(form: Format, level: Level) -> None:
    edges = [10 + i * 0.12473 for i in range(61)]
    made = [Word("la", a, b, syllables=(Syllable("la", a, b),)) for a, b in pairwise(edges)]
    line = Line(" ".join(["la"] * 60), edges[0], edges[-1], words=tuple(made))
    alignment = Alignment((line,))
    assert_same_times(alignment, form.parse(form.render(alignment, RenderOptions(level))), level, form, level)


@pytest.mark.parametrize("form", TIMED, ids=lambda form: form.name)
def test_lines_without_time_are_left_out_of_all_but_json(form: Format) -> None:
    found = Line("found", 1.0, 2.0, words=(Word("found", 1.0, 2.0),))
    alignment = Alignment(
        (untimed_line("[Verse]", "heading"), untimed_line("lost"), found, untimed_line("# hush", "comment"))
    )
    texts = [line.text for line in form.parse(form.render(alignment)).lines]
    assert texts == ([line.text for line in alignment.lines] if form.name == "json" else ["found"])


@pytest.mark.parametrize("form", [known for known in TIMED if known.name != "json"], ids=lambda form: form.name)
def test_an_alignment_without_any_time_is_not_written(form: Format, tmp_path: Path) -> None:
    target = tmp_path / f"song{form.extensions[0]}"
    with pytest.raises(FormatError, match=r"song[.\w]+: no line has a time \(.*\.txt or \.json\)"):
        save(Alignment.from_text("never\nfound"), target)
    assert not target.exists()


@pytest.mark.parametrize("form", TIMED, ids=lambda form: form.name)
def test_too_fine_a_level_becomes_the_finest_that_the_format_holds(form: Format) -> None:
    word = Word("la", 1.0, 2.0, syllables=(Syllable("la", 1.0, 2.0, phones=(Phone("L", 1.0, 2.0),)),))
    alignment = Alignment((Line("la", 1.0, 2.0, words=(word,)),))
    assert form.render(alignment, RenderOptions("phone")) == form.render(alignment, RenderOptions(form.levels[-1]))
    assert form.render(alignment) == form.render(alignment, RenderOptions(form.default))


def test_names_and_endings_belong_to_one_format_each() -> None:
    names = [known.name for known in FORMATS]
    endings = [ending for known in FORMATS for ending in known.extensions]
    assert len(set(names)) == len(names)
    assert len(set(endings)) == len(endings)
    for known in FORMATS:
        assert by_name(known.name.upper()) is known
        assert known.levels in (LEVELS[: len(known.levels)], ("word",))
        assert not known.levels or known.default in known.levels
        for ending in known.extensions:
            assert for_path(f"-a 'b.c' é{ending.upper()}") is known


@pytest.mark.parametrize(
    ("look", "message"),
    [
        (lambda: for_path("a/song.xyz"), "a/song.xyz: files ending in .xyz are unknown"),
        (lambda: for_path("song"), "song: the name has no ending that tells the format"),
        (lambda: by_name("doc"), "the format 'doc' is unknown"),
    ],
)
def test_an_unknown_format_is_told_with_a_list_of_the_known(look: Callable[[], Format], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        look()
    assert str(caught.value).startswith(message)
    for known in FORMATS:
        assert known.name in caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "Hello\n\n[00:12.00]world", "a.txt:3: this is lrc, not txt (name it .lrc)"),
        ("a.txt", "1\n00:00:01,000 --> 00:00:02,000\nHi", "a.txt:2: this is srt, not txt (name it .srt)"),
        ("a.lrc", "[Script Info]\nTitle: x", "a.lrc:1: this is ass, not lrc (name it .ass)"),
        ("a.lrc", "[offset: soon]", "a.lrc:1: the offset 'soon' is no number of milliseconds"),
        ("a.txt", '{\n "version": 1}', "a.txt:1: this is json, not txt (name it .json)"),
        ("a.srt", "Just words", "a.srt:1: no row like 00:00:01,000 --> 00:00:02,000 (is it SRT?)"),
        ("a.srt", "1\n 00:00:01,000 --> later\nHi", "a.srt:2: '00:00:01,000 --> later' is no time row"),
        ("a.ass", "Just words", "a.ass:1: no Dialogue line (is it ASS?)"),
        ("a.ass", "[Events]\nDialogue: 0, soon,0:00:02.00,D,,0,0,0,,x", "a.ass:2: 'soon' is no time (H:MM:SS.cc)"),
        ("a.json", '{"version": 1,\n"lines": [}', "a.json:2: not JSON: Expecting value"),
        ("a.json", '{"version": 2, "lines": []}', "a.json:version: version 2 is unknown (this release reads 1)"),
    ],
)
def test_wrong_content_is_told_with_file_and_line(name: str, content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FormatError) as caught:
        load(path)
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(message)


def test_load_and_save_go_by_the_ending(tmp_path: Path) -> None:
    alignment = Alignment((Line("Oh yeah", 1.0, 2.0, words=(Word("Oh", 1.0, 1.5), Word("yeah", 1.5, 2.0))),))
    for known in TIMED:
        path = tmp_path / f"-sön g '1'{known.extensions[0]}"
        save(alignment, path, "word" if "word" in known.levels else None)
        assert load(path).lines[0].start == 1.0
    save(alignment, tmp_path / "line.ass", "line")
    assert "\\k" not in (tmp_path / "line.ass").read_text("utf-8")


def test_a_character_without_utf8_form_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.lrc"
    save(Alignment((Line("a\udce9b", 1.0, 2.0),)), path, "line")
    assert path.read_text("utf-8").startswith("[00:01.00]a?b\n")


def test_formats_load_nothing_heavy() -> None:
    code = "import plugin, plugin.formats, sys; print(*{m.partition('.')[0] for m in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "numba", "pysubs2", "click"} & set(ran.stdout.split())
