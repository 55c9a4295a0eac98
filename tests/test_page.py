"""The page as a file: everything is in it, nothing in it can break out, and it is never too large."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Karalign, Refuse
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Word
from plugin import load, save
from plugin.page import bundle, making
from plugin.page.page import Embedded, Other, matched, page
from plugin.page.picture import BANDS, MOST_COLUMNS, MOST_PEAKS, RATE, Picture, picture
from plugin.page.sound import BUDGET, QUALITIES, encoded, quality

MODULES = {path.stem for path in (Path(bundle.__file__).parent / "assets").glob("*.js")}
Wave = NDArray[np.float32]


class Elements(HTMLParser):
    """Counts elements and keeps the text of the one that holds the data."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.names: Counter[str] = Counter()
        self.links: list[str] = []
        self.data, self._inside = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names[tag] += 1
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self._inside = dict(attrs).get("id") == "data"

    def handle_endtag(self, _tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        self.data += data if self._inside else ""


def silence(seconds: float = 2.0) -> Picture:
    return picture([np.zeros(round(seconds * RATE), np.float32)])


def one_line(text: str) -> Alignment:
    words = text.split()
    spans = tuple(Word(word, at / 10, (at + 1) / 10, 0.5) for at, word in enumerate(words))
    return Alignment((Line(text, 0.0, max(len(words), 1) / 10, words=spans),), "song.mp3")


def told(html: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(Elements(html).data)
    return data


def clicks(rate: int, *seconds: float, length: float = 4.0) -> Wave:
    wave = np.zeros(round(rate * length), np.float32)
    for second in seconds:
        first = round(second * rate)
        wave[first : first + rate // 50] = 0.7 * np.sin(2 * np.pi * 1000 * np.arange(rate // 50) / rate)
    return wave


PLAIN = page(one_line("Amazing grace"), silence(), "song.mp3", "song")


def test_a_page_needs_nothing_else() -> None:
    without_data = PLAIN.replace(Elements(PLAIN).data, "")
    assert Elements(PLAIN).links == ["data:,"]
    assert re.findall(r"https?:|//cdn|@import|url\(|fetch\(|XMLHttpRequest|WebSocket|sendBeacon", without_data) == []


def test_the_page_forbids_all_but_its_own_script() -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', PLAIN)
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", rules["script-src"])
    assert "connect-src" not in rules


@given(
    st.text(max_size=60),
    st.sampled_from(["</script><script>a()</script>", "</style>", "<!--", "\u202e", "$title"]),
)
def test_no_text_becomes_markup_and_every_text_arrives(text: str, attack: str) -> None:
    words = f"{text} {attack}".encode("utf-8", "replace").decode().split()
    alignment = one_line(" ".join(words))
    alignment = Alignment(alignment.lines, extra=Extra.of({"title": attack + text}))
    html = page(alignment, silence(0.1), "song.mp3", attack + text)
    assert Elements(html).names == Elements(PLAIN).names
    assert told(html)["tree"] == json.loads(json.dumps(alignment.to_dict()))


@given(st.floats(0.1, 20_000))
def test_a_sound_fits_or_stays_outside(seconds: float) -> None:
    kind = quality(seconds)
    if kind is None:
        assert seconds > 3000
        return
    size = math.ceil(seconds * kind.rate / kind.frame_samples + 2) * kind.frame_bytes
    assert size * 4 / 3 < 9_500_000
    assert size <= BUDGET + 3 * kind.frame_bytes


@pytest.mark.parametrize("kind", QUALITIES, ids=str)
def test_a_moment_of_the_sound_is_where_its_bytes_say(kind: Any, tmp_path: Path) -> None:
    from aligner_core import audio

    wave = clicks(kind.rate, 1.0, 3.0)
    data = encoded([np.stack([wave] * kind.channels) if kind.channels > 1 else wave], kind)
    assert len(data) % kind.frame_bytes == 0
    assert {data[at : at + 2] for at in range(0, len(data), kind.frame_bytes)} <= {b"\xff\xfb", b"\xff\xf3"}
    (tmp_path / "a.mp3").write_bytes(data)
    heard = audio.load(tmp_path / "a.mp3").numpy()
    for second in (1.0, 3.0):
        near = heard[round((second - 0.5) * RATE) : round((second + 0.5) * RATE)]
        first = int(np.flatnonzero(np.abs(near) > 0.2)[0]) / RATE + second - 0.5
        assert abs(first - second) < 0.003


@settings(max_examples=20)
@given(st.integers(1, 60_000), st.integers(1, 30_000))
def test_a_picture_does_not_depend_on_how_the_sound_came(samples: int, block: int) -> None:
    wave = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    whole, parts = picture([wave]), picture([wave[at : at + block] for at in range(0, samples, block)])
    assert whole.seconds == parts.seconds == samples / RATE
    assert np.array_equal(whole.peaks, parts.peaks)
    assert np.array_equal(whole.columns, parts.columns)
    assert np.array_equal(whole.onsets, parts.onsets)


def test_peaks_are_the_least_and_the_greatest_samples() -> None:
    wave = np.random.default_rng(1).uniform(-0.5, 0.5, RATE).astype(np.float32)
    seen = picture([wave])
    expected = wave.reshape(-1, 80)
    top = np.abs(wave).max()
    assert np.allclose(seen.peaks[:, 0], expected.min(1) / top * 127, atol=0.51)
    assert np.allclose(seen.peaks[:, 1], expected.max(1) / top * 127, atol=0.51)


def test_a_tone_is_brightest_in_the_band_of_its_pitch() -> None:
    at = np.arange(2 * RATE) / RATE
    bands = [int(picture([np.sin(2 * np.pi * hertz * at).astype(np.float32)]).columns[100].argmax())
             for hertz in (200, 800, 3000, 6000)]  # fmt: skip
    mel = [1127 * math.log1p(hertz / 700) for hertz in (60, 200, 800, 3000, 6000, 7600)]
    right = [(one - mel[0]) / (mel[-1] - mel[0]) * (BANDS + 1) - 1 for one in mel[1:-1]]
    assert np.allclose(bands, right, atol=2)


def test_onsets_are_where_sounds_begin() -> None:
    seen = picture(
        [clicks(RATE, 0.5, 1.7, 3.1) + np.random.default_rng(0).normal(0, 1e-3, 4 * RATE).astype(np.float32)]
    )
    found = seen.onsets / 1000
    for second in (0.5, 1.7, 3.1):
        assert np.abs(found - second).min() <= 0.02
    assert len(found) <= 8


def test_a_long_sound_is_seen_coarsely_and_to_its_end() -> None:
    minute = clicks(RATE, 59.9, length=60.0)
    seen = picture(minute if at == 33 else np.zeros_like(minute) for at in range(34))
    assert len(seen.peaks) <= MOST_PEAKS
    assert len(seen.columns) <= MOST_COLUMNS
    assert len(seen.peaks) * seen.peak_step == pytest.approx(2040, abs=seen.peak_step)
    assert len(seen.columns) * seen.column_step == pytest.approx(2040, abs=seen.column_step)
    assert seen.peaks[:-100].any() == np.False_
    assert seen.peaks[-100:].max() == 127


@given(st.lists(st.sampled_from("abcde"), max_size=12), st.data())
def test_words_meet_their_likes_in_another_text(texts: list[str], data: st.DataObject) -> None:
    words = [Word(text, float(at), at + 0.5) for at, text in enumerate(texts)]
    assert matched(words, words) == [(word.start, word.end) for word in words]
    fewer = [word for word in words if data.draw(st.booleans())]
    found = matched(words, fewer)
    assert sum(time is not None for time in found) <= len(fewer)
    starts = {word.start: word.text for word in words}
    assert all(starts[time[0]] == word.text for word, time in zip(words, found, strict=True) if time)
    times = [time for time in found if time]
    assert times == sorted(times)


def test_a_comparison_holds_both_timings() -> None:
    text, later = one_line("Amazing grace"), one_line("Amazing grace").shifted(0.25)
    against = told(page(text, silence(), "song.mp3", "song", Other("B <b>", later)))["against"]
    assert against["lines"] == [[[0.25, 0.35], [0.35, 0.45]]]
    assert [bar[2] for bar in against["bars"]] == ["Amazing", "grace"]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_comes_once_and_after_what_it_needs(name: str) -> None:
    script = bundle.script()
    assert script.count(f"const module_{name} = (()") == 1
    before = script[: script.index(f"const module_{name} = (()")]
    needed = set(re.findall(r'from "\./(\w+)\.js"', bundle.asset(f"{name}.js")))
    assert all(f"const module_{other} = (()" in before for other in needed)
    assert re.findall(r"(?m)^(?:import|export)\b", script) == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_export_is_used_by_another_module(name: str) -> None:
    given_names = re.findall(r"(?m)^export (?:async )?(?:function|class|const) (\w+)", bundle.asset(f"{name}.js"))
    others = "".join(bundle.asset(f"{other}.js") for other in MODULES - {name})
    assert [one for one in given_names if not re.search(rf"\b{one}\b", others)] == []


def test_show_writes_a_page_with_the_song_inside(karalign: Karalign, timed: Path, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "song.html"
    got = karalign("show", root / "examples" / "amazing-grace.mp3", timed, "-o", out, "--json")
    assert (got.code, got.err) == (0, "")
    report = json.loads(got.out)
    assert report["bytes"] == out.stat().st_size < 10_000_000
    assert (report["sound"], report["doubtful"]) == ("embedded, 96 kbit/s", [])
    data = told(out.read_text("utf-8"))
    assert data["tree"] == load(timed).to_dict()
    assert data["picture"]["seconds"] == pytest.approx(88.5, abs=0.1)
    assert len(data["audio"]["data"]) > 1_000_000


@pytest.mark.parametrize("extra", [["--link"], []])
def test_a_song_that_is_too_long_is_linked(
    karalign: Karalign, timed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: list[str]
) -> None:
    import soundfile

    (tmp_path / "pages").mkdir()
    song, out = tmp_path / "my song.wav", tmp_path / "pages" / "song.html"
    soundfile.write(song, np.zeros(16_000, np.float32), 16_000)
    monkeypatch.setattr(making, "quality", lambda seconds: quality(seconds, 100))
    got = karalign("show", song, timed, "-o", out, *extra)
    assert told(out.read_text("utf-8"))["audio"]["link"] == "../my%20song.wav"
    assert ("too long" in got.err) == (not extra)


def test_a_text_that_goes_on_after_the_sound_is_told(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    import soundfile

    song = tmp_path / "song.wav"
    soundfile.write(song, np.zeros(8_000, np.float32), 16_000)
    said = f"karalign: 1 line after the end of the sound: {song} ends at 0:00.5, the last line begins at 0:01.0\n"
    assert karalign("show", song, timed, "-o", tmp_path / "song.html").err == said
    size = ("--size", "32x18")
    assert karalign("video", song, timed, "-o", tmp_path / "song.mp4", *size).err == said
    assert karalign("video", song, timed, "-o", tmp_path / "song.mp4", *size, "--quiet").err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "song.wav", "timed.json", "-o", "song.txt"], "is not a page"),
        (["show", "song.wav", "timed.json", "-o", "missing/song.html"], "no such folder"),
        (["show", "missing.wav", "timed.json", "-o", "song.html"], "no such file"),
        (["show", "song.wav", "timed.json", "-o", "song.html", "--against", "missing.json"], "no such file"),
        (["show", "timed.json", "timed.json", "-o", "song.html"], "timed.json"),
        (["align", "song.wav", "timed.json", "--show", "song.txt"], "is not a page"),
        (["video", "song.wav", "timed.json", "-o", "song.avi"], "is no video"),
        (["video", "song.wav", "timed.json", "-o", "song.mp4", "--background", "no such thing"], "neither"),
        (["video", "missing.wav", "timed.json", "-o", "song.mp4"], "no such file"),
        (["video", "song.wav", "timed.json", "-o", "song.mp4", "--background", "timed.json"], "ffmpeg: "),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_in_one_line_and_leaves_nothing(
    refuse: Refuse, timed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    import soundfile

    monkeypatch.chdir(tmp_path)
    soundfile.write("song.wav", np.zeros(16_000, np.float32), 16_000)
    assert message in refuse(*arguments)


def test_the_input_is_never_the_page(refuse: Refuse, timed: Path, tmp_path: Path) -> None:
    page_like = tmp_path / "song.html"
    shutil.copy(timed, page_like)
    message = refuse("show", "song.wav", page_like, "--from-format", "json", "-o", page_like)
    assert "would overwrite the input" in message


def test_words_set_by_hand_stay_when_the_song_is_aligned_again(karalign: Karalign, root: Path, tmp_path: Path) -> None:
    truth = load(root / "examples" / "amazing-grace.truth.json")
    line = truth.lines[2]
    moved = Word(line.words[3].text, 18.0, 18.125)
    words = tuple(moved if at == 3 else Word(word.text) for at, word in enumerate(line.words))
    set_line = Line(line.text, 18.0, 18.125, words=words, extra=Extra.of({"json:fixed": "4", "voice": "Anna"}))
    others = [Line(one.text, words=tuple(Word(w.text) for w in one.words), kind=one.kind) for one in truth.lines]
    edited, out = tmp_path / "edited.json", tmp_path / "again.json"
    save(Alignment((*others[:2], set_line, *others[3:])), edited)
    got = karalign("align", root / "examples" / "amazing-grace.mp3", edited, "-o", out)
    assert got.code == 0
    again = load(out)
    kept = again.lines[2].words[3]
    assert (kept.start, kept.end) == (18.0, 18.125)
    assert again.lines[2].extra == set_line.extra
    found = again.lines[2].words[2], again.lines[2].words[4], again.lines[3].words[0]
    assert all(word.timed for word in found)
    assert (found[0].end or 99) <= 18.0
    assert (found[1].start or 0) >= 18.125
    assert abs((found[2].start or 0) - (truth.lines[3].words[0].start or 0)) < 0.5


def probe(video: Path) -> str:
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(video)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def frame(video: Path, second: float) -> NDArray[np.uint8]:
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-ss", str(second), "-i", str(video), "-frames:v", "1",
               "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, 3)


@pytest.mark.parametrize("over", ["colour", "image", "film"])
def test_a_video_shows_the_words_while_they_are_sung(
    karalign: Karalign, timed: Path, tmp_path: Path, over: str
) -> None:
    import imageio_ffmpeg
    import soundfile

    soundfile.write(tmp_path / "song.wav", np.zeros(6 * 16_000, np.float32), 16_000)
    background, film = tmp_path / {"colour": "none", "image": "a.png", "film": "a.mp4"}[over], ["-t", "0.5"]
    if over != "colour":
        made = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "color=c=navy:s=160x90:r=10"]
        subprocess.run([*made, *(["-frames:v", "1"] if over == "image" else film), str(background)], check=True)
    out = tmp_path / "song.mp4"
    place = "navy" if over == "colour" else background
    got = karalign("video", tmp_path / "song.wav", timed, "-o", out, "--background", place, "--size", "320x180")
    assert (got.code, got.err) == (0, "")
    seen = probe(out)
    assert re.search(r"Duration: 00:00:06\.0", seen)
    assert re.search(r"h264.*yuv420p.*320x180", seen)
    assert "aac" in seen
    before, during = frame(out, 5.5), frame(out, 3.5)
    assert before.max() < 150
    amber = (during[:, 0] > 180) & (during[:, 2] < 130)
    assert amber.sum() > 50
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".karalign")] == []


def test_audacity_labels_go_out_and_come_back(timed: Path, tmp_path: Path) -> None:
    words = load(timed).words
    for name in ("a.labels.txt", "a.txt"):  # people name them so
        from plugin.formats import RenderOptions, by_name, for_text

        text = by_name("labels").render(load(timed), RenderOptions("word"))
        (tmp_path / name).write_text(text, "utf-8")
        back = for_text(tmp_path / name, text).parse(text)
        assert [(line.text, line.start, line.end) for line in back.lines] == [(w.text, w.start, w.end) for w in words]


@pytest.mark.parametrize("ending", [".ass", ".ultrastar.txt", ".TextGrid"])
def test_what_other_tools_save_can_be_shown(karalign: Karalign, timed: Path, tmp_path: Path, ending: str) -> None:
    import soundfile

    soundfile.write(tmp_path / "song.wav", np.zeros(5 * 16_000, np.float32), 16_000)
    other, out = tmp_path / f"song{ending}", tmp_path / "song.html"
    save(load(timed), other)
    assert karalign("show", tmp_path / "song.wav", other, "-o", out).code == 0
    words = [word for line in told(out.read_text("utf-8"))["tree"]["lines"] for word in line["words"]]
    assert [word["text"] for word in words] == ["Amazing", "grace"]
    assert [word["start"] for word in words] == pytest.approx([1.0, 2.5], abs=0.1)


def test_the_sound_is_encoded_or_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import imageio_ffmpeg

    from plugin.page.sound import SoundError

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "/no/such/ffmpeg")
    with pytest.raises(SoundError, match=r"ffmpeg does not run.*--link"):
        encoded([np.zeros(100, np.float32)], QUALITIES[1])


def test_an_embedded_sound_arrives_byte_for_byte() -> None:
    import base64

    audio = told(page(one_line("a"), silence(), Embedded(b"\xff\x00<", QUALITIES[0]), "song"))["audio"]
    assert base64.b64decode(audio["data"]) == b"\xff\x00<"
    assert (audio["rate"], audio["frameSamples"], audio["frameBytes"]) == (48_000, 1152, 288)
