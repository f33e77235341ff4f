"""Counts of what was removed, and of names and people."""

from __future__ import annotations

import pytest

from merc.quality.findings import FINDINGS, VERIFIED, conform
from merc.quality.report.summary import composition, kind, measured, removals, speakers
from tests.quality.made_checks import check, finding, row


def test_reasons_are_counted_by_kind() -> None:
    reasons = ["cosine 0.10 below 0.25", "cosine -0.02 below 0.25", "'All' names several people"]
    rows = [row(n, verdict="remove", step="text", reason=reason) for n, reason in enumerate(reasons)]
    rows[2]["step"] = "speakers"
    found = [(one["step"], one["reason"], one["count"]) for one in removals(conform(rows, VERIFIED))]
    assert found == [("speakers", "… names several people", 1), ("text", "cosine … below …", 2)]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("ends at 1.25 s, before 3 s", "ends at … s, before … s"),
        ("CAM16 is kept", "CAM16 is kept"),
        ("speaker 'Joey' (best -0.31)", "speaker … (best …)"),
    ],
)
def test_kinds_of_reasons(reason: str, expected: str) -> None:
    assert kind(reason) == expected


def test_utterances_without_split_are_one_split() -> None:
    assert composition(conform([row(0, split=None)], VERIFIED))[0] == {
        "split": "all",
        "original": 1,
        "removed": 0,
        "verified": 1,
    }


def test_every_split_adds_up_and_the_last_row_is_the_sum() -> None:
    *splits, total = composition(check()[1])
    assert [one["split"] for one in splits] == ["train", "test"]
    assert all(one["original"] - one["removed"] == one["verified"] for one in (*splits, total))
    assert total["split"] == "total"
    assert total["removed"] == sum(one["removed"] for one in splits) > 0


def test_decisions_are_counted_by_step_and_measure() -> None:
    found = [
        finding(row(0), "text", measure="cosine", threshold=0.25),
        finding(row(1), "text", measure="cosine", verdict="remove", reason="x", threshold=0.25),
        finding(row(2), "audio", measure="peak", verdict="flag"),
    ]
    first, second = measured(conform(found, FINDINGS))
    assert (first["step"], first["flag"], first["threshold"]) == ("audio", 1, None)
    assert (second["step"], second["keep"], second["remove"], second["threshold"]) == ("text", 1, 1, 0.25)


def test_people_are_counted_apart_from_names() -> None:
    rows = [
        row(0, speaker="Ann", speaker_original="Ann"),
        row(1, speaker="Ann", speaker_original="Anne"),
        row(2, speaker=None, speaker_original="All"),
    ]
    assert speakers(conform(rows, VERIFIED)) == {"names": 3, "people": 1, "renamed": 1}
