"""The benchmark against others: it is fair about time, keeps what it measured, and tells where others are better."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import peers_accuracy, peers_cache, peers_decoding, peers_formats, peers_guide, peers_page, peers_speed
from benchmarks.accuracy import Pack
from benchmarks.peers_cache import kept
from benchmarks.peers_speed import against, in_turn, spread

MANY = {"karalign": 10.0, "slow": 30.0, "quick": 5.0}


class Clock:
    """Time that passes only when somebody works."""

    def __init__(self) -> None:
        self.now, self.order = 0.0, list[str]()

    def work(self, name: str) -> None:
        self.order.append(name)
        self.now += MANY[name] * (100 if len(self.order) <= len(MANY) else 1)


def test_everybody_works_in_every_round_and_begins_in_turn() -> None:
    clock = Clock()
    spent = in_turn({name: lambda name=name: clock.work(name) for name in MANY}, 3, lambda: clock.now)  # type: ignore[misc]
    rounds = [clock.order[at : at + 3] for at in range(0, len(clock.order), 3)]
    assert len(rounds) == 4
    assert all(set(one) == set(MANY) for one in rounds)
    assert [one[0] for one in rounds] == ["karalign", "slow", "quick", "karalign"]
    assert spent == {name: [seconds] * 3 for name, seconds in MANY.items()}  # the first round does not count
    ratios = against(spent, "karalign")
    assert {name: one["median"] for name, one in ratios.items()} == {"karalign": 1.0, "slow": 3.0, "quick": 0.5}


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=9))
def test_a_spread_goes_from_the_least_to_the_most(values: list[float]) -> None:
    found = spread(values)
    ordered = [found[key] for key in ("least", "low", "median", "high", "most")]
    assert all(a <= b * (1 + 1e-9) for a, b in pairwise(ordered))
    assert (found["least"], found["most"]) == (min(values), max(values))
    assert found["median"] == pytest.approx(float(np.median(values)))


def test_ratios_are_taken_round_by_round() -> None:
    ratios = against({"karalign": [1.0, 10.0], "other": [2.0, 20.0]}, "karalign")
    assert ratios["other"] == dict.fromkeys(ratios["other"], 2.0)


def test_the_work_of_programs_that_were_started_counts() -> None:
    import subprocess
    import sys

    before = peers_speed.processor()
    subprocess.run([sys.executable, "-c", "sum(i for i in range(10**6))"], check=True)
    assert peers_speed.processor() - before > 0.01


def test_what_was_measured_is_kept_until_something_changes(tmp_path: Path) -> None:
    runs: list[int] = []

    def make() -> dict[str, Any]:
        runs.append(1)
        return {"run": len(runs)}

    assert [kept("a, b", ["version 1"], make, tmp_path)["run"] for _ in range(3)] == [1, 1, 1]
    assert kept("a, b", ["version 2"], make, tmp_path) == {"run": 2}
    assert kept("a, b", ["version 1"], make, tmp_path) == {"run": 1}


def test_nothing_is_kept_of_a_run_that_failed(tmp_path: Path) -> None:
    def fail() -> dict[str, Any]:
        raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        kept("a", ["1"], fail, tmp_path)
    assert kept("a", ["1"], dict, tmp_path) == {}


def test_figures_depend_on_the_code_they_come_from() -> None:
    assert peers_cache.code(peers_page) == peers_cache.code(peers_page)
    assert (
        len({peers_cache.code(peers_page), peers_cache.code(peers_speed), peers_cache.code(peers_page, core="*.py")})
        == 3
    )


@pytest.mark.parametrize(("quick", "count"), [(True, 1), (False, 6)])
def test_recordings_are_taken_from_all_over_a_pack(quick: bool, count: int, tmp_path: Path) -> None:
    rows = [{"id": f"{kind}{at}"} for kind in "sm" for at in range(24)]
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        archive.writestr("manifest.jsonl", "\n".join(map(json.dumps, rows)))
    plan = peers_accuracy.Plan(tmp_path, quick, 1)
    keys = peers_accuracy.chosen(plan, Pack("spoken", "", "pack.zip", "s"))
    assert keys == [f"s{at}" for at in range(0, 24, 4)][:count]


@pytest.mark.parametrize("name", ["torchaudio", "hirschberg-viterbi", "ctc-segmentation"])
def test_decoders_of_others_find_what_ours_finds(name: str) -> None:
    if name not in peers_decoding.versions():
        pytest.skip(f"{name} is not installed")
    ours, theirs = (peers_decoding.ready(who, 1)() for who in ("karalign", name))
    assert theirs.score in {None, ours.score}
    assert (np.abs(ours.starts - theirs.starts) <= 3).mean() > 0.95


def test_the_peak_of_the_memory_is_seen() -> None:
    assert 60 < peers_decoding.peak(lambda: np.ones(8_000_000)) < 100


def test_marks_are_times_and_words_however_times_are_written() -> None:
    assert peers_formats.marks("[01:02.50]la <1:02,5>la") == Counter({"62500 ms": 2, "la": 2})
    assert peers_formats.marks("00:01:02.500") == Counter({"62500 ms": 1})


@given(st.text(alphabet="ab 1", max_size=30), st.text(alphabet="ab 1", max_size=30))
def test_a_share_is_whole_only_where_all_comes_back(old: str, new: str) -> None:
    before, after = peers_formats.marks(old), peers_formats.marks(new)
    found = peers_formats.share(before, after)
    assert (found is None) == (not before)
    assert found is None or (found == 1) == (before <= after)


@pytest.mark.parametrize("name", peers_formats.FILES)
def test_all_that_we_read_in_golden_files_comes_back(name: str) -> None:
    pytest.importorskip(peers_formats.FILES[name])
    found = peers_formats.returned(name, peers_formats.FILES[name])
    assert [*found][:: len(found) - 1] == ["karalign", peers_formats.FILES[name]]
    assert all(found["karalign"][kind] in {1.0, None} for kind in peers_formats.KINDS)


def test_a_file_that_can_no_longer_be_read_has_kept_nothing() -> None:
    old = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Hey\n"
    assert peers_formats.facts_kept("vtt", old, "Hey") == {
        "lines": 0.0, "line times": 0.0, "word times": None, "besides": 0.0,
    }  # fmt: skip


def test_errors_of_what_is_said_are_by_words() -> None:
    found = peers_guide.errors(["one two three", "four"], ["one three", "four"])
    assert found["wer"] == pytest.approx(0.25)
    assert peers_guide.errors(["one two"] * 3, ["one two"] * 3) == {"wer": 0.0, "half_width": 0.0}


def edge(near: float) -> dict[str, Any]:
    return {f"within_{ms}": near for ms in (25, 50, 100, 300)} | {"bias": 0.01, "mean": 0.02, "median": 0.01}


def one(near: float, lost: float = 0.0) -> dict[str, Any]:
    edges = {key: edge(near) for key in ("start", "start_without_bias", "end", "end_without_bias")}
    return {"words": 10, "lost": lost, "problems": 0, "means": {"pco_300": near, "aae": None}} | edges


def figures() -> dict[str, Any]:
    by = {"karalign": one(0.9), "karalign, old": one(0.95), "better": one(0.91), "worse": one(0.5, 0.2)}
    ratios = {name: spread([x]) for name, x in {"karalign": 1.0, "better": 2.0, "worse": 0.5}.items()}
    paths = {name: {"time": ratios[name], "megabytes": size, "nats_from_ours": None, "words_as_planted": 1.0}
             for name, size in {"karalign": 9.0, "better": 10.0, "worse": 2.5}.items()}  # fmt: skip
    kinds = dict.fromkeys(peers_formats.KINDS, 1.0)
    pack = {"title": "A pack", "recordings": 3, "by": by}
    return {
        "quick": False,
        "by": {"machine": "1 core", "python": "3", "torch": "2"},
        "roll": [{"name": "better", "how": "x", "version": "1", "absent": ""},
                 {"name": "gone", "how": "y", "version": "", "absent": "no weights"}],
        "accuracy": dict.fromkeys(("songs", "spoken", "sung", "librispeech"), pack),
        "aligning": {"librispeech": {"seconds": 9.0, "rounds": 1, "ratios": ratios, "lost": ["lossy"]}},
        "decoding": {"absent": ["nobody"], "minutes": {"4": {"rounds": 1, "by": paths}}},
        "guide": {"sentences": 2, "words": 9, "versions": {"better": "1"}, "absent": [], "speed": ratios, "rounds": 1,
                  "by": {name: {"wer": x, "half_width": 0.0, "per": x} for name, x in MANY.items()}},
        "formats": {"absent": [], "lines": 5, "rounds": 1, "speed": {"srt": ratios}, "files": {"a.srt": {
            "karalign": {"marks": 0.8, **kinds}, "better": {"marks": 0.9, **kinds}, "worse": {"problem": "not read"}}}},
    }  # fmt: skip


def test_who_is_ahead_of_us_is_told_and_nobody_else() -> None:
    rows = list(peers_page.ahead(figures()))
    assert "read speech, within 25 ms as they are: better 91.0 %, we 90.0 %" in rows
    assert "aligning read speech: worse takes 0.50 times our time" in rows
    assert "memory to decode 4 min: worse 2.5 MB, we 9.0 MB" in rows
    assert "marks of a.srt that come back: better 90.0 %, we 80.0 %" in rows
    assert "words wrong in what is said: quick 500.0 %, we 1000.0 %" in rows
    assert len(rows) == 4 * 2 * 3 + 4 + 1 + 1 + 1
    assert not any("old" in row for row in rows)


def test_nobody_ahead_is_told_too() -> None:
    found = figures()
    found = {key: found[key] for key in ("quick", "by", "roll")}
    assert peers_page.section(found).endswith("* Nowhere.")


def test_who_is_absent_is_in_the_page_and_in_the_readme() -> None:
    assert "| gone | y | absent: no weights |" in peers_page.section(figures())
    assert "Absent: nobody." in peers_page.section(figures())
    assert "not timed, more than half of the words being lost: lossy." in peers_page.section(figures())
    assert "so not measured: gone." in peers_page.summary(figures())


def test_pages_are_filled_between_their_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, readme = tmp_path / "peers.md", tmp_path / "README.md"
    for name, path in {"PAGE": page, "README": readme, "JSON": tmp_path / "peers.json"}.items():
        monkeypatch.setattr(peers_page, name, path)
    page.write_text("before\n<!-- peers -->\nold\n<!-- /peers -->\nafter\n", "utf-8")
    readme.write_text("no marks\n", "utf-8")
    peers_page.publish(figures())
    assert readme.read_text("utf-8") == "no marks\n"
    assert json.loads((tmp_path / "peers.json").read_text("utf-8")) == figures()
    text = page.read_text("utf-8")
    assert (text[:7], text[-7:], "old\n" in text) == ("before\n", "\nafter\n"[-7:], False)
    readme.write_text("a\n<!-- peers -->\n<!-- /peers -->\nb\n", "utf-8")
    peers_page.publish(figures())
    peers_page.publish(figures())
    assert readme.read_text("utf-8") == f"a\n<!-- peers -->\n{peers_page.summary(figures())}\n<!-- /peers -->\nb\n"


def test_pictures_are_drawn_of_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks import peers_pictures

    monkeypatch.setattr(peers_pictures, "PICTURES", tmp_path)
    peers_pictures.draw({})
    assert not list(tmp_path.iterdir())
    peers_pictures.draw(figures())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["peers-accuracy.png", "peers-speed.png"]
