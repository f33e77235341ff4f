"""CCC, Pearson's r and MAE equal their definitions and scipy; absent targets are left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from merc.errors import InputError
from merc.evaluation.metrics import DIMENSION_METRICS, ccc, lowest, mae, pearson
from merc.evaluation.metrics.dimensions import MOMENTS, figures_of_moments, moments


def drawn(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    true = generator.integers(1, 6, size=n) + generator.random(n)
    return true, 0.6 * true + generator.normal(size=n)


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_the_oracles(seed: int) -> None:
    true, predicted = drawn(seed)
    assert pearson(true, predicted) == pytest.approx(stats.pearsonr(true, predicted).statistic)
    assert mae(true, predicted) == pytest.approx(np.abs(true - predicted).mean())
    shared = 2 * np.cov(true, predicted, bias=True)[0, 1]
    expected = shared / (true.var() + predicted.var() + (true.mean() - predicted.mean()) ** 2)
    assert ccc(true, predicted) == pytest.approx(expected)


def test_ccc_known_values() -> None:
    true = np.array([1.0, 2.0, 3.0, 4.0])
    assert ccc(true, true) == pytest.approx(1)
    assert ccc(true, -true) == pytest.approx(-2.5 / (2.5 + 25))  # cov -1.25, variances 1.25, means 5 apart
    assert ccc(true, np.full(4, 2.5)) == 0
    assert ccc(true, true + 1) == pytest.approx(2.5 / 3.5)
    assert np.isnan(ccc(np.full(3, 2.0), np.full(3, 2.0)))
    assert np.isnan(pearson(true, np.full(4, 0.1)))


def test_a_constant_list_has_no_correlation_where_rounding_leaves_a_covariance() -> None:
    true = np.array([1.0, 2.0, 4.0])  # the mean is not a binary fraction: the covariance with 2, 2, 2 is -3e-17
    assert np.isnan(pearson(true, np.full(3, 2.0))) and np.isnan(pearson(np.full(3, 2.0), true))
    assert ccc(true, np.full(3, 2.0)) == 0


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=30))
def test_ccc_never_exceeds_the_correlation(pairs: list[tuple[float, float]]) -> None:
    true, predicted = np.array(pairs).T
    if true.std() > 1e-3 and predicted.std() > 1e-3:
        assert abs(ccc(true, predicted)) <= abs(pearson(true, predicted)) + 1e-6


def test_absent_targets_are_left_out() -> None:
    true, predicted = drawn(1)
    holes = true.copy()
    holes[::3] = np.nan
    known = ~np.isnan(holes)
    for metric in (ccc, pearson, mae):
        assert metric(holes, predicted) == pytest.approx(metric(true[known], predicted[known]))


def test_moments_of_groups_add_up_to_the_whole() -> None:
    true, predicted = drawn(2)
    true[5] = np.nan
    groups = np.arange(len(true)) % 7
    sums = moments(true, predicted, groups, count=7)
    assert sums.shape == (7, MOMENTS)
    for name in DIMENSION_METRICS:
        whole = {"ccc": ccc, "pearson": pearson, "mae": mae}[name](true, predicted)
        assert figures_of_moments(sums.sum(0), name) == pytest.approx(whole), name


def test_what_cannot_be_measured_is_named() -> None:
    with pytest.raises(InputError, match="expected two equal lists"):
        ccc(np.zeros(3), np.zeros(2))
    with pytest.raises(InputError, match="predicted values hold NaN or infinity"):
        mae(np.zeros(2), np.array([0.0, np.nan]))
    with pytest.raises(InputError, match="no annotated value"):
        pearson(np.array([np.nan]), np.zeros(1))
    with pytest.raises(InputError, match="metric 'corr': expected one of accuracy"):
        lowest("corr")
