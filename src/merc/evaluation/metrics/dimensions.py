"""Metrics of predicted values on dimensions such as valence: CCC, Pearson's r and mean absolute error.

Each follows from sums that can be added up over dialogues (``moments``), so that ten thousand bootstrap resamples are
one matrix product, as with confusion matrices. A target that is NaN is absent and is left out with its prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from merc.errors import InputError

MOMENTS = 7
"""Sums kept for each group: n, Σt, Σp, Σt², Σp², Σtp, Σ|t - p|."""


def ccc(true: np.ndarray, predicted: np.ndarray) -> float:
    """Lin's concordance correlation coefficient (1989), ``2 cov / (var + var + (mean - mean)²)``, population moments.

    Args:
        true: Annotated values ``(n,)``; NaN where there is none.
        predicted: Predicted values ``(n,)``, finite.

    Returns:
        A value in [-1, 1]: 1 for equal lists, 0 for a constant prediction; NaN where both are the same constant.

    Raises:
        InputError: Lists of different length, a prediction that is not finite, or no annotated value.

    Example:
        >>> import numpy as np
        >>> round(ccc(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])), 4)
        0.5714
    """
    return _plain("ccc", true, predicted)


def pearson(true: np.ndarray, predicted: np.ndarray) -> float:
    """Pearson's correlation; arguments and errors as for ``ccc``.

    Returns:
        A value in [-1, 1]; NaN where one of the lists is constant.

    Example:
        >>> round(pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])), 4)
        1.0
    """
    return _plain("pearson", true, predicted)


def mae(true: np.ndarray, predicted: np.ndarray) -> float:
    """Mean absolute error; arguments and errors as for ``ccc``.

    Returns:
        In the unit of the values; lower is better.

    Example:
        >>> mae(np.array([1.0, 2.0]), np.array([1.5, 1.0]))
        0.75
    """
    return _plain("mae", true, predicted)


def moments(true: np.ndarray, predicted: np.ndarray, groups: np.ndarray, *, count: int) -> np.ndarray:
    """The sums of each group.

    Args:
        true: Annotated values ``(n,)``, NaN where absent.
        predicted: Predicted values ``(n,)``.
        groups: Group number of each value, ``(n,)`` int from 0.
        count: Number of groups.

    Returns:
        ``(count, MOMENTS)`` float64. Values are taken from the mean of the annotated ones, which leaves every metric
        as it is and keeps the squares small.
    """
    known = np.isfinite(true)
    shift = float(true[known].mean()) if known.any() else 0.0
    t, p = true[known] - shift, predicted[known] - shift
    sums = (np.ones_like(t), t, p, t * t, p * p, t * p, np.abs(t - p))
    return np.stack([np.bincount(groups[known], weights=values, minlength=count) for values in sums], axis=1)


def figures_of_moments(sums: np.ndarray, metric: str) -> np.ndarray:
    """A metric of DIMENSION_METRICS for many sums at once: ``(..., MOMENTS)`` to ``(...)``; NaN where undefined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return DIMENSION_METRICS[metric](sums)


def checked(true: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs with an annotated value, float64; raises InputError as ``ccc`` says."""
    true, predicted = np.asarray(true, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if true.shape != predicted.shape or true.ndim != 1:
        raise InputError(f"{true.shape} annotated but {predicted.shape} predicted values: expected two equal lists")
    if not np.isfinite(predicted).all() or np.isinf(true).any():
        raise InputError(
            "predicted values hold NaN or infinity: expected finite numbers (NaN marks an absent target only)"
        )
    known = ~np.isnan(true)
    if not known.any():
        raise InputError("no annotated value: expected at least one target that is not NaN")
    return true[known], predicted[known]


def _plain(metric: str, true: np.ndarray, predicted: np.ndarray) -> float:
    t, p = checked(true, predicted)
    return float(figures_of_moments(moments(t, p, np.zeros(len(t), dtype=np.int64), count=1)[0], metric))


def _spread(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Variances of both lists, their covariance and the difference of their means."""
    n, t, p, tt, pp, tp, _ = np.moveaxis(sums, -1, 0)
    mean_t, mean_p = t / n, p / n
    # rounding can leave a constant list a tiny variance of either sign
    var_t, var_p = (_clean(x / n, mean) for x, mean in ((tt, mean_t), (pp, mean_p)))
    return var_t, var_p, tp / n - mean_t * mean_p, mean_t - mean_p


def _clean(square: np.ndarray, mean: np.ndarray) -> np.ndarray:
    variance = square - mean * mean
    return np.where(variance > 1e-12 * np.abs(square), variance, 0.0)


def _ccc(sums: np.ndarray) -> np.ndarray:
    var_t, var_p, shared, apart = _spread(sums)
    result: np.ndarray = np.where((var_t > 0) & (var_p > 0), 2 * shared, 0.0) / (var_t + var_p + apart * apart)
    return result


def _pearson(sums: np.ndarray) -> np.ndarray:
    var_t, var_p, shared, _ = _spread(sums)
    # a constant list has no correlation, also where rounding leaves it a covariance
    shared = np.where((var_t > 0) & (var_p > 0), shared, np.nan)
    result: np.ndarray = np.clip(shared / np.sqrt(var_t * var_p), -1.0, 1.0)
    return result


def _mae(sums: np.ndarray) -> np.ndarray:
    result: np.ndarray = sums[..., 6] / sums[..., 0]
    return result


DIMENSION_METRICS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {"ccc": _ccc, "pearson": _pearson, "mae": _mae}
)
"""By name the function from moments ``(..., MOMENTS)`` to figures ``(...)``."""
