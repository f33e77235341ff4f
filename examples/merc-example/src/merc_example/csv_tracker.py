"""A tracker that writes the figures of each epoch into ``epochs.csv`` of the training's folder."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any

from merc.training.tracking import TrackedRun, figures

MERC_CONTRACT = 1


class CsvTracker:
    """One row an epoch; an epoch that is logged again after an interruption replaces itself and what came after it."""

    def __init__(self, run: TrackedRun) -> None:
        self.path = run.folder / "epochs.csv"
        self.rows: dict[int, dict[str, float]] = {}
        if self.path.exists():
            with self.path.open(encoding="utf-8", newline="") as file:
                self.rows = {int(row["epoch"]): {k: float(v) for k, v in row.items()} for row in csv.DictReader(file)}

    def log(self, epoch: int, values: Mapping[str, Any]) -> None:
        """Keep the figures of an epoch, and write the table anew."""
        self.rows = {number: row for number, row in self.rows.items() if number < epoch}
        self.rows[epoch] = {"epoch": epoch, **figures(values)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(self.rows[epoch]), extrasaction="ignore")
            table.writeheader()
            table.writerows(self.rows.values())

    def close(self) -> None:
        """Nothing is kept in memory alone."""
