"""Items are divided by person: nobody in two parts, each item tested once, the official test kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from merc.conversation import Conversation, Utterance
from merc.corpora import CORPORA, Item, conversations_of
from merc.corpora.items import as_conversations
from merc.evaluation.protocol import PROTOCOLS, Fold, Ledger, ProtocolError
from merc.labels import EKMAN7, EMORYNLP7
from tests.corpora import trees

SPOKEN = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


def voices(corpus: str, people: int, *, prefix: str = "") -> list[Conversation]:
    labels = CORPORA[corpus].labels
    items = [
        Item(f"{prefix}{person}-{label}-{take}", (label,), speaker=f"{prefix}{person}")
        for person in range(people)
        for label in labels
        for take in range(2)
    ]
    return as_conversations(CORPORA[corpus], items)


def parts(fold: Fold) -> dict[str, set[str]]:
    test = fold.test.open("test of the test", ledger=Ledger())
    return {part.name: {str(part.speakers[name]) for name in part.ids} for part in (fold.train, fold.valid, test)}


@pytest.mark.parametrize("name", ["ravdess-speaker", "speech3-speaker", "speech4", "speech3-cross", "speech-cross"])
def test_nobody_is_in_two_parts_and_everybody_is_tested_once(name: str) -> None:
    made = voices("ravdess", 12)
    if name != "ravdess-speaker":
        made += voices("tess", 2) + voices("savee", 4)
    if name in ("speech4", "speech-cross"):
        made += voices("nemo", 9)
    folds = PROTOCOLS[name].folds(made)
    tested: list[str] = []
    for fold in folds:
        found = parts(fold)
        assert not found["train"] & found["test"] and not found["train"] & found["valid"]
        assert not found["valid"] & found["test"] and found["valid"]
        tested += fold.test.ids
    assert sorted(tested) == sorted(one.id for one in made)


def test_calm_counts_as_neutral_and_items_are_resampled_by_person() -> None:
    fold = PROTOCOLS["ravdess-speaker"].folds(voices("ravdess", 10))[0]
    assert set(fold.train.counts) == set(EKMAN7)
    assert fold.train.counts["neutral"] == 2 * fold.train.counts["joy"]
    assert dict(fold.train.dialogues) == dict(fold.train.speakers)


def test_a_corpus_left_out_is_tested_as_a_whole() -> None:
    made = voices("ravdess", 12) + voices("tess", 2) + voices("savee", 4) + voices("nemo", 9)
    folds = PROTOCOLS["speech-cross"].folds(made)
    assert [fold.name for fold in folds] == ["without-ravdess", "without-tess", "without-savee", "without-nemo"]
    assert "disgust" not in folds[-1].test.open("test of the test", ledger=Ledger()).counts, "the classes it has"
    for fold in folds:
        corpus = fold.name.removeprefix("without-")
        assert all(name.startswith(corpus) for name in fold.test.ids)
        assert not any(name.startswith(corpus) for name in (*fold.train.ids, *fold.valid.ids))


def test_seeds_draw_who_validates_and_leave_the_test_part_alone() -> None:
    made = voices("ravdess", 20)
    first, other = (PROTOCOLS["ravdess-speaker"].folds(made, seed=seed) for seed in (0, 1))
    assert [fold.test.ids for fold in first] == [fold.test.ids for fold in other]
    assert [fold.valid.ids for fold in first] != [fold.valid.ids for fold in other]


def test_few_people_cannot_be_divided_by_person() -> None:
    with pytest.raises(ProtocolError, match=r"1 people for 5 folds: .* join it with others \(protocol speech4\)"):
        PROTOCOLS["ravdess-speaker"].folds(voices("ravdess", 1))


def test_a_person_with_too_large_a_share_never_validates() -> None:
    large = [
        Item(f"large-{label}-{take}", (label,), speaker="large")
        for label in CORPORA["ravdess"].labels
        for take in range(8)
    ]
    made = as_conversations(CORPORA["ravdess"], large) + voices("ravdess", 12)  # 64 of 64 + 16 a person
    for seed in range(8):
        for fold in PROTOCOLS["ravdess-speaker"].folds(made, seed=seed):
            assert "ravdess/large" not in parts(fold)["valid"]


def test_the_official_test_of_faces_is_kept() -> None:
    labels = CORPORA["rafdb"].labels
    made = as_conversations(
        CORPORA["rafdb"],
        [
            Item(f"{split}-{n}-{label}", (label,), split)
            for split in ("train", "test")
            for label in labels
            for n in range(9)
        ],
    )
    (fold,) = PROTOCOLS["rafdb"].folds(made)
    assert all("/test-" in name for name in fold.test.ids) and len(fold.test) == 63
    assert all("/train-" in name for name in (*fold.train.ids, *fold.valid.ids))
    assert len(fold.valid) == pytest.approx(63 / 8, abs=1)


def test_emorynlp_is_divided_as_its_authors_did(tmp_path: Path) -> None:
    trees.emorynlp_json(tmp_path / CORPORA["emorynlp"].folder)
    protocol = PROTOCOLS["emorynlp-7"]
    assert protocol.label_set == EMORYNLP7
    read = conversations_of(protocol.corpora, tmp_path)
    with pytest.raises(ProtocolError, match="train has no utterance labelled Joyful, Neutral, Peaceful, Sad, Scared"):
        protocol.folds(read)
    (fold,) = protocol.folds(read + whole_scenes())
    assert {name.split("/")[0] for name in fold.test.ids} == {"test"}
    assert fold.train.counts["Mad"] == fold.train.counts["Powerful"] == 2


def whole_scenes() -> list[Conversation]:
    return [
        Conversation(
            f"{split}/x", tuple(Utterance(f"{split}/x_{n}", "A", label=n) for n in EMORYNLP7), {"split": split}
        )
        for split in ("train", "dev", "test")
    ]


def test_what_cannot_be_divided_is_refused() -> None:
    with pytest.raises(ProtocolError, match="4 people for 5 folds"):
        PROTOCOLS["ravdess-speaker"].folds(voices("ravdess", 4))
    plain: Sequence[Conversation] = [Conversation("c", (Utterance("u", "A", label="angry"),))]
    with pytest.raises(ProtocolError, match="utterance 'u' is no item of a corpus"):
        PROTOCOLS["ravdess-speaker"].folds(plain)
