"""Utterances whose text occurs in another split."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import CONVERSATIONS
from merc.quality.findings import VERIFIED, conform
from merc.quality.report.duplicates import (
    duplicate_utterances,
    same_case,
    shared_conversations,
    twin_counts,
)
from tests.quality.made_checks import row


def placed(*texts: tuple[str, str]) -> list[dict[str, object]]:
    return [
        row(n, utterance=f"{split}/dia0_utt{n}", conversation=f"{split}/dia0", split=split, text=text)
        for n, (split, text) in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("text", "twin"),
    [
        ("You must’ve had your hands full.", "You must've had your hands full"),
        ("Don\x92t!", "don't"),
        ("’Cause—well, okay?", "'cause well okay"),
    ],
)
def test_twins_in_words_share_them_without_quotes_and_punctuation(text: str, twin: str) -> None:
    found = duplicate_utterances(conform(placed(("train", text), ("test", twin)), VERIFIED))
    assert found["match"].to_list() == ["words", "words"]


def test_case_and_blanks_are_evened_out_and_nothing_else() -> None:
    assert same_case("  Oh  MY god. ") == "oh my god."


def test_twins_are_found_across_splits_only() -> None:
    rows = placed(
        ("train", "Yeah!"),
        ("train", "yeah! "),
        ("test", "Yeah!"),
        ("test", "Yeah..."),
        ("test", "No way, not at all."),
        ("dev", "Something else"),
    )
    rows[0]["label"] = "joy"
    found = duplicate_utterances(conform(rows, VERIFIED))
    keys = found.select("utterance", "match", "twin", "twins", "same_label").rows()
    assert keys == [
        ("train/dia0_utt0", "exact", "test/dia0_utt2", 1, False),
        ("train/dia0_utt1", "exact", "test/dia0_utt2", 1, True),
        ("test/dia0_utt2", "exact", "train/dia0_utt0", 2, False),
        ("test/dia0_utt3", "words", "train/dia0_utt0", 2, False),
    ]


def test_texts_without_words_or_split_have_no_twins() -> None:
    rows = placed(("train", "..."), ("test", "!"), ("train", ""), ("test", ""))
    rows += [row(9, split=None, text="Yeah!"), row(10, text="Yeah!")]
    assert len(duplicate_utterances(conform(rows, VERIFIED))) == 0


def test_counts_hold_the_long_ones_apart() -> None:
    long = "This is what I always say"
    rows = placed(("train", long), ("train", "Hi"), ("test", long), ("test", "Hi"), ("test", "Hi!"))
    counts = twin_counts(duplicate_utterances(conform(rows, VERIFIED)))
    assert counts.rows() == [
        ("test", "train", "exact", 2, 1),
        ("test", "train", "words", 3, 1),
        ("train", "test", "exact", 2, 1),
        ("train", "test", "words", 2, 1),
    ]


def test_conversations_that_share_long_texts() -> None:
    texts = ["one two three four five", "six seven eight nine ten", "short"]
    rows = placed(*((split, text) for split in ("train", "test") for text in texts))
    shared = shared_conversations(duplicate_utterances(conform(rows, VERIFIED)))
    assert shared.rows() == [("test/dia0", "test", "train/dia0", "train", 2)]


def test_the_twins_of_meld(data: Path) -> None:
    rows = [
        {"utterance": u.id, "conversation": c.id, "split": c.meta["split"], "label": u.label, "text": u.text}
        for c in CONVERSATIONS["meld"](data / "meld")
        for u in c
    ]
    counts = twin_counts(duplicate_utterances(conform(rows, VERIFIED)))
    found = {row[:3]: row[3:] for row in counts.rows()}
    assert found["test", "train", "exact"] == (331, 3)
    assert found["test", "train", "words"] == (404, 9)
    assert found["dev", "train", "exact"] == (135, 2)
