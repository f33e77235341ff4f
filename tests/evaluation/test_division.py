"""A regression protocol divides by scores, keeps test sealed and names a corpus without targets."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from merc.conversation import Conversation
from merc.evaluation.protocol import PROTOCOLS, Ledger, ProtocolError
from tests.evaluation.made_corpora import iemocap

DIMENSIONS = PROTOCOLS["iemocap-dimensions"]


def rated() -> list[Conversation]:
    """Of each speaker's turns every fourth has all scores, the third after it valence alone."""
    kinds = [{"val": 2.5, "act": 3.0, "dom": 4.0}, {}, {"val": 1.0}, {}]
    return [
        replace(c, utterances=tuple(replace(u, scores=kinds[place // 2 % 4]) for place, u in enumerate(c)))
        for c in iemocap()
    ]


def test_what_has_a_score_counts_and_absent_dimensions_are_nan() -> None:
    fold = DIMENSIONS.folds(rated())[0]
    test = fold.test.open("test of the test", ledger=Ledger())
    assert len(fold.test) == len(test.targets) == 8 * 8
    assert not test.labels and test.counts == {}
    values = list(test.targets.values())
    assert values[0] == (2.5, 3.0, 4.0)
    assert values[2][0] == 1.0 and all(map(math.isnan, values[2][1:]))
    assert set(test.ids) < test.context
    assert len(DIMENSIONS.folds(rated())) == 5
    assert len(PROTOCOLS["iemocap-dimensions:speaker"].folds(rated())) == 10


def test_test_scores_are_blinded() -> None:
    fold = DIMENSIONS.folds(rated())[0]
    blind = {turn.id: turn for one in fold.blinded(rated()) for turn in one}
    assert all(not blind[name].scores for name in fold.test.context)
    assert all(blind[name].scores for name in (*fold.train.ids, *fold.valid.ids))


def test_a_corpus_without_targets_is_named() -> None:
    with pytest.raises(
        ProtocolError,
        match="is a regression, but none of the 40 conversations of iemocap has a score val, act, dom: a corpus",
    ):
        DIMENSIONS.folds(iemocap())


def test_a_joint_protocol_counts_what_has_a_label_or_a_score() -> None:
    joint = PROTOCOLS["iemocap4-dimensions"]
    assert joint.joint and not joint.regression and not DIMENSIONS.joint
    of_classes, of_values = PROTOCOLS["iemocap4-speaker"].folds(rated()), PROTOCOLS["iemocap-ranks"].folds(rated())
    for fold, classes, values in zip(joint.folds(rated()), of_classes, of_values, strict=True):
        test, labelled, scored = (one.test.open("of the test", ledger=Ledger()) for one in (fold, classes, values))
        assert test.labels == labelled.labels and test.targets.keys() == scored.targets.keys()
        assert set(test.ids) == {*test.labels, *test.targets} and len(test) > len(test.labels)
        order = [turn.id for one in rated() for turn in one if turn.id in test.scored]
        assert list(test.ids) == order and set(test.dialogues) == set(test.speakers) == set(order)
        assert fold.train.scored == classes.train.scored | values.train.scored


def test_a_metric_of_the_other_kind_is_refused() -> None:
    with pytest.raises(ProtocolError, match="has dimensions, but metric 'accuracy'; expected one of ccc, pearson"):
        replace(DIMENSIONS, metric="accuracy")
    with pytest.raises(ProtocolError, match="'meld-7' has classes, but metric 'ccc'"):
        replace(PROTOCOLS["meld-7"], metric="ccc")
