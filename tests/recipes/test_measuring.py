"""Figures of predicted probabilities as a row of a model card."""

from __future__ import annotations

import numpy as np
import pytest

from merc.labels import EKMAN7
from merc.recipes.measuring import classes_of, measured
from merc.recipes.samples import Sample


def certain(*classes: int) -> np.ndarray:
    return np.eye(len(EKMAN7))[list(classes)] * 0.93 + 0.01


def test_figures_are_those_of_the_most_probable_class() -> None:
    classes = np.array([0, 0, 3, 3, 3])
    row = measured("all", certain(0, 1, 3, 3, 3), classes, resamples=50)
    assert row.items == 5
    assert row.value("accuracy") == pytest.approx(0.8)
    assert row.support == {**dict.fromkeys(EKMAN7, 0), EKMAN7[0]: 2, EKMAN7[3]: 3}
    recall = row.by_class[EKMAN7[0]]
    assert isinstance(recall, tuple) and recall[0] == pytest.approx(0.5)
    assert row.by_class[EKMAN7[5]] is None, "a class without an item has no recall"
    assert row.value("log_loss") == pytest.approx(-(4 * np.log(0.94) + np.log(0.01)) / 5, abs=1e-4)


def test_intervals_resample_whole_groups() -> None:
    """One group right and one wrong: drawn whole, the accuracy is anything from 0 to 1; item by item it is not."""
    classes = np.repeat([0, 3], 20)
    probabilities = certain(*[0] * 40)
    groups = ["a"] * 20 + ["b"] * 20
    _, low, high = measured("all", probabilities, classes, groups=groups, resamples=200).figures["accuracy"]
    assert (low, high) == (0.0, 1.0)
    _, low, high = measured("all", probabilities, classes, resamples=200).figures["accuracy"]
    assert 0.2 < low < 0.5 < high < 0.8


def test_classes_are_numbers_in_the_order_of_the_seven() -> None:
    samples = [Sample(None, None, EKMAN7[4], "train"), Sample(None, None, EKMAN7[1], "train")]  # type: ignore[arg-type]
    assert classes_of(samples).tolist() == [4, 1]
