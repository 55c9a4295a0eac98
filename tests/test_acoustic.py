"""The network, its windows and its checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aligner_core import acoustic
from aligner_core.acoustic.cnn import EDGES, CnnConfig, CnnCtc
from aligner_core.audio import log_mel, normalise
from aligner_core.errors import WeightsError

SMALL = CnnConfig(width=16, kernels=(9, 15, 31))


def small_model(edge_width: int = 0) -> CnnCtc:
    torch.manual_seed(0)
    return CnnCtc(replace(SMALL, edge_width=edge_width)).eval()


def test_a_backend_fulfils_the_protocol() -> None:
    assert isinstance(small_model(), acoustic.AcousticModel)


@pytest.mark.parametrize("samples", [1, 160, 161, 16000, 16123])
def test_there_is_a_distribution_for_every_frame(samples: int) -> None:
    log_probs = small_model().log_probs(torch.randn(samples))
    assert log_probs.shape == (1 + samples // 160, len(SMALL.symbols))
    assert torch.allclose(log_probs.exp().sum(-1), torch.ones(len(log_probs)), atol=1e-4)


def test_windows_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    model, wave = small_model(), torch.randn(160 * 997)
    with torch.inference_mode():
        whole = model(normalise(log_mel(wave))[None])[0].log_softmax(-1)
    monkeypatch.setattr("aligner_core.acoustic.windows.WINDOW_FRAMES", 100)
    assert torch.allclose(model.log_probs(wave), whole, atol=1e-4)


def test_a_head_for_edges_adds_their_log_odds_to_what_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    model, wave = small_model(edge_width=8), torch.randn(160 * 997)
    with torch.inference_mode():
        logits, edges = model.hear(normalise(log_mel(wave))[None])
    assert edges is not None
    monkeypatch.setattr("aligner_core.acoustic.windows.WINDOW_FRAMES", 100)
    heard = model.log_probs(wave)
    assert heard.shape[1] == model.width == len(SMALL.symbols) + len(EDGES)
    assert torch.allclose(heard, torch.cat([logits[0].log_softmax(-1), edges[0]], -1), atol=1e-4)


def test_a_frame_depends_on_nothing_beyond_the_reach() -> None:
    model, features = small_model(), torch.randn(1, 1000, 80)
    changed = features.clone()
    changed[:, 500 + model.reach + 1 :] += 1
    changed[:, : 500 - model.reach] += 1
    with torch.inference_mode():
        assert torch.equal(model(features)[0, 500], model(changed)[0, 500])


def test_a_checkpoint_describes_itself(tmp_path: Path) -> None:
    model, wave = small_model(), torch.randn(8000)
    acoustic.save(model, "cnn", tmp_path / "m.pt", {"note": "a test"})
    loaded = acoustic.load(tmp_path / "m.pt")
    assert loaded.symbols == model.symbols
    assert torch.allclose(loaded.log_probs(wave), model.log_probs(wave), atol=0.05)  # weights are kept in float16
    assert acoustic.read(tmp_path / "m.pt")["card"] == {"note": "a test"}


@pytest.mark.parametrize("content", [b"", b"junk" * 99])
def test_a_damaged_checkpoint_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pt").write_bytes(content)
    with pytest.raises(WeightsError, match=r"m\.pt: damaged, or not a checkpoint"):
        acoustic.load(tmp_path / "m.pt")


def test_a_truncated_checkpoint_is_told(tmp_path: Path) -> None:
    acoustic.save(small_model(), "cnn", tmp_path / "m.pt", {})
    whole = (tmp_path / "m.pt").read_bytes()
    (tmp_path / "m.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="damaged"):
        acoustic.load(tmp_path / "m.pt")


def test_a_missing_checkpoint_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such checkpoint"):
        acoustic.load(tmp_path / "m.pt")


def test_a_foreign_checkpoint_is_told(tmp_path: Path) -> None:
    torch.save({"format": 99}, tmp_path / "m.pt")
    with pytest.raises(WeightsError, match="not a checkpoint of this version"):
        acoustic.load(tmp_path / "m.pt")


def test_a_checkpoint_of_other_sizes_is_told(tmp_path: Path) -> None:
    acoustic.save(small_model(), "cnn", tmp_path / "m.pt", {})
    data = acoustic.read(tmp_path / "m.pt")
    data["config"]["width"] = 32
    torch.save(data, tmp_path / "m.pt")
    with pytest.raises(WeightsError, match="does not fit its network"):
        acoustic.load(tmp_path / "m.pt")


def test_an_absent_device_is_told(tmp_path: Path) -> None:
    acoustic.save(small_model(), "cnn", tmp_path / "m.pt", {})
    with pytest.raises(WeightsError, match="device nonsense"):
        acoustic.load(tmp_path / "m.pt", "nonsense")
