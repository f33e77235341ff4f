"""MLflow: a run in ``mlflow.db`` next to the runs, or at ``$MLFLOW_TRACKING_URI``.

``mlflow ui --backend-store-uri sqlite:///runs/mlflow.db`` shows them. MLflow's telemetry is switched off.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merc.cache import replacing
from merc.errors import InputError, require
from merc.training.tracking import TrackedRun, figures

RUN_ID = "mlflow.txt"
"""File of the training's folder with the id of its run, which a resumed training continues."""
_LONGEST = 500  # characters of a setting, which every store takes
_AT_ONCE = 100  # settings in a request


class MLflow:
    """An experiment for each system, a run for each training, a metric for each figure.

    Raises MissingExtra where mlflow is not installed, InputError where the store cannot be reached.
    """

    def __init__(self, run: TrackedRun) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
        require("mlflow", extra="mlflow", what="tracker 'mlflow' needs it")
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        place = os.environ.get("MLFLOW_TRACKING_URI") or self._database(run.shared)
        try:
            self._client: Any = MlflowClient(tracking_uri=place)
            self.run_id = self._begin(run)
        except MlflowException as error:
            raise InputError(f"tracker 'mlflow': {place} refuses the run: {error}; see MLFLOW_TRACKING_URI") from error

    @staticmethod
    def _database(shared: Path) -> str:
        shared.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{shared.resolve() / 'mlflow.db'}"

    def _begin(self, run: TrackedRun) -> str:
        """The id of a new run, or of that which an interrupted training began."""
        kept = run.folder / RUN_ID
        if kept.exists():
            return kept.read_text(encoding="utf-8").strip()
        name = f"merc {run.experiment}"
        experiment = self._client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(name)
        run_id: str = self._client.create_run(experiment_id, run_name=run.name).info.run_id
        self._set(run_id, run.settings)
        with replacing(kept) as temporary:
            temporary.write_text(f"{run_id}\n", encoding="utf-8")
        return run_id

    def _set(self, run_id: str, settings: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        params = [Param(name, str(value)[:_LONGEST]) for name, value in settings.items()]
        for start in range(0, len(params), _AT_ONCE):
            self._client.log_batch(run_id, params=params[start : start + _AT_ONCE])

    def log(self, epoch: int, values: Mapping[str, Any]) -> None:
        """Store the figures of an epoch as metrics of that step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, epoch) for name, value in figures(values).items()]
        self._client.log_batch(self.run_id, metrics=metrics)

    def close(self) -> None:
        """Mark the run as finished."""
        self._client.set_terminated(self.run_id)
