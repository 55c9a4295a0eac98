"""Laws of hearing several sounds at once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core import acoustic
from aligner_core.acoustic.cnn import CnnConfig, CnnCtc
from aligner_core.acoustic.together import Together, cuts
from aligner_core.audio import HOP
from aligner_core.errors import AlignerError

DEVICES = ("cpu", pytest.param("cuda", marks=pytest.mark.gpu))
SMALL = CnnConfig(width=16, kernels=(3, 5), edge_width=8, chained=True)


def small(device: str = "cpu") -> CnnCtc:
    torch.manual_seed(0)
    return CnnCtc(SMALL).eval().to(device)


def noise(seconds: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    wave = torch.randn(int(16000 * seconds), generator=generator)
    return wave * torch.linspace(0.001, 0.3, len(wave))  # level differs, so that normalising the whole matters


@settings(max_examples=200, deadline=None)
@given(frames=st.integers(1, 5000), reach=st.integers(0, 40).map(lambda half: 2 * half), half=st.integers(1, 300))
def test_every_frame_is_kept_once_and_with_all_its_context(frames: int, reach: int, half: int) -> None:
    size = 2 * half
    found = cuts(frames, reach, size)
    assert [first for cut in found for first in range(cut.first, cut.last)] == list(range(frames))
    for cut in found:
        assert cut.begin % 2 == 0
        assert cut.begin <= max(cut.first - reach, 0)
        assert cut.end >= min(cut.last + reach, frames)
    if len(found) > 1:
        assert {cut.end - cut.begin for cut in found} <= {size + 2 * reach, size + 2 * reach - 1}


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_heard_together_is_what_is_heard_one_by_one(device: str) -> None:
    model, near = small(device), 1e-4 if device == "cpu" else 1e-2  # convolutions in TF32
    waves = [noise(seconds, at) for at, seconds in enumerate((0.01, 3, 31.5, 70.013, 64.2, 33.33, 34.0, 100))]
    together = Together(model, batch=3)
    found: dict[object, torch.Tensor] = {}
    for at, wave in enumerate(waves):
        together.add(at, wave)
        found |= dict(together.heard())
    together.flush()
    found |= dict(together.heard())
    assert together.waiting == 0
    for at, wave in enumerate(waves):
        alone = model.log_probs(wave)
        assert found[at].shape == alone.shape == (1 + len(wave) // HOP, model.width)
        assert (found[at] - alone).abs().max() < near


@pytest.mark.parametrize("device", DEVICES)
def test_company_makes_no_difference_to_the_bit(device: str) -> None:
    model, wave = small(device), noise(75, 1)
    tables = []
    for others in ((), (noise(80, 2),), (noise(40, 3), noise(90, 4), noise(3, 5))):
        together = Together(model, batch=4)
        for at, other in enumerate(others):
            together.add(at, other)
        together.add("it", wave)
        together.flush()
        tables.append(dict(together.heard())["it"])
    assert all(torch.equal(tables[0], table) for table in tables)


def test_a_full_batch_is_heard_without_being_asked() -> None:
    together = Together(small(), batch=2)
    together.add("long", noise(120, 1))
    assert together.waiting < 2 * 2  # two lengths at most, none of them full


def test_a_model_that_takes_no_windows_hears_each_by_itself() -> None:
    class Other:
        symbols, sample_rate, frame_seconds = ("sil", "a"), 16000, 0.02

        def log_probs(self, wave: torch.Tensor, progress: object = None) -> torch.Tensor:  # noqa: ARG002
            return torch.full((len(wave) // 320, 2), 0.5).log()

        def log_probs_of(self, blocks: object, progress: object = None) -> torch.Tensor:  # noqa: ARG002
            raise AlignerError("nobody asks for this")

    other = Other()
    assert isinstance(other, acoustic.AcousticModel)
    together = Together(other)
    together.add("it", torch.zeros(3200))
    assert dict(together.heard())["it"].shape == (10, 2)
