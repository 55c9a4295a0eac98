"""Several sounds heard at once: windows of all of them in batches of one shape, with the numbers of one by one.

Each window is cut so that it has all the context that its frames depend on, and all but those of short sounds have the
same length. A batch always has the same number of windows, whatever is in it: what is heard in a sound does not depend
on what happened to be heard with it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from aligner_core.audio import log_mel_blocks, normalise

from . import AcousticModel
from .windows import WINDOW_FRAMES, Windowed

BATCH = 16  # windows at a time: half a minute of sound each
BLOCK = 2**22  # samples whose spectra are on the device at once


@dataclass(frozen=True)
class Cut:
    """A window of a sound: frames `begin` to `end` go in, `first` to `last` of what comes out are kept."""

    begin: int
    end: int
    first: int
    last: int


def cuts(frames: int, reach: int, size: int = WINDOW_FRAMES) -> list[Cut]:
    """The windows of a sound: `size` + 2 * `reach` frames each, or one less in the last; one, if the sound is short.

    Args:
        frames: of the sound.
        reach: frames to either side that a frame depends on, even.
        size: even, as networks may work on pairs of frames.
    """
    whole = size + 2 * reach
    if frames <= whole:
        return [Cut(0, frames, 0, frames)]
    found = [Cut(0, whole, 0, whole - reach)]
    while (first := found[-1].last) - reach + whole <= frames:
        found.append(Cut(first - reach, first - reach + whole, first, first + size))
    if first < frames:
        begin = frames - whole + (frames - whole) % 2
        found.append(Cut(begin, frames, first, frames))
    return found


@dataclass
class _Sound:
    """One that is being heard: what is known of it so far, (frames, width), and how many windows are not."""

    key: Hashable
    table: Tensor
    missing: int


class Together:
    """Hears what is added as soon as a batch is full.

    Args:
        model: in its place on a device. One that is not `Windowed` hears each sound by itself.
        batch: windows.
    """

    def __init__(self, model: AcousticModel, batch: int = BATCH) -> None:
        self.model, self.batch = model, batch
        self._waiting: dict[int, list[tuple[_Sound, Cut, Tensor]]] = {}
        self._heard: list[tuple[Hashable, Tensor]] = []

    @torch.inference_mode()
    def add(self, key: Hashable, wave: Tensor) -> None:
        """Take in a sound (samples,) at the rate of the model; `key` is its name in `heard`."""
        if not isinstance(self.model, Windowed):
            self._heard.append((key, self.model.log_probs(wave)))
            return
        device = next(self.model.parameters()).device
        blocks = (wave[begin : begin + BLOCK] for begin in range(0, len(wave), BLOCK))
        features = normalise(torch.cat(list(log_mel_blocks(blocks, device))))
        windows = cuts(len(features), self.model.reach)
        sound = _Sound(key, torch.empty(len(features), self.model.width, device=device), len(windows))
        for cut in windows:
            self._put(sound, cut, features[cut.begin : cut.end])

    def heard(self) -> Iterator[tuple[Hashable, Tensor]]:
        """The sounds that have been heard to their ends since this was last asked, (frames, width) on the CPU."""
        ready, self._heard = self._heard, []
        for key, table in ready:
            yield key, table.cpu()

    @torch.inference_mode()
    def flush(self) -> None:
        """Hear what still waits for others to fill its batch."""
        for length in list(self._waiting):
            self._hear(self._waiting.pop(length), self.batch)

    @property
    def waiting(self) -> int:
        """How many windows wait."""
        return sum(map(len, self._waiting.values()))

    def _put(self, sound: _Sound, cut: Cut, features: Tensor) -> None:
        if sound.missing == 1 and cut.begin == 0:  # lengths of short sounds are rarely the same
            self._hear([(sound, cut, features)], 1)
            return
        queue = self._waiting.setdefault(len(features), [])
        queue.append((sound, cut, features))
        if len(queue) == self.batch:
            self._hear(self._waiting.pop(len(features)), self.batch)

    def _hear(self, windows: Sequence[tuple[_Sound, Cut, Tensor]], rows: int) -> None:
        assert isinstance(self.model, Windowed)
        together = torch.stack([features for _, _, features in windows])
        filled = torch.nn.functional.pad(together, (0, 0, 0, 0, 0, rows - len(windows)))
        for (sound, cut, _), table in zip(windows, self.model.table(filled), strict=False):
            sound.table[cut.first : cut.last] = table[cut.first - cut.begin : cut.last - cut.begin]
            sound.missing -= 1
            if not sound.missing:
                self._heard.append((sound.key, sound.table))
