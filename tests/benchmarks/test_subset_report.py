"""The whole part and the subset that a check keeps stand side by side, by the same predictions."""

from __future__ import annotations

import numpy as np
import pytest

from merc.benchmarks import subset_report
from merc.benchmarks.subset import Subset
from merc.errors import InputError
from merc.evaluation.resampling import Runs, ValueRuns
from merc.evaluation.scoring import Answers, Values

IDS = tuple(f"u{place}" for place in range(8))
TRUE = np.array([0, 0, 0, 0, 1, 1, 1, 1])
WRONG = np.array([0, 0, 0, 1, 1, 1, 0, 0])
ANSWERS = Answers(("joy", "fear"), IDS, TRUE, WRONG, IDS, (None,) * 8)
SUBSET = Subset("verified.parquet", frozenset(IDS[:3] + IDS[4:6]), frozenset({"u3", "u6", "u7"}), "c0ffee" * 9)


def test_each_part_has_its_figures_and_classes_their_removals() -> None:
    text = subset_report.table([Runs("concat (text)", (ANSWERS,))], SUBSET, metrics=("accuracy",))
    assert "what `verified.parquet` (c0ffeec0) keeps of it" in text
    assert "It removes: joy 25.0 %, fear 50.0 %." in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| concat")]
    assert [(row[1], row[2], row[3].split(" ")[0]) for row in rows] == [
        ("whole part", "8", "62.5"),
        ("kept by the check", "5", "100.0"),
        ("removed", "3", "0.0"),
    ]


def test_values_are_refused() -> None:
    values = Values(("valence",), ("a",), np.zeros((1, 1)), np.zeros((1, 1)), ("a",), (None,))
    with pytest.raises(InputError, match="x: predicts values, and a subset is measured by classes"):
        subset_report.table([ValueRuns("x", (values,))], SUBSET)
