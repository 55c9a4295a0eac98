"""What is sung and played: two stanzas of "Amazing Grace", their tune, sounds and chords, and when each falls due.

Words: John Newton, 1779. Tune: New Britain, shape-note tradition, first printed 1829-1835. Both in the public domain.
"""

from __future__ import annotations

import re

from aligner_core.tts.score import Note, Score, SungLine, SungSyllable

BEAT = 60 / 90  # seconds
BAR = 3  # beats
INTRO_BARS = 4
STANZA_BARS = 16
TRANSPOSE = -7  # semitones from the G major below: C major, where the voice speaks too
BREATH = 0.28  # seconds taken off the last note of a phrase

# One row a phrase, one item a syllable; "~" ties the notes of one syllable, ":" gives the length in beats.
TUNE = (
    "D4:1 G4:2 B4:.5~G4:.5 B4:2 A4:1 G4:2 E4:1 D4:2",
    "D4:1 G4:2 B4:.5~G4:.5 B4:2 A4:1 D5:5",
    "B4:1 D5:2 B4:.5~G4:.5 B4:2 A4:1 G4:2 E4:1 D4:2",
    "D4:1 G4:2 B4:.5~G4:.5 B4:2 A4:1 G4:5",
)
# One item a bar; "/" changes the chord on the third beat.
STANZA_CHORDS = "G G C G  G Em D D7  G G7 C G  Em G/D7 G G"
BREAK_CHORDS = "G G/D7 C G"  # the bars before each stanza
CODA_CHORDS = "C G G"

# (words with syllables parted by "|", sounds in ARPAbet with stress: "/" between words, "|" between syllables)
STANZAS = (
    (
        ("A|maz|ing grace! How sweet the sound", "AH0|M EY1|Z IH0 NG/G R EY1 S/HH AW1/S W IY1 T/DH AH0/S AW1 N D"),
        ("That saved a wretch like me!", "DH AE1 T/S EY1 V D/AH0/R EH1 CH/L AY1 K/M IY1"),
        ("I once was lost, but now am found;", "AY1/W AH1 N S/W AH0 Z/L AO1 S T/B AH1 T/N AW1/AE1 M/F AW1 N D"),
        ("Was blind, but now I see.", "W AH0 Z/B L AY1 N D/B AH1 T/N AW1/AY1/S IY1"),
    ),
    (
        (
            "'Twas grace that taught my heart to fear,",
            "T W AH0 Z/G R EY1 S/DH AE1 T/T AO1 T/M AY1/HH AA1 R T/T UW1/F IH1 R",
        ),
        ("And grace my fears re|lieved;", "AE1 N D/G R EY1 S/M AY1/F IH1 R Z/R IH0|L IY1 V D"),
        ("How pre|cious did that grace ap|pear", "HH AW1/P R EH1|SH AH0 S/D IH1 D/DH AE1 T/G R EY1 S/AH0|P IH1 R"),
        ("The hour I first be|lieved!", "DH AH0/AW1 R/AY1/F ER1 S T/B IH0|L IY1 V D"),
    ),
)
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def midi(name: str) -> int:
    """MIDI number of a tone such as "D4"; C4 is 60."""
    return 12 * (int(name[1:]) + 1) + _STEPS[name[0]]


def stanza_starts() -> tuple[int, ...]:
    """The beat of each stanza's upbeat: the last beat of the bars before it."""
    section = INTRO_BARS + STANZA_BARS
    return tuple(BAR * (INTRO_BARS + section * k) - 1 for k in range(len(STANZAS)))


def chords() -> tuple[tuple[str, float, float], ...]:
    """(name, start s, end s) of every chord of the song, still in G."""
    rows = " ".join([f"{BREAK_CHORDS} {STANZA_CHORDS}"] * len(STANZAS) + [CODA_CHORDS]).split()
    out = []
    for bar, row in enumerate(rows):
        names = row.split("/")
        edges = [bar * BAR, bar * BAR + 2, (bar + 1) * BAR] if len(names) == 2 else [bar * BAR, (bar + 1) * BAR]
        out += [(name, a * BEAT, b * BEAT) for name, a, b in zip(names, edges, edges[1:], strict=False)]
    return tuple(out)


def tune(row: str, beat: float) -> tuple[tuple[Note, ...], ...]:
    """The notes of a row of TUNE, syllable by syllable, from this beat on; the last one leaves time to breathe."""
    syllables = []
    for item in row.split():
        notes = []
        for part in item.split("~"):
            name, length = part.split(":")
            notes.append(Note(beat * BEAT, (beat + float(length)) * BEAT, float(midi(name) + TRANSPOSE)))
            beat += float(length)
        syllables.append(tuple(notes))
    *rest, last = syllables[-1]
    return (*syllables[:-1], (*rest, Note(last.start, last.end - BREATH, last.midi)))


def row_beats(row: str) -> float:
    """Length of a row of TUNE in beats."""
    return sum(float(length) for length in re.findall(r":([\d.]+)", row))


def sung(words: str, sounds: str, notes: tuple[tuple[Note, ...], ...]) -> tuple[SungSyllable, ...]:
    """The syllables of a line, laid on the notes of its row.

    Raises:
        ValueError: the line, its sounds and its notes differ in their number of syllables.
    """
    letters = [(at, text) for at, word in enumerate(words.split()) for text in word.split("|")]
    phones = [tuple(part.split()) for word in sounds.split("/") for part in word.split("|")]
    return tuple(SungSyllable(at, text, told, on) for (at, text), told, on in zip(letters, phones, notes, strict=True))


def score() -> Score:
    """All that is sung, line by line of `lyrics`: nothing in headings and blank lines."""
    lines: list[tuple[SungSyllable, ...]] = []
    for stanza, beat in zip(STANZAS, stanza_starts(), strict=True):
        lines += [(), ()] if lines else [()]  # the blank line, and the heading
        at = float(beat)
        for (words, sounds), row in zip(stanza, TUNE, strict=True):
            lines.append(sung(words, sounds, tune(row, at)))
            at += row_beats(row)
    return Score(tuple(SungLine(number, syllables) for number, syllables in enumerate(lines)))


def lyrics() -> str:
    """The text as a singer would get it: a heading and a line a phrase for each stanza."""
    verses = [
        "\n".join([f"[Verse {k}]", *(words.replace("|", "") for words, _ in stanza)])
        for k, stanza in enumerate(STANZAS, start=1)
    ]
    return "\n\n".join(verses) + "\n"
