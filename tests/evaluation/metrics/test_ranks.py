"""Kendall's tau-b and pairwise ranking accuracy equal scipy and a count of all pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from merc.errors import InputError
from merc.evaluation.metrics import kendall_tau, ranking_accuracy
from merc.evaluation.metrics.ranks import figures_of_pairs, pair_counts

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40)


@given(PAIRS)
def test_tau_equals_scipy(pairs: list[tuple[int, int]]) -> None:
    true, predicted = np.array(pairs, dtype=np.float64).T
    expected = stats.kendalltau(true, predicted).statistic
    np.testing.assert_allclose(kendall_tau(true, predicted), expected, atol=1e-12)


@given(PAIRS)
def test_ranking_accuracy_equals_a_count_of_all_pairs(pairs: list[tuple[int, int]]) -> None:
    true, predicted = np.array(pairs, dtype=np.float64).T
    asked = [(a, b) for a, b in combinations(range(len(true)), 2) if true[a] != true[b]]
    right = sum(
        0.5 if predicted[a] == predicted[b] else (predicted[a] > predicted[b]) == (true[a] > true[b]) for a, b in asked
    )
    found = ranking_accuracy(true, predicted)
    assert np.isnan(found) if not asked else found == pytest.approx(right / len(asked))


def test_known_values() -> None:
    true = np.array([1.0, 2.0, 3.0, 4.0])
    assert (kendall_tau(true, true), kendall_tau(true, -true)) == (1, -1)
    assert (ranking_accuracy(true, true), ranking_accuracy(true, -true)) == (1, 0)
    assert ranking_accuracy(true, np.zeros(4)) == 0.5
    assert np.isnan(kendall_tau(true, np.zeros(4)))


def test_absent_targets_are_in_no_pair() -> None:
    generator = np.random.default_rng(0)
    true, predicted = generator.random(60), generator.random(60)
    holes = true.copy()
    holes[::4] = np.nan
    known = ~np.isnan(holes)
    assert kendall_tau(holes, predicted) == pytest.approx(stats.kendalltau(true[known], predicted[known]).statistic)


def test_counts_between_groups_give_those_of_a_resample() -> None:
    generator = np.random.default_rng(1)
    true, predicted = generator.integers(6, size=90) * 1.0, generator.integers(6, size=90) * 1.0
    groups = generator.integers(9, size=90)
    counts = pair_counts(true, predicted, groups, count=9)
    times = np.array([0, 3, 1, 0, 2, 1, 1, 0, 1])
    rows = np.concatenate([np.flatnonzero(groups == g) for g, m in enumerate(times) for _ in range(m)])
    drawn = np.einsum("d,e,dek->k", times, times, counts)
    expected = stats.kendalltau(true[rows], predicted[rows]).statistic
    assert figures_of_pairs(drawn, "kendall_tau") == pytest.approx(expected)


def test_wrong_input_is_named() -> None:
    with pytest.raises(InputError, match="expected two equal lists"):
        kendall_tau(np.zeros(3), np.zeros(2))
