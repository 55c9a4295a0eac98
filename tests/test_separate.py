"""The voice taken out of the music: by anything that fulfils the protocol, piece by piece, and kept."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from aligner_core import Aligner, AlignerError, Alignment, AudioError, LyricsError, WeightsError, acoustic, audio
from aligner_core import separate as separation
from aligner_core.acoustic.cnn import CnnConfig, CnnCtc
from aligner_core.cache import Cache, key, voice_key
from aligner_core.separate import Demucs, Separator, voice

if TYPE_CHECKING:
    from conftest import Karalign, Refuse

RATE = 44100


@dataclass
class Side:
    """A separator for songs with the voice on the left and the music on the right."""

    name: str = "side 1"
    sample_rate: int = RATE
    given: list[int] = field(default_factory=list)  # samples

    def vocals(self, wave: Tensor) -> Tensor:
        assert wave.shape[0] == 2
        self.given.append(wave.shape[1])
        return wave[:1].expand(2, -1)


def noise(seconds: float, seed: int = 0) -> Tensor:
    """Voice (samples,) at 16 kHz."""
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 0.1, int(16000 * seconds)).astype(np.float32))


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Five seconds: a tone of 440 Hz on the left, one of 3 kHz on the right."""
    time = np.arange(5 * RATE) / RATE
    sides = [0.3 * np.sin(2 * np.pi * hertz * time) for hertz in (440, 3000)]
    soundfile.write(tmp_path / "song.wav", np.stack(sides, 1), RATE)
    return tmp_path / "song.wav"


def whole(path: Path, separator: Separator, cache: Cache | None = None) -> Tensor:
    return torch.cat(list(voice(path, separator, cache=cache)))


# sound of two channels


@pytest.mark.parametrize("rate", [16000, 22050, RATE])
@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_left_and_right_stay_apart(tmp_path: Path, rate: int, suffix: str) -> None:
    path = tmp_path / f"song.{suffix}"
    soundfile.write(
        path, np.stack([0.5 * np.ones(3 * RATE), np.zeros(3 * RATE)], 1) * np.hanning(3 * RATE)[:, None], RATE
    )
    both = torch.cat(list(audio.stream(path, rate, 2)), 1)
    assert both.shape[0] == 2
    assert both.shape[1] == pytest.approx(3 * rate, abs=rate // 10)
    assert float(both[0].max()) == pytest.approx(0.5, abs=0.02)
    assert float(both[1].abs().max()) < 0.02
    assert torch.allclose(both.mean(0), torch.cat(list(audio.stream(path, rate))), atol=1e-5)


def test_a_single_channel_is_left_and_right(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "mono.wav", noise(1).numpy(), 16000)
    both = torch.cat(list(audio.stream(tmp_path / "mono.wav", 16000, 2)), 1)
    assert torch.equal(both[0], both[1])
    assert torch.equal(both[0], audio.load(tmp_path / "mono.wav"))


def test_what_ffmpeg_reads_has_two_channels_too(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    direct = torch.cat(list(audio.stream(song, RATE, 2)), 1)

    def unreadable(*_: object) -> None:
        raise soundfile.LibsndfileError(1)

    monkeypatch.setattr(soundfile, "SoundFile", unreadable)
    assert torch.allclose(torch.cat(list(audio.stream(song, RATE, 2)), 1), direct, atol=1e-4)


# piece by piece


def test_the_voice_is_what_the_separator_makes_of_the_whole(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = soundfile.read(song, dtype="float32")[0][:, 0]
    expected = audio.resample(torch.from_numpy(left.copy()), RATE)
    for piece, context in ((60.0, 8.0), (1.0, 0.5), (0.77, 0.0)):
        monkeypatch.setattr(separation, "PIECE", piece)
        monkeypatch.setattr(separation, "CONTEXT", context)
        separator = Side()
        found = whole(song, separator)
        assert torch.allclose(found, expected, atol=2 / 2**15)
        assert max(separator.given) <= (piece + 2 * context) * RATE + 1
        assert sum(separator.given) >= 5 * RATE


def test_each_piece_is_heard_with_what_lies_around_it(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separation, "PIECE", 2.0)
    monkeypatch.setattr(separation, "CONTEXT", 0.5)
    separator = Side()
    whole(song, separator)
    assert separator.given == [2.5 * RATE, 3 * RATE, 1.5 * RATE]


def test_loud_voices_are_cut_off_not_wrapped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", np.full((RATE, 2), 3.0), RATE, subtype="FLOAT")
    found = whole(tmp_path / "loud.wav", Side())
    assert float(found[2000:-2000].min()) == 1 - 1 / 2**15


def test_progress_is_told_when_all_is_read_and_ends_at_one(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separation, "PIECE", 2.0)
    told: list[float] = []
    list(voice(song, Side(), told.append))
    assert told == [0.0, 0.4, 0.8, 1.0, 1.0]


def test_sound_that_cannot_be_read_is_told_before_anything_is_separated(tmp_path: Path) -> None:
    separator = Side()
    (tmp_path / "junk.mp3").write_bytes(b"junk" * 100)
    with pytest.raises(AudioError, match=r"junk\.mp3"):
        whole(tmp_path / "junk.mp3", separator)
    assert separator.given == []


# kept


def test_what_is_kept_comes_back_sample_for_sample_and_needs_no_separator(song: Path, tmp_path: Path) -> None:
    cache, first, second = Cache(tmp_path / "kept"), Side(), Side()
    fresh = whole(song, first, cache)
    assert torch.equal(whole(song, second, cache), fresh)
    assert first.given
    assert not second.given
    assert torch.equal(whole(song, Side()), fresh)
    assert [path.suffix for path in cache.entries] == [".voice"]


def test_another_sound_or_separator_is_separated(song: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "kept")
    whole(song, Side(), cache)
    other = Side("side 2")
    whole(song, other, cache)
    assert other.given
    soundfile.write(song, np.zeros((RATE, 2)), RATE)
    again = Side()
    whole(song, again, cache)
    assert again.given
    assert len(cache.entries) == 3


def test_a_damaged_voice_is_separated_anew(song: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "kept")
    fresh = whole(song, Side(), cache)
    (path,) = cache.entries
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    again = Side()
    assert torch.equal(whole(song, again, cache), fresh)
    assert again.given


def test_voices_go_from_a_full_cache_as_all_else_does(song: Path, tmp_path: Path) -> None:
    room = 2 * 5 * 16000 + 100
    cache = Cache(tmp_path / "kept", limit=room)
    whole(song, Side(), cache)
    whole(song, Side("side 2"), cache)
    assert len(cache.entries) == 1
    assert cache.size <= room
    cache.clear()
    assert cache.entries == []


def test_what_is_heard_in_the_voice_alone_has_its_own_name(song: Path) -> None:
    keys = [key(song, song, "cpu"), key(song, song, "cpu", "side 1"), key(song, song, "cpu", "side 2")]
    keys += [voice_key(song, "side 1"), voice_key(song, "side 2")]
    assert None not in keys
    assert len(set(keys)) == 5
    assert voice_key(song.parent / "none.wav", "side 1") is None


# the aligner


def small() -> acoustic.AcousticModel:
    torch.manual_seed(0)
    return CnnCtc(CnnConfig(width=8, kernels=(3,), expansion=1)).eval()


def test_the_model_hears_the_voice_and_progress_covers_both(song: Path) -> None:
    told: list[float] = []
    aligner, separator = Aligner(small()), Side()
    heard = aligner.hear(song, told.append, Alignment.from_text("la"), separator)
    assert isinstance(separator, Separator)
    assert torch.allclose(heard, aligner.model.log_probs(whole(song, Side())), atol=1e-4)
    assert not torch.allclose(heard, aligner.hear(song), atol=1e-2)
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)
    assert any(0 < share < 1 for share in told)


def test_lyrics_that_make_no_sound_are_told_before_anything_is_separated(song: Path) -> None:
    separator = Side()
    with pytest.raises(LyricsError, match="nothing that could be sung"):
        Aligner(small()).hear(song, None, Alignment.from_text("[Intro]"), separator)
    assert not separator.given


# demucs


class FakeModel:
    """What demucs.pretrained.get_model gives, as far as it is used: stems are shares of what comes in."""

    samplerate, audio_channels = RATE, 2
    sources = ("drums", "bass", "other", "vocals")


def apply_model(
    model: FakeModel, mix: Tensor, shifts: int = 1, split: bool = True, overlap: float = 0.25,
    transition_power: float = 1.0, progress: bool = False, device: str | None = None, num_workers: int = 0,
    segment: float | None = None,
) -> Tensor:  # fmt: skip
    """As demucs.apply has it: (batch, channels, samples) -> (batch, sources, channels, samples)."""
    batch, channels, _ = mix.shape
    assert (batch, channels) == (1, model.audio_channels)
    assert shifts == 0, "random shifts give something else every time"
    assert float(mix.mean(1).std()) == pytest.approx(1, abs=0.01)
    assert device == "cpu"
    return torch.stack([mix * share for share in (0.1, 0.2, 0.3, 0.4)], 1)


@dataclass
class Installed:
    """A demucs in the place of the real one."""

    loaded: list[str] = field(default_factory=list)
    fails: BaseException | None = None

    def get_model(self, name: str, repo: Path | None = None) -> FakeModel:
        assert repo is None
        print("Downloading: weights")  # noqa: T201
        print("Retrying in 1s", file=sys.stderr)  # noqa: T201
        if self.fails:
            raise self.fails
        self.loaded.append(name)
        return FakeModel()


@pytest.fixture
def demucs(monkeypatch: pytest.MonkeyPatch) -> Installed:
    installed, version = Installed(), importlib.metadata.version
    monkeypatch.setattr("importlib.metadata.version", lambda name: "4.1.0" if name == "demucs" else version(name))
    parts = {
        "apply": SimpleNamespace(apply_model=apply_model),
        "pretrained": SimpleNamespace(get_model=installed.get_model),
    }
    monkeypatch.setitem(sys.modules, "demucs", ModuleType("demucs"))
    for name, part in parts.items():
        monkeypatch.setitem(sys.modules, f"demucs.{name}", part)
    return installed


@pytest.fixture
def no_demucs(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def without(name: str) -> str:
        if name == "demucs":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr("importlib.metadata.version", without)


def test_demucs_is_asked_for_the_vocals_at_the_level_of_the_song(demucs: Installed) -> None:
    wave = torch.randn(2, 10000) * 0.05 + 0.01
    separator = Demucs()
    assert isinstance(separator, Separator)
    assert separator.name == "demucs 4.1.0 htdemucs cpu"
    assert demucs.loaded == []
    mean = wave.mean()
    assert torch.allclose(separator.vocals(wave), (wave - mean) * 0.4 + mean, atol=1e-6)
    separator.vocals(wave)
    assert demucs.loaded == ["htdemucs"]


def test_silence_is_no_trouble_for_demucs(demucs: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys.modules["demucs.apply"], "apply_model", lambda _, mix, **__: mix[:, None].expand(1, 4, 2, -1)
    )
    assert torch.equal(Demucs().vocals(torch.zeros(2, 1000)), torch.zeros(2, 1000))


@pytest.mark.parametrize(
    "error", [OSError("no route to host\nand so on"), RuntimeError("bad"), SystemExit(1), KeyError()]
)
def test_weights_of_demucs_that_are_not_to_be_had_are_told(demucs: Installed, error: BaseException) -> None:
    demucs.fails = error
    with pytest.raises(WeightsError, match=r"^demucs 4\.1\.0 htdemucs cpu: cannot be loaded: [^\n]+$"):
        Demucs().vocals(torch.randn(2, 1000))


@pytest.mark.usefixtures("no_demucs")
def test_a_demucs_that_is_not_installed_is_told() -> None:
    with pytest.raises(AlignerError, match=r"demucs is not installed \(pip install 'karalign\[separate\]'\)"):
        Demucs()


# the command line


@pytest.fixture
def run(song: Path, tmp_path: Path) -> Sequence[str | Path]:
    """The arguments of an alignment by an untrained model."""
    acoustic.save(CnnCtc(CnnConfig(width=8, kernels=(3,), expansion=1)), "cnn", tmp_path / "tiny.pt", {})
    (tmp_path / "words.txt").write_text("la\n")
    return "align", song, tmp_path / "words.txt", "--model", tmp_path / "tiny.pt", "--exact"


def test_the_command_line_separates_once_and_keeps_both(
    karalign: Karalign, run: Sequence[str | Path], demucs: Installed, tmp_path: Path, cache_folder: Path
) -> None:
    for number, options in enumerate(((), ("--separate",), ("--separate",), ("--separate", "--no-cache"))):
        got = karalign(*run, *options, "-o", tmp_path / f"{number}.json")
        assert (got.code, got.out) == (0, ""), got.err
        assert "Retrying" not in got.err
    assert demucs.loaded == ["htdemucs"] * 2
    assert sorted(path.suffix for path in cache_folder.iterdir()) == [".heard", ".heard", ".voice"]
    separated = {(tmp_path / f"{number}.json").read_bytes() for number in (1, 2, 3)}
    assert len(separated) == 1


def test_another_model_hears_the_voice_that_was_kept(
    karalign: Karalign, run: Sequence[str | Path], demucs: Installed, tmp_path: Path
) -> None:
    assert karalign(*run, "--separate", "-o", tmp_path / "out.json").code == 0
    acoustic.save(CnnCtc(CnnConfig(width=8, kernels=(5,), expansion=1)), "cnn", tmp_path / "tiny.pt", {})
    assert karalign(*run, "--separate", "-o", tmp_path / "out.json").code == 0
    assert demucs.loaded == ["htdemucs"]


@pytest.mark.usefixtures("no_demucs")
def test_without_demucs_the_command_line_says_what_to_install(
    refuse: Refuse, run: Sequence[str | Path], tmp_path: Path
) -> None:
    line = refuse(*run, "--separate", "-o", tmp_path / "out.json")
    assert line == "karalign: vocal separation: demucs is not installed (pip install 'karalign[separate]')\n"
