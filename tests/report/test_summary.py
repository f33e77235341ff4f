from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from merc.conversation import Segment, Timeline
from merc.report import summary

Make = Callable[..., Timeline]


def test_shares_sum_to_everything(make: Make) -> None:
    timeline = make(20)
    rows = summary.by_speaker(timeline)
    parts = [summary.shares(timeline, own) for own in rows.values()]
    assert sum(sum(part.counts) for part in parts) == 20
    spoken = sum(u.segment.duration for u in timeline.utterances if u.segment)
    assert sum(sum(part.seconds) for part in parts) == pytest.approx(spoken)
    assert sum(part.counts[-1] for part in parts) == sum(p.abstained for p in timeline.predictions)


def test_short_recordings_are_drawn_utterance_by_utterance(make: Make) -> None:
    timeline = make(8)
    time = summary.axis(timeline)
    assert time == summary.Axis(40.0, None)
    columns = summary.slices(timeline, summary.by_speaker(timeline)["Speaker 1"], time)
    assert [column.index for column in columns] == [0, 2, 4, 6]
    assert [column.label for column in columns] == [timeline.predictions[i].label for i in (0, 2, 4, 6)]


def test_long_recordings_are_averaged_by_seconds(make: Make) -> None:
    timeline = make(4, speakers=1, seconds=1800.0)
    time = summary.axis(timeline)
    columns = summary.slices(timeline, summary.by_speaker(timeline)["Speaker 1"], time)
    assert time.step == 10.0 and len(columns) == 180
    assert all(column.index is None and sum(column.probabilities or ()) == pytest.approx(1) for column in columns)
    assert columns[0].probabilities == pytest.approx(list((timeline.predictions[0].probabilities or {}).values()))
    first, second = (np.array(list((p.probabilities or {}).values())) for p in timeline.predictions[:2])
    both = next(column for column in columns if column.start == 450.0)  # the two utterances overlap from 450 to 495 s
    assert both.probabilities == pytest.approx((first + second) / 2)


def test_axis_covers_what_ends_after_the_recording(make: Make) -> None:
    timeline = make(4)
    late = replace(timeline.utterances[3], segment=Segment(30.0, 55.0))
    assert summary.axis(replace(timeline, utterances=(*timeline.utterances[:3], late))).seconds == 55.0
    empty = replace(timeline, utterances=(), predictions=(), recording=replace(timeline.recording, duration=0.0))
    assert summary.axis(empty).seconds == 1.0


def test_overlaps_are_shown_where_the_speaker_speaks(make: Make) -> None:
    timeline = replace(make(2, seconds=20.0), overlaps=(Segment(1, 30), Segment(2, 3), Segment(19, 19.5)))
    rows = summary.by_speaker(timeline)
    assert summary.overlapped(timeline, rows["Speaker 1"]) == [Segment(1, 11.0), Segment(2, 3)]
    assert summary.overlapped(timeline, rows["Speaker 2"]) == [Segment(10.0, 20.0), Segment(19, 19.5)]


@pytest.mark.parametrize("seconds", [0.4, 3.5, 59, 600, 7200, 86400, 1e6])
def test_ticks_are_few_and_inside(seconds: float) -> None:
    ticks = summary.ticks(seconds)
    assert 1 <= len(ticks) <= 9 and ticks[0] == 0 and ticks[-1] <= seconds
