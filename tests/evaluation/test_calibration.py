"""Temperature, bias and trust are found again where they were put in."""

from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError
from merc.evaluation.calibration import (
    area_under_risk,
    coverage,
    expected_calibration_error,
    fit_bias,
    fit_temperature,
    fit_trust,
    log_loss,
    risk_coverage,
    scaled,
    softmax,
)


def sampled(probabilities: np.ndarray, seed: int = 0) -> np.ndarray:
    """One class a row, drawn from its probabilities."""
    places = np.random.default_rng(seed).random((len(probabilities), 1))
    return np.minimum((probabilities.cumsum(1) < places).sum(1), probabilities.shape[1] - 1)


@pytest.fixture
def raw() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(8000, 4)) * 2


def test_temperature_is_found_and_lowers_the_error(raw: np.ndarray) -> None:
    true = sampled(softmax(raw / 2.5))
    temperature = fit_temperature(raw, true)
    assert temperature == pytest.approx(2.5, rel=0.1)
    before = expected_calibration_error(softmax(raw), true)
    after = expected_calibration_error(softmax(raw / temperature), true)
    assert after < 0.03 < 0.15 < before


def test_bias_is_found(raw: np.ndarray) -> None:
    bias = np.array([1.5, -0.5, 0.0, -1.0])
    true = sampled(softmax(raw / 1.5 + bias))
    temperature, found = fit_bias(raw, true, penalty=0.0)
    assert temperature == pytest.approx(1.5, rel=0.1)
    np.testing.assert_allclose(found, bias, atol=0.15)
    assert found.sum() == pytest.approx(0, abs=1e-9)


def test_bias_of_a_class_that_never_occurs_stays_finite(raw: np.ndarray) -> None:
    temperature, bias = fit_bias(raw, np.zeros(len(raw), dtype=int))
    assert np.isfinite([temperature, *bias]).all()


@pytest.mark.parametrize("trust", [0.0, 0.4, 1.0])
def test_trust_is_found(raw: np.ndarray, trust: float) -> None:
    prior = np.tile([0.4, 0.3, 0.2, 0.1], (len(raw), 1))
    true = sampled(softmax(np.log(prior) + trust * raw))
    assert fit_trust(raw, true, prior) == pytest.approx(trust, abs=0.06)


def test_trust_weighs_items(raw: np.ndarray) -> None:
    prior = np.full(raw.shape, 0.25)
    believed, noise = sampled(softmax(raw)), np.random.default_rng(1).integers(4, size=len(raw))
    evidence, true, priors = np.vstack([raw, raw]), np.concatenate([believed, noise]), np.vstack([prior, prior])
    weights = np.repeat([1.0, 0.0], len(raw))
    assert fit_trust(evidence, true, priors, weights=weights) > 0.9
    assert fit_trust(evidence, true, priors, weights=weights[::-1].copy()) < 0.1


def test_known_values() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4]])
    true = np.array([0, 1])
    assert log_loss(probabilities, true) == pytest.approx(-(np.log(0.9) + np.log(0.4)) / 2)
    assert expected_calibration_error(probabilities, true) == pytest.approx((0.1 + 0.6) / 2)
    rows = coverage(probabilities, true, [0.0, 0.7, 0.95])
    assert [(r["coverage"], r["accuracy"]) for r in rows[:2]] == [(1.0, 0.5), (0.5, 1.0)]
    assert rows[2]["coverage"] == 0
    assert np.isnan(rows[2]["accuracy"])


def test_softmax_does_not_overflow() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e5, 0.0]])), [[1.0, 0.0]])


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(InputError, match=r"values of shape \(2, 2\) for 3 annotated items"):
        log_loss(np.full((2, 2), 0.5), np.zeros(3, dtype=int))


def test_values_that_are_no_numbers_are_named() -> None:
    with pytest.raises(InputError, match=r"item 1 has values \[nan, 0.5\]: expected finite numbers"):
        expected_calibration_error(np.array([[0.5, 0.5], [np.nan, 0.5]]), np.zeros(2, dtype=int))


def test_scaling_is_fitted_on_validation_and_measured_on_test(raw: np.ndarray) -> None:
    true = sampled(softmax(raw / 2.5))
    found = scaled((raw[:4000], true[:4000]), (raw[4000:], true[4000:]))
    assert found.temperature == pytest.approx(2.5, rel=0.1)
    assert found.error_after < 0.03 < 0.15 < found.error_before
    assert found.loss_after < found.loss_before
    with pytest.raises(InputError, match="validation holds no item"):
        scaled((raw[:0], true[:0]), (raw, true))


def test_risk_and_coverage_known_values() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.6, 0.4]])
    thresholds, covered, risk = risk_coverage(probabilities, np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(thresholds, [0.9, 0.8, 0.6])
    np.testing.assert_allclose(covered, [0.25, 0.75, 1.0])
    np.testing.assert_allclose(risk, [0, 1 / 3, 0.5])
    assert area_under_risk(probabilities, np.array([0, 0, 1, 1])) == pytest.approx((0 + 1 / 3 + 1 / 3 + 0.5) / 4)
    with pytest.raises(InputError, match="no item"):
        risk_coverage(np.empty((0, 2)), np.empty(0, dtype=int))
