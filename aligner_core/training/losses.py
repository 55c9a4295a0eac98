"""What a network in training is judged by: frames, CTC, ASG, edges, and the opinion of the one that it came from."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from aligner_core.acoustic.cnn import CnnCtc
from aligner_core.acoustic.windows import Windowed
from aligner_core.asg import asg_loss
from aligner_core.ctc import prior_ctc_loss

from .augment import MUSIC, Batch
from .data import IGNORE
from .plan import Objective, Plan

MEMORY = 0.99  # of the running mean of the posteriors, a step


class Losses(nn.Module):
    """The loss of a network on a batch, as one module, so that `DistributedDataParallel` can hold it.

    Args:
        network: what learns.
        teacher: what it learns from where there are no labels.

    Raises:
        ValueError: the network lacks what the objective needs.
    """

    log_prior: Tensor

    def __init__(self, network: Windowed, plan: Plan, teacher: Windowed | None = None) -> None:
        super().__init__()
        self.network, self.plan, self.teacher = network, plan, teacher
        if plan.objective == "asg" and getattr(network, "transitions", None) is None:
            raise ValueError("the objective asg needs a network with transitions: model.chained")
        count = len(network.symbols)
        self.register_buffer("log_prior", torch.full((count,), -float(torch.tensor(count).log())))

    def forward(self, batch: Batch, objective: Objective) -> Tensor:
        """The whole loss, ()."""
        self.network.train()
        with torch.autocast(batch.features.device.type, torch.bfloat16):
            logits, edges = self.network.hear(batch.features)
        logits = logits.float()
        if not self.plan.music_class:
            batch = batch._replace(labels=batch.labels.masked_fill(batch.labels == MUSIC, 0))
        loss: Tensor
        if objective == "frames":
            loss = self._frames(batch, logits)
        elif objective == "asg":
            loss = self._asg(batch, logits)
        else:
            loss = self._ctc(batch, logits, self.plan.prior if objective == "prior_ctc" else 0.0)
        if edges is not None:
            loss = loss + self.plan.edge_loss * edge_loss(edges.float(), batch.edges)
        return loss

    def _frames(self, batch: Batch, logits: Tensor) -> Tensor:
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORE, label_smoothing=self.plan.smoothing
        )
        return loss if self.teacher is None else loss + self._distilled(batch, logits, self.teacher)

    @staticmethod
    def _distilled(batch: Batch, logits: Tensor, teacher: Windowed) -> Tensor:
        """Cross-entropy against the teacher on the frames without labels, as a mean over all frames."""
        rows = (batch.labels == IGNORE).any(1)
        unknown = batch.labels[rows] == IGNORE
        with torch.no_grad(), torch.autocast(batch.features.device.type, torch.bfloat16):
            right = teacher(batch.features[rows]).float().softmax(-1)
        each = -(right * logits[rows].log_softmax(-1)).sum(-1)
        mean: Tensor = (each * unknown).sum() / batch.labels.numel()
        return mean

    def _ctc(self, batch: Batch, logits: Tensor, scale: float) -> Tensor:
        """CTC on the crops that are labelled throughout, a mean over their frames."""
        targets, lengths = spoken(batch.labels)
        known = (batch.labels != IGNORE).all(1)
        with torch.no_grad():
            now = logits.softmax(-1).mean((0, 1)).clamp(min=1e-8).log()
            self.log_prior.copy_(torch.logaddexp(self.log_prior + _log(MEMORY), now + _log(1 - MEMORY)))
        frames = logits.shape[1]
        losses = prior_ctc_loss(
            logits.transpose(0, 1), self.log_prior, targets, torch.full_like(lengths, frames), lengths,
            scale=scale, reduction="none", zero_infinity=True,
        )  # fmt: skip
        loss: Tensor = (losses * known).sum() / (known.sum().clamp(min=1) * frames)
        return loss

    def _asg(self, batch: Batch, logits: Tensor) -> Tensor:
        """ASG on the crops that are labelled throughout, a mean over their frames; silence and music are said, too."""
        known = (batch.labels != IGNORE).all(1)
        frames = torch.full_like(batch.labels[:, 0], logits.shape[1], dtype=torch.long)
        said = batch.labels.clamp(min=0).long()
        transitions = cast(Tensor, self.network.transitions)
        losses = asg_loss(logits.transpose(0, 1), transitions, said, frames, frames, reduction="none")
        loss: Tensor = (losses * known).sum() / (known.sum().clamp(min=1) * logits.shape[1])
        return loss


class EdgeLoss(nn.Module):
    """The loss of the head for edges of a network that stays as it is, as `Losses`.

    Raises:
        ValueError: there is no such head.
    """

    def __init__(self, network: CnnCtc) -> None:
        super().__init__()
        if network.edges is None:
            raise ValueError("head_steps needs a network with a head for edges: model.edge_width")
        self.network, self.head = network, network.edges

    def forward(self, batch: Batch) -> Tensor:
        """The loss, ()."""
        self.network.eval()
        self.head.train()
        with torch.autocast(batch.features.device.type, torch.bfloat16):
            with torch.no_grad():
                embedded = self.network.embed(batch.features)
            edges = self.head(batch.features, embedded)
        return edge_loss(edges.float(), batch.edges)


def edge_loss(log_odds: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of the edges of all kinds, a mean over the frames whose edges are known.

    Shape:
        both (batch, frames, kinds), targets NaN where not known -> ()
    """
    known = ~targets.isnan()
    each = nn.functional.binary_cross_entropy_with_logits(log_odds, targets.nan_to_num(0.0), reduction="none")
    return (each * known).sum() / known[..., 0].sum().clamp(min=1)


def spoken(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The phones that frame labels hold, one after the other; neighbours of the same phone count as one.

    Shape:
        (batch, frames) -> (batch, most phones), padded with 0, and how many, (batch,)
    """
    begins = begun(labels)
    lengths = begins.sum(1)
    targets = torch.zeros(len(labels), max(int(lengths.max()), 1), dtype=torch.long, device=labels.device)
    row, frame = begins.nonzero(as_tuple=True)
    targets[row, begins.cumsum(1)[row, frame] - 1] = labels[row, frame]
    return targets, lengths


def begun(labels: Tensor) -> Tensor:
    """Whether a phone of `spoken` begins in a frame; the same shape (..., frames)."""
    begins = torch.ones_like(labels, dtype=torch.bool)
    begins[..., 1:] = labels[..., 1:] != labels[..., :-1]
    return begins & (labels > 0) & (labels != MUSIC)


def _log(value: float) -> float:
    return float(torch.tensor(value).log())
