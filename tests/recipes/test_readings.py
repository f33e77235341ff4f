"""How a system reads its features, from a request to its material: words by fold, steps by option, refusals by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merc.errors import InputError
from merc.features.feature import LazyRows
from merc.features.store import Feature, Writer
from merc.features.vocabulary import UNKNOWN
from merc.recipes import request as requests
from merc.recipes.request import Prepared, Request
from merc.recipes.systems import train_fold
from tests.recipes import made_meld

SMALL = {"words": True, "width": 8, "text_state": 8, "embedding": 8}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    requests.read.cache_clear()
    requests._loaded.cache_clear()
    yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Texts that name split and dialogue, and frames of 3 to 9 steps for each utterance."""
    made_meld.tree(tmp_path)
    random = np.random.default_rng(0)
    with Writer(tmp_path / "store", Feature("frames", (4,), {"encoder": "frames"}, sequence=True)) as writer:
        for split, size in made_meld.SIZES.items():
            for number in range(size):
                for turn in range(made_meld.TURNS):
                    writer.add(f"{split}/dia{number}_utt{turn}", random.normal(size=(random.integers(3, 10), 4)))
    return tmp_path


def request(root: Path, system: str, features: str, **more: Any) -> Request:
    quick = {"epochs": 1, "patience": 1, "device": "cpu"}
    return replace(Request(system, "meld-7", features, training=quick, data=root), **more)


def test_a_system_is_trained_on_words_of_the_training_part_alone(root: Path) -> None:
    prepared = Prepared(request(root, "tripathi", "text=words", options=SMALL))
    (fold,) = prepared.folds()
    trained = train_fold(prepared, fold)
    text = trained.material.features["text"]
    assert text.width == trained.system.inputs["text"] == trained.system.branches["text"].embed.num_embeddings
    assert UNKNOWN not in text.rows["train/dia0_utt1"][:4]  # it is 1 in
    assert text.rows["test/dia0_utt1"][4] == UNKNOWN  # "test", which no training text says
    assert "other words are unknown" in text.notes[0]


def test_features_of_a_training_part_are_cached_for_that_part(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = Prepared(request(root, "tripathi", "text=words", options=SMALL))
    (fold,) = prepared.folds()
    less = replace(fold, train=replace(fold.train, labels=dict(list(fold.train.labels.items())[:20])))
    whole, again, few = (prepared.material(one).features["text"] for one in (fold, fold, less))
    assert whole is again and few is not whole
    assert few.width < whole.width and few.sha256 != whole.sha256


def test_a_system_that_reads_vectors_refuses_words_and_one_that_reads_words_refuses_vectors(root: Path) -> None:
    made_meld.store(root)
    (fold,) = Prepared(request(root, "concat", "text=words")).folds()
    with pytest.raises(InputError, match="'concat' reads text as vectors, but features 'words' are token numbers"):
        Prepared(request(root, "concat", "text=words")).material(fold)
    vectors = f"text={root / 'store'}:made"
    with pytest.raises(InputError, match=r"'tripathi' reads text as tokens, but features .*:made' are vectors"):
        Prepared(request(root, "tripathi", vectors, options=SMALL)).material(fold)


def test_the_options_of_a_system_decide_whether_frames_are_read_or_their_mean(root: Path) -> None:
    found = {}
    for reads in ("vectors", "steps"):
        options = {"reads": reads, "width": 8, "heads": 2}
        prepared = Prepared(request(root, "joint_vectors_dialogue", f"voice={root / 'store'}:frames", options=options))
        trained = train_fold(prepared, prepared.folds()[0])
        found[reads] = trained.material.features["voice"]
        assert np.isfinite(trained.fitted.figures()["weighted_f1"])
    assert isinstance(found["steps"].rows, LazyRows) and not isinstance(found["vectors"].rows, LazyRows)
    name = "train/dia0_utt0"
    np.testing.assert_allclose(found["steps"].rows[name].mean(0), found["vectors"].rows[name], rtol=1e-5)
    assert found["steps"].sha256 == found["vectors"].sha256


def test_steps_asked_of_a_system_that_cannot_read_them_are_refused_by_name(root: Path) -> None:
    wanted = request(root, "concat", f"voice={root / 'store'}:frames", options={"reads": "steps"})
    with pytest.raises(
        InputError, match=r"system 'concat' reads .* in no other way; joint_vectors_dialogue, unimse can read steps"
    ):
        Prepared(wanted).material(Prepared(wanted).folds()[0])
