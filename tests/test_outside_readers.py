"""What is written, read by programs of other people; each test is skipped with a word where its program is absent."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Syllable, Word
from plugin import load, save
from plugin.formats import RenderOptions, by_name

AMAZING = Word("Amazing", 1.0, 2.0, syllables=(Syllable("Ama", 1.0, 1.5), Syllable("zing", 1.5, 2.0)))
SONG = Alignment(
    (
        Line("Amazing grace", 1.0, 3.5, words=(AMAZING, Word("grace", 2.25, 3.5)), extra=Extra.of({"voice": "Ann"})),
        Line("how <sweet> & low", 4.0, 6.0, words=tuple(map(Word, ["how", "<sweet>", "&", "low"]))),
        Line("the sound", 5.0, 7.0, words=(Word("the", 5.0, 5.5), Word("sound", 5.5, 7.0))),
    )
)


@pytest.fixture
def written(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / f"song{request.param}"
    save(SONG, path, "word")
    return path


def ffmpeg(*arguments: str | Path, **how: Any) -> subprocess.CompletedProcess[bytes]:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False, **how)


@pytest.mark.parametrize("written", [".ass", ".ssa"], indirect=True)
def test_libass_shows_the_words_when_they_are_sung_and_nothing_before(written: Path) -> None:
    def brightness(at: float) -> int:
        source = f"color=c=black:s=320x180:r=10:d=1,setpts=PTS+{at}/TB,ass={written.name}"
        done = ffmpeg(
            "-f", "lavfi", "-i", source, "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-", cwd=written.parent
        )
        if b"No such filter" in done.stderr or b"ontconfig" in done.stderr:
            pytest.skip("this ffmpeg has no libass, or the machine no font")
        assert done.returncode == 0, done.stderr
        return sum(done.stdout)

    assert brightness(0.0) == brightness(3.8)
    assert brightness(1.9) > brightness(0.0) + 10_000


@pytest.mark.parametrize("written", [".lrc", ".srt", ".ass", ".vtt"], indirect=True)
def test_ffmpeg_reads_as_many_lines_as_were_written(written: Path) -> None:
    if written.suffix == ".srt":
        save(SONG, written, "line")
    done = ffmpeg("-i", written, "-f", "srt", "-")
    assert done.returncode == 0, done.stderr
    found = [line.text for line in by_name("srt").parse(done.stdout.decode()).lines]
    assert len(found) == 3


@pytest.mark.parametrize("written", [".vtt"], indirect=True)
def test_webvtt_py_reads_cues_voices_and_stamps(written: Path) -> None:
    webvtt = pytest.importorskip("webvtt")
    captions = webvtt.read(written).captions
    assert [(c.start, c.end, c.text) for c in captions] == [
        ("00:00:01.000", "00:00:03.500", "Amazing grace"),
        ("00:00:04.000", "00:00:06.000", "how &lt;sweet&gt; &amp; low"),
        ("00:00:05.000", "00:00:07.000", "the sound"),
    ]
    assert captions[0].voice == "Ann"
    assert captions[0].raw_text == "<v Ann>Amazing<00:00:02.000> <00:00:02.250>grace"


@pytest.mark.parametrize("level", ["line", "phone"])
def test_praatio_reads_the_tiers(tmp_path: Path, level: str) -> None:
    textgrid = pytest.importorskip("praatio.textgrid")
    path = tmp_path / "song.TextGrid"
    form = by_name("textgrid")
    form.save(SONG, path, RenderOptions("line" if level == "line" else "phone"))
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    assert [tuple(entry) for entry in grid.getTier("Ann - lines").entries] == [(1.0, 3.5, "Amazing grace")]
    assert grid.getTier("lines 2").entries[0].label == "the sound"
    if level == "phone":
        assert [tuple(entry) for entry in grid.getTier("Ann - syllables").entries] == [
            (1.0, 1.5, "Ama"),
            (1.5, 2.0, "zing"),
        ]
        assert [entry.label for entry in grid.getTier("Ann - words").entries] == ["Amazing", "grace"]
    assert grid.maxTimestamp == 7.0


def test_a_textgrid_of_praatio_is_read(tmp_path: Path) -> None:
    textgrid = pytest.importorskip("praatio.textgrid")
    path = tmp_path / "song.TextGrid"
    for form in ("long_textgrid", "short_textgrid"):
        grid = textgrid.Textgrid()
        grid.addTier(textgrid.IntervalTier("words", [(0.5, 1.0, 'the "'), (1.0, 1.5, "sound")], 0, 3))
        grid.save(str(path), format=form, includeBlankSpaces=True)
        assert [(w.text, w.start, w.end) for w in load(path).words] == [('the"', 0.5, 1.0), ("sound", 1.0, 1.5)]


@pytest.mark.parametrize("written", [".lrc"], indirect=True)
def test_pylrc_reads_the_lines(written: Path) -> None:
    pylrc = pytest.importorskip("pylrc")
    save(SONG, written, "line")
    assert [(line.time, line.text) for line in pylrc.parse(written.read_text()) if line.text][1:] == [
        (4.0, "how <sweet> & low"),
        (5.0, "the sound"),
    ]


@pytest.mark.parametrize("written", [".ssa", ".vtt", ".ttml"], indirect=True)
def test_pysubs2_reads_the_times(written: Path) -> None:
    pysubs2 = pytest.importorskip("pysubs2")
    if written.suffix == ".vtt":
        save(SONG, written, "line")  # it takes a row of two stamps for the times of a cue
    events = pysubs2.load(str(written)).events
    assert [(event.start, event.end) for event in events] == [(1000, 3500), (4000, 6000), (5000, 7000)]
