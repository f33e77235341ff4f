from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from merc.quality.report.bias import Association
from merc.quality.report.page import analyse
from merc.quality.report.sections import _size, _threshold, _verdict, header, main
from merc.quality.report.summary import Analysis
from tests.quality.made_checks import check


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyse(*check())


def test_the_head_counts_what_was_verified_and_removed(analysis: Analysis) -> None:
    removed = int((analysis.verified["verdict"] == "remove").sum())
    text = header(analysis, title="A & B")
    assert "<h1><bdi>A &amp; B</bdi></h1>" in text
    assert f"<dt>verified</dt><dd>{240 - removed}<small>{100 * (1 - removed / 240):.1f}%</small>" in text
    assert f"<dt>removed</dt><dd>{removed}<small>{100 * removed / 240:.1f}%</small>" in text


def test_sections_without_content_are_empty(analysis: Analysis) -> None:
    kept = replace(analysis, verified=analysis.verified.with_columns(verdict=pl.lit("keep")))
    assert [bool(part) for part in main(kept)] == [True, False, True, False, True, False, False, True, True]


@pytest.mark.parametrize(("v", "word"), [(0.5, "large"), (0.3, "medium"), (0.1, "small"), (0.0999, "negligible")])
def test_effects_are_named_as_cohen_names_them(v: float, word: str) -> None:
    assert _size(v) == word


def test_a_difference_is_stated_by_the_corrected_p_value() -> None:
    tested = Association("emotion", (), chi2=9.0, dof=2, p=0.011, holm=0.033, v=0.2, low=0.1, high=0.3)
    assert _verdict(tested) == (
        "The rates differ: χ²(2) = 9.0, p = .033 after Holm's correction for the attributes tested; effect size "
        "V = 0.20, 95 % interval 0.10 to 0.30 (small)."
    )
    assert _verdict(replace(tested, holm=0.05)).startswith("No difference between the rates was shown")
    assert "p < .001" in _verdict(replace(tested, holm=0.0005))
    assert "3 cells have small expected counts" in _verdict(replace(tested, sparse=3))
    assert "too few dialogues for an interval." in _verdict(replace(tested, low=None))
    assert _verdict(Association("emotion", (), reason="one group")) == "Not tested: one group."


def test_the_threshold_of_a_measure_is_the_one_its_step_names(analysis: Analysis) -> None:
    assert _threshold(analysis.findings, "text", "cosine") == 0.25
    assert _threshold(analysis.findings, "face", "best_face_cosine") is None
