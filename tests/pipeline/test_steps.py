"""Steps of half a second: they tile an utterance, and each is judged from a second of its own sound."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merc.conversation import Segment
from merc.labels import EKMAN7
from merc.pipeline.steps import LENGTH, WINDOW, cells, of_frames, of_windows, windows


@given(st.floats(0, 1e4), st.floats(0.05, 300))
def test_steps_tile_the_utterance_and_windows_stay_inside(start: float, seconds: float) -> None:
    segment = Segment(start, start + seconds)
    found, around = cells(segment), windows(segment)
    assert len(found) == len(around)
    if segment.duration < WINDOW:
        assert not found
        return
    assert (found[0].start, found[-1].end) == (segment.start, segment.end)
    assert all(one.end == two.start for one, two in pairwise(found))
    assert all(one.duration <= 1.5 * LENGTH + 1e-6 for one in found)
    assert all(first >= 0 and last <= round(seconds * 16000) + 1 and last - first == 16000 for first, last in around)


def test_a_window_lies_around_its_step() -> None:
    assert windows(Segment(10.0, 12.0)) == [(0, 16000), (4000, 20000), (12000, 28000), (16000, 32000)]


def test_rows_become_steps_by_label() -> None:
    first, second = of_windows(Segment(1, 2), np.eye(7)[[3, 0]])
    assert (first.segment, second.segment) == (Segment(1, 1.5), Segment(1.5, 2))
    assert first.probabilities == pytest.approx(dict(zip(EKMAN7, np.eye(7)[3], strict=True)))
    assert second.probabilities[EKMAN7[0]] == 1


def test_frames_outside_the_utterance_are_in_no_step() -> None:
    judged = np.eye(7)[[0, 1, 2]]
    assert [s.segment for s in of_frames(Segment(1, 3), (0.7, 1.2, 2.1), judged)] == [Segment(1, 1.5), Segment(2, 2.5)]
    assert of_frames(Segment(1, 3), (0.7, 1.2, 3.1), judged) == ()
