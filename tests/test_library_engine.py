"""The engine on one machine: whatever dies, hangs or is broken, every song has one outcome, and nothing piles up."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from obedient import Obedient, heard, library

from aligner_core import Aligner
from aligner_core.errors import WeightsError
from aligner_core.timeline import Alignment
from plugin import load
from plugin.library import crew, local
from plugin.library.crew import TIMEOUT, Answer, CrewError
from plugin.library.hands import Decode, Facts, Finish, Hear, Heard, Ready, Whole, work
from plugin.library.local import AT_EAR, TRIES, Local
from plugin.library.slots import Slots, read, write
from plugin.library.work import Item, Outcome, Own, Settings, do

JOBS = 2
GOOD = {f"song{number}": "good" for number in range(8)}
ENGINE = Local(JOBS, load=Obedient.load)


@pytest.fixture(scope="module", autouse=True)
def _light_processes() -> Iterator[None]:
    """Processes are made of one that has loaded nothing heavy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plugin.library.crew.LOADED", ())
        yield


def alone(items: Sequence[Item], folder: Path) -> dict[str, Outcome]:
    """What this process alone makes of the items, with outputs in another folder."""
    hearer = Obedient.load(Settings())
    moved = [replace(item, outputs=tuple(str(folder / Path(name).name) for name in item.outputs)) for item in items]
    return {one.song: replace(do(one, Settings(), hearer), item=item) for one, item in zip(moved, items, strict=True)}


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Item], dict[str, Outcome]]:
    """Good songs, bad ones, one that kills its process whenever it is heard, and one that does so once."""
    folder = tmp_path_factory.mktemp("mixed")
    orders = {"first": "good", "killer": "die", "bad": "bad", "once": "die-once", "odd": "odd", **GOOD}
    items = [*library(folder / "in", orders, folder / "out"), Item(f"{folder}/in/gone.mp3", f"{folder}/in/gone.txt")]
    outcomes = list(ENGINE.run(items, Settings()))
    assert len(outcomes) == len(items)
    return folder, items, {outcome.item.song: outcome for outcome in outcomes}


Mixed = tuple[Path, list[Item], dict[str, Outcome]]


def test_several_processes_make_the_same_of_every_song_as_one(mixed: Mixed) -> None:
    folder, items, outcomes = mixed
    living = [item for item in items if "killer" not in item.song]
    assert {song: outcome for song, outcome in outcomes.items() if "killer" not in song} == alone(living, folder / "1")
    assert tree(folder / "1") == tree(folder / "out")


def test_a_song_whose_process_dies_is_tried_once_more_and_then_fails(mixed: Mixed) -> None:
    folder, _, outcomes = mixed
    (killer,) = (outcome for song, outcome in outcomes.items() if song.endswith("killer.mp3"))
    assert (killer.status, killer.why) == ("failed", "the process that worked on it died, twice: signal 9")
    times = Counter(Path(name).stem for name, _, _ in heard(folder / "in"))
    assert times["killer"] == TRIES == 2


def test_a_song_that_takes_too_long_is_given_up_and_the_others_are_done(tmp_path: Path) -> None:
    items = library(tmp_path, {"long": "sleep 1000", **GOOD})
    got = {Path(one.item.song).stem: one for one in replace(ENGINE, timeout=2).run(items, Settings())}
    assert (got["long"].status, got["long"].why) == ("failed", "took longer than 2 s")
    assert [outcome.status for name, outcome in got.items() if name != "long"] == ["done"] * len(GOOD)
    assert [name for name, _, _ in heard(tmp_path)].count("long.mp3") == 1


def test_processes_are_replaced_when_they_have_done_enough(tmp_path: Path) -> None:
    list(Local(1, load=Obedient.load, recycle=3).run(library(tmp_path, GOOD), Settings()))
    songs = Counter(process for _, process, _ in heard(tmp_path))
    assert sorted(songs.values()) == [2, 3, 3]


def test_a_model_that_cannot_be_loaded_is_told_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none: there is no such model"):
        list(ENGINE.run(library(tmp_path, GOOD), Settings(model="none")))
    assert multiprocessing.active_children() == []


def test_a_process_that_starts_when_all_is_over_ends_without_a_word() -> None:
    ours, theirs = multiprocessing.Pipe()
    process = crew._context().Process(target=work, args=(theirs, Settings(), Obedient.load))
    process.start()
    theirs.close()
    ours.close()
    process.join()
    assert process.exitcode == 0


def dies(settings: Settings, device: str) -> Obedient:
    os._exit(7)


def test_processes_that_die_as_they_start_are_not_started_for_ever(tmp_path: Path) -> None:
    with pytest.raises(CrewError, match=r"processes die as they start: exit code 7"):
        list(Local(1, load=dies).run(library(tmp_path, GOOD), Settings()))


def test_nothing_is_begun_that_nobody_waits_for_and_no_process_is_left(tmp_path: Path) -> None:
    items = library(tmp_path, dict.fromkeys(GOOD, "sleep 0.3"))
    with closing(_generator(ENGINE.run(items, Settings()))) as coming:
        next(coming)
    assert multiprocessing.active_children() == []
    begun = heard(tmp_path)
    assert len(begun) <= 1 + 2 * JOBS
    time.sleep(0.5)
    assert heard(tmp_path) == begun
    assert not list(tmp_path.glob(".*"))


def _generator(outcomes: Iterator[Outcome]) -> Any:
    yield from outcomes


def test_nothing_to_do_is_done_at_once() -> None:
    assert list(ENGINE.run([], Settings())) == []


@pytest.fixture
def songs(tmp_path: Path, root: Path) -> Callable[[str], list[Item]]:
    """Beginnings of the example song with their words, and a broken one; outputs in a folder of this name."""
    import soundfile

    wave, rate = soundfile.read(root / "examples" / "amazing-grace.mp3")
    lines = [line for line in (root / "examples" / "amazing-grace.txt").read_text().splitlines() if line]
    for number, (seconds, count) in enumerate(((25, 3), (60, 8))):
        soundfile.write(tmp_path / f"{number}.wav", wave[: seconds * rate], rate)
        (tmp_path / f"{number}.txt").write_text("\n".join(lines[:count]))
    (tmp_path / "2.wav").write_bytes(b"RIFF")
    (tmp_path / "2.txt").write_text("words")
    place = str(tmp_path)
    return lambda out: [Item(f"{place}/{n}.wav", f"{place}/{n}.txt", (f"{place}/{out}/{n}.json",)) for n in range(3)]


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """As in ears: with more, sums are added up in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_one_thread")
def test_an_ear_hears_what_a_hand_hears_by_itself(songs: Callable[[str], list[Item]], tmp_path: Path) -> None:
    beside = {one.item.song: one for one in Local(1, ("cpu",)).run(songs("ear"), Settings())}
    hearer = Own(Aligner.load())  # by PyTorch, as ears do
    own = {item.song: do(item, Settings(), hearer) for item in songs("hand")}
    assert own[str(tmp_path / "0.wav")].words > 5
    for song, outcome in own.items():
        assert replace(beside[song], item=outcome.item) == outcome
    assert tree(tmp_path / "ear") == tree(tmp_path / "hand")


@pytest.mark.gpu
def test_ears_on_a_gpu_hear_what_the_processor_hears(songs: Callable[[str], list[Item]]) -> None:
    beside = {one.item.song: one for one in Local(2, ("cuda:0", "cuda:0")).run(songs("gpu"), Settings())}
    for item in songs("hand"):
        outcome = do(item, Settings(), Own(Aligner.load()))
        assert (beside[item.song].status, beside[item.song].words) == (outcome.status, outcome.words)
        if outcome.status != "failed":
            ours, theirs = (load(one.item.outputs[0]) for one in (outcome, beside[item.song]))
            assert max(abs(a - b) for a, b in zip(starts(ours), starts(theirs), strict=True)) <= 0.03


def starts(alignment: Alignment) -> list[float]:
    """Of all words that have one."""
    return [word.start for line in alignment.lines for word in line.words if word.start is not None]


# The order of work, with processes that are only played


@dataclass(eq=False)
class Player:
    ready: bool = False
    tasks: list[Any] = field(default_factory=list)


@dataclass
class Cast:
    """In the place of a crew: whoever is asked answers at once, or dies."""

    members: list[Player]
    timeout: float | None = 9.0
    log: list[Any] = field(default_factory=list)

    def give(self, player: Player, task: Any) -> None:
        player.tasks.append(task)
        self.log.append(task)

    def done(self, player: Player, task: Any) -> None:
        player.tasks.remove(task)

    def refresh(self, player: Player) -> None:
        assert not player.tasks


@dataclass
class Stage:
    """All answers, in an order of chance."""

    hands: Cast
    ears: Cast
    slots: Slots
    chance: random.Random
    deadly: float
    most_used: int = 0

    def answers(self, crews: Sequence[Cast]) -> Iterator[tuple[Cast, Answer]]:
        waiting = [(crew, one) for crew in crews for one in crew.members if one.tasks or not one.ready]
        assert waiting, "all wait for each other"
        crew, player = self.chance.choice(waiting)
        self.most_used = max(self.most_used, len(self.slots._size))
        yield crew, self.answer(crew, player)

    def answer(self, crew: Cast, player: Player) -> Answer:
        member: Any = player
        if not player.ready:
            player.ready = True
            return Answer(member, Ready(Facts(("sil",), 16000, 0.01) if crew is self.ears else None))
        if self.chance.random() < self.deadly:
            lost, player.tasks, player.ready = tuple(player.tasks), [], False
            return Answer(member, None, lost, self.chance.choice(["signal 9", TIMEOUT]))
        task = self.chance.choice(player.tasks)
        match task:
            case Whole(item) | Finish(item):
                return Answer(member, Outcome(item, "done"))
            case Decode(item):
                return Answer(member, self.chance.choice([100, 100, 100, Outcome(item, "failed", "no sound")]))
            case Hear(slot, samples):
                assert samples == 100
                return Answer(member, Heard(slot, 10, 2))
        raise AssertionError(task)


@given(
    songs=st.integers(1, 40),
    hands=st.integers(1, 4),
    ears=st.integers(0, 2),
    deadly=st.sampled_from([0.0, 0.2, 0.5]),
    seed=st.integers(0, 10**6),
)
def test_in_every_order_of_events_each_song_has_one_outcome_and_slots_are_never_short(
    songs: int, hands: int, ears: int, deadly: float, seed: int
) -> None:
    items = [Item(f"{number}.mp3") for number in range(songs)]
    room = 2 * hands + AT_EAR * ears if ears else 0
    with Slots(room) as slots, pytest.MonkeyPatch.context() as patch:
        crews = Cast([Player() for _ in range(hands)]), Cast([Player() for _ in range(ears)])
        stage = Stage(*crews, slots, random.Random(seed), deadly)
        patch.setattr(local, "answers", stage.answers)
        asked: Any = crews
        outcomes = list(local._Shift(asked[0], asked[1], slots, items).outcomes())
        assert sorted(outcome.item.song for outcome in outcomes) == sorted(item.song for item in items)
        assert stage.most_used <= room
        assert slots.held == 0
        assert {outcome.why for outcome in outcomes} <= {
            "", "no sound", "took longer than 9 s",
            *(f"the process that worked on it died, twice: {why}" for why in ("signal 9", "no answer in 9 s")),
        }  # fmt: skip
        if not deadly:
            assert {outcome.why for outcome in outcomes} <= {"", "no sound"}
            assert all(outcome.status == "done" for outcome in outcomes if not outcome.why)


def test_to_finish_comes_before_to_decode() -> None:
    items = [Item(f"{number}.mp3") for number in range(30)]
    with Slots(20) as slots, pytest.MonkeyPatch.context() as patch:
        hands, ears = Cast([Player()]), Cast([Player()])
        stage = Stage(hands, ears, slots, random.Random(1), 0.0)
        patch.setattr(local, "answers", stage.answers)
        asked: Any = hands, ears
        shift = local._Shift(asked[0], asked[1], slots, items)
        give = hands.give

        def watched(player: Player, task: Any) -> None:
            assert isinstance(task, Finish) or not shift.to_finish
            give(player, task)

        patch.setattr(hands, "give", watched)
        assert len(list(shift.outcomes())) == len(items)


# Slots


@pytest.mark.parametrize("nameless", [True, False])
def test_what_is_written_into_a_slot_is_read_from_it(nameless: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    if not nameless:
        monkeypatch.delattr(os, "memfd_create")
    with Slots(2) as slots:
        one, other = slots.take(), slots.take()
        assert not slots.free
        blocks = [np.arange(3, dtype=np.float32), np.arange(2, dtype=np.float32)]
        assert write(one, blocks) == 5
        assert write(other, [np.ones(70_000_00, np.float32)]) == 70_000_00
        assert read(one, 5).tolist() == [0, 1, 2, 0, 1]
        slots.grown(one, 5)
        slots.grown(other, 70_000_00)
        assert slots.held == 4 * 70_000_05
        slots.give(one)
        assert slots.take() == one
        assert read(one, 5).tolist() == [0, 1, 2, 0, 1]  # kept, to be filled again sooner
        slots.grown(other, 2**25)
        slots.give(other)
        assert Path(other).stat().st_size == 0  # too much to be kept
