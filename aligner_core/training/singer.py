"""What a singer does with words: how long each sound lasts, which note it is on, how the pitch gets there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from aligner_core.phones import SONORANTS

from .band import MODES
from .vocoder import STEP, Floats, Segment, TimeMap, Voice, stretch

Range = tuple[float, float]
HIGHEST = 84.5  # MIDI pitch
VIBRATO_AFTER, SWELL = 0.3, 0.3  # s
WEAK = 0.06  # s; a vowel that is shorter in speech is seldom held


@dataclass(frozen=True)
class Style:
    """How a kind of singing or speaking is drawn; ranges are uniform.

    Args:
        note: typical seconds of a note, uniform in its logarithm; None: spoken, with the speaker's own melody.
        lift: semitones above the speaker's median pitch.
        several: share of the vowels that get more than one note.
        slide: seconds of a change of pitch.
        vibrato: semitones, at most.
        others: factor on the length of consonants.
        vowels: factor on the length of spoken vowels.
        rest: share of the pauses that become rests of some length; the others are barely heard.
        breath: share of the rests with an audible breath.
        formants: factor.
        noise: factor on the aperiodicity.
        tilt: dB an octave.
        voiced: dB by which voiced sounds are raised.
        drive: how hard the wave is driven into a limit; 0: not.
        voices: how many sing.
    """

    note: Range | None
    lift: Range = (-2.0, 6.0)
    several: float = 0.05
    slide: Range = (0.03, 0.12)
    vibrato: float = 0.6
    others: Range = (0.8, 1.3)
    vowels: Range = (1.0, 1.0)
    rest: float = 0.4
    breath: float = 0.35
    formants: Range = (0.88, 1.16)
    noise: Range = (0.6, 1.3)
    tilt: Range = (-1.0, 1.5)
    voiced: Range = (0.0, 4.0)
    drive: Range = (0.0, 0.0)
    voices: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Tone:
    """A note from `start` on, as a degree of the scale, with `off` semitones of its own."""

    start: float
    degree: int
    off: float


@dataclass(frozen=True)
class Score:
    """What is sung when.

    Args:
        time: from the source to here.
        tones: in time; none: spoken.
        root: MIDI pitch of degree 0.
        scale: semitones of the degrees within an octave.
    """

    time: TimeMap
    tones: tuple[Tone, ...]
    root: float
    scale: tuple[int, ...]

    @property
    def seconds(self) -> float:
        """Of the whole."""
        return float(self.time.new[-1])

    def pitch(self, tone: Tone, above: int = 0) -> float:
        """MIDI pitch of a tone, or of what is so many degrees above it."""
        octave, step = divmod(tone.degree + above, len(self.scale))
        return self.root + 12 * octave + self.scale[step] + tone.off


def compose(segments: Sequence[Segment], voice: Voice, style: Style, random: Random) -> Score:
    """Draws lengths and a melody for these words."""
    typical = math.exp(random.uniform(*map(math.log, style.note))) if style.note else 0.0
    last = max((i for i, held in enumerate(voice.held) if held), default=-1)
    factor = random.uniform(*style.others)
    lengths = [_plain(s, factor, style, random) for s in segments]
    vowels = random.uniform(*style.vowels)
    for i, held in enumerate(voice.held):
        if held and style.note:
            lengths[i] = _vowel(segments[i], lengths[i + 1 :], voice.held[i + 1 :], typical, random)
            lengths[i] *= random.uniform(1.5, 2.5) if i == last else 1.0
        elif held:
            lengths[i] *= vowels * random.uniform(0.9, 1.15)
    time = stretch(segments, lengths)
    scales = random.choice(list(MODES.values()))
    scale = scales[0] if style.voices[1] > 1 else scales[1]  # harmony needs the whole scale
    root = 69 + 12 * math.log2(voice.middle / 440) + random.uniform(*style.lift) - random.uniform(0, 5)
    tones = _melody(time.moved(segments), voice.held, len(scale), style, random) if style.note else ()
    score = Score(time, tones, root, scale)
    highest = max((score.pitch(tone) for tone in tones), default=0.0)
    return replace(score, root=root - max(highest - HIGHEST, 0.0))


def _plain(segment: Segment, factor: float, style: Style, random: Random) -> float:
    """The length of what is no held vowel."""
    if segment.word < 0:
        return random.uniform(0.15, 1.0) if random.random() < style.rest else random.uniform(0.06, 0.12)
    if not style.note or segment.phone not in SONORANTS:
        return min(max(segment.length * factor * random.uniform(0.9, 1.1), 0.03), max(0.22, segment.length))
    return max(segment.length * factor * random.uniform(0.9, 1.5), 0.035)


def _vowel(segment: Segment, after: Sequence[float], held: Sequence[bool], typical: float, random: Random) -> float:
    """The length of a sung vowel: a note reaches to the next vowel, so what is between is taken from it."""
    between = 0.0
    for length, vowel in zip(after, held, strict=True):
        if vowel or between > typical:
            break
        between += length
    factors = (0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.5, 2.0, 3.0)
    note = typical * random.choice(factors[:5] if segment.length < WEAK else factors) * random.uniform(0.9, 1.1)
    return max(note - between, min(segment.length, 0.06), 0.045)


def _melody(
    segments: Sequence[Segment], held: Sequence[bool], octave: int, style: Style, random: Random
) -> tuple[Tone, ...]:
    """A walk over the degrees of a scale. A new note begins where the vowel before it ends."""
    tones: list[Tone] = []
    degree, start = random.randrange(octave), 0.0
    for s, sung in zip(segments, held, strict=True):
        if not sung:
            continue
        count = _count(s.length, style, random)
        for i in range(count):
            if random.random() < 0.88 or i:
                leap = random.choice((-4, -3, 3, 4))
                degree = min(
                    max(degree + random.choice((-2, -1, -1, 1, 1, 2, 0 if not i else -1, leap)), -2), octave + 4
                )
            tones.append(Tone(start if not i else s.start + i * s.length / count, degree, random.gauss(0, 0.1)))
        start = s.end
    return tuple(tones)


def _count(seconds: float, style: Style, random: Random) -> int:
    """How many notes a vowel gets."""
    if random.random() >= style.several:
        return 1
    return max(1, min(int(seconds / random.uniform(0.11, 0.3)), random.choice((2, 2, 3, 3, 4, 5, 6, 8))))


@dataclass(frozen=True)
class Manner:
    """How one singer gets from note to note: seconds of a slide, semitones and Hz of the vibrato, out of tune by."""

    slide: float
    vibrato: float
    speed: float
    off: float

    @classmethod
    def draw(cls, style: Style, random: Random, off: float = 0.0) -> Manner:
        """Within a style."""
        depth = random.uniform(0, style.vibrato) if random.random() < 0.75 else 0.0
        return cls(random.uniform(*style.slide), depth, random.uniform(4.8, 6.6), off)


def sung_pitch(score: Score, times: Floats, manner: Manner, random: Random, above: int = 0) -> Floats:
    """Hz at these times, so many degrees above the melody, or an octave less where nobody sings that high."""
    starts = np.array([tone.start for tone in score.tones])
    pitches = np.array([score.pitch(tone, above) for tone in score.tones])
    pitches -= 12 * np.ceil(max(pitches.max() - HIGHEST - 0.1, 0) / 12)
    tone = np.clip(np.searchsorted(starts, times, "right") - 1, 0, len(starts) - 1)
    since = np.maximum(times - starts[tone], 0)
    swell = np.clip((since - VIBRATO_AFTER) / SWELL, 0, 1) * manner.vibrato
    phase = random.uniform(0, 2 * math.pi)
    wave = swell * np.sin(2 * math.pi * manner.speed * times + phase)
    midi = _slid(pitches[tone], manner.slide) + wave + _drift(len(times), random) + manner.off
    return _hertz(midi)


def spoken_pitch(voice: Voice, at: Floats, lift: float, swing: float) -> Floats:
    """Hz of the source at these of its times, raised by semitones and with larger swings."""
    known = np.flatnonzero(voice.pitch > 0)
    if not len(known):
        return np.zeros_like(at)
    own = np.interp(at / STEP, known, 12 * np.log2(voice.pitch[known] / voice.middle))
    return _hertz(69 + 12 * math.log2(voice.middle / 440) + swing * own + lift)


def _hertz(midi: Floats) -> Floats:
    hertz: Floats = 440 * 2 ** ((midi - 69) / 12)
    return hertz


def _slid(midi: Floats, seconds: float) -> Floats:
    """Steps rounded by a window of this length."""
    half = max(round(seconds / STEP / 2), 1)
    window = np.hanning(2 * half + 3)[1:-1]
    return np.convolve(np.pad(midi, half, mode="edge"), window / window.sum(), "valid")


def _drift(steps: int, random: Random) -> Floats:
    """No voice is steady: a slow wander of some 8 cents."""
    noise = np.random.default_rng(random.randrange(1 << 30)).standard_normal(steps + 60)
    slow = np.convolve(noise, np.hanning(61) / np.sqrt((np.hanning(61) ** 2).sum()), "valid")
    return slow[:steps] * 0.08


def breath(voice: Voice, rests: Sequence[Segment], steps: int, random: Random) -> Floats:
    """Power (steps, bins) of a breath at the end of each of these rests: drawn in slowly, cut short by a word."""
    loud = voice.envelope[voice.pitch > 0]
    colour = loud.mean(axis=0) if len(loud) else voice.envelope.mean(axis=0)
    colour = np.convolve(np.pad(colour, 12, mode="edge"), np.ones(25) / 25, "valid")
    bins = np.arange(len(colour))
    colour = colour * (1 + (bins / 60.0) ** 2) * np.exp(-((bins / 330.0) ** 4))  # no glottal slope: 1-5 kHz stand out
    colour *= loud.sum() / max(len(loud), 1) / colour.sum()
    power = np.zeros((steps, len(colour)))
    for rest in rests:
        length = min(random.uniform(0.2, 0.7), rest.length - 0.06)
        end = rest.end - random.uniform(0.02, 0.05)
        at = np.arange(max(int((end - length) / STEP) + 1, 0), min(int(end / STEP), steps))
        rise = np.clip((at * STEP - (end - length)) / length, 0, 1)
        shape = np.sin(np.pi * rise**1.5) ** 2 * 10 ** (-random.uniform(10, 24) / 10)
        power[at] += shape[:, None] * colour
    return power
