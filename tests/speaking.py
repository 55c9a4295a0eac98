"""A tiny voice with random weights, which babbles in the right times, for tests."""

from __future__ import annotations

from pathlib import Path

import torch

from aligner_core.tts import vocoder
from aligner_core.tts.acoustic import Acoustic, AcousticConfig
from aligner_core.tts.durations import DurationConfig, Durations
from aligner_core.tts.source_filter import SourceFilter, SourceFilterConfig
from aligner_core.tts.synthesizer import Synthesizer
from aligner_core.tts.voice import Voice

SMALL = AcousticConfig(width=32, heads=2, inner=32, layers=(1, 1), positions=(20, 60), post_width=16, post_layers=3)


def babbler() -> Synthesizer:
    """Speaks about 200 Hz high and loud enough to be measured."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        acoustic, durations = Acoustic(SMALL), Durations(DurationConfig(inputs=32, width=8))
        sound = SourceFilter(SourceFilterConfig(width=16, hidden=16, dilations=(1,)))
    acoustic.pitch_scale.copy_(torch.tensor([5.3, 0.1]))
    acoustic.mel_mean.fill_(-3.0)
    return Synthesizer(Voice(acoustic, durations), sound.eval())


def saved(folder: Path) -> tuple[str, str, str, str]:
    """The options by which `karalign guide` speaks with that voice."""
    speaker = babbler()
    voice, sound = folder / "tiny.voice", folder / "tiny.vocoder"
    speaker.voice.save(voice)
    assert isinstance(speaker.vocoder, SourceFilter)
    vocoder.save(speaker.vocoder, "neural", sound, {})
    return ("--voice", str(voice), "--vocoder", str(sound))
