"""Who reads the sounds of speech and song without a text: the network of the aligner, and what sounds follow others.

A held vowel passes for several to a network alone, frame by frame. So a beam search with a trigram model of sounds
listens, as is usual where phone errors are told; the weight of that model and what each sound costs are chosen on other
voices, half of them speaking and half singing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from aligner_core.acoustic import AcousticModel
from aligner_core.evidence import phone_names
from aligner_core.metrics import phone_error_rate
from aligner_core.ngram import NGram
from aligner_core.recognise import beam_search, voices
from aligner_core.training.data import manifest
from benchmarks import recordings
from benchmarks.guide_sound import Take, dictionary

TEXTS, VOICES = "speech/librispeech-clean-5.zip", "eval/synth-held-out-voices.zip"
WEIGHTS, COSTS = (0.5, 1.0, 1.5), (1.0, 2.0, 3.0, 4.0)  # of the trigrams; nats for each sound
BEAM = 8
CHOSEN_ON = 24  # recordings of speech, and as many of song


class Listener:
    """Reads sounds.

    Args:
        model: the network.
        root: folder of the packs.

    Attributes:
        weight, cost: as chosen.
        errors: phone error of the speech and the song that they were chosen on.
    """

    def __init__(self, model: AcousticModel, root: Path) -> None:
        self.model = model
        self.names = ("", *phone_names(model.symbols))
        number = {name: at for at, name in enumerate(self.names)}
        texts = [dictionary(entry.row["text"]) for entry in manifest([root / TEXTS])]
        self.trigrams = NGram.of([[number[phone] for phone in row] for row in texts], len(self.names), 3)
        both = [self._heard(rows) for rows in _chosen_on(root / VOICES)]
        found = {}
        for weight, cost in product(WEIGHTS, COSTS):
            self.weight, self.cost = weight, cost
            found[weight, cost] = [phone_error_rate(said, self.read(scores)) for said, scores in both]
        self.weight, self.cost = min(found, key=lambda pair: sum(found[pair]))
        self.errors = dict(zip(("speech", "song"), found[self.weight, self.cost], strict=True))

    def told(self) -> dict[str, float]:
        """What was chosen, and how well it reads what it was chosen on."""
        return {"weight": self.weight, "cost": self.cost} | self.errors

    def _heard(self, rows: Sequence[recordings.Recording]) -> tuple[list[tuple[str, ...]], list[Tensor]]:
        return [one.phones for one in rows], [
            voices(self.model.log_probs(one.samples), self.model.symbols) for one in rows
        ]

    def read(self, scores: Sequence[Tensor]) -> list[list[str]]:
        """The sounds in each table (frames, 1 + phones) of `recognise.voices`."""
        found = beam_search(scores, BEAM, self.cost, self.trigrams.scaled(self.weight))
        return [[self.names[at] for at in best[0].labels] for best in found]

    def error(self, takes: Iterable[Take]) -> float:
        """Share of the sounds that are lost, added or taken for others."""
        takes = list(takes)
        scores = [voices(self.model.log_probs(torch.from_numpy(one.heard)), self.model.symbols) for one in takes]
        return phone_error_rate([one.phones for one in takes], self.read(scores))


def _chosen_on(pack: Path) -> list[list[recordings.Recording]]:
    """Some that speak, some that sing."""
    entries = manifest([pack])
    names = [{one.row["id"] for one in entries if bool(one.row.get("notes")) == sung} for sung in (False, True)]
    found = recordings.read(pack)
    return [[one for one in found if one.key in group][:CHOSEN_ON] for group in names]
