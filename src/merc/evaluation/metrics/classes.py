"""Metrics of predicted labels, each with a bootstrap interval; all follow from the confusion matrix.

Rows of a confusion matrix are annotated classes, columns predicted ones. A class without an annotated item is left out
of macro averages. Values equal scikit-learn's; a thousand resamples take a moment because only the matrix is resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from merc.errors import InputError

Statistic = Callable[[np.ndarray], float]
"""A figure of a confusion matrix ``(classes, classes)``."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval.

    Args:
        value: The figure on all items.
        low: 2.5th percentile of the resamples.
        high: 97.5th percentile.

    Example:
        >>> Interval(0.61234, 0.58, 0.64).rounded(2)
        [0.61, 0.58, 0.64]
    """

    value: float
    low: float
    high: float

    def rounded(self, digits: int = 4) -> list[float]:
        """The figure for a record.

        Args:
            digits: Decimal places.

        Returns:
            Value, lower and upper end.
        """
        return [round(self.value, digits), round(self.low, digits), round(self.high, digits)]


def confusion(true: np.ndarray, predicted: np.ndarray, *, classes: int) -> np.ndarray:
    """Count pairs of annotated and predicted class numbers.

    Args:
        true: Annotated classes ``(n,)``, whole numbers from 0.
        predicted: Predicted classes ``(n,)``.
        classes: Number of classes.

    Returns:
        ``(classes, classes)`` int64, rows annotated, columns predicted.

    Raises:
        InputError: Arrays of different length, or numbers outside ``[0, classes)``.

    Example:
        >>> confusion([0, 0, 1], [0, 1, 1], classes=2).tolist()
        [[1, 1], [0, 1]]
    """
    true, predicted = np.asarray(true, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if true.shape != predicted.shape or true.ndim != 1:
        raise InputError(
            f"{true.shape} annotated but {predicted.shape} predicted classes: expected two lists of one length"
        )
    for name, values in (("annotated", true), ("predicted", predicted)):
        if len(values) and not (values.min() >= 0 and values.max() < classes):
            raise InputError(f"{name} class {values.min()} to {values.max()}: expected numbers from 0 to {classes - 1}")
    return np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)


def accuracy(matrix: np.ndarray) -> float:
    """Share of items whose predicted class is the annotated one.

    Args:
        matrix: Confusion matrix ``(classes, classes)``.

    Returns:
        In [0, 1]; NaN without items.

    Example:
        >>> accuracy(np.array([[8, 2], [1, 9]]))
        0.85
    """
    total = matrix.sum()
    return float(np.trace(matrix) / total) if total else float("nan")


def recalls(matrix: np.ndarray) -> np.ndarray:
    """For each class the share of its items that were found; arguments as for ``accuracy``.

    Returns:
        ``(classes,)``, NaN for a class without items.

    Example:
        >>> recalls(np.array([[8, 2], [1, 9]])).tolist()
        [0.8, 0.9]
    """
    support = matrix.sum(1)
    return np.where(support > 0, np.diag(matrix) / np.maximum(support, 1), np.nan)


def f1(matrix: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall of each class; arguments as for ``accuracy``.

    Returns:
        ``(classes,)``, 0 for a class that never occurs.

    Example:
        >>> f1(np.array([[2, 0], [0, 3]])).tolist()
        [1.0, 1.0]
    """
    total = matrix.sum(0) + matrix.sum(1)
    result: np.ndarray = 2 * np.diag(matrix) / np.maximum(total, 1)
    return result


def macro_f1(matrix: np.ndarray) -> float:
    """Mean F1 of the classes that have items; arguments and result as for ``accuracy``.

    Example:
        >>> round(macro_f1(np.array([[8, 2], [1, 9]])), 4)
        0.8496
    """
    present = matrix.sum(1) > 0
    return float(f1(matrix)[present].mean()) if present.any() else float("nan")


def weighted_f1(matrix: np.ndarray) -> float:
    """F1 of the classes, weighted by their items; arguments and result as for ``accuracy``.

    Example:
        >>> round(weighted_f1(np.array([[8, 2], [1, 9]])), 4)
        0.8496
    """
    support = matrix.sum(1)
    return float((f1(matrix) * support).sum() / support.sum()) if support.sum() else float("nan")


def unweighted_recall(matrix: np.ndarray) -> float:
    """Mean recall of the classes that have items (UAR); arguments and result as for ``accuracy``.

    Example:
        >>> round(unweighted_recall(np.array([[8, 2], [1, 9]])), 4)
        0.85
    """
    present = matrix.sum(1) > 0
    return float(recalls(matrix)[present].mean()) if present.any() else float("nan")


def figures(matrices: np.ndarray, metric: str) -> np.ndarray:
    """One figure of STATISTICS for many confusion matrices at once.

    Args:
        matrices: ``(..., classes, classes)``.
        metric: Name in STATISTICS.

    Returns:
        ``(...)``; NaN where it is not defined.

    Raises:
        InputError: A metric that is not in STATISTICS.

    Example:
        >>> figures(np.array([[[8, 2], [1, 9]], [[5, 5], [5, 5]]]), "accuracy").tolist()
        [0.85, 0.5]
    """
    if metric not in STATISTICS:
        raise InputError(f"metric '{metric}': expected one of {', '.join(STATISTICS)}")
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    support, found = matrices.sum(-1), matrices.sum(-2)
    total, present = support.sum(-1), support > 0
    harmonic = 2 * hits / np.maximum(support + found, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: np.ndarray = {
            "accuracy": lambda: hits.sum(-1) / total,
            "weighted_f1": lambda: (harmonic * support).sum(-1) / total,
            "macro_f1": lambda: np.where(present, harmonic, 0).sum(-1) / present.sum(-1),
            "unweighted_recall": lambda: (hits / np.maximum(support, 1)).sum(-1) / present.sum(-1),
        }[metric]()
    return result


STATISTICS: Mapping[str, Statistic] = MappingProxyType(
    {"accuracy": accuracy, "macro_f1": macro_f1, "weighted_f1": weighted_f1, "unweighted_recall": unweighted_recall}
)
"""Metrics of predicted labels by name, each a function of a confusion matrix."""


def bootstrap(
    true: np.ndarray,
    predicted: np.ndarray,
    statistics: Mapping[str, Statistic],
    *,
    classes: int,
    groups: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Each statistic with its 95 % percentile interval over resampled groups.

    A resample in which a statistic is not defined is left out of its interval.

    Args:
        true: Annotated classes ``(n,)``.
        predicted: Predicted classes ``(n,)``.
        statistics: Functions of a confusion matrix by name; all read the same resamples.
        classes: Number of classes.
        groups: Name of the group of each item (default: each item is one). Give them where items are not independent:
            frames of one sequence, utterances of one dialogue.
        resamples: How often groups are drawn.
        seed: Of the draws.

    Returns:
        An interval for each statistic, by name.

    Raises:
        InputError: As ``confusion``.

    Example:
        >>> found = bootstrap([0, 1, 1], [0, 1, 1], {"WA": accuracy}, classes=2, resamples=10)
        >>> found["WA"]
        Interval(value=1.0, low=1.0, high=1.0)
    """
    whole = confusion(true, predicted, classes=classes)
    names = np.arange(len(true)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    count = int(names.max()) + 1 if len(names) else 0
    pairs = np.asarray(true, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    generator = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in statistics}
    for _ in range(resamples if count else 0):
        times = np.bincount(generator.integers(count, size=count), minlength=count)[names]
        matrix = np.bincount(pairs, weights=times, minlength=classes**2).reshape(classes, classes)
        for name, statistic in statistics.items():
            draws[name].append(statistic(matrix))
    return {name: _interval(statistic(whole), draws[name]) for name, statistic in statistics.items()}


def _interval(value: float, draws: list[float]) -> Interval:
    defined = [draw for draw in draws if np.isfinite(draw)]
    if not defined:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(defined, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def recall_of(position: int) -> Statistic:
    """The recall of one class as a statistic.

    Args:
        position: Number of the class, from 0.

    Returns:
        A function of a confusion matrix; NaN for a class without items.

    Example:
        >>> recall_of(1)(np.array([[8, 2], [1, 9]]))
        0.9
    """
    return lambda matrix: float(recalls(matrix)[position])
