"""Spoken phrases with the times of their sounds: Kokoro-82M, driven through the tools that collect and convert it.

The folder of tools must hold kokoro_weights.py, speech.py, kokoro/, kokoro.pt or kokoro.int8.onnx, vocab.json, voices/.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from song_score import Phrase

RATE = 24000  # Hz
FRAME = 0.025  # seconds a duration step
LABEL_LAG = 0.055  # seconds by which the network's durations come after the sound, measured on bursts and hisses
Wave = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sound:
    """A speech sound: ARPAbet with stress, the syllable it belongs to in its phrase; seconds."""

    phone: str
    syllable: int
    start: float
    end: float


class Speaker:
    """One voice of Kokoro.

    Args:
        tools: folder with the network, its weights and the voices.
        voice: name of a file in voices/ without its ending.
    """

    def __init__(self, tools: Path, voice: str) -> None:
        self._tables = json.loads((tools / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        self._styles = torch.from_numpy(np.fromfile(tools / "voices" / f"{voice}.bin", np.float32).reshape(-1, 256))
        self._ipa, self._net = _network(tools)

    def tokens(self, phrase: Phrase) -> tuple[list[int], list[tuple[str, int]]]:
        """What the network reads: symbols, and the sound and syllable each belongs to ("" between words)."""
        symbols, owners = "", []
        word = 0
        for index, syllable in enumerate(phrase.syllables):
            if syllable.word != word:
                symbols, word = symbols + " ", syllable.word
                owners.append(("", -1))
            for phone in syllable.phones:
                letters = _letters(self._ipa, phone)
                symbols += letters
                owners += [(phone, index)] * len(letters)
        return [self._tables[s] for s in symbols + "."], [*owners, ("", -1)]

    @torch.no_grad()
    def speak(self, phrase: Phrase, speed: float, pitch: float) -> tuple[Wave, tuple[Sound, ...]]:
        """Speak a phrase around a pitch.

        Args:
            speed: 1 is the voice's own; sung vowels stretch better from slow speech.
            pitch: Hz the intonation is moved to, at half its range: the closer to the tune, the less is left to bend.

        Returns:
            Samples (n,) at RATE, and the sounds in order, not overlapping.
        """
        numbers, owners = self.tokens(phrase)
        net, style = self._net, self._styles[min(len(numbers), 509)][None]
        x, length = torch.tensor([[0, *numbers, 0]]), torch.tensor([len(numbers) + 2])
        nothing = torch.zeros_like(x, dtype=torch.bool)
        coded = net.bert_encoder(net.bert(x, attention_mask=(~nothing).int())).transpose(-1, -2)
        hidden = net.predictor.text_encoder(coded, style[:, 128:], length, nothing)
        sigmoids = torch.sigmoid(net.predictor.duration_proj(net.predictor.lstm(hidden)[0]))
        steps = torch.round(sigmoids.sum(-1) / speed).clamp(min=1).long()[0]
        steps[0] = 12
        steps[-1] = 12
        spread = torch.nn.functional.one_hot(torch.repeat_interleave(torch.arange(x.shape[1]), steps), x.shape[1])
        spread = spread.T[None].float()
        f0, energy = net.predictor.F0Ntrain(hidden.transpose(-1, -2) @ spread, style[:, 128:])
        text = net.text_encoder(x, length, nothing)
        wave = net.decoder(text @ spread, _moved(f0, pitch), energy, style[:, :128]).squeeze().double().numpy()
        return wave, _corrected(_sounds(owners, steps.tolist()), wave)


def _network(tools: Path) -> tuple[dict[str, str], Any]:
    """The IPA letters of each ARPAbet sound, and the network with its weights."""
    here = Path.cwd()
    sys.path.insert(0, str(tools))
    os.chdir(tools)  # the tools look for their files in the current folder
    try:
        weights = importlib.import_module("kokoro_weights")
        ipa: dict[str, str] = importlib.import_module("speech").IPA
        if not Path("kokoro.pt").exists():
            net, state = weights.convert()
            torch.save({name: value.half() for name, value in state.items() if "pooler" not in name}, "kokoro.pt")
        net = weights.build()
        state = torch.load("kokoro.pt", weights_only=True)
    finally:
        os.chdir(here)
        sys.path.remove(str(tools))
    net.load_state_dict({name: value.float() for name, value in state.items()}, strict=False)
    return ipa, net.eval()


def _letters(ipa: dict[str, str], phone: str) -> str:
    """The symbols of one sound: stress mark, then IPA; unstressed AH and ER are reduced."""
    name, stress = phone.rstrip("012"), phone[-1]
    reduced = {"AH0": "ə", "ER0": "əɹ"}
    return {"1": "ˈ", "2": "ˌ"}.get(stress, "") + reduced.get(phone, ipa[name])


def _moved(f0: torch.Tensor, pitch: float) -> torch.Tensor:
    voiced = f0 > 40
    logs = torch.log(f0[voiced])
    out = torch.zeros_like(f0)
    out[voiced] = torch.exp(np.log(pitch) + 0.5 * (logs - logs.median()))
    return out


def _sounds(owners: list[tuple[str, int]], steps: list[int]) -> list[Sound]:
    """The network's durations as sounds; the symbols of one sound are joined, word gaps left out."""
    out: list[Sound] = []
    edges = np.concatenate([[0], np.cumsum(steps)]) * FRAME
    last = None
    for place, owner in enumerate(owners, start=1):
        start, end = float(edges[place]), float(edges[place + 1])
        if owner == last and out:
            out[-1] = Sound(*owner, out[-1].start, end)
        elif owner[0]:
            out.append(Sound(*owner, start, end))
        last = owner
    return out


def _corrected(sounds: list[Sound], wave: Wave) -> tuple[Sound, ...]:
    """Take the lag out; begin and end the phrase where the voice is first and last heard."""
    moved = [Sound(s.phone, s.syllable, s.start - LABEL_LAG, s.end - LABEL_LAG) for s in sounds]
    hop = RATE // 200
    level = np.sqrt((wave[: len(wave) // hop * hop].reshape(-1, hop) ** 2).mean(1))
    loud = np.flatnonzero(level > 0.02 * level.max()) / 200
    first, last = moved[0], moved[-1]
    start = min(max(float(loud[0]), first.start - 0.06), first.end - 0.03)
    moved[0] = replace(first, start=start)
    moved[-1] = replace(last, end=max(float(loud[-1]) + 0.005, last.start + 0.04))
    return tuple(moved)
