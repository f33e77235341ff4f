"""Against a stand-in with the calls of wandb, whose program of 60 MB is more than this test is worth."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from merc.errors import MissingExtra
from merc.training.trackers.wandb import RUN_ID, WandB
from tests.training.trackers.made_runs import run, without


class StandIn:
    """Keeps what it is called with."""

    def __init__(self) -> None:
        self.begun: list[dict[str, Any]] = []
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.finished = 0
        self.Settings = SimpleNamespace

    def init(self, **values: Any) -> StandIn:
        self.begun.append(values)
        return self

    def log(self, values: dict[str, float], *, step: int) -> None:
        self.logged.append((step, values))

    def finish(self) -> None:
        self.finished += 1


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    made = StandIn()
    monkeypatch.setitem(sys.modules, "wandb", made)  # type: ignore[arg-type]
    return made


def test_runs_are_offline_and_a_resumed_training_continues_its_run(tmp_path: Path, wandb: StandIn) -> None:
    for epoch in (1, 2):
        tracker = WandB(run(tmp_path))
        tracker.log(epoch, {"accuracy": 0.5, "note": "words are left out"})
        tracker.close()
    first, second = wandb.begun
    assert first["id"] == second["id"] == (run(tmp_path).folder / RUN_ID).read_text(encoding="utf-8").strip()
    assert (first["mode"], first["resume"], first["project"], first["name"]) == (
        "offline",
        "allow",
        "merc-cogmen",
        "cogmen/all",
    )
    assert first["dir"] == str(run(tmp_path).folder) and first["config"]["training.epochs"] == 3
    assert first["settings"].x_disable_meta and not first["settings"].save_code
    assert wandb.logged == [(1, {"accuracy": 0.5}), (2, {"accuracy": 0.5})] and wandb.finished == 2


def test_the_network_is_used_only_where_the_environment_asks_for_it(
    tmp_path: Path, wandb: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    WandB(run(tmp_path))
    assert wandb.begun[0]["mode"] == "online"


def test_without_the_extra_the_pip_command_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "wandb")
    with pytest.raises(MissingExtra, match=r"tracker 'wandb' needs it: pip install 'merc\[wandb\]'"):
        WandB(run(tmp_path))
