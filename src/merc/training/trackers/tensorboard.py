"""TensorBoard: event files in ``tensorboard`` of the training's folder; ``tensorboard --logdir runs`` shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from merc.errors import require
from merc.training.tracking import TrackedRun, figures

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"


class TensorBoard:
    """One scalar a figure; raises MissingExtra where tensorboard is not installed.

    A resumed training marks its first epoch, from which TensorBoard drops what the interrupted one wrote.
    """

    def __init__(self, run: TrackedRun) -> None:
        require("tensorboard", extra="tensorboard", what="tracker 'tensorboard' needs it")
        from torch.utils.tensorboard import SummaryWriter

        self._make = SummaryWriter
        self._run = run
        self._writer: SummaryWriter | None = None

    def log(self, epoch: int, values: Mapping[str, Any]) -> None:
        """Write the figures of an epoch to disk."""
        if self._writer is None:
            self._writer = self._make(str(self._run.folder / FOLDER), purge_step=epoch)
            settings = json.dumps(dict(self._run.settings), indent=1, default=str)
            self._writer.add_text("settings", f"```\n{settings}\n```", epoch)
        for name, value in figures(values).items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
