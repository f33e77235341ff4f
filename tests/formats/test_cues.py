"""Cues as people have them: whatever looks like a time line starts a cue and is never text."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc import formats
from merc.conversation import Segment
from merc.formats.cues import moment, times


@pytest.mark.parametrize(
    ("row", "start", "end", "tail"),
    [
        ("00:00:04,300 --> 00:00:08,060", 4.3, 8.06, ""),
        ("00:00:04,300 –> 00:00:08,060", 4.3, 8.06, ""),
        ("00:00:04.300 —> 00:00:08.060 align:start position:0%", 4.3, 8.06, ""),
        ("00:00:04,300->00:00:08,060  X1:40 X2:600 Y1:20 Y2:50", 4.3, 8.06, ""),
        ("00:00:04,300 - -> 00:00:08,060", 4.3, 8.06, ""),
        ("00:00:04,300 → 00:00:08,060", 4.3, 8.06, ""),
        ("00:00:04,300 ==> 00:00:08,060", 4.3, 8.06, ""),
        ("00:00:04,300 --&gt; 00:00:08,060", 4.3, 8.06, ""),
        ("00:00:04,300 -- 00:00:08,060", 4.3, 8.06, ""),
        ("00:00:04,300 - 00:00:08,060", 4.3, 8.06, ""),
        ("0:00:04.300,0:00:08.060", 4.3, 8.06, ""),
        ("00: 00: 04, 300 --> 00: 00: 08, 060", 4.3, 8.06, ""),
        ("00:04.300 --> 00:08.060", 4.3, 8.06, ""),
        ("00:04 --> 00:08", 4.0, 8.0, ""),
        ("00:00:04:300 --> 00:00:08:060", 4.3, 8.06, ""),
        ("00.00.04,300 --> 00.00.08,060", 4.3, 8.06, ""),
        ("4.3 --> 8.06", 4.3, 8.06, ""),
        ("\ufeff[00:04.300 --> 00:08.060]   I can't.", 4.3, 8.06, "I can't."),
        ("00:00:04,300 --> 00:00:08,060 Ben: I can't.", 4.3, 8.06, "Ben: I can't."),
        ("00:00:04,300 -->", 4.3, None, ""),
        ("00:00:04,300 --> 00:0O:08,060", 4.3, None, ""),
        ("--> 00:00:08,060", None, 8.06, ""),
        ("-00:00:01,000 --> 00:00:08,060", -1.0, 8.06, ""),
    ],
)
def test_time_lines(row: str, start: float | None, end: float | None, tail: str) -> None:
    found = times(row)
    assert found is not None
    assert (found.start, found.end, found.tail) == (start, end, tail)


@pytest.mark.parametrize(
    "row", ["We met from 10:30 - 11:00.", "12:30 is late", "7", "a --> b", "10:30 - 11:00", "", "->"]
)
def test_lines_of_text(row: str) -> None:
    assert times(row) is None


def test_the_last_of_four_numbers_is_milliseconds_or_frames() -> None:
    assert moment("00:00:01:500") == 1.5
    assert moment("00:00:01:05") == 1.2


def test_an_odd_arrow_does_not_swallow_the_cue_behind_it(tmp_path: Path) -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:02,000\nOne.\n2\n00:00:03,000 –> 00:00:04,000\nTwo.\n\n3\n00:00:05,000 -->\nThree.\n"
    )
    (tmp_path / "a.srt").write_text(text)
    found = formats.read(tmp_path / "a.srt")
    assert [one.text for one in found] == ["One.", "Two.", "Three."]
    assert [one.segment for one in found] == [
        Segment(1, 2),
        Segment(3, 4),
        Segment(5, 6.7),
    ]  # the last end is estimated
    assert "00:00" not in "".join(one.text or "" for one in found)


def test_cues_of_webvtt_without_blank_lines_between_them(tmp_path: Path) -> None:
    text = (
        "WEBVTT\n\nNOTE not said\n\nid1\n00:01.000 --> 00:02.000\nOne.\n00:03.000 --> 00:04.000\nTwo.\n\nmore\n\n"
        "NOTE\nnot said either\n\n2\n00:05.000 --> 00:06.000\nThree.\n"
    )
    (tmp_path / "a.vtt").write_text(text)
    found = formats.read(tmp_path / "a.vtt")
    assert [one.text for one in found] == ["One.", "Two.\nmore", "Three."]
