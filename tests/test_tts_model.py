"""The networks of the spoken voice: padding never counts, batch norm is the textbook's, lengths come out exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from aligner_core.errors import AlignmentError, WeightsError
from aligner_core.tts.acoustic import (
    SYMBOLS,
    Acoustic,
    AcousticConfig,
    Spoken,
    Told,
    most_pieces,
    phone_means,
)
from aligner_core.tts.blocks import ConvBlock, Layer, MaskedBatchNorm, Stack, restart_statistics
from aligner_core.tts.durations import DurationConfig, Durations, rounded
from aligner_core.tts.sound import MELS, Frames
from aligner_core.tts.voice import LONG, Voice, load_voice

SMALL = AcousticConfig(width=32, heads=2, inner=32, layers=(2, 2), positions=(20, 60), post_width=16, post_layers=3)
HELLO = ["sil", "HH", "AH0", "L", "OW1", "sil"]
FRAMES = [10, 4, 6, 7, 30, 12]


def awake(model: nn.Module) -> nn.Module:
    """With statistics and positions as if it had been trained."""
    for module in model.modules():
        if isinstance(module, MaskedBatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.bias)
        if isinstance(module, Stack):
            nn.init.normal_(module.positions)
    return model


@pytest.fixture
def voice() -> Voice:
    torch.manual_seed(1)
    acoustic, durations = Acoustic(SMALL), Durations(DurationConfig(inputs=32, width=8))
    acoustic.pitch_scale.copy_(torch.tensor([5.3, 0.2]))
    awake(acoustic)
    return Voice(acoustic, durations, {"made": "here"})


def lines() -> tuple[Tensor, Tensor, Told]:
    """Three lines of different lengths, of which things are told."""
    torch.manual_seed(2)
    durations = torch.tensor([[3, 9, 30, 8, 2], [4, 1, 7, 0, 0], [12, 0, 0, 0, 0]])
    phones = torch.randint(1, len(SYMBOLS), durations.shape) * (durations > 0)
    told = Told(torch.randn(3, 5, 2), torch.rand(3, 5, 2) < 0.5, torch.randn(3, 64), torch.tensor([True, False, True]))
    return phones, durations, told


def row(told: Told, at: int, phones: int, frames: int) -> Told:
    mine = slice(at, at + 1)
    return Told(told.prosody[mine, :phones], told.known[mine, :phones], told.melody[mine, :frames], told.follow[mine])


def twin(x: Tensor, mask: Tensor, norm: MaskedBatchNorm) -> tuple[Tensor, Tensor, Tensor]:
    """torch's own batch normalisation of what is real, put back in its place."""
    own = nn.BatchNorm1d(x.shape[1])
    own.load_state_dict(norm.state_dict(), strict=False)
    out = torch.zeros_like(x).transpose(1, 2)
    out[mask] = own(x.transpose(1, 2)[mask])
    assert own.running_mean is not None
    assert own.running_var is not None
    return out.transpose(1, 2), own.running_mean, own.running_var


def test_masked_batch_norm_is_torchs_on_what_is_real() -> None:
    torch.manual_seed(0)
    x, mask = torch.randn(3, 4, 9) * 3 + 1, torch.arange(9) < torch.tensor([[9], [4], [1]])
    norm = MaskedBatchNorm(4)
    nn.init.normal_(norm.weight)
    expected, mean, var = twin(x, mask, norm)
    torch.testing.assert_close(norm(x, mask), expected)
    torch.testing.assert_close((norm.running_mean, norm.running_var), (mean, var))


def test_what_lies_in_padding_does_not_matter_while_training() -> None:
    torch.manual_seed(0)
    block, mask = ConvBlock(8, 5, 0.0), torch.arange(12) < torch.tensor([[12], [5]])
    x = torch.randn(2, 12, 8) * mask[..., None]
    longer = torch.cat([x, torch.zeros(2, 6, 8)], 1)
    torch.testing.assert_close(block(longer, nn.functional.pad(mask, (0, 6)))[:, :12], block(x, mask))


def test_restarted_statistics_are_the_mean_of_all_batches() -> None:
    norm, batches = MaskedBatchNorm(2), torch.randn(5, 3, 2, 7)
    holder = nn.Sequential(norm, nn.Dropout(0.5))
    norm(batches[0] + 100, torch.ones(3, 7, dtype=torch.bool))
    restart_statistics(holder)
    assert not holder[1].training
    for batch in batches:
        norm(batch, torch.ones(3, 7, dtype=torch.bool))
    torch.testing.assert_close(norm.running_mean, batches.mean((0, 1, 3)))
    torch.testing.assert_close(norm.running_var, batches.transpose(1, 2).flatten(2).var(2).mean(0), rtol=0.1, atol=0.1)


def test_a_line_longer_than_all_positions_is_encoded() -> None:
    stack = awake(Stack(8, 2, 16, 3, 1, positions=5, dropout=0.1)).eval()
    out = stack(torch.randn(1, 40, 8), torch.ones(1, 40, dtype=torch.bool))
    assert out.shape == (1, 40, 8)
    assert bool(out.isfinite().all())


def test_a_layer_gives_nothing_where_there_is_nothing() -> None:
    mask = torch.tensor([[True, True, False]])
    out = Layer(8, 2, 16, 3, 0.0)(torch.randn(1, 3, 8), mask)
    assert float(out[0, 2].detach().abs().max()) == 0


def test_lines_side_by_side_sound_as_each_alone() -> None:
    phones, durations, told = lines()
    model = awake(Acoustic(SMALL)).eval()
    with torch.no_grad():
        both: Spoken = model(phones, durations, told, 64, pieces=most_pieces(64, 5))
        for at in range(3):
            count, frames = int((durations[at] > 0).sum()), int(durations[at].sum())
            mine = slice(at, at + 1)
            alone = model(phones[mine, :count], durations[mine, :count], row(told, at, count, frames), frames)
            assert int(both.mask[at].sum()) == frames
            for name in ("rough", "mel", "pitch", "voicing"):
                expected = getattr(alone, name)[0]
                torch.testing.assert_close(getattr(both, name)[at, :frames], expected, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(both.prosody[at, :count], alone.prosody[0], atol=1e-4, rtol=1e-4)


def test_what_is_not_known_does_not_matter_and_what_is_does() -> None:
    phones, durations, told = lines()
    model = awake(Acoustic(SMALL)).eval()
    told = told._replace(melody=torch.zeros(3, 64), follow=torch.tensor([True, False, False]))

    def mel(told: Told) -> Tensor:
        with torch.no_grad():
            return model(phones, durations, told, 64).mel  # type: ignore[no-any-return]

    base = mel(told)
    torch.testing.assert_close(mel(told._replace(prosody=torch.where(told.known, told.prosody, 99.0))), base)
    assert not torch.allclose(mel(told._replace(prosody=told.prosody + 1)), base)
    follows = mel(told._replace(melody=torch.ones(3, 64)))
    assert not torch.allclose(follows[0], base[0])
    torch.testing.assert_close(follows[1:], base[1:])


def test_means_of_phones_are_those_of_a_loop() -> None:
    values, durations = torch.randn(2, 12), torch.tensor([[3, 1, 8], [5, 2, 0]])
    found = phone_means(values, durations)
    for line, lengths in enumerate(durations.tolist()):
        at = 0
        for phone, length in enumerate(lengths):
            expected = values[line, at : at + length].mean() if length else torch.tensor(0.0)
            torch.testing.assert_close(found[line, phone], expected)
            at += length


@given(
    st.lists(st.tuples(st.sampled_from(SYMBOLS), st.floats(0, 300)), min_size=1, max_size=40),
    st.integers(0, 2000),
)
def test_rounded_lengths_fill_the_line_exactly(line: list[tuple[str, float]], total: int) -> None:
    phones, durations = [phone for phone, _ in line], [length for _, length in line]
    if total < len(line):
        with pytest.raises(AlignmentError, match="do not fit"):
            rounded(phones, durations, total)
        return
    found = rounded(phones, durations, total)
    assert sum(found) == total
    assert min(found) >= 1
    low = [1 if phone == "sil" or phone[-1].isdigit() else 2 for phone in phones]
    if total >= sum(low):
        assert all(length >= least for length, least in zip(found, low, strict=True))


@given(st.lists(st.floats(2, 100), min_size=1, max_size=60))
def test_rounding_does_not_add_up(durations: list[float]) -> None:
    found = rounded(["S"] * len(durations), durations)
    at, exact = 0, 0.0
    for length, wanted in zip(found, durations, strict=True):
        at, exact = at + length, exact + wanted
        assert at == pytest.approx(exact, abs=0.51)


def test_normal_durations_come_back() -> None:
    model = Durations(DurationConfig(inputs=4))
    model.mean.uniform_(1.5, 3)
    model.deviation.uniform_(0.6, 1)
    phones, frames = torch.arange(len(SYMBOLS))[None], torch.arange(1, len(SYMBOLS) + 1)[None].clamp(max=40)
    torch.testing.assert_close(model.frames(phones, model.normal(phones, frames)), frames.float(), atol=1e-3, rtol=1e-3)


def test_durations_side_by_side_are_those_of_each_alone() -> None:
    torch.manual_seed(0)
    model, encoded = Durations(DurationConfig(inputs=6, width=5)).eval(), torch.randn(2, 9, 6)
    with torch.no_grad():
        both = model(encoded, torch.tensor([9, 4]))
        torch.testing.assert_close(both[1:, :4], model(encoded[1:, :4], torch.tensor([4])))


def test_a_voice_comes_back_from_its_file(voice: Voice, tmp_path: Path) -> None:
    voice.save(tmp_path / "voice.pt")
    back = load_voice(tmp_path / "voice.pt")
    assert back.card == {"made": "here"}
    assert back.acoustic.config == SMALL
    assert back.durations(HELLO) == voice.durations(HELLO)
    torch.testing.assert_close(back.frames(HELLO, FRAMES).mel, voice.frames(HELLO, FRAMES).mel, atol=0.05, rtol=0.05)


def test_the_released_size_is_small_enough() -> None:
    count = sum(w.numel() for w in [*Acoustic().parameters(), *Durations().parameters()])
    assert 2 * count < 2**24 - 100_000


@pytest.mark.parametrize(
    ("content", "match"),
    [(b"no voice", "damaged"), ({"kind": "else"}, "not a voice"), (None, "no such")],
)
def test_a_file_that_is_no_voice_is_told(tmp_path: Path, content: object, match: str) -> None:
    path = tmp_path / "voice.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=match):
        load_voice(path)


def frames_of(voice: Voice, durations: list[int], melody: Tensor | None = None) -> Frames:
    frames = voice.frames(HELLO, durations, melody=melody)
    assert frames.mel.shape == (sum(durations), MELS)
    assert frames.f0.shape == frames.voiced.shape == (sum(durations),)
    assert bool(frames.mel.isfinite().all())
    assert float(frames.f0.min()) > 0
    assert 0 <= float(frames.voiced.min()) <= float(frames.voiced.max()) <= 1
    return frames


def test_a_voice_gives_what_a_vocoder_needs(voice: Voice) -> None:
    frames_of(voice, FRAMES)


def test_a_melody_is_followed_exactly(voice: Voice) -> None:
    melody = torch.linspace(200, 500, sum(FRAMES))
    found = frames_of(voice, FRAMES, melody)
    torch.testing.assert_close(found.f0, melody)
    assert not torch.allclose(found.mel, frames_of(voice, FRAMES, melody * 1.5).mel)


def test_pitch_and_energy_of_a_phone_can_be_told(voice: Voice) -> None:
    plain = voice.frames(HELLO, FRAMES).mel
    assert not torch.allclose(voice.frames(HELLO, FRAMES, pitch=[None, None, 300.0, None, None, None]).mel, plain)
    assert not torch.allclose(voice.frames(HELLO, FRAMES, energy=[None, None, -2.0, None, None, None]).mel, plain)
    torch.testing.assert_close(voice.frames(HELLO, FRAMES, pitch=[None] * 6).mel, plain)


def test_speech_is_as_loud_as_the_voice_guesses_and_song_is_not(voice: Voice) -> None:
    names = torch.tensor([[SYMBOLS.index(phone) for phone in HELLO]])
    there = torch.ones_like(names, dtype=torch.bool)
    with torch.inference_mode():
        energy = voice.acoustic.guessed(voice.acoustic.encode(names, there), there)[0, :, 1].tolist()
    melody = torch.full((sum(FRAMES),), 300.0)
    torch.testing.assert_close(voice.frames(HELLO, FRAMES, energy=energy).mel, voice.frames(HELLO, FRAMES).mel)
    told, left = (voice.frames(HELLO, FRAMES, energy=given, melody=melody).mel for given in (energy, ()))
    assert not torch.allclose(told, left)


@pytest.mark.parametrize("phones", [["AA1"], ["sil"], ["S", "T"], HELLO * 400], ids=["one", "pause", "stops", "long"])
def test_any_line_can_be_said(voice: Voice, phones: list[str]) -> None:
    durations = voice.durations(phones)
    frames = voice.frames(phones, durations)
    assert len(frames.mel) == sum(durations)
    assert bool(frames.mel.isfinite().all())


def test_a_long_line_is_parted_at_a_pause_in_its_middle(voice: Voice) -> None:
    phones, lengths = [*HELLO, *HELLO], [*FRAMES[:4], LONG // 2, 40, *FRAMES[:4], LONG // 2, 40]
    whole = voice.frames(phones, lengths)
    parts = [voice.frames(phones[:6], lengths[:6]), voice.frames(phones[6:], lengths[6:])]
    torch.testing.assert_close(whole.mel[-len(parts[1].mel) :], parts[1].mel)
    torch.testing.assert_close(whole.mel[: len(parts[0].mel)], parts[0].mel)


def test_a_line_lasts_as_long_as_it_is_told_to(voice: Voice) -> None:
    assert sum(voice.durations(HELLO, total=123)) == 123
    assert sum(voice.durations(HELLO, pace=2.0)) < sum(voice.durations(HELLO))
    with pytest.raises(AlignmentError, match="do not fit"):
        voice.durations(HELLO, total=5)


@pytest.mark.parametrize(
    ("phones", "durations", "match"),
    [
        (["AA"], [3], "no sound 'AA'"),
        ([], [], "nothing to say"),
        (["AA1"], [0], "1 frame or more"),
        (["AA1"], [1, 2], "1 sounds, 2 lengths"),
    ],
)
def test_a_line_that_cannot_be_said_is_told(voice: Voice, phones: list[str], durations: list[int], match: str) -> None:
    with pytest.raises(AlignmentError, match=match):
        voice.frames(phones, durations)


def test_a_melody_of_another_length_is_told(voice: Voice) -> None:
    with pytest.raises(AlignmentError, match="melody"):
        voice.frames(HELLO, FRAMES, melody=torch.full((3,), 200.0))
