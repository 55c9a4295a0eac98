"""A score as MusicXML: one part of thirty-second notes in a quick tempo, tied where a note is no plain value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple
from xml.etree import ElementTree as ET

from aligner_core.timeline import Alignment
from aligner_core.tts.score import Score

from .base import Written, written

TEMPO = 240  # quarters a minute
STEP = 60 / TEMPO / 8  # s of a thirty-second note
MEASURE = 32  # steps
TYPES = {32: "whole", 16: "half", 8: "quarter", 4: "eighth", 2: "16th", 1: "32nd"}
_NAMES = ("C", "C", "D", "D", "E", "F", "F", "G", "G", "A", "A", "B")
_SHARP = frozenset({1, 3, 6, 8, 10})


def write(score: Score, text: Alignment) -> bytes:
    """One part with the words under its notes."""
    root = ET.Element("score-partwise", version="3.1")
    if title := text.extra.get("title", ""):
        ET.SubElement(ET.SubElement(root, "work"), "work-title").text = _shown(title)
    listed = ET.SubElement(ET.SubElement(root, "part-list"), "score-part", id="P1")
    ET.SubElement(listed, "part-name").text = "Voice"
    part = ET.SubElement(root, "part", id="P1")
    for number, measure in enumerate(_measures(written(score)), 1):
        _write_measure(ET.SubElement(part, "measure", number=str(number)), measure, number == 1)
    ET.indent(root)
    body: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return body + b"\n"


class _Piece(NamedTuple):
    """What stands in a measure: a note or a rest of one plain value."""

    steps: int
    one: Written | None
    begun: bool = False
    held: bool = False


def _measures(rows: Sequence[Written]) -> list[list[_Piece]]:
    """Notes and rests cut at the bars and into plain values."""
    spans: list[tuple[int, int, Written | None]] = []
    now = 0
    for one in rows:
        start, end = round(one.note.start / STEP), round(one.note.end / STEP)
        start = max(start, now)
        spans += [(now, start, None)] if start > now else []
        now = max(end, start + 1)
        spans.append((start, now, one))
    spans += [(now, -(-now // MEASURE) * MEASURE, None)]
    out: list[list[_Piece]] = [[] for _ in range(max(-(-now // MEASURE), 1))]
    for start, end, written_ in spans:
        cuts = list(_cuts(start, end))
        for at, (a, b) in enumerate(pairwise(cuts)):
            piece = _Piece(b - a, written_, at > 0, at < len(cuts) - 2)
            out[a // MEASURE].append(piece)
    return out


def _cuts(start: int, end: int) -> Iterator[int]:
    """Edges of plain values that fill a span, none over a bar."""
    while start < end:
        yield start
        room = min(end, (start // MEASURE + 1) * MEASURE) - start
        start += max(size for size in TYPES if size <= room)
    yield end


def _write_measure(measure: ET.Element, pieces: Sequence[_Piece], first: bool) -> None:
    if first:
        attributes = ET.SubElement(measure, "attributes")
        ET.SubElement(attributes, "divisions").text = "8"
        time = ET.SubElement(attributes, "time")
        ET.SubElement(time, "beats").text = "4"
        ET.SubElement(time, "beat-type").text = "4"
        ET.SubElement(measure, "sound", tempo=str(TEMPO))
    for piece in pieces:
        _write_note(ET.SubElement(measure, "note"), piece)


def _write_note(note: ET.Element, piece: _Piece) -> None:
    one = piece.one
    if one is None or one.note.midi is None:
        ET.SubElement(note, "rest")
    else:
        number = round(one.note.midi)
        pitch = ET.SubElement(note, "pitch")
        ET.SubElement(pitch, "step").text = _NAMES[number % 12]
        if number % 12 in _SHARP:
            ET.SubElement(pitch, "alter").text = "1"
        ET.SubElement(pitch, "octave").text = str(number // 12 - 1)
    ET.SubElement(note, "duration").text = str(piece.steps)
    for there, kind in ((piece.begun, "stop"), (piece.held, "start")):
        if there and one is not None:
            ET.SubElement(note, "tie", type=kind)
    ET.SubElement(note, "voice").text = "1"
    ET.SubElement(note, "type").text = TYPES[piece.steps]
    if one is not None and one.text is not None and not piece.begun:
        _write_lyric(ET.SubElement(note, "lyric", number="1"), one)


def _write_lyric(lyric: ET.Element, one: Written) -> None:
    ET.SubElement(lyric, "syllabic").text = one.syllabic
    ET.SubElement(lyric, "text").text = _shown(one.text or "")


def _shown(text: str) -> str:
    """Without what XML cannot hold."""
    return re.sub("[^\t -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
