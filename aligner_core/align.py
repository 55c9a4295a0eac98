"""Sound and text to times: `Aligner.load().align("song.mp3", lyrics)`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import acoustic
from .acoustic import AcousticModel
from .acoustic.light import Light
from .acoustic.runtimes import Runtime, runs_light
from .anchors import WHOLE, Anchor, Chosen, Part, checked, choose
from .cache import Cache
from .confidence import require_fit
from .costs import SPELLED, Decoding, Freedom
from .errors import AlignmentError
from .evidence import Table, columns, spells, voice_probability, weighed
from .lattice import Readings, require_sound
from .parts import Heard, in_pieces, kept_words, known_lines, known_seconds, left_alone, of_lines, trusted_beside
from .resampling import Samples, resampled
from .retime import retimed
from .search import Lines, Search
from .streaming import SAMPLE_RATE, stream
from .text import mark
from .timeline import Alignment
from .tree import HEARD, token

if TYPE_CHECKING:
    from torch import Tensor

    from .separate import Separator

Progress = Callable[[float], None]  # called with the share done, 0..1

SEPARATING = 0.8  # share of the progress
FASTEST = 3  # frames a phone: no text is said faster than this on average


class Aligner:
    """An acoustic model and the way from its output to a timed text.

    Args:
        model: what hears.
        exact: the whole text is said, in its order, and nothing else; otherwise sound and text may differ.
        decoding, freedom: what is weighed how; without `decoding`, as it is best for what the model hears.
    """

    def __init__(
        self,
        model: AcousticModel,
        exact: bool = False,
        decoding: Decoding | None = None,
        freedom: Freedom = Freedom(),  # noqa: B008 (frozen)
    ) -> None:
        self.model, self.exact, self.freedom = model, exact, freedom
        self.spelled = spells(model.symbols)
        self.decoding = decoding or (SPELLED if self.spelled else Decoding())

    @classmethod
    def load(cls, model: str | Path | None = None, device: str = "cpu", runtime: Runtime = "torch") -> Aligner:
        """With the released model, or another: the name of one (`weights.names`), or a checkpoint.

        Args:
            runtime: what computes, see `acoustic.runtimes`.

        Raises:
            WeightsError: as `acoustic.load`, or the runtime cannot do it.
        """
        return cls(Light.load(model) if runs_light(runtime, model, device) else acoustic.load(model, device))

    def align(self, sound: str | Path, lyrics: Alignment, progress: Progress | None = None) -> Alignment:
        """Time the lyrics by this sound file.

        Args:
            sound: any audio or video file.
            lyrics: their text is used; times they may have are not.

        Returns:
            The same lines with words, syllables and phones in seconds. What was not found has no time.

        Raises:
            AudioError: the file cannot be read.
            LyricsError: there is nothing to say.
            AlignmentError: the text is longer than the sound can hold, or no voice is heard.
        """
        timed = self.align_heard(self.table(sound, progress, lyrics), lyrics)
        return replace(timed, audio=Path(sound).name)

    def hear(
        self,
        sound: str | Path,
        progress: Progress | None = None,
        lyrics: Alignment | None = None,
        separator: Separator | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """As `table`, as a tensor."""
        import torch

        return torch.from_numpy(self.table(sound, progress, lyrics, separator, cache))

    def table(
        self,
        sound: str | Path,
        progress: Progress | None = None,
        lyrics: Alignment | None = None,
        separator: Separator | None = None,
        cache: Cache | None = None,
    ) -> Table:
        """What the model makes of a sound file: log-probabilities (frames, symbols), and further columns if it hears
        edges (see `AcousticModel`).

        Args:
            progress: called when all the sound has been read, not before.
            lyrics: what `require_room` refuses is then refused before the model runs.
            separator: takes the voice out of the music first.
            cache: where that voice is kept.

        Raises:
            AudioError: the file cannot be read.
            LyricsError, AlignmentError: as `require_room`.
            WeightsError: as the separator.
        """
        if separator is None:
            return self._heard_in(self._with_room(stream(sound), lyrics), progress)
        if lyrics is not None:
            self.require_room(lyrics, math.inf)  # before the voice is separated, which takes long
        from .separate import voice

        blocks = (block.numpy() for block in voice(sound, separator, _part(progress, 0.0, SEPARATING), cache))
        return self._heard_in(self._with_room(blocks, lyrics), _part(progress, SEPARATING, 1.0))

    def _heard_in(self, blocks: Iterable[Samples], progress: Progress | None) -> Table:
        if isinstance(self.model, Light):
            return self.model.table_of(blocks, progress)
        import torch

        return self.model.log_probs_of(map(torch.from_numpy, blocks), progress).numpy()

    def _with_room(self, blocks: Iterable[Samples], lyrics: Alignment | None) -> Iterator[Samples]:
        samples = 0
        for block in blocks:
            samples += len(block)
            yield block
        if lyrics is not None:
            self.require_room(lyrics, samples / SAMPLE_RATE)

    def align_wave(
        self, wave: NDArray[np.float32], rate: int, lyrics: Alignment, progress: Progress | None = None
    ) -> Alignment:
        """As `align`, for a wave (samples,) at `rate` Hz."""
        self.require_room(lyrics, len(wave) / rate)
        blocks = [np.require(wave, np.float32, ("C", "W"))]  # as PyTorch takes them
        return self.align_heard(self._heard_in(resampled(blocks, rate, SAMPLE_RATE), progress), lyrics)

    def require_room(self, lyrics: Alignment, seconds: float) -> None:
        """Refuse a text that makes no sound, or that nobody says in so many seconds.

        Raises:
            LyricsError, AlignmentError: as `align`.
        """
        self._require(self._sounds(mark(lyrics)), seconds)

    def _require(self, sounds: Lines, seconds: float) -> None:
        require_sound(sounds)
        if not self.exact:
            return
        needed = _phones(sounds) * FASTEST * self.model.frame_seconds
        if needed > seconds + self.model.frame_seconds:
            raise AlignmentError(f"the text needs {needed:.1f} s or more and the sound has {seconds:.1f} s")

    def align_heard(
        self, log_probs: ArrayLike, lyrics: Alignment, anchors: Sequence[Anchor] = (), part: Part = WHOLE
    ) -> Alignment:
        """As `align`, for what `table` or `hear` gave: float (frames, symbols), an array or a tensor on the CPU.

        Args:
            anchors: words of this part whose times are known; they are kept.
            part: what is to be timed; all other lines stay as they are.

        Raises:
            AlignmentError: besides, the anchors contradict each other, or the part is not there.
        """
        marked, table = mark(lyrics), np.asarray(log_probs, np.float32)
        seconds = len(table) * self.model.frame_seconds
        chosen = choose(part, marked, seconds)
        fixed = [one for one in checked(anchors, marked, seconds) if one.line - 1 in chosen.lines]
        heard = self._heard(table, marked, chosen)
        found = in_pieces(heard, fixed, chosen)
        sung = trusted_beside(heard, [one for one in found if one.line in chosen.lines], fixed)
        if not fixed and chosen.lines == choose(WHOLE, marked, seconds).lines:
            require_fit(heard.search, heard.voice, sung)
        known = known_seconds(heard, fixed)
        sung = heard.exact(sung, [*known, heard.at(chosen.start), heard.at(chosen.end)])
        kept = kept_words(heard, fixed, marked)
        timed = heard.tree(known).timed(marked, sung, kept)
        return left_alone(timed, marked, chosen.lines - known_lines(heard, kept, marked))

    def retime(self, log_probs: ArrayLike, timed: Alignment, trust: float = 0.5) -> Alignment:
        """A timing made right that is shifted, stretched, cut or wrong in part: the same lines in the same order.

        Args:
            log_probs: what `table` or `hear` gave.
            trust: 0..1, the score that a line must have to be heard elsewhere than where the old times, corrected as
                a whole, have it: 0 goes by the sound alone, 1 by the corrected times alone.

        Raises:
            AlignmentError: besides what `align` raises, no line has a time.
        """
        marked, table = mark(timed), np.asarray(log_probs, np.float32)
        whole = choose(WHOLE, marked, len(table) * self.model.frame_seconds)
        heard = self._heard(table, marked, whole)
        return retimed(heard, marked, trust)

    def _heard(self, table: Table, marked: Alignment, chosen: Chosen) -> Heard:
        """What is needed to look for the chosen lines where they are looked for.

        Raises:
            LyricsError, AlignmentError: as `align`.
        """
        sounds = of_lines(self._sounds(marked), chosen.lines | chosen.beside)
        self._require(sounds, chosen.end - chosen.start)
        frame = self.model.frame_seconds
        voice = voice_probability(table, self.model.symbols)
        inside = voice[round(chosen.start / frame) : round(chosen.end / frame)]
        if float(inside.max()) < HEARD:
            raise AlignmentError("no voice is heard in the sound")
        scores = weighed(table, self.model.symbols, self.decoding)
        least = int(self.decoding.pace * float(inside.sum()) / _phones(sounds))
        least = min(max(least, self.decoding.shortest), self.decoding.longest)
        freedom = None if self.exact else self.freedom
        search = Search(sounds, columns(self.model.symbols), least, self.decoding, freedom)
        edges = table[:, len(self.model.symbols) :]
        return Heard(search, scores, voice, frame, edges if edges.shape[1] else None)

    def _sounds(self, lyrics: Alignment) -> list[list[Readings]]:
        """How each token of each line may sound."""
        return [[token(word.text, self.spelled).readings for word in line.words] for line in lyrics.lines]


def _part(progress: Progress | None, begin: float, end: float) -> Progress | None:
    """Tells a part of the work as its share of the whole."""
    return progress and (lambda share: progress(begin + share * (end - begin)))


def _phones(lines: Sequence[Sequence[Readings]]) -> int:
    """How many phones the first reading of these lines has."""
    first = [word[0] for line in lines for readings in line for words in readings[:1] for word in words]
    return sum(len(pronunciation) for pronunciation in first)
