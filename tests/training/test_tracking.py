from __future__ import annotations

from pathlib import Path

from merc.training.tracking import JsonLines


def test_an_epoch_that_is_logged_again_replaces_itself_and_what_came_after(tmp_path: Path) -> None:
    tracker = JsonLines(tmp_path / "run" / "history.jsonl")
    assert tracker.read() == []
    for epoch in (1, 2, 3):
        tracker.log(epoch, {"accuracy": epoch / 10})
    tracker.log(2, {"accuracy": 0.9})
    assert tracker.read() == [{"epoch": 1, "accuracy": 0.1}, {"epoch": 2, "accuracy": 0.9}]
    assert JsonLines(tracker.path).read() == tracker.read()
    assert len(list(tracker.path.parent.iterdir())) == 1
