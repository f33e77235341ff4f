"""The real corpora divide into the published numbers; the sizes are printed with -s."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.conversation import Conversation
from merc.corpora import conversations_of
from merc.corpora import iemocap as iemocap_corpus
from merc.corpora import meld as meld_corpus
from merc.evaluation.protocol import PROTOCOLS, Fold, Ledger, ProtocolError
from merc.labels import EKMAN7, IEMOCAP6


@pytest.fixture(scope="module")
def iemocap(data: Path) -> list[Conversation]:
    return iemocap_corpus.conversations(data / "iemocap")


def sizes(name: str, conversations: list[Conversation]) -> dict[str, tuple[Fold, dict[str, int]]]:
    found = {}
    for fold in PROTOCOLS[name].folds(conversations):
        test = fold.test.open("count", ledger=Ledger())
        print(f"\n{name} {fold.name}: shared texts {fold.shared}")
        for part in (fold.train, fold.valid, test):
            print(f"  {part.name:5} {len(part.conversations):4} dialogues {len(part):5}: {part.counts}")
        found[fold.name] = (fold, test.counts)
    return found


def test_meld(data: Path) -> None:
    fold, test = sizes("meld-7", meld_corpus.conversations(data / "meld"))["official"]
    assert [len(fold.train), len(fold.valid), len(fold.test)] == [9989, 1109, 2610]
    assert [len(p.conversations) for p in (fold.train, fold.valid, fold.test)] == [1038, 114, 280]
    assert test == dict(zip(EKMAN7, (345, 68, 50, 402, 1256, 208, 281), strict=True))
    assert (fold.shared.same, fold.shared.long) == (404, 9)  # 331 and 3 letter by letter


def test_iemocap4_by_session(iemocap: list[Conversation]) -> None:
    found = sizes("iemocap4-session", iemocap)
    assert [len(fold.test) for fold, _ in found.values()] == [1085, 1023, 1151, 1031, 1241]
    totals = {
        label: sum(counts[label] for _, counts in found.values()) for label in ("angry", "happy", "neutral", "sad")
    }
    assert totals == {"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084}
    assert all(len(fold.valid.conversations) == 16 for fold, _ in found.values())


def test_iemocap4_by_speaker(iemocap: list[Conversation]) -> None:
    found = sizes("iemocap4-speaker", iemocap)
    assert len(found) == 10
    assert sum(len(fold.test) for fold, _ in found.values()) == 5531
    assert all(len(fold.train) + len(fold.valid) + len(fold.test) == 5531 for fold, _ in found.values())


def test_iemocap6(iemocap: list[Conversation]) -> None:
    fold, test = sizes("iemocap6", iemocap)["session-5"]
    assert [len(fold.train), len(fold.valid), len(fold.test)] == [5163, 647, 1623]
    assert [len(p.conversations) for p in (fold.train, fold.valid, fold.test)] == [108, 12, 31]
    assert test == dict(zip(IEMOCAP6, (170, 299, 381, 144, 384, 245), strict=True))
    majority, _ = sizes("iemocap6:majority", iemocap)["session-5"]
    assert len(majority.train) + len(majority.valid) + len(majority.test) == 7380


def test_mosi(data: Path) -> None:
    fold, test = sizes("cmu-mosi", conversations_of(["cmu-mosi"], data))["official"]
    assert [len(p.conversations) for p in (fold.train, fold.valid, fold.test)] == [52, 10, 31]
    assert test == {"negative": 285, "positive": 467}


def test_iemocap_dimensions(iemocap: list[Conversation]) -> None:
    folds = PROTOCOLS["iemocap-dimensions"].folds(iemocap)
    tests = [fold.test.open("count", ledger=Ledger()) for fold in folds]
    assert [len(part) for part in tests] == [1819, 1811, 2136, 2103, 2170]
    values = [value for part in tests for row in part.targets.values() for value in row]
    assert (len(values), min(values) >= 0.5, max(values) <= 5.5) == (3 * 10_039, True, True)


def test_mosi_has_no_scores_here(data: Path) -> None:
    with pytest.raises(ProtocolError, match="cmu-mosi:score is a regression, but none of the 93 conversations"):
        PROTOCOLS["cmu-mosi:score"].folds(conversations_of(["cmu-mosi"], data))


@pytest.mark.parametrize(
    ("name", "folds", "items"),
    [
        ("ravdess-speaker", 5, 1440),
        ("speech3-speaker", 5, 4720),
        ("speech3-cross", 3, 4720),
        ("speech4", 5, 9201),
        ("speech-cross", 4, 9201),
        ("nemo-speaker", 5, 4481),
        ("speech-cross:nemo", 3, 6401),
        ("rafdb", 1, 3068),
    ],
)
def test_item_corpora(data: Path, name: str, folds: int, items: int) -> None:
    protocol = PROTOCOLS[name]
    found = sizes(name, conversations_of(protocol.corpora, data))
    assert (len(found), sum(len(fold.test) for fold, _ in found.values())) == (folds, items)
