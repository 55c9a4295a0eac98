"""`karalign activations` and the example of CTC: pictures of what a network hears, and of what it learns."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from aligner_core.acoustic.cnn import SYMBOLS
from aligner_core.timeline import Alignment, Line, Phone, Syllable, Word, untimed_line
from plugin import panels, save
from plugin.panels import Picture, Stage, page, png

if TYPE_CHECKING:
    from conftest import Karalign

ROOT = Path(__file__).resolve().parents[1]
SONG = ROOT / "examples" / "amazing-grace.mp3"


@pytest.fixture
def timed(tmp_path: Path) -> Path:
    """Half a second of a song, as one line with phones; and a line without times before it."""
    phones = (Phone("S", 11.9, 12.05), Phone("W", 12.05, 12.1), Phone("IY", 12.1, 12.4))
    word = Word("swee", 11.9, 12.4, syllables=(Syllable("swee", 11.9, 12.4, phones=phones),))
    save(Alignment((untimed_line("Hello"), Line("swee", 11.9, 12.4, words=(word,)))), tmp_path / "a.json")
    return tmp_path / "a.json"


def picture(*names: str) -> Picture:
    """Two symbols in five frames, at stages of these names."""
    likely = np.linspace(0, 1, 10).reshape(5, 2)
    stages = [Stage(name, likely, likely, [0, 0, 1, 1, 1]) for name in names]
    marks = [(0.0, 0.02, "<S>")]
    return Picture("a <b>", "text", np.eye(3, 5), ("x", "y"), ("x", "y"), stages, marks, heat=np.eye(3, 5))


def test_a_page_needs_nothing_else_and_shows_text_as_it_is() -> None:
    pytest.importorskip("plotly")
    shown = page([picture("before", "after"), picture("after")])
    assert "<h2>a &lt;b&gt;</h2>" in shown
    assert "a <b>" not in shown
    assert "<script src=" not in shown
    assert shown.count("Plotly.newPlot(") == 2
    assert '"label":"before"' in shown


def test_a_png_has_a_row_for_all_that_is_there() -> None:
    pytest.importorskip("matplotlib")
    assert png([picture("after")]).startswith(b"\x89PNG")
    assert picture("after").rows == ["sound", "map", "likely", "trellis"]
    assert Picture("a", "", np.eye(3)).rows == ["sound"]


def test_symbols_that_are_never_likely_are_left_out() -> None:
    likely = np.array([[0.05, 0.95], [0.01, 0.99]])
    assert Picture("", "", np.eye(2), ("x", "y"), (), [Stage("", likely, likely, [0, 0])]).shown == [1]


def test_without_what_draws_the_command_says_what_to_install(
    karalign: Karalign, timed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panels, "import_module", lambda _: (_ for _ in ()).throw(ImportError))
    got = karalign("activations", SONG, timed, "-o", tmp_path / "a.html")
    assert got.code == 1
    assert "plotly is not installed" in got.err
    assert not (tmp_path / "a.html").exists()


def test_a_line_is_drawn_with_what_is_heard(karalign: Karalign, timed: Path, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    got = karalign("activations", SONG, timed, "-o", tmp_path / "a.html", "--posteriors")
    assert (got.code, got.err) == (0, "")
    shown = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<h2>swee</h2>" in shown
    assert '"name":"IY"' in shown


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("-o", "a.pdf"), 2, "a picture is .html or .png"),
        (("-o", "a.html", "--line", "1"), 1, "line 1 has no times (2 has)"),
        (("-o", "a.html", "--device", "here"), 2, "'here' is not one of auto"),
        (("-o", "nowhere/a.html"), 1, "there is no such folder"),
    ],
)
def test_what_cannot_be_drawn_is_told(
    karalign: Karalign, timed: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    got = karalign("activations", SONG, timed, *options)
    assert got.code == code
    assert message in got.err


def example() -> ModuleType:
    """examples/ctc_from_scratch.py."""
    spec = importlib.util.spec_from_file_location("ctc_from_scratch", ROOT / "examples" / "ctc_from_scratch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", ["CTC", "CTC with label priors", "ASG"])
def test_a_word_is_learnt_by_each_criterion(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taught = example()
    monkeypatch.setattr(taught, "STEPS", 12)
    monkeypatch.setattr(taught, "PAUSES", {"before": 0, "after": 12})
    sound = torch.randn(24, 80, generator=torch.Generator().manual_seed(1))
    lesson = taught.Lesson(kind, sound)
    before = float(lesson.loss(lesson.network(sound)).detach())
    said: list[str] = []
    stages = lesson.learn(said.append)
    assert len(said) == len(stages) == 2
    assert float(lesson.loss(lesson.network(sound)).detach()) < before
    drawn = lesson.picture(stages, 1.0)
    assert len(drawn.states) == stages[-1].trellis.shape[1]
    assert np.allclose(stages[-1].trellis.sum(1), 1, atol=1e-4)
    assert len(SYMBOLS) > len(drawn.symbols) >= len(set(taught.WORD))
