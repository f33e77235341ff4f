"""Tests of the difference between systems: is it more than the choice of dialogues would make?

Paired bootstrap over dialogues on the mean over seeds (Efron and Tibshirani 1993, chapter 16), McNemar's test on single
utterances (exact, or mid-p after Fagerland et al. 2013), and Holm's correction where many pairs are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from merc.errors import InputError
from merc.evaluation.metrics import LOWER_IS_BETTER
from merc.evaluation.resampling import AnyRuns, Runs, majority, refuse_other_items, resampled

LEVEL = 0.05
"""Below this adjusted p a difference is called significant."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """``first`` minus ``second`` on one figure, with its 95 % interval and two-sided p, over resampled dialogues.

    ``p_adjusted`` is p after Holm's correction for all pairs compared together (p itself for one pair). ``mcnemar`` is
    the mid-p of McNemar's test on the label that most seeds predict: it tests accuracy, takes utterances for
    independent, and is a second opinion only; None where values are predicted, not labels.
    """

    first: str
    second: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float
    mcnemar: float | None

    @property
    def significant(self) -> bool:
        """Whether the adjusted p is below LEVEL."""
        return self.p_adjusted < LEVEL

    @property
    def better(self) -> str | None:
        """The name of the significantly better system, or None."""
        if not self.significant:
            return None
        return self.first if (self.difference > 0) != (self.metric in LOWER_IS_BETTER) else self.second


def compare(
    first: AnyRuns, second: AnyRuns, *, metric: str = "weighted_f1", resamples: int = 10_000, seed: int = 0
) -> Comparison:
    """Compare two systems on the same test utterances.

    Args:
        first: Answers of a system, one entry a seed.
        second: Those of the other one.
        metric: Name in ``merc.evaluation.metrics.NAMES``.
        resamples: How often dialogues are drawn.
        seed: Of the draws.

    Returns:
        First minus second, with its interval and p.

    Raises:
        InputError: Utterances differ, fewer than two dialogues can be drawn, or the metric is not known.

    Example:
        >>> from merc.evaluation.scoring import Answers
        >>> given = ("joy", "sad"), ("u1", "u2"), np.array([0, 1])
        >>> one, other = (Answers(*given, np.array(said), ("c1", "c2"), (None,) * 2) for said in ([0, 1], [0, 0]))
        >>> compare(Runs("a", (one,)), Runs("b", (other,)), metric="accuracy").difference
        0.5
    """
    return compare_all([first, second], metric=metric, resamples=resamples, seed=seed)[0]


def compare_all(
    systems: Sequence[AnyRuns], *, metric: str = "weighted_f1", resamples: int = 10_000, seed: int = 0
) -> list[Comparison]:
    """Compare every pair of systems, in the order given, with Holm's correction over all pairs."""
    for other in systems[1:]:
        refuse_other_items(systems[0].seeds[0], other.seeds[0], f"'{other.name}'", f"'{systems[0].name}'")
    if systems and systems[0].dialogues < 2:
        raise InputError("one dialogue only: differences cannot be tested by drawing dialogues; expected two or more")
    draws = [resampled(runs, metric=metric, resamples=resamples, seed=seed) for runs in systems]
    means = [float(runs.figures(metric).mean()) for runs in systems]
    pairs = []
    for a, b in combinations(range(len(systems)), 2):
        spread = draws[a] - draws[b]
        difference = means[a] - means[b]
        low, high = np.nanpercentile(spread, [2.5, 97.5])
        p = _two_sided(spread, difference)
        names = systems[a].name, systems[b].name
        pair = Comparison(*names, metric, difference, float(low), float(high), p, p, _mcnemar(systems[a], systems[b]))
        pairs.append(pair)
    adjusted = holm([pair.p for pair in pairs])
    return [replace(pair, p_adjusted=value) for pair, value in zip(pairs, adjusted, strict=True)]


def holm(values: Sequence[float]) -> list[float]:
    """P values adjusted for their number by Holm's step-down method (1979).

    Args:
        values: P values in [0, 1].

    Returns:
        The adjusted p values, in the same order.

    Raises:
        InputError: A value outside [0, 1].

    Example:
        >>> [round(p, 2) for p in holm([0.04, 0.01, 0.03])]
        [0.06, 0.03, 0.06]
    """
    if any(not 0 <= value <= 1 for value in values):
        raise InputError(f"p values {list(values)}: expected numbers from 0 to 1")
    order = sorted(range(len(values)), key=lambda place: values[place])
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = largest
    return adjusted


def mcnemar(first_right: np.ndarray, second_right: np.ndarray, *, exact: bool = False) -> float:
    """Two-sided p of McNemar's test: bool ``(n,)`` each, True where a system's label is the annotated one.

    Mid-p by default, which keeps its level and is less timid than the exact test; 1.0 where the systems never differ.
    Raises InputError for arrays of different length.
    """
    from scipy.stats import binom

    first, second = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    if first.shape != second.shape or first.ndim != 1:
        raise InputError(f"right answers of shapes {first.shape} and {second.shape}: expected two lists of one length")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    total, fewer = only_first + only_second, min(only_first, only_second)
    if only_first == only_second:
        return 1.0
    tail = float(binom.cdf(fewer, total, 0.5))
    return min(1.0, 2 * tail if exact else 2 * tail - float(binom.pmf(fewer, total, 0.5)))


def _mcnemar(first: AnyRuns, second: AnyRuns) -> float | None:
    if not (isinstance(first, Runs) and isinstance(second, Runs)):
        return None
    true = first.seeds[0].true
    return mcnemar(majority(first.seeds) == true, majority(second.seeds) == true)


def _two_sided(spread: np.ndarray, difference: float) -> float:
    """Share of resamples at least as far from the difference found as that is from zero; never quite 0."""
    defined = spread[np.isfinite(spread)]
    further = int((np.abs(defined - difference) >= abs(difference) - 1e-12).sum())
    return (1 + further) / (1 + len(defined))
