"""Divisions keep people apart where they say so, and the official test where there is one."""

from __future__ import annotations

import pytest

from merc.benchmarks.heads.splits import DIVISIONS, conversations
from merc.errors import InputError, ProtocolError, UnknownName
from merc.evaluation.classes import plain
from merc.evaluation.protocol import Ledger
from tests.benchmarks.heads.made_samples import VOICES, features, spoken


@pytest.mark.parametrize("name", sorted(DIVISIONS))
def test_nobody_is_in_two_parts_unless_the_figure_says_so(name: str) -> None:
    division = DIVISIONS[name]
    tested: list[str] = []
    for fold in features(name).folds(0):
        parts = [set(fold.train.labels), set(fold.valid.labels), set(fold.test.scored)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == len(features(name).samples)
        test = fold.test.open("test of the test", ledger=Ledger())
        people = [set(part.dialogues.values()) for part in (fold.train, fold.valid, test)]
        apart = all(not people[a] & people[b] for a, b in ((0, 1), (0, 2), (1, 2)))
        assert apart == division.protocol.comparable == (not name.endswith("-random"))
        assert (division.protocol.warning is None) == apart
        tested += fold.test.ids
    assert len(tested) == len(set(tested))
    if name.endswith(("speaker", "subject")):
        assert len(tested) == len(features(name).samples)


def test_seeds_draw_who_validates_and_leave_the_test_part_alone() -> None:
    first, second = (features("speech3-speaker").folds(seed) for seed in (0, 1))
    assert [fold.test.ids for fold in first] == [fold.test.ids for fold in second]
    assert [fold.valid.conversations for fold in first] != [fold.valid.conversations for fold in second]
    for fold in first:
        rest = len(fold.train) + len(fold.valid)
        assert not any("tess" in one for one in fold.valid.conversations), "half of what trains would be gone"
        assert 0 < len(fold.valid) <= rest / 4


def test_the_whole_of_a_corpus_is_left_out() -> None:
    for name in ("ravdess", "savee", "tess"):
        (fold,) = features(f"voice-without-{name}").folds(0)
        assert all(one.startswith(name) for one in fold.test.ids)
        assert not any(one.startswith(name) for one in (*fold.train.labels, *fold.valid.labels))


def test_the_official_test_is_kept_and_validation_comes_from_train() -> None:
    (fold,) = features("rafdb").folds(0)
    assert all("/test-" in one for one in fold.test.ids) and len(fold.test) == 28
    assert all("/train-" in one for one in (*fold.train.labels, *fold.valid.labels))


def test_the_last_picture_of_a_sequence_is_taken() -> None:
    names = [sample.item.id for sample in features("face-random").samples if sample.corpus == "ckplus"]
    assert len(names) == 60 and all(name.endswith("-2") for name in names)
    assert not any("neutral" in sample.label for sample in features("ckplus-subject").samples)


def test_people_of_two_corpora_do_not_mix_though_they_share_a_name() -> None:
    names = [str(one.meta["cluster"]) for one in conversations(VOICES)]
    assert len(set(names)) == 18 and "savee/p0" in names
    assert len([name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]) == 18


def test_what_cannot_be_divided_is_refused() -> None:
    with pytest.raises(InputError, match="speech3-speaker: no sample of tess; expected ravdess, tess, savee"):
        DIVISIONS["speech3-speaker"].rows([sample for sample in VOICES if sample.corpus != "tess"])
    with pytest.raises(ProtocolError, match="4 people for 5 folds"):
        DIVISIONS["speech3-speaker"].protocol.folds(conversations(spoken("savee", 4, 1)), label=plain)
    with pytest.raises(UnknownName, match="did you mean 'speech3-speaker'"):
        DIVISIONS["speech-speaker"]
    bare = [sample for sample in VOICES if sample.label != "fear" or sample.corpus == "tess"]
    with pytest.raises(ProtocolError, match="train has no utterance labelled fear"):
        DIVISIONS["voice-without-tess"].protocol.folds(conversations(bare), label=plain)
