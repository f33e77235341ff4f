"""Conversion of times."""

from __future__ import annotations

import pytest

from merc.conversation import Segment, Utterance
from merc.formats import clock
from tests.formats.made_timelines import through, timeline


def test_hours_and_milliseconds():
    made = timeline(Utterance("u1", "A", "x", Segment(3600 * 123 + 1.0004, 3600 * 123 + 1.0005)))
    for extension in ("srt", "vtt", "rttm"):
        [one] = through(made, extension)
        assert one.segment == Segment(442801.0, 442801.001)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.5", 12.5),
        ("12,5", 12.5),
        ("-1", -1.0),
        ("1:02.5", 62.5),
        ("01:00:00,250", 3600.25),
        ("-0:01", -1.0),
        (" ", None),
    ],
)
def test_times_are_read_in_seconds_and_on_the_clock(text: str, expected: float | None):
    assert clock.parse(text) == expected


def test_what_is_not_a_time_is_named():
    with pytest.raises(ValueError, match=r"'soon' is not a time: expected seconds or hh:mm:ss\.mmm"):
        clock.parse("soon")


def test_a_segment_is_a_millisecond_long_at_least():
    assert clock.milliseconds(Segment(1.0001, 1.0002)) == (1000, 1001)
    assert (clock.seconds(12_005), clock.stamp(3_725_250, mark=",")) == ("12.005", "01:02:05,250")
