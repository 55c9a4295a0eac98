"""The plan for a million songs follows from what was measured, and the page tells what works."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import engine_page, scale
from benchmarks.scale import RENTED, Assumed, plan, section, storage

CPU: dict[str, Any] = {
    "device": "cpu", "jobs": 2, "engine": "ray", "seconds_a_song": 120.0, "songs_a_second": 0.5,
    "against_local": {"local": {"median": 1.0, "lowest": 1.0, "highest": 1.0},
                      "ray": {"median": 0.97, "lowest": 0.9, "highest": 1.01}},
    "first_after": {"local": 3.0, "ray": 9.0}, "handed_out_a_second": 200.0,
    "written_a_song": 3000.0, "journal_a_song": 1500.0,
}  # fmt: skip
ASSUMED = Assumed()
FACTORS = st.floats(0.1, 10)


def test_the_plan_is_plain_arithmetic() -> None:
    made = plan(CPU, RENTED[0], ASSUMED)
    assert made.rate == pytest.approx(0.5 * 120 / 240 * 16 / 2)
    assert made.hours == pytest.approx(1e6 / 2 / 3600)
    assert made.cost == pytest.approx(made.hours * RENTED[0].price)
    assert made.machines == 6  # 139 hours in 24
    assert made.mbit == pytest.approx(2 * 240 * 0.256)
    assert made.held == 100
    assert made.spot_hours == pytest.approx(made.hours * (1 + 0.1 * (180 + 9 + 16 / 2 / 2) / 3600))


@given(FACTORS)
def test_cost_goes_with_the_songs_their_length_and_against_the_rate(factor: float) -> None:
    cost = plan(CPU, RENTED[0], ASSUMED).cost
    more = plan(CPU, RENTED[0], replace(ASSUMED, songs=round(ASSUMED.songs * factor))).cost
    longer = plan(CPU, RENTED[0], replace(ASSUMED, seconds=ASSUMED.seconds * factor)).cost
    faster = plan({**CPU, "songs_a_second": CPU["songs_a_second"] * factor}, RENTED[0], ASSUMED).cost
    assert more == pytest.approx(cost * factor, rel=1e-5)
    assert longer == pytest.approx(cost * factor)
    assert faster == pytest.approx(cost / factor)


@given(FACTORS)
def test_the_machines_meet_the_deadline_and_one_less_does_not(factor: float) -> None:
    assumed = replace(ASSUMED, deadline=24 * factor)
    made = plan(CPU, RENTED[0], assumed)
    assert made.hours / made.machines <= assumed.deadline < made.hours / max(made.machines - 1, 1e-9)


def test_storage_counts_songs_texts_outputs_and_listings() -> None:
    sizes = storage(CPU, ASSUMED)
    assert sizes["read"] == pytest.approx(1e6 * 240 * 32000)
    assert sizes["written"] == pytest.approx(1e6 * 6000)
    assert (sizes["reads"], sizes["writes"]) == (2e6, 1e6 + 2000)
    assert sizes["requests_cost"] == pytest.approx(2e6 / 1000 * 0.0004 + 1.002e6 / 1000 * 0.005)


def test_the_page_says_what_was_measured_what_is_assumed_and_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "scale.md").write_text("before\n<!-- scale -->\nold\n<!-- /scale -->\nafter\n")
    engine_page.write(docs / "cluster-cpu.json", CPU)
    engine_page.write(docs / "library.json", {"memory": {scale.DRIVER_GROWS: 1.5}})
    monkeypatch.setattr(engine_page, "DOCS", docs)
    monkeypatch.setattr(scale, "PAGE", docs / "scale.md")
    monkeypatch.setattr("sys.argv", ["scale"])
    scale.main()
    page = (docs / "scale.md").read_text()
    assert page.startswith("before\n<!-- scale -->\n**Measured**")
    assert page.endswith("<!-- /scale -->\nafter\n")
    assert "| 16 processors | 0.70, 0.28 | 2.00 | 139 | 6 | 97 |" in page
    assert f"prices of {ASSUMED.date}" in page
    assert "Not measured yet: one H100 and 16 processors" in page
    assert "grows by 1.5 GB" in page
    assert "old" not in page


def test_without_memory_or_ray_the_page_leaves_out_what_follows_from_them() -> None:
    text = section([{**CPU, "handed_out_a_second": None}], {})
    assert "That program grows" not in text
    assert "busy" not in text


def test_the_cluster_on_the_page_is_one_that_ray_takes(root: Path) -> None:
    util = pytest.importorskip("ray.autoscaler._private.util", reason="needs Ray: pip install karalign[cluster]")
    yaml = pytest.importorskip("yaml")
    found = re.search(r"```yaml\n(.*?)```", (root / "docs/scale.md").read_text("utf-8"), re.DOTALL)
    assert found
    told = yaml.safe_load(found[1])
    util.validate_config(util.prepare_config(told))
    jobs = told["max_workers"] * told["available_node_types"]["worker"]["resources"]["CPU"]
    assert f"--jobs {jobs} " in (root / "docs/scale.md").read_text("utf-8")


def test_the_commands_on_the_page_have_only_options_that_there_are(root: Path) -> None:
    from plugin.commands.batch import command

    known = {name for one in command.params for name in one.opts}
    page = (root / "docs/scale.md").read_text("utf-8").replace("\\\n", " ")
    lines = re.findall(r"karalign batch (.*?)(?:#|\||\"|\n)", page)
    assert len(lines) >= 5
    told = {word for line in lines for word in shlex.split(line) if word.startswith("-")}
    told |= set(re.findall(r"`(--[a-z]+)", page))
    assert told - {"--head", "--address=", "--generate"} <= known
