from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest, chi2_contingency

from merc.errors import InputError
from merc.quality.report.bias import (
    Association,
    BiasOptions,
    compare,
    corrected,
    cramers_v,
    pooled,
    removal_bias,
    third,
    wilson,
)
from tests.quality.made_checks import check, row, tables


def by_name(found: tuple[Association, ...]) -> dict[str, Association]:
    return {one.attribute: one for one in found}


@pytest.mark.parametrize(("removed", "count"), [(0, 10), (3, 10), (10, 10), (91, 13708), (1, 1)])
def test_wilson_interval_is_that_of_scipy(removed: int, count: int) -> None:
    expected = binomtest(removed, count).proportion_ci(method="wilson")
    assert wilson(removed, count) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_nothing_counted_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("position", "length", "part"),
    [(0, 1, "start"), (0, 3, "start"), (1, 3, "middle"), (2, 3, "end"), (9, 10, "end"), (3, 10, "start")],
)
def test_third_of_a_dialogue(position: int, length: int, part: str) -> None:
    assert third(position, length) == part


def test_a_place_outside_the_dialogue_is_no_third() -> None:
    assert (third(None, 3), third(3, 3), third(0, 0)) == (None, None, None)


def test_rates_add_up_and_the_test_is_that_of_scipy() -> None:
    findings, verified = check()
    emotion = by_name(removal_bias(verified, findings))["emotion"]
    assert sum(rate.count for rate in emotion.rates) == len(verified)
    assert sum(rate.removed for rate in emotion.rates) == (verified["verdict"] == "remove").sum()
    assert emotion.rates[0].group == "anger"
    observed = [(rate.removed, rate.count - rate.removed) for rate in emotion.rates]
    expected = chi2_contingency(observed, correction=False)
    assert (emotion.chi2, emotion.dof) == (pytest.approx(expected.statistic), 2)
    assert emotion.p == pytest.approx(expected.pvalue)


def test_a_planted_bias_is_found_and_only_that() -> None:
    findings, verified = check(600)
    found = by_name(removal_bias(verified, findings))
    emotion = found["emotion"]
    assert emotion.holm is not None and emotion.holm < 1e-6
    assert emotion.low is not None and emotion.v is not None and emotion.high is not None
    assert 0.3 < emotion.low < emotion.v < emotion.high < 0.75
    for name in ("position", "speaker"):
        assert (found[name].holm or 0) > 0.05
        assert found[name].low == 0.0


def test_intervals_of_v_cover_the_truth() -> None:
    options = BiasOptions(resamples=200)
    chance = np.array([0.1, 0.3])
    truth = abs(chance[1] - chance[0]) / 2 / np.sqrt(0.2 * 0.8)
    covered = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        index = random.integers(0, 2, 400)
        groups = ["ab"[i] for i in index]
        found = compare("emotion", groups, random.random(400) < chance[index], np.arange(400) // 8, options=options)
        assert found.low is not None and found.high is not None
        covered += found.low <= truth <= found.high
    assert 88 <= covered <= 99


def test_few_conversations_give_no_interval() -> None:
    findings, verified = check(54)  # nine conversations
    emotion = by_name(removal_bias(verified, findings))["emotion"]
    assert emotion.v is not None and (emotion.low, emotion.high) == (None, None)
    findings, verified = check(60)
    assert by_name(removal_bias(verified, findings))["emotion"].high is not None


def test_v_is_one_for_a_settled_table_and_zero_without_margin() -> None:
    assert float(cramers_v(np.array([[1000, 0], [0, 1000]]))) == pytest.approx(1, abs=0.001)
    assert float(cramers_v(np.array([[10, 0], [20, 0]]))) == 0.0


def test_holm_is_step_down() -> None:
    found = corrected([Association("a", (), p=0.04), Association("b", (), p=0.01), Association("c", (), p=0.03)])
    assert [one.holm for one in found] == pytest.approx([0.06, 0.03, 0.06])


def test_what_cannot_be_tested_says_why_and_costs_no_correction() -> None:
    found = corrected([Association("a", (), reason="nothing was removed"), Association("b", (), p=0.04)])
    assert [one.holm for one in found] == [None, 0.04]


def test_nothing_removed_is_not_tested() -> None:
    findings, verified = tables([row(n, label=("joy", "anger")[n % 2]) for n in range(12)], [])
    found = by_name(removal_bias(verified, findings))
    assert found["emotion"].reason == "nothing was removed"
    assert found["speaker"].reason == "fewer than two groups"


def test_rare_speakers_are_one_group() -> None:
    names = ["Ann"] * 100 + ["Bob"] * 100 + [f"Guest {n}" for n in range(20)]
    groups = pooled(names, np.arange(220) % 4 == 0, least=5)
    assert Counter(groups) == {"Ann": 100, "Bob": 100, "20 others": 20}


def test_unknown_labels_are_left_out() -> None:
    findings, verified = tables([row(n, label=None if n < 3 else "joy", verdict="keep") for n in range(6)], [])
    emotion = by_name(removal_bias(verified, findings))["emotion"]
    assert [(rate.group, rate.count) for rate in emotion.rates] == [("joy", 3)]


def test_an_empty_corpus_has_no_rates() -> None:
    findings, verified = tables([], [])
    assert [one.rates for one in removal_bias(verified, findings)] == [(), (), ()]


def test_options_out_of_range_are_named() -> None:
    with pytest.raises(InputError, match="bias: resamples is 5: expected 100 to 1000000"):
        BiasOptions(resamples=5)
