"""When lines are shown: never later, never shorter, never over each other, and never off the beat."""

from __future__ import annotations

from itertools import pairwise, permutations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core.errors import AlignerError
from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Word
from plugin import load, save
from plugin.display import Display, shown
from plugin.formats import by_name

if TYPE_CHECKING:
    from conftest import Karalign

quick = settings(max_examples=40)
SECONDS = st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.5]) | st.floats(0, 3)
DISPLAYS = st.builds(Display, SECONDS, SECONDS, SECONDS)


def sung(start: float, end: float, voice: str = "", text: str = "la la") -> Line:
    middle = (start + end) / 2
    first, second = text.split()
    words = Word(first, start, middle), Word(second, middle, end)
    return Line(text, start, end, words=words, extra=Extra.of({"voice": voice}))


@st.composite
def duets(draw: st.DrawFn) -> Alignment:
    """Lines of up to three voices, in the order of the text and not of time; some have no time."""
    lines = []
    for _ in range(draw(st.integers(1, 8))):
        start, voice = draw(st.floats(0, 20)), draw(st.sampled_from(["", "Ann", "Ben"]))
        lines.append(sung(start, start + draw(st.floats(0, 4)), voice))
        if draw(st.integers(0, 4)) == 0:
            lines.append(Line("not found", words=(Word("not"), Word("found"))))
    return Alignment(tuple(lines))


def overlap(a: Line, b: Line) -> bool:
    return (a.start or 0.0) < (b.end or 0.0) and (b.start or 0.0) < (a.end or 0.0)


@quick
@given(duets(), DISPLAYS)
def test_no_line_is_shown_later_or_shorter_than_it_is_sung(song: Alignment, display: Display) -> None:
    for old, new in zip(song.lines, shown(song, display).lines, strict=True):
        assert old.timed == new.timed
        assert (new.start or 0.0) <= (old.start or 0.0)
        assert (new.end or 0.0) >= (old.end or 0.0)


@quick
@given(duets(), DISPLAYS)
def test_words_keep_their_times(song: Alignment, display: Display) -> None:
    assert shown(song, display).words == song.words


@quick
@given(duets(), DISPLAYS)
def test_lines_of_a_voice_never_come_to_overlap(song: Alignment, display: Display) -> None:
    voice = [line for line in song.lines if line.timed and line.extra.get("voice") == "Ann"]
    if any(overlap(a, b) for a, b in permutations(voice, 2)) or len({line.start for line in voice}) < len(voice):
        return
    after = [line for line in shown(song, display).lines if line.timed and line.extra.get("voice") == "Ann"]
    assert not any(overlap(a, b) for a, b in permutations(after, 2))


@quick
@given(duets(), DISPLAYS)
def test_each_voice_is_shown_as_if_the_others_were_not_there(song: Alignment, display: Display) -> None:
    alone = Alignment(tuple(line for line in song.lines if line.extra.get("voice") == "Ann"))
    assert shown(alone, display).lines == tuple(
        line for line in shown(song, display).lines if line.extra.get("voice") == "Ann"
    )


@quick
@given(duets(), DISPLAYS)
def test_a_line_with_room_around_it_gets_all_that_was_asked_for(song: Alignment, display: Display) -> None:
    times = [line for line in song.lines if line.timed]
    room = display.lead_in + display.min_show + display.close_gaps + 0.01
    for old, new in zip(song.lines, shown(song, display).lines, strict=True):
        others = [line for line in times if line is not old]
        near = Line("", max(0.0, (old.start or 0.0) - room), (old.end or 0.0) + room)
        if old.timed and not any(overlap(near, other) for other in others):
            assert new.start == pytest.approx(max(0.0, (old.start or 0.0) - display.lead_in))
            assert new.duration >= display.min_show - 1e-9


@quick
@given(st.lists(st.floats(0.01, 2), min_size=2, max_size=8), SECONDS)
def test_no_gap_shorter_than_the_threshold_is_left(gaps: list[float], threshold: float) -> None:
    now, lines = 0.0, []
    for gap in gaps:
        lines.append(sung(now + gap, now + gap + 1))
        now += gap + 1
    after = shown(Alignment(tuple(lines)), Display(close_gaps=threshold)).lines
    for a, b in pairwise(after):
        pause = (b.start or 0.0) - (a.end or 0.0)
        assert pause == 0 or pause >= threshold


@quick
@given(duets())
def test_nothing_asked_for_changes_nothing(song: Alignment) -> None:
    assert shown(song, Display()) == song


@quick
@given(duets(), DISPLAYS)
def test_karaoke_tags_stay_on_the_beat(song: Alignment, display: Display) -> None:
    form = by_name("ass")
    before = form.parse(form.render(song)).syllables or form.parse(form.render(song)).words
    after = form.parse(form.render(shown(song, display)))
    beats = sorted(span.start or 0.0 for span in after.syllables or after.words if span.timed)
    assert beats == pytest.approx(sorted(span.start or 0.0 for span in before if span.timed), abs=0.006)


@pytest.mark.parametrize("seconds", [-0.1, float("nan"), float("inf")])
def test_impossible_seconds_are_refused(seconds: float) -> None:
    with pytest.raises(AlignerError, match="seconds of display"):
        Display(lead_in=seconds)


def test_the_options_change_subtitles_and_nothing_else(karalign: Karalign, tmp_path: Path) -> None:
    save(Alignment((sung(2, 3), sung(3.4, 4))), tmp_path / "song.json")
    outs = [part for name in ("a.srt", "b.ass", "c.vtt", "d.lrc") for part in ("-o", tmp_path / name)]
    options = ("--lead-in", "0.5", "--min-show", "1.2", "--close-gaps", "1")
    assert karalign("convert", tmp_path / "song.json", *outs, *options).code == 0
    for name in ("a.srt", "b.ass", "c.vtt"):
        assert [(line.start, line.end) for line in load(tmp_path / name).lines] == [(1.5, 3.0), (3.0, 4.2)]
    assert [line.start for line in load(tmp_path / "d.lrc").lines] == [2, 3.4]
    assert r"{\k50}{\kf50}la" in (tmp_path / "b.ass").read_text()


def test_a_script_of_the_user_keeps_all_but_its_times(karalign: Karalign, tmp_path: Path) -> None:
    script = by_name("ass").render(Alignment((sung(2, 3),))).replace("Arial", "My Own Font").replace(",la", r",{\b1}la")
    (tmp_path / "own.ass").write_text(script)
    assert karalign("convert", tmp_path / "own.ass", "-o", tmp_path / "out.ass", "--lead-in", "0.5").code == 0
    changed = (tmp_path / "out.ass").read_text()
    assert "My Own Font" in changed
    assert changed.split("[Events]")[0] == script.split("[Events]")[0]
    assert "0:00:01.50,0:00:03.00" in changed
    assert load(tmp_path / "out.ass").words == load(tmp_path / "own.ass").words
