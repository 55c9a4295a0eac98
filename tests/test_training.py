"""Packs, augmentation, realignment and a run of the trainer, all on a tiny world made here."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from aligner_core import acoustic
from aligner_core.acoustic.cnn import SYMBOLS, CnnConfig
from aligner_core.training.align import Plan, Trainer, read_plan
from aligner_core.training.augment import CROP_FRAMES, MUSIC, Mixer, Recipe
from aligner_core.training.data import IGNORE, Corpus, frame_labels, music_power, read_packs
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


def test_labels_follow_the_segments_and_short_gaps_go_to_their_neighbours() -> None:
    segments = [[-1, "sil", 0, 0.1], [0, "AA", 0.1, 0.2], [-1, "sp", 0.2, 0.22], [1, "B", 0.22, 0.3]]
    segments.append([1, "spn", 0.3, 0.35])
    labels = frame_labels(segments, 40)
    a, b = SYMBOLS.index("AA"), SYMBOLS.index("B")
    assert labels.tolist() == [0] * 10 + [a] * 11 + [b] * 9 + [IGNORE] * 5 + [0] * 5


def test_a_long_gap_stays_silence() -> None:
    labels = frame_labels([[0, "AA", 0, 0.1], [-1, "sp", 0.1, 0.2], [1, "B", 0.2, 0.3]], 30)
    assert labels.tolist()[10:20] == [0] * 10


def test_unchanged_crops_carry_their_labels_along(packs: Path) -> None:
    corpus = corpus_of(packs, "synth-x")
    mixer = Mixer(corpus, torch.ones(3000, 80), PLAIN, seed=1)
    features, labels = mixer.batch(16)
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
    assert {0, MUSIC} <= set(first[1].flatten().tolist())
    assert float(music.mean()) == pytest.approx(1.0, rel=1e-3)


def test_holding_vowels_lengthens_them_and_nothing_else(packs: Path) -> None:
    corpus = corpus_of(packs, "synth-x")
    held = Recipe(**vars(PLAIN) | {"sing": 1.0, "hold": 6.0})
    plain, sung = (Mixer(corpus, torch.ones(3000, 80), recipe, 5).batch(32)[1] for recipe in (PLAIN, held))
    assert (sung > 0).float().mean() > 1.5 * (plain > 0).float().mean()


def test_a_run_learns_resumes_and_realigns(packs: Path, tmp_path: Path) -> None:
    plan = Plan(
        voices=("synth-x.zip", "real.zip"), music=("music.zip",), steps=60, crops=8, warm_up=5, realign=(50,),
        measure_every=30, average=0.9, learning_rate=3e-3, model=CnnConfig(width=32, kernels=(9, 9), dropout=0.0),
    )
    first = Trainer(plan, packs, tmp_path, torch.device("cpu"))
    assert not first.run(seconds=1.5)
    step = first.step
    second = Trainer(plan, packs, tmp_path, torch.device("cpu"))
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
    assert Trainer(plan, packs, tmp_path, torch.device("cpu")).run(seconds=60)


def test_realigning_leaves_alone_what_does_not_fit(packs: Path) -> None:
    corpus = corpus_of(packs, "real")
    torch.manual_seed(0)
    model = acoustic.cnn.CnnCtc(CnnConfig(width=16, kernels=(9,))).eval()
    assert realign(model, corpus, [0, 1]) == 1.0
    assert corpus.labelled.tolist() == [True, True] + [False] * 6


def test_an_unknown_word_in_a_plan_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('voices = []\nmusic = []\nsteps = 1\nsteeps = 2\n')
    with pytest.raises(TypeError, match="steeps"):
        read_plan(tmp_path / "p.toml")
