"""Tracking of a training while it runs: one line per epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from merc.cache import replacing


class Tracker(Protocol):
    """Takes the figures of each epoch; write one of these for any other place than a file."""

    def log(self, epoch: int, values: Mapping[str, Any]) -> None:
        """Take the figures of an epoch; a resumed training logs an epoch that was lost again."""
        ...


class JsonLines:
    """A file with one JSON object an epoch; an epoch that is logged again replaces itself and what came after it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def log(self, epoch: int, values: Mapping[str, Any]) -> None:
        """Rewrite the file with this epoch at its end, so that an interrupted run leaves complete lines only."""
        kept = [row for row in self.read() if row["epoch"] < epoch]
        with replacing(self.path) as temporary:
            lines = (json.dumps(row, sort_keys=True) for row in [*kept, {"epoch": epoch, **values}])
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def read(self) -> list[dict[str, Any]]:
        """All epochs so far."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines() if line]
