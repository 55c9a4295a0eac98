"""Activation maps are what their formulas say, add up, and lie where the sound is."""

from __future__ import annotations

import itertools
import json
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from aligner_core import acoustic
from aligner_core.acoustic.cnn import SYMBOLS, CnnConfig, CnnCtc
from aligner_core.activation import (
    Map,
    Sound,
    cam,
    grad_cam,
    inside,
    integrated_gradients,
    joined,
    moved_edges,
    over_time,
    score,
    sounds_of,
)
from aligner_core.audio import MELS, log_mel, normalise
from aligner_core.errors import AlignmentError
from aligner_core.timeline import Phone, Syllable, Word
from aligner_core.training.data import frame_labels

PACK = Path(__file__).resolve().parents[2] / "shared" / "data" / "eval" / "synth-held-out-voices.zip"
SOUNDS = [Sound(3, 5, 9), Sound(17, 9, 20), Sound(8, 26, 30)]


@pytest.fixture(scope="module")
def model() -> CnnCtc:
    torch.manual_seed(1)
    network = CnnCtc(CnnConfig(width=12, kernels=(3, 5))).eval()
    with torch.no_grad():
        network.edge.scale.fill_(1.0)
    return network


@pytest.fixture(scope="module")
def features() -> torch.Tensor:
    return torch.randn(40, MELS, generator=torch.Generator().manual_seed(2))


def test_cam_is_the_logit_but_for_the_bias(model: CnnCtc, features: torch.Tensor) -> None:
    columns = [3, 17, 8]
    logits = model(features[None])[0].detach()
    expected = (logits - model.head.bias.detach())[:, columns].T
    torch.testing.assert_close(cam(model, features, columns), expected)


def test_grad_cam_of_the_last_layer_is_what_cam_has_above_zero(model: CnnCtc, features: torch.Tensor) -> None:
    found = grad_cam(model, features, SOUNDS)
    whole = cam(model, features, [one.column for one in SOUNDS]).clamp(min=0)
    torch.testing.assert_close(found, whole)


def test_contributions_add_up_to_the_score_beside_an_even_sound(model: CnnCtc, features: torch.Tensor) -> None:
    even = torch.zeros_like(features)[None]
    maps = list(integrated_gradients(model, features, SOUNDS, steps=64, context=100))
    with torch.inference_mode():
        expected = score(model(features[None]).expand(3, -1, -1), SOUNDS) - score(model(even).expand(3, -1, -1), SOUNDS)
    sums = torch.stack([one.values.sum() for one in maps])
    torch.testing.assert_close(sums, expected, rtol=1e-2, atol=1e-4)


def test_a_map_of_one_step_is_the_slope_half_way(model: CnnCtc, features: torch.Tensor) -> None:
    """The gradient against finite differences, in some places."""
    sound = SOUNDS[1]
    (found,) = integrated_gradients(model, features, [sound], steps=1, context=100)
    double = CnnCtc(model.config).double().eval()
    double.load_state_dict(model.state_dict())
    half = features.double() / 2
    for frame, band in [(12, 3), (15, 40), (19, 70), (2, 11)]:
        step = torch.zeros_like(half)
        step[frame, band] = 1e-5
        with torch.inference_mode():
            up, down = (score(double((half + sign * step)[None]), [sound])[0] for sign in (1, -1))
        expected = float((up - down) / 2e-5) * float(features[frame, band])
        assert float(found.values[band, frame]) == pytest.approx(expected, rel=1e-3, abs=1e-7)


def test_sounds_in_batches_have_the_maps_that_they_have_alone(
    model: CnnCtc, features: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = list(integrated_gradients(model, features, SOUNDS, steps=2, context=100))
    monkeypatch.setattr("aligner_core.activation.TOGETHER", 1)
    for one, found in zip(SOUNDS, together, strict=True):
        (alone,) = integrated_gradients(model, features, [one], steps=2, context=100)
        torch.testing.assert_close(alone.values, found.values)


def test_a_sound_after_the_end_is_refused(model: CnnCtc, features: torch.Tensor) -> None:
    with pytest.raises(AlignmentError, match="a sound in frame 40, and there are 40"):
        next(integrated_gradients(model, features, [SOUNDS[0], Sound(3, 40, 44)]))


def test_a_word_is_the_sum_of_its_sounds() -> None:
    maps = [Map(0, torch.ones(MELS, 4)), Map(2, 2 * torch.ones(MELS, 3))]
    assert joined(maps, 6)[7].tolist() == [1, 1, 3, 3, 2, 0]


def test_over_time_is_a_share_of_what_speaks_for_the_sound() -> None:
    values = torch.tensor([[1.0, -5.0, 2.0], [1.0, 0.0, 0.0]])
    assert over_time(values).tolist() == [0.5, 0, 0.5]
    assert inside(Map(10, values), Sound(1, 11, 13)) == 0.5
    assert inside(Map(10, values), Sound(1, 11, 13), margin=1) == 1.0


def test_a_word_has_the_sounds_of_its_phones(model: CnnCtc) -> None:
    word = Word(
        "at", 0.1, 0.3, syllables=(Syllable("at", 0.1, 0.3, phones=(Phone("AE", 0.1, 0.2), Phone("T", 0.2, 0.3))),)
    )
    assert sounds_of(word, model) == [Sound(SYMBOLS.index("AE"), 10, 20), Sound(SYMBOLS.index("T"), 20, 30)]
    with pytest.raises(AlignmentError, match="'at' has no phones with times"):
        sounds_of(Word("at", 0.1, 0.3), model)


def test_edges_move_to_where_the_evidence_turns() -> None:
    activity = np.zeros((2, 30))
    activity[0, 5:13], activity[1, 13:20] = 1.0, 1.0
    edges = moved_edges(activity, [Sound(0, 7, 11), Sound(1, 11, 22)])
    assert edges[0, 0] == pytest.approx(4.5)
    assert edges[0, 1] == edges[1, 0] == pytest.approx(12, abs=1)
    assert edges[1, 1] == pytest.approx(19.5)


@pytest.mark.parametrize("seed", range(20))
def test_moved_edges_stay_in_order_and_near(seed: int) -> None:
    random = np.random.default_rng(seed)
    cuts = np.sort(random.choice(np.arange(1, 60), 8, replace=False))
    sounds = [Sound(0, int(a), int(b)) for a, b in itertools.pairwise(cuts) if random.random() < 0.8]
    edges = moved_edges(random.normal(size=(len(sounds), 60)), sounds, near=4)
    assert (np.diff(edges.flatten()) >= 0).all()
    old = np.array([(one.start, one.end) for one in sounds])
    assert np.abs(edges - old).max() <= 5


@pytest.mark.shared
def test_maps_lie_where_the_sound_is() -> None:
    """A quarter and more of what speaks for a sound lies within 20 ms of its span, a fifteenth of the window, on
    rendered speech; of the map of another sound, a fraction of that."""
    if not PACK.exists():
        pytest.skip(f"no {PACK.name} beside the project")
    network = acoustic.load()
    assert isinstance(network, CnnCtc)
    with zipfile.ZipFile(PACK) as pack:
        row = json.loads(pack.read("manifest.jsonl").decode().splitlines()[0])
        wave, _ = soundfile.read(BytesIO(pack.read(f"{row['id']}.ogg")), dtype="float32")
    sound = normalise(log_mel(torch.from_numpy(wave)))[:320]
    labels = frame_labels(row["seg"], 1 + len(wave) // 160)[:320]
    begins = np.flatnonzero(np.diff(labels, prepend=-9))
    spoken = [
        Sound(int(labels[a]), int(a), int(b)) for a, b in itertools.pairwise(begins) if labels[a] > 0 and b - a >= 5
    ][:12]
    maps = list(integrated_gradients(network, sound, spoken, steps=6))
    right = [inside(one, which, 2) for one, which in zip(maps, spoken, strict=True)]
    shuffled = [inside(one, which, 2) for one, which in zip(maps, spoken[3:] + spoken[:3], strict=True)]
    assert np.mean(right) > 0.25
    assert np.mean(right) > 4 * np.mean(shuffled)
