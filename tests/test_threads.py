"""As many threads as OMP_NUM_THREADS says, whatever stands there."""

from __future__ import annotations

import os

import pytest

from aligner_core.threads import allowed


@pytest.mark.parametrize(
    ("told", "threads"),
    [
        ("1", 1),
        (" 2 ", 2),
        ("3,2", 3),
        ("9" * 20, 4),
        ("", None),
        ("0", None),
        ("-1", None),
        ("2.5", None),
        ("x", None),
    ],
)
def test_what_is_told_counts_if_it_makes_sense(monkeypatch: pytest.MonkeyPatch, told: str, threads: int | None) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert allowed() == threads


def test_where_nothing_is_told_nothing_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert allowed() is None
