"""A network learns transitions by ASG, keeps them in its checkpoint, and is heard like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aligner_core import acoustic
from aligner_core.acoustic.cnn import SYMBOLS, CnnConfig, CnnCtc
from aligner_core.asg import asg_loss
from aligner_core.audio import MELS
from aligner_core.training.augment import MUSIC, Batch
from aligner_core.training.data import IGNORE
from aligner_core.training.losses import Losses
from aligner_core.training.plan import Plan
from benchmarks.ablation import INGREDIENTS

PLAN = Plan(
    ("a.zip",), ("b.zip",), 10, objective="asg", model={"width": 8, "kernels": (3,), "dropout": 0.0, "chained": True}
)


def batch(size: int = 3, frames: int = 40) -> Batch:
    """Crops with runs of labels, the last of which has a frame that is not known."""
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(size, frames, MELS, generator=generator)
    labels = torch.randint(0, MUSIC + 1, (size, frames // 5), generator=generator).repeat_interleave(5, 1)
    labels[-1, 7] = IGNORE
    return Batch(features, labels, torch.full((size, frames, 3), torch.nan))


def test_the_loss_is_asg_of_the_runs_of_labels_where_all_are_known() -> None:
    torch.manual_seed(2)
    network = PLAN.network()
    assert isinstance(network, CnnCtc)
    assert network.transitions is not None
    crops = batch()
    with torch.autocast("cpu", torch.bfloat16):
        logits = network.hear(crops.features)[0].float().transpose(0, 1)
    loss = Losses(network, PLAN)(crops, "asg")
    loss.backward()
    assert network.transitions.grad is not None
    assert float(network.transitions.grad.abs().sum()) > 0
    frames = torch.full((2,), 40)
    expected = asg_loss(logits[:, :2], network.transitions, crops.labels[:2], frames, frames, reduction="sum")
    torch.testing.assert_close(loss, expected / 80)


def test_a_network_without_transitions_is_refused() -> None:
    plain = replace(PLAN, model={"width": 8, "kernels": (3,)})
    network = plain.network()
    assert isinstance(network, CnnCtc)
    with pytest.raises(ValueError, match="asg needs a network with transitions"):
        Losses(network, plain)


def test_transitions_stay_in_the_checkpoint_and_count_in_what_is_heard(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = CnnCtc(CnnConfig(width=8, kernels=(3,), chained=True)).eval()
    assert network.transitions is not None
    with torch.no_grad():
        network.transitions.copy_(4 * torch.eye(len(SYMBOLS)))
    acoustic.save(network, "cnn", tmp_path / "asg.pt", {})
    again = acoustic.load(tmp_path / "asg.pt")
    wave = 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(4))
    heard = again.log_probs(wave)
    torch.testing.assert_close(heard.exp().sum(1), torch.ones(101))
    with torch.no_grad():
        network.transitions.zero_()
    changes = [int((x.argmax(1)[1:] != x.argmax(1)[:-1]).sum()) for x in (heard, network.log_probs(wave))]
    assert changes[0] < changes[1]  # who likes to stay changes less often


def test_windows_hear_what_the_whole_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    network = CnnCtc(CnnConfig(width=8, kernels=(3,), chained=True)).eval()
    assert network.transitions is not None
    with torch.no_grad():
        network.transitions.copy_(torch.randn(len(SYMBOLS), len(SYMBOLS)))
    wave = 0.1 * torch.randn(16000 * 6, generator=torch.Generator().manual_seed(6))
    whole = network.log_probs(wave)
    monkeypatch.setattr("aligner_core.acoustic.windows.WINDOW_FRAMES", 150)
    torch.testing.assert_close(network.log_probs(wave), whole, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["ASG instead of frames", "ASG, after frames"])
def test_the_ablation_has_networks_for_asg(name: str) -> None:
    plan = INGREDIENTS[name](replace(PLAN, objective="frames", model={"width": 8, "kernels": (3,)}))
    network = plan.network()
    assert isinstance(network, CnnCtc)
    assert Losses(network, plan).plan.objective == "asg"
