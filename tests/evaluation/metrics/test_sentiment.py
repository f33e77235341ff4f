"""Acc-7 and Acc-2 of a sentiment: their definitions, the ends of the scale, zeros, and sums over groups."""

from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError
from merc.evaluation.metrics import acc2, acc2_nonzero, acc7, metrics_of
from merc.evaluation.metrics.sentiment import SENTIMENT_METRICS, counts, figures_of_counts

TRUE = np.array([2.4, -0.6, 0.0, 0.0, 3.0, -3.0, 1.4])
GUESS = np.array([1.6, 0.2, -0.4, 0.0, 7.0, -2.4, 1.6])


def test_known_values() -> None:
    assert acc7(TRUE, GUESS) == pytest.approx(4 / 7)  # 2 = 2, -1 ≠ 0, 0 = 0, 0 = 0, 3 = 3 (cut), -3 ≠ -2, 1 ≠ 2
    assert acc2(TRUE, GUESS) == pytest.approx(5 / 7)  # -0.6 and the first 0 are on the other side
    assert acc2_nonzero(TRUE, GUESS) == pytest.approx(4 / 5)
    assert np.isnan(acc2_nonzero(np.zeros(3), np.ones(3))) and acc2(np.zeros(3), np.ones(3)) == 1


def test_a_prediction_of_zero_is_not_negative_and_not_positive() -> None:
    true, zero = np.array([1.0, -1.0]), np.zeros(2)
    assert acc2(true, zero) == 0.5 and acc2_nonzero(true, zero) == 0.5
    assert acc2_nonzero(np.array([1.0]), np.zeros(1)) == 0


def test_absent_targets_are_left_out_and_groups_add_up() -> None:
    holes = TRUE.copy()
    holes[::3] = np.nan
    known = ~np.isnan(holes)
    kept = counts(holes, GUESS, np.arange(len(TRUE)) % 2, count=2).sum(0)
    for name, plain in {"acc2": acc2, "acc2_nonzero": acc2_nonzero, "acc7": acc7}.items():
        assert plain(holes, GUESS) == pytest.approx(plain(TRUE[known], GUESS[known]))
        assert figures_of_counts(kept, name) == pytest.approx(plain(holes, GUESS))


def test_they_are_metrics_of_a_sentiment_alone() -> None:
    assert set(SENTIMENT_METRICS) <= set(metrics_of(["sentiment"]))
    assert not set(SENTIMENT_METRICS) & {*metrics_of(["valence"]), *metrics_of(["sentiment", "valence"])}


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(InputError, match="predicted values hold NaN"):
        acc7(TRUE, np.full(len(TRUE), np.nan))
