"""What forced alignment takes, and what it says of the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from aligner_core import viterbi_torch
from aligner_core.errors import AlignmentError
from aligner_core.graph import Graph
from aligner_core.viterbi import LIMIT, quantize, viterbi, viterbi_batch, viterbi_slow


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_numpy_and_torch_quantize_alike(dtype: torch.dtype) -> None:
    values = torch.linspace(-40, 2, 5001, dtype=torch.float64).reshape(-1, 3).to(dtype)
    values[0] = torch.tensor([-torch.inf, torch.inf, -1500.0])
    found = quantize(values.numpy())
    assert found.dtype == np.int32
    assert found[0].tolist() == [-LIMIT, LIMIT, -LIMIT]
    assert viterbi_torch.quantize(values).numpy().tolist() == found.tolist()
    assert np.abs(found[1:] / 1024 - values[1:].double().numpy()).max() <= 0.5 / 1024


def test_bfloat16_quantizes_too() -> None:
    assert viterbi_torch.quantize(torch.tensor([-1.5, -3.0], dtype=torch.bfloat16)).tolist() == [-1536, -3072]


def test_what_is_not_a_number_is_refused() -> None:
    log_probs = np.zeros((5, 2), np.float32)
    log_probs[3, 1] = np.nan
    with pytest.raises(AlignmentError, match="no number in frame 3"):
        quantize(log_probs)
    with pytest.raises(AlignmentError, match="not a number"):
        viterbi_torch.quantize(torch.from_numpy(log_probs))


@pytest.mark.parametrize("find", [viterbi_slow, viterbi])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((8, 3), "the text needs 9 frames or more and the sound has 8"),
        ((9, 2), "symbol 2 in emissions of 2 symbols"),
        ((9,), r"emissions of shape \(9,\) \(\(frames, symbols\)\)"),
    ],
)
def test_input_that_does_not_fit_is_told(find: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        find(np.zeros(shape, np.int32), Graph.chain([0, 1, 2], 3))


@pytest.mark.parametrize(
    ("lengths", "count", "message"),
    [
        ([9, 8], 2, "utterance 1: the text needs 9 frames or more and the sound has 8"),
        ([9, 10], 2, "utterance 1: a length of 10 in 9 frames"),
        ([0, 9], 2, "utterance 0: a length of 0 in 9 frames"),
        ([9], 2, "2 utterances, 1 lengths and 2 graphs"),
        ([9, 9], 1, "2 utterances, 2 lengths and 1 graphs"),
    ],
)
def test_a_batch_that_does_not_fit_is_told(lengths: list[int], count: int, message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        viterbi_batch(torch.zeros(2, 9, 3, dtype=torch.int32), lengths, [Graph.chain([0, 1, 2], 3)] * count)


def test_nowhere_to_keep_compiled_code_is_no_hindrance() -> None:
    code = (
        "import numpy as np; from aligner_core.graph import Graph; from aligner_core.viterbi import viterbi;"
        "print(viterbi(np.zeros((3, 1), np.int32), Graph.chain([0, 0])).starts)"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": "", "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.strip() == "[0 1]"


def test_importing_loads_neither_numba_nor_torch() -> None:
    code = "import sys, aligner_core.viterbi; print([m for m in ('torch', 'numba') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
