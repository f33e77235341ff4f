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


def test_rows_of_one_system_on_nemo_differ_in_one_thing() -> None:
    for system in ("word_alignment", "mamba"):
        rows = [row for row in ROWS if row.system == system]
        assert {row.protocol for row in rows} == {"nemo-speaker"} and len({str(row.training) for row in rows}) == 1
        settings = [(dict(row.options), row.features, row.modalities) for row in rows]
        assert all(settings.count(one) == 1 for one in settings)
        shared = set.intersection(*({str(one) for one in row.options.items()} for row in rows))
        assert shared and all(len(row.options) <= len(shared) + 2 for row in rows)


def test_words_and_speech_alone_have_rows_of_their_own() -> None:
    alone = {row.name: row.modalities for row in ROWS if row.system == "word_alignment"}
    assert alone["words alone"] == ("text",) and alone["speech alone"] == ("voice",)
    assert alone["speech aligned to words"] == ("text", "voice")
