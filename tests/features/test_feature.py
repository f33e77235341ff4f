"""Values by utterance: what is absent, what is refused, and how they are standardised."""

from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError
from merc.features.feature import Feature, Scaling


def test_nan_that_is_not_declared_missing_is_refused() -> None:
    with pytest.raises(InputError, match=r"features 'au': 1 rows hold NaN or infinite values, first 'b' in column 1"):
        Feature.of(["a", "b"], np.array([[1.0, 2.0], [3.0, np.nan]]), source="au")
    with pytest.raises(InputError, match="column 0"):
        Feature.of(["a"], np.array([[np.inf, 2.0]]), source="au")
    with pytest.raises(InputError, match=r"2 ids \(1 distinct\)"):
        Feature.of(["a", "a"], np.ones((2, 2)), source="au")


def test_a_constant_value_survives_standardisation() -> None:
    feature = Feature.of(["a", "b"], np.array([[1.0, 2.0], [1.0, 4.0]]), source="t")
    scaled = Scaling.fit(feature, ["a", "b"])(feature.rows["a"])
    assert scaled.tolist() == [0.0, -1.0]


def test_steps_are_counted_by_the_kind_of_a_row() -> None:
    vectors = Feature("v", 3, {"a": np.zeros(3, np.float32)})
    assert (vectors.steps("a"), vectors.steps("b"), vectors.sequence) == (1, 0, False)
    frames = Feature("f", 3, {"a": np.zeros((4, 3), np.float32)})
    assert (frames.steps("a"), frames.sequence) == (4, True)
    words = Feature("w", 9, {"a": np.array([1, 5])}, kind="tokens")
    assert (words.steps("a"), words.sequence) == (2, True)
