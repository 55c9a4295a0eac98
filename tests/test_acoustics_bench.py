"""The benchmark of acoustic models: its measures are right, and it runs from checkpoints to a page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from aligner_core import acoustic
from aligner_core.acoustic.blstm import Blstm, BlstmConfig
from aligner_core.acoustic.cnn import SYMBOLS, CnnConfig, CnnCtc
from aligner_core.acoustic.windows import Windowed
from aligner_core.errors import WeightsError
from aligner_core.timeline import Alignment, Line, Word
from aligner_core.training.mean import mean
from benchmarks import ablation_page, acoustics, acoustics_page, engine_page
from benchmarks.acoustics import Heard, difference, edge_figures, fitted, pack_figures, shares
from benchmarks.recordings import Recording, Way, late, read, words

HEY = ("HH", "EY")  # spoken in the frames 30-39 and 40-59


class Told(CnnCtc):
    """Hears what it is told, whatever the sound."""

    def __init__(self, *runs: tuple[str, int], edges: bool = False) -> None:
        super().__init__(CnnConfig(width=16, kernels=(9,)))
        said = torch.cat([torch.full((count,), SYMBOLS.index(name)) for name, count in runs])
        self.said, self.edged = torch.nn.functional.one_hot(said, len(SYMBOLS)) * 12.0, edges

    def log_probs(self, *_: object) -> torch.Tensor:
        known = self.said.log_softmax(-1)
        return torch.cat([known, torch.full((len(known), 3), -9.0)], 1) if self.edged else known


def recording(start: float = 0.3, end: float = 0.6) -> Recording:
    word = Word("hey", start, end)
    return Recording("a", np.zeros(16000, np.int16), Alignment((Line("hey", start, end, words=(word,)),)), HEY)


def heard(*runs: tuple[str, int], edges: bool = False) -> Heard:
    return Heard("spoken", [recording()], Told(*runs, edges=edges), "cpu")


def test_a_model_that_is_right_has_no_errors() -> None:
    figures = pack_figures(*_fitted(heard(("sil", 30), ("HH", 10), ("EY", 20), ("sil", 41))))
    assert (figures["blank"], figures["per_plain"], figures["per_greedy"], figures["per_beam"]) == (0, 0, 0, 0)
    assert (figures["path"]["words"], figures["path"]["missing"]) == (1, 0)
    assert figures["path"]["start"]["mean"] == pytest.approx(0)
    assert figures["path"]["end"]["mean"] == pytest.approx(0)
    assert "refined" not in figures


def test_a_model_that_is_late_has_a_bias_which_can_be_corrected() -> None:
    figures = pack_figures(*_fitted(heard(("music", 33), ("HH", 10), ("EY", 20), ("sil", 38), edges=True)))
    for kind in ("path", "refined"):
        start = figures[kind]["start"]
        assert start["bias"] == pytest.approx(0.03)
        assert (start["within_25"], start["within_50"]) == (0, 1)
        assert start["corrected"]["within_25"] == 1
    assert figures["blank"] == pytest.approx(3 / 30)  # music is no voice either


def _fitted(one: Heard) -> tuple[Heard, acoustics.Reading]:
    return one, fitted(one)


def test_a_text_that_does_not_fit_is_missing_and_counts_as_wrong() -> None:
    found = heard(("sil", 4))
    assert found.paths == [[]]
    figures = edge_figures(found.late(), np.zeros(2))
    assert (figures["words"], figures["missing"]) == (1, 1)
    assert figures["start"]["within_300"] == 0
    assert figures["start"]["mean"] is None


def test_a_sound_that_is_too_short_is_left_out_where_that_helps() -> None:
    one = heard(("sil", 30), ("HH", 10), ("EY", 20), ("AA", 2), ("sil", 39))
    assert one.error_rate([[]]) == 1
    reading = fitted(one)
    assert reading.shortest == 3
    assert pack_figures(one, reading)["per_plain"] == 1 / 2
    assert pack_figures(one, reading)["per_greedy"] == 0


def test_errors_are_late_minus_early() -> None:
    errors = late(recording(0.3, 0.6), {0: (0.32, 0.55)})
    assert np.allclose(errors, [[0.02, -0.05]])
    assert np.isinf(late(recording(), {})).all()
    assert words([], 0.01) == {}


def test_shares_count_what_was_not_found_and_means_do_not() -> None:
    found = shares(np.array([0.025, -0.06, np.inf, 0.2]))
    assert (found["within_25"], found["within_50"], found["within_100"], found["within_300"]) == (0.25, 0.25, 0.5, 0.75)
    assert (found["mean"], found["median"], found["bias"]) == pytest.approx((0.285 / 3, 0.06, 0.025))


def test_songs_are_weighed_as_the_aligner_does() -> None:
    model = Told(("sil", 3))
    ways = [Way.of(pack, model) for pack in ("songs", "sung", "spoken")]
    assert [way.least for way in ways] == [5, 4, 3]
    assert ways[0].decoding != ways[1].decoding == ways[2].decoding


def test_windows_that_hear_too_little_differ_from_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aligner_core.acoustic.windows.WINDOW_FRAMES", 60)
    wave = np.random.default_rng(0).normal(0, 3000, 3 * 16000).astype(np.int16)
    sound = [Recording("a", wave, recording().reference)]

    def model(context: int) -> Windowed:
        torch.manual_seed(0)
        return Blstm(BlstmConfig(cells=32, layers=2, context=context)).eval()

    assert difference(model(100), sound) < 1e-4 < difference(model(2), sound)


def test_two_checkpoints_from_packs_to_a_page(shared_data: Path, tmp_path: Path, root: Path) -> None:
    torch.manual_seed(0)
    acoustic.save(CnnCtc(CnnConfig(width=16, kernels=(9, 15), edge_width=8)), "cnn", tmp_path / "small.pt", {})
    acoustic.save(Blstm(BlstmConfig(cells=8, layers=1)), "blstm", tmp_path / "old.pt", {})
    options = ["--limit", "2", "--packs", "sung,librispeech", "--data", str(shared_data), "--json", "figures.json"]
    command = [sys.executable, "-m", "benchmarks.acoustics", "small.pt", "old.pt", *options]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert list(figures["models"]) == ["small", "old"]
    for model in figures["models"].values():
        assert list(model["packs"]) == ["sung", "librispeech"]
        assert all(pack["path"]["words"] > 5 and pack["per_greedy"] > 0.3 for pack in model["packs"].values())
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- acoustics -->\n<!-- /acoustics -->\nafter\n")
    engine_page.put(acoustics_page.BLOCK, acoustics_page.section([figures]), page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert acoustics_page.section([figures]) in done.stdout
    assert len({line.count("|") for line in text.splitlines() if line.startswith("| old | blstm")}) == 1
    assert "| small | starts, refined |" in text
    assert "| old | starts, refined |" not in text


def test_a_song_is_read_with_its_words_and_speech_with_its_phones(shared_data: Path) -> None:
    (song,) = read(shared_data / "eval" / "songs.zip", limit=1)
    assert len(song.spans) > 100
    assert song.phones == ()
    both = read(shared_data / "speech" / "librispeech-aligned.zip", limit=2, spread=True)
    assert len({one.key.split("-")[0] for one in both}) == 2  # from all over the pack: both speakers
    assert all(len(one.phones) > len(one.spans) for one in both)
    assert all(0 < one.spans.max() <= one.seconds for one in both)


def test_it_loads_where_only_what_training_needs_is_there() -> None:
    absent = ("numba", "scipy", "matplotlib", "mir_eval", "click", "imageio_ffmpeg", "platformdirs", "psutil")
    code = f"import sys\nfor name in {absent}:\n    sys.modules[name] = None\nimport benchmarks.acoustics"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


def test_the_tables_of_ingredients_hold_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = {f"within_{ms}": 0.5 + ms / 1000 for ms in acoustics.LIMITS_MS}
    pack = {"path": {"start": starts}, "blank": 0.25, "per_greedy": 0.125}
    models = {"everything": {"parameters": 2_000_000, "packs": {"songs": pack, "librispeech": pack}}}
    (tmp_path / "figures.json").write_text(json.dumps({"models": models}))
    (tmp_path / "everything.json").write_text(json.dumps({"steps": 77}))
    for name in ("ablation", "scaling"):
        text = (tmp_path / "page.md").read_text() if name == "scaling" else ""
        (tmp_path / "page.md").write_text(f"{text}<!-- {name} -->\n<!-- /{name} -->\n")
    for name, file in (("FIGURES", "kept.json"), ("PAGE", "page.md"), ("PICTURE", "scaling.png")):
        monkeypatch.setattr(ablation_page, name, tmp_path / file)
    monkeypatch.setattr(sys, "argv", ["page", str(tmp_path), str(tmp_path / "figures.json")])
    ablation_page.main()
    [row] = [line for line in (tmp_path / "page.md").read_text().splitlines() if line.startswith("| everything")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["everything", "77", "2.00", "80.0", "60.0", "-", "-", "-", "55.0", "52.5", "25.0", "12.5"]
    assert (tmp_path / "scaling.png").stat().st_size > 1000


def test_the_mean_of_two_networks_lies_between_them_and_is_of_one_kind(tmp_path: Path) -> None:
    one, two = CnnCtc(CnnConfig(width=16, kernels=(9,))), CnnCtc(CnnConfig(width=16, kernels=(9,)))
    for name, model in (("one", one), ("two", two), ("other", CnnCtc(CnnConfig(width=8, kernels=(9,))))):
        acoustic.save(model, "cnn", tmp_path / f"{name}.pt", {"name": name})
    mean(tmp_path / "one.pt", tmp_path / "two.pt", tmp_path / "mean.pt", 0.25)
    found = acoustic.read(tmp_path / "mean.pt")
    assert [found["card"][part]["name"] for part in ("first", "second")] == ["one", "two"]
    for name, weight in found["state"].items():
        between = 0.75 * one.state_dict()[name] + 0.25 * two.state_dict()[name]
        assert torch.allclose(weight.float(), between, atol=2e-3)
    with pytest.raises(WeightsError, match="not of the same network"):
        mean(tmp_path / "one.pt", tmp_path / "other.pt", tmp_path / "no.pt")
