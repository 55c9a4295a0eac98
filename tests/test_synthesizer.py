"""Text in, speech with its times out: what is timed is spoken then, what cannot be said is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from speaking import SMALL, babbler

from aligner_core import Aligner
from aligner_core.errors import LyricsError, WeightsError
from aligner_core.timeline import Alignment, Line, Span, Word
from aligner_core.tts.sound import HOP, RATE, Frames
from aligner_core.tts.synthesizer import NEAR, VOICE, Speech, Synthesizer
from aligner_core.weights import TABLE, released, voices
from plugin.formats import by_name

TEXT = "Hello there, it is 43 o'clock.\n\n[Chorus]\nWell - done my dear"


@pytest.fixture(scope="module")
def speaker() -> Synthesizer:
    return babbler()


def loud(speech: Speech, start: float, end: float) -> float:
    part = speech.wave[round(start * RATE) : round(end * RATE)]
    return float(np.sqrt((part**2).mean())) if len(part) else 0.0


def timed(*lines: tuple[str, float, float]) -> Alignment:
    return Alignment(tuple(Line(text, a, b, words=tuple(map(Word, text.split()))) for text, a, b in lines))


def spans(alignment: Alignment) -> list[Span]:
    return [*alignment.words, *alignment.syllables, *alignment.phones]


def test_a_text_becomes_a_wave_and_its_times(speaker: Synthesizer) -> None:
    speech = speaker.speak(TEXT)
    assert speech.wave.dtype == np.float32
    assert (speech.wave.ndim, speech.sample_rate) == (1, RATE)
    assert [line.text for line in speech.alignment.lines] == TEXT.split("\n")
    assert [line.kind for line in speech.alignment.lines] == ["lyrics", "blank", "heading", "lyrics"]
    assert {word.text for word in speech.alignment.words if not word.timed} == {"-"}
    assert speech.alignment.lines[0].start == NEAR / 100
    last = speech.alignment.lines[-1].end
    assert last is not None
    assert last < len(speech.wave) / RATE < last + 0.5
    assert speech.notes == ()


def test_there_is_sound_where_the_times_say_and_silence_elsewhere(speaker: Synthesizer) -> None:
    speech = speaker.speak(timed(("Hello there", 2.0, 4.0), ("my dear", 9.0, 11.0)))
    first, second = speech.alignment.lines
    for line in (first, second):
        assert line.start is not None
        assert line.end is not None
        assert loud(speech, line.start, line.end) > 1e-3
    assert loud(speech, 0.0, 2.0 - NEAR / 100) == 0
    assert loud(speech, (first.end or 0) + NEAR / 100, 9.0 - NEAR / 100) == 0


def test_every_time_is_one_of_frames_and_phones_fill_their_syllables(speaker: Synthesizer) -> None:
    speech = speaker.speak(TEXT)
    for span in spans(speech.alignment):
        for edge in (span.start, span.end):
            assert edge is None or abs(edge * RATE / HOP - round(edge * RATE / HOP)) < 1e-6
    for syllable in speech.alignment.syllables:
        assert sum(phone.duration for phone in syllable.phones) == pytest.approx(syllable.duration)


def test_what_was_spoken_can_be_spoken_again_in_the_same_times(speaker: Synthesizer) -> None:
    speech = speaker.speak(TEXT)
    again = speaker.speak(speech.alignment)
    assert again.alignment == speech.alignment
    np.testing.assert_array_equal(again.wave, speech.wave)


def test_lines_have_their_numbers(speaker: Synthesizer) -> None:
    assert [line.number for line in speaker.speak("one\ntwo").alignment.lines] == [1, 2]


def test_the_same_text_gives_the_same_wave(speaker: Synthesizer) -> None:
    np.testing.assert_array_equal(speaker.speak(TEXT).wave, speaker.speak(TEXT).wave)


def test_speed_makes_it_shorter_and_a_start_later(speaker: Synthesizer) -> None:
    plain, quick = speaker.speak("how sweet the sound"), speaker.speak("how sweet the sound", speed=2.0)
    assert 0.4 < quick.alignment.lines[0].duration / plain.alignment.lines[0].duration < 0.7
    late = speaker.speak("how sweet the sound", start_at=3.0).alignment.lines[0]
    assert late.start == 3.0
    assert late.duration == pytest.approx(plain.alignment.lines[0].duration)


class Recorder:
    """In the place of a vocoder: keeps what it is given."""

    def __init__(self) -> None:
        self.heard: list[Frames] = []

    def wave(self, frames: Frames) -> torch.Tensor:
        self.heard.append(frames)
        return torch.zeros(HOP * len(frames.f0))


def test_pitch_is_raised_by_semitones_and_the_mel_follows(speaker: Synthesizer) -> None:
    recorder = Recorder()
    listening = Synthesizer(speaker.voice, recorder)
    for pitch in (0.0, 5.0):
        listening.speak("how sweet the sound", pitch=pitch)
    plain, high = recorder.heard
    torch.testing.assert_close(high.f0, plain.f0 * 2 ** (5 / 12))
    assert not torch.equal(plain.mel, high.mel)


def test_a_stretched_line_fills_its_time(speaker: Synthesizer) -> None:
    text = timed(("how sweet", 1.0, 9.0))
    assert speaker.speak(text, stretch=True).alignment.lines[0].end == 9.0
    assert (speaker.speak(text).alignment.lines[0].end or 9.0) < 5.0


def test_sounds_that_are_told_are_said(speaker: Synthesizer) -> None:
    speech = speaker.synthesize_from_phonemes("HH AH0 L OW1 sil AY".split())  # noqa: SIM905
    assert [phone.text for phone in speech.alignment.phones] == ["HH", "AH", "L", "OW", "AY"]
    assert len(speech.alignment.words) == 2


def test_sounds_last_as_long_as_told(speaker: Synthesizer) -> None:
    speech = speaker.synthesize_from_phonemes(["sil", "HH", "AY1", "sil", "AY1"], [0.5, 0.1, 0.4, 0.2, 0.33])
    times = [(phone.start, phone.end) for phone in speech.alignment.phones]
    assert times == [pytest.approx(pair) for pair in ((0.5, 0.6), (0.6, 1.0), (1.2, 1.53))]


def test_text_and_speak_are_one(speaker: Synthesizer) -> None:
    np.testing.assert_array_equal(speaker.synthesize_from_text("hello").wave, speaker.speak("hello").wave)


@pytest.mark.parametrize(
    "text",
    ["a", "mmm", "I", "2266", "zxqwvbnm", "hello 😀 you", "hello 你好", "(whispers) 50% & more", "b4 2day, EM39"],
)
def test_odd_words_are_said_in_seconds_not_minutes(speaker: Synthesizer, text: str) -> None:
    speech = speaker.speak(text)
    assert np.isfinite(speech.wave).all()
    assert 0.2 < len(speech.wave) / RATE < 12
    line = speech.alignment.lines[0]
    assert loud(speech, line.start or 0, line.end or 0) > 1e-3
    assert sum(word.timed for word in speech.alignment.words) >= 1


@pytest.mark.parametrize("text", ["", "   \n\n", "😀 🎉", "你好 世界", "- ♪ -", "[Chorus]\n# words"])
def test_what_cannot_be_said_is_one_line_of_error(speaker: Synthesizer, text: str) -> None:
    with pytest.raises(LyricsError, match="nothing that can be said"):
        speaker.speak(text)


@pytest.mark.parametrize("text", ["mmm", "Shh!", "oh mmm"])
def test_what_is_hummed_lasts_long_enough_to_be_heard(speaker: Synthesizer, text: str) -> None:
    assert speaker.speak(text).alignment.words[-1].duration >= 0.25 - 1e-9


def test_faint_speech_is_raised_and_silence_is_not(speaker: Synthesizer) -> None:
    class Whisper(Recorder):
        level = 0.01

        def wave(self, frames: Frames) -> torch.Tensor:
            return super().wave(frames) + self.level

    whisper = Whisper()
    listening = Synthesizer(speaker.voice, whisper)
    assert float(np.abs(listening.speak("hello").wave).max()) == pytest.approx(0.1)
    whisper.level = 0.4
    assert float(np.abs(listening.speak("hello").wave).max()) == pytest.approx(0.4)
    whisper.level = 0.0
    assert float(np.abs(listening.speak("hello").wave).max()) == 0


def test_words_of_another_script_are_told(speaker: Synthesizer) -> None:
    assert speaker.speak("hello 你好").notes == ("not known how to say: 你好",)


def test_four_hundred_words_take_as_long_as_their_parts(speaker: Synthesizer) -> None:
    verse = "amazing grace how sweet the sound that saved a wretch like me, "
    speech = speaker.speak(verse * 34)
    words = speech.alignment.words
    assert len(words) > 400
    assert all(word.timed for word in words)
    one = speaker.speak(verse)
    assert len(speech.wave) / 34 == pytest.approx(len(one.wave), rel=0.15)
    quarters = np.array_split(speech.wave, 40)
    assert min(float(np.abs(part).max()) for part in quarters) > 1e-3


def test_progress_rises_to_one(speaker: Synthesizer) -> None:
    heard: list[float] = []
    speaker.speak("one.\ntwo.\nthree.", progress=heard.append)
    assert heard == sorted(heard)
    assert (len(heard) > 1, heard[-1]) == (True, 1.0)


@pytest.mark.parametrize("edge", [4.0, 30.0, 3000.0])
def test_parts_begin_and_end_without_a_click(speaker: Synthesizer, edge: float) -> None:
    wave = speaker.speak(timed(("how sweet", 1.0, 2.0), ("how sweet", edge, edge + 1))).wave
    assert float(np.abs(wave[-HOP * 5 :]).max()) == 0
    sounding = np.flatnonzero(wave)
    jumps = np.abs(np.diff(wave[sounding[0] - 1 : sounding[0] + 24]))
    assert float(jumps.max()) < 0.02


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"speed": 0.0}, "cannot speak 0.0 times"),
        ({"pitch": 30.0}, "cannot speak 30.0 semitones"),
        ({"start_at": float("nan")}, "cannot begin at nan"),
    ],
)
def test_manners_that_nobody_has_are_refused(speaker: Synthesizer, wrong: dict[str, float], what: str) -> None:
    with pytest.raises(LyricsError, match=what):
        speaker.speak("hello", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("phones", "seconds", "what"),
    [
        (["QQ"], None, "'QQ' is no sound"),
        (["sil"], None, "no sound to say"),
        (["AH0"], [0.1, 0.2], "1 sounds, 2 lengths"),
        (["AH0"], [0.0], "1 sounds, 1 lengths"),
    ],
)
def test_sounds_that_are_none_are_refused(
    speaker: Synthesizer, phones: list[str], seconds: list[float] | None, what: str
) -> None:
    with pytest.raises(LyricsError, match=what):
        speaker.synthesize_from_phonemes(phones, seconds)


def test_lines_that_last_no_time_are_refused(speaker: Synthesizer) -> None:
    words = (Word("hello", 1.0, 1.0),)
    text = Alignment((Line("hello", 1.0, 1.0, words=words), Line("hello", 1.002, 1.002, words=words[:0])))
    assert speaker.speak(text).alignment.words[0].timed


def test_times_of_a_karaoke_script_are_those_of_the_speech(speaker: Synthesizer) -> None:
    script = "[Events]\nDialogue: 0,0:00:01.00,0:00:03.00,,,0,0,0,,{\\k50}A{\\k30}ma{\\k40}zing {\\k80}grace\n"
    text = by_name("ass").parse(script)
    spoken = speaker.speak(text).alignment
    starts = [syllable.start for syllable in spoken.syllables]
    assert starts == [pytest.approx(at) for at in (1.0, 1.5, 1.8, 2.2)]
    assert [word.end for word in spoken.words] == [pytest.approx(2.2), pytest.approx(3.0)]


def test_a_voice_that_was_released_is_no_model_for_listening(tmp_path: Path) -> None:
    (tmp_path / TABLE).write_text("00  cnn.pt\n11  english.voice\n22  neural.vocoder\n")
    assert released(tmp_path) == ("cnn",)
    assert voices(tmp_path) == ("english",)


def test_a_voice_from_a_file_speaks_as_it_did(speaker: Synthesizer, tmp_path: Path) -> None:
    path = tmp_path / "my.voice"
    speaker.voice.save(path)
    loaded = Synthesizer.load(path, "griffin-lim")
    assert loaded.voice.acoustic.config == SMALL
    assert float(np.abs(loaded.speak("hello").wave).max()) > 1e-3


def test_a_voice_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such voice"):
        Synthesizer.load(tmp_path / "nobody.voice")
    torch.save({"kind": "another"}, tmp_path / "other.voice")
    with pytest.raises(WeightsError, match="not a voice"):
        Synthesizer.load(tmp_path / "other.voice")


def test_a_device_that_is_not_there_is_told(speaker: Synthesizer, tmp_path: Path) -> None:
    speaker.voice.save(tmp_path / "my.voice")
    with pytest.raises(WeightsError, match="device nowhere"):
        Synthesizer.load(tmp_path / "my.voice", "griffin-lim", "nowhere")


def test_the_released_voice_is_heard_in_the_times_that_it_was_told() -> None:
    if VOICE not in voices():
        pytest.skip("no voice was released")
    text = timed(("Amazing grace, how sweet the sound", 1.0, 5.0), ("that saved a wretch like me", 6.0, 9.0))
    speech = Synthesizer.load().speak(text)
    heard = Aligner.load().align_wave(speech.wave, speech.sample_rate, text)
    pairs = zip(speech.alignment.words, heard.words, strict=True)
    late = [abs((was.start or 0.0) - (told.start or 0.0)) for told, was in pairs]
    assert float(np.median(late)) < 0.04
    assert max(late) < 0.15
