from __future__ import annotations

import os
from pathlib import Path

import pytest

from merc.errors import InputError, MissingExtra
from merc.training.trackers.mlflow import RUN_ID, MLflow
from tests.training.trackers.made_runs import run, without


def test_a_database_next_to_the_runs_holds_settings_and_figures_and_a_resumed_run_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for epochs in ((1, 2), (2, 3)):
        tracker = MLflow(run(tmp_path))
        for epoch in epochs:
            tracker.log(epoch, {"ccc/valence": epoch / 10, "note": "words are left out"})
        tracker.close()
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("merc cogmen")
    (kept,) = client.search_runs([experiment.experiment_id])
    assert (kept.info.run_name, kept.info.status) == ("cogmen/all", "FINISHED")
    assert kept.data.params["training.epochs"] == "3" and len(kept.data.params["request.features"]) == 500
    steps = {one.step: one.value for one in client.get_metric_history(kept.info.run_id, "ccc/valence")}
    assert steps == {1: 0.1, 2: 0.2, 3: 0.3}
    assert (run(tmp_path).folder / RUN_ID).read_text(encoding="utf-8").strip() == kept.info.run_id
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_store_that_cannot_be_reached_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://there")
    with pytest.raises(InputError, match="tracker 'mlflow': nonsense://there refuses the run: .*MLFLOW_TRACKING_URI"):
        MLflow(run(tmp_path))


def test_without_the_extra_the_pip_command_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "mlflow")
    with pytest.raises(MissingExtra, match=r"tracker 'mlflow' needs it: pip install 'merc\[mlflow\]'"):
        MLflow(run(tmp_path))
