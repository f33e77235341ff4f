"""Test labels stay sealed, and every opening is recorded."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import pytest

from merc.conversation import Utterance
from merc.errors import InputError
from merc.evaluation.parts import score
from merc.evaluation.protocol import PROTOCOLS, Ledger
from merc.labels import IEMOCAP4
from tests.evaluation.made_corpora import iemocap, meld


def test_test_labels_are_sealed_and_every_opening_is_written_down(tmp_path: Path) -> None:
    (fold,) = PROTOCOLS["meld-7"].folds(meld())
    assert "not opened" in repr(fold.test)
    assert not hasattr(fold.test, "labels")
    assert len(fold.test) == len(fold.test.ids) == 14
    ledger = Ledger(tmp_path / "runs" / "ledger.jsonl")
    part = fold.test.open("final result", ledger=ledger.of("concat", seed=1))
    fold.test.open("final result", ledger=ledger.of("concat", seed=2))
    fold.test.open("once more", ledger=ledger.of("concat", seed=1))
    assert part.counts == dict.fromkeys(sorted(part.counts), 2)
    lines = [json.loads(line) for line in (tmp_path / "runs" / "ledger.jsonl").read_text().splitlines()]
    assert [(line["system"], line["seed"], line["count"]) for line in lines] == [
        ("concat", 1, 1),
        ("concat", 2, 1),
        ("concat", 1, 2),
    ]
    assert [opening.reason for opening in ledger.repeated()] == ["once more"]
    with pytest.raises(InputError, match="give the reason for opening it"):
        fold.test.open(" ", ledger=ledger)
    (tmp_path / "runs" / "ledger.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"ledger.jsonl, line 1: not an opening of a test part"):
        fold.test.open("final result", ledger=ledger)


def test_memory_ledgers_are_shared_between_seeds() -> None:
    (fold,) = PROTOCOLS["meld-7"].folds(meld())
    ledger = Ledger()
    fold.test.open("a", ledger=ledger.of("x", seed=0))
    fold.test.open("b", ledger=ledger.of("x", seed=0))
    assert [opening.count for opening in ledger.openings] == [1, 2]


def test_blinded_conversations_hold_no_test_label() -> None:
    fold = PROTOCOLS["iemocap4-session"].folds(iemocap())[0]
    for conversation in fold.blinded(iemocap()):
        for utterance in conversation:
            if utterance.id in fold.train.scored | fold.valid.scored:
                assert utterance.label in IEMOCAP4
            else:
                assert utterance.label is None
                assert not utterance.meta
                assert utterance.text


def test_folds_travel_to_other_processes() -> None:
    (fold,) = PROTOCOLS["meld-7"].folds(meld())
    again = pickle.loads(pickle.dumps(fold))
    assert (again.train, again.valid, again.test.ids) == (fold.train, fold.valid, fold.test.ids)


def test_a_score_is_looked_up_under_the_first_key_that_is_there() -> None:
    turn = Utterance("u", scores={"sentiment": -1, "val": 4.5})
    assert (score(turn, "sentiment"), score(turn, "val|sentiment"), score(turn, "act|sentiment")) == (-1.0, 4.5, -1.0)
    assert math.isnan(score(turn, "act|dom"))
