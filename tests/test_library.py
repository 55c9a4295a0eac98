"""What is found in a library, the journal of what was done, and the report."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obedient import Obedient, heard, library

from aligner_core.errors import AlignerError
from plugin import load as load_text
from plugin.library import manifest
from plugin.library.course import Course, Redo
from plugin.library.find import TWICE, Wish, find
from plugin.library.journal import Journal, JournalError, Run, marks_of
from plugin.library.page import page
from plugin.library.report import LibraryReport
from plugin.library.work import NO_LYRICS, Item, Outcome, Settings, do
from plugin.report import Doubt

RUN = Run("1.0", "abc", {"exact": False})
LRC = Wish(write=("lrc",))
STEMS = ("a", "b", "a.karalign", "a.mp3")


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"something")
    return folder


# What is found


def test_songs_are_found_with_the_texts_beside_them(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "a.txt", "b.wav", "b.srt", "c.flac", "d.txt", "sub/e.ogg", "sub/e.lrc", ".f.mp3")
    flat = find([str(tmp_path)], Wish(write=("ass",))).items
    assert [(Path(item.song).name, Path(item.lyrics).name) for item in flat] == [
        ("a.mp3", "a.txt"), ("b.wav", "b.srt"), ("c.flac", ""),
    ]  # fmt: skip
    deep = find([str(tmp_path)], Wish(write=("ass",), recursive=True)).items
    assert deep == [*flat, Item(f"{tmp_path}/sub/e.ogg", f"{tmp_path}/sub/e.lrc", (f"{tmp_path}/sub/e.ass",))]


def test_only_songs_whose_tags_are_known_are_found_where_nothing_else_is_written(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "b.wav")
    assert [Path(item.song).name for item in find([str(tmp_path)], Wish(embed=True)).items] == ["a.mp3"]


def test_a_folder_of_outputs_mirrors_that_of_the_songs(tmp_path: Path) -> None:
    touch(tmp_path, "in/x/y/a.mp3", "in/b.mp3")
    wish = Wish(write=("lrc", "ass"), out=str(tmp_path / "out"), recursive=True)
    named = [output for item in find([str(tmp_path / "in")], wish).items for output in item.outputs]
    assert named == [str(tmp_path / "out" / name) for name in ("b.lrc", "b.ass", "x/y/a.lrc", "x/y/a.ass")]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        st.tuples(st.sampled_from(STEMS), st.sampled_from(["mp3", "flac", "lrc", "txt", "json"])),
        min_size=1, max_size=10, unique=True,
    ),
    write=st.lists(st.sampled_from(["lrc", "json", "txt"]), min_size=1, unique=True),
)  # fmt: skip
def test_no_output_is_an_input_and_no_two_are_one(
    names: list[tuple[str, str]], write: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = touch(tmp_path_factory.mktemp("x"), *(".".join(name) for name in names), "z.mp3")
    found = find([str(folder)], Wish(write=tuple(write)))
    outputs = [output for item in found.items for output in item.outputs]
    assert len(outputs) == len({*outputs})
    assert not {*outputs} & {str(path) for path in folder.iterdir()}
    for outcome in found.skipped:
        assert "is there already, and not from here" in outcome.why
    everything = find([str(folder)], Wish(write=tuple(write), overwrite=True)).items
    inputs = {name for item in everything for name in (item.song, item.lyrics)}
    assert not {output for item in everything for output in item.outputs} & inputs


def test_what_was_written_by_us_is_no_lyrics_and_may_be_written_again(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "a.txt")
    (before,) = find([str(tmp_path)], LRC).items
    touch(tmp_path, "a.lrc")
    assert find([str(tmp_path)], LRC, {*before.outputs}).items == [before]
    assert find([str(tmp_path)], LRC).items == [
        Item(before.song, str(tmp_path / "a.lrc"), (str(tmp_path / "a.karalign.lrc"),))
    ]


def test_a_song_that_is_named_twice_is_done_once(tmp_path: Path) -> None:
    touch(tmp_path, "b.mp3", "b.txt")
    for link in ("a.mp3", "c.mp3"):
        (tmp_path / link).symlink_to("b.mp3")
    (item,) = find([str(tmp_path), str(tmp_path / "b.mp3"), f"{tmp_path}/../{tmp_path.name}"], LRC).items
    assert item == Item(f"{tmp_path}/b.mp3", f"{tmp_path}/b.txt", (f"{tmp_path}/b.lrc",))


def test_a_file_with_two_names_is_embedded_once(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "a.txt", "b.txt")
    (tmp_path / "link.mp3").symlink_to("a.mp3")
    rows = [{"song": "a.mp3", "lyrics": "b.txt"}, {"song": "a.mp3"}, {"song": "link.mp3"}]
    (tmp_path / "l.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = find([str(tmp_path / "l.jsonl")], Wish(embed=True))
    assert [item.lyrics for item in found.items] == [f"{tmp_path}/b.txt"]
    assert [outcome.why for outcome in found.skipped] == [TWICE, TWICE]
    assert len(find([str(tmp_path / "l.jsonl")], LRC).items) == 3


def test_outputs_may_go_to_the_root_of_all_folders(tmp_path: Path) -> None:
    (item,) = find([str(touch(tmp_path, "a.mp3") / "a.mp3")], Wish(write=("lrc",), out="/", overwrite=True)).items
    assert item.outputs == ("/a.lrc",)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["gone"], "gone: there is no such file"),
        (["gone.mp3"], "gone.mp3: there is no such file"),
        (["a.txt"], "a.txt: is neither a folder nor a song nor a list (lists end in .jsonl, .ndjson, .csv)"),
        (["empty"], "empty: there is no song (-r looks into folders within folders)"),
    ],
)
def test_names_that_are_no_songs_are_told(
    names: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.txt", "empty/words.txt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AlignerError, match=f"^{re.escape(said)}$"):
        find(names, LRC)


# Lists


def test_lists_of_both_kinds_say_the_same(tmp_path: Path) -> None:
    rows = [
        {"song": "a, b.mp3", "lyrics": "sub/x.txt", "outputs": ["out/a.lrc", "out/a.ass"]},
        {"song": "/abs/c\n\u2028.mp3"},
        {"song": "../d \"e\".mp3", "outputs": ["d.json"]},
    ]  # fmt: skip
    (tmp_path / "l.jsonl").write_text("\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    (tmp_path / "l.csv").write_text(
        'song,lyrics,outputs\n"a, b.mp3",sub/x.txt,out/a.lrc;out/a.ass\n'
        '"/abs/c\n\u2028.mp3",,\n"../d ""e"".mp3",,d.json\n'
    )
    items = manifest.load(str(tmp_path / "l.jsonl"))
    assert items == manifest.load(str(tmp_path / "l.csv"))
    assert items == [
        Item(f"{tmp_path}/a, b.mp3", f"{tmp_path}/sub/x.txt", (f"{tmp_path}/out/a.lrc", f"{tmp_path}/out/a.ass")),
        Item("/abs/c\n\u2028.mp3"),
        Item(f'{tmp_path.parent}/d "e".mp3', "", (f"{tmp_path}/d.json",)),
    ]


def test_a_song_of_a_list_without_lyrics_has_those_beside_it(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.mp3", "in/a.txt")
    (tmp_path / "l.jsonl").write_text('{"song": "in/a.mp3"}')
    (item,) = find([str(tmp_path / "l.jsonl")], Wish(write=("lrc",), out=str(tmp_path / "out"))).items
    assert item == Item(f"{tmp_path}/in/a.mp3", f"{tmp_path}/in/a.txt", (f"{tmp_path}/out/in/a.lrc",))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("l.jsonl", '{"song": "a.mp3"}\n{"song"', ":2: not JSON: "),
        ("l.jsonl", "[]", ":1: not an object ("),
        ("l.jsonl", '{"lyrics": "a.txt"}', ":1: song and lyrics are names"),
        ("l.jsonl", '{"song": 7}', ":1: song and lyrics are names"),
        ("l.jsonl", '{"song": "a.mp3", "outputs": "a.lrc"}', ":1: song and lyrics are names"),
        ("l.jsonl", '{"song": "a.mp3", "lyrisc": "a.txt"}', ":1: 'lyrisc' is unknown (one of song, lyrics, outputs)"),
        ("l.jsonl", '{"song": "a\\u0000.mp3"}', ":1: a name holds a zero byte"),
        ("l.jsonl", '{"song": "a.mp3", "outputs": ["a.xyz"]}', ":1: files ending in .xyz are unknown"),
        ("l.jsonl", '{"song": "a.mp3", "outputs": ["o.lrc"]}\n{"song": "b.mp3", "outputs": ["o.lrc"]}', ":2: writes "),
        ("l.jsonl", '{"song": "a.mp3", "lyrics": "a.lrc", "outputs": ["a.lrc"]}', ":1: writes "),
        ("l.jsonl", "\n", ": the file is empty"),
        ("l.csv", "song,lyrics\n", ": there is no song in it"),
        ("l.csv", "song,lyrics\na.mp3\n", ":2: not 2 cells, as in the header"),
        ("l.csv", "song\na.mp3,b\n", ":2: not 1 cells, as in the header"),
        ("l.csv", "file\na.mp3\n", ":2: 'file' is unknown"),
        ("l.csv", 'song\n"a\n', ":2: not CSV: "),
    ],
)
def test_what_is_wrong_in_a_list_is_told_in_one_line_with_its_row(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(AlignerError) as caught:
        find([str(tmp_path / name)], LRC)
    assert str(caught.value).startswith(f"{tmp_path / name}{said}")
    assert "\n" not in str(caught.value)


def test_a_list_may_be_longer_than_any_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugin.files.MAX_TEXT", 20)
    (tmp_path / "l.jsonl").write_text('{"song": "a.mp3"}\n{"song": "b.mp3"}\n')
    assert [Path(item.song).name for item in manifest.load(str(tmp_path / "l.jsonl"))] == ["a.mp3", "b.mp3"]


@pytest.mark.parametrize("name", ["x" * 300 + "/a.mp3", "x" * 300 + ".mp3", "loop/a.mp3", "Artist::a.mp3"])
def test_a_song_that_cannot_be_there_stops_no_other_of_its_list(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "l.jsonl").write_text(f'{{"song": "{name}"}}\n{{"song": "b.mp3"}}\n')
    items = find([str(tmp_path / "l.jsonl")], LRC).items
    assert [item.song for item in items] == [f"{tmp_path}/{name}", f"{tmp_path}/b.mp3"]


def test_a_song_for_which_nothing_is_to_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").write_text('{"song": "a.mp3"}')
    with pytest.raises(AlignerError, match=r"a\.mp3: nothing is to be written for it"):
        find([str(tmp_path / "l.jsonl")], Wish())


# The journal

DOUBT = Doubt(3, "é \ud83d", 1.5, None)


def outcome(number: int) -> Outcome:
    return Outcome(
        Item(f"/x/{number} \n日.mp3", "/x/l.txt", ("/x/o.lrc",)), "doubtful", "", 1.25, 3, 1, 2, 0.3, (DOUBT,), (),
        ("USLT",), ("a note",),
    )  # fmt: skip


def test_a_journal_says_later_what_it_was_told(tmp_path: Path) -> None:
    told = [outcome(number) for number in range(5)]
    with Journal(tmp_path / "j", RUN) as journal:
        journal.plan({one.item: marks_of(one.item) for one in told})
        for one in told:
            journal.add(one, marks_of(one.item))
    with Journal(tmp_path / "j", RUN) as journal:
        assert [journal.known(one.item) for one in told] == told
        assert journal.ours == {"/x/o.lrc"}
    with Journal(tmp_path / "j", replace(RUN, settings={"exact": True})) as other:
        assert other.known(told[0].item) is None
        assert other.ours == {"/x/o.lrc"}


def test_a_journal_cut_off_at_any_byte_has_lost_its_last_line_and_goes_on(tmp_path: Path) -> None:
    told = [outcome(number) for number in range(3)]
    with Journal(tmp_path / "j", RUN) as journal:
        journal.plan({told[0].item: marks_of(told[0].item)})
        for one in told:
            journal.add(one, marks_of(one.item))
    whole = (tmp_path / "j").read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == 10]
    for cut in range(len(whole) + 1):
        (tmp_path / "j").write_bytes(whole[:cut])
        lines = sum(end <= cut for end in ends)
        with Journal(tmp_path / "j", RUN, writes=False) as journal:
            assert [*journal.outcomes] == [one.item for one in told[: max(0, lines - 2)]]
        if cut % 25 == 0:
            with Journal(tmp_path / "j", RUN) as journal:
                journal.add(told[2], {})
            with Journal(tmp_path / "j", RUN) as journal:
                assert told[2].item in journal.outcomes


def test_a_damaged_line_in_the_middle_costs_only_itself(tmp_path: Path) -> None:
    told = [outcome(number) for number in range(3)]
    with Journal(tmp_path / "j", RUN) as journal:
        for one in told:
            journal.add(one, {})
    lines = (tmp_path / "j").read_bytes().splitlines(keepends=True)
    for damage in (b"\xff\xfe garbage\n", b"{}\n", b'{"outcome": {}}\n', b"[1]\n", b"7\n", b"\n", b'{"planned": 3}\n'):
        (tmp_path / "j").write_bytes(lines[0] + damage + lines[2])
        with Journal(tmp_path / "j", RUN) as journal:
            assert [*journal.outcomes] == [told[0].item, told[2].item]


def test_a_journal_is_used_by_one_run_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", RUN):
        with pytest.raises(JournalError, match="another run is using it"):
            Journal(tmp_path / "j", RUN)
        with Journal(tmp_path / "j", RUN, writes=False) as looked_at:
            assert looked_at.outcomes == {}
    with Journal(tmp_path / "j", RUN):
        pass


def test_a_full_disk_is_told_with_the_name_of_the_journal_and_what_it_held_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, write = [outcome(number) for number in range(2)], os.write
    with Journal(tmp_path / "j", RUN) as journal:
        journal.add(told[0], {})
        monkeypatch.setattr(os, "write", lambda number, data: write(number, data[:9]) if len(data) > 20 else _full())
        with pytest.raises(JournalError, match=r"j: cannot be written: No space left on device \(make room; "):
            journal.add(outcome(1), {})
    monkeypatch.undo()
    with Journal(tmp_path / "j", RUN) as journal:
        assert [*journal.outcomes] == [told[0].item]


def _full() -> int:
    raise OSError(28, "No space left on device")


def test_to_look_at_a_journal_that_is_not_there_makes_none(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", RUN, writes=False) as journal:
        assert journal.ours == frozenset()
    assert not list(tmp_path.iterdir())


# A run


@dataclass(frozen=True)
class Alone:
    """An engine that does all in this process, and stops where it is told to."""

    stop: int = 10**9

    def run(self, items: Sequence[Item], settings: Settings) -> Iterator[Outcome]:
        hearer = Obedient.load(settings)
        for at, item in enumerate(items):
            if at == self.stop:
                raise KeyboardInterrupt
            yield do(item, settings, hearer)


def course(folder: Path, items: Sequence[Item], redo: Redo = "", stop: int = 10**9) -> dict[Item, Outcome]:
    with Journal(folder / "journal", RUN) as journal:
        made = Course(items, Settings(), Alone(stop), journal, redo)
        return made.run(made.pending(), lambda _: None)


def times(folder: Path) -> list[str]:
    return [name for name, _, _ in heard(folder)]


SONGS = {"a": "good", "b": "bad", "c": "good"}


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    items = library(tmp_path, SONGS)
    first = course(tmp_path, items)
    assert course(tmp_path, items) == first
    assert times(tmp_path) == ["a.mp3", "b.mp3", "c.mp3"]


def test_a_run_that_was_stopped_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    for stop in range(4):
        place = tmp_path / str(stop)
        items = library(place, SONGS)
        if stop < 3:
            with pytest.raises(KeyboardInterrupt):
                course(place, items, stop=stop)
        outcomes = course(place, items)
        assert [outcomes[item].status for item in items] == ["done", "failed", "done"]
        assert times(place) == ["a.mp3", "b.mp3", "c.mp3"]


def test_what_failed_is_done_again_where_that_is_asked(tmp_path: Path) -> None:
    items = library(tmp_path, SONGS)
    course(tmp_path, items)
    course(tmp_path, items, "failed")
    assert times(tmp_path)[3:] == ["b.mp3"]
    course(tmp_path, items, "all")
    assert times(tmp_path)[4:] == ["a.mp3", "b.mp3", "c.mp3"]


CHANGES: dict[str, Callable[[Item], object]] = {
    "song": lambda item: Path(item.song).write_text("good "),
    "time of the song": lambda item: os.utime(item.song, ns=(1, 1)),
    "lyrics": lambda item: Path(item.lyrics).write_text("Other words\n"),
    "no output": lambda item: Path(item.outputs[0]).unlink(),
    "part of an output": lambda item: Path(item.outputs[1]).write_text("{"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_done_again(change: str, tmp_path: Path) -> None:
    items = library(tmp_path, SONGS)
    course(tmp_path, items)
    CHANGES[change](items[2])
    course(tmp_path, items)
    assert times(tmp_path)[3:] == ["c.mp3"]


def test_parts_that_killed_writers_left_behind_are_swept_away(tmp_path: Path) -> None:
    items = library(tmp_path, SONGS)
    left = touch(tmp_path, ".karalign-0123456789ab.tmp", ".karalign-song-0123456789ab.tmp", ".karalign-x.tmp")
    for path in left.glob(".karalign*"):
        os.utime(path, (1, 1))
    course(tmp_path, items)
    assert [path.name for path in left.glob(".karalign*")] == [".karalign-x.tmp"]


def test_parts_of_writers_are_swept_away_where_a_link_leads(tmp_path: Path) -> None:
    (item,) = library(tmp_path, {"a": "good"})
    (tmp_path / "real").mkdir()
    Path(item.song).rename(tmp_path / "real/a.mp3")
    Path(item.song).symlink_to("real/a.mp3")
    part = touch(tmp_path, "real/.karalign-song-0123456789ab.tmp") / "real/.karalign-song-0123456789ab.tmp"
    course(tmp_path, [item])
    assert not part.exists()


def test_a_song_without_lyrics_is_skipped_and_a_mistake_of_ours_stops_nothing(tmp_path: Path) -> None:
    items = [*library(tmp_path, {"a": "odd"}), Item(str(touch(tmp_path, "b.mp3") / "b.mp3"))]
    outcomes = course(tmp_path, items)
    assert (outcomes[items[0]].status, outcomes[items[0]].why) == ("failed", "unexpected: ZeroDivisionError: by zero")
    assert (outcomes[items[1]].status, outcomes[items[1]].why) == ("skipped", NO_LYRICS)


# The report

ODD_NAMES = ("<script>alert(1)</script>&\"'.mp3", "a\nb.mp3", "日本 é.mp3", "50% #1?.mp3", os.fsdecode(b"\xff\xfe.mp3"))


class Links(HTMLParser):
    """Where a page leads to, what elements it has, and its rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src") and value]


def test_links_of_the_page_lead_to_the_files_whatever_their_names(tmp_path: Path) -> None:
    touch(tmp_path, *(f"songs/{name}" for name in ODD_NAMES))
    items = [Item(str(tmp_path / "songs" / name)) for name in ODD_NAMES]
    (tmp_path / "report").mkdir()
    LibraryReport([Outcome(item, "done", doubts=(Doubt(1, "<b>", None, None),)) for item in items], RUN,
                  tmp_path / "report").write({})  # fmt: skip
    text = (tmp_path / "report" / "report.html").read_text("utf-8")
    found = Links(text)
    assert len(found.links) == len(ODD_NAMES)
    for link, item in zip(found.links, items, strict=True):
        assert (tmp_path / "report" / os.fsdecode(unquote_to_bytes(link))).samefile(item.song)
    assert found.tags.count("script") == 1
    assert "b" not in found.tags
    assert not re.search(r"https?:|//[a-z]", text)


def test_the_report_has_all_of_every_song_and_does_not_know_where_it_lies(tmp_path: Path) -> None:
    texts = []
    for name in ("here", "there"):
        root = tmp_path / name
        items = library(root / "songs", SONGS)
        outcomes = course(root / "songs", items)
        LibraryReport([outcomes[item] for item in items], RUN, root / "report").write({"seconds": name})
        texts.append(((root / "report/report.json").read_bytes(), (root / "report/report.html").read_bytes()))
    assert texts[0] == texts[1]
    report = json.loads(texts[0][0])
    assert report["counts"] == {"done": 2, "doubtful": 0, "failed": 1, "skipped": 0}
    assert [(song["song"], song["why"]) for song in report["songs"]] == [
        ("../songs/a.mp3", ""), ("../songs/b.mp3", "is no sound"), ("../songs/c.mp3", ""),
    ]  # fmt: skip
    assert report["hours"] == round(2 * 10 / 3600, 4)
    assert load_text(tmp_path / "here/songs/a.lrc").timed


def test_a_report_of_what_the_journal_remembers_is_that_of_what_was_done() -> None:
    fresh = [outcome(number) for number in range(3)]
    remembered = [Outcome.from_dict(json.loads(json.dumps(one.to_dict()))) for one in fresh]
    one, other = (LibraryReport(each, RUN, Path("/x")) for each in (fresh, remembered))
    assert one.to_dict() == other.to_dict()
    assert page(one) == page(other)
