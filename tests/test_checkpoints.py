"""A checkpoint is written whole or not at all, and gives the network back that it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from aligner_core.checkpoints import built, described, placed, read, tuples, write
from aligner_core.errors import WeightsError
from aligner_core.training.runs import follow


@dataclass(frozen=True)
class Sizes:
    widths: tuple[int, ...] = (3, 2)


class Small(nn.Module):
    config_type = Sizes

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.config = config
        self.layer = nn.Linear(config.widths[0], config.widths[1])


def test_a_network_comes_back_with_its_sizes_and_its_weights_in_float16(tmp_path: Path) -> None:
    model = Small(Sizes((4, 5)))
    write(described(model), tmp_path / "a.pt")
    again = built(Small, read(tmp_path / "a.pt"), "a.pt")
    assert isinstance(again, Small)
    assert again.config == Sizes((4, 5))
    assert again.layer.weight.equal(model.layer.weight.half().float())
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_what_cannot_be_written_leaves_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write({"step": 1}, tmp_path / "a.pt")

    def full(data: object, path: Path) -> None:
        path.write_bytes(b"half of ")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        write({"step": 2}, tmp_path / "a.pt")
    assert read(tmp_path / "a.pt") == {"step": 1}


def test_other_sizes_and_other_devices_are_refused_in_a_line() -> None:
    data = described(Small(Sizes()))
    with pytest.raises(WeightsError, match=r"^here: does not fit its network: .*$"):
        built(Small, data | {"config": {"widths": [9, 9]}}, "here")
    with pytest.raises(WeightsError, match="device nowhere"):
        placed(Small(Sizes()), "nowhere")


def test_lists_are_tuples_at_any_depth() -> None:
    assert tuples({"a": [1, 2], "b": {"c": [3]}, "d": "[4]"}) == {"a": (1, 2), "b": {"c": (3,)}, "d": "[4]"}


def test_the_average_follows_quickly_at_first_and_slowly_then() -> None:
    average, network = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.zeros_(average.weight)
    nn.init.ones_(network.weight)
    average.requires_grad_(requires_grad=False)
    follow(average, network, 0.99, 1)
    assert float(average.weight) == pytest.approx(1 - 2 / 11)
    follow(average, network, 0.99, 10_000)
    assert float(average.weight) == pytest.approx(1 - 2 / 11 * 0.99)
