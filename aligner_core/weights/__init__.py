"""Released checkpoints, and the table of hashes that they are checked by: SHA256SUMS, a line "hash  name" each."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aligner_core.errors import WeightsError

FOLDER = Path(__file__).parent
TABLE = "SHA256SUMS"


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
