"""The first screen of the README does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_five_lines_of_python_write_the_lrc_that_is_shown(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    shown = re.findall(r"```\n(\[.*?)```", README, re.DOTALL)
    assert len(code) == len(shown) == 1
    subprocess.run([sys.executable, "-c", code[0]], cwd=tmp_path, check=True, timeout=200)
    written = (tmp_path / "amazing-grace.lrc").read_text(encoding="utf-8")
    words = [re.sub(r"[<\[].*?[>\]]", "", text) for text in (written, shown[0])]
    assert words[0].startswith(words[1].rstrip("\n"))
    starts = [[float(m) for m in re.findall(r"<00:(\d\d\.\d\d)>", text)[:20]] for text in (written, shown[0])]
    assert all(abs(a - b) <= 0.05 for a, b in zip(*starts, strict=True))  # other processors round otherwise


def test_every_file_that_the_readme_points_to_is_there() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
