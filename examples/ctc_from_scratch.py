"""CTC, from nothing to an aligned word, on a page: `python examples/ctc_from_scratch.py [-o ctc.html]`.

A small recurrent network learns to spell one word of the song beside this file, once with CTC, once with CTC with label
priors, and once with ASG; under a minute on a CPU. The page shows before, during and after: the probability of each
letter over time, all paths that spell the word and the best of them, and how much of the time the blank takes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from aligner_core import audio
from aligner_core.asg import asg_band, asg_loss, log_shares, merged
from aligner_core.ctc import ctc_band, ctc_loss, prior_ctc_loss
from aligner_core.recursion import Paths, band_paths, best_states
from plugin.panels import Picture, Stage, page, png

HERE = Path(__file__).resolve().parent
WORD = "sweet"  # its double letter needs a blank between
JOINED = 2  # frames of 10 ms that the network hears as one
STEPS = 150
PAUSES = {"before": 0, "after 15 steps": 15, "after 60 steps": 60, f"after {STEPS} steps": STEPS}
MEMORY = 0.8  # of the running mean of the posteriors, a step; the prior
TEXTS = {
    "CTC": (
        "The states of the word are its letters with a blank around each. Before training all paths are about alike, "
        "and as every second state is a blank, no symbol is on more of them: the blank gets more of the gradient than "
        "any letter, and is learnt first. After that a letter need only be heard in one frame, and nothing says in "
        "which: that the letters are right does not mean that their times are."
    ),
    "CTC with label priors": (
        "The posteriors are divided by how often the network says each symbol (to the power of 0.5), so what it says "
        "all the time is worth less, the blank first of all. The loss is no probability any more and may be below 0."
    ),
    "ASG": (
        "No blank at all: each frame is a letter, transitions between letters are learnt, and all that can be said is "
        "compared with all paths. A letter lasts until the next begins; a double letter is one that goes on."
    ),
}


class Rnn(nn.Module):
    """Log-mels (frames, mels) to scores (frames, 1, symbols)."""

    def __init__(self, mels: int, symbols: int) -> None:
        super().__init__()
        self.gru = nn.GRU(mels, 48, bidirectional=True)
        self.head = nn.Linear(96, symbols)
        self.transitions = nn.Parameter(torch.zeros(symbols, symbols))  # of ASG; the others leave it alone

    def forward(self, sound: Tensor) -> Tensor:
        """See the class."""
        scores: Tensor = self.head(self.gru(sound[:, None])[0])
        return scores


class Lesson:
    """A network that learns to spell `WORD` by one criterion.

    Args:
        kind: a key of `TEXTS`.
        sound: normalised log-mels (frames, mels).
    """

    def __init__(self, kind: str, sound: Tensor) -> None:
        torch.manual_seed(1)
        self.kind, self.sound = kind, sound
        letters = sorted(set(WORD))
        self.symbols = letters if kind == "ASG" else ["blank", *letters]
        self.target = torch.tensor([[self.symbols.index(letter) for letter in WORD]])
        self.lengths = torch.tensor([len(sound)]), torch.tensor([len(WORD)])
        self.network = Rnn(sound.shape[1], len(self.symbols))
        self.prior = torch.full((len(self.symbols),), 1 / len(self.symbols))

    def loss(self, scores: Tensor) -> Tensor:
        """Of scores (frames, 1, symbols)."""
        if self.kind == "ASG":
            return asg_loss(scores, self.network.transitions, self.target, *self.lengths)
        if self.kind == "CTC":
            return ctc_loss(scores.log_softmax(-1), self.target, *self.lengths)
        self.prior = MEMORY * self.prior + (1 - MEMORY) * scores.detach().softmax(-1).mean((0, 1))
        return prior_ctc_loss(scores, self.prior.log(), self.target, *self.lengths, scale=0.5)

    def learn(self, say: Callable[[str], None]) -> list[Stage]:
        """What is heard at each of `PAUSES`."""
        optimiser = torch.optim.Adam(self.network.parameters(), 2e-3)
        stages = []
        for step in range(STEPS + 1):
            scores = self.network(self.sound)
            loss = self.loss(scores)
            for name, pause in PAUSES.items():
                if step == pause:
                    stages.append(self.stage(name, scores.detach()))
                    say(f"{self.kind}, {name}: loss {loss.item():.3f}, blank {100 * self.blank(stages[-1]):.0f} %")
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return stages

    def stage(self, name: str, scores: Tensor) -> Stage:
        """Probabilities, trellis and best path of these scores."""
        if self.kind == "ASG":
            transitions = self.network.transitions.detach()
            likely = log_shares(scores, transitions)
            band = asg_band(scores, transitions, *merged(self.target, self.lengths[1]))
        else:
            likely = scores.log_softmax(-1)
            weighed = likely if self.kind == "CTC" else likely - 0.5 * self.prior.log()
            band = ctc_band(weighed, self.target, self.lengths[1], 0)
        paths: Paths = band_paths(*band, self.lengths[0])
        return Stage(name, likely[:, 0].exp().numpy(), paths.states[:, 0].numpy(), best_states(*band))

    def blank(self, stage: Stage) -> float:
        """Share of the frames in which the blank is the likeliest."""
        return float((stage.likely.argmax(1) == 0).mean()) if self.symbols[0] == "blank" else 0.0

    def picture(self, stages: list[Stage], start: float) -> Picture:
        """The lesson as a figure."""
        states = [symbol for letter in WORD for symbol in ("-", letter)] + ["-"]
        if self.kind == "ASG":
            states = [letter for at, letter in enumerate(WORD) if at == 0 or letter != WORD[at - 1]]
        shares = ", ".join(f"{stage.name} {100 * self.blank(stage):.0f} %" for stage in stages)
        told = TEXTS[self.kind] + (f" The blank is the likeliest: {shares} of the time." if self.kind != "ASG" else "")
        step = JOINED * audio.FRAME_SECONDS
        return Picture(self.kind, told, self.sound.T.numpy(), self.symbols, states, stages, start=start, step=step)


def sound_of(word: str) -> tuple[Tensor, float]:
    """Normalised log-mels (frames, mels) of a word of the song, and where it begins, in seconds."""
    truth = json.loads((HERE / "amazing-grace.truth.json").read_text(encoding="utf-8"))
    words = [one for line in truth["lines"] for one in line.get("words", [])]
    (start, end) = next((one["start"], one["end"]) for one in words if one["text"] == word)
    rate = audio.SAMPLE_RATE
    wave = audio.load(HERE / "amazing-grace.mp3")[int(start * rate) : int(end * rate)]
    features = audio.normalise(audio.log_mel(wave))
    frames = len(features) // JOINED * JOINED
    return features[:frames].reshape(-1, JOINED, features.shape[1]).mean(1), start


def main() -> None:
    """Learn, and write the page, or a PNG by its ending."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=Path("ctc.html"))
    out = parser.parse_args().out
    sound, start = sound_of(WORD)
    pictures = []
    for kind in TEXTS:
        lesson = Lesson(kind, sound)
        pictures.append(lesson.picture(lesson.learn(print), start))
    if out.suffix == ".png":
        out.write_bytes(png(pictures))
    else:
        out.write_text(page(pictures), encoding="utf-8")
    print(out)


if __name__ == "__main__":
    main()
