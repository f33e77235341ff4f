"""Labels that are probably wrong: where a model that never saw an utterance is sure of another label.

Confident learning (Northcutt, Jiang and Chuang 2021, doi:10.1613/jair.1.12125): out-of-fold probabilities from a
logistic regression, whole conversations at a time; the threshold of a class is the mean probability that the utterances
labelled so give it; an utterance is suspected when another class reaches its threshold and is the most probable of
those that do. Suspects are proposals for a second look, never removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from merc.errors import InputError
from merc.options import between

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class SuspectOptions:
    """How the model is fitted; raises InputError out of range."""

    folds: int = 5
    """Parts of the conversations, each predicted by a model of the others: the usual trade of time for data."""
    strength: float = 1.0
    """Inverse of the ridge penalty on standardised vectors times the number of columns; small values shrink more."""
    iterations: int = 200
    """Most steps of the fit; it ends earlier when it has converged."""
    seed: int = 0
    """Shuffles the conversations into folds."""

    def __post_init__(self) -> None:
        between(2, 100, scope="suspects", folds=self.folds)
        between(1e-6, 1e6, scope="suspects", strength=self.strength)
        between(1, 100_000, scope="suspects", iterations=self.iterations)


def suspected_labels(
    ids: Sequence[str],
    vectors: np.ndarray,
    labels: Sequence[str],
    *,
    groups: Sequence[str],
    options: SuspectOptions | None = None,
) -> pl.DataFrame:
    """Rank labelled utterances by how much a model doubts their label, the most doubtful first.

    ``vectors`` are (n, d), ``groups`` name the conversations. Columns: utterance, label, suggested (the most probable
    other label), confidence (probability of the label given), margin (confidence − probability of the suggested one),
    suspected. Raises InputError for lengths that differ, numbers that are not finite, or fewer groups than folds.
    """
    import polars as pl

    options = options or SuspectOptions()
    vectors = _checked(ids, vectors, labels, groups, options)
    names, given = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    probabilities = out_of_fold(vectors, given, np.asarray(groups, dtype=str), options=options)
    rows = np.arange(len(given))
    confidence = probabilities[rows, given]
    others = probabilities.copy()
    others[rows, given] = -1.0
    suggested = others.argmax(axis=1)
    table = pl.DataFrame(
        {
            "utterance": list(ids),
            "label": names[given].tolist(),
            "suggested": names[suggested].tolist(),
            "confidence": confidence,
            "margin": confidence - others[rows, suggested],
            "suspected": confidently(probabilities, given) != given,
        }
    )
    return table.sort("margin", "utterance")


def confidently(probabilities: np.ndarray, given: np.ndarray) -> np.ndarray:
    """The class that each row confidently belongs to, else the one given: (n,) int.

    A row may belong to classes whose probability (n, classes) reaches the mean that rows given that class have; of
    several the most probable counts.
    """
    classes = probabilities.shape[1]
    counts = np.bincount(given, minlength=classes)
    sums = np.bincount(given, probabilities[np.arange(len(given)), given], minlength=classes)
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    best: np.ndarray = np.where(reached.max(axis=1) > 0, reached.argmax(axis=1), given)
    return best


def out_of_fold(
    vectors: np.ndarray,
    given: np.ndarray,
    groups: np.ndarray,
    *,
    options: SuspectOptions,
) -> np.ndarray:
    """Probabilities (n, classes) of each row from a logistic regression fitted without its group's fold.

    ``vectors`` (n, d), ``given`` (n,) int from 0. On one thread, so that the same input gives the same bytes.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    fold = _folds(groups, options)
    probabilities = np.zeros((len(given), int(given.max()) + 1))
    with threadpool_limits(1):
        for number in range(options.folds):
            held = fold == number
            penalty = options.strength / vectors.shape[1]
            model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=options.iterations))
            if len(np.unique(given[~held])) < 2:
                raise InputError(f"fold {number + 1} of {options.folds} leaves one label to learn; use fewer folds")
            model.fit(vectors[~held], given[~held])
            probabilities[np.ix_(held, model.classes_)] = model.predict_proba(vectors[held])
    return probabilities


def _folds(groups: np.ndarray, options: SuspectOptions) -> np.ndarray:
    """A fold number for each row: shuffled groups, dealt so that the folds stay about equal in rows."""
    names, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(options.seed).permutation(len(names))
    sizes, chosen = np.zeros(options.folds), np.zeros(len(names), np.int64)
    for name in order:
        chosen[name] = int(sizes.argmin())
        sizes[chosen[name]] += counts[name]
    folds: np.ndarray = chosen[index]
    return folds


def _checked(
    ids: Sequence[str], vectors: np.ndarray, labels: Sequence[str], groups: Sequence[str], options: SuspectOptions
) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    if vectors.ndim != 2 or not len(ids) == len(vectors) == len(labels) == len(groups):
        raise InputError(
            f"{len(ids)} utterances, vectors of shape {vectors.shape}, {len(labels)} labels, {len(groups)} groups: "
            "expected one of each an utterance"
        )
    if not np.isfinite(vectors).all():
        number = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise InputError(f"vector of utterance '{ids[number]}' is not finite; leave out utterances without a vector")
    if len(set(groups)) < options.folds:
        raise InputError(f"labelled conversations: {len(set(groups))}; expected {options.folds}, one a fold, or more")
    return vectors
