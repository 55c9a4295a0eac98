"""The search in pieces: text and sound are cut where a time is known, and each piece is searched by itself."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from .anchors import Anchor, Chosen, clock
from .confidence import believed, trusted
from .edges import sharpened
from .errors import AlignmentError
from .evidence import Scores
from .search import Lines, Search, Sung
from .timeline import Alignment, Word
from .tree import NOWHERE, Tree


@dataclass(frozen=True)
class Heard:
    """What is needed to look for a text in a sound.

    Args:
        search: of the whole text.
        scores: of the whole sound.
        voice: (frames,), probability of any phone.
        frame: seconds from one to the next.
        edges: log-odds (frames, kinds), for models that hear edges.
    """

    search: Search
    scores: Scores
    voice: NDArray[np.float32]
    frame: float
    edges: NDArray[np.float32] | None = None

    def at(self, seconds: float) -> int:
        """The nearest frame."""
        return min(max(round(seconds / self.frame), 0), len(self.scores))

    def tree(self, known: Mapping[int, tuple[float, float]] = NOWHERE) -> Tree:
        """What makes lines of what was found."""
        return Tree(self.scores, self.voice, self.frame, known, self.search.columns.spelled)

    def exact(self, sung: Sequence[Sung], fixed: Sequence[int] = ()) -> list[Sung]:
        """The same with the exact places of their phones, if the model hears edges; none crosses the fixed frames."""
        return list(sung) if self.edges is None else sharpened(sung, self.edges, fixed)

    def lines(self, tokens: range) -> range:
        """The lines that these tokens are in."""
        if not tokens:
            return range(0)
        firsts = self.search.firsts
        return range(bisect_right(firsts, tokens.start) - 1, bisect_left(firsts, tokens.stop))


@dataclass(frozen=True)
class Piece:
    """Tokens and frames, the last ones exclusive, that belong together.

    Args:
        at_once: the first word begins with the first frame.
    """

    tokens: range
    frames: range
    at_once: bool = False


def only(lines: Lines, tokens: Iterable[int]) -> Lines:
    """The same lines, in which only these tokens make a sound."""
    wanted, at, out = set(tokens), 0, []
    for line in lines:
        out.append([readings if at + i in wanted else () for i, readings in enumerate(line)])
        at += len(line)
    return out


def of_lines(lines: Lines, wanted: Iterable[int]) -> Lines:
    """The same lines, of which only these make a sound."""
    kept = set(wanted)
    return [line if at in kept else [() for _ in line] for at, line in enumerate(lines)]


def found_in(heard: Heard, piece: Piece) -> list[Sung]:
    """The lines that are sung in a piece, in order of time.

    Raises:
        AlignmentError: words that must be there have no room.
    """
    lines = heard.lines(piece.tokens)
    offset = heard.search.firsts[lines.start]
    local = range(piece.tokens.start - offset, piece.tokens.stop - offset)
    text = only(heard.search.lines[lines.start : lines.stop], local)
    search = replace(heard.search, lines=text, at_once=piece.at_once)
    must = piece.at_once or search.freedom is None
    if not any(map(any, text)) or not (must or piece.frames):
        return []
    scores = heard.scores[piece.frames.start : piece.frames.stop]
    try:
        found = search(scores)
    except AlignmentError:
        found = _hurried(search, scores, heard, piece, lines)
    return [one.later(piece.frames.start, lines.start, offset) for one in found]


def _hurried(search: Search, scores: Scores, heard: Heard, piece: Piece, lines: range) -> list[Sung]:
    """With phones as short as they have to be."""
    try:
        return replace(search, least=1)(scores)
    except AlignmentError as error:
        line = next(at for at, tokens in zip(lines, search.lines, strict=True) if any(tokens)) + 1
        begin, end = (clock(frame * heard.frame) for frame in (piece.frames.start, piece.frames.stop))
        raise AlignmentError(f"line {line} has no room from {begin} to {end}", hint="other fixed times") from error


def in_pieces(heard: Heard, anchors: Sequence[Anchor], chosen: Chosen) -> list[Sung]:
    """The lines that are sung, in order of time, where some words begin at known times.

    A line of which a word is known is `sure`; the visits of words that are known to their end are not in it.

    Args:
        anchors: in the order of the text, rising.
        chosen: the part of the sound to search.

    Raises:
        AlignmentError: words that must be there have no room.
    """
    tokens = [heard.search.tokens(anchor.line - 1)[anchor.word - 1] for anchor in anchors]
    begins = {anchor.line - 1: heard.at(anchor.start) for anchor in reversed(anchors)}
    parts: dict[int, list[Sung]] = {line: [] for line in begins}
    free: list[Sung] = []
    between = _patient(heard) if anchors else heard
    for piece in _pieces(heard, anchors, tokens, chosen):
        found = found_in(between, piece)
        for part in _parts(found, begins, heard, piece):
            parts[part.line].append(part)
            found.remove(part)
        free += [one for one in found if one.line not in begins or _whole(heard.search.tokens(one.line), piece)]
    for line, pieces in parts.items():
        begins[line] = min([begins[line], *(part.start for part in pieces)])
    known = [Sung(line, tuple(v for part in pieces for v in part.visits), sure=True) for line, pieces in parts.items()]
    return sorted([*free, *known], key=lambda one: (begins[one.line] if one.sure else one.start, one.line))


def _patient(heard: Heard) -> Heard:
    """Lines that have to hurry are not taken for absent: between fixed times they may have to."""
    search = heard.search
    freedom = search.freedom and replace(search.freedom, hurried=math.inf)
    return replace(heard, search=replace(search, freedom=freedom))


def trusted_beside(heard: Heard, sung: Sequence[Sung], anchors: Sequence[Anchor]) -> list[Sung]:
    """The same lines with their trust, but for lines with words that are known to their end: they have their scores."""
    known = {anchor.line - 1 for anchor in anchors if anchor.end is not None}
    # Between anchors, phones may have had to be shorter than elsewhere.
    search = replace(heard.search, least=1) if anchors else heard.search
    asked = [bool(one.visits) and not (one.sure and one.line in known) for one in sung]
    told = iter(trusted(search, heard.scores, heard.voice, list(compress(sung, asked))))
    return believed([next(told) if ask else one for one, ask in zip(sung, asked, strict=True)])


def _pieces(heard: Heard, anchors: Sequence[Anchor], tokens: Sequence[int], chosen: Chosen) -> Iterator[Piece]:
    """What lies before, between and after the anchors."""
    token, frame, at_once = 0, heard.at(chosen.start), False
    for anchor, number in zip(anchors, tokens, strict=True):
        begin = heard.at(anchor.start)
        yield Piece(range(token, number), range(frame, max(begin, frame)), at_once)
        at_once = anchor.end is None
        token = number if anchor.end is None else number + 1
        frame = begin if anchor.end is None else heard.at(anchor.end)
    yield Piece(range(token, heard.search.firsts[-1]), range(frame, max(heard.at(chosen.end), frame)), at_once)


def _parts(found: Sequence[Sung], sure: Container[int], heard: Heard, piece: Piece) -> Iterator[Sung]:
    """Of each sure line that is heard in a piece, in full or not: what belongs to the rest of it.

    The beginning of a line that is cut is what was heard last of it, as the rest follows; otherwise the first is it.
    """
    for line in heard.lines(piece.tokens):
        mine = [one for one in found if one.line == line]
        if mine and line in sure:
            tokens = heard.search.tokens(line)
            yield mine[-1 if tokens.start >= piece.tokens.start and tokens.stop > piece.tokens.stop else 0]


def _whole(tokens: range, piece: Piece) -> bool:
    return tokens.start >= piece.tokens.start and tokens.stop <= piece.tokens.stop


def known_seconds(heard: Heard, anchors: Sequence[Anchor]) -> dict[int, tuple[float, float]]:
    """Seconds at which what ends and what begins in a frame does so, where anchors know it better than the frame."""
    out: dict[int, tuple[float, float]] = {}
    for anchor in anchors:
        for seconds in (anchor.start, anchor.end):
            if seconds is not None:
                first, _ = out.get(heard.at(seconds), (seconds, seconds))
                out[heard.at(seconds)] = first, seconds
    return out


def kept_words(heard: Heard, anchors: Sequence[Anchor], lyrics: Alignment) -> dict[int, Word]:
    """The words by token whose anchors know start and end: as the lyrics have them, or without anything below."""
    out = {}
    for anchor in anchors:
        if anchor.end is not None:
            word = lyrics.lines[anchor.line - 1].words[anchor.word - 1]
            same = (word.start, word.end) == (anchor.start, anchor.end)
            token = heard.search.tokens(anchor.line - 1)[anchor.word - 1]
            out[token] = word if same else Word(word.text, anchor.start, anchor.end)
    return out


def known_lines(heard: Heard, kept: Mapping[int, Word], lyrics: Alignment) -> set[int]:
    """Lines of which nothing that sounds is left to be found: they stay as the lyrics have them."""
    out = set()
    for at, line in enumerate(lyrics.lines):
        words = zip(heard.search.tokens(at), line.words, heard.search.lines[at], strict=True)
        must = [kept.get(token) == word for token, word, readings in words if readings or word.timed]
        if must and all(must):
            out.add(at)
    return out


def left_alone(timed: Alignment, lyrics: Alignment, lines: Iterable[int]) -> Alignment:
    """The timed lyrics, in which all but these lines are as they were before."""
    wanted = set(lines)
    numbers = [(line.number or 1) - 1 for line in timed.lines]
    pairs = zip(numbers, timed.lines, strict=True)
    return replace(timed, lines=tuple(
        line if at in wanted else replace(lyrics.lines[at], number=at + 1) for at, line in pairs
    ))  # fmt: skip
