"""Bootstrap over dialogues: how far a figure would move with other dialogues of the same kind.

Utterances of one dialogue depend on each other, so dialogues are drawn, with replacement. A dialogue is kept as what
its part of a metric needs (confusion matrix, moments, counts of pairs), which makes ten thousand resamples one matrix
product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

import numpy as np

from merc.errors import InputError
from merc.evaluation.metrics import DIMENSION_METRICS, SENTIMENT_METRICS, figures, metrics_of
from merc.evaluation.metrics.dimensions import figures_of_moments, moments
from merc.evaluation.metrics.ranks import figures_of_pairs, pair_counts
from merc.evaluation.metrics.sentiment import counts, figures_of_counts
from merc.evaluation.scoring import Answers, Values, columns

_CHUNK = 1000  # resamples held at once: memory stays flat

T = TypeVar("T", Answers, Values)


@dataclass(frozen=True, slots=True)
class _Runs(Generic[T]):
    """What one system predicted for one test set.

    Args:
        name: Of the system.
        seeds: Its answers, one entry a seed, all on the same utterances.

    Raises:
        InputError: There is no run, or seeds differ in utterances, annotation or label set.
    """

    name: str
    seeds: tuple[T, ...]

    def __post_init__(self) -> None:
        if not self.seeds:
            raise InputError(f"system '{self.name}': no run; expected the answers of at least one seed")
        for place, run in enumerate(self.seeds[1:], 1):
            refuse_other_items(self.seeds[0], run, f"system '{self.name}': run {place}", "run 0")

    @property
    def dialogues(self) -> int:
        """How many dialogues there are to draw from."""
        return len(set(self.seeds[0].dialogues))


@dataclass(frozen=True, slots=True)
class Runs(_Runs[Answers]):
    """The predicted labels of one system on one test set.

    Example:
        >>> run = Answers(("joy", "sad"), ("u1",), np.array([0]), np.array([0]), ("c1",), (None,))
        >>> Runs("concat", (run, run)).figures("accuracy").tolist()
        [1.0, 1.0]
    """

    def figures(self, metric: str) -> np.ndarray:
        """A figure on the whole set.

        Args:
            metric: Name in ``merc.evaluation.metrics.STATISTICS``.

        Returns:
            That of each seed: ``(seeds,)``.
        """
        return figures(np.stack([run.matrix for run in self.seeds]).astype(np.float64), metric)


@dataclass(frozen=True, slots=True)
class ValueRuns(_Runs[Values]):
    """The predicted values of one system on one test set: one entry a seed, all on the same utterances."""

    def figures(self, metric: str) -> np.ndarray:
        """The figure of each seed on the whole set, the mean over dimensions: ``(seeds,)``."""
        result: np.ndarray = self.by_dimension(metric).mean(1)
        return result

    def by_dimension(self, metric: str) -> np.ndarray:
        """The figure of each seed and dimension: ``(seeds, dimensions)``; raises InputError for other metrics."""
        _refuse_other_metric(metric, self)
        groups = np.zeros(len(self.seeds[0]), dtype=np.int64)
        return np.array(
            [
                [
                    _figures_of_sums(_sums(true, predicted, groups, count=1, metric=metric)[0], metric)
                    if metric in (*DIMENSION_METRICS, *SENTIMENT_METRICS)
                    else figures_of_pairs(_pairs(run, true, predicted).sum((0, 1)), metric)
                    for true, predicted in zip(run.true.T, run.predicted.T, strict=True)
                ]
                for run in self.seeds
            ]
        )


AnyRuns = Runs | ValueRuns


def runs_of(name: str, seeds: Sequence[T]) -> AnyRuns:
    """The runs of a system, of labels or of values as its answers are."""
    kept = tuple(seeds)
    if all(isinstance(run, Values) for run in kept):
        return ValueRuns(name, kept)  # type: ignore[arg-type]
    return Runs(name, kept)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over seeds: its mean, standard deviation (None for one seed), number of seeds and 95 % interval.

    The interval is that of the mean over seeds when dialogues are drawn again; ``sd`` is what seeds alone do.
    """

    mean: float
    sd: float | None
    n: int
    low: float
    high: float


def estimate(runs: AnyRuns, *, metric: str, resamples: int = 10_000, seed: int = 0) -> Estimate:
    """Mean, standard deviation and percentile interval of a figure.

    Args:
        runs: Predicted labels or values of a system.
        metric: Name in ``merc.evaluation.metrics.NAMES``.
        resamples: How often dialogues are drawn.
        seed: Of the draws.

    Returns:
        The figure over seeds with its 95 % interval over dialogues.

    Raises:
        InputError: A metric of the other kind.

    Example:
        >>> run = Answers(("joy", "sad"), ("u1",), np.array([0]), np.array([0]), ("c1",), (None,))
        >>> estimate(Runs("concat", (run,)), metric="accuracy", resamples=10).mean
        1.0
    """
    values = runs.figures(metric)
    drawn = resampled(runs, metric=metric, resamples=resamples, seed=seed)
    defined = bool(np.isfinite(drawn).any())  # the correlation of a constant is not
    low, high = np.nanpercentile(drawn, [2.5, 97.5]) if defined else (np.nan, np.nan)
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    return Estimate(float(values.mean()), sd, len(values), float(low), float(high))


def resampled(runs: AnyRuns, *, metric: str, resamples: int = 10_000, seed: int = 0) -> np.ndarray:
    """The mean over seeds (and dimensions) of a figure in each resample: ``(resamples,)``.

    Systems on the same dialogues meet the same resamples under the same seed, so their values can be subtracted.
    """
    if resamples < 1:
        raise InputError(f"{resamples} resamples: expected at least 1, better 1000")
    if isinstance(runs, Runs):
        tables = by_dialogue(runs)  # (dialogues, seeds, classes, classes)
        flat = tables.reshape(len(tables), -1).astype(np.float32)  # whole numbers below 2**24 are exact
        return np.concatenate(
            [
                figures(
                    (times.astype(np.float32) @ flat).reshape(-1, *tables.shape[1:]).astype(np.float64), metric
                ).mean(-1)
                for times in _drawn(len(tables), resamples, seed)
            ]
        )
    _refuse_other_metric(metric, runs)
    return (
        _sums_resampled(runs, metric, resamples, seed)
        if metric in (*DIMENSION_METRICS, *SENTIMENT_METRICS)
        else _pairs_resampled(runs, metric, resamples, seed)
    )


def _drawn(count: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each dialogue is in each resample, ``(chunk, count)``, a chunk at a time."""
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, _CHUNK):
        yield generator.multinomial(count, np.full(count, 1 / count), size=min(_CHUNK, resamples - start))


def _sums(true: np.ndarray, predicted: np.ndarray, groups: np.ndarray, *, count: int, metric: str) -> np.ndarray:
    """What a metric needs of each group, ``(count, sums)``: counts of a sentiment, or moments."""
    made = counts if metric in SENTIMENT_METRICS else moments
    return made(true, predicted, groups, count=count)


def _figures_of_sums(sums: np.ndarray, metric: str) -> np.ndarray:
    return (figures_of_counts if metric in SENTIMENT_METRICS else figures_of_moments)(sums, metric)


def _sums_resampled(runs: ValueRuns, metric: str, resamples: int, seed: int) -> np.ndarray:
    groups, count = _places(runs.seeds[0])
    sums = np.stack(
        [
            _sums(t, p, groups, count=count, metric=metric)
            for run in runs.seeds
            for t, p in zip(run.true.T, run.predicted.T, strict=True)
        ],
        axis=1,
    )  # (dialogues, seeds x dimensions, sums)
    return np.concatenate(
        [
            _figures_of_sums(np.tensordot(times.astype(np.float64), sums, axes=1), metric).mean(-1)
            for times in _drawn(count, resamples, seed)
        ]
    )


def _pairs_resampled(runs: ValueRuns, metric: str, resamples: int, seed: int) -> np.ndarray:
    """Counts of pairs are quadratic in the number of dialogues, so each seed and dimension has its turn."""
    _, count = _places(runs.seeds[0])
    layers = []
    for run in runs.seeds:
        for true, predicted in zip(run.true.T, run.predicted.T, strict=True):
            counts = np.moveaxis(_pairs(run, true, predicted), -1, 0)  # (PAIRS, dialogues, dialogues)
            layers.append(
                np.concatenate(
                    [
                        figures_of_pairs(((t @ counts) * t).sum(-1).T, metric)
                        for t in (times.astype(np.float64) for times in _drawn(count, resamples, seed))
                    ]
                )
            )
    result: np.ndarray = np.mean(layers, axis=0)
    return result


def _pairs(run: Values, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """The counts of one dimension, ``(dialogues, dialogues, PAIRS)``: the same for every metric and resample."""
    places, _ = _places(run)
    return _counted(true.astype(np.float64).tobytes(), predicted.astype(np.float64).tobytes(), places.tobytes())


@lru_cache(maxsize=64)
def _counted(true: bytes, predicted: bytes, places: bytes) -> np.ndarray:
    groups = np.frombuffer(places, np.int64)
    annotated, guessed = np.frombuffer(true, np.float64), np.frombuffer(predicted, np.float64)
    found = pair_counts(annotated, guessed, groups, count=int(groups.max()) + 1)
    found.flags.writeable = False
    return found


def _places(run: Answers | Values) -> tuple[np.ndarray, int]:
    """The number of each utterance's dialogue, in alphabetical order, and how many there are."""
    names, places = np.unique(np.asarray(run.dialogues), return_inverse=True)
    return places, len(names)


def by_dialogue(runs: Runs) -> np.ndarray:
    """Confusion matrices ``(dialogues, seeds, classes, classes)``, dialogues in alphabetical order."""
    first = runs.seeds[0]
    classes = len(first.labels)
    places, _ = _places(first)
    layers = [_tables(run, places, classes) for run in runs.seeds]
    return np.stack(layers, axis=1)


def _tables(run: Answers, places: np.ndarray, classes: int) -> np.ndarray:
    cells = (places * classes + run.true) * classes + run.predicted
    counted = np.bincount(cells, minlength=(int(places.max()) + 1) * classes * classes)
    return counted.reshape(-1, classes, classes)


def _refuse_other_metric(metric: str, runs: ValueRuns) -> None:
    dimensions = runs.seeds[0].dimensions
    if metric not in (known := metrics_of(dimensions)):
        raise InputError(
            f"metric '{metric}' of predicted values of {', '.join(dimensions)}: expected one of {', '.join(known)}"
        )


def refuse_other_items(first: Answers | Values, second: Answers | Values, name: str, reference: str) -> None:
    """Raise InputError where two sets of answers are not on the same utterances with the same annotation."""
    if columns(first) != columns(second):
        raise InputError(f"{name} has labels {', '.join(columns(second))}, {reference} has {', '.join(columns(first))}")
    if first.ids != second.ids:
        other = sorted(set(first.ids) ^ set(second.ids))
        found = f"first difference '{other[0]}'" if other else "in another order"
        raise InputError(
            f"{name} is on {len(second)} utterances, {reference} on {len(first)}, {found}: expected the same"
        )
    if first.dialogues != second.dialogues or not np.array_equal(first.true, second.true, equal_nan=True):
        raise InputError(f"{name} has other annotated labels or dialogues than {reference}: expected one protocol")


def majority(runs: Sequence[Answers]) -> np.ndarray:
    """The label that most seeds predict for each utterance, as a number; the first of the label set among equals."""
    classes = len(runs[0].labels)
    votes = sum(np.eye(classes, dtype=np.int64)[run.predicted] for run in runs)
    result: np.ndarray = np.argmax(votes, axis=1)
    return result
