"""Predicted values are aligned with targets by id, in corpus order, and checked."""

from __future__ import annotations

import math

import numpy as np
import pytest

from merc.errors import InputError
from merc.evaluation.parts import Part
from merc.evaluation.scoring import Values, pooled, values

PART = Part(
    "test",
    ("d",),
    {},
    frozenset("abc"),
    dict.fromkeys("ab", "d"),
    dict.fromkeys("ab", "S"),
    {"a": (1.0, 2.0), "b": (3.0, math.nan)},
)
NAMES = ("valence", "activation")


def test_values_stand_in_corpus_order() -> None:
    found = values(PART, {"b": [0.5, 0.6], "x": [9, 9], "a": [0.1, 0.2]}, dimensions=NAMES)
    assert found.ids == ("a", "b")
    np.testing.assert_array_equal(found.true, [[1, 2], [3, np.nan]])
    np.testing.assert_array_equal(found.predicted, [[0.1, 0.2], [0.5, 0.6]])
    assert found.counts == {"valence": 2, "activation": 1}
    assert (found.dialogues, found.speakers) == (("d", "d"), ("S", "S"))


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match="1 of 2 test utterances have no predicted value, first 'b'"):
        values(PART, {"a": [0, 0]}, dimensions=NAMES)
    with pytest.raises(InputError, match="'a': 1 predicted values; expected 2: valence, activation"):
        values(PART, {"a": [0], "b": [0, 0]}, dimensions=NAMES)
    with pytest.raises(InputError, match=r"'b': predicted \[0.0, nan\]; expected finite numbers"):
        values(PART, {"a": [0, 0], "b": [0, math.nan]}, dimensions=NAMES)
    labelled = Part("test", ("d",), {"a": "joy"}, frozenset("a"), {"a": "d"}, {"a": None})
    with pytest.raises(InputError, match="has labels but no targets: a regression needs a protocol with dimensions"):
        values(labelled, {"a": [0, 0]}, dimensions=NAMES)
    with pytest.raises(InputError, match="expected \\(1, 2\\), one row per utterance"):
        Values(NAMES, ("a",), np.zeros((1, 1)), np.zeros((1, 1)), ("d",), (None,))


def test_folds_of_values_are_pooled() -> None:
    first = values(PART, {"a": [0, 0], "b": [1, 1]}, dimensions=NAMES)
    other = Values(NAMES, ("c",), np.ones((1, 2)), np.zeros((1, 2)), ("e",), (None,))
    assert pooled([first, other]).ids == ("a", "b", "c")
    assert pooled([first, other]).true.shape == (3, 2)
    with pytest.raises(InputError, match="utterance 'a' is tested by two folds"):
        pooled([first, first])
    with pytest.raises(InputError, match="folds of different label sets"):
        pooled([first, Values(("a", "b"), ("c",), np.ones((1, 2)), np.zeros((1, 2)), ("e",), (None,))])
