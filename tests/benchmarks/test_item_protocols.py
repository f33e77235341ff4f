"""Corpora of one modality are trained and measured as conversations are: by person, and across corpora."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from merc.benchmarks import cell, runner
from merc.benchmarks.runner import BenchOptions
from merc.corpora import CORPORA, conversations_of
from merc.evaluation.classes import ekman7
from merc.evaluation.protocol import PROTOCOLS
from merc.features.spec import FeatureSpec
from merc.features.store import Feature, Writer
from merc.labels import EKMAN7
from merc.recipes.request import Prepared, Request


def speech(root: Path) -> Path:
    """File names of twelve actors of RAVDESS, both of TESS and four of SAVEE; the sounds themselves are empty."""
    ravdess = (f"03-01-{e:02}-01-01-0{t}-{a:02}.wav" for a in range(1, 13) for e in range(1, 9) for t in (1, 2))
    spoken = ("neutral", "happy", "sad", "angry", "fear", "disgust", "ps")
    tess = (f"{actor}_{word}_{e}.wav" for actor in ("OAF", "YAF") for word in ("back", "bar") for e in spoken)
    codes = ("a", "d", "f", "h", "n", "sa", "su")
    savee = (f"{actor}_{e}0{t}.wav" for actor in ("DC", "JE", "JK", "KL") for e in codes for t in (1, 2))
    for corpus, names in {"ravdess": ravdess, "tess": tess, "savee": savee}.items():
        folder = root / CORPORA[corpus].folder
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_bytes(b"")
    return root


def store(root: Path, corpora: Iterable[str]) -> Path:
    """A noisy direction for each class as the voice of every item."""
    generator = np.random.default_rng(0)
    feature = Feature("made", (7,), {"encoder": "made", "sha256": "a" * 64}, corpus="+".join(corpora))
    with Writer(root / "store", feature) as writer:
        for one in conversations_of(tuple(corpora), root):
            (turn,) = one.utterances
            row = generator.normal(scale=0.3, size=7).astype(np.float32)
            row[EKMAN7.index(ekman7(turn) or "neutral")] += 1
            writer.add(turn.id, row)
    return root / "store"


def test_speech_is_trained_and_measured_by_speaker(tmp_path: Path) -> None:
    speech(tmp_path)
    made = store(tmp_path, ["ravdess"])
    options = BenchOptions(
        only=("concat",),
        protocols=("ravdess-speaker",),
        features={"ravdess": f"voice={made}:made"},
        seeds=1,
        training={"epochs": 4, "learning_rate": 1e-2},
        folder=tmp_path / "bench",
        data=tmp_path,
    )
    cells = runner.plan(options)
    assert [one.fold for one in cells] == [f"fold-{n}" for n in range(1, 6)]
    for one in cells:
        cell.run(one, options.runs)
    record = runner.outcome(cells, options).records[0]
    assert (record.protocol, record.metric) == ("ravdess-speaker", "unweighted_recall")
    assert sum(record.label_counts.values()) == 12 * 8 * 2 and record.label_counts["neutral"] == 12 * 2 * 2
    assert record.mean > 0.5 and len(record.folds) == 5
    found = cell.read(cells[0], options.runs)
    assert found.answers.dialogues == found.answers.speakers, "intervals resample people"


def test_a_corpus_is_left_out_of_several(tmp_path: Path) -> None:
    speech(tmp_path)
    made = store(tmp_path, ["ravdess", "tess", "savee"])
    prepared = Prepared(Request("concat", "speech3-cross", f"voice={made}:made", data=tmp_path))
    assert prepared.corpus == "ravdess+tess+savee" and prepared.root == tmp_path
    folds = prepared.folds()
    assert [fold.name for fold in folds] == ["without-ravdess", "without-tess", "without-savee"]
    material = prepared.material(folds[1])
    assert set(material.features) == {"voice"}
    blind = {turn.id: turn.label for one in material.conversations for turn in one}
    assert all(blind[name] is None for name in folds[1].test.ids)


@pytest.mark.parametrize(
    ("protocol", "features"),
    [
        ("ravdess-speaker", "voice=campplus"),
        ("speech3-crema-cross", "voice=campplus"),
        ("rafdb", "face=facenet-expression"),
        ("emorynlp-7", "text=mpnet"),
    ],
)
def test_default_features_follow_from_the_modality(protocol: str, features: str) -> None:
    assert str(FeatureSpec.usual(PROTOCOLS[protocol].corpus)) == features
