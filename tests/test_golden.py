"""Files as other programs write them: what is read, and that nothing of it gets lost on the way back to its format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from aligner_core.timeline import Alignment, Line, Word
from plugin import load
from plugin.formats import FormatError, RenderOptions, by_name, for_text

Lines = list[tuple[str, float | None, float | None, dict[str, str]]]
Words = list[tuple[str, float | None, float | None]]
NONE = (None, None)

GOLDEN: dict[str, tuple[Lines, Words]] = {
    "apple.ttml": (
        [
            ("Amazing grace", 9.731, 12.5, {"voice": "Ann", "section": "Verse"}),
            ("(sweet sound)", 11.3, 12.4, {"voice": "Ann", "section": "Verse", "role": "background"}),
            ("Erstaunliche Gnade", 9.731, 12.5, {
                "voice": "Ann", "section": "Verse", "role": "translation", "language": "de"}),
            ("how & why", 62.5, 64.0, {"voice": "v2", "section": "Verse"}),
        ],
        [("Amazing", 9.731, 10.5), ("grace", 10.5, 11.2), ("(sweet", 11.3, 11.8), ("sound)", 11.8, 12.4)],
    ),
    "broadcast.ttml": (
        [("Hello there\nfriend", 11.2, 13.2, {}), ("One two", 11.5, 16.0, {})],
        [("One", 12.0, 12.5)],
    ),
    "browser.vtt": (
        [
            ("Never drink <liquid nitrogen.", 1.0, 4.0, {
                "voice": "Ann", "vtt:settings": "line:0 align:start", "vtt:id": "intro"}),
            ("- One\n- two & 漢", 5.0, 6.0, {
                "vtt:markup": "- <i>One</i>\n- two &amp; <ruby>漢<rt>かん</rt></ruby>"}),
            ("Yes?", 6.0, 7.0, {"voice": "Bob"}),
            ("No.", 6.0, 7.0, {"voice": "Ann"}),
        ],
        [("Never", 1.0, 1.5), ("drink", 1.5, 2.25), ("<liquid", 2.25, 3.0), ("nitrogen.", 3.0, 4.0)],
    ),
    "duet.ultrastar.txt": (
        [
            ("Amazing grace", 1.0005, 1.9005, {"voice": "Ann"}),
            ("how sweet", 2.2005, 2.4005, {"voice": "Ann"}),
            ("Sound", 6.0005, 6.5005, {"voice": "P2"}),
        ],
        [("Amazing", 1.0005, 1.5005), ("grace", 1.5005, 1.9005), ("how", 2.2005, 2.3005), ("sweet", 2.3005, 2.4005),
         ("Sound", 6.0005, 6.5005)],
    ),
    "relative.ultrastar.txt": (
        [("one", 0.0, 1.0, {}), ("two", 2.0, 3.0, {}), ("three", 5.5, 6.0, {})],
        [("one", 0.0, 1.0), ("two", 2.0, 3.0), ("three", 5.5, 6.0)],
    ),
    "audacity.labels.txt": (
        [("Hello", 0.5, 1.25, {}), ("point", 2.0, 2.0, {}), ("two words", 3.0, 4.5, {})],
        [("Hello", 0.5, 1.25), ("point", 2.0, 2.0)],
    ),
    "mfa.TextGrid": (
        [('say "hi"[2]:', 0.25, 1.5, {"voice": "Ann"})],
        [("say", 0.25, 0.75), ('"hi"[2]:', 0.75, 1.5)],
    ),
    "short.TextGrid": ([("où", 0.0, 1.0, {})], []),
    "kaldi.ctm": (
        [("hello world", 0.5, 1.5, {}), ("again", 9.0, 9.5, {}), ("other", 0.1, 0.3, {"voice": "B"})],
        [("hello", 0.5, 0.75), ("world", 1.0, 1.5), ("again", 9.0, 9.5), ("other", 0.1, 0.3)],
    ),
    "whisper.tsv": ([("Hello there.", 0.0, 1.5, {}), ("Second row", 1.5, 3.0, {})], []),
    "whisperx.json": (
        [("Hello, 43 worlds", 0.5, 2.0, {}), ("no times", *NONE, {})],
        [("Hello,", 0.5, 0.9), ("worlds", 1.2, 2.0)],
    ),
    "mixed.lrc": (
        [
            ("Chorus line", 10.0, 12.0, {"voice": "F"}),
            ("When the", 12.0, 12.7, {"voice": "v2"}),
            ("ooh", 12.5, 12.9, {"role": "background"}),
            ("Hello", 14.0, 20.0, {"voice": "M"}),
            ("Bonjour", 20.0, 25.0, {}),
            ("Good day", 20.0, 25.0, {"role": "translation"}),
            ("Chorus line", 30.0, 35.0, {"voice": "F"}),
        ],
        [("When", 12.0, 12.3), ("the", 12.3, 12.7), ("ooh", 12.5, 12.9)],
    ),
    "timetag.lrc": ([("幻想的 夜", 1.0, 4.0, {})], [("幻想的", 1.0, 3.0), ("夜", 3.0, 4.0)]),
    "furigana.ass": ([("漢字の 夜", 1.0, 3.0, {"voice": "Ann"})], [("漢字の", 1.5, 2.8), ("夜", 2.8, 3.0)]),
}  # fmt: skip


def golden(name: str) -> Path:
    return Path(__file__).parent / "golden" / name


def assert_at(found: Sequence[Sequence[float | None]], wanted: Sequence[Sequence[float | None]]) -> None:
    for (start, end), times in zip(found, wanted, strict=True):
        assert [start, end] == pytest.approx(list(times), abs=1e-6)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_file_of_another_program_is_read(name: str) -> None:
    lines, words = GOLDEN[name]
    read = load(golden(name))
    assert [(line.text, dict(line.extra)) for line in read.lines] == [(text, extra) for text, _, _, extra in lines]
    assert_at([(line.start, line.end) for line in read.lines], [times for _, *times, _ in lines])
    timed = [word for word in read.words if word.timed]
    assert [word.text for word in timed] == [text for text, _, _ in words]
    assert_at([(word.start, word.end) for word in timed], [times for _, *times in words])


def test_every_golden_file_is_expected() -> None:
    assert {path.name for path in golden("").iterdir()} == set(GOLDEN)


def known(alignment: Alignment) -> list[tuple[str, dict[str, str]]]:
    return [(line.text, dict(line.extra)) for line in alignment.lines if line.timed]


@pytest.mark.parametrize("name", GOLDEN)
def test_what_a_file_tells_besides_comes_back_in_its_format(name: str) -> None:
    read = load(golden(name))
    form = for_text(name, golden(name).read_text("utf-16" if name.startswith("short") else "utf-8"))
    again = form.parse(form.render(read, RenderOptions(form.levels[-1])))
    assert sorted(known(again), key=str) == sorted(known(read), key=str)
    assert again.extra == read.extra
    assert [s.extra for s in again.syllables if s.extra] == [s.extra for s in read.syllables if s.extra]


def test_pitches_and_kinds_of_notes_are_kept() -> None:
    read = load(golden("duet.ultrastar.txt"))
    assert [(s.text, dict(s.extra)) for s in read.syllables] == [
        ("Ama", {"pitch": "5"}),
        ("zing", {"pitch": "7", "ultrastar:note": "*"}),
        ("grace", {"pitch": "3 0.5000:2"}),
        ("how", {"pitch": "0", "ultrastar:note": "R"}),
        ("sweet", {}),
        ("Sound", {"pitch": "-3"}),
    ]
    assert dict(read.extra) == {
        "title": "Test", "artist": "Somebody", "language": "English", "ultrastar:EDITION": "SingStar",
    }  # fmt: skip
    assert read.audio == "song.mp3"
    rows = by_name("ultrastar").render(read).splitlines()
    assert rows[rows.index("P1") + 1 :] == [
        ": 50 10 5 Ama", "* 60 15 7 zing ", ": 75 10 3 grace", ": 85 10 2 ~", "- 95",
        "R 110 5 0 how ", "F 115 5 0 sweet", "P2", ": 300 25 -3 Sound", "E",
    ]  # fmt: skip


def test_furigana_is_kept_and_not_sung() -> None:
    read = load(golden("furigana.ass"))
    assert [(s.text, s.start, dict(s.extra)) for s in read.syllables] == [
        ("漢", 1.5, {"furigana": "かんじ"}),
        ("字", 2.0, {"furigana": "じ"}),
        ("の", 2.5, {}),
        ("夜", 2.8, {}),
    ]
    assert (
        by_name("ass").render(read).endswith(r"Ann,0,0,0,,{\k50}{\kf50}漢|かんじ{\kf50}字|じ{\kf30}の {\kf20}夜" + "\n")
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ttml", "<tt><p begin='soon'>x</p></tt>", "1: 'soon' is no time (HH:MM:SS.mmm)"),
        ("ttml", "<html/>", "1: <html> is not expected here (is it TTML?)"),
        ("ttml", "<tt>\n<p>", "2: not XML: no element found (is it TTML?)"),
        ("ttml", "<!DOCTYPE tt [<!ENTITY a 'b'>]><tt>&a;</tt>", "1: a document type is not read (TTML needs none)"),
        ("ttml", "<tt>" + "<div>" * 200, "1: <div> is not expected here (is it TTML?)"),
        ("vtt", "Just words", "1: no row like 00:01.000 --> 00:02.000 (is it WebVTT?)"),
        ("ultrastar", "#BPM:300\nla la", "2: 'la la' is neither a header nor a note (: START BEATS PITCH text)"),
        ("ultrastar", "#TITLE:x\n: 1 2 3 la", "2: no tempo is told before the first note (#BPM:300)"),
        ("ultrastar", "#TITLE:x", "1: no note (is it UltraStar?)"),
        ("labels", "1.0\t2.0\tx\nla", "2: 'la' is no label (START<tab>END<tab>text, in seconds)"),
        ("textgrid", "la", "1: the file ends too soon (is it a TextGrid?)"),
        ("textgrid", '"ooTextFile" "TextGrid" 0 1 <exists>\n1 2', "2: 2 is no text (is it a TextGrid?)"),
        ("ctm", "a b c", "1: 'a b c' is no row of CTM (FILE CHANNEL START DURATION WORD)"),
        ("tsv", "a\tb", "1: the first row names no columns start, end and text (is it TSV?)"),
        ("tsv", "start\tend\ttext\nsoon\t1\tx", "2: 'soon' is no number"),
        ("tsv", "start\tend\ttext\tlevel\n\t\tx\tword", "2: a word is in no line"),
        ("tsv", "start\tend\ttext\n2\t1\tx", "2: 'x' runs from 0.002 to 0.001 s"),
        (
            "json",
            '{"segments": [{"text": "a", "words": [{"word": 1}]}]}',
            "segments[0].words[0].word: a text is needed",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_row(name: str, text: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        by_name(name).parse(text)
    assert str(caught.value) == message


def test_songs_and_labels_that_are_named_txt_are_known_by_their_content(tmp_path: Path) -> None:
    for name in ("duet.ultrastar.txt", "audacity.labels.txt"):
        (tmp_path / "song.txt").write_bytes(golden(name).read_bytes())
        assert load(tmp_path / "song.txt") == load(golden(name))


def test_translations_that_apple_keeps_in_the_head_stand_after_their_lines() -> None:
    text = golden("apple.ttml").read_text("utf-8")
    head = (
        "<iTunesMetadata><translations><translation type='subtitle' xml:lang='fr'><text for='L2'>comment</text>"
        "<text for='L9'>jamais</text></translation></translations><transliterations><transliteration xml:lang='en'>"
        "<text for='L2'><span begin='1:02.5' end='1:03'>hau</span></text></transliteration></transliterations>"
        "</iTunesMetadata></metadata>"
    )
    lines = by_name("ttml").parse(text.replace("</metadata>", head)).lines
    assert [(line.text, line.start, line.end, line.extra.get("role"), line.extra.get("language")) for line in lines][
        3:
    ] == [
        ("how & why", 62.5, 64.0, None, None),
        ("comment", 62.5, 64.0, "translation", "fr"),
        ("hau", 62.5, 63.0, "romanisation", "en"),
    ]


def test_a_tilde_of_the_lyrics_is_no_note_held() -> None:
    form = by_name("ultrastar")
    words = (Word("la", 1.0, 2.0), Word("~", 2.0, 3.0))
    text = form.render(Alignment((Line("la ~", 1.0, 3.0, words=words),), audio=" "))
    assert [(word.text, word.start) for word in form.parse(text).words] == [("la", 1.0), ("~", 2.0)]
    assert "#MP3" not in text


def test_what_aligners_call_silence_is_a_word_where_the_line_has_it() -> None:
    form = by_name("textgrid")
    words = (Word("sp", 1.0, 2.0), Word("#", 2.0, 3.0))
    song = Alignment((Line("sp #", 1.0, 3.0, words=words), Line("sil", 4.0, 5.0, words=(Word("sil", 4.0, 5.0),))))
    text = form.render(song, RenderOptions("word"))
    assert form.parse(text) == song
    assert [word.text for word in form.parse(text.replace('"lines"', '"notes"')).words] == []


def test_a_space_on_both_sides_of_where_words_part_is_one() -> None:
    song = by_name("ultrastar").parse("#BPM:300\n: 0 4 0 lo \n: 4 4 0  la\n: 8 4 0  lu\n")
    assert [line.text for line in song.lines] == ["lo la lu"]


def test_points_of_praat_last_no_time() -> None:
    points = '"ooTextFile"\n"TextGrid"\n0 3 <exists> 1 "TextTier" "words" 0 3 2 1.5 "one" 2 "two"\n'
    words = by_name("textgrid").parse(points).words
    assert [(word.text, word.start, word.end) for word in words] == [("one", 1.5, 1.5), ("two", 2, 2)]


@pytest.mark.parametrize(("start", "seconds"), [("-0:00:01.00", 0.0), ("0:00:01.00", 1.0)])
def test_a_line_that_begins_before_the_sound_begins_with_it(start: str, seconds: float) -> None:
    row = f"Dialogue: 0,{start},0:00:02.00,Default,,0,0,0,,Hello\n"
    assert [line.start for line in by_name("ass").parse(row).lines] == [seconds]


def test_stamps_of_webvtt_rise_strictly_inside_their_cue() -> None:
    times = [(1.0, 1.0), (1.0, 1.5), (1.5, 1.5), (1.5, 2.0), (2.0, 2.0)]
    words = tuple(Word("la", start, end) for start, end in times)
    text = by_name("vtt").render(Alignment((Line("la la la la la", 1.0, 2.0, words=words),)))
    assert text.splitlines()[2:4] == ["00:00:01.000 --> 00:00:02.000", "la la <00:00:01.500>la la la"]
