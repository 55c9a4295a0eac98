"""Damaged, odd and hostile files: an answer to each, in time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.formats import best, song
from benchmarks.fuzz import MEGABYTE, TOKENS, read, seeds
from benchmarks.odd_files import BEGIN, END, files, table
from plugin.formats import FORMATS, Format, by_name

SECONDS = 5.0  # five times what is promised: other processes have a hand in it


def test_there_are_two_hundred_odd_files() -> None:
    assert len(list(files())) >= 200


def test_the_page_shows_what_each_odd_file_gives(root: Path, tmp_path: Path) -> None:
    page = (root / "docs" / "formats.md").read_text("utf-8")
    shown = page.partition(BEGIN)[2].partition(END)[0].strip()
    assert shown == table(tmp_path)


every_format = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@every_format
@given(data=st.binary(max_size=300) | st.lists(st.sampled_from(TOKENS)).map(lambda tokens: "".join(tokens).encode()))
def test_any_bytes_are_read_or_refused_in_one_line(form: Format, data: bytes) -> None:
    assert read(form, data)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@every_format
@given(data=st.data())
def test_a_file_with_a_piece_out_of_place_is_read_or_refused_in_one_line(form: Format, data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(seeds(form)))
    first, last, at = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 3)))
    token = data.draw(st.sampled_from(TOKENS)).encode()
    assert read(form, whole[:at] + whole[first:last] + token + whole[at:])


@every_format
@pytest.mark.parametrize(
    "token", ["{", "[00:01.00]", "<00:01.000>", "<p>", '"', " ", "\n", "1\n", "la ", "~\n", "漢|か", "-->", "[["]
)
def test_a_megabyte_of_one_thing_takes_no_time(form: Format, token: str) -> None:
    data = (seeds(form)[-1].decode() + token * (MEGABYTE // len(token.encode()))).encode()
    begun = time.process_time()
    assert read(form, data)
    assert time.process_time() - begun < SECONDS


def test_a_thousand_cues_are_read_and_written_in_a_moment() -> None:
    srt = by_name("srt")
    text = srt.render(song(1000))
    assert best(lambda: srt.render(srt.parse(text))) < 0.1
