"""The attention aligner: where it looks becomes times in order, and it learns to look without being told when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_training import PLAIN, utterance, write_pack

from aligner_core import acoustic, weights
from aligner_core.acoustic.las import BOUNDARY, CLOSE, FLOOR, Las, LasConfig, in_frames, spans
from aligner_core.errors import AlignmentError, WeightsError
from aligner_core.training.align import Sounds
from aligner_core.training.attend import Trainer, off_diagonal, starts, wanted
from aligner_core.training.augment import MUSIC
from aligner_core.training.data import IGNORE
from aligner_core.training.losses import spoken
from aligner_core.training.plan import Plan

SMALL = LasConfig(cells=8, decoder=12, embedding=4, attention=6, filters=2, kernel=5, dropout=0.0)


def looked(*bounds: tuple[int, int], frames: int = 60) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Attention that is even over these spans, and a little everywhere."""
    rows = np.full((len(bounds), frames), 1e-3)
    for row, (begin, end) in zip(rows, bounds, strict=True):
        row[begin:end] = 1 / (end - begin)
    return rows


def test_the_spans_that_hold_the_attention_are_found() -> None:
    bounds = [(3, 8), (8, 12), (12, 20), (40, 45)]
    assert spans(looked(*bounds)).tolist() == [list(one) for one in bounds]


def test_a_short_gap_is_shared_and_a_long_one_is_a_pause() -> None:
    assert spans(looked((3, 8), (12, 20))).tolist() == [[3, 10], [10, 20]]
    assert spans(looked((3, 8), (8 + CLOSE, 40))).tolist() == [[3, 8], [8 + CLOSE, 40]]


@given(st.integers(0, 1000), st.integers(1, 6))
def test_spans_are_in_order_and_no_others_hold_more(seed: int, count: int) -> None:
    weights = np.random.default_rng(seed).dirichlet(np.full(14, 0.3), count)
    found = spans(weights)
    flat = found.flatten()
    assert (np.diff(flat) >= 0).all()
    assert flat[0] >= 0
    assert flat[-1] <= 14
    if count == 1:
        held = [weights[0, a:b].sum() - FLOOR * (b - a) for a in range(14) for b in range(a + 2, 15)]
        begin, end = found[0].astype(int)
        assert weights[0, begin:end].sum() - FLOOR * (end - begin) == pytest.approx(max(held))


def test_more_phones_than_the_frames_can_hold_are_refused() -> None:
    with pytest.raises(AlignmentError, match="3 phones need 6 frames, and there are 5"):
        spans(np.full((3, 5), 0.2))


def test_units_spread_over_their_frames_and_keep_their_place() -> None:
    weights = torch.zeros(1, 10)
    weights[0, 4] = 1.0
    spread = in_frames(weights, 4, 38)
    assert spread.shape == (1, 38)
    assert float(spread.sum()) == pytest.approx(1)
    assert float((spread[0] * torch.arange(38)).sum()) == pytest.approx(17.5)  # the middle of frames 16 to 19


def test_attention_is_a_share_for_each_phone_and_times_lie_in_the_sound() -> None:
    torch.manual_seed(1)
    model = Las(SMALL).eval()
    wave = torch.randn(16000) * 0.1
    weights = model.attend(wave, ["AA", "T", "IY"])
    assert weights.shape == (3, 101)
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    times = model.times(wave, ["AA", "T", "IY"])
    assert times.shape == (3, 2)
    assert times.min() >= 0
    assert times.max() <= 1.01


@pytest.mark.parametrize(("phones", "message"), [((), "none given"), (("AA", "X"), "not phones: X ")])
def test_what_is_no_phone_is_refused(phones: tuple[str, ...], message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        Las(SMALL).attend(torch.zeros(16000), phones)


def test_each_token_depends_on_those_before_it_alone() -> None:
    torch.manual_seed(2)
    model = Las(SMALL).eval()
    features, tokens = torch.randn(1, 40, 80), torch.tensor([[1, 2, 3, 4]])
    changed = torch.tensor([[1, 2, 9, 4]])
    first, second = model(features, tokens)[0], model(features, changed)[0]
    assert first[:, :3].equal(second[:, :3])
    assert not first[:, 3].equal(second[:, 3])


def test_a_checkpoint_says_what_it_is(tmp_path: Path) -> None:
    model = Las(SMALL).half().float().eval()
    acoustic.save(model, "las", tmp_path / "las.pt", {})
    again = acoustic.load_attending(tmp_path / "las.pt")
    wave = torch.randn(8000) * 0.1
    assert again.attend(wave, ["AA", "T"]).equal(model.attend(wave, ["AA", "T"]))
    with pytest.raises(WeightsError, match="hears nothing without a text"):
        acoustic.load(tmp_path / "las.pt")
    with pytest.raises(WeightsError, match="not an attention aligner"):
        acoustic.load_attending(weights.checkpoint())


def test_the_boundary_comes_after_the_last_phone() -> None:
    tokens, lengths = torch.tensor([[5, 6, 0], [7, 8, 9]]), torch.tensor([2, 3])
    targets = wanted(tokens, lengths, torch.tensor([True, True]))
    assert targets.tolist() == [[5, 6, BOUNDARY, IGNORE], [7, 8, 9, BOUNDARY]]
    assert wanted(tokens, lengths, torch.tensor([False, True]))[0].tolist() == [IGNORE] * 4


def test_attention_on_the_diagonal_costs_less_than_off_it() -> None:
    straight = torch.eye(8)[None]
    length = torch.tensor([8])
    assert float(off_diagonal(straight, length)) == 0
    assert float(off_diagonal(straight.flip(2), length)) > 0.5


def test_phones_begin_where_the_labels_change() -> None:
    labels = torch.tensor([0, 3, 3, 4, 0, 4, MUSIC, MUSIC])
    assert starts(labels).tolist() == [1, 3, 5]
    assert len(starts(labels)) == int(spoken(labels[None])[1])


def test_a_run_learns_to_spell_and_goes_on_where_it_was(tmp_path: Path) -> None:
    rows, waves = zip(*(utterance(i, timed=True) for i in range(60)), strict=True)
    write_pack(tmp_path / "synth-x.zip", list(rows), list(waves))
    noise = np.random.default_rng(9).normal(0, 0.1, 16000 * 12).astype(np.float32)
    write_pack(tmp_path / "music.zip", [{"id": f"b{i}", "text": "", "dur": 12.0} for i in range(4)], [noise] * 4)
    model = {"cells": 8, "decoder": 12, "embedding": 4, "attention": 6, "filters": 2, "kernel": 5, "dropout": 0.0}
    plan = Plan(
        ("synth-x.zip",), ("music.zip",), 12, crops=4, backend="las", model=model, recipe=PLAIN, warm_up=2,
        learning_rate=1e-2,
    )  # fmt: skip
    sounds = Sounds.of(plan, tmp_path, torch.device("cpu"))
    first = Trainer(replace(plan, steps=8), sounds, tmp_path / "out", torch.device("cpu"))
    losses = [float(first.train_step()) for _ in range(8)]
    assert losses[-1] < losses[0]
    first.step = 8
    first.save()
    second = Trainer(plan, sounds, tmp_path / "out", torch.device("cpu"))
    assert second.step == 8
    assert second.run()
    assert second.step == 12
    assert {"tokens", "within_100"} <= second.history[-1].keys()
    assert acoustic.load_attending(tmp_path / "out" / "las.pt").config.cells == 8
