"""Times that a file tells beside its text, laid on the words of that text."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Generic, TypeVar

from aligner_core.timeline import Span, Syllable, Word

_S = TypeVar("_S", bound=Span)
SILENCE = 1.0  # seconds, that part lines in files that don't tell them
_MOST = 40_000  # pairs of words that are compared all with all; a line of 200 words


class Shelf(Generic[_S]):
    """Timed spans, handed out to what they lie in, each once."""

    def __init__(self, spans: Sequence[_S]) -> None:
        self.spans = sorted(spans, key=_middle)
        self.middles = [_middle(span) for span in self.spans]
        self.next = 0

    def within(self, start: float, end: float) -> tuple[_S, ...]:
        """Those whose middle lies between two times, cut to them and to each other; to be asked in order of time."""
        first = max(bisect_left(self.middles, start), self.next)
        self.next = max(bisect_right(self.middles, end), first)
        out, now = list[_S](), start
        for span in self.spans[first : self.next]:
            begin = min(max(span.start or 0.0, now), end)
            now = min(max(span.end or 0.0, begin), end)
            out.append(span if (begin, now) == (span.start, span.end) else _bare(span, begin, now))
        return tuple(out)


def fitted(text: str, timed: Sequence[Word]) -> tuple[Word, ...]:
    """The words of a text, with the times of those among `timed` that they are; in order, none twice.

    Case and punctuation don't matter: aligners take them off.
    """
    words = text.split()
    if not timed:
        return tuple(map(Word, words))
    if words == [word.text for word in timed]:
        return tuple(timed)
    out = [Word(word) for word in words]
    for at, other in _pairs([*map(_key, words)], [_key(word.text) for word in timed]):
        out[at] = _renamed(timed[other], words[at])
    return tuple(out)


def runs(words: Iterable[Word]) -> Iterator[list[Word]]:
    """Words, in the order of time, parted where nothing is said for a while."""
    group: list[Word] = []
    end = 0.0  # seconds
    for word in words:
        if group and (word.start or 0.0) - end > SILENCE:
            yield group
            group = []
        group.append(word)
        end = max(end, word.end or 0.0)
    if group:
        yield group


def _pairs(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[int, int]]:
    if len(ours) * len(theirs) <= _MOST:
        for a, b, length in SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks():
            yield from zip(range(a, a + length), range(b, b + length), strict=True)
        return
    at = 0
    for other, key in enumerate(theirs):  # a shorter look: the next 200 words
        found = next((i for i in range(at, min(at + 200, len(ours))) if ours[i] == key), None)
        if found is not None:
            yield found, other
            at = found + 1


def _key(word: str) -> str:
    return re.sub(r"[\W_]+", "", word).casefold() or word


def _renamed(word: Word, text: str) -> Word:
    if word.text == text:
        return word
    phones = tuple(phone for syllable in word.syllables for phone in syllable.phones)
    parts = (Syllable(text, word.start, word.end, phones=phones),) if phones else ()
    return Word(text, word.start, word.end, word.score, parts)


def _middle(span: Span) -> float:
    return ((span.start or 0.0) + (span.end or 0.0)) / 2


def _bare(span: _S, start: float, end: float) -> _S:
    """With other times, without children, whose times might leave them."""
    return type(span)(span.text, start, end, span.score)
