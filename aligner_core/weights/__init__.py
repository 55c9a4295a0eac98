"""Checkpoints by name: the released ones, with the table of hashes that they are checked by (SHA256SUMS, a line
"hash  name" each), and those of others, which are fetched when they are first asked for."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from aligner_core.errors import WeightsError

FOLDER = Path(__file__).parent
TABLE = "SHA256SUMS"
CHECKPOINT = ".pt"  # the ending of acoustic models,
DEFAULT = "cnn"  # the acoustic model that is taken where none is named
VOICES = ".voice"  # and of voices, which speak
VOCODER = "neural.vocoder"  # what makes a wave of it


@dataclass(frozen=True)
class Foreign:
    """A network that somebody else has trained and torchaudio knows how to build.

    Args:
        bundle: its name in torchaudio.pipelines.
        url: of its weights.
        size: of them, for people.
        licence: of them.
    """

    bundle: str
    url: str
    size: str
    licence: str

    @property
    def path(self) -> Path:
        """Where torch.hub keeps the weights, whether they are there or not."""
        caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        home = Path(os.environ.get("TORCH_HOME") or Path(caches, "torch")).expanduser()
        return home / "hub" / "checkpoints" / self.url.rpartition("/")[2]


FOREIGN: dict[str, Foreign] = {
    "mms": Foreign(
        "MMS_FA",
        "https://dl.fbaipublicfiles.com/mms/torchaudio/ctc_alignment_mling_uroman/model.pt",
        "1.2 GB",
        "CC BY-NC 4.0",
    ),
    "wav2vec2": Foreign(
        "WAV2VEC2_ASR_BASE_960H",
        "https://download.pytorch.org/torchaudio/models/wav2vec2_fairseq_base_ls960_asr_ls960.pth",
        "0.4 GB",
        "MIT",
    ),
}


def released(folder: Path = FOLDER) -> tuple[str, ...]:
    """The names of the released acoustic models.

    Raises:
        WeightsError: the table of hashes cannot be read.
    """
    return tuple(sorted(name.removesuffix(CHECKPOINT) for name in _table(folder / TABLE) if name.endswith(CHECKPOINT)))


def voices(folder: Path = FOLDER) -> tuple[str, ...]:
    """The names of the released voices.

    Raises:
        WeightsError: as `released`.
    """
    return tuple(sorted(name.removesuffix(VOICES) for name in _table(folder / TABLE) if name.endswith(VOICES)))


def names() -> tuple[str, ...]:
    """The names of all acoustic models that need no path.

    Raises:
        WeightsError: as `released`.
    """
    return (*released(), *FOREIGN)


def checkpoint(source: str | Path | None = None) -> Path:
    """Where the checkpoint lies that `acoustic.load` would read, whether it is there or not.

    Raises:
        WeightsError: as `released`.
    """
    if isinstance(source, str) and source in FOREIGN:
        return FOREIGN[source].path
    name = released_file(source)
    return FOLDER / name if name else Path(source or "")


def released_file(source: str | Path | None) -> str | None:
    """The file of a released checkpoint, None: it is none of those.

    Raises:
        WeightsError: as `released`.
    """
    name = DEFAULT if source is None else source
    return f"{name}{CHECKPOINT}" if isinstance(name, str) and name in (DEFAULT, *released()) else None


def weights_path(name: str, folder: Path = FOLDER) -> Path:
    """Where the released checkpoint `name` lies, once its content is known to be what was released.

    Raises:
        WeightsError: it is not in the table, missing, or its content has changed.
    """
    hashes = _table(folder / TABLE)
    path = folder / name
    if name not in hashes:
        raise WeightsError("no such checkpoint was released", name, f"one of {', '.join(sorted(hashes)) or 'none'}")
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}", str(path), "install the package again") from error
    if found != hashes[name]:
        raise WeightsError("damaged: its sha256 is not that of the release", str(path), "install the package again")
    return path


def _table(path: Path) -> dict[str, str]:
    try:
        rows = [line.split() for line in path.read_text("utf-8").splitlines() if line.strip()]
        return {name: digest for digest, name in rows}
    except (OSError, ValueError) as error:
        raise WeightsError("the table of hashes cannot be read", str(path), "install the package again") from error
