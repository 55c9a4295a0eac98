"""One process a GPU, started by `torchrun`: who this process is, and what all of them decide together."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


class Team:
    """The processes of a run, of which there may be one only.

    Args:
        device: where to work; "cuda" becomes this process's own.

    Attributes:
        rank, size: which process this is, of how many.
    """

    def __init__(self, device: str) -> None:
        self.rank, self.size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        own = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" else device
        self.device = torch.device(own)

    def __enter__(self) -> Self:
        if self.size > 1:
            if self.device.type == "cuda":
                torch.cuda.set_device(self.device)
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.size > 1:
            dist.destroy_process_group()

    @property
    def leads(self) -> bool:
        """Whether it is this process that measures, prints and saves."""
        return self.rank == 0

    def wrapped(self, losses: nn.Module) -> nn.Module:
        """A module that averages the gradients of all processes."""
        if self.size == 1:
            return losses
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(losses, device_ids=devices)

    def agreed(self, value: float) -> float:
        """The first process's value: clocks differ, and all must stop at the same step."""
        if self.size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return float(shared)
