"""Packs, augmentation, realignment and a run of the trainer, all on a tiny world made here."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import soundfile
import torch

from aligner_core import acoustic
from aligner_core.acoustic.cnn import EDGES, SYMBOLS, CnnConfig
from aligner_core.audio import log_mel, normalise
from aligner_core.training.align import Sounds, Trainer, split
from aligner_core.training.augment import CROP_FRAMES, MUSIC, Batch, Mixer
from aligner_core.training.data import (
    IGNORE,
    UNSURE,
    Corpus,
    audible,
    decode,
    edge_labels,
    frame_labels,
    manifest,
    music_power,
    read_packs,
)
from aligner_core.training.effects import Recipe
from aligner_core.training.losses import edge_loss, spoken
from aligner_core.training.parallel import Team
from aligner_core.training.plan import Plan, read_plan
from aligner_core.training.realign import realign

PLAIN = Recipe(**dict.fromkeys(Recipe.__dataclass_fields__, 0.0) | {"snr": (0.0, 0.0), "masks": 0})  # type: ignore[arg-type]
VOWEL_HERTZ = {"IY": 3000.0, "AA": 900.0}
WORDS = {"ee": "IY", "ah": "AA"}


Wave = np.ndarray[tuple[int], np.dtype[np.float32]]


def write_pack(path: Path, rows: list[dict[str, object]], waves: list[Wave]) -> None:
    with zipfile.ZipFile(path, "w") as pack:
        for row, wave in zip(rows, waves, strict=True):
            sound = io.BytesIO()
            soundfile.write(sound, wave, 16000, format="OGG", subtype="OPUS")
            pack.writestr(f"{row['id']}.ogg", sound.getvalue())
        pack.writestr("manifest.jsonl", "\n".join(json.dumps(row) for row in rows))


def utterance(number: int, *, timed: bool) -> tuple[dict[str, object], Wave]:
    """Two vowels, each a tone of its own, with silence around."""
    random = np.random.default_rng(number)
    words = [list(WORDS)[i] for i in random.integers(0, 2, 2)]
    wave, segments, at = np.zeros(16000 * 2, np.float32), [], 0.3
    for index, word in enumerate(words):
        end = at + random.uniform(0.3, 0.6)
        time = np.arange(int(at * 16000), int(end * 16000))
        wave[time] = 0.3 * np.sin(2 * np.pi * VOWEL_HERTZ[WORDS[word]] * time / 16000)
        segments.append([index, WORDS[word], round(at, 3), round(end, 3)])
        at = end + 0.1
    row: dict[str, object] = {"id": f"{'sm'[number // 50]}{number}", "text": " ".join(words), "dur": 2.0}
    return row | ({"seg": segments} if timed else {}), wave


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs")
    for name, timed, count in (("synth-x", True, 60), ("real", False, 8)):
        rows, waves = zip(*(utterance(i, timed=timed) for i in range(count)), strict=True)
        write_pack(folder / f"{name}.zip", list(rows), list(waves))
    noise = np.random.default_rng(9).normal(0, 0.1, 16000 * 12).astype(np.float32)
    music = [{"id": f"m{i}", "text": "", "dur": 12.0} for i in range(3)]
    write_pack(folder / "music.zip", music, [noise] * 3)
    return folder


def corpus_of(folder: Path, name: str) -> Corpus:
    return Corpus(read_packs([folder / f"{name}.zip"]), torch.device("cpu"))


def trainer_of(plan: Plan, packs: Path, out: Path) -> Trainer:
    return Trainer(plan, Sounds.of(plan, packs, torch.device("cpu")), packs, out, Team("cpu"))


def test_labels_follow_the_segments_and_short_gaps_go_to_their_neighbours() -> None:
    segments = [[-1, "sil", 0, 0.1], [0, "AA", 0.1, 0.2], [-1, "sp", 0.2, 0.22], [1, "B", 0.22, 0.3]]
    segments.append([1, "spn", 0.3, 0.35])
    labels = frame_labels(segments, 40)
    a, b = SYMBOLS.index("AA"), SYMBOLS.index("B")
    assert labels.tolist() == [0] * 10 + [a] * 11 + [b] * 9 + [IGNORE] * 5 + [0] * 5


def test_a_long_gap_stays_silence() -> None:
    labels = frame_labels([[0, "AA", 0, 0.1], [-1, "sp", 0.1, 0.2], [1, "B", 0.2, 0.3]], 30)
    assert labels.tolist()[10:20] == [0] * 10


def test_what_fades_before_a_rest_ends_where_it_is_heard_no_more() -> None:
    wave = np.zeros(16000, np.int16)
    wave[1600:4800] = 8000  # 0.1 to 0.3 s
    wave[4800:6400] = 40  # and 46 dB below it for another tenth
    segments = [[0, "AA", 0.1, 0.2], [0, "B", 0.2, 0.5], [-1, "sp", 0.5, 0.7], [1, "B", 0.7, 0.9]]
    cut = audible(segments, wave)
    assert [row[:3] for row in cut] == [row[:3] for row in segments]
    assert [row[3] for row in cut] == pytest.approx([0.2, 0.3, 0.7, 0.9])
    joined = [segments[0], [0, "B", 0.2, 0.5], [1, "B", 0.5, 0.9]]  # no rest: nothing is cut but the end
    assert [row[3] for row in audible(joined, wave)][:2] == [0.2, 0.5]


def test_unchanged_crops_carry_their_labels_along(packs: Path) -> None:
    corpus = corpus_of(packs, "synth-x")
    mixer = Mixer(corpus, torch.ones(3000, 80), PLAIN, seed=1)
    features, labels, _ = mixer.batch(16)
    assert features.shape == (16, CROP_FRAMES, 80)
    assert labels.shape == (16, CROP_FRAMES)
    high, low = (features[labels == SYMBOLS.index(v)].mean(0) for v in ("IY", "AA"))
    assert int(high.argmax()) > int(low.argmax())  # the tones lie where their labels say
    sounding = features.amax(-1) > features.amax(dim=(1, 2)).median() - 1
    assert float((sounding == (labels > 0)).float().mean()) > 0.95


def test_augmented_batches_are_finite_seeded_and_know_music_from_silence(packs: Path) -> None:
    corpus = corpus_of(packs, "synth-x")
    music = music_power(read_packs([packs / "music.zip"]), corpus.device)
    first, again, other = (Mixer(corpus, music, Recipe(), seed).batch(24) for seed in (1, 1, 2))
    assert first[0].isfinite().all()
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
    assert {0, MUSIC} <= set(first.labels.flatten().tolist())
    assert float(music.mean()) == pytest.approx(1.0, rel=1e-3)


def test_holding_vowels_lengthens_them_and_nothing_else(packs: Path) -> None:
    corpus = corpus_of(packs, "synth-x")
    held = Recipe(**vars(PLAIN) | {"sing": 1.0, "hold": 6.0})
    plain, sung = (Mixer(corpus, torch.ones(3000, 80), recipe, 5).batch(32).labels for recipe in (PLAIN, held))
    assert (sung > 0).float().mean() > 1.5 * (plain > 0).float().mean()


def test_edges_keep_their_times_and_kinds() -> None:
    segments = [[-1, "sil", 0, 0.1], [0, "AA", 0.1, 0.203], [0, "B", 0.203, 0.3], [-1, "sp", 0.3, 0.32]]
    segments.append([1, "B", 0.32, 0.4])
    at, kinds = edge_labels(segments).T
    assert at == pytest.approx([10, 20.3, 30, 32, 40], abs=1e-4)
    assert [EDGES[int(kind)] for kind in kinds] == ["start", "inner", "end", "start", "end"]


@pytest.mark.parametrize("change", [{}, {"speed": 1.0}, {"sing": 1.0, "hold": 4.0}, {"speed": 1.0, "reverb": 1.0}])
def test_edges_go_where_their_labels_go(packs: Path, change: dict[str, float]) -> None:
    corpus = corpus_of(packs, "synth-x")
    recipe = Recipe(**vars(PLAIN) | change)
    batch = Mixer(corpus, torch.ones(3000, 80), recipe, 5).batch(32)
    assert not batch.edges.isnan().any()
    late = []
    for labels, edges in zip(batch.labels, batch.edges, strict=True):
        for kind, voiced in (("start", True), ("end", False)):
            here = edges[:, EDGES.index(kind)]
            for at in torch.nonzero((labels[1:] > 0) != (labels[:-1] > 0))[:, 0] + 1:
                if bool(labels[at] > 0) == voiced and 5 < at < CROP_FRAMES - 5:
                    near = here[at - 4 : at + 4]
                    assert float(near.sum()) == pytest.approx(1.0, abs=1e-4)
                    late.append(float((near * torch.arange(-4, 4)).sum()))
    assert len(late) > 20
    assert max(map(abs, late)) < 2.6  # a label changes at the centre of a frame, and a held frame is long
    assert abs(np.mean(late) + 0.5) < 0.4


def test_edges_are_not_known_where_labels_are_not(packs: Path) -> None:
    corpus = Corpus(read_packs([packs / "synth-x.zip", packs / "real.zip"]), torch.device("cpu"))
    batch = Mixer(corpus, torch.ones(3000, 80), PLAIN, 1, unlabelled=True).batch(64)
    unknown = batch.edges.isnan().any(-1)
    assert unknown[batch.labels == IGNORE].all()
    assert torch.equal(unknown.any(1), unknown.all(1))
    assert 0 < int(unknown.any(1).sum()) < 64
    assert batch.features.isfinite().all()


def test_a_pack_is_drawn_by_its_weight(packs: Path) -> None:
    corpus = Corpus(read_packs([packs / "synth-x.zip", packs / "real.zip"]), torch.device("cpu"))
    weights = torch.tensor([0.0 if u.labels is not None else 1.0 for u in corpus.utterances])
    batch = Mixer(corpus, torch.ones(3000, 80), PLAIN, 1, weights, unlabelled=True).batch(32)
    assert batch.edges.isnan().all()  # none of the other pack's


def test_the_edge_loss_counts_known_frames_only() -> None:
    log_odds, targets = torch.randn(2, 50, 3), torch.rand(2, 50, 3)
    targets[0, 20:] = torch.nan
    wild = log_odds.clone()
    wild[0, 20:] += 100
    assert torch.equal(edge_loss(log_odds, targets), edge_loss(wild, targets))
    exact = torch.full((1, 9, 3), -20.0)
    assert float(edge_loss(exact, torch.zeros(1, 9, 3))) < 1e-6


def test_a_head_on_a_finished_network_learns_edges_and_leaves_it_alone(packs: Path, tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"width": 32, "kernels": (9,), "dropout": 0.0}
    torch.manual_seed(0)
    acoustic.save(acoustic.cnn.CnnCtc(CnnConfig(**sizes)), "cnn", packs / "start.pt", {})
    plan = Plan(
        voices=("synth-x.zip", "real.zip"), music=("music.zip",), steps=62, crops=4, warm_up=5, measure_every=60,
        average=0.9, learning_rate=3e-3, start="start.pt", head_steps=60, distil=True, trunk_rate=0.1,
        model=sizes | {"edge_width": 32}, recipe=PLAIN,
    )  # fmt: skip
    trainer = trainer_of(plan, packs, tmp_path)
    assert trainer.run(seconds=120)
    files = packs / "start.pt", tmp_path / "head.pt", tmp_path / "cnn.pt"
    begun, head, both = (acoustic.load(file) for file in files)
    row, wave = utterance(77, timed=True)
    sound = torch.from_numpy(wave)
    first, alone, together = (model.log_probs(sound)[:, : len(SYMBOLS)] for model in (begun, head, both))
    assert torch.equal(alone, first)
    assert not torch.equal(together, first)
    _, edges = head.hear(normalise(log_mel(sound))[None])  # type: ignore[attr-defined]
    for _, _, start, end in row["seg"]:  # type: ignore[attr-defined]
        for kind, time in (("start", start), ("end", end)):
            column = edges[0, :, EDGES.index(kind)]
            near = column[round(100 * time) - 6 : round(100 * time) + 6]
            assert abs(int(near.argmax()) - 6) <= 2


def test_a_run_learns_resumes_and_realigns(packs: Path, tmp_path: Path) -> None:
    plan = Plan(
        voices=("synth-x.zip", "real.zip"), music=("music.zip",), steps=60, crops=8, warm_up=5, realign=(50,),
        measure_every=30, average=0.9, learning_rate=3e-3, model={"width": 32, "kernels": (9, 9), "dropout": 0.0},
    )  # fmt: skip
    first = trainer_of(plan, packs, tmp_path)
    assert not first.run(seconds=1.5)
    step = first.step
    second = trainer_of(plan, packs, tmp_path)
    assert second.step == step
    assert second.run(seconds=120)
    assert second.history[-1]["loss"] < second.history[0].get("loss", 9.0) or len(second.history) < 3
    assert second.corpus.labelled.all()
    labels = second.corpus.labels[int(second.corpus.label_starts[-1]) :]
    assert {SYMBOLS.index("IY"), SYMBOLS.index("AA")} >= set(labels[labels > 0].tolist())
    model = acoustic.load(tmp_path / "cnn.pt")
    row, wave = utterance(77, timed=True)
    found = model.log_probs(torch.from_numpy(wave)).argmax(-1)
    for _, name, start, end in row["seg"]:  # type: ignore[attr-defined]
        middle = found[int(start * 100) + 5 : int(end * 100) - 5]
        assert float((middle == SYMBOLS.index(name)).float().mean()) > 0.8
    assert trainer_of(plan, packs, tmp_path).run(seconds=60)


@pytest.mark.parametrize("objective", ["ctc", "prior_ctc"])
def test_ctc_learns_what_is_said_from_crops(
    packs: Path, tmp_path: Path, objective: Literal["ctc", "prior_ctc"]
) -> None:
    plan = Plan(
        voices=("synth-x.zip",), music=("music.zip",), steps=150, crops=6, warm_up=5, measure_every=150, average=0.9,
        learning_rate=4e-3, objective=objective, frame_steps=70, recipe=PLAIN,
        model={"width": 32, "kernels": (9, 9), "dropout": 0.0},
    )  # fmt: skip
    trainer = trainer_of(plan, packs, tmp_path)
    assert trainer.run()
    model = acoustic.load(tmp_path / "cnn.pt")
    row, wave = utterance(77, timed=True)
    heard = model.log_probs(torch.from_numpy(wave))
    vowels = heard[:, [SYMBOLS.index(vowel) for vowel in VOWEL_HERTZ]]
    for _, name, start, end in row["seg"]:  # type: ignore[attr-defined]
        likeliest = vowels[round(100 * start) : round(100 * end)].exp().sum(0).argmax()
        assert list(VOWEL_HERTZ)[int(likeliest)] == name
    assert float((heard.argmax(1) == 0).float().mean()) < 0.95  # it learnt more than blanks


def test_targets_of_ctc_are_the_phones_in_their_order() -> None:
    a, b = SYMBOLS.index("AA"), SYMBOLS.index("B")
    labels = torch.tensor([[0, a, a, b, MUSIC, a, 0, a], [MUSIC] * 8, [IGNORE, a, b, b, b, b, b, IGNORE]])
    targets, lengths = spoken(labels)
    assert lengths.tolist() == [4, 0, 2]
    assert targets.tolist() == [[a, b, a, a], [0] * 4, [a, b, 0, 0]]


def test_two_processes_learn_as_one_with_their_batches_together(packs: Path, tmp_path: Path) -> None:
    config = tmp_path / "plan.toml"
    config.write_text(
        'voices = ["synth-x.zip"]\nmusic = ["music.zip"]\nsteps = 1\ncrops = 2\nwarm_up = 1\n'
        "[model]\nwidth = 16\nkernels = [9]\ndropout = 0.0\nedge_width = 8\n"
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    train = ["-m", "aligner_core.training.align", str(config), "--data", str(packs), "--out", str(tmp_path / "two")]
    done = subprocess.run(
        [*launch, *train, "--device", "cpu"], capture_output=True, text=True, timeout=240, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    two = torch.load(tmp_path / "two" / "state.pt", weights_only=True)
    alike = [_alike(two["model"], read_plan(config), packs, tmp_path / str(ranks), ranks) for ranks in ((0, 1), (0,))]
    assert alike[0] > 0.99
    assert alike[1] < 0.9


def _alike(weights: dict[str, torch.Tensor], plan: Plan, packs: Path, out: Path, ranks: tuple[int, ...]) -> float:
    """Share of the weights that one process gets too, if it learns from the batches of these processes; the first step
    of Adam has the size of the learning rate and the sign of the gradient."""
    trainer = trainer_of(plan, packs, out)
    mixers = [Mixer(trainer.corpus, trainer.mixer.music, plan.recipe, plan.seed + 1000 * rank) for rank in ranks]
    trainer.judge = _MeanOf(trainer.losses, mixers)
    assert trainer.run()
    same = [(weight - weights[name]).abs() < 1e-5 for name, weight in trainer.model.state_dict().items()]
    return float(torch.cat([one.flatten() for one in same]).float().mean())


class _MeanOf(torch.nn.Module):
    """The mean of the losses of several mixers' batches, as two processes see them."""

    def __init__(self, losses: torch.nn.Module, mixers: list[Mixer]) -> None:
        super().__init__()
        self.losses, self.mixers = losses, mixers

    def forward(self, batch: Batch, objective: str) -> torch.Tensor:
        each = [self.losses(mixer.batch(len(batch.labels)), objective) for mixer in self.mixers]
        return torch.stack(each).mean()


def test_a_run_that_is_short_of_time_ends_with_a_low_learning_rate(packs: Path, tmp_path: Path) -> None:
    plan = Plan(
        voices=("synth-x.zip",), music=("music.zip",), steps=100_000, crops=2, warm_up=1, measure_every=100_000,
        model={"width": 8, "kernels": (3,)},
    )  # fmt: skip
    trainer = trainer_of(plan, packs, tmp_path)
    assert not trainer.run(seconds=5, anneal=True)
    assert trainer.optimiser.param_groups[0]["lr"] < 0.6 * plan.learning_rate
    assert (tmp_path / "cnn.pt").exists()


def test_realigning_leaves_alone_what_does_not_fit(packs: Path) -> None:
    corpus = corpus_of(packs, "real")
    torch.manual_seed(0)
    model = acoustic.cnn.CnnCtc(CnnConfig(width=16, kernels=(9,))).eval()
    assert realign(model, corpus, [0, 1]) == 1.0
    assert corpus.labelled.tolist() == [True, True] + [False] * 6


def test_what_lies_beside_a_pack_is_learnt_and_not_measured(packs: Path, tmp_path: Path) -> None:
    pack = tmp_path / "real.zip"
    pack.write_bytes((packs / "real.zip").read_bytes())
    row = {"id": "s3", "seg": [[0, "AA", 0.5, 0.9], [1, "IY", 0.9, 1.2]], "unsure": [0.9]}
    (tmp_path / "real.labels.jsonl").write_text(json.dumps(row) + "\n")
    taught, kept = split(manifest([pack]))
    known = {u.key: u for u in decode(taught)}["real/s3"]
    assert known.labels is not None
    assert known.edges is not None
    assert (known.edges[:, 1] == UNSURE).sum() == 1
    assert all(u.labels is None for u in decode(kept))
    batch = Mixer(Corpus([known], torch.device("cpu")), torch.ones(3000, 80), PLAIN, 1).batch(8)
    unknown = batch.edges.isnan().all(-1).float().sum(1)
    inside = unknown > 0  # a crop may begin after it
    assert inside.sum() > 4
    assert ((unknown >= 8) & (unknown <= 16))[inside].all()  # a few frames around it, not the whole crop
    sure = batch.edges.nan_to_num(0.0).sum((1, 2))[inside]
    assert (sure <= 2.0 + 1e-4).all()  # the first start, the last end
    assert (sure >= 1.0 - 1e-4).all()


def test_edges_that_are_not_good_enough_are_not_learnt(tmp_path: Path) -> None:
    row, wave = utterance(1, timed=True)
    write_pack(tmp_path / "x.zip", [row | {"edges": False}, row | {"id": "s2"}], [wave, wave])
    first, second = read_packs([tmp_path / "x.zip"])
    assert first.labels is not None
    assert (first.edges is None, second.edges is None) == (True, False)


def test_an_unknown_word_in_a_plan_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("voices = []\nmusic = []\nsteps = 1\nsteeps = 2\n")
    with pytest.raises(TypeError, match="steeps"):
        read_plan(tmp_path / "p.toml")
