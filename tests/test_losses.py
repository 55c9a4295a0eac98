"""What is told to be left out is left out, and nothing else is: for every pair of formats."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Phone, Syllable, Word, untimed_line
from plugin import save
from plugin.cli import cli
from plugin.formats import FORMATS, LEVELS, Format, FormatError, Level, RenderOptions
from plugin.losses import losses

if TYPE_CHECKING:
    from conftest import Karalign

PAIRS = [pytest.param(*pair, id=f"{pair[0].name}-{pair[1].name}") for pair in product(FORMATS, FORMATS)]


def word(text: str, start: float) -> Word:
    cut = len(text) // 2
    middle, end = start + 0.1234, start + 0.3011
    parts = (
        Syllable(text[:cut], start, middle, phones=(Phone("AH", start, middle),), extra=Extra.of({"pitch": "5"})),
        Syllable(text[cut:], middle, end, phones=(Phone("IY", middle, end),)),
    )
    return Word(text, start, end, syllables=parts)


def sung(text: str, start: float, **extra: str) -> Line:
    words = tuple(word(one, start + 0.4 * at) for at, one in enumerate(text.split()))
    return Line(text, words[0].start, words[-1].end, words=words, extra=Extra.of(extra))


RICH = Alignment(
    (
        untimed_line("[Verse]", "heading"),
        sung("golden bells ringing", 1.0, voice="v1"),
        replace(sung("under morning skies", 3.0, voice="v2"), end=4.5),
        Line("unter dem Morgen", 3.0, 4.5, extra=Extra.of({"role": "translation"})),
    ),
    extra=Extra.of({"title": "Bells"}),
)
SUNG = {line.text for line in RICH.lines if any(word.timed for word in line.words)}


def read_back(form: Format, alignment: Alignment, level: Level | None = None) -> Alignment:
    return form.parse(form.render(alignment, RenderOptions(level)))


def facts(alignment: Alignment) -> dict[str, int]:
    """How much of each there is."""
    spans = (alignment.words, alignment.syllables, alignment.phones)
    told = [line.extra for line in alignment.lines]
    return {
        **{f"times of {level}s": sum(s.timed for s in there) for level, there in zip(LEVELS[1:], spans, strict=True)},
        "all times": alignment.timed,
        "voices": len({line.extra.get("voice") for line in alignment.lines if line.text in SUNG} - {None}),
        "which lines are translations": sum("role" in extra for extra in told),
        "headings": sum(line.text == "[Verse]" for line in alignment.lines),
        "pitches": sum("pitch" in syllable.extra for syllable in alignment.syllables),
        "title": "title" in alignment.extra,
    }


def told(form: Format, alignment: Alignment) -> set[str]:
    lost = {loss.partition(" (")[0] for loss in losses(form, alignment, RenderOptions())}
    return {*lost, *(f"times of {level}s" for level in LEVELS[1:] if "all times" in lost)}


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_what_is_told_is_gone_and_what_is_not_told_is_there(source: Format, target: Format) -> None:
    held = read_back(source, RICH, source.levels[-1] if source.levels and not source.flat else None)
    try:
        before, after = facts(held), facts(read_back(target, held))
    except FormatError:
        assert not held.timed
        return
    for fact, count in before.items():
        if count:
            assert (fact in told(target, held)) == (after[fact] < count), fact


@pytest.mark.parametrize("form", [form for form in FORMATS if form.levels], ids=lambda form: form.name)
@pytest.mark.parametrize("start", [1.0, 1.003])
def test_a_coarser_step_is_told_only_if_it_moves_a_time(form: Format, start: float) -> None:
    song = Alignment((Line("la", start, start + 1, words=(Word("la", start, start + 1),)),))
    moved = read_back(form, song).lines[0].start != pytest.approx(start, abs=1e-6)
    assert any("finer" in loss for loss in losses(form, song, RenderOptions())) == moved
    assert not any("finer" in loss for loss in losses(form, song, RenderOptions(), step=form.step))


def test_a_level_that_was_asked_for_is_not_told_to_leave_finer_ones_out(karalign: Karalign, tmp_path: Path) -> None:
    save(Alignment((sung("golden bells", 1.0),)), tmp_path / "a.json")
    for options, lost in (((), True), (("--level", "line"), False)):
        got = karalign("convert", tmp_path / "a.json", "-o", tmp_path / "a.vtt", *options)
        assert ("left out: times of syllables (--level syllable writes them)" in got.err) == lost


def test_what_is_left_out_is_one_line_for_each_output_and_none_if_quiet(karalign: Karalign, tmp_path: Path) -> None:
    save(RICH, tmp_path / "a.json")
    outs = ("-o", tmp_path / "a.srt", "-o", tmp_path / "a.json2.json", "-o", tmp_path / "a.txt")
    rows = karalign("convert", tmp_path / "a.json", *outs).err.splitlines()
    assert [row.split(": ")[1] for row in rows] == [str(tmp_path / "a.srt"), str(tmp_path / "a.txt")]
    assert karalign("convert", "-q", tmp_path / "a.json", *outs).err == ""


slow = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(
    [form.render(RICH) for form in FORMATS]
)


@slow
@given(TEXTS, st.sampled_from(FORMATS), st.sampled_from(FORMATS), st.integers(0, 3))
def test_any_text_in_any_format_becomes_any_other_or_is_refused_in_one_line(
    tmp_path: Path, text: str, source: Format, target: Format, damage: int
) -> None:
    data = text[damage:].encode()
    options = ["--from-format", source.name, "-o", "-", "--format", target.name, "-q"]
    got = CliRunner().invoke(cli, ["convert", "-", *options], input=data)
    assert got.exit_code in {0, 1}
    assert isinstance(got.exception, SystemExit | None)
    assert got.stderr.count("\n") == got.exit_code
