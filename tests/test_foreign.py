"""Networks of others: how their weights are found, what they hear, and the way from them to a timed text.

A network of the same architecture but a few thousand random weights lies where torch.hub would keep the real one.
"""

from __future__ import annotations

import json
import urllib.error
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile
import torch
import torchaudio
from torch import Tensor, nn

from aligner_core import Aligner, Alignment, WeightsError, acoustic, weights
from aligner_core.acoustic import foreign
from aligner_core.acoustic.foreign import CONTEXT, SYMBOLS, Speller
from aligner_core.weights import FOREIGN, names, released
from plugin import load

if TYPE_CHECKING:
    from conftest import Karalign, Refuse

TINY = {
    "extractor_conv_layer_config": [(8, 10, 5), *[(8, 3, 2)] * 4, *[(8, 2, 2)] * 2],
    "encoder_embed_dim": 16,
    "encoder_pos_conv_kernel": 16,
    "encoder_pos_conv_groups": 2,
    "encoder_num_layers": 2,
    "encoder_num_heads": 2,
    "encoder_ff_interm_features": 32,
}
UNUSED = 3  # rows of the head that torchaudio takes out of the file


@pytest.fixture(autouse=True)
def hub(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch.hub would keep weights; the bundles are tiny, and there is no web."""
    home = tmp_path_factory.mktemp("torch")
    monkeypatch.setenv("TORCH_HOME", str(home))
    for known in FOREIGN.values():
        bundle = getattr(torchaudio.pipelines, known.bundle)
        tiny = replace(bundle, _params={**bundle._params, **TINY})
        monkeypatch.setattr(torchaudio.pipelines, known.bundle, tiny)

    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError(OSError(-3, "Temporary failure in name resolution"))

    monkeypatch.setattr("urllib.request.urlopen", offline)
    monkeypatch.setattr("torch.hub.urlopen", offline)
    return home / "hub" / "checkpoints"


def keep(name: str, seed: int = 0) -> Path:
    """Put random weights where those of this network belong, in the form that they have on the web."""
    torch.manual_seed(seed)
    known = FOREIGN[name]
    network = torchaudio.models.wav2vec2_model(**getattr(torchaudio.pipelines, known.bundle)._params)
    state = network.state_dict()
    for part in ("aux.weight", "aux.bias"):
        first, *rest = state[part].split([1, len(state[part]) - 1])
        state[part] = torch.cat([first, torch.full((UNUSED, *first.shape[1:]), 99.0), *rest])
    known.path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, known.path)
    return known.path


@pytest.fixture(params=list(FOREIGN))
def name(request: pytest.FixtureRequest) -> str:
    keep(request.param)
    return str(request.param)


# names


def test_the_names_are_those_of_the_release_and_of_others() -> None:
    assert "cnn" in released()
    assert set(names()) == {*released(), *FOREIGN}


def test_a_checkpoint_has_one_place_by_name_and_by_path(hub: Path, tmp_path: Path) -> None:
    assert weights.checkpoint() == weights.checkpoint("cnn")
    assert weights.checkpoint("cnn").is_file()
    assert weights.checkpoint("mms") == hub / "model.pt"
    assert weights.checkpoint(tmp_path / "my.pt") == tmp_path / "my.pt"
    assert weights.checkpoint("my.pt") == Path("my.pt")


def test_the_released_model_is_the_same_by_its_name() -> None:
    wave = torch.randn(4000)
    assert torch.equal(acoustic.load("cnn").log_probs(wave), acoustic.load().log_probs(wave))


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    with pytest.raises(WeightsError, match=r"^nonsense: there is no .* \(a file, or one of .*cnn, .*mms, wav2vec2\)"):
        acoustic.load("nonsense")


def test_the_place_of_the_weights_is_that_of_torch_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variables in ({"TORCH_HOME": str(tmp_path)}, {"XDG_CACHE_HOME": str(tmp_path)}, {}):
        for variable in ("TORCH_HOME", "XDG_CACHE_HOME"):
            monkeypatch.delenv(variable, raising=False)
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        assert FOREIGN["mms"].path.parent == Path(torch.hub.get_dir(), "checkpoints")


@pytest.mark.parametrize("name", FOREIGN)
def test_the_url_is_that_of_torchaudio(name: str) -> None:
    bundle = getattr(torchaudio.pipelines, FOREIGN[name].bundle)
    assert FOREIGN[name].url.endswith(bundle._path)
    assert FOREIGN[name].url.startswith("https://")


# loading


def test_weights_that_are_there_are_loaded(name: str) -> None:
    model = acoustic.load(name)
    assert isinstance(model, acoustic.AcousticModel)
    assert model.symbols == ("-", *"abcdefghijklmnopqrstuvwxyz", "'")
    assert (model.sample_rate, model.frame_seconds) == (16000, 0.01)


def test_other_weights_are_heard_otherwise(name: str) -> None:
    wave = torch.randn(8000)
    before = acoustic.load(name).log_probs(wave)
    assert torch.equal(acoustic.load(name).log_probs(wave), before)
    keep(name, seed=1)
    assert not torch.allclose(acoustic.load(name).log_probs(wave), before)


@pytest.mark.parametrize("name", FOREIGN)
def test_without_the_web_it_is_told_what_to_fetch_and_where_to_put_it(name: str, refuse: Refuse, song: Path) -> None:
    known = FOREIGN[name]
    with pytest.raises(WeightsError) as caught:
        acoustic.load(name)
    told = f"{known.url}: cannot be fetched: Temporary failure in name resolution (put it at {known.path}, or try "
    assert str(caught.value).startswith(told)
    (song.parent / "words.txt").write_text("hello\n")
    line = refuse("align", song, song.parent / "words.txt", "-o", song.parent / "out.lrc", "--model", name)
    assert line.startswith(f"karalign: {told}")
    assert not known.path.exists()


def test_a_web_that_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.HTTPError("", 403, "Forbidden", {}, None)  # type: ignore[arg-type]

    monkeypatch.setattr("torch.hub.urlopen", refuse)
    with pytest.raises(WeightsError, match="cannot be fetched: Forbidden"):
        acoustic.load("mms")


class Web:
    """Answers with a file, in pieces."""

    def __init__(self, content: bytes) -> None:
        self.pieces = [content[:1000], content[1000:], b""]

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def info(self) -> Any:
        return self

    def get_all(self, _: str) -> list[str]:
        return [str(sum(map(len, self.pieces)))]

    def read(self, _: int) -> bytes:
        return self.pieces.pop(0)


def test_what_is_fetched_is_kept(name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    path, wave, asked = FOREIGN[name].path, torch.randn(4000), []
    before, content = acoustic.load(name).log_probs(wave), path.read_bytes()
    path.unlink()

    def answer(request: Any) -> Web:
        asked.append(request.full_url)
        return Web(content)

    monkeypatch.setattr("torch.hub.urlopen", answer)
    assert torch.equal(acoustic.load(name).log_probs(wave), before)
    acoustic.load(name)
    assert asked == [FOREIGN[name].url]
    assert path.read_bytes() == content
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 and so on"])
def test_damaged_weights_are_told(name: str, content: bytes) -> None:
    FOREIGN[name].path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"{FOREIGN[name].path.name}: damaged, or not .* \(delete it"):
        acoustic.load(name)


def test_weights_of_another_network_are_told(name: str) -> None:
    torch.save({"aux.weight": torch.zeros(31, 3), "aux.bias": torch.zeros(31)}, FOREIGN[name].path)
    with pytest.raises(WeightsError, match="damaged, or not the weights of"):
        acoustic.load(name)


def test_weights_are_data_and_cannot_run_a_program(name: str, tmp_path: Path) -> None:
    class Program:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"aux.weight": Program()}, FOREIGN[name].path)
    with pytest.raises(WeightsError, match="damaged"):
        acoustic.load(name)
    assert not (tmp_path / "ran").exists()


# what is heard


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 320, 399, 16000, 16123])
def test_there_is_a_distribution_for_every_frame(name: str, samples: int) -> None:
    log_probs = acoustic.load(name).log_probs(torch.randn(samples))
    assert log_probs.shape == (1 + samples // 160, len(SYMBOLS))
    assert torch.allclose(log_probs.exp().sum(-1), torch.ones(len(log_probs)), atol=1e-4)


def test_blocks_give_what_the_whole_gives(name: str) -> None:
    model, wave = acoustic.load(name), torch.randn(20000)
    heard: list[float] = []
    assert torch.equal(model.log_probs_of(torch.tensor_split(wave, 25), heard.append), model.log_probs(wave))
    assert heard == [1.0]


class Loud(nn.Module):
    """Hears A where its frame is loud, a word boundary elsewhere; notes how much it is given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.given: list[int] = []

    def forward(self, waves: Tensor) -> tuple[Tensor, None]:
        self.given.append(waves.shape[1])
        loud = waves.unfold(1, foreign.FIELD, foreign.STRIDE)[..., 160:240].square().mean(-1) > 0.5
        out = torch.full((*loud.shape, len(LABELS)), -20.0)
        out[..., LABELS.index("*")] = 0.0
        out[..., LABELS.index("A")] = torch.where(loud, 0.0, -20.0)
        out[..., LABELS.index("|")] = torch.where(loud, -20.0, 0.0)
        return out, None


LABELS = ("-", "|", *"ZYXWVUTSRQPONMLKJIHGFEDCBA'", "*")


@pytest.mark.parametrize("window", [7, 50, 1500])
def test_windows_hear_each_thing_in_its_time(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    monkeypatch.setattr(foreign, "WINDOW", window)
    wave = torch.zeros(16000 * 5)
    for second in (0.5, 1.7, 3.33, 4.9):
        wave[round(16000 * second) :][:1600] = 1.0
    network = Loud()
    heard = Speller(network, LABELS).log_probs(wave).exp()
    assert torch.allclose(heard.sum(1), torch.ones(len(heard)))
    assert set(heard.argmax(1).tolist()) == {0, 1}  # neither the star nor the boundary is left
    centres = torch.arange(len(heard)) / 100
    for second in (0.5, 1.7, 3.33, 4.9):
        mine = centres[(heard[:, 1] > 0.5) & ((centres - second - 0.05).abs() < 0.2)]
        assert float(mine.min()) == pytest.approx(second, abs=0.016)
        assert float(mine.max()) == pytest.approx(second + 0.1, abs=0.016)
    assert max(network.given) <= (window + 2 * CONTEXT) * foreign.STRIDE + foreign.FIELD


def test_what_is_heard_is_neither_early_nor_late() -> None:
    late = []
    for begin in range(8000, 8320, 16):  # over one of their frames
        wave = torch.zeros(16000)
        wave[begin:] = 1.0
        first = int(Speller(Loud(), LABELS).log_probs(wave).argmax(1).argmax())
        late.append(first * 0.01 - 0.005 - begin / 16000)  # a frame of ours begins half of it before its centre
    assert sum(late) / len(late) == pytest.approx(0, abs=0.001)


def test_a_window_hears_what_the_whole_does_where_context_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    keep("mms")
    bundle = torchaudio.pipelines.MMS_FA
    monkeypatch.setattr(torchaudio.pipelines, "MMS_FA", replace(bundle, _normalize_waveform=False))
    model, wave = acoustic.load("mms"), torch.randn(16000)
    whole = model.log_probs(wave)
    monkeypatch.setattr(foreign, "WINDOW", 20)  # with a second of sound all of it is context
    assert torch.allclose(model.log_probs(wave), whole, atol=1e-5)


# the way to a timed text


def test_a_text_is_timed_by_what_random_weights_hear(name: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", torch.randn(8 * 16000).numpy() * 0.1, 16000)
    text = Alignment.from_text("[Intro]\nAmazing grace, how sweet")
    timed = Aligner.load(name, "cpu").align(tmp_path / "song.wav", text)
    again = Aligner(acoustic.load(name), exact=True).align(tmp_path / "song.wav", text)
    assert [line.text for line in timed.lines] == [line.text for line in text.lines]
    assert all(word.timed for word in again.words)
    assert not again.phones
    assert "".join(part.text for part in again.words[0].syllables) == "Amazing"


def test_the_command_line_takes_the_name_and_keeps_what_was_heard(
    name: str, karalign: Karalign, tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "song.wav", torch.randn(8 * 16000).numpy() * 0.1, 16000)
    (tmp_path / "words.txt").write_text("Amazing grace how sweet the sound\n")
    run = ("align", tmp_path / "song.wav", tmp_path / "words.txt", "--model", name, "--exact")
    outs = [tmp_path / f"{number}.json" for number in range(3)]
    for out in outs[:2]:
        got = karalign(*run, "-o", out)
        assert got.code == 0, got.err
    assert [path.suffix for path in cache_folder.iterdir()] == [".heard"]
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert all(word.timed for word in load(outs[0]).words)
    keep(name, seed=1)
    assert karalign(*run, "-o", outs[2]).code == 0
    assert len(list(cache_folder.iterdir())) == 2


def test_what_a_network_hears_is_kept_though_it_was_fetched_for_it(
    name: str, karalign: Karalign, song: Path, tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = FOREIGN[name].path.read_bytes()
    FOREIGN[name].path.unlink()
    monkeypatch.setattr("torch.hub.urlopen", lambda _: Web(content))
    (tmp_path / "words.txt").write_text("hello\n")
    assert karalign("align", song, tmp_path / "words.txt", "-o", tmp_path / "out.json", "--model", name).code in {0, 1}
    assert [path.suffix for path in cache_folder.iterdir()] == [".heard"]


def test_doctor_lists_every_model(karalign: Karalign) -> None:
    keep("mms")
    checks = {check["name"]: check for check in json.loads(karalign("doctor", "--json").out)}
    assert checks["model mms"]["ok"]
    assert not checks["model wav2vec2"]["ok"]
    assert FOREIGN["wav2vec2"].size in checks["model wav2vec2"]["hint"]
    assert {f"model {name}" for name in names()} - {"model cnn"} <= set(checks)
    assert not checks["demucs"]["essential"]
    assert karalign("doctor").code == 0
