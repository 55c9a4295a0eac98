"""Singing: vowels begin with their notes, the pitch is that of the notes, nothing clicks, and odd melodies are sung."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from speaking import babbler, saved

from aligner_core.errors import AlignerError, LyricsError
from aligner_core.phones import VOWELS, base
from aligner_core.timeline import Alignment, Line, Word
from aligner_core.tts.beats import CONSONANTS, LEGATO, beats, pressed
from aligner_core.tts.engines import ENGINES, VOICELESS, Plan, sounding
from aligner_core.tts.laying import Tune, laid
from aligner_core.tts.loudness import breaths, levelled, limited, rested
from aligner_core.tts.score import Note, Score, SungLine, SungSyllable
from aligner_core.tts.singing import Singer, arranged
from aligner_core.tts.sound import HOP, RATE
from aligner_core.tts.sung_pitch import FRAME, STYLES, Curve, followed, sung_pitch
from plugin.cli import cli
from plugin.formats.ultrastar import UltraStar

TEXT = Alignment.from_text("so far away\nthe light is strong")
pytest.importorskip("pyworld")


def tune(numbers: list[float], step: float = 0.5, start: float = 1.0) -> Tune:
    return Tune(tuple(Note(start + at * step, start + (at + 1) * step, midi) for at, midi in enumerate(numbers)))


def scored_song(numbers: list[float], step: float = 0.5) -> Score:
    return laid(TEXT, tune(numbers, step)).score


SONG = scored_song([57.0, 59, 60, 62, 57, 59, 60, 62])
PHONES = ("S", "T", "R", "AA1", "AY0", "L", "N", "HH", "M", "OW1", "K")
spoken = st.lists(st.sampled_from(PHONES), min_size=1, max_size=5).map(tuple)
lengths = st.tuples(st.floats(0.01, 3.0), st.floats(0.0, 1.0))


@st.composite
def lines(draw: st.DrawFn) -> SungLine:
    now, rows = draw(st.floats(0, 3)), []
    for at in range(draw(st.integers(1, 6))):
        length, gap = draw(lengths)
        rows.append(SungSyllable(at, "la", draw(spoken), (Note(now, now + length, 60.0),)))
        now += length + gap
    return SungLine(0, tuple(rows))


def natural(line: SungLine) -> list[list[int]]:
    return [[8 if base(phone) in VOWELS else 6 for phone in one.phones] for one in line.syllables]


@given(lines())
def test_sounds_are_in_order_and_none_overlaps(line: SungLine) -> None:
    sounds = beats(line, natural(line))
    assert all(one.frames > 0 and one.start >= 0 for one in sounds)
    assert all(a.end <= b.start for a, b in pairwise(sounds))
    places = [(one.syllable, one.place) for one in sounds]
    assert places == sorted(places)


@given(lines())
def test_the_vowel_begins_with_its_note(line: SungLine) -> None:
    sounds, before = beats(line, natural(line)), -1
    for at, one in enumerate(line.syllables):
        held = [sound for sound in sounds if sound.syllable == at and sound.carries]
        assert held
        wanted = round(one.notes[0].start / FRAME)
        if wanted > before + 8 * len(one.phones):  # notes closer than a frame a vowel push each other on
            assert held[0].start == wanted
        before = held[-1].start


@given(lines())
def test_consonants_between_vowels_take_half_of_the_time_at_most(line: SungLine) -> None:
    row = beats(line, natural(line))
    carriers = [at for at, one in enumerate(row) if one.carries and (at == 0 or not row[at - 1].carries)]
    for a, b in pairwise(carriers):
        between = [one for one in row[a:b] if not one.carries]
        room = row[b].start - row[a].start
        gap = sum(y.start - x.end for x, y in pairwise(row[a : b + 1]))
        if gap == 0 and sum(one.frames for one in row[a:b] if one.carries) + LEGATO > room:
            assert sum(one.frames for one in between) <= max(CONSONANTS * room, 1) + LEGATO


def test_a_diphthong_is_one_sound_for_its_whole_note() -> None:
    line = SungLine(0, (SungSyllable(0, "I", ("AY1",), (Note(1.0, 2.0, 60),)),))
    sounds = beats(line, [[20]])
    assert [(one.phone, one.start, one.frames) for one in sounds] == [("AY1", 100, 100)]


def test_what_has_no_vowel_is_carried_by_what_can_be_held() -> None:
    def carrier(*phones: str) -> str:
        line = SungLine(0, (SungSyllable(0, "x", phones, (Note(1.0, 2.0, 60),)),))
        return next(one.phone for one in beats(line, [[6] * len(phones)]) if one.carries)

    assert (carrier("HH", "M"), carrier("P", "S", "T"), carrier("N", "T")) == ("M", "S", "N")


def test_a_melisma_holds_its_vowel_without_a_new_attack() -> None:
    line = SungLine(0, (SungSyllable(0, "la", ("L", "AA1"), (Note(1, 2, 60), Note(2, 2.5, 62), Note(2.5, 4, 64))),))
    assert [(one.phone, one.start, one.end) for one in beats(line, [[6, 12]])] == [("L", 94, 100), ("AA1", 100, 400)]


@given(st.lists(st.tuples(st.sampled_from(PHONES), st.floats(0, 30)), max_size=6), st.integers(0, 60), st.booleans())
def test_pressed_sounds_fit_and_those_at_the_vowel_stay(
    sounds: list[tuple[str, float]], most: int, last: bool
) -> None:  # fmt: skip
    out = pressed(sounds, most, last)
    assert len(out) == len(sounds)
    assert sum(out) <= most
    if most >= len(sounds):
        assert all(frames > 0 for frames in out)
    else:
        assert sum(frames > 0 for frames in out) == most
        assert out == sorted(out, reverse=not last)


@given(st.lists(st.integers(40, 80), min_size=1, max_size=6), st.sampled_from(sorted(STYLES)))
@settings(max_examples=30)
def test_the_middle_of_a_note_is_at_its_pitch(numbers: list[int], style: str) -> None:
    notes = [Note(0.5 + at, 1.5 + at, float(midi)) for at, midi in enumerate(numbers)]
    sung = sung_pitch(notes, 0, 100 * len(numbers) + 100, STYLES[style])
    for at, midi in enumerate(numbers):
        inner = sung.midi[50 + 100 * at + 25 : 50 + 100 * at + 38]
        assert abs(float(np.median(inner)) - midi) < (0.1 if style != "expressive" else 0.5)
    assert np.isfinite(sung.midi).all()


def test_vibrato_comes_late_and_only_on_long_notes() -> None:
    style = replace(STYLES["expressive"], drift=0.0, overshoot=0.0, scoop=0.0)
    long = sung_pitch([Note(0, 3, 60)], 0, 300, style)
    assert np.abs(long.midi[:29] - 60).max() < 1e-9
    assert 0.5 < np.abs(long.midi[100:250] - 60).max() <= 0.6 + 1e-9
    assert 0.9 < long.swell[100:250].max() <= 1.0 + 1e-9
    assert np.abs(sung_pitch([Note(0, 0.5, 60)], 0, 50, style).midi - 60).max() < 1e-9


def test_a_followed_curve_is_sung_octaves_aside_where_it_is_known() -> None:
    hz = 440 * 2 ** ((np.full(100, 72.3) - 69) / 12)
    sure = np.where(np.arange(100) < 50, 1.0, 0.0)
    out = followed(np.full(100, 60.0), Curve(hz, sure), 0)
    assert out[:50] == pytest.approx(np.full(50, 60.3), abs=1e-6)
    assert out[-1] == pytest.approx(60.0)
    wild = followed(np.full(100, 60.0), Curve(np.full(100, 300.0), np.ones(100)), 0)
    assert wild == pytest.approx(np.full(100, 60.0))


def test_what_is_voiceless_gets_no_pitch_and_vowels_always_do() -> None:
    import torch

    plan = Plan(("sil", "S", "AA1", "T", "sil"), (8, 8, 8, 8, 8), (8,) * 5, np.full(40, 200.0))
    voiced = sounding(plan, torch.full((40,), 0.6))
    assert {float(v) for v in voiced[9:15]} == {0.0}
    assert {float(v) for v in voiced[17:23]} == {1.0}
    assert "S" in VOICELESS


@given(st.integers(1, 40), st.floats(0.001, 3.0))
def test_no_peak_is_beyond_the_ceiling(frames: int, loud: float) -> None:
    wave = (loud * np.random.default_rng(frames).standard_normal(frames * HOP)).astype(np.float32)
    assert np.abs(limited(wave)).max() <= 1.0
    if np.abs(wave).max() < 0.7:
        assert np.allclose(limited(wave), wave)


def test_notes_come_out_alike_and_rests_are_silent() -> None:
    wave = np.concatenate([np.full(50 * HOP, level, np.float32) for level in (0.02, 0.3, 0.0, 0.1)])
    wave *= np.where(np.arange(len(wave)) % 2, 1, -1).astype(np.float32)
    held = [(0, 50), (50, 100), (150, 200)]
    out = rested(levelled(wave, held, np.zeros(200)), (5, 200), [(100, 150)])
    loud = [float(np.sqrt((out[a * HOP : b * HOP] ** 2).mean())) for a, b in ((20, 30), (70, 80), (170, 180))]
    assert max(loud) / min(loud) < 2
    assert np.abs(out[110 * HOP : 140 * HOP]).max() == 0


def test_breaths_are_drawn_in_long_rests_only() -> None:
    out = breaths(400 * HOP, [(10, 30), (100, 200)], seed=1)
    assert np.abs(out[: 100 * HOP]).max() == 0
    assert 0.001 < np.abs(out[100 * HOP : 200 * HOP]).max() < 0.05
    assert np.abs(out[195 * HOP :]).max() == 0


@pytest.fixture(scope="module")
def singer() -> Singer:
    return Singer(babbler())


@pytest.mark.parametrize("engine", ENGINES)
def test_every_word_is_sung_when_its_notes_are(engine: str) -> None:
    speech = Singer(babbler(), engine).sing(SONG, TEXT)
    assert speech.sample_rate == RATE
    assert np.isfinite(speech.wave).all()
    assert np.abs(speech.wave).max() <= 1.0
    assert len(speech.wave) >= SONG.notes[-1].end * RATE
    vowels = [phone.start for phone in speech.alignment.phones if phone.text in VOWELS]
    assert vowels == pytest.approx([note.start for note in SONG.notes], abs=FRAME)
    assert UltraStar().render(speech.alignment).count("\n: ") == len(SONG.notes)


def test_what_is_sung_is_on_the_notes(singer: Singer) -> None:
    import pyworld

    wave = singer.sing(SONG, TEXT).wave.astype(np.float64)
    f0, times = pyworld.harvest(wave, RATE, f0_floor=80, f0_ceil=600)
    off = []
    for note in SONG.notes:
        mine = f0[(times > note.start + 0.1) & (times < note.end - 0.15) & (f0 > 0)]
        off += list(1200 * np.log2(mine / (440 * 2 ** (((note.midi or 0) - 69) / 12))))
    assert len(off) > 100
    assert float(np.median(np.abs(off))) < 15


def test_nothing_clicks_in_rests_and_lines_are_silent_beyond_their_ends(singer: Singer) -> None:
    first = [one for line in SONG.lines[:1] for one in line.syllables]
    later = replace(SONG.lines[1], syllables=tuple(
        replace(one, notes=tuple(Note(n.start + 5, n.end + 5, n.midi) for n in one.notes))
        for one in SONG.lines[1].syllables))  # fmt: skip
    wave = singer.sing(Score((replace(SONG.lines[0], syllables=tuple(first)), later)), TEXT).wave
    assert np.abs(wave[round(3.6 * RATE) : round(7.2 * RATE)]).max() == 0
    assert np.abs(wave[: round(0.6 * RATE)]).max() == 0


def test_the_same_score_is_sung_the_same(singer: Singer) -> None:
    assert np.array_equal(singer.sing(SONG, TEXT).wave, singer.sing(SONG, TEXT).wave)


def test_rapped_and_sung_syllables_go_together(singer: Singer) -> None:
    numbers: list[float | None] = [57.0, None, 60.0, None, None, 62.0, 60.0]
    notes = tuple(Note(1 + at * 0.4, 1.4 + at * 0.4, midi) for at, midi in enumerate(numbers))
    speech = singer.sing(laid(TEXT, Tune(notes)).score, TEXT)
    assert np.isfinite(speech.wave).all()
    free = [part.extra.get("ultrastar:note") for part in speech.alignment.syllables]
    assert free.count("R") == 3


ODD = {
    "leaps of five octaves": [Note(1, 1.5, 36), Note(1.5, 2, 96), Note(2, 2.5, 36), Note(2.5, 3, 96)],
    "a note of 20 s": [Note(1, 21, 60), Note(21, 21.3, 62)],
    "notes of 30 ms": [Note(1 + 0.03 * at, 1.03 + 0.03 * at, 60.0 + at) for at in range(8)],
    "at the very beginning": [Note(0, 0.2, 60), Note(0.2, 0.4, 62)],
    "overlaps": [Note(1, 3, 60), Note(1.5, 2, 64), Note(1.7, 5, 67)],
    "chords": [Note(1, 2, 60), Note(1, 2, 64), Note(2, 3, 62), Note(2, 3, 65)],
    "out of hearing": [Note(1, 2, 0.0), Note(2, 3, 127.0)],
    "too many": [Note(1 + 0.1 * at, 1.1 + 0.1 * at, 60) for at in range(40)],
    "one": [Note(1, 2, 60)],
}


@pytest.mark.parametrize("name", list(ODD))
def test_odd_melodies_are_sung(name: str, singer: Singer) -> None:
    from aligner_core.tts.score import tidy

    score, _ = laid(TEXT, Tune(tidy(ODD[name])))
    speech = singer.sing(score, TEXT)
    assert np.isfinite(speech.wave).all()
    assert np.abs(speech.wave).max() <= 1.0
    assert any(word.timed for word in speech.alignment.words)


def test_lines_that_overlap_are_sung_together(singer: Singer) -> None:
    both = Score(tuple(
        SungLine(at, tuple(replace(one, notes=(Note(1 + 0.5 * n, 1.5 + 0.5 * n, 57.0 + 3 * at),))
                           for n, one in enumerate(line.syllables)))
        for at, line in enumerate(SONG.lines)
    ))  # fmt: skip
    speech = singer.sing(both, TEXT)
    assert [line.start for line in speech.alignment.lines] == pytest.approx([1.0, 1.0], abs=0.2)


def test_there_has_to_be_something_to_sing(singer: Singer) -> None:
    empty = Score(tuple(SungLine(at, ()) for at in range(2)))
    with pytest.raises(LyricsError, match="nothing that can be sung"):
        singer.sing(empty, TEXT)
    with pytest.raises(LyricsError, match="no style"):
        singer.sing(SONG, TEXT, style="opera")
    with pytest.raises(LyricsError, match="nobody is followed"):
        singer.sing(SONG, TEXT, style="follow")
    with pytest.raises(AlignerError, match="no engine"):
        Singer(babbler(), "steam")


@given(st.integers(24, 100), st.floats(-12, 12))
def test_a_melody_is_moved_by_octaves_into_the_voice(lowest: int, transpose: float) -> None:
    score = scored_song([float(lowest + step) for step in (0, 2, 4, 5, 4, 2, 0, 1)])
    moved, says = arranged(score, (130.0, 290.0), transpose)
    shifts = {round((new.midi or 0) - (old.midi or 0) - transpose, 6) % 12
              for new, old in zip(moved.notes, score.notes, strict=True)}  # fmt: skip
    assert shifts <= {0.0, 12.0}
    middle = float(np.median([note.midi or 0 for note in moved.notes]))
    if 24 < lowest + transpose < 90:
        assert 40 < middle < 75
    same = arranged(score, (130.0, 290.0), transpose, octaves=False)[0]
    assert bool(says) or moved == same


ULTRASTAR = "#TITLE:a\n#ARTIST:b\n#BPM:300\n: 20 8 -3 So \n: 30 8 0 far\n"


def test_the_command_sings_and_writes_its_notes(tmp_path: Path) -> None:
    song = tmp_path / "song.ultrastar.txt"
    song.write_text(ULTRASTAR, encoding="utf-8")
    made = [str(tmp_path / name) for name in ("a.wav", "a.mid", "a.musicxml", "b.ultrastar.txt")]
    arguments = ["guide", str(song), "--sing", "-o", made[0], "--save-notes", made[1], "--save-notes", made[2]]
    result = CliRunner().invoke(cli, [*arguments, "--save-times", made[3], *saved(tmp_path)])
    assert result.exit_code == 0, result.output
    assert all(Path(name).stat().st_size > 50 for name in made)
    again = CliRunner().invoke(cli, ["guide", made[1], "--melody", made[2], "-o", made[0], *saved(tmp_path)])
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--sing", "--melody", "none"], "from one place"),
        (["--transpose", "3"], "about singing"),
        (["--sing", "--style", "follow"], "pitch of a singer"),
        (["--sing", "--save-notes", "a.wav"], "no file for notes"),
        (["--melody", "missing.mid"], "missing.mid: cannot be read"),
        (["--melody", "song.ultrastar.txt", "--save-notes", "song.ultrastar.txt"], "no file for notes"),
    ],
)
def test_wishes_that_make_no_sense_are_told_in_a_line(
    options: list[str], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("song.ultrastar.txt").write_text(ULTRASTAR, encoding="utf-8")
    result = CliRunner().invoke(cli, ["guide", "song.ultrastar.txt", "-o", "a.flac", *options, *saved(tmp_path)])
    assert result.exit_code != 0
    assert what in result.output
    assert not Path("a.flac").exists()


def test_words_with_times_are_recited_on_one_tone(tmp_path: Path) -> None:
    words = (Word("so", 1.0, 1.4), Word("far", 1.4, 2.0))
    text = Alignment((Line("so far", 1.0, 2.0, words=words),))
    from plugin.sung import Melody

    speech, score = Melody(source="none").sing(text, babbler(), 0.0, None)
    assert len({note.midi for note in score.notes}) == 1
    assert [word.text for word in speech.alignment.words] == ["so", "far"]
