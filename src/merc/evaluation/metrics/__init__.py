"""Metrics by name: of classes (confusion matrix), of dimensions such as valence (moments), of ranks (pairs).

Names are those of records and of the command line; ``NAMES`` holds what tables print. A metric of classes reads
predicted labels, a metric of dimensions, ranks or a sentiment (counts) reads predicted values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from merc.errors import InputError
from merc.evaluation.metrics.classes import (
    STATISTICS,
    Interval,
    Statistic,
    accuracy,
    bootstrap,
    confusion,
    f1,
    figures,
    macro_f1,
    recall_of,
    recalls,
    unweighted_recall,
    weighted_f1,
)
from merc.evaluation.metrics.dimensions import DIMENSION_METRICS, ccc, mae, pearson
from merc.evaluation.metrics.ranks import RANK_METRICS, kendall_tau, ranking_accuracy
from merc.evaluation.metrics.sentiment import DIMENSION, SENTIMENT_METRICS, acc2, acc2_nonzero, acc7

__all__ = [
    "DIMENSION",
    "DIMENSION_METRICS",
    "LOWER_IS_BETTER",
    "NAMES",
    "RANK_METRICS",
    "REGRESSION",
    "SENTIMENT_METRICS",
    "STATISTICS",
    "Interval",
    "Statistic",
    "acc2",
    "acc2_nonzero",
    "acc7",
    "accuracy",
    "bootstrap",
    "ccc",
    "confusion",
    "f1",
    "figures",
    "kendall_tau",
    "lowest",
    "macro_f1",
    "mae",
    "metrics_of",
    "pearson",
    "ranking_accuracy",
    "recall_of",
    "recalls",
    "unweighted_recall",
    "weighted_f1",
]

REGRESSION: tuple[str, ...] = (*DIMENSION_METRICS, *RANK_METRICS)
"""Metrics of predicted values on any dimension."""

LOWER_IS_BETTER: frozenset[str] = frozenset({"mae"})
"""Metrics of which the smaller value is the better one."""

_LOWEST: Mapping[str, float] = MappingProxyType({"ccc": -1.0, "pearson": -1.0, "kendall_tau": -1.0})

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "accuracy": "WA",
        "unweighted_recall": "UA",
        "weighted_f1": "weighted F1",
        "macro_f1": "macro F1",
        "ccc": "CCC",
        "pearson": "Pearson r",
        "mae": "MAE",
        "kendall_tau": "Kendall τ-b",
        "ranking_accuracy": "pairwise ranking accuracy",
        "acc2": "Acc-2",
        "acc2_nonzero": "Acc-2 without 0",
        "acc7": "Acc-7",
    }
)
"""What the field calls each metric: WA is plain accuracy, UA the mean recall of the classes."""


def metrics_of(dimensions: Sequence[str]) -> tuple[str, ...]:
    """The metrics of predicted values; of sentiment alone Acc-2 and Acc-7 too.

    Args:
        dimensions: Names such as "valence".

    Returns:
        Names in ``NAMES``.

    Example:
        >>> metrics_of(["valence", "activation"])
        ('ccc', 'pearson', 'mae', 'kendall_tau', 'ranking_accuracy')
        >>> metrics_of(["sentiment"])[-1]
        'acc7'
    """
    return (*REGRESSION, *SENTIMENT_METRICS) if tuple(dimensions) == (DIMENSION,) else REGRESSION


def lowest(metric: str) -> float:
    """The smallest value that a metric can have: -1 for correlations, else 0.

    Args:
        metric: A name in ``NAMES``.

    Returns:
        The bound; an error has 0.

    Raises:
        InputError: The metric has no entry in ``NAMES``.

    Example:
        >>> lowest("ccc"), lowest("weighted_f1")
        (-1.0, 0.0)
    """
    if metric not in NAMES:
        raise InputError(f"metric '{metric}': expected one of {', '.join(NAMES)}")
    return _LOWEST.get(metric, 0.0)
