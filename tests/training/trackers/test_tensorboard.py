from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import MissingExtra
from merc.training.trackers.tensorboard import FOLDER, TensorBoard
from tests.training.trackers.made_runs import run, without


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    read = accumulators.EventAccumulator(str(folder / FOLDER))
    read.Reload()
    return {name: [(one.step, round(one.value, 4)) for one in read.Scalars(name)] for name in read.Tags()["scalars"]}


def test_event_files_hold_each_figure_of_each_epoch(tmp_path: Path) -> None:
    tracker = TensorBoard(run(tmp_path))
    tracker.log(1, {"accuracy": 0.5, "training_loss": 1.25, "note": "words are left out"})
    tracker.log(2, {"accuracy": 0.75, "training_loss": 1.0})
    assert scalars(run(tmp_path).folder)["accuracy"] == [(1, 0.5), (2, 0.75)], "on disk before it is closed"
    tracker.close()
    assert scalars(run(tmp_path).folder) == {"accuracy": [(1, 0.5), (2, 0.75)], "training_loss": [(1, 1.25), (2, 1.0)]}


def test_a_resumed_training_replaces_the_epochs_that_were_lost(tmp_path: Path) -> None:
    for epochs in ((1, 2, 3), (2, 3)):
        tracker = TensorBoard(run(tmp_path))
        for epoch in epochs:
            tracker.log(epoch, {"loss": epoch + len(epochs) / 10})
        tracker.close()
    assert scalars(run(tmp_path).folder)["loss"] == [(1, 1.3), (2, 2.2), (3, 3.2)]


def test_a_run_without_an_epoch_leaves_nothing(tmp_path: Path) -> None:
    TensorBoard(run(tmp_path)).close()
    assert not run(tmp_path).folder.exists()


def test_without_the_extra_the_pip_command_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "tensorboard", "torch.utils.tensorboard")
    with pytest.raises(MissingExtra, match=r"tracker 'tensorboard' needs it: pip install 'merc\[tensorboard\]'"):
        TensorBoard(run(tmp_path))
