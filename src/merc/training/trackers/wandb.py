"""Weights & Biases: a run in ``wandb`` of the training's folder, offline unless ``$WANDB_MODE`` says otherwise.

``wandb sync runs/*/*/wandb/offline-run-*`` uploads offline runs. Neither code nor facts about the machine are recorded.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import Any

from merc.cache import replacing
from merc.errors import require
from merc.training.tracking import TrackedRun, figures

RUN_ID = "wandb.txt"
"""File of the training's folder with the id of its run, which a resumed training continues."""
_QUIET: Mapping[str, Any] = {
    "console": "off",
    "silent": True,
    "save_code": False,
    "disable_git": True,
    "disable_job_creation": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_disable_machine_info": True,
}


class WandB:
    """A project for each system, a run for each training; raises MissingExtra where wandb is not installed."""

    def __init__(self, run: TrackedRun) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when it is imported
        require("wandb", extra="wandb", what="tracker 'wandb' needs it")
        import wandb

        run.folder.mkdir(parents=True, exist_ok=True)
        self._run: Any = wandb.init(
            project=f"merc-{run.experiment}",
            name=run.name,
            id=_id(run),
            resume="allow",
            dir=str(run.folder.resolve()),
            mode=os.environ.get("WANDB_MODE", "offline"),
            config=dict(run.settings),
            settings=wandb.Settings(**_QUIET),
        )

    def log(self, epoch: int, values: Mapping[str, Any]) -> None:
        """Record the figures of an epoch as that step."""
        self._run.log(figures(values), step=epoch)

    def close(self) -> None:
        """End the run."""
        self._run.finish()


def _id(run: TrackedRun) -> str:
    """The id of a new run, or of that which an interrupted training began."""
    kept = run.folder / RUN_ID
    if not kept.exists():
        with replacing(kept) as temporary:
            temporary.write_text(f"{secrets.token_hex(8)}\n", encoding="utf-8")
    return kept.read_text(encoding="utf-8").strip()
