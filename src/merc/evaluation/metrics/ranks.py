"""Metrics of the order of predicted values: Kendall's tau-b and pairwise ranking accuracy.

Both follow from counts of pairs. Counts of pairs between two dialogues, times how often each was drawn, add up to those
of a bootstrap resample (``pair_counts``), so resamples need no sorting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from merc.evaluation.metrics.dimensions import checked

PAIRS = 3
"""Counts kept: concordant minus discordant pairs, pairs that differ in the annotated, in the predicted value."""

_CHUNK = 1024  # rows of the comparison held at once


def kendall_tau(true: np.ndarray, predicted: np.ndarray) -> float:
    """Kendall's tau-b, corrected for ties (Kendall 1945).

    Args:
        true: Annotated values ``(n,)``; NaN where there is none.
        predicted: Predicted values ``(n,)``, finite.

    Returns:
        A value in [-1, 1]; NaN where one of the lists is constant.

    Raises:
        InputError: Lists of different length, a prediction that is not finite, or no annotated value.

    Example:
        >>> import numpy as np
        >>> round(kendall_tau(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])), 4)
        0.3333
    """
    return _plain("kendall_tau", true, predicted)


def ranking_accuracy(true: np.ndarray, predicted: np.ndarray) -> float:
    """Of the pairs whose annotated values differ, the share that is predicted in this order; a predicted tie is half.

    Arguments and errors as for ``kendall_tau``.

    Returns:
        A value in [0, 1], of which 0.5 is chance; NaN where no two annotated values differ.

    Example:
        >>> round(ranking_accuracy(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0])), 4)
        0.8333
    """
    return _plain("ranking_accuracy", true, predicted)


def pair_counts(true: np.ndarray, predicted: np.ndarray, groups: np.ndarray, *, count: int) -> np.ndarray:
    """The counts of ordered pairs between each two groups.

    Args:
        true: Annotated values ``(n,)``, NaN where absent: such an item is in no pair.
        predicted: Predicted values ``(n,)``.
        groups: Group number of each item, ``(n,)`` int from 0.
        count: Number of groups.

    Returns:
        ``(count, count, PAIRS)`` float64. With ``m`` how often each group was drawn, the counts of the resample are
        ``sum over d, e of m[d] m[e] counts[d, e]``: copies of one item are equal in both values and count nowhere.
    """
    known = np.isfinite(true)
    order = np.argsort(groups[known], kind="stable")
    t, p, g = true[known][order], predicted[known][order], groups[known][order]
    present, starts = np.unique(g, return_index=True)
    found = np.zeros((count, count, PAIRS))
    for start in range(0, len(t), _CHUNK):
        rows = slice(start, start + _CHUNK)
        signs_t, signs_p = (_signs(values[rows, None], values) for values in (t, p))  # (chunk, n)
        for place, values in enumerate((signs_t * signs_p, np.abs(signs_t), np.abs(signs_p))):
            by_column = np.add.reduceat(values, starts, axis=1, dtype=np.int32)  # (chunk, present)
            np.add.at(found[..., place], (g[rows, None], present[None, :]), by_column)
    return found


def _signs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 where ``first`` is larger, -1 where it is smaller, int8: a byte a pair."""
    result: np.ndarray = (first > second).view(np.int8) - (first < second).view(np.int8)
    return result


def figures_of_pairs(counts: np.ndarray, metric: str) -> np.ndarray:
    """A metric of RANK_METRICS for many counts at once: ``(..., PAIRS)`` to ``(...)``; NaN where undefined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return RANK_METRICS[metric](counts)


def _plain(metric: str, true: np.ndarray, predicted: np.ndarray) -> float:
    t, p = checked(true, predicted)
    counts = pair_counts(t, p, np.zeros(len(t), dtype=np.int64), count=1)[0, 0]
    return float(figures_of_pairs(counts, metric))


def _tau(counts: np.ndarray) -> np.ndarray:
    result: np.ndarray = counts[..., 0] / np.sqrt(counts[..., 1] * counts[..., 2])
    return result


def _ranking(counts: np.ndarray) -> np.ndarray:
    result: np.ndarray = (1 + counts[..., 0] / counts[..., 1]) / 2
    return result


RANK_METRICS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {"kendall_tau": _tau, "ranking_accuracy": _ranking}
)
"""By name the function from pair counts ``(..., PAIRS)`` to figures ``(...)``."""
