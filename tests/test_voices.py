"""Recordings made into others: labels that hit the sound, notes that are sung, one transcript, the same bytes again."""

from __future__ import annotations

import io
import json
import multiprocessing.dummy
import zipfile
from dataclasses import replace
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core.audio import SAMPLE_RATE

pyworld = pytest.importorskip("pyworld")

from aligner_core.training import vocoder, voices  # noqa: E402
from aligner_core.training.data import read_packs  # noqa: E402
from aligner_core.training.singer import compose  # noqa: E402
from aligner_core.training.vocoder import STEP, Floats, Segment, analyse, settled, stretch, tidy  # noqa: E402

TEXT = "saw see saw sue see"
SPOKEN = "AO IY AO UW IY".split()  # noqa: SIM905
FORMANTS = {"AO": (570, 840), "IY": (300, 2300), "UW": (320, 900)}
seeds = st.integers(0, 10**6)
plain = replace(voices.KINDS["sung"][1], vibrato=0.0, breath=0.0, rest=1.0, drive=(0.0, 0.0))


@cache
def utterance(pitch: float = 130.0) -> tuple[Floats, tuple[Segment, ...]]:
    """Hisses and buzzes in turn, with silence around: (samples,) and what is where."""
    rows, at, random = [Segment(-1, "sil", 0.0, 0.3)], 0.3, np.random.default_rng(0)
    for number, vowel in enumerate(SPOKEN):
        rows += [Segment(number, "S", at, at + 0.11), Segment(number, vowel, at + 0.11, at + 0.29)]
        at += 0.29
    rows.append(Segment(-1, "sil", at, at + 0.3))
    wave = random.standard_normal(round(rows[-1].end * SAMPLE_RATE)) * 1e-4
    for row in rows[1:-1]:
        inside = slice(round(row.start * SAMPLE_RATE), round(row.end * SAMPLE_RATE))
        wave[inside] += _hiss(inside, random) if row.phone == "S" else _buzz(inside, pitch, FORMANTS[row.phone])
    return wave, tuple(rows)


def _hiss(inside: slice, random: np.random.Generator) -> Floats:
    noise = random.standard_normal(inside.stop - inside.start + 2)
    hiss: Floats = 0.02 * (noise[2:] - 2 * noise[1:-1] + noise[:-2])
    return hiss


def _buzz(inside: slice, pitch: float, formants: tuple[int, int]) -> Floats:
    time = np.arange(inside.start, inside.stop) / SAMPLE_RATE
    tones = np.arange(pitch, 3500, pitch)
    loud = np.exp(-(((tones - np.array(formants)[:, None]) / 150) ** 2)).sum(axis=0) + 0.03
    swell = np.minimum(1, np.minimum(np.arange(len(time)), np.arange(len(time))[::-1]) / 80)
    buzz: Floats = 0.05 * swell * (loud[:, None] * np.sin(2 * np.pi * tones[:, None] * time)).sum(axis=0)
    return buzz


def hissing(wave: Floats, at: float) -> float:
    """dB by which what is above 3.7 kHz is louder than what is below, in 8 ms around this time."""
    around = wave[max(round((at - 0.004) * SAMPLE_RATE), 0) :][: round(0.008 * SAMPLE_RATE)]
    power = np.abs(np.fft.rfft(around * np.hanning(len(around)))) ** 2 + 1e-12
    edge = len(power) * 3700 // 8000
    return float(10 * np.log10(power[edge:].sum() / power[:edge].sum()))


def change(wave: Floats, at: float, begins: bool) -> float:
    """Where hissing begins or ends, within 30 ms."""
    times = np.arange(at - 0.03, at + 0.03, 0.001)
    after = np.array([(hissing(wave, t) > 0) == begins for t in times])
    agree = [(~after[:i]).sum() + after[i:].sum() for i in range(len(after) + 1)]
    return float(at - 0.03 + 0.001 * int(np.argmax(agree)))


@given(seeds, st.sampled_from(["sung", "fast", "high", "melisma"]))
@settings(max_examples=12, deadline=None)
def test_the_labels_of_what_is_sung_are_where_the_sounds_change(seed: int, kind: str) -> None:
    wave, segments = utterance()
    style = replace(voices.KINDS[kind][1], breath=0.0)
    made = voices.perform(wave, segments, style, Random(seed))
    inner = [after for before, after in pairwise(made.segments) if before.word >= 0 and after.word >= 0]
    off = np.array([change(made.wave, s.start, s.phone == "S") - s.start for s in inner])
    assert abs(np.median(off)) < 0.008
    assert np.abs(off).max() < 0.025


@given(seeds)
@settings(max_examples=8, deadline=None)
def test_the_pitch_of_what_is_sung_is_that_of_the_notes(seed: int) -> None:
    wave, segments = utterance()
    made = voices.perform(wave, segments, replace(plain, note=(0.5, 0.8), several=0.0), Random(seed))
    pitch, times = pyworld.harvest(made.wave, SAMPLE_RATE, f0_floor=60, f0_ceil=1000, frame_period=STEP * 1000)
    vowels = [s for s in made.segments if s.phone in FORMANTS]
    assert len(vowels) == len(made.score.tones) == len(SPOKEN)
    for vowel, tone in zip(vowels, made.score.tones, strict=True):
        inside = pitch[(times > vowel.start + 0.3 * vowel.length) & (times < vowel.end - 0.3 * vowel.length)]
        cents = 1200 * np.log2(np.median(inside[inside > 0]) / (440 * 2 ** ((made.score.pitch(tone) - 69) / 12)))
        assert abs(cents) < 35


@given(seeds)
@settings(max_examples=8, deadline=None)
def test_a_melisma_has_more_notes_than_vowels(seed: int) -> None:
    wave, segments = utterance()
    score = compose(segments, analyse(wave, segments), replace(plain, note=(1.0, 1.2), several=1.0), Random(seed))
    assert len(score.tones) > len(SPOKEN)
    assert all(a.start < b.start for a, b in pairwise(score.tones))


@given(st.lists(st.tuples(st.sampled_from(["AY", "IH", "S", "sil"]), st.floats(0.02, 0.6), st.floats(0.02, 3.0))))
def test_a_stretch_gives_each_segment_its_length_and_goes_both_ways(rows: list[tuple[str, float, float]]) -> None:
    rows = [("S", 0.1, 0.1), *rows]
    ends = np.cumsum([0.0, *(old for _, old, _ in rows)])
    segments = [Segment(-(p == "sil"), p, a, b) for (p, _, _), (a, b) in zip(rows, pairwise(ends), strict=True)]
    time = stretch(segments, [new for _, _, new in rows])
    assert [s.length for s in time.moved(segments)] == pytest.approx([new for _, _, new in rows])
    moments = np.linspace(0, ends[-1], 50)
    assert time.back(time.later(moments)) == pytest.approx(moments)
    assert (np.diff(time.old) > 0).all()
    assert (np.diff(time.new) > 0).all()


def test_a_choir_of_three_to_six_sings_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    wave, segments = utterance()
    counts, real = [], vocoder.synthesize

    def counted(*given: Any) -> Floats:
        counts.append(given)
        return real(*given)

    monkeypatch.setattr(voices, "synthesize", counted)
    sizes = set()
    for seed in range(8):
        counts.clear()
        made = voices.perform(wave, segments, voices.KINDS["choir"][1], Random(seed))
        sizes.add(len(counts))
        assert [(s.word, s.phone) for s in made.segments] == [(s.word, s.phone) for s in segments]
        assert len({tuple(np.round(pitch[::20])) for _, _, pitch, *_ in counts}) == len(counts)
        lags = [np.abs(at - counts[0][1]).max() for _, at, *_ in counts]
        assert min(lags[1:]) > 0
    assert sizes <= {3, 4, 5, 6}
    assert len(sizes) > 1


def test_a_duet_is_in_thirds() -> None:
    wave, segments = utterance()
    score = compose(segments, analyse(wave, segments), voices.KINDS["duet"][1], Random(3))
    steps = {round(score.pitch(tone, 2) - score.pitch(tone)) for tone in score.tones}
    assert steps <= {3, 4}


def test_whispers_have_no_pitch_and_shouts_a_higher_one() -> None:
    wave, segments = utterance()
    pitch = {}
    for kind in ("whispered", "shouted"):
        made = voices.perform(wave, segments, voices.KINDS[kind][1], Random(1)).wave
        found, times = pyworld.dio(made, SAMPLE_RATE, f0_floor=65, f0_ceil=600)
        pitch[kind] = pyworld.stonemask(made, found, times, SAMPLE_RATE)
    assert (pitch["whispered"] > 0).mean() < 0.05
    assert (pitch["shouted"] > 0).mean() > 0.3
    assert np.median(pitch["shouted"][pitch["shouted"] > 0]) > 130 * 2 ** (4 / 12)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_breaths_are_heard_in_rests_and_labelled_silent(share: float) -> None:
    wave, segments = utterance()
    made = voices.perform(wave, segments, replace(plain, breath=share), Random(0))
    rest = next(s for s in made.segments if s.word < 0 and s.length > voices.BREATHES)
    inside = made.wave[round(rest.start * SAMPLE_RATE) + 800 : round(rest.end * SAMPLE_RATE) - 800]
    level = 20 * np.log10(np.sqrt((inside**2).mean()) / np.sqrt((made.wave**2).mean()))
    assert (level > -30) == bool(share)
    assert rest.phone == "sil"


def test_what_is_no_voiced_vowel_is_not_held() -> None:
    wave, segments = utterance()
    whispered = wave.copy()
    first = next(i for i, s in enumerate(segments) if s.phone == "IY")
    inside = slice(round(segments[first].start * SAMPLE_RATE), round(segments[first].end * SAMPLE_RATE))
    whispered[inside] = np.random.default_rng(1).standard_normal(inside.stop - inside.start) * 0.002
    voice = analyse(whispered, segments)
    assert not voice.held[first]
    assert sum(voice.held) == len(SPOKEN) - 1
    score = compose(segments, voice, replace(plain, note=(1.0, 1.2)), Random(0))
    assert score.time.moved(segments)[first].length < 0.25


def test_short_loud_pauses_go_to_their_neighbours_at_the_softest_place() -> None:
    wave, segments = utterance()
    hiss = segments[3]
    middle = hiss.start + 0.05
    wrong = [*segments[:3], Segment(-1, "sil", hiss.start - 0.03, middle), hiss._replace(start=middle), *segments[4:]]
    wrong[2] = segments[2]._replace(end=hiss.start - 0.03)
    right = settled(wave, wrong)
    assert [s.phone for s in right] == [s.phone for s in segments]
    assert all(a.end == b.start for a, b in pairwise(right))
    assert right[3].start == pytest.approx(hiss.start, abs=0.012)


def test_pauses_too_short_to_be_heard_are_shared_out() -> None:
    seg = [[0, "S", 0.0, 0.1], [-1, "sp", 0.1, 0.12], [1, "IY", 0.12, 0.3], [-1, "sp", 0.3, 0.5], [1, "S", 0.5, 0.6]]
    assert [s.phone for s in tidy(seg)] == ["S", "IY", "sil", "S"]
    assert [s.start for s in tidy(seg)] == [0.0, 0.11, 0.3, 0.5]
    with pytest.raises(ValueError, match="spn"):
        tidy([[0, "spn", 0.0, 0.3]])


@given(st.lists(st.tuples(st.sampled_from(["S", "sil"]), st.floats(0.03, 2.0)), min_size=1, max_size=40), seeds)
def test_a_phrase_is_a_part_from_pause_to_pause_or_all(rows: list[tuple[str, float]], seed: int) -> None:
    ends = np.cumsum([0.0, *(length for _, length in rows)]).tolist()
    segments = [Segment(-(p == "sil"), p, a, b) for (p, _), (a, b) in zip(rows, pairwise(ends), strict=True)]
    part = voices.phrase(segments, Random(seed))
    at = segments.index(part[0])
    assert part == segments[at : at + len(part)]
    if part != segments:
        assert part[0].phone == part[-1].phone == "sil"
        assert voices.PHRASE[0] <= part[-1].start - part[0].end <= voices.PHRASE[1]


def pack(path: Path, *rows: dict[str, Any]) -> Path:
    """A pack of the utterance under these lines of a manifest."""
    ogg = io.BytesIO()
    soundfile.write(ogg, utterance()[0], SAMPLE_RATE, format="OGG", subtype="OPUS")
    with zipfile.ZipFile(path, "w") as opened:
        full = [{"text": TEXT, "dur": utterance()[1][-1].end, **row} for row in rows]
        for row in full:
            opened.writestr(f"{row['id']}.ogg", ogg.getvalue())
        opened.writestr("manifest.jsonl", "\n".join(json.dumps(row) for row in full))
    return path


def seg() -> list[list[Any]]:
    return [list(s) for s in utterance()[1]]


def found(folder: Path) -> list[voices.Source]:
    known = pack(folder / "known.zip", {"id": "a", "seg": seg(), "voice": "x"})
    unknown = pack(folder / "unknown.zip", {"id": "b"}, {"id": "c"}, {"id": "m", "seg": seg(), "notes": [1]})
    made = [{"id": "b", "seg": seg(), "score": 0.9}, {"id": "c", "seg": seg(), "score": 0.4}]
    (folder / "unknown.labels.jsonl").write_text("\n".join(map(json.dumps, made)))
    return voices.find([known, unknown])


def test_only_speech_with_labels_to_be_trusted_is_used_and_their_kind_is_told(tmp_path: Path) -> None:
    sources = found(tmp_path)
    assert [(s.row["id"], s.exact) for s in sources] == [("a", True), ("b", False)]
    rows = [voices.make(voices.Order(source, "sung", "0/0"))[1] for source in sources]
    assert [row["edges"] for row in rows] == [True, False]


def test_the_same_seed_writes_the_same_readable_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "get_context", lambda _: multiprocessing.dummy)  # threads: processes start slowly
    sources = found(tmp_path)
    outs = [tmp_path / name for name in ("1.zip", "2.zip", "3.zip")]
    for out, seed in zip(outs, (1, 1, 2), strict=True):
        voices.write_pack(out, voices.orders(sources, ["sung", "whispered", "choir"], 0.5, seed), 0.2, 2)
    first, second, third = (out.read_bytes() for out in outs)
    assert first == second != third
    assert not list(tmp_path.glob("*.part"))
    made = read_packs([outs[0]])
    assert sum(len(u.wave) for u in made) >= 0.2 * 60 * SAMPLE_RATE
    for u in made:
        assert len(u.words) == len(TEXT.split())
        assert u.edges is not None
        assert len(u.times("start")) == len(u.words)


def test_orders_take_every_source_before_any_twice_and_keep_the_share_of_rendered_voices(tmp_path: Path) -> None:
    rendered, real = found(tmp_path)
    sources = [replace(s, row={**s.row, "id": f"{i}"}) for i in range(20) for s in (rendered, real)]
    drawn = list(islice(voices.orders(sources, ["sung"], 0.25, 1), 400))
    assert 0.15 < sum("voice" in order.source.row for order in drawn) / len(drawn) < 0.35
    assert len({order.seed for order in drawn}) == len(drawn)
    for family in (rendered, real):
        names = [o.source.row["id"] for o in drawn if o.source.pack == family.pack]
        rounds = [names[at : at + 20] for at in range(0, len(names) - 19, 20)]
        assert all(len(set(each)) == 20 for each in rounds)


def crc(data: bytes) -> int:
    """Of RFC 3533, bit by bit."""
    register = 0
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (0x04C11DB7 if register >> 31 else 0)) & 0xFFFFFFFF
    return register


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=3, deadline=None)
def test_a_new_serial_number_changes_no_sample_and_the_checksums_are_right(serial: int) -> None:
    ogg = io.BytesIO()
    soundfile.write(ogg, utterance()[0][:8000], SAMPLE_RATE, format="OGG", subtype="OPUS")
    changed = voices.numbered(ogg.getvalue(), serial)
    pages = changed.split(b"OggS")[1:]
    assert len(pages) >= 3
    for page in pages:
        assert int.from_bytes(page[10:14], "little") == serial
        assert int.from_bytes(page[18:22], "little") == crc(b"OggS" + page[:18] + bytes(4) + page[22:])
    before, after = (soundfile.read(io.BytesIO(data))[0] for data in (ogg.getvalue(), changed))
    assert np.array_equal(before, after)
