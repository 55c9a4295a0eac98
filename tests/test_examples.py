"""The example song: its files fit each other, and the aligner finds its words."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import soundfile

from aligner_core.phones import VOWELS
from aligner_core.timeline import Alignment, Syllable
from aligner_core.tts.score import scored
from aligner_core.tts.sound import HOP, RATE
from plugin.formats import by_name
from plugin.formats.ultrastar import BEAT

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SONG, LYRICS, TRUTH = (EXAMPLES / f"amazing-grace.{ending}" for ending in ("mp3", "txt", "truth.json"))
NOTES = EXAMPLES / "amazing-grace.ultrastar.txt"
EXACT = HOP / RATE / 2 + 1e-6  # seconds: the singer counts in frames


@cache
def truth() -> Alignment:
    return Alignment.from_dict(json.loads(TRUTH.read_text(encoding="utf-8")))


@cache
def score_of_the_song() -> ModuleType:
    spec = importlib.util.spec_from_file_location("song_score", EXAMPLES / "song_score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["song_score"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def vowel_start(syllable: Syllable) -> float:
    [vowel] = [phone for phone in syllable.phones if phone.text in VOWELS]
    assert vowel.start is not None
    return vowel.start


@pytest.mark.parametrize("file", [SONG, LYRICS, TRUTH, NOTES], ids=lambda file: file.name)
def test_each_file_of_the_example_is_under_a_megabyte(file: Path) -> None:
    assert 0 < file.stat().st_size < 1_000_000


def test_the_truth_has_the_lines_of_the_lyrics() -> None:
    assert [line.text for line in truth().lines] == LYRICS.read_text(encoding="utf-8").splitlines()
    sung = [row for row in LYRICS.read_text(encoding="utf-8").splitlines() if not row.startswith("[")]
    assert [word.text for word in truth().words] == " ".join(sung).split()
    assert {line.kind for line in truth().lines} == {"lyrics", "heading", "blank"}


def test_the_truth_times_every_sound_of_every_word() -> None:
    assert all(span.timed for level in (truth().words, truth().syllables, truth().phones) for span in level)
    assert all(syllable.phones for syllable in truth().syllables)
    ends = [0.0, *(phone.end for phone in truth().phones if phone.end is not None)]
    starts = [phone.start for phone in truth().phones if phone.start is not None]
    assert all(start >= end - EXACT for start, end in zip(starts, ends, strict=False))


def test_the_song_lasts_until_after_its_last_word() -> None:
    with soundfile.SoundFile(SONG) as sound:
        end = truth().words[-1].end
        assert end is not None
        assert end < sound.frames / sound.samplerate < 90
        assert abs(sound.read()).max() < 1


def test_the_files_are_those_of_the_score() -> None:
    song = score_of_the_song()
    assert LYRICS.read_text(encoding="utf-8") == song.lyrics()
    sung = [syllable for line in song.score().lines for syllable in line.syllables]
    assert [s.text for s in truth().syllables] == [s.text for s in sung]
    for timed, one in zip(truth().syllables, sung, strict=True):
        assert tuple(phone.text for phone in timed.phones) == tuple(name.rstrip("012") for name in one.phones)
        assert vowel_start(timed) == pytest.approx(one.notes[0].start, abs=EXACT)


def test_every_vowel_starts_on_a_beat() -> None:
    beat = score_of_the_song().BEAT
    for syllable in truth().syllables:
        beats = vowel_start(syllable) / beat
        assert beats == pytest.approx(round(beats), abs=EXACT / beat)


def test_the_notes_for_singers_are_those_of_the_score() -> None:
    text = by_name("ultrastar").load(NOTES)
    sung = [line for line in score_of_the_song().score().lines if line.syllables]
    assert [line.text for line in text.lines] == [line.text for line in truth().lines if line.kind == "lyrics"]
    for read, line in zip(scored(text).lines, sung, strict=True):
        for note in line.notes:  # one that has a syllable more by another's reading is divided
            near = [one.midi for one in read.notes if abs(one.start - note.start) <= BEAT]
            assert near == [note.midi]


def test_the_page_of_samples_shows_what_lies_beside_it_and_nothing_more() -> None:
    folder = EXAMPLES / "samples"
    named = set(re.findall('src="([^"]+)"', (folder / "index.html").read_text(encoding="utf-8")))
    assert named == {path.name for path in folder.iterdir() if path.suffix in {".mp3", ".opus", ".jpg"}}
    assert sum(path.stat().st_size for path in folder.glob("sung-*")) < 400_000


def test_the_aligner_finds_the_words_of_the_example() -> None:
    from aligner_core import Aligner

    timed = Aligner.load().align(SONG, Alignment.from_text(LYRICS.read_text(encoding="utf-8")))
    pairs = list(zip(truth().words, timed.words, strict=True))
    near = [abs(e.start - r.start) <= 0.3 for r, e in pairs if r.start is not None and e.start is not None]
    assert sum(near) >= 0.9 * len(pairs)
