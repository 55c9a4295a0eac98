"""The tables of docs/engine.md: each benchmark rewrites its own block of the page and leaves the rest alone."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "engine.md"


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The options that benchmarks of the whole engine share; the first line of their text says what they do."""
    options = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    options.add_argument("--out", type=Path, help="write the figures there, and not the page")
    options.add_argument("--model", type=Path, help="checkpoint; the released one without it")
    options.add_argument("--data", type=Path, help="folder of the packs")
    return options


def read(path: Path) -> dict[str, Any]:
    """The figures that are already there; none without the file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def write(path: Path, figures: Mapping[str, Any]) -> None:
    """Put figures into a JSON file."""
    path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def put(name: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between <!-- name --> and <!-- /name --> in the page.

    Raises:
        ValueError: the page has no such block.
    """
    block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    old = page.read_text(encoding="utf-8")
    new, count = block.subn(lambda found: f"{found[1]}{text.rstrip()}\n{found[2]}", old)
    if count != 1:
        raise ValueError(f"{page} has {count} blocks named {name}")
    page.write_text(new, encoding="utf-8")
