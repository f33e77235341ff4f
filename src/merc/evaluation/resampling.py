"""Whole dialogues drawn again with replacement: how far a figure would move with other dialogues of the same kind.

Utterances of one dialogue depend on each other, so dialogues are the unit. Each is kept as its confusion matrix, which
makes ten thousand resamples one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merc.errors import InputError
from merc.evaluation.metrics import figures
from merc.evaluation.scoring import Answers

_CHUNK = 1000  # resamples held at once: memory stays flat


@dataclass(frozen=True, slots=True)
class Runs:
    """What one system answered on one test set: one entry a seed, all on the same utterances.

    Raises InputError without a run, and where seeds differ in utterances, annotated labels or label set.
    """

    name: str
    seeds: tuple[Answers, ...]

    def __post_init__(self) -> None:
        if not self.seeds:
            raise InputError(f"system '{self.name}': no run; expected the answers of at least one seed")
        for place, run in enumerate(self.seeds[1:], 1):
            refuse_other_items(self.seeds[0], run, f"system '{self.name}': run {place}", "run 0")

    @property
    def dialogues(self) -> int:
        """How many dialogues there are to draw from."""
        return len(set(self.seeds[0].dialogues))

    def figures(self, metric: str) -> np.ndarray:
        """The figure of each seed on the whole set: ``(seeds,)``."""
        return figures(np.stack([run.matrix for run in self.seeds]).astype(np.float64), metric)


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


def estimate(runs: Runs, *, metric: str, resamples: int = 10_000, seed: int = 0) -> Estimate:
    """Mean, sd and percentile interval of a figure of STATISTICS."""
    values = runs.figures(metric)
    low, high = np.nanpercentile(resampled(runs, metric=metric, resamples=resamples, seed=seed), [2.5, 97.5])
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    return Estimate(float(values.mean()), sd, len(values), float(low), float(high))


def resampled(runs: Runs, *, metric: str, resamples: int = 10_000, seed: int = 0) -> np.ndarray:
    """The mean over seeds of a figure in each resample: ``(resamples,)``.

    Systems on the same dialogues meet the same resamples under the same seed, so their values can be subtracted.
    """
    if resamples < 1:
        raise InputError(f"{resamples} resamples: expected at least 1, better 1000")
    tables = by_dialogue(runs)  # (dialogues, seeds, classes, classes)
    count, shape = len(tables), tables.shape[1:]
    flat = tables.reshape(count, -1).astype(np.float32)  # whole numbers below 2**24 are exact
    generator = np.random.default_rng(seed)
    pieces = []
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        times = generator.multinomial(count, np.full(count, 1 / count), size=size).astype(np.float32)
        matrices = (times @ flat).reshape(size, *shape).astype(np.float64)
        pieces.append(figures(matrices, metric).mean(-1))
    return np.concatenate(pieces)


def by_dialogue(runs: Runs) -> np.ndarray:
    """Confusion matrices ``(dialogues, seeds, classes, classes)``, dialogues in alphabetical order."""
    first = runs.seeds[0]
    classes = len(first.labels)
    _, places = np.unique(np.asarray(first.dialogues), return_inverse=True)
    layers = [_tables(run, places, classes) for run in runs.seeds]
    return np.stack(layers, axis=1)


def _tables(run: Answers, places: np.ndarray, classes: int) -> np.ndarray:
    cells = (places * classes + run.true) * classes + run.predicted
    counted = np.bincount(cells, minlength=(int(places.max()) + 1) * classes * classes)
    return counted.reshape(-1, classes, classes)


def refuse_other_items(first: Answers, second: Answers, name: str, beside: str) -> None:
    """Raise InputError where two sets of answers are not on the same utterances with the same annotated labels."""
    if first.labels != second.labels:
        raise InputError(f"{name} has labels {', '.join(second.labels)}, {beside} has {', '.join(first.labels)}")
    if first.ids != second.ids:
        other = sorted(set(first.ids) ^ set(second.ids))
        found = f"first difference '{other[0]}'" if other else "in another order"
        raise InputError(f"{name} is on {len(second)} utterances, {beside} on {len(first)}, {found}: expected the same")
    if first.dialogues != second.dialogues or not np.array_equal(first.true, second.true):
        raise InputError(f"{name} has other annotated labels or dialogues than {beside}: expected one protocol")


def majority(runs: Sequence[Answers]) -> np.ndarray:
    """The label that most seeds predict for each utterance, as a number; the first of the label set among equals."""
    classes = len(runs[0].labels)
    votes = sum(np.eye(classes, dtype=np.int64)[run.predicted] for run in runs)
    result: np.ndarray = np.argmax(votes, axis=1)
    return result
