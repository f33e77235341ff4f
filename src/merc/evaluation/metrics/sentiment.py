"""Metrics of a predicted sentiment from -3 to 3, as CMU-MOSI and CMU-MOSEI are measured: Acc-7 and two kinds of Acc-2.

Acc-7 counts values that round to the annotated whole number (Zadeh et al. 2016); Acc-2 those on the annotated side of
0. Two kinds of it are in use, and papers print both: negative against the rest, and negative against positive without
the utterances that are annotated as 0 (Tsai et al. 2019, MulT). All follow from counts that add up over dialogues.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from merc.evaluation.metrics.dimensions import checked

DIMENSION = "sentiment"
"""The dimension that these metrics are of."""
COUNTS = 5
"""Kept for each group: utterances, right whole numbers, right sides, utterances that are not 0, right sides of them."""
_END = 3.0


def acc7(true: np.ndarray, predicted: np.ndarray) -> float:
    """The share of values whose nearest whole number from -3 to 3 is the annotated one's.

    Args:
        true: Annotated values ``(n,)`` from -3 to 3; NaN where there is none.
        predicted: Predicted values ``(n,)``, finite; beyond the ends they count as the end.

    Returns:
        The share, in [0, 1].

    Raises:
        InputError: Lists of different length, a prediction that is not finite, or no annotated value.

    Example:
        >>> import numpy as np
        >>> acc7(np.array([2.4, -1.0, 0.2, 3.0]), np.array([1.6, -0.4, 0.4, 9.0]))
        0.75
    """
    return _plain("acc7", true, predicted)


def acc2(true: np.ndarray, predicted: np.ndarray) -> float:
    """The share of values that are negative where the annotated ones are, and are not where these are not.

    Arguments, result and errors as for ``acc7``.

    Example:
        >>> acc2(np.array([-1.0, 0.0, 2.0, 1.0]), np.array([-0.5, -0.1, 1.0, 3.0]))
        0.75
    """
    return _plain("acc2", true, predicted)


def acc2_nonzero(true: np.ndarray, predicted: np.ndarray) -> float:
    """The share of values that are positive where the annotated ones are, of those that are not annotated as 0.

    Arguments and errors as for ``acc7``.

    Returns:
        The share, in [0, 1]; NaN where all are annotated as 0.

    Example:
        >>> acc2_nonzero(np.array([-1.0, 0.0, 2.0, 1.0]), np.array([-0.5, -0.1, 1.0, 3.0]))
        1.0
    """
    return _plain("acc2_nonzero", true, predicted)


def counts(true: np.ndarray, predicted: np.ndarray, groups: np.ndarray, *, count: int) -> np.ndarray:
    """The counts of each group.

    Args:
        true: Annotated values ``(n,)``, NaN where absent.
        predicted: Predicted values ``(n,)``.
        groups: Group number of each value, ``(n,)`` int from 0.
        count: Number of groups.

    Returns:
        ``(count, COUNTS)`` float64.
    """
    known = np.isfinite(true)
    t, p = true[known], predicted[known]
    whole, sided = (np.round(np.clip(one, -_END, _END)) for one in (t, p)), t != 0
    right = np.equal(*whole)
    kept = (np.ones(len(t)), right, (t < 0) == (p < 0), sided, sided & ((t > 0) == (p > 0)))
    return np.stack([np.bincount(groups[known], weights=one, minlength=count) for one in kept], axis=1)


def figures_of_counts(kept: np.ndarray, metric: str) -> np.ndarray:
    """A metric of SENTIMENT_METRICS for many counts at once: ``(..., COUNTS)`` to ``(...)``; NaN where undefined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return SENTIMENT_METRICS[metric](kept)


def _plain(metric: str, true: np.ndarray, predicted: np.ndarray) -> float:
    t, p = checked(true, predicted)
    return float(figures_of_counts(counts(t, p, np.zeros(len(t), dtype=np.int64), count=1)[0], metric))


def _share(part: int, whole: int) -> Callable[[np.ndarray], np.ndarray]:
    def of(kept: np.ndarray) -> np.ndarray:
        found: np.ndarray = kept[..., part] / kept[..., whole]
        return found

    return of


SENTIMENT_METRICS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {"acc2": _share(2, 0), "acc2_nonzero": _share(4, 3), "acc7": _share(1, 0)}
)
"""By name the function from counts ``(..., COUNTS)`` to figures ``(...)``."""
