"""Intervals of predicted values: each equal to a plain bootstrap over dialogues, and they cover."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from merc.errors import InputError
from merc.evaluation import resampling
from merc.evaluation.metrics import (
    REGRESSION,
    SENTIMENT_METRICS,
    acc2,
    acc2_nonzero,
    acc7,
    ccc,
    kendall_tau,
    mae,
    pearson,
    ranking_accuracy,
)
from merc.evaluation.metrics.ranks import pair_counts
from merc.evaluation.resampling import Runs, ValueRuns, estimate, resampled, runs_of
from merc.evaluation.scoring import Values
from merc.evaluation.significance import compare
from tests.evaluation.made_corpora import answered

PLAIN = {
    "ccc": ccc,
    "pearson": pearson,
    "mae": mae,
    "kendall_tau": kendall_tau,
    "ranking_accuracy": ranking_accuracy,
}


def rated(noise: float, *, seed: int = 0, truth: int = 0, dialogues: int = 20, turns: int = 8) -> Values:
    count = dialogues * turns
    true = np.random.default_rng(truth).normal(size=(count, 2))
    predicted = true + noise * np.random.default_rng([seed, 1]).normal(size=(count, 2))
    true[::5, 1] = np.nan
    dialogue = tuple(f"d{n // turns:02}" for n in range(count))
    return Values(("valence", "activation"), tuple(f"u{n}" for n in range(count)), true, predicted, dialogue, dialogue)


def test_every_metric_of_values_is_tested() -> None:
    assert set(PLAIN) == set(REGRESSION)


@pytest.mark.parametrize("metric", REGRESSION)
def test_a_resample_is_the_metric_of_the_drawn_dialogues(metric: str) -> None:
    run = rated(0.7)
    found = resampled(ValueRuns("a", (run,)), metric=metric, resamples=3, seed=4)
    times = np.random.default_rng(4).multinomial(20, np.full(20, 1 / 20), size=3)
    for place in range(3):
        rows = [8 * d + k for d, m in enumerate(times[place]) for _ in range(m) for k in range(8)]
        plain = [PLAIN[metric](run.true[rows, a], run.predicted[rows, a]) for a in range(2)]
        assert found[place] == pytest.approx(np.mean(plain)), metric


@pytest.mark.parametrize("metric", SENTIMENT_METRICS)
def test_a_resample_of_a_sentiment_is_the_metric_of_the_drawn_dialogues(metric: str) -> None:
    both = rated(0.7)
    run = replace(both, dimensions=("sentiment",), true=both.true[:, 1:].round(), predicted=both.predicted[:, 1:])
    found = resampled(ValueRuns("a", (run,)), metric=metric, resamples=3, seed=4)
    times = np.random.default_rng(4).multinomial(20, np.full(20, 1 / 20), size=3)
    for place in range(3):
        rows = [8 * d + k for d, m in enumerate(times[place]) for _ in range(m) for k in range(8)]
        plain = {"acc2": acc2, "acc2_nonzero": acc2_nonzero, "acc7": acc7}[metric]
        assert found[place] == pytest.approx(plain(run.true[rows, 0], run.predicted[rows, 0]))


def test_an_estimate_has_mean_sd_and_interval() -> None:
    runs = ValueRuns("a", (rated(0.5, seed=1), rated(0.5, seed=2)))
    found = estimate(runs, metric="ccc", resamples=500)
    each = [np.mean([ccc(run.true[:, a], run.predicted[:, a]) for a in range(2)]) for run in runs.seeds]
    assert (found.mean, found.sd, found.n) == pytest.approx((np.mean(each), np.std(each, ddof=1), 2))
    assert -1 <= found.low < found.mean < found.high <= 1
    assert runs.by_dimension("ccc").shape == (2, 2)


def test_the_interval_covers_the_true_correlation() -> None:
    true_r = 1 / np.sqrt(1 + 0.7**2)
    hits = 0
    for n in range(100):
        run = rated(0.7, seed=n + 1, truth=n + 1, dialogues=40)
        found = estimate(ValueRuns("a", (run,)), metric="pearson", resamples=300)
        hits += found.low <= true_r <= found.high
    assert 86 <= hits <= 100, hits


def test_negative_figures_are_figures() -> None:
    run = rated(0.2)
    found = estimate(ValueRuns("a", (replace(run, predicted=-run.predicted),)), metric="kendall_tau", resamples=100)
    assert found.high < 0


@pytest.mark.parametrize(("metric", "better"), [("ccc", "good"), ("mae", "good")])
def test_the_better_system_is_found_also_where_lower_is_better(metric: str, better: str) -> None:
    good, bad = ValueRuns("good", (rated(0.3),)), ValueRuns("bad", (rated(1.5, seed=9),))
    found = compare(bad, good, metric=metric, resamples=500)
    assert found.better == better
    assert found.mcnemar is None


def test_kinds_are_not_mixed() -> None:
    assert isinstance(runs_of("a", [answered(right=0.5, seed=0)]), Runs)
    assert isinstance(runs_of("a", [rated(1.0)]), ValueRuns)
    with pytest.raises(InputError, match="metric 'accuracy' of predicted values of valence, activation: expected one"):
        estimate(ValueRuns("a", (rated(1.0),)), metric="accuracy")
    with pytest.raises(InputError, match="metric 'acc7' of predicted values of valence, activation"):
        estimate(ValueRuns("a", (rated(1.0),)), metric="acc7")
    with pytest.raises(InputError, match="system 'a': run 1 has labels valence"):
        ValueRuns("a", (replace(rated(1.0), dimensions=("x", "y")), rated(1.0)))


def test_a_dialogue_that_moves_together_widens_the_interval() -> None:
    run = rated(0.7)
    shift = np.repeat(np.random.default_rng(3).normal(size=20), 8)[:, None]
    together = replace(run, predicted=run.predicted + shift)
    alone = replace(together, dialogues=tuple(run.ids))
    by_dialogue = resampled(ValueRuns("a", (together,)), metric="mae", resamples=2000).std()
    by_turn = resampled(ValueRuns("a", (alone,)), metric="mae", resamples=2000).std()
    assert by_dialogue > 1.3 * by_turn


def test_pairs_are_counted_once_whatever_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []

    def counting(*args: np.ndarray, count: int) -> np.ndarray:
        counted.append(count)
        return pair_counts(*args, count=count)

    monkeypatch.setattr(resampling, "pair_counts", counting)
    resampling._counted.cache_clear()
    run = rated(0.5, seed=7)
    for metric in ("kendall_tau", "ranking_accuracy"):
        found = estimate(ValueRuns("a", (run,)), metric=metric, resamples=50).mean
        assert found == pytest.approx(np.mean([PLAIN[metric](run.true[:, n], run.predicted[:, n]) for n in (0, 1)]))
    assert counted == [20, 20], "once a dimension"
