"""Notes as a standard MIDI file, bends and all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

BEND_RANGE = 12  # semitones either way
DRUM_CHANNEL = 9  # counted from 0, as General MIDI has it


@dataclass(frozen=True)
class Note:
    """A tone, or several under one slur: `bends` are (s after the start, semitones from `pitch`)."""

    start: float
    length: float
    pitch: int
    velocity: int
    bends: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Part:
    """What one player does; volume, pan and reverb are MIDI controller values."""

    role: str
    program: int
    volume: int
    pan: int
    reverb: int
    notes: tuple[Note, ...] = ()


def midi(parts: tuple[Part, ...]) -> bytes:
    """A standard MIDI file of format 0 in which a tick is a millisecond."""
    events: list[tuple[int, int, bytes]] = []  # tick, order within it, message
    channels = iter(c for c in range(16) if c != DRUM_CHANNEL)
    for part in parts:
        events += _messages(part, DRUM_CHANNEL if part.role == "drums" else next(channels))
    track, now = bytearray(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track += _variable(tick - now) + message
        now = tick
    track += b"\x00\xff\x2f\x00"
    head = b"MThd" + (6).to_bytes(4, "big") + b"\x00\x00\x00\x01" + (500).to_bytes(2, "big")  # 500 ticks in 0.5 s
    return head + b"MTrk" + len(track).to_bytes(4, "big") + bytes(track)


def _messages(part: Part, channel: int) -> Iterator[tuple[int, int, bytes]]:
    yield 0, 0, bytes((0xC0 | channel, part.program))
    for control, value in ((7, part.volume), (10, part.pan), (91, part.reverb), (101, 0), (100, 0), (6, BEND_RANGE)):
        yield 0, 0, bytes((0xB0 | channel, control, value))
    for note in part.notes:
        start = round(1000 * note.start)
        yield start, 3, bytes((0x90 | channel, note.pitch, note.velocity))
        yield start + max(round(1000 * note.length), 1), 1, bytes((0x80 | channel, note.pitch, 0))
        for time, semitones in note.bends:
            if time < note.length:
                bend = min(max(round(8192 + 8192 * semitones / BEND_RANGE), 0), 16383)
                yield start + round(1000 * time), 2, bytes((0xE0 | channel, bend & 127, bend >> 7))


def _variable(number: int) -> bytes:
    digits = [number & 127]
    while number := number >> 7:
        digits.append(number & 127 | 128)
    return bytes(reversed(digits))
