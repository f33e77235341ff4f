"""Intervals cover, tests keep their level, and both equal their oracles."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from merc.errors import InputError
from merc.evaluation.metrics import STATISTICS, bootstrap, figures
from merc.evaluation.resampling import Runs, by_dialogue, estimate, majority, resampled
from merc.evaluation.scoring import Answers
from merc.evaluation.significance import compare, compare_all, holm, mcnemar
from tests.evaluation.made_corpora import answered, runs

COUNTS = st.lists(st.integers(0, 9), min_size=18, max_size=18)


@given(COUNTS)
def test_figures_of_many_matrices_are_those_of_each(counts: list[int]) -> None:
    matrices = np.array(counts, dtype=np.float64).reshape(2, 3, 3)
    for name, statistic in STATISTICS.items():
        np.testing.assert_allclose(figures(matrices, name), [statistic(matrix) for matrix in matrices])


def test_unknown_metric_is_named() -> None:
    with pytest.raises(InputError, match="metric 'f1': expected one of accuracy"):
        figures(np.eye(2), "f1")


def test_dialogue_tables_sum_to_the_whole() -> None:
    system = runs("a", right=0.7)
    tables = by_dialogue(system)
    assert tables.shape == (40, 3, 4, 4)
    for place, run in enumerate(system.seeds):
        np.testing.assert_array_equal(tables[:, place].sum(0), run.matrix)


def test_estimate_agrees_with_the_plain_bootstrap() -> None:
    run = answered(right=0.7, seed=0)
    found = estimate(Runs("a", (run,)), metric="weighted_f1", resamples=4000)
    plain = bootstrap(run.true, run.predicted, STATISTICS, classes=4, groups=run.dialogues, resamples=4000)[
        "weighted_f1"
    ]
    assert found.mean == pytest.approx(plain.value)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.004)
    assert found.sd is None


def test_mean_and_sd_are_over_seeds() -> None:
    system = runs("a", right=0.7, seeds=range(5))
    values = [STATISTICS["accuracy"](run.matrix) for run in system.seeds]
    found = estimate(system, metric="accuracy", resamples=100)
    assert (found.mean, found.sd, found.n) == pytest.approx((np.mean(values), np.std(values, ddof=1), 5))


def test_resamples_repeat_and_are_shared_by_systems() -> None:
    a, b = runs("a", right=0.7), runs("b", right=0.7)
    np.testing.assert_array_equal(resampled(a, metric="accuracy"), resampled(b, metric="accuracy"))
    with pytest.raises(InputError, match="0 resamples: expected at least 1"):
        resampled(a, metric="accuracy", resamples=0)


def test_a_real_difference_is_found_and_none_is_not() -> None:
    a, b = runs("a", right=0.8), runs("b", right=0.6, seeds=(5, 6, 7))
    found = compare(a, b, resamples=2000)
    assert found.low < found.difference < found.high
    assert found.low > 0
    assert found.p < 0.01
    assert found.mcnemar < 0.01
    assert found.better == "a"
    turned = compare(b, a, resamples=2000)
    assert (turned.difference, turned.p) == pytest.approx((-found.difference, found.p))
    same = compare(a, replace(a, name="c"), resamples=500)
    assert (same.difference, same.p, same.mcnemar, same.better) == (0, 1, 1, None)


def test_the_level_is_kept_when_systems_are_equal() -> None:
    rejected = sum(
        compare(
            runs("a", right=0.6, seeds=(n,), truth=n), runs("b", right=0.6, seeds=(n + 1000,), truth=n), resamples=400
        ).p
        < 0.05
        for n in range(200)
    )
    assert 3 <= rejected <= 20


def test_the_interval_covers_the_true_value() -> None:
    right = 0.6 + 0.4 / 4
    hits = 0
    for n in range(200):
        found = estimate(runs("a", right=0.6, seeds=(n,), truth=n), metric="accuracy", resamples=300)
        hits += found.low <= right <= found.high
    assert 180 <= hits <= 199


def test_ten_thousand_resamples_take_a_moment() -> None:
    def system(name: str, shift: int) -> Runs:
        seeds = tuple(answered(right=0.6, seed=n + shift, dialogues=280, turns=9) for n in range(5))
        return Runs(name, tuple(replace(run, labels=tuple("abcdefg")) for run in seeds))

    started = time.process_time()
    compare(system("a", 0), system("b", 10), resamples=10_000)
    assert time.process_time() - started < 3


def test_many_systems_are_corrected() -> None:
    systems = [runs(f"s{n}", right=0.6, seeds=(10 * n, 10 * n + 1)) for n in range(4)]
    found = compare_all(systems, metric="accuracy", resamples=500)
    assert [(pair.first, pair.second) for pair in found][:3] == [("s0", "s1"), ("s0", "s2"), ("s0", "s3")]
    assert len(found) == 6
    assert [pair.p_adjusted for pair in found] == holm([pair.p for pair in found])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_ordered_and_never_smaller(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(p <= a <= 1 for p, a in zip(values, adjusted, strict=True))
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()
    assert min(adjusted) == pytest.approx(min(1, len(values) * min(values)))


def test_holm_known_values() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    with pytest.raises(InputError, match="expected numbers from 0 to 1"):
        holm([0.5, float("nan")])


@settings(max_examples=40)
@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_equals_the_binomial_test(first: int, second: int) -> None:
    a = np.repeat([True, False, True], [first, second, 5])
    b = np.repeat([False, True, True], [first, second, 5])
    exact = stats.binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    assert mcnemar(a, b, exact=True) == pytest.approx(exact)
    assert mcnemar(a, b) <= mcnemar(a, b, exact=True)
    assert mcnemar(a, b) == mcnemar(b, a)


def test_mid_p_known_value() -> None:
    a, b = np.repeat([True, False], [1, 9]), np.repeat([False, True], [1, 9])
    assert mcnemar(a, b) == pytest.approx(2 * (1 + 10) / 1024 - 10 / 1024)
    with pytest.raises(InputError, match="expected two lists of one length"):
        mcnemar(a, b[1:])


def test_majority_takes_the_first_label_among_equals() -> None:
    seeds = [answered(right=1, seed=0, dialogues=1, turns=3) for _ in range(2)]
    votes = [np.array([3, 1, 2]), np.array([0, 1, 3])]
    voted = [replace(run, predicted=vote) for run, vote in zip(seeds, votes, strict=True)]
    assert majority(voted).tolist() == [0, 1, 2]


def test_other_items_are_refused() -> None:
    a = runs("a", right=0.7)
    with pytest.raises(InputError, match="'b' is on 390 utterances, 'a' on 400, first difference 'u390'"):
        compare(a, Runs("b", (answered(right=0.7, seed=0, dialogues=39),)))
    with pytest.raises(InputError, match="'b' has other annotated labels or dialogues than 'a'"):
        compare(a, runs("b", right=0.7, truth=9))
    with pytest.raises(InputError, match="system 'c': run 1 has labels x, y, z, w, run 0 has a, b, c, d"):
        Runs("c", (a.seeds[0], replace(a.seeds[1], labels=("x", "y", "z", "w"))))
    with pytest.raises(InputError, match="system 'c': no run"):
        Runs("c", ())
    single = Runs("a", (answered(right=0.7, seed=0, dialogues=1),))
    with pytest.raises(InputError, match="one dialogue only"):
        compare(single, replace(single, name="b"))
    with pytest.raises(InputError, match="the part is empty"):
        Answers(("a",), (), np.empty(0), np.empty(0), (), ())
