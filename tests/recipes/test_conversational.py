"""Conversations drawn from acted utterances, and the trust that fits them."""

from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError
from merc.evaluation.calibration import softmax
from merc.labels import EKMAN7
from merc.recipes import conversational
from merc.recipes.conversational import FEW, HALF_NEUTRAL, ONE_MOOD, drawn, earned_trust

NEUTRAL = EKMAN7.index("neutral")
PRIOR = np.array([0.111, 0.027, 0.027, 0.174, 0.472, 0.068, 0.121])


def test_conversations_are_of_one_person_and_of_their_kind() -> None:
    classes, people = np.tile(np.repeat(np.arange(7), 12), 3), [name for name in "abc" for _ in range(84)]
    found = drawn(classes, people, seed=1, each=2)
    assert {one.kind for one in found} == set(conversational.KINDS)
    for one in found:
        assert {people[row] for row in one.rows} == {one.person}
        assert len(set(one.rows.tolist())) == len(one.rows) <= conversational.LONGEST
        labels = classes[one.rows]
        if one.kind == HALF_NEUTRAL:
            assert (labels == NEUTRAL).sum() == 10
            assert np.bincount(labels, minlength=7).max(initial=0) == 10
            assert set(labels) == set(range(7))
        if one.kind == ONE_MOOD:
            assert len(set(labels)) == 1
    assert sorted({len(one.rows) for one in found if one.kind == FEW}) == [1, 2, 3, 5]
    alone = [one for one in found if one.person == "b"]
    again = drawn(classes[84:168], people[84:168], seed=1, each=2)
    assert [(one.rows + 84).tolist() for one in again] == [one.rows.tolist() for one in alone]


def test_a_person_without_neutral_or_with_few_utterances_is_drawn_as_far_as_there_are_any() -> None:
    found = drawn(np.array([0, 0, 3]), ["a", "a", "a"], seed=0, each=1)
    assert sorted(next(one.rows for one in found if one.kind == HALF_NEUTRAL)) == [0, 1, 2]
    with pytest.raises(InputError, match="3 classes, 1 people"):
        drawn(np.array([0, 0, 3]), ["a"], seed=0)


def test_trust_is_high_for_evidence_that_is_right_and_nought_for_noise() -> None:
    random = np.random.default_rng(0)
    classes = random.choice(7, 1000, p=PRIOR)
    kinds = random.choice(conversational.KINDS, 1000)
    true = 1.5 * np.eye(7)[classes] + random.normal(0, 1, (1000, 7))
    assert 0.9 < earned_trust(np.log(softmax(1.5 * true)), classes, kinds, PRIOR).trust <= 1
    half = earned_trust(2 * np.log(softmax(1.5 * true)), classes, kinds, PRIOR)
    assert 0.4 < half.trust < 0.6
    assert half.trusted < min(half.ignored, half.at_1)
    assert earned_trust(random.normal(0, 1, (1000, 7)), classes, kinds, PRIOR).trust < 0.05
    with pytest.raises(InputError, match="1000 rows, 10 classes"):
        earned_trust(true, classes[:10], kinds, PRIOR)


def test_a_kind_with_few_utterances_counts_as_much_as_one_with_many() -> None:
    classes = np.array([0] * 900 + [NEUTRAL] * 900 + [0] * 30 + [NEUTRAL] * 30)
    kinds = [HALF_NEUTRAL] * 1800 + [FEW] * 60
    right = np.where(np.arange(7) == classes[:, None], 4.0, 0.0)
    right[1800:] = np.roll(right[1800:], 1, axis=1)
    assert earned_trust(right, classes, kinds, PRIOR).trust < 0.6
    assert earned_trust(right, classes, [FEW] * 1860, PRIOR).trust > 0.9
