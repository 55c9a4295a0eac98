"""The networks that came before: a deep CNN with CTC, and a bidirectional LSTM."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from aligner_core import acoustic
from aligner_core.acoustic.blstm import Blstm, BlstmConfig
from aligner_core.acoustic.cnn import SYMBOLS
from aligner_core.acoustic.windows import Windowed
from aligner_core.acoustic.zhang2017 import Maxout, Zhang2017, Zhang2017Config, slope
from aligner_core.audio import MELS, log_mel, normalise
from aligner_core.ctc import prior_ctc_loss
from aligner_core.viterbi import UNITS_PER_NAT

ZHANG = Zhang2017Config(maps=(8, 8, 8, 12), units=(32, 32))
PRELU = replace(ZHANG, activation="prelu")
BLSTM = BlstmConfig(cells=32, layers=2, context=200)
SMALL: dict[str, Zhang2017Config | BlstmConfig] = {"zhang2017": ZHANG, "zhang2017 with PReLU": PRELU, "blstm": BLSTM}
RELEASED: dict[str, Zhang2017Config | BlstmConfig] = {"zhang2017": Zhang2017Config(), "blstm": BlstmConfig()}


def made(config: Zhang2017Config | BlstmConfig) -> Windowed:
    torch.manual_seed(0)
    return (Zhang2017(config) if isinstance(config, Zhang2017Config) else Blstm(config)).eval()


@pytest.fixture(params=SMALL)
def model(request: pytest.FixtureRequest) -> Windowed:
    return made(SMALL[request.param])


def test_a_backend_fulfils_the_protocol(model: Windowed) -> None:
    assert isinstance(model, acoustic.AcousticModel)
    assert model.symbols == SYMBOLS


@pytest.mark.parametrize("samples", [1, 160, 161, 16123])
def test_there_is_a_distribution_for_every_frame(model: Windowed, samples: int) -> None:
    log_probs = model.log_probs(torch.randn(samples))
    assert log_probs.shape == (1 + samples // 160, len(SYMBOLS))
    assert torch.allclose(log_probs.exp().sum(-1), torch.ones(len(log_probs)), atol=1e-4)


@pytest.mark.parametrize("frames", [1, 2, 99, 100, 101, 997])
def test_windows_give_what_the_whole_gives(model: Windowed, monkeypatch: pytest.MonkeyPatch, frames: int) -> None:
    wave = torch.randn(160 * (frames - 1) + 7)
    with torch.inference_mode():
        whole = model(normalise(log_mel(wave))[None])[0].log_softmax(-1)
    monkeypatch.setattr("aligner_core.acoustic.windows.WINDOW_FRAMES", 100)
    assert torch.allclose(model.log_probs(wave), whole, atol=1e-4)


def test_a_frame_of_convolutions_depends_on_all_of_its_reach_and_nothing_beyond() -> None:
    model, features = made(ZHANG), torch.randn(1, 200, MELS)
    for beyond, same in ((1, True), (0, False)):
        changed = features.clone()
        changed[:, 100 + model.reach + beyond :] += 1
        changed[:, : 101 - model.reach - beyond] += 1
        with torch.inference_mode():
            assert torch.equal(model(features)[0, 100], model(changed)[0, 100]) == same


def test_a_cell_forgets_within_its_context() -> None:
    model = made(BlstmConfig())
    features = torch.randn(1, 3 * model.reach, MELS)
    with torch.inference_mode():
        whole = model(features)[0, model.reach : 2 * model.reach].log_softmax(-1)
        features[:, [0, -1]] += 10
        other = model(features)[0, model.reach : 2 * model.reach].log_softmax(-1)
    assert 0 < float((whole - other).abs().max()) < 1 / UNITS_PER_NAT


def test_a_checkpoint_describes_itself(model: Windowed, tmp_path: Path) -> None:
    backend = "blstm" if isinstance(model, Blstm) else "zhang2017"
    acoustic.save(model, backend, tmp_path / "m.pt", {"note": "a test"})
    loaded, wave = acoustic.load(tmp_path / "m.pt"), torch.randn(8000)
    assert loaded.config == model.config  # type: ignore[attr-defined]
    assert torch.allclose(loaded.log_probs(wave), model.log_probs(wave), atol=0.05)  # weights are kept in float16


@pytest.mark.parametrize("name", RELEASED)
def test_a_checkpoint_is_small(name: str, tmp_path: Path) -> None:
    acoustic.save(made(RELEASED[name]), name, tmp_path / "m.pt", {})
    assert 2 * 2**20 < (tmp_path / "m.pt").stat().st_size < 4 * 2**20


def test_the_paper_s_own_widths_can_be_had() -> None:
    config = Zhang2017Config(maps=(128,) * 4 + (256,) * 6, units=(1024,) * 3, dropout=0.3)
    assert Zhang2017(config)(torch.randn(2, 30, MELS)).shape == (2, 30, len(SYMBOLS))


def test_maxout_halves_channels_only() -> None:
    with pytest.raises(ValueError, match="maxout of 9 channels"):
        Zhang2017(replace(ZHANG, maps=(8, 9)))


@pytest.mark.parametrize("shape", [(2, 6, 5, 4), (2, 5, 6)])
def test_maxout_takes_the_larger_of_its_pieces(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    channels = 1 if len(shape) == 4 else 2
    first, second = x.tensor_split(2, channels)
    assert torch.equal(Maxout()(x), torch.stack([first, second]).amax(0))


@pytest.mark.parametrize("activation", ["maxout", "prelu"])
def test_a_signal_neither_dies_nor_explodes_on_its_way_through_all_layers(
    activation: Literal["maxout", "prelu"],
) -> None:
    model = made(Zhang2017Config(activation=activation))
    sizes: list[float] = []
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(lambda _, given, __: sizes.append(float(given[0].square().mean())))
    with torch.inference_mode():
        model(torch.randn(1, 100, MELS))
    assert all(0.1 < size < 10 for size in sizes), sizes


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_the_slope_of_a_line_is_its_slope(a: float, b: float) -> None:
    line = (a * torch.arange(20.0) + b).expand(1, 3, 20)
    assert torch.allclose(slope(line)[..., 2:-2], torch.full((1, 3, 16), a), atol=1e-4)


def test_the_slope_of_a_curve_is_that_of_the_regression_line() -> None:
    import numpy as np

    x = torch.randn(1, 1, 5, dtype=torch.float64)
    assert float(slope(x)[0, 0, 2]) == pytest.approx(np.polyfit(range(5), x[0, 0].numpy(), 1)[0])


def test_ctc_alone_teaches_it_more_than_blanks(model: Windowed) -> None:
    spoken, length = [5, 9, 20, 9], 8
    features = torch.zeros(1, len(spoken) * 2 * length, MELS)
    for at, phone in enumerate(spoken):  # each phone is a band, with a rest after it
        features[:, 2 * at * length : (2 * at + 1) * length, 3 * phone : 3 * phone + 4] = 3
    features += 0.1 * torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(model.parameters(), 6e-3)
    targets, lengths = torch.tensor([spoken]), (torch.tensor([features.shape[1]]), torch.tensor([len(spoken)]))
    for _ in range(300):
        if said(model(features)[0]) == spoken:
            break
        loss = prior_ctc_loss(model(features).transpose(0, 1), torch.zeros(len(SYMBOLS)), targets, *lengths)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    assert said(model(features)[0]) == spoken


def said(logits: Tensor) -> list[int]:
    return [symbol for symbol in torch.unique_consecutive(logits.argmax(-1)).tolist() if symbol]


def test_a_copy_of_the_network_hears_the_same_in_half_precision_too(model: Windowed) -> None:
    features = torch.randn(1, 50, MELS)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), warnings.catch_warnings():
        warnings.simplefilter("error")
        rough, copied = model(features), copy.deepcopy(model)(features)
    assert torch.equal(rough, copied)
    with torch.inference_mode():
        assert torch.allclose(rough.float(), model(features), atol=0.05)


@pytest.mark.gpu
def test_a_gpu_hears_what_the_processor_hears(model: Windowed) -> None:
    wave = torch.randn(160 * 400)
    here, there = model.log_probs(wave), copy.deepcopy(model).to("cuda").log_probs(wave)
    assert float((here - there).abs().max()) < 2e-2  # TF32
