"""`karalign activations`: where the network looks for the sounds of a line, as a page or a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plugin.terminal import chosen_device, device_option

if TYPE_CHECKING:
    from torch import Tensor

    from aligner_core.acoustic.cnn import CnnCtc
    from aligner_core.activation import Sound
    from aligner_core.timeline import Alignment, Line
    from plugin.panels import Picture, Stage

BESIDE = 0.3  # seconds shown before and after a line
KINDS = (".html", ".png")


@click.command()
@click.argument("song", metavar="SONG")
@click.argument("timed", metavar="TIMED")
@click.option("-o", "--output", metavar="OUT", required=True, help="page.html, which can be zoomed, or picture.png.")
@click.option(
    "--line", "numbers", type=click.IntRange(1), multiple=True, metavar="N",
    help="A timed line, by its number in TIMED; may be repeated.  [default: the first]",
)  # fmt: skip
@click.option("--posteriors", is_flag=True, help="Add what the network hears, and all paths of the line through it.")
@click.option("--model", metavar="NAME|FILE", help="Acoustic model: a CNN of ours.  [default: cnn]")
@device_option
def command(
    song: str, timed: str, output: str, numbers: tuple[int, ...], posteriors: bool, model: str | None, device: str
) -> None:
    """Show what in SONG speaks for the sounds of a line, at their times in TIMED.

    TIMED is what `karalign align` writes as JSON, which keeps the phones. Above is the spectrogram; below, band by band
    and frame by frame, what makes the network hear these sounds (red) and what speaks against them (blue).
    """
    if Path(output).suffix.lower() not in KINDS:
        raise click.UsageError(f"{output}: a picture is {' or '.join(KINDS)}")
    from plugin import load
    from plugin.files import write_atomic
    from plugin.panels import page, png
    from plugin.targets import check_writable

    check_writable(Path(output), (song, timed), clobber=True)
    alignment = load(timed)
    lines = _lines(alignment, numbers, timed)
    pictures = _pictures(song, lines, posteriors=posteriors, model=model, device=chosen_device(device))
    data = png(pictures) if Path(output).suffix.lower() == ".png" else page(pictures).encode()
    write_atomic(output, data)


def _lines(alignment: Alignment, numbers: Sequence[int], where: str) -> list[Line]:
    """The lines of these numbers, or the first that has a time."""
    from aligner_core.errors import AlignmentError

    timed = [at for at, line in enumerate(alignment.lines, start=1) if line.timed]
    wrong = sorted(set(numbers) - set(timed))
    if wrong or not timed:
        what = f"line {wrong[0]} has no times" if wrong else "no line has times"
        raise AlignmentError(what, where, f"{timed[0]} has" if timed else "karalign align")
    return [alignment.lines[number - 1] for number in numbers or timed[:1]]


def _pictures(song: str, lines: Sequence[Line], *, posteriors: bool, model: str | None, device: str) -> list[Picture]:
    from aligner_core import acoustic, audio
    from aligner_core.acoustic.cnn import CnnCtc
    from aligner_core.activation import sounds_of
    from aligner_core.errors import WeightsError
    from plugin.hearing import hushed

    network = acoustic.load(model, device)
    if not isinstance(network, CnnCtc):
        raise WeightsError("activation maps are of the CNN", str(model), "cnn")
    sounds = [sounds_of(line, network) for line in lines]
    with hushed():
        wave = audio.load(song)
    features = audio.normalise(audio.log_mel(wave.to(device)))
    drawn = zip(lines, sounds, strict=True)
    return [_picture(network, features, line, found, posteriors=posteriors) for line, found in drawn]


def _picture(network: CnnCtc, features: Tensor, line: Line, sounds: Sequence[Sound], *, posteriors: bool) -> Picture:
    from aligner_core.activation import integrated_gradients, joined
    from plugin.panels import Picture

    step = network.frame_seconds
    first = max(sounds[0].start - round(BESIDE / step), 0)
    span = slice(first, min(sounds[-1].end + round(BESIDE / step), len(features)))
    heat = joined(list(integrated_gradients(network, features, sounds)), len(features))[:, span]
    names = [network.symbols[sound.column] for sound in sounds]
    marks = [(sound.start * step, sound.end * step, name) for sound, name in zip(sounds, names, strict=True)]
    stages = [_stage(network, features, sounds, span)] if posteriors else []
    states = [name for phone in names for name in ("-", phone)] + ["-"]
    text = (
        f"Red speaks for a sound where it is, blue against it. {span.start * step:.2f} s to {span.stop * step:.2f} s."
    )
    return Picture(
        line.text, text, features[span].T.cpu().numpy(), network.symbols, states if posteriors else (), stages, marks,
        span.start * step, step, heat.cpu().numpy(),
    )  # fmt: skip


def _stage(network: CnnCtc, features: Tensor, sounds: Sequence[Sound], span: slice) -> Stage:
    """What is heard in these frames, and all ways to say these sounds there."""
    import torch

    from aligner_core.ctc import ctc_band
    from aligner_core.recognise import voices
    from aligner_core.recursion import band_paths, best_states
    from plugin.panels import Stage

    count = len(network.symbols)
    begin = max(span.start - network.reach, 0)
    with torch.inference_mode():
        table = network.table(features[None, begin : span.stop + network.reach])
        heard = table[0, span.start - begin :][: span.stop - span.start, :count].cpu()
        scores = voices(heard, network.symbols)
        target = torch.tensor([[sound.column for sound in sounds]])
        band = ctc_band(scores[:, None], target, torch.tensor([len(sounds)]), 0)
        paths = band_paths(*band, torch.tensor([len(heard)]))
        return Stage("heard", heard.exp().numpy(), paths.states[:, 0].numpy(), best_states(*band))
