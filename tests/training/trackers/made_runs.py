"""Runs for the tests of trackers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from merc.training.tracking import TrackedRun


def run(folder: Path) -> TrackedRun:
    settings = {"training.epochs": 3, "system.width": 64, "request.features": "text=" + "x" * 600}
    return TrackedRun(folder / "cogmen" / "all", folder, "cogmen", "cogmen/all", settings)


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Make imports of these modules fail, as where the extra is not installed."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
