"""Plain text with time stamps, by the tools that write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from merc import formats

SAID = [("Ada", "The letter came."), ("Ben", "I can't open it.")]


def read(folder: Path, text: str) -> Any:
    (folder / "call.txt").write_text(text)
    return formats.read(folder / "call.txt")


@pytest.mark.parametrize(
    "text",
    [
        "[00:00:00] Ada: The letter came.\n[00:00:04] Ben: I can't open it.\n",
        "Ada: [00:00:00] The letter came.\n\nBen: [00:00:04] I can't open it.\n",
        "(0:00) Ada: The letter came.\n(0:04) Ben: I can't open it.\n",
        "00:00 Ada: The letter came.\n00:04 Ben: I can't open it.\n",
        "00:00:00\tAda\tThe letter came.\n00:00:04\tBen\tI can't open it.\n",
        "Ada  0:00 \nThe letter came.\n\nBen  0:04 \nI can't open it.\n\nTranscribed by https://otter.ai\n",
        "Ada   0:00\nThe letter\ncame.\nBen   0:04\nI can't open it.\n",
        "Ada (00:00):\nThe letter came.\n\nBen (00:04):\nI can't open it.\n",
        "**Ada** [00:00:00]\nThe letter came.\n\n**Ben** [00:00:04]\nI can't open it.\n",
        "00:00:00\nAda\nThe letter came.\n\n00:00:04\nBen\nI can't open it.\n",
        "00:00\nAda: The letter came.\n\n00:04\nBen: I can't open it.\n",
        "[Ada] 00:00:00\nThe letter came.\n\n[Ben] 00:00:04\nI can't open it.\n",
        "#00:00:00-0# Ada: The letter came.\n#00:00:04-0# Ben: I can't open it.\n",
        "Weekly call\nMonday\n\n[00:00:00] Ada: The letter came.\n[00:00:04] Ben: I can't open it.\n",
    ],
)
def test_a_stamp_is_a_start(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)
    assert [(one.speaker, one.text) for one in found] == SAID
    assert [one.segment.start for one in found] == [0.0, 4.0]
    assert all(one.meta == {"end": "estimated"} and one.segment.end > one.segment.start + 2 for one in found)
    assert found.meta["notes"] == ("call.txt gives no end for 2 of 2 utterances; their ends are estimated.",)


@pytest.mark.parametrize(
    "text",
    [
        "[00:00:00.900 --> 00:00:03.900] Ada: The letter came.\n[00:00:04.300 --> 00:00:08.060] Ben: I can't open it.",
        "[00:00.900 --> 00:03.900] [Ada] The letter came.\n[00:04.300 --> 00:08.060] [Ben] I can't open it.",
        "0.900000\t3.900000\tAda: The letter came.\n\\\t100.0\t200.0\n4.300000\t8.060000\tBen: I can't open it.",
        "00:00:00.900 - 00:00:03.900 Ada: The letter came.\n00:00:04.300 - 00:00:08.060 Ben: I can't open it.",
        "0:0:0.900 --> 0:0:3.900\nAda\nThe letter came.\n\n0:0:4.300 --> 0:0:8.060\nBen\nI can't open it.",
    ],
)
def test_a_range_is_a_segment(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)
    assert [(one.speaker, one.text) for one in found] == SAID
    assert [(one.segment.start, one.segment.end) for one in found] == [(0.9, 3.9), (4.3, 8.06)]


@pytest.mark.parametrize("text", ["12:30 is late\nok\nAnn: hi\n", "We met at 12:30.\nok\n", "7:1 we won\nyes\nno\n"])
def test_a_time_of_day_is_text(tmp_path: Path, text: str) -> None:
    assert all(one.segment is None for one in read(tmp_path, text))


def test_a_line_below_an_utterance_is_the_same_speakers(tmp_path: Path) -> None:
    found = read(tmp_path, "Ada [00:00:00] The letter came.\nIt is there.\nBen [00:00:04] No.\n")
    assert [(one.speaker, one.text) for one in found] == [
        ("Ada", "The letter came."),
        ("Ada", "It is there."),
        ("Ben", "No."),
    ]
