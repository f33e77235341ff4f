"""The declared rows: one that reads a test speaker's other utterances says so, and each has another to compare with."""

from __future__ import annotations

from collections import Counter

from merc.benchmarks.speech.rows import ROWS


def test_a_row_that_is_standardised_by_speaker_says_that_it_is_transductive() -> None:
    said = [row.name for row in ROWS if row.note.startswith("transductive")]
    assert said == [row.name for row in ROWS if row.training.get("per_speaker")]


def test_few_known_utterances_are_those_that_the_note_counts() -> None:
    few = [row for row in ROWS if "speaker_known" in row.training]
    assert {row.training["speaker_known"] for row in few} == {1, 2, 5, 10}
    assert all(f"by {row.training['speaker_known']} utterances" in row.note for row in few)


def test_each_protocol_has_rows_to_compare() -> None:
    assert min(Counter(row.protocol for row in ROWS).values()) > 1
