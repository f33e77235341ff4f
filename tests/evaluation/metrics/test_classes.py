"""Figures equal scikit-learn's, and intervals behave."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from merc.errors import InputError
from merc.evaluation.metrics import (
    STATISTICS,
    accuracy,
    bootstrap,
    confusion,
    f1,
    macro_f1,
    recall_of,
    recalls,
    unweighted_recall,
    weighted_f1,
)


def drawn(seed: int, n: int = 300, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    true = generator.integers(classes, size=n)
    return true, np.where(generator.random(n) < 0.6, true, generator.integers(classes, size=n))


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_the_oracle(seed: int) -> None:
    true, predicted = drawn(seed)
    matrix = confusion(true, predicted, classes=5)
    np.testing.assert_array_equal(matrix, oracle.confusion_matrix(true, predicted))
    assert accuracy(matrix) == pytest.approx(oracle.accuracy_score(true, predicted))
    assert macro_f1(matrix) == pytest.approx(oracle.f1_score(true, predicted, average="macro"))
    assert weighted_f1(matrix) == pytest.approx(oracle.f1_score(true, predicted, average="weighted"))
    assert unweighted_recall(matrix) == pytest.approx(oracle.balanced_accuracy_score(true, predicted))
    np.testing.assert_allclose(f1(matrix), oracle.f1_score(true, predicted, average=None))
    np.testing.assert_allclose(recalls(matrix), oracle.recall_score(true, predicted, average=None))


def test_a_class_without_items_takes_no_part_in_macro_averages() -> None:
    matrix = confusion(np.array([0, 0, 1]), np.array([0, 2, 1]), classes=4)
    assert macro_f1(matrix) == pytest.approx((2 / 3 + 1) / 2)
    assert unweighted_recall(matrix) == 0.75
    assert np.isnan(recalls(matrix)[[2, 3]]).all()


def test_nothing_at_all_is_not_a_number() -> None:
    empty = np.array([], dtype=int)
    found = bootstrap(empty, empty, STATISTICS, classes=3)
    assert all(np.isnan(interval.value) for interval in found.values())


def test_intervals_hold_the_value_and_repeat() -> None:
    true, predicted = drawn(1)
    first = bootstrap(true, predicted, STATISTICS, classes=5, resamples=200)
    assert first == bootstrap(true, predicted, STATISTICS, classes=5, resamples=200)
    assert all(i.low < i.value < i.high for i in first.values())
    assert first["accuracy"].high - first["accuracy"].low == pytest.approx(4 * np.sqrt(0.68 * 0.32 / 300), rel=0.25)


def test_copies_of_an_item_in_one_group_do_not_narrow_the_interval() -> None:
    true, predicted = drawn(2, n=80)
    single = bootstrap(true, predicted, {"a": accuracy}, classes=5)["a"]
    groups = [str(n) for n in range(80)] * 4
    copied = bootstrap(np.tile(true, 4), np.tile(predicted, 4), {"a": accuracy}, classes=5, groups=groups)["a"]
    alone = bootstrap(np.tile(true, 4), np.tile(predicted, 4), {"a": accuracy}, classes=5)["a"]
    assert copied.high - copied.low == pytest.approx(single.high - single.low, rel=0.2)
    assert alone.high - alone.low < 0.7 * (copied.high - copied.low)


def test_recall_of_one_class() -> None:
    matrix = confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), classes=2)
    assert [recall_of(n)(matrix) for n in range(2)] == [0.5, 1.0]


def test_wrong_input_is_named() -> None:
    with pytest.raises(InputError, match="predicted class 0 to 3: expected numbers from 0 to 2"):
        confusion(np.array([0, 1]), np.array([0, 3]), classes=3)
    with pytest.raises(InputError, match="expected two lists of one length"):
        confusion(np.array([0, 1]), np.array([0]), classes=3)
