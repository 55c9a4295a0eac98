"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import hypothesis
import pytest

from aligner_core.anchors import Anchor, Part
from aligner_core.timeline import Alignment, Line, Word

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from aligner_core.acoustic import AcousticModel

# A machine may be busy; and a change is judged by the same examples each time: KARALIGN_SEEK=1 looks for new ones.
hypothesis.settings.register_profile("karalign", deadline=None, derandomize="KARALIGN_SEEK" not in os.environ)
hypothesis.settings.load_profile("karalign")

ROOT = Path(__file__).resolve().parent.parent
SONG_SECONDS = 12.0
LYRICS = "[Verse 1]\nAmazing grace how sweet the sound\n\nthat saved a wretch like me\n"


@dataclass(frozen=True)
class Outcome:
    """What a run of `karalign` left behind; output is caught below Python, so what C libraries print is in it."""

    code: int
    out: str
    err: str


Karalign = Callable[..., Outcome]
Refuse = Callable[..., str]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The sound packs beside the project; the test is skipped where they are absent."""
    data = ROOT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("needs the sound packs in ../shared/data")
    return data


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KARALIGN_CACHE", str(tmp_path_factory.mktemp("cache-of-fixtures")))
        yield


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where what was heard is kept while a test runs; empty before it."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("KARALIGN_CACHE", str(folder))
    return folder


@pytest.fixture
def karalign(capfd: pytest.CaptureFixture[str]) -> Karalign:
    """Runs the command line in this process: `karalign("align", audio, lyrics, "-o", out)`."""

    def run(*arguments: str | Path) -> Outcome:
        from plugin.cli import cli

        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli([str(argument) for argument in arguments], prog_name="karalign")
        assert isinstance(stop.value.code, int)
        return Outcome(stop.value.code, *capfd.readouterr())

    return run


@pytest.fixture
def refuse(karalign: Karalign, tmp_path: Path) -> Refuse:
    """Runs `karalign`, which must refuse in one line, and returns that line."""

    def run(*arguments: str | Path) -> str:
        before = tree(tmp_path)
        got = karalign(*arguments)
        assert (got.code, got.out) == (1, "")
        assert re.fullmatch(r"karalign: .+\n", got.err)
        assert tree(tmp_path) == before
        return got.err

    return run


def tree(folder: Path) -> dict[Path, bytes | None]:
    """Every path under a folder, hidden ones too, with the content of the files."""
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.fixture
def timed(tmp_path: Path) -> Path:
    """A file of two timed words."""
    from plugin import save

    path = tmp_path / "timed.json"
    words = (Word("Amazing", 1.0, 2.0, 0.5), Word("grace", 2.5, 4.0, 0.25))
    save(Alignment((Line("Amazing grace", 1.0, 4.0, 0.375, words),), "song.mp3"), path)
    return path


@dataclass
class Listener:
    """In the place of `Aligner`: gives every word half a second, and every line the score that the test wants."""

    scores: tuple[float | None, ...] = (0.9, 0.8)
    lost: frozenset[str] = frozenset()  # words that it does not find
    before: Callable[[], None] = lambda: None
    asked: list[tuple[str | None, str]] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)  # the hints

    def load(self, model: str | None = None, device: str = "cpu", runtime: str = "torch") -> Self:
        assert runtime in ("auto", "torch", "light")
        self.asked.append((model, device))
        return self

    def __call__(self, model: AcousticModel, exact: bool | None = None) -> Self:
        assert model.symbols == self.symbols
        self.told += [] if exact is None else [exact]
        return self

    @property
    def model(self) -> Self:
        return self

    symbols = ("sil", "AA")
    sample_rate = 16000
    frame_seconds = 0.01

    def table(self, *arguments: Any) -> NDArray[np.float32]:
        return self.hear(*arguments).numpy()

    def hear(self, sound: str, progress: Callable[[float], None] | None, lyrics: Alignment, *_: object) -> torch.Tensor:
        self.before()
        assert lyrics.lines
        import soundfile

        wave, rate = soundfile.read(sound)
        assert len(wave) / rate == SONG_SECONDS
        for share in (0.5, 1.0):
            if progress:
                progress(share)
        import torch

        return torch.zeros(int(100 * SONG_SECONDS) + 1, 2)

    def retime(self, log_probs: NDArray[np.float32], timed: Alignment, trust: float) -> Alignment:
        self.told.append(trust)
        return self.align_heard(log_probs, timed, (), Part())

    def align_heard(
        self, log_probs: NDArray[np.float32], lyrics: Alignment, anchors: Sequence[Anchor], part: Part
    ) -> Alignment:
        assert log_probs.shape == (int(100 * SONG_SECONDS) + 1, 2)
        self.told += [list(anchors), part]
        lines: list[Line] = []
        scores, at = iter(self.scores), 0.0
        for line in lyrics.lines:
            if line.text.startswith("["):
                lines.append(Line(line.text, kind="heading"))
                continue
            words = [Word(w.text) if w.text in self.lost else Word(w.text, at + i / 2, at + i / 2 + 0.5)
                     for i, w in enumerate(line.words)]  # fmt: skip
            timed = [word for word in words if word.timed]
            if timed:
                start, end = timed[0].start, timed[-1].end
                lines.append(replace(
                    line, start=start, end=end, score=next(scores, 0.9), words=tuple(words)))  # fmt: skip
                at += len(words) / 2
            else:
                lines.append(replace(line, words=tuple(words)))
        return Alignment(tuple(lines))


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    """It stands in the place of `Aligner`."""
    import aligner_core

    listener = Listener()
    monkeypatch.setitem(vars(aligner_core), "Aligner", listener)
    return listener


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A sound that `listener` hears."""
    import numpy as np
    import soundfile

    path = tmp_path / "song.wav"
    soundfile.write(path, np.zeros(int(16000 * SONG_SECONDS), np.float32), 16000)
    return path


@pytest.fixture
def lyrics(tmp_path: Path) -> Path:
    """A heading and two lines."""
    path = tmp_path / "words.txt"
    path.write_text(LYRICS)
    return path


@pytest.fixture(scope="session")
def processor_seconds() -> Callable[..., float]:
    """User and system time of a run of `karalign`: on a busy machine the clock on the wall measures the others too."""

    def run(*arguments: str, code: int = 0) -> float:
        command = [sys.executable, "-c", "from plugin.cli import main; main()", *arguments]
        before = os.times()
        assert subprocess.run(command, capture_output=True, check=False).returncode == code
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `gpu` where there is no CUDA device, and say so."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
