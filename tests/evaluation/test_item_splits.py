"""Items are divided by person: nobody in two parts, each item tested once, the official test kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from merc.conversation import Conversation, Utterance
from merc.corpora import CORPORA, Item, conversations_of
from merc.corpora.items import as_conversations
from merc.evaluation.item_splits import grouped, media_apart
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


def talks(speakers: Sequence[str], *, media: Sequence[str] | None = None) -> list[Conversation]:
    """Dialogues of two turns; ``speakers`` has the letters of who speaks in each."""
    return [
        Conversation(
            f"d{n}",
            tuple(
                Utterance(f"d{n}_{turn}", who, label="x", meta={"media": media[n] if media else None})
                for turn, who in enumerate((names * 2)[:2])
            ),
        )
        for n, names in enumerate(speakers)
    ]


@pytest.mark.parametrize("by", ["speaker", "dialogue"])
def test_folds_of_groups_share_nothing_and_follow_the_seed(by: str) -> None:
    made = talks(["ab", "bc", "d", "e", "f", "g", "h", "i"])
    apart = {}
    for drawn_by in (0, 1):
        for name, cut in grouped(by, 3, drawn_by)(made, 0):
            where = {one.id: cut(one, one.utterances[0]) for one in made}
            assert set(where.values()) == {"train", "valid", "test"}
            assert by == "dialogue" or where["d0"] == where["d1"]
            apart[drawn_by, name] = [one for one, part in where.items() if part == "test"]
    tested = [sorted(one for (seed, _), own in apart.items() if seed == drawn_by for one in own) for drawn_by in (0, 1)]
    assert tested[0] == tested[1] == sorted(one.id for one in made)
    assert [apart[0, f"fold-{n}"] for n in (1, 2, 3)] != [apart[1, f"fold-{n}"] for n in (1, 2, 3)]


def test_groups_that_are_too_few_are_refused() -> None:
    with pytest.raises(
        ProtocolError, match=r"4 dialogues form 1 groups that share no speaker .* state by = \"dialogue\""
    ):
        grouped("speaker", 3, 0)(talks(["ab", "bc", "cd", "da"]), 0)
    with pytest.raises(ProtocolError, match="form 3 groups .* expected at least 5 for 5 folds: state fewer folds"):
        grouped("dialogue", 5, 0)(talks(["a", "b", "c"]), 0)
    with pytest.raises(ProtocolError, match="utterance 'd0_0' has no speaker; this protocol divides by speaker"):
        grouped("speaker", 2, 0)([Conversation("d0", (Utterance("d0_0"),))], 0)


def test_one_recording_stays_in_one_part(tmp_path: Path) -> None:
    trees.write(tmp_path / "a.wav", "")
    (tmp_path / "link.wav").symlink_to(tmp_path / "a.wav")
    files = [str(tmp_path / name) for name in ("a.wav", "link.wav", "c.wav", "d.wav", "e.wav")]
    made = talks(["a", "b", "c", "d", "e"], media=files)
    for _, cut in grouped("dialogue", 2, 0)(made, 0):
        assert cut(made[0], made[0].utterances[0]) == cut(made[1], made[1].utterances[0])
    parts = dict(zip(("d0", "d1", "d2", "d3", "d4"), ("train", "test", "train", "valid", "train"), strict=True))
    rule = media_apart(lambda conversations, seed: [("official", lambda one, turn: parts[one.id])])
    with pytest.raises(ProtocolError, match=r"link\.wav is in train \(utterance 'd0_0'\) and in test \('d1_0'\)"):
        rule(made, 0)


def test_one_person_of_few_is_left_out() -> None:
    folds = PROTOCOLS["savee-speaker"].folds(voices("savee", 4))
    assert [(fold.name, len(set(fold.train.speakers.values()))) for fold in folds] == [(str(n), 2) for n in range(4)]
