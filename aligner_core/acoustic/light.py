"""The released network without PyTorch, which alone takes longer to import than a song to be aligned.

ONNX Runtime computes (the extra `[light]`), numpy makes the log-mels. The network is written as an ONNX model from the
checkpoint each time that it is loaded, so there is one file of weights. What comes out differs from what PyTorch gives
by rounding, 1e-5 or so, which may move a time by a frame: what was heard by one runtime is not kept for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from aligner_core.errors import WeightsError
from aligner_core.logmel import FRAME_SECONDS, MELS, WINDOW_FRAMES, Mels, log_mel_blocks
from aligner_core.resampling import Samples
from aligner_core.spool import Rows
from aligner_core.streaming import SAMPLE_RATE
from aligner_core.threads import allowed
from aligner_core.weights import FOREIGN, checkpoint, released, released_file, weights_path

from .archive import read
from .cnn_sizes import EDGE_KERNELS, CnnConfig
from .onnx_writer import MICROSOFT, Value, Writer
from .runtimes import light_enough

if TYPE_CHECKING:
    from torch import Tensor

Weights = Mapping[str, NDArray[np.floating[Any]]]


class Light:
    """`cnn.CnnCtc` by ONNX Runtime; an `AcousticModel`, whose `table_of` takes and gives arrays.

    Args:
        config: sizes of the network.
        weights: by name, as its checkpoint has them.

    Raises:
        ValueError: the weights are not those of such a network.
    """

    sample_rate, frame_seconds = SAMPLE_RATE, FRAME_SECONDS

    def __init__(self, config: CnnConfig, weights: Weights) -> None:
        import onnxruntime

        given = {name: weight.shape for name, weight in weights.items()}
        wrong = [name for name in config.shapes | given if config.shapes.get(name) != given.get(name)]
        if wrong:  # ONNX Runtime would notice while it hears, or not at all
            raise ValueError(repr(wrong[0]))
        self.config = config
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        options.enable_cpu_mem_arena = False  # which keeps twice what it needs
        options.intra_op_num_threads = allowed() or 0
        model = network(config, weights)
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    @classmethod
    def load(cls, source: str | Path | None = None) -> Self:
        """The released model, another by its name, or a checkpoint.

        Raises:
            WeightsError: it is missing, damaged, or a network that only PyTorch runs.
        """
        if source in FOREIGN:
            raise WeightsError("not a network that the light runtime knows", str(source), "--runtime torch")
        name = released_file(source)
        path = weights_path(name) if name else checkpoint(source)
        if not path.is_file():
            raise WeightsError("there is no such checkpoint", str(path), f"a file, or one of {', '.join(released())}")
        data = read(path)
        if not light_enough(data):
            raise WeightsError("not a network that the light runtime knows", str(path), "--runtime torch")
        sizes: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data["config"].items()
        }
        try:
            return cls(CnnConfig(**sizes), data["state"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WeightsError(f"does not fit its network: {error}", str(path)) from error

    @property
    def symbols(self) -> tuple[str, ...]:
        """See `AcousticModel`."""
        return self.config.symbols

    def log_probs(self, wave: Tensor, progress: Callable[[float], None] | None = None) -> Tensor:
        """See `AcousticModel`."""
        return self.log_probs_of([wave], progress)

    def log_probs_of(self, blocks: Iterable[Tensor], progress: Callable[[float], None] | None = None) -> Tensor:
        """See `AcousticModel`."""
        import torch

        return torch.from_numpy(self.table_of((block.cpu().numpy() for block in blocks), progress))

    def table_of(
        self, blocks: Iterable[Samples], progress: Callable[[float], None] | None = None
    ) -> NDArray[np.float32]:
        """The same for blocks (samples,) that are arrays: (frames, columns), window by window."""
        with Rows(MELS) as rows:
            mels = Mels(rows, log_mel_blocks(blocks))
            out = np.empty((mels.frames, self.config.columns), np.float32)
            for window in mels.windows(self.config.reach, WINDOW_FRAMES):
                (heard,) = self._session.run(None, {"features": window.features})
                out[window.begin : window.end] = heard[window.kept]
                if progress:
                    progress(window.end / mels.frames)
        return out


def network(config: CnnConfig, weights: Weights) -> bytes:
    """`cnn.CnnCtc` as an ONNX model: normalised log-mels (frames, MELS), named "features", -> (frames, columns).

    Args:
        weights: of `config.shapes`.
    """
    net = _Network(weights)
    sound = net.channels("features")
    fine = net.convolved(net.gelu(net.convolved(sound, "stem.0")), "stem.2", groups=config.width)
    coarse = net.halved(fine, "down")
    for at in range(len(config.kernels)):
        coarse = net.block(coarse, f"trunk.{at}")
    spread = net.channels(net.doubled(coarse, "up", config.width))
    embedded = net.normed(net.block(net.op("Add", fine, spread), "edge"), "norm")
    out = net.op("LogSoftmax", net.linear(embedded, "head"), axis=-1)
    if config.edge_width:
        heard = net.channels(net.linear(embedded, "edges.heard"))
        edges = net.gelu(net.op("Add", net.convolved(sound, "edges.sound"), heard))
        for at in range(len(EDGE_KERNELS)):
            edges = net.block(edges, f"edges.blocks.{at}")
        out = net.op("Concat", out, net.linear(net.normed(edges, "edges.norm"), "edges.out"), axis=1)
    return net.model("features", out, (MELS, config.columns))


class _Network(Writer):
    """The layers of `cnn`, on sound as convolutions take it, (1, channels, frames), or as rows (frames, channels)."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weights = weights

    def numbers(self, name: str) -> NDArray[np.float32]:
        return self.weights[name].astype(np.float32)

    def channels(self, rows: Value) -> Value:
        return self.op("Unsqueeze", self.op("Transpose", rows, perm=[1, 0]), self.whole(0))

    def rows(self, channels: Value) -> Value:
        return self.op("Transpose", self.op("Squeeze", channels, self.whole(0)), perm=[1, 0])

    def gelu(self, x: Value) -> Value:
        return self.op("Gelu", x, domain=MICROSOFT)

    def convolved(self, x: Value, name: str, groups: int = 1) -> Value:
        weight = self.numbers(f"{name}.weight")
        beside = weight.shape[-1] // 2
        given = x, self.constant(weight), self.constant(self.numbers(f"{name}.bias"))
        return self.op("Conv", *given, group=groups, kernel_shape=weight.shape[-1:], pads=[beside, beside])

    def halved(self, x: Value, name: str) -> Value:
        """Half as many frames; silence makes an odd number even."""
        given = x, self.constant(self.numbers(f"{name}.weight")), self.constant(self.numbers(f"{name}.bias"))
        return self.op("Conv", *given, kernel_shape=[4], pads=[1, 2], strides=[2])

    def doubled(self, x: Value, name: str, width: int) -> Value:
        """Rows (frames of the sound, width) out of half as many."""
        rows = self.op("Reshape", self.linear(self.rows(x), name), self.whole(-1, width))
        frames = self.op("Shape", "features", start=0, end=1)
        return self.op("Slice", rows, self.whole(0), frames, self.whole(0))

    def linear(self, rows: Value, name: str, scale: NDArray[np.float32] | None = None) -> Value:
        weight, bias = self.numbers(f"{name}.weight"), self.numbers(f"{name}.bias")
        weight = weight.reshape(weight.shape[:2])  # a convolution over one frame is the same
        if scale is not None:
            weight, bias = weight * scale[:, None], bias * scale
        return self.op("Gemm", rows, self.constant(weight), self.constant(bias), transB=1)

    def normed(self, x: Value, name: str) -> Value:
        given = self.constant(self.numbers(f"{name}.weight")), self.constant(self.numbers(f"{name}.bias"))
        return self.op("LayerNormalization", self.rows(x), *given, axis=-1, epsilon=1e-5)

    def block(self, x: Value, name: str) -> Value:
        """`cnn.Block`."""
        groups = len(self.weights[f"{name}.depthwise.weight"])
        y = self.normed(self.convolved(x, f"{name}.depthwise", groups), f"{name}.norm")
        y = self.linear(self.gelu(self.linear(y, f"{name}.widen")), f"{name}.narrow", self.numbers(f"{name}.scale"))
        return self.op("Add", x, self.channels(y))
