"""Pictures of subtitles: of the right size, and lit where the song is."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.image import imread

from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Word
from plugin import save
from plugin.formats import by_name
from plugin.preview import Ground, PreviewError, frame, resolution

if TYPE_CHECKING:
    from conftest import Karalign, Refuse

THEME = """resolution = [640, 360]
[text]
size = 60
coming = "#FFFFFF"
sung = "#FF0000"
outline-width = 0
shadow-depth = 0
"""


@pytest.fixture
def song(tmp_path: Path) -> Path:
    words = tuple(Word(text, 10.0 + at, 11.0 + at) for at, text in enumerate(["one", "two", "three"]))
    save(Alignment((Line("one two three", 10, 13, words=words),)), tmp_path / "song.json")
    (tmp_path / "theme.toml").write_text(THEME)
    return tmp_path / "song.json"


def pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    picture: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = imread(io.BytesIO(path.read_bytes()))
    return picture[..., :3]


def lit(path: Path) -> int:
    picture = pixels(path)
    return int(((picture[..., 0] > 0.8) & (picture[..., 1] < 0.3)).sum())


def white(path: Path) -> int:
    return int((pixels(path).min(-1) > 0.8).sum())


def test_the_lit_part_grows_with_time_and_the_rest_shrinks(karalign: Karalign, song: Path, tmp_path: Path) -> None:
    times = [part for at in ("10.01", "11.5", "0:12.9") for part in ("--at", at)]
    out, theme = tmp_path / "p.png", tmp_path / "theme.toml"
    got = karalign("ass-preview", song, "-o", out, *times, "--theme", theme, "--over", "#000000")
    assert (got.code, got.out, got.err) == (0, "", "")
    pictures = [tmp_path / f"p-{number}.png" for number in (1, 2, 3)]
    assert all(pixels(picture).shape == (360, 640, 3) for picture in pictures)
    red, plain = [lit(one) for one in pictures], [white(one) for one in pictures]
    assert red[0] < 100 < red[1] < red[2]
    assert plain[0] > plain[1] > plain[2]
    assert not out.exists()


def test_nothing_is_drawn_when_nothing_is_sung(karalign: Karalign, song: Path, tmp_path: Path) -> None:
    got = karalign("ass-preview", song, "-o", tmp_path / "p.png", "--at", "3", "--over", "navy")
    assert got.code == 0
    assert len(np.unique(pixels(tmp_path / "p.png").reshape(-1, 3), axis=0)) == 1
    assert pixels(tmp_path / "p.png").shape == (1080, 1920, 3)


def test_without_a_time_the_first_line_is_shown(karalign: Karalign, song: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.png"
    assert karalign("ass-preview", song, "-o", out, "--theme", tmp_path / "theme.toml").code == 0
    assert lit(out) > 100


def test_a_script_is_drawn_as_it_is(karalign: Karalign, tmp_path: Path) -> None:
    words = Line("la", 1, 2, words=(Word("la", 1, 2),))
    script = by_name("ass").render(Alignment((words,))).replace("1920", "320").replace("1080", "200")
    (tmp_path / "it's 100%, [own]; script.ass").write_text(script)
    assert karalign("ass-preview", tmp_path / "it's 100%, [own]; script.ass", "-o", tmp_path / "p.png").code == 0
    assert pixels(tmp_path / "p.png").shape == (200, 320, 3)


def test_two_who_sing_at_once_are_kept_apart(karalign: Karalign, tmp_path: Path) -> None:
    voices = [Extra.of({"voice": voice}) for voice in ("Ann", "Ben")]
    lines = [Line("la", 1, 2, words=(Word("la", 1, 2),), extra=extra) for extra in voices]
    save(Alignment(tuple(lines)), tmp_path / "duet.json")
    looks = "outline-width = 0\nshadow-depth = 0\n[[singer]]\nsung = '#FF0000'\n[[singer]]\nsung = '#0000FF'\n"
    (tmp_path / "duet.toml").write_text(f"resolution = [640, 360]\n[text]\n{looks}")
    out = tmp_path / "p.png"
    options = ("--theme", tmp_path / "duet.toml", "--at", "1.99", "--over", "#000000")
    assert karalign("ass-preview", tmp_path / "duet.json", "-o", out, *options).code == 0
    picture = pixels(out) > 0.8
    red, blue = (np.flatnonzero(picture[..., at].any(1) & ~picture[..., 1].any(1)) for at in (0, 2))
    assert len(red)
    assert len(blue)
    assert red.max() < blue.min() or blue.max() < red.min()


def test_over_a_video_the_frame_of_that_time_is_seen(karalign: Karalign, song: Path, tmp_path: Path) -> None:
    import imageio_ffmpeg

    film = tmp_path / "my film, 100%.mkv"
    halves = "color=c=blue:s=320x180:r=5:d=11[a];color=c=green:s=320x180:r=5:d=4[b];[a][b]concat"
    make = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", halves, "-c:v", "ffv1", str(film)]
    subprocess.run(make, check=True)
    times = ("--at", "10.5", "--at", "12.5")
    got = karalign(
        "ass-preview", song, "-o", tmp_path / "p.png", "--over", film, *times, "--theme", tmp_path / "theme.toml"
    )
    assert got.code == 0
    first, second = (pixels(tmp_path / f"p-{number}.png") for number in (1, 2))
    assert first.shape == (180, 320, 3)
    assert first[0, 0].argmax() == 2
    assert second[0, 0].argmax() == 1
    assert 0 < lit(tmp_path / "p-1.png") < lit(tmp_path / "p-2.png")


def test_a_time_after_the_end_of_the_film_is_told(song: Path, tmp_path: Path) -> None:
    import imageio_ffmpeg

    film = tmp_path / "short.mkv"
    make = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "color=s=32x32:d=1", str(film)]
    subprocess.run(make, check=True)
    script = by_name("ass").render(Alignment((Line("la", 1, 2, words=(Word("la", 1, 2),)),)))
    with pytest.raises(PreviewError, match="nothing to be seen at 99 s"):
        frame(script, 99, Ground.of(str(film), script))


def test_mistakes_are_one_line_each(refuse: Refuse, song: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.png"
    assert "neither a video that is there nor a colour" in refuse("ass-preview", song, "-o", out, "--over", "none.mkv")
    assert "not a picture" in refuse("ass-preview", song, "-o", tmp_path / "p.jpg")
    assert "ffmpeg: " in refuse("ass-preview", song, "-o", out, "--over", "nocolour")
    (tmp_path / "text.txt").write_text("no times")
    assert "no line has a time" in refuse("ass-preview", tmp_path / "text.txt", "-o", out)
    (tmp_path / "fake.mp4").write_text("no film")
    assert "fake.mp4: ffmpeg: " in refuse("ass-preview", song, "-o", out, "--over", tmp_path / "fake.mp4")


@pytest.mark.parametrize(
    ("script", "size"),
    [
        ("PlayResX: 1281\nPlayResY: 721", (1280, 720)), ("", (384, 288)), ("PlayResX: 99999\nPlayResY: 0", (4096, 16)),
    ],
)  # fmt: skip
def test_the_size_is_that_of_the_script_within_reason(script: str, size: tuple[int, int]) -> None:
    assert resolution(script) == size
