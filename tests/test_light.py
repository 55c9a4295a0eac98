"""The light runtime gives what PyTorch gives, reads the same checkpoints, and runs nothing that is hidden in one."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from aligner_core import Aligner, Alignment, WeightsError, acoustic, audio, weights
from aligner_core.acoustic import archive, runtimes
from aligner_core.acoustic.blstm import Blstm
from aligner_core.acoustic.cnn import CnnConfig, CnnCtc
from aligner_core.acoustic.onnx_writer import Writer
from aligner_core.acoustic.runtimes import RUNTIMES, Runtime, runs_light
from aligner_core.logmel import FFT, HOP, MELS, Mels, log_mel_blocks, mel_bank
from aligner_core.resampling import Samples
from aligner_core.spool import Rows
from plugin import load

onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime, which karalign[light] brings")

from aligner_core.acoustic.light import Light  # noqa: E402


def noise(samples: int, seed: int = 0) -> Samples:
    wave = np.random.default_rng(seed).standard_normal(samples, np.float32) * np.float32(0.1)
    wave[samples // 2 :] *= 20  # the level of the whole is known at its end only
    return wave


def saved(folder: Path, config: CnnConfig, seed: int = 0) -> Path:
    """A network whose every weight matters."""
    torch.manual_seed(seed)
    model = CnnCtc(config)
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.2)
    acoustic.save(model, "cnn", folder / "model.pt", {"made": "for a test", "of": [1, 2.5, None, True]})
    return folder / "model.pt"


@pytest.fixture(scope="module")
def example_song(request: pytest.FixtureRequest) -> Path:
    return request.config.rootpath / "examples" / "amazing-grace.mp3"


# checkpoints


@pytest.mark.parametrize("name", weights.released())
def test_a_checkpoint_is_read_as_torch_reads_it(name: str) -> None:
    path = weights.weights_path(f"{name}.pt")
    ours, theirs = archive.read(path), torch.load(path, weights_only=True)
    assert {key: ours[key] for key in ours if key != "state"} == {key: theirs[key] for key in theirs if key != "state"}
    assert list(ours["state"]) == list(theirs["state"])
    for key, weight in theirs["state"].items():
        assert ours["state"][key].dtype == weight.numpy().dtype
        np.testing.assert_array_equal(ours["state"][key], weight.numpy())


def test_every_kind_of_number_is_read(tmp_path: Path) -> None:
    kinds = (torch.float16, torch.float32, torch.float64, torch.int64)
    data = {str(kind): torch.arange(24).reshape(2, 3, 4).to(kind) for kind in kinds}
    torch.save({**data, "part": data["torch.float32"][1]}, tmp_path / "a.pt")
    found = archive.read(tmp_path / "a.pt")
    for kind, tensor in data.items():
        np.testing.assert_array_equal(found[kind], tensor.numpy())
        assert found[kind].dtype == tensor.numpy().dtype
    np.testing.assert_array_equal(found["part"], data["torch.float32"][1].numpy())


def test_a_tensor_in_columns_is_refused_rather_than_misread(tmp_path: Path) -> None:
    torch.save({"state": torch.arange(6.0).reshape(2, 3).T}, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="damaged, or not a checkpoint"):
        archive.read(tmp_path / "a.pt")


class Trap:
    """Makes a file where it is unpickled by somebody who trusts it."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_a_checkpoint_runs_no_program(tmp_path: Path) -> None:
    trap, sprung = (
        pickle.dumps({"format": 1, "backend": "cnn", "config": Trap(tmp_path / "sprung")}),
        tmp_path / "sprung",
    )
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as file:
        file.writestr("a/data.pkl", trap)
    for tensors in (False, True):
        with pytest.raises(WeightsError, match="damaged, or not a checkpoint"):
            archive.read(tmp_path / "a.pt", tensors=tensors)
    assert not sprung.exists()
    pickle.loads(trap)  # noqa: S301 (the trap works)
    assert sprung.exists()


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_half_a_checkpoint_is_told_in_a_line(tmp_path: Path, length: int) -> None:
    path = saved(tmp_path, CnnConfig(width=8, kernels=(3,)))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(WeightsError, match="damaged, or not a checkpoint"):
        Light.load(path)


BROKEN: list[tuple[str, str, object]] = [  # a part of a checkpoint, what in it is another ("": all), and what that is
    ("config", "", [1]),
    ("config", "kernels", "a"),
    ("config", "kernels", [5]),
    ("config", "kernels", [3, 3]),
    ("config", "symbols", ["sil"]),
    ("config", "width", 16),
    ("state", "", [1]),
    ("state", "norm.weight", "x"),
    ("state", "norm.weight", torch.ones(5)),
    ("state", "head.weight", torch.tensor(1.0)),
    ("state", "one.more", torch.ones(5)),
]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("part", "name", "value"), BROKEN)
def test_a_checkpoint_that_contradicts_itself_is_told_in_a_line(
    tmp_path: Path, part: str, name: str, value: object, runtime: Runtime
) -> None:
    path = saved(tmp_path, CnnConfig(width=8, kernels=(3,)))
    data = torch.load(path, weights_only=True)
    torch.save({**data, part: {**data[part], name: value} if name else value}, path)
    with pytest.raises(WeightsError, match=r"does not fit its network|not a network that the light runtime knows"):
        Aligner.load(path, runtime=runtime)


@pytest.mark.parametrize("part", ["backend", "config", "state"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_checkpoint_of_which_a_part_is_not_there_is_told_in_a_line(
    tmp_path: Path, part: str, runtime: Runtime
) -> None:
    path = saved(tmp_path, CnnConfig(width=8, kernels=(3,)))
    torch.save({k: v for k, v in torch.load(path, weights_only=True).items() if k != part}, path)
    with pytest.raises(WeightsError, match=r"does not fit its network|not a (network that the light|checkpoint of)"):
        Aligner.load(path, runtime=runtime)


def test_a_checkpoint_leaves_its_reader_as_it_was(tmp_path: Path) -> None:
    changes = b"ctorch._utils\n_rebuild_tensor_v2\n(N}S'__defaults__'\n(K\x00tstb."  # setattr, as BUILD does it
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as file:
        file.writestr("a/data.pkl", changes)
    before = archive._array.__defaults__
    archive.read(tmp_path / "a.pt")
    assert archive._array.__defaults__ == before


# the network


@settings(max_examples=12, deadline=None)
@given(kernels=st.lists(st.integers(0, 4).map(lambda k: 2 * k + 1), max_size=3), expansion=st.integers(1, 3),
       edge_width=st.integers(0, 3), symbols=st.integers(1, 5))  # fmt: skip
def test_the_shapes_are_those_of_the_weights(kernels: list[int], expansion: int, edge_width: int, symbols: int) -> None:
    names = tuple(map(str, range(symbols)))
    config = CnnConfig(6, tuple(kernels), expansion, symbols=names, edge_width=edge_width)
    assert config.shapes == {name: tuple(weight.shape) for name, weight in CnnCtc(config).state_dict().items()}


@settings(max_examples=12, deadline=None)
@given(
    width=st.sampled_from([8, 12]),
    kernels=st.lists(st.sampled_from([3, 5, 9]), min_size=1, max_size=3),
    expansion=st.integers(1, 3),
    edge_width=st.sampled_from([0, 4]),
    frames=st.integers(1, 400),
)
@example(width=8, kernels=[3], expansion=1, edge_width=0, frames=1)
@example(width=8, kernels=[3], expansion=1, edge_width=4, frames=2)
def test_any_network_hears_the_same_in_both_runtimes(
    tmp_path_factory: pytest.TempPathFactory,
    width: int,
    kernels: list[int],
    expansion: int,
    edge_width: int,
    frames: int,
) -> None:
    config = CnnConfig(width, tuple(kernels), expansion, symbols=("sil", "AA", "B", "music"), edge_width=edge_width)
    path = saved(tmp_path_factory.mktemp("model"), config, seed=frames)
    wave = noise(HOP * (frames - 1) + 7)
    heavy, light = acoustic.load(path), Light.load(path)
    expected = heavy.log_probs(torch.from_numpy(wave)).numpy()
    heard = light.table_of([wave[:333], wave[333:]])
    assert heard.shape == expected.shape == (frames, config.columns)
    np.testing.assert_allclose(heard, expected, atol=2e-3)
    assert (light.symbols, light.sample_rate, light.frame_seconds) == (heavy.symbols, 16000, 0.01)


def test_a_long_sound_is_heard_in_windows_as_by_torch(tmp_path: Path) -> None:
    path = saved(tmp_path, CnnConfig(width=8, kernels=(9, 15), edge_width=4))
    wave = torch.from_numpy(noise(HOP * 7000 + 3))
    told: list[float] = []
    heard = Light.load(path).log_probs_of(torch.tensor_split(wave, 21), told.append)
    assert float((heard - acoustic.load(path).log_probs(wave)).abs().max()) < 2e-3
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) == 3


def test_a_light_network_is_an_acoustic_model(tmp_path: Path) -> None:
    model = Light.load(saved(tmp_path, CnnConfig(width=8, kernels=(3,))))
    assert isinstance(model, acoustic.AcousticModel)
    wave = noise(5000)
    assert torch.equal(model.log_probs(torch.from_numpy(wave)), torch.from_numpy(model.table_of([wave])))


@pytest.fixture(scope="module")
def aligners() -> dict[str, Aligner]:
    return {runtime: Aligner.load(runtime=runtime) for runtime in RUNTIMES if runtime != "auto"}


@pytest.fixture(scope="module")
def heard(aligners: dict[str, Aligner], example_song: Path) -> NDArray[np.float32]:
    """What the light runtime hears in the example."""
    return aligners["light"].table(example_song)


def test_the_released_model_hears_the_example_alike(
    aligners: dict[str, Aligner], example_song: Path, heard: NDArray[np.float32]
) -> None:
    tables = [aligners["torch"].table(example_song), heard]
    symbols = len(aligners["torch"].model.symbols)
    assert tables[0].shape == tables[1].shape
    assert np.abs(np.exp(tables[0][:, :symbols]) - np.exp(tables[1][:, :symbols])).max() < 1e-3
    edges = [1 / (1 + np.exp(-table[:, symbols:])) for table in tables]
    assert np.abs(edges[0] - edges[1]).max() < 1e-3


def test_words_of_the_example_are_at_the_same_times(aligners: dict[str, Aligner], example_song: Path) -> None:
    lyrics = load(example_song.with_suffix(".txt"))
    heavy, light = (aligner.align(example_song, lyrics) for aligner in aligners.values())
    assert [word.text for word in heavy.words] == [word.text for word in light.words]
    for a, b in zip(heavy.words, light.words, strict=True):
        assert a.start == pytest.approx(b.start, abs=0.01)
        assert a.end == pytest.approx(b.end, abs=0.01)


@pytest.mark.parametrize("threads", ["", "1", "3", "0", "4,2", "9" * 20])
def test_the_same_is_heard_every_time_by_however_many_threads(
    example_song: Path, heard: NDArray[np.float32], threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert Aligner.load(runtime="light").table(example_song).tobytes() == heard.tobytes()


def test_the_written_model_is_a_model_to_those_who_know() -> None:
    onnx = pytest.importorskip("onnx", reason="needs onnx to check what we write")
    writer = Writer()
    given_ = writer.op("Gemm", "x", writer.constant(np.ones((3, 2), np.float32)))
    out = writer.op("Transpose", writer.op("Transpose", given_, perm=[1, 0]), perm=[1, 0])
    scaled = writer.op("LayerNormalization", out, writer.constant(np.ones(2, np.float32)), axis=-1, epsilon=1e-5)
    model = onnx.load_from_string(writer.model("x", scaled, (3, 2)))
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.node[-1].attribute[0].i == -1


# log-mels


def test_the_mel_bank_is_that_of_torchaudio() -> None:
    from torchaudio.functional import melscale_fbanks

    theirs = melscale_fbanks(FFT // 2 + 1, 20.0, 8000.0, MELS, 16000, norm="slaney", mel_scale="slaney").numpy()
    np.testing.assert_allclose(mel_bank(), theirs, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(samples=st.integers(1, 20000), sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=4))
@example(samples=160, sizes=[1])
@example(samples=512, sizes=[512])
def test_log_mels_of_arrays_are_those_of_tensors(samples: int, sizes: list[int]) -> None:
    wave = noise(samples)
    cuts = np.cumsum(sizes * (samples // sum(sizes) + 1))
    found = np.concatenate(list(log_mel_blocks(np.split(wave, cuts[cuts < samples]))))
    expected = audio.log_mel(torch.from_numpy(wave)).numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(np.exp(found), np.exp(expected), rtol=1e-3, atol=1e-6 * np.exp(expected.max()))


def test_no_block_is_silence() -> None:
    assert np.concatenate(list(log_mel_blocks([]))).shape == (1, MELS)


@pytest.mark.parametrize("frames", [1, 2, 299, 7001])
def test_what_is_taken_out_of_log_mels_is_what_normalise_takes_out(frames: int) -> None:
    features = torch.from_numpy(np.random.default_rng(frames).normal(-9, 5, (frames, MELS)).astype(np.float32))
    with Rows(MELS) as rows:
        mels = Mels(rows, [block.numpy() for block in torch.tensor_split(features, 1 + frames // 1000)])
        np.testing.assert_allclose(mels.normalised(0, frames), audio.normalise(features).numpy(), atol=1e-4)


@given(frames=st.integers(1, 500), reach=st.integers(0, 60), size=st.integers(1, 200))
@settings(max_examples=50, deadline=None)
def test_windows_keep_every_frame_once_and_show_its_context(frames: int, reach: int, size: int) -> None:
    numbers = np.repeat(np.arange(frames, dtype=np.float32)[:, None], MELS, 1)
    with Rows(MELS) as rows:
        mels = Mels(rows, [numbers])
        windows, whole = list(mels.windows(reach, size)), mels.normalised(0, frames)
    assert [at for window in windows for at in range(window.begin, window.end)] == list(range(frames))
    for window in windows:
        np.testing.assert_array_equal(window.features[window.kept], whole[window.begin : window.end])
        assert window.kept.start == min(window.begin, reach)
        assert len(window.features) - window.kept.stop == min(reach, frames - window.end)


# which runtime


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "find_spec", lambda _: None)


def test_the_light_runtime_is_taken_where_it_can_do_what_is_asked(tmp_path: Path) -> None:
    chained = tmp_path / "chained.pt"
    acoustic.save(CnnCtc(CnnConfig(width=8, kernels=(3,), chained=True)), "cnn", chained, {})
    assert runs_light("auto", None, "cpu")
    assert runs_light("auto", "cnn", "cpu")
    assert runs_light("auto", saved(tmp_path, CnnConfig(width=8, kernels=(3,))), "cpu")
    assert not runs_light("torch", None, "cpu")
    for model, device in (
        (None, "cuda"),
        ("blstm", "cpu"),
        ("mms", "cpu"),
        (tmp_path / "none.pt", "cpu"),
        (chained, "cpu"),
    ):
        assert not runs_light("auto", model, device)


@pytest.mark.usefixtures("not_installed")
def test_without_its_package_the_light_runtime_is_not_taken_and_whoever_asks_is_told() -> None:
    assert not runs_light("auto", None, "cpu")
    with pytest.raises(WeightsError, match=r"onnxruntime is not installed \(pip install 'karalign\[light\]'\)"):
        runs_light("light", None, "cpu")


def test_the_light_runtime_says_what_it_cannot_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="works on the CPU"):
        Aligner.load(device="cuda", runtime="light")
    with pytest.raises(WeightsError, match="not a network that the light runtime knows"):
        Aligner.load("blstm", runtime="light")
    with pytest.raises(WeightsError, match="mms: not a network that the light runtime knows"):
        Aligner.load("mms", runtime="light")
    with pytest.raises(WeightsError, match=r"there is no such checkpoint .*cnn"):
        Aligner.load(tmp_path / "none.pt", runtime="light")
    data = torch.load(saved(tmp_path, CnnConfig(width=8, kernels=(3,))), weights_only=True)
    del data["state"]["norm.weight"]
    torch.save(data, tmp_path / "less.pt")
    with pytest.raises(WeightsError, match=r"does not fit its network: 'norm\.weight'"):
        Aligner.load(tmp_path / "less.pt", runtime="light")


def test_a_network_of_a_kind_that_has_none_of_it_is_left_to_torch(tmp_path: Path) -> None:
    assert isinstance(Aligner.load("blstm", runtime="auto").model, Blstm)
    assert isinstance(Aligner.load(runtime="auto").model, Light)


def test_a_tensor_is_aligned_as_the_array_it_holds(aligners: dict[str, Aligner], heard: NDArray[np.float32]) -> None:
    aligner, lyrics = aligners["light"], Alignment.from_text("Amazing grace! How sweet the sound")
    assert aligner.align_heard(torch.from_numpy(heard), lyrics) == aligner.align_heard(heard, lyrics)
