from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from merc.errors import InputError, UnknownName
from merc.training.tracking import HISTORY, TRACKERS, JsonLines, TrackedRun, _plugged, figures, tracking


def test_an_epoch_that_is_logged_again_replaces_itself_and_what_came_after(tmp_path: Path) -> None:
    tracker = JsonLines(tmp_path / "run" / "history.jsonl")
    assert tracker.read() == []
    for epoch in (1, 2, 3):
        tracker.log(epoch, {"accuracy": epoch / 10})
    tracker.log(2, {"accuracy": 0.9})
    assert tracker.read() == [{"epoch": 1, "accuracy": 0.1}, {"epoch": 2, "accuracy": 0.9}]
    assert JsonLines(tracker.path).read() == tracker.read()
    assert len(list(tracker.path.parent.iterdir())) == 1


class Kept:
    """A tracker that keeps what it gets."""

    def __init__(self, run: TrackedRun) -> None:
        self.run, self.epochs, self.closed = run, [], 0
        MADE.append(self)

    def log(self, epoch: int, values: Mapping[str, Any]) -> None:
        self.epochs.append(epoch)

    def close(self) -> None:
        self.closed += 1


MADE: list[Kept] = []


def test_named_trackers_get_what_the_history_gets_and_are_closed_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRACKERS._entries, "kept", Kept)
    MADE.clear()
    run = TrackedRun(tmp_path / "a" / "all", tmp_path, "concat", "a/all", {})
    with pytest.raises(KeyboardInterrupt), tracking(["kept", "kept"], run) as tracker:
        tracker.log(1, {"accuracy": 0.5})
        raise KeyboardInterrupt
    (one,) = MADE
    assert (one.run, one.epochs, one.closed) == (run, [1], 1)
    assert JsonLines(run.folder / HISTORY).read() == [{"epoch": 1, "accuracy": 0.5}]


def test_an_unknown_tracker_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    run = TrackedRun(tmp_path / "all", tmp_path, "concat", "all", {})
    with pytest.raises(UnknownName, match="unknown tracker 'tensorbord': did you mean 'tensorboard'"):
        tracking(["tensorbord"], run).__enter__()
    assert list(tmp_path.iterdir()) == []


def test_a_plug_in_that_does_not_track_is_refused() -> None:
    with pytest.raises(InputError, match=r"class dict has no log\(epoch, values\) and close\(\); expected both"):
        _plugged("mine", dict)
    with pytest.raises(InputError, match="expected a class or function that makes a tracker of a TrackedRun, found 3"):
        _plugged("mine", 3)


def test_numbers_alone_are_figures() -> None:
    assert figures({"a": 1, "b": 0.5, "c": "text", "d": None}) == {"a": 1.0, "b": 0.5}


def test_a_fold_of_a_run_is_named_by_both(tmp_path: Path) -> None:
    run = TrackedRun.of(tmp_path / "cogmen", "session-5", "cogmen", {"training": {"epochs": 3}})
    assert run.folder == tmp_path / "cogmen" / "session-5" and run.shared == tmp_path
    assert (run.name, dict(run.settings)) == ("cogmen/session-5", {"training.epochs": 3})
