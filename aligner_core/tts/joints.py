"""Where words meet: when the voice begins one, and when that is heard.

The labels that the voice learnt from part words that follow one another in the middle of the short gap between them; a
stop has all of the gap. What is heard of a word so begins later than what the voice calls its beginning: by 27 ms in
the median, and 51 ms for stops (the aligner on sentences that it has not learnt; the same in its teacher's sound).
Times of texts are those that are heard, so the voice is told of each such word that it begins earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aligner_core.phones import base

STOPS = frozenset("P T K B D G CH JH".split())  # noqa: SIM905 - they begin with silence
LEAD, STOP_LEAD = 3, 5  # frames


def told(phones: Sequence[str], frames: Sequence[int], joints: Iterable[int]) -> list[int]:
    """Frames as they are to be heard to those that the voice is told.

    Args:
        phones, frames: of sounds in a row.
        joints: which of them begin a word that follows another without a pause.
    """
    out = list(frames)
    for at in joints:
        moved = _moved(phones[at], out[at - 1])
        out[at - 1], out[at] = out[at - 1] - moved, out[at] + moved
    return out


def heard(phones: Sequence[str], frames: Sequence[int], joints: Iterable[int]) -> list[int]:
    """The other way: what is heard of frames that the voice has chosen itself."""
    out = list(frames)
    for at in joints:
        moved = _moved(phones[at], out[at])
        out[at - 1], out[at] = out[at - 1] + moved, out[at] - moved
    return out


def _moved(phone: str, room: int) -> int:
    """Frames by which the word beginning with this phone is heard later; half of a sound at most is given away."""
    return min(STOP_LEAD if base(phone) in STOPS else LEAD, room // 2)
