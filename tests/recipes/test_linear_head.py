"""The linear head equals ridge regression by the book, and reads like any other head."""

from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError
from merc.heads.head import Head
from merc.heads.mlp import logits
from merc.recipes.head_training import Examples
from merc.recipes.linear_head import layers, ridge


def separable(n: int, seed: int, width: int = 40) -> Examples:
    generator = np.random.default_rng(seed)
    classes = generator.integers(7, size=n)
    centres = np.random.default_rng(99).normal(size=(7, width))
    return Examples((5 + centres[classes] + generator.normal(size=(n, width))).astype(np.float32), classes)


def test_it_is_ridge_regression() -> None:
    from sklearn.linear_model import Ridge

    training, validation = separable(120, 0), separable(60, 1)
    found = ridge(training, validation, penalties=(0.3,))
    scaled = (training.vectors - training.vectors.mean(0)) / training.vectors.std(0)
    level = np.trace(scaled @ scaled.T) / len(scaled)
    targets = np.where(np.arange(7) == training.classes[:, None], 1.0, -1.0)
    book = Ridge(alpha=0.3 * level).fit(scaled, targets)
    other = (validation.vectors - training.vectors.mean(0)) / training.vectors.std(0)
    np.testing.assert_allclose(logits(found.weights, validation.vectors), book.predict(other), atol=1e-3)
    assert found.validation_macro_f1 > 0.9


def test_validation_chooses_the_penalty() -> None:
    training, validation = separable(60, 0), separable(60, 1)
    tried = [ridge(training, validation, penalties=(p,)).validation_macro_f1 for p in (1e-6, 0.3, 1e6)]
    found = ridge(training, validation, penalties=(1e-6, 0.3, 1e6))
    assert found.validation_macro_f1 == max(tried)
    assert tried[found.epoch - 1] == max(tried)


def test_three_layers_pass_on_a_linear_map_and_make_a_head() -> None:
    generator = np.random.default_rng(0)
    weight, bias = generator.normal(size=(7, 12)), generator.normal(size=7)
    vectors = generator.normal(size=(5, 12)).astype(np.float32)
    made = layers(weight, bias)
    np.testing.assert_allclose(logits(made, vectors), vectors @ weight.T + bias, atol=1e-5)
    head = Head("voice", made)
    assert head.width == 12
    np.testing.assert_allclose(head.probabilities(vectors).sum(1), 1)


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(InputError, match="1 training, 9 validation examples"):
        ridge(separable(1, 0), separable(9, 1))
    with pytest.raises(InputError, match=r"penalties 0\.0: expected at least 2, 1 and numbers above 0"):
        ridge(separable(9, 0), separable(9, 1), penalties=(0.0,))
