"""A trained system predicts as its evaluation does, and says what it finds in each modality alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.conversation import Evidence
from merc.errors import InputError
from merc.evaluation.calibration import softmax
from merc.heads.late_fusion import Observation
from merc.pipeline.trained import fusion
from merc.pipeline.trained.fusion import SystemFusion
from merc.pipeline.trained.run import TrainedRun, located, opened
from merc.recipes.systems import load_fold, load_run
from tests.pipeline.trained import made_runs
from tests.pipeline.trained.test_run import BOTH


@pytest.fixture(scope="module", params=["concat", "cogmen"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    stated = BOTH if request.param == "concat" else ""
    return made_runs.run(tmp_path_factory.mktemp(request.param), stated=stated, system=request.param)


@pytest.fixture(scope="module")
def run(folder: Path) -> TrainedRun:
    return opened(located(folder))


def dialogue(name: str = "d9") -> list[Observation]:
    """The observations of a held-out dialogue."""
    rows = [made_runs.vectors()[f"{name}_{turn}"][None] for turn in range(6)]
    return [Observation((), {"text": row}, f"s{turn % 2}") for turn, row in enumerate(rows)]


def test_predictions_are_those_of_the_evaluation(folder: Path, run: TrainedRun) -> None:
    prepared = load_run(folder)
    (fold,) = prepared.folds()
    wanted = load_fold(folder, prepared, fold).predict([f"d9_{turn}" for turn in range(6)])
    found = SystemFusion(run).predict(dialogue())
    probabilities = np.array([[one.probabilities[label] for label in run.labels] for one in found])  # type: ignore[index]
    np.testing.assert_allclose(probabilities, softmax(wanted.logits / run.temperature), atol=1e-5)
    assert [one.label for one in found] == [made_runs.LABELS[(9 + turn) % 3] for turn in range(6)]
    if run.dimensions:
        np.testing.assert_allclose([one.values["valence"] for one in found], wanted.values[:, 0], atol=1e-4)
    again = SystemFusion(run).predict(dialogue())
    assert again == found


def test_an_utterance_without_any_modality_has_no_prediction(run: TrainedRun) -> None:
    silent = Observation((Evidence("text", None, "no words"), Evidence("face", None, "not read")), {}, None)
    found = SystemFusion(run).predict([*dialogue()[:2], silent])
    assert found[2].probabilities is None and found[2].reason == "no modality that the run reads is there"
    assert [item.missing for item in found[2].evidence] == ["no words", "not read"]
    assert SystemFusion(run).predict([silent])[0].label is None
    (evidence,) = found[0].evidence
    assert evidence.modality == "text" and evidence.probabilities == found[0].probabilities


def test_a_long_recording_is_read_in_pieces(run: TrainedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusion, "LONGEST", 6)
    found = SystemFusion(run).predict([*dialogue("d9"), *dialogue("d8")])
    for one, other in zip(found, SystemFusion(run).predict(dialogue("d9")), strict=False):
        assert one.label == other.label and one.confidence == pytest.approx(other.confidence, abs=1e-6)


def test_a_threshold_leaves_labels_out(run: TrainedRun) -> None:
    doubtful = replace(run, temperature=1e6)
    assert {one.label for one in SystemFusion(doubtful, threshold=0.9).predict(dialogue())} == {None}
    assert None not in {one.label for one in SystemFusion(doubtful).predict(dialogue())}
    with pytest.raises(InputError, match="abstention threshold 2: expected a probability from 0 to 1"):
        SystemFusion(run, threshold=2)
