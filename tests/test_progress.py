"""Progress in a log: few lines, a true estimate, one end a stage."""

import doctest

from merc import progress
from merc.progress import LogLines


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def told(*events):
    """The lines that a series of (seconds, stage, done, total) leaves."""
    lines, clock = [], Clock()
    report = LogLines(lines.append, every=20, clock=clock)
    for seconds, stage, done, total in events:
        clock.now = 100.0 + seconds
        report(stage, done, total)
    return lines


def test_a_line_comes_no_oftener_than_asked_and_says_the_minutes_left():
    events = [(0, "faces", 0, 10), (19, "faces", 1, 10), (60, "faces", 2, 10), (70, "faces", 3, 10)]
    assert told(*events) == ["faces: 20%, 4.0 min left"]


def test_what_was_done_before_a_resumed_run_does_not_count_as_its_speed():
    assert told((0, "faces", 80, 100), (60, "faces", 90, 100)) == ["faces: 90%, 1.0 min left"]


def test_the_end_of_a_stage_is_written_once_and_at_once():
    events = [(0, "decode", 5, 5), (1, "decode", 5, 5), (2, "speech", 0, 1), (32, "speech", 1, 1)]
    assert told(*events) == ["decode: done in 0.0 min", "speech: done in 0.5 min"]


def test_a_stage_that_starts_again_ends_again():
    assert told((0, "epoch", 1, 1), (60, "epoch", 0, 1), (120, "epoch", 1, 1)) == [
        "epoch: done in 0.0 min",
        "epoch: done in 1.0 min",
    ]


def test_a_stage_without_length_is_done_and_divides_by_nothing():
    assert told((0, "empty", 0, 0)) == ["empty: done in 0.0 min"]


def test_the_example_of_the_docstring_holds():
    assert doctest.testmod(progress).failed == 0
