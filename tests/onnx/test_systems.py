from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")

from merc.errors import InputError
from merc.evaluation.calibration import softmax
from merc.features.feature import LIMIT
from merc.onnx.folder import write
from merc.onnx.systems import exported
from merc.recipes import request as asking
from merc.recipes.request import Prepared, Request
from merc.recipes.systems import load_fold, load_run, train
from merc.runtime import load
from tests.recipes import made_meld

QUICK = {"epochs": 2, "learning_rate": 1e-2, "standardise": "text"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("export")
    made_meld.store(made_meld.tree(folder))
    yield folder
    asking.read.cache_clear()
    asking._loaded.cache_clear()


def request(root: Path, **more: Any) -> Request:
    return replace(Request("concat", "meld-7", f"text={root / 'store'}:made", training=QUICK, data=root), **more)


@pytest.fixture(scope="module")
def run(root: Path) -> Path:
    list(train(request(root), root / "run"))
    return root / "run"


def test_a_run_gives_the_calibrated_probabilities_of_its_test_dialogues(run: Path, root: Path, tmp_path: Path) -> None:
    model = exported(run, data=root)
    write(model, tmp_path)
    prepared = load_run(run, data=root)
    (fold,) = prepared.folds()
    trained = load_fold(run, prepared, fold)
    loaded = load(tmp_path)
    for dialogue in [one for one in prepared.conversations if one.meta["split"] == "test"]:
        ids = [turn.id for turn in dialogue]
        rows = np.stack([trained.material.features["text"].rows[name] for name in ids])
        found = loaded.probabilities({"text": rows}, speakers=[turn.speaker for turn in dialogue])
        wanted = softmax(trained.predict(ids).logits / model.temperature)
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_run_of_a_system_of_sequences_gives_its_calibrated_probabilities(root: Path, tmp_path: Path) -> None:
    asked = request(root, system="joint_vectors", training={**QUICK, "epochs": 1})
    list(train(asked, tmp_path / "run"))
    model = exported(tmp_path / "run", data=root)
    assert [one.reads for one in model.inputs] == ["steps"] and model.level == "utterance"
    write(model, tmp_path / "out")
    prepared = load_run(tmp_path / "run", data=root)
    (fold,) = prepared.folds()
    trained = load_fold(tmp_path / "run", prepared, fold)
    ids = [turn.id for one in prepared.conversations if one.meta["split"] == "test" for turn in one]
    rows = [trained.material.features["text"].rows[name] for name in ids]
    wanted = softmax(trained.predict(ids).logits / model.temperature)
    found = load(tmp_path / "out").probabilities({"text": rows})
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_the_manifest_says_how_the_run_was_made(run: Path, root: Path) -> None:
    model = exported(run, fold="official", data=root)
    (text,) = model.inputs
    assert (text.name, text.width, text.needed) == ("text", 5, True) and text.encoder["encoder"] == "made"
    assert text.normalisation is not None and text.normalisation["limit"] == LIMIT
    assert model.labels == Prepared(request(root)).classes and model.level == "dialogue"
    assert model.facts["training"]["request"]["protocol"] == "meld-7"
    assert set(model.facts["licence"]["data"]) == {"meld"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"system": "emoq"}, "system 'emoq' cannot be exported: it reads through a language model"),
        ({"protocol": "meld-sentiment"}, "protocol 'meld-sentiment' has no classes"),
        ({"training": {**QUICK, "per_speaker": "text"}}, "the run standardises text by speaker over a corpus"),
    ],
)
def test_what_the_runtime_cannot_read_is_refused(
    root: Path, tmp_path: Path, more: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("merc.onnx.systems.load_run", lambda folder, data: Prepared(request(root, **more)))
    with pytest.raises(InputError, match=message):
        exported(tmp_path, data=root)


def test_a_fold_that_is_not_there_is_named(run: Path, root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no fold 'session-1'; it has official"):
        exported(run, fold="session-1", data=root)
    with pytest.raises(InputError, match=r"no run.json; expected the folder that 'merc train --out' wrote"):
        exported(tmp_path, data=root)
